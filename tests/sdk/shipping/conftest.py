from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from collectors import FakeCollector
from spooling import Spooling


@pytest.fixture
def spooling(tmp_path: Path) -> Iterator[Spooling]:
    """A program's spool, its shipper and a collector, all on a clock of their own."""
    made = Spooling(tmp_path, FakeCollector())
    yield made
    made.close()
