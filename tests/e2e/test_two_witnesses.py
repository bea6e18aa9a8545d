"""A program with the SDK that calls through the proxy: both write each call down, and the record has it once.

Input $1, cache read $0.10, output $10, per million: 179 + 1024 cached in and 187 out are $0.0021514.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from farebox_process import FAREBOX, Shell
from proxy_harness import certificate, server_tls
from proxy_processes import STARTED, ProxyProcess
from tools.upstream import (
    Hang,
    MockUpstream,
    Reply,
    Request,
    Reset,
    chat_answer,
    chat_events,
    json_reply,
    sse_reply,
)

from farebox.clock import now_ns
from farebox.config import load_config
from farebox.control.token_changes import create_token
from farebox.home import Home
from farebox.ledger import catch_up, verify
from farebox.ledger.call_row import CallRow
from farebox.ledger.calls import LedgerReader

RATES = "{input: 1, cache_read: 0.10, output: 10, per: 1M}"
COST = "0.0021514"
CHAT = (1203, 1024, 187)
BEGIN = """
import os, sys
import farebox, requests
url = sys.argv[1]
farebox.instrument()
def call(url=url, **more):
    return requests.post(url, json={"model": "gpt-4o", **more}, headers={"authorization": "Bearer k"},
                         timeout=30).status_code
