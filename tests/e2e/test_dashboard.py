"""The dashboard in a real browser, over the real proxy, ledger and server.

Skipped where Debian's Chromium or the dashboard's npm packages are not installed; `make test`
installs both. Screenshots land in the test's temporary folder, or in FAREBOX_SCREENSHOTS.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from answers import respond as answer
from browser.chromium import CHROMIUM, NEEDED
from farebox_process import Shell
from tools.upstream import CHAT_USAGE, MockUpstream, Reply, Request, chat_answer, json_reply

from farebox.home import Home
from farebox.server.access.links import mint_link

HERE = Path(__file__).resolve().parent
RATES = "{input: 1, cache_read: 0.10, cache_write_5m: 1.25, cache_write_1h: 2, output: 10, per: 1M}"

pytestmark = NEEDED


def respond(request: Request) -> Reply:
    """Answer with a model nobody knows where that was asked for."""
    if b"never-heard-of" in request.body:
        return json_reply({**chat_answer("hello", usage=CHAT_USAGE), "model": "never-heard-of"})
    return answer(request)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Farebox, up, with a mock upstream behind it."""
    with MockUpstream(respond) as upstream:
        providers = "".join(f"  {name}: {{upstream: '{upstream.url}'}}\n" for name in ("openai", "anthropic"))
        prices = "".join(f"  {model}: {RATES}\n" for model in ("gpt-4o", "claude-sonnet-4-5"))
        listen = "listen: 127.0.0.1:0\ndashboard: 127.0.0.1:0\n"
        shell = Shell(tmp_path, f"{listen}providers:\n{providers}pricing:\n{prices}")
        shell.farebox("up", "--detach")
        try:
            yield shell
        finally:
            shell.farebox("stop")


@pytest.fixture
def seen(shell: Shell, tmp_path: Path) -> dict[str, Any]:
    """What the browser saw, see dashboard.mjs."""
    home = Home(shell.home)
    proxy = json.loads((home.run / "proxy.json").read_bytes())
    shots = Path(os.environ.get("FAREBOX_SCREENSHOTS", tmp_path / "screenshots"))
    shots.mkdir(parents=True, exist_ok=True)
    wanted = {
        "link": mint_link(home),
        "proxy": f"http://{proxy['host']}:{proxy['port']}",
        "shots": str(shots),
        "chromium": CHROMIUM,
    }
    done = subprocess.run(
        ["node", str(HERE / "dashboard.mjs"), json.dumps(wanted)], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert "failed" not in report, (report["failed"], report["complaints"], report["shots"])
    return {**report, "wanted": wanted}


def test_calls_appear_with_their_cost_by_themselves_and_open_as_receipts(
    seen: dict[str, Any], shell: Shell
) -> None:
    # The way in.
    assert seen["stranger"]["status"] == 401 and "farebox open" in seen["stranger"]["text"]
    assert "link=" not in seen["address"]
    assert seen["linkAgain"] == 401

    # Nothing yet: it says what runs and what to paste.
    assert seen["wanted"]["proxy"] in seen["empty"]
    assert "farebox run" in seen["empty"] and "-- python app.py" in seen["empty"] and "curl" in seen["empty"]

    # 179 × $1 + 1,024 × $0.10 + 187 × $10 per million = $0.0021514, without a reload.
    assert seen["first"]["exact"] == "$0.0021514"
    assert "gpt-4o" in seen["first"]["row"] and "checkout / anna" in seen["first"]["row"]
    assert seen["marker"] == "still here"
    assert seen["bars"] >= 1
    assert len(seen["rows"]) == 5
    assert "404" in seen["rows"][0] and "unpriced" in seen["rows"][1]

    # The receipt says how: 100 × $1 + 1,000 × $0.10 + 200 × $1.25 + 100 × $2 + 50 × $10 per million.
    receipt = " ".join(seen["receipt"].split())
    assert "$0.00115" in receipt and "By list price $0.00115" in receipt
    for line in ("100 × $1 per", "1,000 × $0.1 per", "200 × $1.25 per", "100 × $2 per", "50 × $10 per"):
        assert line in receipt
    assert "Prompts and responses are not stored." in receipt
    assert "call=" in seen["receiptAddress"]

    assert "claude-sonnet-4-5" in seen["focused"]

    # Holding, filtering, text, themes, width.
    assert seen["held"] == 5
    assert seen["filtered"] == "?model=claude-sonnet-4-5-20250929"
    assert "unpriced" in seen["unpriced"]
    assert seen["picked"] == "?user=anna"
    assert seen["found"] == "?app=checkout"
    assert seen["dimmed"] is True
    assert "$0.00" in seen["asText"] and "Unpriced" in seen["asText"]
    assert seen["light"] != seen["dark"]
    assert seen["chosenLight"] == seen["keptLight"] == seen["light"]
    assert seen["overflow"] <= 0
    assert seen["costRight"] <= 390 and "$0.002151" in seen["narrowRow"]

    assert seen["complaints"] == []
    assert all(Path(path).stat().st_size > 10_000 for path in seen["shots"])

    state = b"".join(path.read_bytes() for path in shell.home.rglob("*") if path.is_file())
    assert b"canary-prompt" not in state and b"sk-canary" not in state
