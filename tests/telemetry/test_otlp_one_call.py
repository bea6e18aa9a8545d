"""One physical call is one row, whichever libraries sent a span of it beside proxy and SDK."""

from __future__ import annotations

import os
import random
from pathlib import Path

import msgspec
import pytest
from calls import NOON, SECOND, TestLedger, sums_of
from otlp_requests import GPT, as_json, dones, emissions, read, span
from physical_calls import witness

from farebox.clock import uuid7
from farebox.home import Home
from farebox.journal.records import Done
from farebox.ledger import verify
from farebox.ledger.calls import LedgerReader

CALLS = 10_000 if os.environ.get("FAREBOX_LONG") else 120
LIBRARIES = ("anthropic", "openinference", "traceloop", "pydantic", "openlit", "langfuse", "langchain")


def responses_of(library: str) -> list[list[Done]]:
    """Return the records of each physical call that a library sent spans of."""
    found: dict[str, list[Done]] = {}
    for number, done in enumerate(dones(read(as_json(*emissions(library))))):
        found.setdefault(done.extraction.response_id or f"call {number}", []).append(done)
    return list(found.values())


def seen_by_others(done: Done) -> tuple[Done, Done]:
    """Return the same call as proxy and SDK see it: one event id, and what the wire says."""
    event_id = uuid7(done.occurred_at_ns)
    parts = tuple(
        msgspec.structs.replace(part, response_model=part.response_model) for part in done.extraction.parts
    )
    extraction = msgspec.structs.replace(done.extraction, parts=parts, raw_usage=None)

    def other(kind: str, ahead_ns: int) -> Done:
        seen = witness(kind, done.occurred_at_ns + ahead_ns, event_id=event_id, passed_on=True)
        return msgspec.structs.replace(
            seen, provider=done.provider, extraction=extraction, ended_at_ns=done.ended_at_ns
        )

    return other("proxy", 5_000_000), other("sdk", 1_000_000)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_call_seen_by_proxy_sdk_and_a_library_is_one_row(tmp_path: Path, library: str) -> None:
    for number, seen in enumerate(responses_of(library)):
        assert seen
        proxy, sdk = seen_by_others(seen[0])
        for at, order in enumerate(([proxy, sdk, *seen], [*seen, sdk, proxy], [sdk, *seen, proxy])):
            ledger = TestLedger(Home(tmp_path / f"{number}-{at}"))
            for each in order:
                ledger.append(each)
            (row,) = LedgerReader(ledger.home).export()
            assert {"proxy", "sdk"} < {each.kind for each in row.witnesses}
            assert len(row.witnesses) == 2 + len(seen)
            assert sums_of(ledger.home).calls == 1
            ledger.connection.close()


def test_two_libraries_that_watch_one_call_are_two_witnesses_of_it(tmp_path: Path) -> None:
    streamed = next(each for each in responses_of("traceloop") if each[0].extraction.response_id == "msg_6")
    assert [each.witness for each in streamed] == ["otlp-anthropic", "otlp-opentelemetry_anthropic"]
    for number, order in enumerate((streamed, streamed[::-1])):
        ledger = TestLedger(Home(tmp_path / str(number)))
        for each in order:
            ledger.append(each)
        (row,) = LedgerReader(ledger.home).export()
        assert row.output_tokens == 45, "who tells more apart, where one of them counts a token too many"
        ledger.connection.close()


def test_one_librarys_two_calls_with_one_response_id_stay_two(tmp_path: Path) -> None:
    said = {**GPT, "gen_ai.response.id": "chatcmpl-always"}
    ledger = TestLedger(Home(tmp_path))
    for done in dones(read(as_json(span("a", "t1", attributes=said), span("b", "t2", attributes=said)))):
        ledger.append(done)
    assert sums_of(ledger.home).calls == 2


def test_random_witnesses_of_many_calls_in_random_order_make_as_many_rows_as_calls(tmp_path: Path) -> None:
    rng = random.Random(15)
    records, spans = [], []
    expected = 0
    for number in range(CALLS):
        # No two calls that neither id nor process nor two seconds tell apart.
        at = NOON + number * 5 * SECOND
        has_id = rng.random() < 0.5
        tokens = rng.randrange(1, 400)
        expected += tokens
        response = f"chatcmpl-{number}" if has_id else None
        kinds = rng.sample(["proxy", "one", "two", "inner"], rng.randrange(1, 5))
        said = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": tokens,
            "gen_ai.usage.output_tokens": 5,
            **({"gen_ai.response.id": response} if response else {}),
        }
        if "proxy" in kinds:
            proxy = witness("proxy", at, input_tokens=tokens, response_id=response)
            records.append(msgspec.structs.replace(proxy, provider="openai"))
        spans += [
            span(f"{scope}{number}", f"{scope}{number}", at_ns=at, attributes=said, scope=scope)
            for scope in ("one", "two")
            if scope in kinds
        ]
        if "inner" in kinds:  # an agent with the totals, a framework's span, and the client's in it
            agent = {**said, "gen_ai.operation.name": "invoke_agent"}
            names = [f"{name}{number}" for name in ("agent", "outer", "inner")]
            trace = f"inner{number}"
            spans += [
                span(names[0], trace, at_ns=at, attributes=agent, scope="framework"),
                span(names[1], trace, names[0], at_ns=at, attributes=said, scope="framework"),
                span(names[2], trace, names[1], at_ns=at, attributes=said, scope="client"),
            ]
    records += dones(read(as_json(*spans)))
    rng.shuffle(records)
    ledger = TestLedger(Home(tmp_path))
    while records:
        ledger.append(*[records.pop() for _ in range(min(len(records), rng.randrange(1, 40)))])
    sums = sums_of(ledger.home)
    assert (sums.calls, sums.input_tokens) == (CALLS, expected)
    assert verify(ledger.home).problems == []
