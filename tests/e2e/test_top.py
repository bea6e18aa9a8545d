"""`farebox top` in a real terminal (tmux): a call in flight, a session stopped, sixty columns.

Skipped where tmux is not installed; `make test` installs it where that is allowed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from farebox_process import FAREBOX, Shell
from tools.upstream import CHAT_USAGE, MockUpstream, Reply, Request, Step, Wait, chat_answer, json_reply

TMUX = shutil.which("tmux")
PATIENCE_S = 60
MODEL = "claude-sonnet-4-5"

pytestmark = pytest.mark.skipif(TMUX is None, reason="no tmux here: apt-get install tmux")


class Terminal:
    """A terminal of its own, in which a program runs."""

    def __init__(self, folder: Path, environment: dict[str, str], *command: str) -> None:
        self._socket = str(folder / "tmux")
        self._environment = {**environment, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        self._environment.pop("NO_COLOR", None)
        self._do("-f", os.devnull, "new-session", "-d", "-x", "110", "-y", "32", *command)

    def _do(self, *arguments: str) -> str:
        assert TMUX is not None
        done = subprocess.run(
            [TMUX, "-S", self._socket, *arguments],
            env=self._environment, capture_output=True, text=True, check=True, timeout=30,
        )  # fmt: skip
        return done.stdout

    def keys(self, *names: str) -> None:
        self._do("send-keys", *names)

    def resize(self, columns: int, rows: int) -> None:
        self._do("resize-window", "-x", str(columns), "-y", str(rows))

    def screen(self) -> str:
        return self._do("capture-pane", "-p")

    def wait_for(self, what: Callable[[str], bool]) -> str:
        """Return the screen once it is as it should be."""
        deadline = time.monotonic() + PATIENCE_S
        while not what(shown := self.screen()):
            assert time.monotonic() < deadline, shown
            time.sleep(0.1)
        return shown

    def is_over(self) -> bool:
        """Whether the program has ended: tmux ends with it."""
        assert TMUX is not None
        command = [TMUX, "-S", self._socket, "list-sessions"]
        return subprocess.run(command, env=self._environment, capture_output=True).returncode != 0

    def close(self) -> None:
        if not self.is_over():
            self._do("kill-server")


def _event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()


class Upstream:
    """Answers at once, or with a stream that goes on until it is told to end."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def respond(self, request: Request) -> Reply:
        if request.path.endswith("/messages"):
            head = ((b"content-type", b"text/event-stream"),)
            return Reply(200, head, self._stream(), "chunked")
        return json_reply(chat_answer("hello", usage=CHAT_USAGE))

    def _stream(self) -> Iterator[Step]:
        usage = {"input_tokens": 2_000_000, "output_tokens": 1}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "content": []}
        yield _event("message_start", {"message": {**message, "usage": usage}})
        delta = {"index": 0, "delta": {"type": "text_delta", "text": "more"}}
        while not self.over.is_set():
            yield _event("content_block_delta", delta)
            yield Wait(0.2)
        yield _event("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}})
        yield _event("message_stop", {})


def post(shell: Shell, path: str, body: dict[str, Any], **whose: str) -> int:
    """Make a call through the proxy; return the status."""
    proxy = json.loads((shell.home / "run" / "proxy.json").read_bytes())
    headers = {f"x-farebox-{name}": value for name, value in whose.items()}
    request = urllib.request.Request(
        f"http://127.0.0.1:{proxy['port']}{path}",
        json.dumps(body).encode(),
        {"content-type": "application/json", "authorization": "Bearer k", "x-api-key": "k", **headers},
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as response:  # noqa: S310
            response.read()
            return response.status
    except urllib.error.HTTPError as error:
        return error.code


def chat(shell: Shell, session: str, agent: str) -> int:
    body = {"model": "gpt-4o", "messages": []}
    return post(shell, "/openai/v1/chat/completions", body, session=session, agent=agent)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.over.set()


@pytest.fixture
def shell(tmp_path: Path, upstream: Upstream) -> Iterator[Shell]:
    with MockUpstream(upstream.respond) as mock:
        providers = "".join(f"  {name}: {{upstream: '{mock.url}'}}\n" for name in ("openai", "anthropic"))
        rates = {MODEL: "{input: 3, output: 15, per: 1M}", "gpt-4o": "{input: 1, output: 10, per: 1M}"}
        prices = "pricing:\n" + "".join(f"  {model}: {rate}\n" for model, rate in rates.items())
        listen = "listen: 127.0.0.1:0\ndashboard: 127.0.0.1:0\n"
        made = Shell(tmp_path, f"{listen}providers:\n{providers}{prices}")
        made.farebox("up", "--detach")
        try:
            yield made
        finally:
            upstream.over.set()
            made.farebox("stop")


def test_a_call_in_flight_is_seen_a_session_stopped_and_sixty_columns_are_enough(
    shell: Shell, upstream: Upstream, tmp_path: Path
) -> None:
    for session, agent in (("first-session", "planner"), ("second-session", "writer")):
        assert chat(shell, session, agent) == 200
    assert chat(shell, "second-session", "writer") == 200
    body = {"model": MODEL, "max_tokens": 50, "stream": True, "messages": []}
    slow = threading.Thread(
        target=post, args=(shell, "/anthropic/v1/messages", body), kwargs={"session": "slow-session"}
    )
    slow.start()
    terminal = Terminal(tmp_path, shell.environment, str(FAREBOX), "top", "--every", "0.5")
    try:
        # The call in flight is there, and what it costs so far: 2,000,000 × $3 per million.
        terminal.wait_for(lambda shown: "slow-session" in shown and "1 in flight" in shown)
        shown = terminal.wait_for(lambda shown: "≥ $6.00" in shown)
        assert MODEL in shown
        assert "first-session" in shown and "second-session" in shown

        # Sorted by calls the session with two of them is first; as a tree its agent is beneath it.
        terminal.keys("n")
        shown = terminal.wait_for(lambda shown: "sessions by calls" in shown)
        assert shown.index("second-session") < shown.index("first-session")
        terminal.keys("t")
        shown = terminal.wait_for(lambda shown: "writer" in shown)
        assert shown.index("second-session") < shown.index("writer") < shown.index("first-session")
        terminal.keys("t")
        terminal.keys("Tab")
        terminal.wait_for(lambda shown: "processes by" in shown)
        terminal.keys("Tab")
        terminal.wait_for(lambda shown: "models by" in shown and "gpt-4o" in shown)
        terminal.keys("Tab")

        # A filter leaves what it names, and Escape everything.
        terminal.wait_for(lambda shown: "sessions by" in shown)
        terminal.keys("/")
        terminal.keys("f", "i", "r", "s", "t", "Enter")
        terminal.wait_for(lambda shown: "first-session" in shown and "second-session" not in shown)

        # What is asked first and then stopped is refused from then on; not what was answered with no.
        terminal.keys("k")
        terminal.wait_for(lambda shown: "Stop session first-session?" in shown)
        terminal.keys("n")
        terminal.wait_for(lambda shown: "Stop session" not in shown)
        assert json.loads(shell.farebox("stops", "--json").stdout)["stops"] == []
        terminal.keys("k")
        terminal.wait_for(lambda shown: "Stop session first-session?" in shown)
        terminal.keys("y")
        terminal.wait_for(lambda shown: "session first-session is stopped" in shown)
        (stop,) = json.loads(shell.farebox("stops", "--json").stdout)["stops"]
        assert (stop["dimension"], stop["value"]) == ("session", "first-session")
        deadline = time.monotonic() + PATIENCE_S
        while chat(shell, "first-session", "planner") != 429:
            assert time.monotonic() < deadline
        assert chat(shell, "second-session", "writer") == 200

        # A call in flight can be chosen, too.
        terminal.keys("i", "k")
        terminal.wait_for(lambda shown: "Stop session slow-session?" in shown)
        terminal.keys("n")
        terminal.wait_for(lambda shown: "Stop session" not in shown)
        terminal.keys("i")

        # Sixty columns: nothing is wider, and it still says what matters.
        terminal.keys("Escape")
        terminal.resize(60, 24)
        shown = terminal.wait_for(lambda shown: "second-session" in shown and "slow-session" in shown)
        assert all(len(line) <= 60 for line in shown.splitlines())
        for word in ("today", "now", "cost", "calls", "in flight", "so far"):
            assert word in shown, shown

        # Paused, nothing changes; and it goes on.
        terminal.keys("Space")
        terminal.wait_for(lambda shown: "PAUSED" in shown)
        assert chat(shell, "third-session", "writer") == 200
        terminal.keys("Space")
        terminal.wait_for(lambda shown: "third-session" in shown)
        upstream.over.set()
        terminal.wait_for(lambda shown: "0 in flight" in shown)
        terminal.keys("q")
        deadline = time.monotonic() + PATIENCE_S
        while not terminal.is_over():
            assert time.monotonic() < deadline, terminal.screen()
            time.sleep(0.1)
    finally:
        upstream.over.set()
        terminal.close()
        slow.join()


def test_without_a_terminal_and_with_json_it_looks_once(shell: Shell) -> None:
    assert chat(shell, "first-session", "planner") == 200
    shown = shell.farebox("top").stdout
    assert "first-session" in shown and "no call is in flight" in shown
    answer = json.loads(shell.farebox("top", "--json").stdout)
    assert answer["schema"] == "farebox.top/1"
    assert len(answer["minutes"]) == 60
    assert [(each["session"], each["agent"], each["calls"]) for each in answer["sessions"]] == [
        ("first-session", "planner", 1)
    ]
    assert answer["today"]["cost_pico"] == sum(each["cost_pico"] for each in answer["models"])
    assert shell.farebox("top", "--every", "0", status=64)
