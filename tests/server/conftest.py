"""A home, a built dashboard and a served ledger for every test that asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from served import Site, day_of_calls

from farebox.home import Home
from farebox.server.assets import Assets


@pytest.fixture
def home(away_from_home: Path) -> Home:
    home = Home(away_from_home)
    home.prepare()
    return home


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A built dashboard of three files."""
    folder = tmp_path / "web"
    (folder / "assets").mkdir(parents=True)
    files = {"index.html": "<!doctype html>app", "assets/index-1a2b.js": "run()", "favicon.svg": "<svg/>"}
    for name, content in files.items():
        (folder / name).write_text(content)
    stamp = {"sources": "0" * 64, "api": "0" * 64, "files": dict.fromkeys(files, "f" * 64)}
    (folder / "build.json").write_bytes(msgspec.json.encode(stamp))
    (tmp_path / "secret.txt").write_text("not for browsers")
    return folder


@pytest.fixture
def site(home: Home, web: Path) -> Iterator[Site]:
    site = Site(home, day_of_calls(), Assets(web))
    yield site
    site.ledger.close()
