"""A home with a control database."""

from __future__ import annotations

from pathlib import Path

import pytest

from farebox.home import Home


@pytest.fixture
def home(away_from_home: Path) -> Home:
    home = Home(away_from_home)
    home.prepare()
    return home
