"""Every screen in a real browser, over a seeded ledger: one walk a screen, in `browser/walks/NAME.mjs`.

One Farebox and one browser serve all walks. Skipped where Debian's Chromium or the dashboard's npm packages
are not installed; `make test` installs both. FAREBOX_SCREENSHOTS=FOLDER takes a picture of each screen at
1440 and 390 pixels, dark and light; FAREBOX_SEED_CALLS says how many calls there are, FAREBOX_WALKS=a,b which
walks are run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
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
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the walks have found, by their names."""
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
        done = subprocess.run(
            ["node", str(HERE / "browser" / "run.mjs"), json.dumps(setting)],
            capture_output=True,
            text=True,
            timeout=900,
        )
    finally:
        shell.farebox("stop")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("walk", WANTED)
def test_a_walk_through_a_screen_finds_nothing_to_complain_about(reports: dict[str, Any], walk: str) -> None:
    report = reports[walk]
    assert report["failed"] is None, (report["failed"], report["complaints"], report["shots"])
    assert not report["complaints"], "\n".join(report["complaints"])
