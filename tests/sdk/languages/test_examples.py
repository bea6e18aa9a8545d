"""The examples run as they stand, against the mock upstream, and their calls are on the right accounts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools.upstream import MockUpstream, Reply, Request, chat_answer, chat_events, json_reply, sse_reply

from farebox.config import load_config
from farebox.home import Home
from farebox.ledger import catch_up
from farebox.ledger.calls import LedgerReader

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"
COST_PICO = 3_597_500_000
"""179 tokens at $2.50, 1,024 cached at $1.25 and 187 of output at $10 a million."""


def respond(request: Request) -> Reply:
    number = 2 if request.json().get("stream") else 1
    return sse_reply(chat_events(3, number=2)) if number == 2 else json_reply(chat_answer("hello", number=1))


@pytest.fixture
def upstream() -> Iterator[MockUpstream]:
    with MockUpstream(respond) as serving:
        yield serving


@pytest.fixture
def home(tmp_path: Path, upstream: MockUpstream) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    home.config.write_text(f'providers: {{openai: {{upstream: "{upstream.url}"}}}}\n', encoding="utf-8")
    return home


def run(home: Home, upstream: MockUpstream, folder: Path, *command: str) -> str:
    environment = {
        **os.environ,
        "FAREBOX_HOME": str(home.path),
        "FAREBOX_COLLECTOR": "",
        "OPENAI_API_KEY": "sk-test-0123456789abcdef0123",
        "OPENAI_BASE_URL": f"{upstream.url}/v1",
    }
    told = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, timeout=120, check=True
    )
    return told.stdout


def is_on_its_accounts(home: Home, said: str) -> None:
    """Assert that both calls of an example are in the record, whole, and priced."""
    assert said.splitlines() == ["hello", "word0 word1 word2 "]
    catch_up(home, load_config(home))
    calls = {call.attribution["customer"]: call for call in LedgerReader(home).newest(10)}
    assert set(calls) == {"acme", "globex"}
    for customer, streamed, task in (("acme", False, "t-1"), ("globex", True, "t-2")):
        call = calls[customer]
        assert (call.streamed, call.attribution["task"], call.completeness) == (streamed, task, "final")
        assert call.attribution["tag.feature"] == "support"
        assert (call.response_model, call.outcome) == ("gpt-4o-2024-08-06", "completed")
        assert [part.cost_pico for part in call.parts] == [COST_PICO]
    assert not any(path.is_file() for path in (home.path / "spool").glob("*"))


def test_the_python_example_runs_as_it_stands(home: Home, upstream: MockUpstream) -> None:
    is_on_its_accounts(home, run(home, upstream, EXAMPLES / "python", sys.executable, "support_bot.py"))


def test_the_node_example_runs_as_it_stands(
    home: Home, upstream: MockUpstream, node: str, tmp_path: Path
) -> None:
    folder = tmp_path / "example"
    shutil.copytree(EXAMPLES / "node", folder)
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / "farebox").symlink_to(ROOT / "sdk" / "node")  # as `npm install` does
    is_on_its_accounts(home, run(home, upstream, folder, node, "support-bot.js"))


def test_the_go_example_runs_as_it_stands(home: Home, upstream: MockUpstream, go: str) -> None:
    is_on_its_accounts(home, run(home, upstream, EXAMPLES / "go", go, "run", "."))
