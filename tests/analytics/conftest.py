from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ledgers import Record

from farebox.analytics.local import LocalAsker
from farebox.analytics.questions import Questions
from farebox.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def record(home: Home) -> Iterator[Record]:
    made = Record(home)
    yield made
    made.close()


@pytest.fixture
def questions(record: Record) -> Iterator[Questions]:
    made = Questions(LocalAsker(record.home))
    yield made
    made.close()
