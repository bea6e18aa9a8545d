"""What passed on the wire is the least that a call used, whatever events state of it, in whichever order."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from calls import NOON, PICO_PER_TOKEN, SECOND, TestLedger
from physical_calls import witness
from test_witnesses import in_every_order, one_row

from farebox.clock import uuid_text
from farebox.journal import records
from farebox.journal.reader import Batch, Position
from farebox.journal.records import Done
from farebox.ledger.calls import LedgerReader

BY = {"bound": "bound:tok2", "trusted": "token:tok1"}


def aborted(*, request_bytes: int = 4_500, response_bytes: int = 25_000) -> Done:
    """Return a stream that its client left: 1,000 and 100 tokens at a guess, 3 and 72 at the least."""
    left = witness(
        "proxy",
        NOON,
        response_id="a",
        outcome="client_disconnected",
        completeness="partial",
        input_tokens=0,
        output_tokens=0,
        attribution={"customer": "acme"},
        request_bytes=request_bytes,
        response_bytes=response_bytes,
    )
    left.extraction.parts[0].quantities.clear()
    left.extraction = msgspec.structs.replace(
        left.extraction, lacks=("input", "output"), streamed=True, completeness="none"
    )
    return left


def stated(by: str, **figures: Any) -> Done:
    found = witness("sdk", NOON + SECOND, response_id="a", attribution={"customer": "acme"}, **figures)
    found.attribution_from = {"customer": BY[by]}
    return found


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    ("by", "tokens", "counts"),
    [
        ("bound", (1, 0), (1_000, 100)),
        ("bound", (5_000, 99), (1_000, 100)),
        ("bound", (1_001, 101), (1_001, 101)),
        ("trusted", (1_000, 71), (1_000, 100)),
        ("trusted", (2, 500), (1_000, 100)),
        ("trusted", (900, 90), (900, 90)),
    ],
)
def test_an_event_that_states_less_does_not_lower_what_the_proxy_counted(
    ledger: TestLedger, by: str, tokens: tuple[int, int], counts: tuple[int, int], order: int, together: bool
) -> None:
    event = stated(by, input_tokens=tokens[0], output_tokens=tokens[1])
    seen = in_every_order(aborted(), event)[order]
    for some in (seen,) if together else ((seen[0],), (seen[1],)):
        ledger.append(*some)
    row = one_row(ledger)
    assert (row.input_tokens, row.output_tokens) == counts
    assert row.cost_pico == sum(counts) * PICO_PER_TOKEN
    assert row.completeness == ("estimated" if counts == (1_000, 100) else "final")
    assert len(row.witnesses) == 2


@pytest.mark.parametrize("order", [0, 1])
def test_tokens_that_are_counted_later_take_the_place_of_bytes_also_where_an_event_came_first(
    ledger: TestLedger, order: int
) -> None:
    wire, event = aborted(), stated("bound", input_tokens=1, output_tokens=0)
    for each in in_every_order(wire, event)[order]:
        ledger.append(each)
    estimate = records.Estimate(
        event_id=wire.event_id,
        source=wire.source,
        at_ns=NOON,
        method="tokenizer:o200k_base",
        input=(30, 31, 32),
        output=(40, 41, 42),
    )
    entry = [(9, records.ESTIMATE, records.encode(estimate))]
    ledger.applier.apply("estimator", [Batch(entry, [], Position(1, 9, 9), False)])
    row = one_row(ledger)
    assert (row.input_tokens, row.output_tokens, row.completeness) == (31, 41, "estimated")
    ledger.append(witness("log", NOON, response_id="a", input_tokens=31, output_tokens=40))
    assert one_row(ledger).output_tokens == 41


def test_what_a_provider_stated_on_the_wire_is_no_less_for_an_event(ledger: TestLedger) -> None:
    """Also where the bytes of a request would be fewer tokens."""
    wire = aborted(request_bytes=10)
    wire.extraction.parts[0].quantities["input_uncached"] = 400
    wire.extraction = msgspec.structs.replace(wire.extraction, lacks=("output",), completeness="partial")
    ledger.append(wire, stated("trusted", input_tokens=399, output_tokens=100))
    assert one_row(ledger).input_tokens == 400


def test_an_event_of_a_bound_token_states_no_cheaper_kind_of_tokens(ledger: TestLedger) -> None:
    class Book(type(ledger.applier._book)):  # pyright: ignore
        def rate(self, part: Any, **asking: Any) -> Any:
            quantities = {leaf: count for leaf, count in part.quantities.items() if leaf != "cache_read"}
            return super().rate(msgspec.structs.replace(part, quantities=quantities), **asking)

    ledger.applier.use(Book())
    event = stated("bound", input_tokens=0, output_tokens=100)
    event.extraction.parts[0].quantities["cache_read"] = 1_000
    ledger.append(aborted(), event)
    row = one_row(ledger)
    assert (row.completeness, row.cost_pico) == ("estimated", 1_100 * PICO_PER_TOKEN)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("kind", "is_lowered"), [("event", False), ("proxy", True)])
def test_a_fetch_that_an_event_states_does_not_lower_what_the_proxy_counted(
    ledger: TestLedger, kind: str, is_lowered: bool, together: bool
) -> None:
    """The proxy may: it has seen the response."""
    fetch = witness(kind, NOON + 9 * SECOND, response_id="a", method="GET", input_tokens=1, output_tokens=1)
    fetch.attribution = {"customer": "acme"}
    wire = aborted()
    wire.extraction = msgspec.structs.replace(wire.extraction, completeness="partial")
    for some in ((wire, fetch),) if together else ((wire,), (fetch,)):
        ledger.append(*some)
    (row,) = [row for row in LedgerReader(ledger.home).newest(9) if row.event_id == uuid_text(wire.event_id)]
    assert (row.completeness == "final") == is_lowered
    assert (row.output_tokens == 1) == is_lowered
