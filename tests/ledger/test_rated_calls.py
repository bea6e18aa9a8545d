"""Many calls read as far as rating looks at them are what whole calls are, as of every row of the record."""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Any

import msgspec
import pytest
from calls import DAY, NOON, TestLedger, done
from test_erasure import erasing
from test_least_usage import aborted, stated
from test_rerating import book, rerate

from farebox.charges.customer_terms import CustomerTerms
from farebox.charges.identities import Identity
from farebox.charges.plan import Customer
from farebox.errors import LedgerError
from farebox.home import Home
from farebox.journal.records import Done
from farebox.ledger import rated_calls
from farebox.ledger.call_store import read_calls
from farebox.ledger.cost_classes import CostedRating
from farebox.ledger.rated_calls import RatedCall, RatedCalls

CUSTOMERS = ("acme", "globex")
PRICES = "gpt-4o: {input_per_1m: 2.5, output_per_1m: 10}\nbrand-new: {input_per_1m: 1, output_per_1m: 2}"
decode_rating = msgspec.msgpack.Decoder(CostedRating).decode
Facts = list[tuple[Any, ...]]


def some_call(rng: random.Random) -> Done:
    customer = rng.choice([*CUSTOMERS, "nobody", None])
    return done(
        NOON + rng.randrange(DAY),
        model=rng.choice(["gpt-4o", "brand-new"]),
        input_tokens=rng.randrange(1_000),
        billable=rng.random() < 0.9,
        attribution={
            **({} if customer is None else {"customer": customer}),
            "user": rng.choice(["ann", "bob"]),
            "step": f"step-{rng.randrange(100)}",
            "trace": f"{rng.randrange(10**6)}",
        },
    )


def whole(ledger: TestLedger, customers: Collection[str] = CUSTOMERS) -> Facts:
    """Return what whole calls say, as the record is now."""
    return [
        (
            call.occurred_at,
            call.source,
            call.call_class,
            call.done.attribution,
            call.total_us,
            call.cost_pico,
            call.charge_pico,
            call.tokens,
            call.extraction.parts,
            decode_rating(call.rating),
        )
        for call in read_calls(ledger.connection, "1 ORDER BY o.seq", ())
        if call.done.attribution.get("customer") in customers
    ]


def as_of(ledger: TestLedger, seq: int, customers: Collection[str] = CUSTOMERS, **more: Any) -> Facts:
    """Return the same of rated calls, when row `seq` was the newest."""
    calls = RatedCalls(ledger.connection, customers)
    found = list(calls.within(NOON, NOON + DAY, seq, **more))
    whose = calls.attributions(found)
    return [facts(call, whose[call.attribution].fields) for call in found]


def facts(call: RatedCall, whose: dict[str, str]) -> tuple[Any, ...]:
    step = {} if call.step is None else {"step": call.step}
    return (
        call.occurred_at,
        call.source,
        call.call_class,
        {**whose, **call.own, **step},
        call.total_us,
        call.cost_pico,
        call.charge_pico,
        tuple(call.tokens),
        call.parts,
        call.rating,
    )


@pytest.mark.parametrize("rows", [3, 2_000])
def test_calls_are_as_they_counted_at_each_row(
    ledger: TestLedger, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(rated_calls, "ROWS_AT_A_TIME", rows)
    rng = random.Random(4)
    states: dict[int, Facts] = {0: []}

    def kept() -> None:
        states[ledger.applier.seq] = whole(ledger)

    ledger.applier.use(book(PRICES))
    for _ in range(4):  # a block each
        ledger.append(*(some_call(rng) for _ in range(12)))
        kept()
    rerate(ledger, book("gpt-4o: {input_per_1m: 3, output_per_1m: 1}"), *range(1, 40, 3), priced_too=True)
    kept()
    ledger.append(aborted())
    kept()
    ledger.append(stated("trusted", input_tokens=900, output_tokens=90))
    kept()
    ann = (Identity(customer="globex", dimension="user", value="ann"),)
    ledger.applier.use_terms(CustomerTerms(ann, (Customer(id="globex"),), (), ()))
    ledger.applier.restate(range(1, 30), lambda: None)
    kept()
    rerate(ledger, book(PRICES), *range(1, 40, 2), priced_too=True)
    kept()
    assert len(states) == 10
    assert len({msgspec.json.encode([str(each) for each in state]) for state in states.values()}) == 10
    for seq, state in states.items():
        assert as_of(ledger, seq) == state


def test_calls_of_other_times_customers_and_models_are_left_out(ledger: TestLedger) -> None:
    acme, globex = ({"customer": name} for name in CUSTOMERS)
    ledger.append(
        done(NOON - 1, attribution=acme),
        done(NOON, attribution=acme),
        done(NOON + 1, attribution=globex),
        done(NOON + 2),
        done(NOON + 3, attribution=acme, model="other"),
        done(NOON + DAY, attribution=acme),
    )
    seq = ledger.applier.seq
    assert [each[0] - NOON for each in as_of(ledger, seq)] == [0, 1, 3]
    assert [each[0] - NOON for each in as_of(ledger, seq, ("acme",))] == [0, 3]
    assert [each[0] - NOON for each in as_of(ledger, seq, asked_for=["gpt-4o"])] == [0, 1]
    assert as_of(ledger, seq, asked_for=[]) == as_of(ledger, seq, ("unheard-of",)) == []


def test_a_call_says_which_model_was_asked_for_and_whether_it_can_be_charged(ledger: TestLedger) -> None:
    unasked = done(NOON + 1, attribution={"customer": "acme"}, billable=False)
    unasked.extraction = msgspec.structs.replace(
        unasked.extraction, request_model=None, response_model="served"
    )
    ledger.append(done(NOON, attribution={"customer": "acme"}), unasked)
    found = list(RatedCalls(ledger.connection, CUSTOMERS).within(NOON, NOON + DAY, 2))
    assert [(call.asked_model, call.is_billable) for call in found] == [("gpt-4o", True), ("served", False)]
    assert len(as_of(ledger, 2, asked_for=["served"])) == 1


def test_an_erased_customer_s_calls_are_nobody_s_and_other_erased_values_change_nothing(
    ledger: TestLedger, home: Home
) -> None:
    for customer in CUSTOMERS:
        ledger.append(done(NOON, attribution={"customer": customer, "user": "ann"}))
    ledger.applier.apply("erase-1", [erasing(home, ("customer", "acme"), ("user", "ann"))])
    (only,) = as_of(ledger, 2)
    assert only[3]["customer"] == "globex"
    assert only[3]["user"].startswith("(erased ")
    assert [only] == whole(ledger)


def test_a_block_that_is_missing_or_cannot_be_decoded_is_an_error(ledger: TestLedger) -> None:
    ledger.append(done(NOON, attribution={"customer": "acme"}))
    execute = ledger.connection.execute
    for verb, change in (
        ("updated", "UPDATE block SET detail = x'01ff'"),
        ("deleted", "DELETE FROM block"),
    ):
        execute(f"DROP TRIGGER block_never_{verb}")
        execute(change)
        with pytest.raises(LedgerError, match="block"):
            as_of(ledger, 1)
