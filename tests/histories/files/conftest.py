from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farebox.cli.main import main
from farebox.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def imported(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """Run `farebox import` and return what it prints with `--json`."""

    def run(*arguments: str | Path, into: Home = home) -> dict[str, Any]:
        words = ["farebox", "import", *map(str, arguments), "--json", "--home", str(into.path)]
        monkeypatch.setattr(sys, "argv", words)
        assert main() == 0
        return json.loads(capsys.readouterr().out)

    return run
