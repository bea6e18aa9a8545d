"""A home, and an intake that is closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from taken_in import Door

from farebox.home import Home
from farebox.ingest.limits import IngestLimits


@pytest.fixture
def home(away_from_home: Path) -> Home:
    home = Home(away_from_home)
    home.prepare()
    return home


@pytest.fixture
def doors(home: Home) -> Iterator[Callable[..., Door]]:
    made: list[Door] = []

    def make(limits: IngestLimits | None = None) -> Door:
        made.append(Door(home, limits))
        return made[-1]

    yield make
    for door in made:
        door.close()


@pytest.fixture
def door(doors: Callable[..., Door]) -> Door:
    return doors()
