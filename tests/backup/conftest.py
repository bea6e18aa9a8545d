"""A home that has something of everything."""

from __future__ import annotations

from pathlib import Path

import pytest
from kept_homes import fill

from farebox.home import Home


@pytest.fixture
def home(away_from_home: Path) -> Home:
    home = Home(away_from_home)
    fill(home)
    return home
