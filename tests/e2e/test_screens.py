"""Every screen in a real browser, over a seeded ledger: one walk a screen, in `browser/walks/NAME.mjs`.

One Farebox and one browser serve all walks, and each walk is a test with a time of its own. Skipped where
Debian's Chromium or the dashboard's npm packages are not installed; `make test` installs both.
FAREBOX_SCREENSHOTS=FOLDER takes a picture of each screen at 1440 and 390 pixels, dark and light;
FAREBOX_SEED_CALLS says how many calls there are, FAREBOX_WALKS=a,b which walks are run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from browser.seeded_home import seed
from farebox_process import Shell

from farebox.home import Home
from farebox.server.access.links import mint_link

HERE = Path(__file__).resolve().parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PACKAGES = HERE.parent.parent / "dashboard" / "node_modules"
WALKS = sorted(path.stem for path in (HERE / "browser" / "walks").glob("*.mjs"))
WANTED = os.environ.get("FAREBOX_WALKS", "").split(",") if os.environ.get("FAREBOX_WALKS") else WALKS

pytestmark = [
    pytest.mark.timeout(1200),  # of which the first test takes all, with the walks
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
    pytest.mark.skipif(
        not (PACKAGES / "playwright-core").is_dir(), reason="no npm packages here: make dashboard"
    ),
]

CONFIGURATION = """\
listen: 127.0.0.1:0
dashboard: 127.0.0.1:0
keys:
  a1b2c3d4e5f60718: {label: backend}
  0d93b2aa71c5e0f4: {label: support}
budgets:
  - {name: company, limit: "2000.00", period: month, mode: soft}
"""


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walks]:
    """A browser before a Farebox with calls, for one walk after the other, each in the time of its test."""
    folder = tmp_path_factory.mktemp("screens")
    shell = Shell(folder, CONFIGURATION)
    home = Home(shell.home)
    home.prepare()
    seed(home, int(os.environ.get("FAREBOX_SEED_CALLS", "6000")))
    shots = os.environ.get("FAREBOX_SCREENSHOTS")
    if shots:
        Path(shots).mkdir(parents=True, exist_ok=True)
    shell.farebox("up", "--detach")
    try:
        setting = {
            "link": mint_link(home),
            "chromium": CHROMIUM,
            "walks": WANTED,
            "shots": shots and str(Path(shots).resolve()),
            "scratch": str(folder),
            "farebox": shell.environment["FAREBOX_HOME"],
        }
        with Walks(setting) as opened:
            yield opened
    finally:
        shell.farebox("stop")


class Walks:
    """Walks in one browser, each when it is asked for."""

    def __init__(self, setting: dict[str, Any]) -> None:
        command = ["node", str(HERE / "browser" / "run.mjs"), json.dumps(setting)]
        self._browser = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True)

    def __enter__(self) -> Walks:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._browser.communicate(timeout=30)  # without more names it ends
        except subprocess.TimeoutExpired:
            self._browser.kill()
            self._browser.communicate()

    def report(self, walk: str) -> dict[str, Any]:
        """Return what a walk has found."""
        assert self._browser.stdin and self._browser.stdout
        print(walk, file=self._browser.stdin, flush=True)
        found: dict[str, Any] = {}
        while found.get("name") != walk:  # one whose test was stopped may still have come before
            line = self._browser.stdout.readline()
            assert line, f"the browser ended before {walk} did: see above"
            found = json.loads(line)
        return found


@pytest.mark.parametrize("walk", WANTED)
def test_a_walk_through_a_screen_finds_nothing_to_complain_about(walks: Walks, walk: str) -> None:
    report = walks.report(walk)
    assert report["failed"] is None, (report["failed"], report["complaints"], report["shots"])
    assert not report["complaints"], "\n".join(report["complaints"])
