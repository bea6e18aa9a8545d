"""A call that was read from a history is joined with whoever saw it live, and counts in no budget alone."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from calls import NOON, PICO_PER_TOKEN, SECOND, TestLedger, sums_of
from physical_calls import witness

from farebox.budgets.budget import Budget, Period
from farebox.clock import uuid7
from farebox.home import Home
from farebox.journal.records import IMPORTED, Done
from farebox.ledger import verify
from farebox.ledger.call_row import CallRow
from farebox.ledger.calls import LedgerReader
from farebox.ledger.feed import Feed
from farebox.ledger.spending.budget_sums import BudgetSums, Sums
from farebox.ledger.spending.counted_rows import CountedRows

EVENT = uuid7(NOON)
CALL = 15 * PICO_PER_TOKEN
EVER = Budget(name="all", limit_pico=10**15, period=Period("ever"))
SEEN: tuple[Done, ...] = (
    witness("proxy", NOON, event_id=EVENT, passed_on=True, response_id="msg_1", request_id="req_1"),
    witness("sdk", NOON - SECOND, event_id=EVENT, passed_on=True, input_tokens=11, pid=7),
    witness("otlp", NOON + SECOND, response_id="msg_1", input_tokens=12, attribution={"agent": "writer"}),
    witness(
        "agent_log", NOON + 2 * SECOND, request_id="req_1", response_id="msg_1", input_tokens=13,
        attribution={IMPORTED: "claude-code", "session": "s1"},
    ),
)  # fmt: skip


def one_row(ledger: TestLedger) -> CallRow:
    (row,) = LedgerReader(ledger.home).export()
    assert sums_of(ledger.home).calls == 1
    assert verify(ledger.home).problems == []
    return row


def spent(ledger: TestLedger) -> int:
    """Return what a budget of everything counts, made from the whole record."""
    rows = CountedRows(ledger.connection)
    batch = Feed(ledger.connection).after(0, 10_000)
    sums: Sums = {}
    BudgetSums([EVER], others_reach_us=False).add(sums, batch, rows.of(batch, with_held=True), NOON)
    return sum(sums.values())


@pytest.mark.parametrize("at_once", [True, False])
def test_one_call_seen_by_four_witnesses_in_every_order_is_one_row_with_one_cost(
    tmp_path: Any, at_once: bool
) -> None:
    for number, order in enumerate(itertools.permutations(SEEN)):
        ledger = TestLedger(Home(tmp_path / f"home{number}"))
        if at_once:
            ledger.append(*order)
        else:
            for each in order:
                ledger.append(each)
        row = one_row(ledger)
        assert sorted(each.kind for each in row.witnesses) == ["agent_log", "otlp", "proxy", "sdk"]
        assert row.cost_pico == CALL, "the figures of the wire"
        assert (row.attribution["agent"], row.attribution["session"]) == ("writer", "s1")
        assert IMPORTED not in row.attribution
        assert spent(ledger) == CALL
        ledger.connection.close()


@pytest.mark.parametrize(
    ("kinds", "best"),
    [
        (("sdk", "otlp", "agent_log", "import"), "sdk"),
        (("otlp", "agent_log", "import"), "otlp"),
        (("agent_log", "import"), "agent_log"),
    ],
)
def test_of_equally_complete_figures_those_nearest_to_the_wire_count(
    ledger: TestLedger, kinds: tuple[str, ...], best: str
) -> None:
    for number, kind in enumerate(reversed(kinds)):
        tokens = 10 if kind == best else 20 + number
        ledger.append(witness(kind, NOON + number, response_id="msg_1", input_tokens=tokens))
    assert one_row(ledger).cost_pico == CALL


def test_imported_history_uses_up_no_budget(ledger: TestLedger) -> None:
    ledger.append(witness("agent_log", NOON, attribution={IMPORTED: "codex"}))
    ledger.append(witness("import", NOON + 9 * SECOND, attribution={IMPORTED: "csv"}))
    assert (sums_of(ledger.home).calls, spent(ledger)) == (2, 0)
    ledger.append(witness("agent_log", NOON + 20 * SECOND))
    assert spent(ledger) == CALL, "what is followed as it is written counts"


def test_a_history_that_two_kinds_tell_stays_imported(ledger: TestLedger) -> None:
    ledger.append(witness("agent_log", NOON, response_id="msg_1", attribution={IMPORTED: "claude-code"}))
    ledger.append(witness("import", NOON, response_id="msg_1", attribution={IMPORTED: "langfuse"}))
    assert one_row(ledger).attribution[IMPORTED] == "claude-code"
    assert spent(ledger) == 0


@pytest.mark.parametrize("order", [0, 1])
def test_a_call_that_passed_the_proxy_counts_in_budgets_whoever_imports_it_too(
    ledger: TestLedger, order: int
) -> None:
    seen = [
        witness("proxy", NOON, response_id="msg_1"),
        witness("import", NOON + SECOND, response_id="msg_1", attribution={IMPORTED: "helicone"}),
    ]
    for each in (seen, seen[::-1])[order]:
        ledger.append(each)
    row = one_row(ledger)
    assert IMPORTED not in row.attribution
    assert spent(ledger) == CALL
    assert not any(each.disagrees for each in row.witnesses)


@pytest.mark.parametrize("order", [0, 1])
def test_a_log_that_knows_only_the_model_that_was_asked_for_is_of_the_same_call(
    ledger: TestLedger, order: int
) -> None:
    wire = witness("proxy", NOON, model="gpt-5-2025-08-07")
    asked = msgspec.structs.replace(wire.extraction, request_model="gpt-5")
    seen = [
        msgspec.structs.replace(wire, extraction=asked),
        witness("agent_log", NOON + SECOND, model="gpt-5", attribution={IMPORTED: "codex"}),
    ]
    for each in (seen, seen[::-1])[order]:
        ledger.append(each)
    assert {each.kind for each in one_row(ledger).witnesses} == {"agent_log", "proxy"}


def test_calls_of_two_models_are_two_calls_whatever_else_is_equal(ledger: TestLedger) -> None:
    ledger.append(witness("proxy", NOON, model="gpt-5"), witness("agent_log", NOON, model="gpt-5-mini"))
    assert sums_of(ledger.home).calls == 2


@pytest.mark.parametrize("kind", ["proxy", "sdk", "event", "otlp"])
def test_only_a_history_can_say_that_it_is_one(ledger: TestLedger, kind: str) -> None:
    """Else a header `x-farebox-imported` would keep a client's calls out of every budget."""
    said = {IMPORTED: "yes", "user": "ann"}
    ledger.append(witness(kind, NOON, attribution=said, attribution_from={IMPORTED: "header:x"}))
    assert one_row(ledger).attribution == {"user": "ann"}
    assert spent(ledger) == CALL
