"""Programs in Node and Go beside a running Farebox: to its collector, into its spool, through its proxy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from farebox_process import Shell
from test_sdk_and_collector import free_ports
from tools.upstream import MockUpstream, Reply, Request, chat_answer, chat_events, json_reply, sse_reply

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("node", "go")
COST_PICO = 3_597_500_000
WAIT_S = 60.0


def respond(request: Request) -> Reply:
    number = respond.calls = respond.calls + 1  # type: ignore[attr-defined]
    if request.json().get("stream"):
        return sse_reply(chat_events(3, number=number))
    return json_reply(chat_answer("hello", number=number))


respond.calls = 0  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def upstream() -> Iterator[MockUpstream]:
    with MockUpstream(respond) as serving:
        yield serving


@pytest.fixture(scope="module")
def farebox(tmp_path_factory: pytest.TempPathFactory, upstream: MockUpstream) -> Iterator[Shell]:
    proxy, port = free_ports(2)
    shell = Shell(
        tmp_path_factory.mktemp("farebox"),
        f"listen: 127.0.0.1:{proxy}\ndashboard: 127.0.0.1:{port}\n"
        f'providers: {{openai: {{upstream: "{upstream.url}"}}}}\n',
    )
    shell.environment["TEST_PROXY"] = f"http://127.0.0.1:{proxy}/openai/v1"
    shell.environment["TEST_COLLECTOR"] = f"http://127.0.0.1:{port}"
    token = json.loads(shell.farebox("tokens", "create", "sdk", "--scope", "ingest", "--json").stdout)
    shell.environment["TEST_TOKEN"] = token["secret"]
    shell.farebox("up", "--detach")
    yield shell
    shell.farebox("stop", status=None)


@pytest.fixture(params=LANGUAGES)
def example(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, ...]:
    """The program of one language: its command, run in a folder of the test's own."""
    language = str(request.param)
    found = shutil.which(language)
    if found is None:
        pytest.skip(f"{language} is not installed")
    if language == "go":
        program = tmp_path / "example"
        folder = ROOT / "examples" / "go"
        subprocess.run([found, "build", "-o", str(program), "."], cwd=folder, check=True)
        return (str(program),)
    folder = tmp_path / "example"
    shutil.copytree(ROOT / "examples" / "node", folder)
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / "farebox").symlink_to(ROOT / "sdk" / "node")
    return found, str(folder / "support-bot.js")


def new_rows(shell: Shell, known: set[str]) -> list[dict[str, Any]]:
    """Return the two calls that were not known before, once the record has them."""
    deadline = time.monotonic() + WAIT_S
    while True:
        rows = [row for row in shell.rows() if row["event_id"] not in known]
        if len(rows) >= 2 or time.monotonic() > deadline:
            known.update(row["event_id"] for row in rows)
            return rows


def test_a_program_is_metered_once_by_whichever_way_its_calls_go(
    farebox: Shell, upstream: MockUpstream, example: tuple[str, ...], tmp_path: Path
) -> None:
    command = example
    known = {row["event_id"] for row in farebox.rows()}

    def run(base: str, home: Path, more: Mapping[str, str] = {}) -> None:
        environment = {
            **os.environ,
            "FAREBOX_HOME": str(home),
            "FAREBOX_COLLECTOR": "",
            "OPENAI_API_KEY": "sk-test-0123456789abcdef0123",
            "OPENAI_BASE_URL": base,
            **more,
        }
        subprocess.run(command, env=environment, stdout=subprocess.PIPE, timeout=60, check=True)

    direct = f"{upstream.url}/v1"
    ways = {
        "collector": lambda: run(
            direct,
            tmp_path / "elsewhere",
            {
                "FAREBOX_COLLECTOR": farebox.environment["TEST_COLLECTOR"],
                "FAREBOX_TOKEN": farebox.environment["TEST_TOKEN"],
            },
        ),
        "spool": lambda: run(direct, farebox.home),
        "proxy": lambda: run(farebox.environment["TEST_PROXY"], farebox.home),
    }
    for way, send in ways.items():
        send()
        rows = new_rows(farebox, known)
        assert sorted(row["attribution"]["customer"] for row in rows) == ["acme", "globex"], way
        assert [row["parts"][0]["cost_pico"] for row in rows] == [COST_PICO, COST_PICO], way
        assert {row["streamed"] for row in rows} == {True, False}, way
    assert not list((tmp_path / "elsewhere" / "collectors").glob("*/*"))
