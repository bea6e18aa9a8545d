from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from calls import TestLedger

from farebox.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def ledger(home: Home) -> Iterator[TestLedger]:
    made = TestLedger(home)
    yield made
    made.connection.close()
