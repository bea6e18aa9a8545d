"""`kill -9` of the proxy under 50 concurrent streams: what clients received to its end is a row.

The oracle compares three logs: what the mock upstream was asked and said, what each client got, and
the rows of the ledger. The negative control runs a proxy that acknowledges before it has written.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "proxy"))

from proxy_harness import Client, MockUpstream, Reply, Request, mock
from proxy_processes import ProxyProcess, configured, end_all

from farebox.config import Config
from farebox.home import Home
from farebox.ledger import catch_up, verify
from farebox.ledger.calls import LedgerReader

ROUNDS = int(os.environ.get("FAREBOX_FAULT_ROUNDS", "3"))
pytestmark = pytest.mark.timeout(300 + 10 * ROUNDS)
STREAMS = 50
CHAT = "/openai/v1/chat/completions"
JSON = "Content-Type: application/json"
STREAM = json.dumps({"model": "gpt-4o", "stream": True, "messages": []}).encode()
WHOLE = json.dumps({"model": "gpt-4o", "messages": []}).encode()


class Log:
    """What the upstream saw and what clients got, by the number of the call."""

    def __init__(self) -> None:
        self.asked: set[int] = set()
        self.ended: set[int] = set()
        """Calls whose client has the response's end: `[DONE]`, or the last byte of a JSON response."""
        self.nothing: set[int] = set()
        self.number = 0
        self.lock = threading.Lock()

    def next(self) -> int:
        with self.lock:
            self.number += 1
            return self.number


def usage_of(number: int) -> dict[str, int]:
    """Return counts that no other call has."""
    return {"prompt_tokens": number, "completion_tokens": 7, "total_tokens": number + 7}


def respond(log: Log, request: Request) -> Reply:
    number = int(request.header("x-number") or 0)
    log.asked.add(number)
    body = request.json()
    if not body.get("stream"):
        return mock.json_reply(mock.chat_answer("hi", usage=usage_of(number), number=number))
    asked = bool((body.get("stream_options") or {}).get("include_usage"))
    events = mock.chat_events(4, usage=usage_of(number), number=number, include_usage=asked)
    return mock.sse_reply(events, pace_s=0.004)


def call_until_dead(port: int, log: Log, stop: threading.Event) -> None:
    """Make calls over one connection until the proxy is gone."""
    try:
        with Client(port) as client:
            while not stop.is_set():
                number = log.next()
                stream = number % 3 > 0
                body = STREAM if stream else WHOLE
                log.nothing.add(number)
                client.send(
                    client.head("POST", CHAT, JSON, f"x-number: {number}", f"x-farebox-session: {number}",
                                f"Content-Length: {len(body)}") + body
                )  # fmt: skip
                if stream:
                    head = client.until(b"\r\n\r\n")
                    log.nothing.discard(number)
                    text = head
                    while b"data: [DONE]\n\n" not in text:
                        piece = client.socket.recv(65536)
                        if not piece:
                            return
                        text += piece
                    log.ended.add(number)
                    while not text.endswith(b"0\r\n\r\n"):
                        piece = client.socket.recv(65536)
                        if not piece:
                            return
                        text += piece
                else:
                    client.answer()
                    log.nothing.discard(number)
                    log.ended.add(number)
    except (OSError, EOFError):
        return


def run_rounds(home: Home, rounds: int, *, program: tuple[str, ...] = ("-m", "farebox.proxy")) -> Log:
    """Kill the proxy at a random moment, `rounds` times."""
    log = Log()
    moments = random.Random(os.environ.get("FAREBOX_FAULT_SEED", "7"))
    with MockUpstream(lambda request: respond(log, request), keep_requests=False) as upstream:
        for _ in range(rounds):
            proxy = ProxyProcess(home, configured(upstream.url), program=program).ready()
            stop = threading.Event()
            threads = [
                threading.Thread(target=call_until_dead, args=(proxy.port, log, stop)) for _ in range(STREAMS)
            ]
            for thread in threads:
                thread.start()
            enough = len(log.ended) + STREAMS
            deadline = time.monotonic() + 60
            while len(log.ended) < enough and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(moments.random() * 0.2)
            proxy.kill()
            stop.set()
            for thread in threads:
                thread.join()
    return log


def differences(home: Home, log: Log) -> list[str]:
    """Return everything in which the ledger differs from what happened."""
    catch_up(home, Config())
    rows = LedgerReader(home).export()
    wrong: list[str] = []
    seen: Counter[int] = Counter()
    for row in rows:
        number = int(row.attribution["session"])
        seen[number] += 1
        if number in log.ended and (row.input_tokens, row.completeness) != (number, "final"):
            wrong.append(f"{number}: {row.input_tokens} tokens, {row.completeness}, {row.outcome}")
        if number in log.nothing and row.outcome == "completed" and row.completeness != "final":
            wrong.append(f"{number}: nothing was received, but the row says {row.outcome}")
    wrong += [f"{number}: {count} rows" for number, count in seen.items() if count != 1]
    wrong += [f"{number}: received to its end, no row" for number in log.ended if not seen[number]]
    wrong += [f"{number}: seen by the upstream, no row" for number in log.asked if not seen[number]]
    return wrong


@pytest.fixture
def home(tmp_path: Path):  # type: ignore[no-untyped-def]
    yield Home(tmp_path / "state")
    end_all()


def test_a_killed_proxy_loses_and_doubles_nothing(home: Home) -> None:
    log = run_rounds(home, ROUNDS)
    assert len(log.ended) >= STREAMS * ROUNDS
    assert differences(home, log) == []
    assert verify(home).ok


def test_the_oracle_finds_what_an_early_acknowledgement_loses(home: Home) -> None:
    program = (str(Path(__file__).with_name("late_proxy.py")),)
    log = run_rounds(home, 1, program=program)
    assert differences(home, log) != []
