"""Every screen in a real browser, over a seeded ledger: one walk a screen, in `browser/walks/NAME.mjs`.

One Farebox and one browser serve all walks, and each walk is a test with a time of its own. Skipped where
Debian's Chromium or the dashboard's npm packages are not installed; `make test` installs both.
FAREBOX_SCREENSHOTS=FOLDER takes a picture of each screen at 1440 and 390 pixels, dark and light;
FAREBOX_SEED_CALLS says how many calls there are, FAREBOX_WALKS=a,b which walks are run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from browser.chromium import HERE, NEEDED, Walks, browsing
from browser.seeded_home import seed

WALKS = sorted(path.stem for path in (HERE / "walks").glob("*.mjs"))
WANTED = os.environ.get("FAREBOX_WALKS", "").split(",") if os.environ.get("FAREBOX_WALKS") else WALKS

pytestmark = [pytest.mark.timeout(1200), *NEEDED]  # the first test takes the seeding, too

CONFIGURATION = """\
listen: 127.0.0.1:0
dashboard: 127.0.0.1:0
keys:
  a1b2c3d4e5f60718: {label: backend}
  0d93b2aa71c5e0f4: {label: support}
portal: {listen: 127.0.0.1:0, name: Example Labs, colour: "#3f6fd1"}
budgets:
  - {name: company, limit: "2000.00", period: month, mode: soft}
"""


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walks]:
    """A browser before a Farebox with calls, for one walk after the other, each in the time of its test."""
    calls = int(os.environ.get("FAREBOX_SEED_CALLS", "6000"))
    folder = tmp_path_factory.mktemp("screens")
    with browsing(folder, CONFIGURATION, lambda home: seed(home, calls), walks=WANTED) as (opened, _):
        yield opened


@pytest.mark.parametrize("walk", WANTED)
def test_a_walk_through_a_screen_finds_nothing_to_complain_about(walks: Walks, walk: str) -> None:
    walks.check(walk)
