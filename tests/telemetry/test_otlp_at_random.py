"""As many rows as calls, and exact sums, of spans, log records, proxy, SDK and logs in any order."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from calls import NOON, PICO_PER_TOKEN, SECOND, TestLedger, batch, sums_of
from otlp_requests import AS_JSON, AS_PROTOBUF, as_json, as_json_logs, as_protobuf, dones, read, span
from physical_calls import witness

from farebox.catalog import load
from farebox.clock import uuid7
from farebox.home import Home
from farebox.journal.records import IMPORTED, Done
from farebox.ledger import verify
from farebox.ledger.calls import LedgerReader
from farebox.telemetry.otlp_in.reception import OtlpReader

LONG = bool(os.environ.get("FAREBOX_LONG"))
CALLS, SEEDS = (10_000, 2) if LONG else (150, 4)
KINDS = ("proxy", "sdk", "client", "framework", "nested", "log record", "agent log")
OPEN = 500
"""Traces that are sent beside each other: totals are told apart for the last 10,000 (`ParentTotals`)."""
MODEL = "gpt-5-codex"


class Sent:
    """What is sent of some calls: requests of each trace in their order, and records of other witnesses."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.tokens = 0
        self.traces: list[list[dict[str, Any]]] = []
        self.logs: list[dict[str, Any]] = []
        self.records: list[Done] = []

    def call(self, number: int) -> None:
        """Make a call that no other is like: five seconds lie between any two."""
        rng, at = self.rng, NOON + number * 5 * SECOND
        tokens = rng.randrange(1, 400)
        response = f"resp_{number}" if rng.random() < 0.5 else None
        self.tokens += tokens
        kinds = rng.sample(KINDS, rng.randrange(1, len(KINDS) + 1))
        said = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": MODEL,
            "gen_ai.usage.input_tokens": tokens,
            "gen_ai.usage.output_tokens": 5,
            **({"gen_ai.response.id": response} if response else {}),
        }
        event_id = uuid7(at)
        is_passed_on = {"proxy", "sdk"} <= set(kinds)
        for kind in ("proxy", "sdk"):
            if kind in kinds:
                self.seen(kind, at, tokens, response, event_id=event_id, passed_on=is_passed_on)
        if "agent log" in kinds:
            imported = {IMPORTED: "codex"} if rng.random() < 0.5 else {}
            self.seen("agent_log", at + SECOND, tokens, response, attribution=imported)
        for scope in ("client", "framework"):
            if scope in kinds:
                one = span(f"{scope}{number}", f"{scope}{number}", at_ns=at, attributes=said, scope=scope)
                self.traces.append([one])
        if "nested" in kinds:
            self.nested(number, at, said)
        if "log record" in kinds:
            counts = {"input_token_count": tokens, "output_token_count": 5}
            named = {"event.kind": "response.completed", "conversation.id": f"c{number}", "model": MODEL}
            self.logs.append(
                {"event": "codex.sse_event", "time_ns": at + SECOND, "attributes": {**named, **counts}}
            )

    def seen(self, kind: str, at: int, tokens: int, response: str | None, **more: Any) -> None:
        seen = witness(kind, at, model=MODEL, input_tokens=tokens, response_id=response, **more)
        self.records.append(msgspec.structs.replace(seen, provider="openai"))

    def nested(self, number: int, at: int, said: dict[str, Any]) -> None:
        """Send an agent with totals, a chain with them, and a client's span in it, the inner ones first."""
        trace, parent, spans = f"trace{number}", "", []
        for name, operation in (("agent", "invoke_agent"), ("chain", "chat"), ("inner", "chat")):
            attributes = {**said, "gen_ai.operation.name": operation}
            spans.append(
                span(f"{name}{number}", trace, parent, at_ns=at, attributes=attributes, scope="nested")
            )
            parent = f"{name}{number}"
        self.traces.append(spans[::-1])

    def received(self) -> list[Done]:
        """Return everything as a collector takes it in, in requests of any size, some of them sent twice."""
        rng, reader, found = self.rng, OtlpReader(load), list(self.records)
        waiting = [list(each) for each in self.traces]
        while waiting:
            request: list[dict[str, Any]] = []
            for _ in range(rng.choice([1, 3, 30])):
                if waiting:
                    place = rng.randrange(min(len(waiting), OPEN))
                    request.append(waiting[place].pop(0))
                    if not waiting[place]:
                        waiting[place] = waiting[-1]
                        waiting.pop()
            form, headers = rng.choice([(as_json, AS_JSON), (as_protobuf, AS_PROTOBUF)])
            for _ in range(rng.choice([1, 1, 1, 2])):
                found += dones(read(form(*request), headers, reader=reader))
        logs = rng.sample(self.logs, len(self.logs))
        while logs:
            some, logs = logs[:20], logs[20:]
            for _ in range(rng.choice([1, 2])):
                found += dones(read(as_json_logs(*some), signal="logs", reader=reader))
        rng.shuffle(found)
        return found


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_is_sent_of_calls_there_are_as_many_rows_and_the_sums_are_exact(
    tmp_path: Path, seed: int
) -> None:
    sent = Sent(random.Random(seed))
    for number in range(CALLS):
        sent.call(number)
    waiting = sent.received()
    ledger = TestLedger(Home(tmp_path))
    while waiting:
        some = [waiting.pop() for _ in range(min(len(waiting), sent.rng.randrange(1, 60)))]
        ledger.applier.apply("w", [batch(*some)], look_for_duplicates=True)
    sums = sums_of(ledger.home)
    assert (sums.calls, sums.input_tokens) == (CALLS, sent.tokens)
    assert sums.cost_pico == (sent.tokens + 5 * CALLS) * PICO_PER_TOKEN
    assert len(list(LedgerReader(ledger.home).export())) == CALLS
    assert verify(ledger.home).problems == []