"""
STREAM = """
body = {"model": "gpt-4o", "stream": True, "stream_options": {"include_usage": True}}
"""


class World:
    """A home, its proxy, and a provider behind it."""

    def __init__(self, folder: Path, respond: Callable[[Request], Reply]) -> None:
        self.folder = folder
        self.upstream = MockUpstream(respond)
        self.upstream.__enter__()
        self.home = Home(folder / "home")
        runtime = folder / "runtime"
        runtime.mkdir(mode=0o700)
        places = {"FAREBOX_HOME": str(self.home.path), "XDG_RUNTIME_DIR": str(runtime)}
        self.environment = {**os.environ, **places}
        lines = [
            "listen: 127.0.0.1:0",
            "providers:",
            f"  openai: {{upstream: '{self.upstream.url}/base/v1'}}",
            "  dead: {upstream: 'http://127.0.0.1:9/v1', speaks: openai}",
            f"  my-llm: {{upstream: '{self.upstream.url}/own', speaks: openai}}",
            "pricing:",
            f"  gpt-4o: {RATES}",
        ]
        text = "\n".join(lines) + "\n"
        self.home.prepare()
        self.home.config.write_text(text, encoding="utf-8")
        _, self.token = create_token(
            self.home, "ci", "client", "test", now_ns(), binding={"customer": "acme"}
        )
        """A client's, bound to the customer acme."""
        self.proxy = ProxyProcess(self.home, text, environment=self.environment).ready()
        self.url = f"http://127.0.0.1:{self.proxy.port}/openai/chat/completions"

    def start(self, program: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a program with the SDK."""
        return subprocess.Popen(
            [sys.executable, "-c", BEGIN + textwrap.dedent(program), self.url, *arguments],
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, program: str, *arguments: str, **environment: str) -> str:
        child = self.start(program, *arguments, **environment)
        out, _ = child.communicate(timeout=60)
        assert child.returncode == 0, out
        return out

    def rows(self) -> list[CallRow]:
        """Return every call, oldest first, once the proxy has written all of it."""
        if self.proxy.process.poll() is None:
            self.proxy.terminate()
            assert self.proxy.ended()[0] == 0
        catch_up(self.home, load_config(self.home))
        assert verify(self.home).problems == []
        reader = LedgerReader(self.home)
        try:
            return list(reader.export())
        finally:
            reader.close()

    def row(self) -> CallRow:
        """Return the only call, which both have seen."""
        (found,) = self.rows()
        assert kinds(found) == ["proxy", "sdk"]
        return found

    def close(self) -> None:
        for proxy in STARTED:
            if proxy.process.poll() is None:
                proxy.kill()
        STARTED.clear()
        self.upstream.__exit__()


def kinds(row: CallRow) -> list[str]:
    return sorted(each.kind for each in row.witnesses)


def tokens(row: CallRow) -> tuple[int, int, int]:
    return row.input_tokens, row.cache_read_input_tokens, row.output_tokens


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Callable[[Callable[[Request], Reply]], World]]:
    made: list[World] = []

    def make(respond: Callable[[Request], Reply]) -> World:
        made.append(World(tmp_path, respond))
        return made[-1]

    yield make
    for each in made:
        each.close()


Make = Callable[[Callable[[Request], Reply]], World]


def without_id() -> dict[str, Any]:
    return {name: value for name, value in chat_answer().items() if name != "id"}


@pytest.mark.parametrize("answer", [chat_answer(), without_id()], ids=["response id", "no id"])
def test_a_call_through_the_proxy_is_one_row_with_two_witnesses_and_one_cost(
    world: Make, answer: dict[str, Any]
) -> None:
    made = world(lambda _: json_reply(answer))
    made.run("with farebox.attribute(customer='acme'): assert call() == 200")
    row = made.row()
    assert (tokens(row), row.cost_usd, row.cost_state) == (CHAT, COST, "priced")
    assert (row.provider, row.surface, row.path) == ("openai", "openai.chat", "/base/v1/chat/completions")
    assert row.attribution["customer"] == "acme"
    (request,) = made.upstream.requests
    assert not [name for name, _ in request.headers if name.lower().startswith(b"x-farebox")]
    shown = subprocess.run(
        [FAREBOX, "explain", row.event_id], env=made.environment, capture_output=True, text=True, check=True
    ).stdout
    seen = shown.partition("\nseen by\n")[2].splitlines()
    assert sorted(line.split()[0] for line in seen if line.strip()) == ["proxy", "sdk"]
    assert "says" not in "\n".join(seen), "they agree"


ASYNC = {
    "httpx": """
        import httpx
        with httpx.Client(timeout=30) as client:
            assert client.post(url, json={"model": "gpt-4o"}).status_code == 200
    """,
    "httpx async": """
        import asyncio, httpx
        async def one():
            async with httpx.AsyncClient(timeout=30) as client:
                assert (await client.post(url, json={"model": "gpt-4o"})).status_code == 200
        asyncio.run(one())
    """,
    "aiohttp": """
        import asyncio, aiohttp
        async def one():
            async with aiohttp.ClientSession() as session:
                async with session.post(url, json={"model": "gpt-4o"}) as response:
                    assert (await response.json())["usage"]
        asyncio.run(one())
    """,
    "a body in pieces": """
        def pieces():
            yield b'{"model": '
            yield b'"gpt-4o"}'
        headers = {"content-type": "application/json"}
        assert requests.post(url, data=pieces(), headers=headers, timeout=30).status_code == 200
    """,
}


@pytest.mark.parametrize("stack", ASYNC)
def test_every_stack_sends_the_id_that_it_writes_down(world: Make, stack: str) -> None:
    made = world(lambda _: json_reply(without_id()))
    made.run(ASYNC[stack])
    row = made.row()
    assert (tokens(row), row.cost_usd) == (CHAT, COST)


def test_many_calls_that_look_alike_are_each_one_row(world: Make) -> None:
    made = world(lambda _: json_reply(without_id()))
    made.run("""
        import threading
        threads = [threading.Thread(target=lambda: [call() for _ in range(5)]) for _ in range(4)]
        for each in threads: each.start()
        for each in threads: each.join()
    """)
    rows = made.rows()
    assert len(rows) == 20
    assert all(kinds(row) == ["proxy", "sdk"] for row in rows)


def test_retries_are_attempts_of_one_call_each_seen_twice(world: Make) -> None:
    replies = iter([json_reply({"error": {"message": "slow"}}, status=429), json_reply(chat_answer())])
    made = world(lambda _: next(replies))
    made.run("assert (call(), call()) == (429, 200)")
    rows = made.rows()
    assert [(row.status, kinds(row)) for row in rows] == [(429, ["proxy", "sdk"]), (200, ["proxy", "sdk"])]
    assert rows[1].attribution["call"] == rows[0].event_id.replace("-", "")
    assert [row.cost_usd for row in rows if row.billable] == [COST]


@pytest.mark.parametrize("asks", [True, False], ids=["asks for usage", "does not ask"])
def test_a_stream_is_one_row_with_what_the_wire_knows(world: Make, asks: bool) -> None:
    """Where the client does not ask for usage the proxy does, and takes it out: only it knows the figures."""
    made = world(lambda request: sse_reply(chat_events(5, include_usage="stream_options" in request.json())))
    options = "stream=True, stream_options={'include_usage': True}" if asks else "stream=True"
    made.run(f"assert call({options}) == 200")
    row = made.row()
    assert (tokens(row), row.cost_usd, row.outcome) == (CHAT, COST, "completed")
    assert row.completeness == "final"


def test_a_stream_that_the_program_leaves_is_one_row(world: Make) -> None:
    made = world(lambda _: Reply(200, ((b"content-type", b"text/event-stream"),), endless(), "chunked"))
    made.run(
        STREAM
        + """
with requests.post(url, json=body, stream=True, timeout=30) as response:
    next(response.iter_content(None))
"""
    )
    row = made.row()
    assert (row.outcome, row.completeness) == ("client_disconnected", "estimated")


def endless() -> Iterator[Any]:
    yield from chat_events(5, include_usage=False)[:4]
    yield Hang()


def test_a_stream_that_breaks_off_is_one_row(world: Make) -> None:
    def broken() -> Iterator[Any]:
        yield from chat_events(5, include_usage=False)[:4]
        yield Reset()

    made = world(lambda _: Reply(200, ((b"content-type", b"text/event-stream"),), broken(), "chunked"))
    made.run(
        STREAM
        + """
try:
    requests.post(url, json=body, timeout=30)
except requests.RequestException:
    pass
"""
    )
    assert made.row().outcome == "upstream_failed"


def test_a_program_killed_in_mid_call_leaves_one_row(world: Make) -> None:
    asked = threading.Event()

    def respond(_: Request) -> Reply:
        asked.set()
        return Reply(200, ((b"content-type", b"application/json"),), waiting(), "chunked")

    def waiting() -> Iterator[Any]:
        content = json.dumps(chat_answer()).encode()
        yield content[:20]
        yield Hang()

    made = world(respond)
    child = made.start("call()")
    assert asked.wait(30)
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=30)
    row = made.row()
    assert row.outcome == "client_disconnected"


def test_a_proxy_killed_in_mid_call_leaves_one_row(world: Make) -> None:
    asked = threading.Event()

    def respond(_: Request) -> Reply:
        asked.set()
        return Reply(200, ((b"content-type", b"text/event-stream"),), endless(), "chunked")

    made = world(respond)
    child = made.start("""
        try:
            call(stream=True)
        except requests.RequestException:
            print("broken off")
    """)
    assert asked.wait(30)
    made.proxy.kill()
    out, _ = child.communicate(timeout=60)
    assert out == "broken off\n"
    assert made.row().outcome == "upstream_failed"


def test_a_customer_that_only_the_programs_side_states_is_the_calls(world: Make) -> None:
    made = world(lambda _: json_reply(chat_answer()))
    made.run("assert call() == 200", FAREBOX_CUSTOMER="acme")
    assert made.row().attribution["customer"] == "acme"


def test_a_customer_that_only_the_proxy_knows_is_the_calls(world: Make) -> None:
    made = world(lambda _: json_reply(chat_answer()))
    made.run(
        """
        headers = {"x-farebox-token": sys.argv[2]}
        assert requests.post(url, json={"model": "gpt-4o"}, headers=headers, timeout=30).status_code == 200
        """,
        made.token,
    )
    row = made.row()
    assert row.attribution["customer"] == "acme"
    assert row.attribution_from["customer"].startswith("token:")
    for file in made.home.path.rglob("*"):
        assert not file.is_file() or made.token.encode() not in file.read_bytes(), file


STALE = """
import farebox.sdk.exchange as exchange
from farebox.clock import uuid7
made = uuid7
exchange.uuid7 = lambda: made(OCCURRED)
"""


@pytest.mark.parametrize("occurred", ["1_700_000_000_000_000_000", "10**18 * 4"])
def test_where_the_proxy_does_not_adopt_the_id_the_response_id_joins(world: Make, occurred: str) -> None:
    made = world(lambda _: json_reply(chat_answer()))
    made.run(STALE.replace("OCCURRED", occurred) + "assert call() == 200")
    row = made.row()
    assert (tokens(row), row.cost_usd) == (CHAT, COST)


def test_where_the_proxy_does_not_adopt_the_id_an_id_of_the_responses_head_joins(world: Make) -> None:
    made = world(lambda _: json_reply({**without_id(), "id": ""}, headers=((b"x-request-id", b"req_77"),)))
    made.run(STALE.replace("OCCURRED", "1_700_000_000_000_000_000") + "assert call() == 200")
    assert made.row().cost_usd == COST


@pytest.mark.parametrize("before", ["its first event", "its response"])
def test_where_the_proxy_does_not_adopt_the_id_a_stream_left_before_anything_came_is_one_row(
    world: Make, before: str
) -> None:
    def silent() -> Iterator[Any]:
        yield Hang()

    headers = ((b"content-type", b"text/event-stream"),)
    framing = "chunked" if before == "its first event" else "raw"
    made = world(lambda _: Reply(200, headers, silent(), framing))
    made.run(
        STALE.replace("OCCURRED", "1_700_000_000_000_000_000")
        + STREAM
        + """
try:
    response = requests.post(url, json=body, stream=True, timeout=(30, 0.5))
    response.close()
except requests.Timeout:
    pass
"""
    )
    assert made.row().billable


def test_an_id_that_is_used_again_makes_two_calls_each_seen_twice(world: Make) -> None:
    numbers = iter(range(1, 9))
    made = world(lambda _: json_reply(chat_answer(number=next(numbers))))
    made.run("""
        import farebox.sdk.exchange as exchange
        from farebox.clock import uuid7
        same = uuid7()
        exchange.uuid7 = lambda: same
        assert (call(), call()) == (200, 200)
    """)
    assert [row.cost_usd for row in made.rows()] == [COST, COST]


def test_a_route_that_only_the_proxy_knows_is_metered_there_alone(world: Make) -> None:
    made = world(lambda _: json_reply(chat_answer()))
    text = made.home.config.read_text().replace("my-llm", "your-llm")
    made.home.config.write_text(text)
    made.run("assert call(url.replace('/openai/', '/my-llm/v1/')) == 200")
    (row,) = made.rows()
    assert (row.provider, row.witness) == ("my-llm", "proxy")


def test_a_provider_of_the_users_own_is_seen_by_both(world: Make) -> None:
    made = world(lambda _: json_reply(chat_answer()))
    made.run("assert call(url.replace('/openai/', '/my-llm/v1/')) == 200")
    row = made.row()
    assert (row.provider, row.path) == ("my-llm", "/own/v1/chat/completions")


def test_a_proxy_of_another_home_meters_alone(world: Make, tmp_path: Path) -> None:
    made = world(lambda _: json_reply(chat_answer()))
    made.run("assert call() == 200", FAREBOX_HOME=str(tmp_path / "other"))
    (row,) = made.rows()
    assert row.witness == "proxy"
    assert not any((tmp_path / "other").glob("journal/*"))


def test_what_the_proxy_refuses_is_written_down_as_refused_and_costs_nothing(world: Make) -> None:
    made = world(lambda _: json_reply(chat_answer()))
    made.run("""
        headers = {"x-farebox-token": "fbx_client_" + "x" * 43}
        assert requests.post(url, json={"model": "gpt-4o"}, headers=headers, timeout=30).status_code == 401
    """)
    (row,) = made.rows()
    assert (row.witness, row.status, row.outcome, row.billable) == ("sdk", 401, "refused", False)
    assert made.upstream.count == 0


def test_a_provider_that_the_proxy_cannot_reach_is_one_row(world: Make) -> None:
    made = world(lambda _: json_reply(chat_answer()))
    made.run("assert call(url.replace('/openai/', '/dead/')) == 502")
    row = made.row()
    assert (row.status, row.outcome, row.error_class) == (502, "upstream_failed", "connect_failed")


INSTRUMENTED = """
import os, sys
import farebox, requests
farebox.instrument()
url = os.environ.get("OPENAI_BASE_URL", "") + "/chat/completions" if len(sys.argv) < 2 else sys.argv[1]
assert requests.post(url, json={"model": "gpt-4o"}, headers={"authorization": "Bearer k"}).status_code == 200
"""


def seen_once(shell: Shell) -> dict[str, Any]:
    (row,) = shell.rows()
    assert row["cost_usd"] == COST
    return row


def test_a_program_with_the_sdk_in_a_run_is_seen_by_both(tmp_path: Path) -> None:
    with MockUpstream(lambda _: json_reply(without_id())) as upstream:
        configuration = f"providers:\n  openai: {{upstream: '{upstream.url}'}}\npricing:\n  gpt-4o: {RATES}\n"
        shell = Shell(tmp_path, configuration)
        shell.farebox("run", "--", sys.executable, "-c", INSTRUMENTED)
        row = seen_once(shell)
    assert sorted(each["kind"] for each in row["witnesses"]) == ["proxy", "sdk"]


def test_a_program_with_the_sdk_whose_calls_are_intercepted_is_seen_by_both(tmp_path: Path) -> None:
    folder = tmp_path / "certificates"
    folder.mkdir()
    host = "api.openai.com"
    _, cert, key = certificate(folder, host)
    with MockUpstream(lambda _: json_reply(without_id()), tls=server_tls(cert, key)) as upstream:
        interception = f"  ca_file: {folder}/ca.pem\n  addresses:\n    {host}: 127.0.0.1:{upstream.port}\n"
        shell = Shell(tmp_path, f"interception:\n{interception}pricing:\n  gpt-4o: {RATES}\n")
        url = f"https://{host}/v1/chat/completions"
        shell.farebox("run", "--", sys.executable, "-c", INSTRUMENTED, url)
        row = seen_once(shell)
    assert len(row["witnesses"]) == 2
    assert "sdk" in [each["kind"] for each in row["witnesses"]]
