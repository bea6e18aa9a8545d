from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from metered import Metered, respond_as_named

import farebox


@pytest.fixture
def metered(tmp_path: Path) -> Iterator[Metered]:
    """A home and a mock of several providers, with nothing instrumented yet."""
    made = Metered(tmp_path / "home", respond_as_named)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def instrumented(metered: Metered) -> Metered:
    """The same, with every transport metered."""
    farebox.instrument()
    return metered
