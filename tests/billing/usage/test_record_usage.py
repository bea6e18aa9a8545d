"""Usage of the record: cells, distinct counts and outcomes equal a walk over every row, as of any row."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from calls import DAY, HOUR, NOON, TestLedger, done
from test_erasure import erasing
from test_rerating import book, rerate
from test_results import apply, result
from tests.billing.usage_in_memory import UsageInMemory

from farebox.analytics.local import LocalAsker
from farebox.analytics.questions import Questions, Selection
from farebox.billing.usage import AsOf, Span, consumed, record_usage
from farebox.billing.usage.record_usage import RecordUsage
from farebox.charges.amounts import charge_amount
from farebox.charges.customer_terms import CustomerTerms
from farebox.charges.identities import Identity
from farebox.charges.models import CostPlus, Standard
from farebox.charges.plan import Charge, Customer
from farebox.charges.usage.cells import Cell
from farebox.home import Home
from farebox.journal.records import OUTCOME, Done
from farebox.ledger import verify
from farebox.ledger.cost_classes import CLASSES
from farebox.ledger.database import open_reader
from farebox.ledger.feed import CLASS_COLUMNS, ROW_COLUMNS, Feed

CUSTOMERS = ("acme", "globex", "initech", "nobody")
PRICES = (
    "gpt-4o: {input_per_1m: 2.5, output_per_1m: 10}\ngpt-4o-mini: {input_per_1m: 0.15, output_per_1m: 0.6}"
)
DEARER = "gpt-4o: {input_per_1m: 3, output_per_1m: 12}\nbrand-new: {input_per_1m: 7, output_per_1m: 11}"
FEATURE = ("tag.feature",)
ANY = Standard(unit=Decimal(1))


@pytest.fixture
def usage(home: Home) -> Iterator[RecordUsage]:
    with Questions(LocalAsker(home)) as questions:
        yield RecordUsage(home, questions)


@pytest.fixture
def ledger(home: Home) -> TestLedger:
    made = TestLedger(home)
    made.applier.use(book(PRICES))
    return made


def some_call(rng: random.Random, at_ns: int) -> Done:
    attribution = {"customer": rng.choice(CUSTOMERS[:3]), "task": f"t{rng.randrange(6)}"}
    if rng.random() < 0.6:
        attribution["tag.feature"] = rng.choice(["chat", "summary"])
    by_key = rng.random() < 0.5
    return done(
        at_ns,
        model=rng.choice(["gpt-4o", "gpt-4o-mini", "brand-new"]),
        input_tokens=rng.randrange(1_000),
        output_tokens=rng.randrange(300),
        attribution=attribution,
        attribution_from={"customer": "key:k1" if by_key else "header:x-farebox-customer"},
        status=rng.choice([200, 200, 200, 500]),
        total_us=rng.randrange(10**6),
    )


def filled(ledger: TestLedger) -> AsOf:
    """Append 200 calls over two days, correct some by another price, and return where that began."""
    rng = random.Random(14)
    ledger.append(*(some_call(rng, NOON + rng.randrange(2 * DAY)) for _ in range(200)))
    before = AsOf(ledger.applier.seq, 0)
    rerate(ledger, book(DEARER), *range(1, 201), priced_too=True)
    assert ledger.applier.seq > before.seq
    return before


def walked(home: Home) -> UsageInMemory:
    """Return the record's rows, each as a cell of its own."""
    connection = open_reader(home)
    assert connection is not None
    batch = Feed(connection).after(0, 10_000, with_details=True)
    connection.close()
    found: list[Cell] = []
    for row, costs in zip(batch.rows, batch.costs, strict=True):
        values = dict(zip(ROW_COLUMNS, row, strict=True))
        kind = dict(zip(CLASS_COLUMNS, batch.classes[values["call_class"]], strict=True))
        owner = batch.attributions[values["attribution"]]
        sign, state = values["sign"], kind["cost_state"]
        cached = values["cache_read_input_tokens"] + values["cache_creation_input_tokens"]
        found.append(
            Cell(
                customer=owner.fields.get("customer", ""),
                start_ns=values["occurred_at"],
                dims={
                    "model": kind["request_model"] or kind["model"] or "",
                    "verified": str(owner.verified).lower(),
                    **owner.fields,
                },
                calls=sign,
                errors=sign * (kind["status"] >= 400),
                total_us=sign * values["total_us"],
                uncached_input_tokens=values["input_tokens"] - cached,
                cache_read_tokens=values["cache_read_input_tokens"],
                cache_creation_tokens=values["cache_creation_input_tokens"],
                output_tokens=values["output_tokens"],
                reasoning_tokens=values["reasoning_output_tokens"],
                charge_pico=values["charge_pico"] or 0,
                unpriced_calls=sign * (state in ("unpriced", "unknown")),
                unknown_calls=sign * (state == "unknown"),
                estimated_calls=sign * (state == "estimated"),
                **dict(zip(CLASSES, costs, strict=False)),
            )
        )
    return UsageInMemory(found)


def span(as_of: AsOf, **more: Any) -> Span:
    given = {"customers": CUSTOMERS, "from_ns": NOON, "until_ns": NOON + DAY, "as_of": as_of}
    return Span(**{**given, **more})


@pytest.mark.parametrize("bucket", [None, "hour", "day"])
@pytest.mark.parametrize("verified", [False, True])
def test_cells_equal_the_sums_of_every_row(
    home: Home, ledger: TestLedger, usage: RecordUsage, bucket: Any, verified: bool, monkeypatch: Any
) -> None:
    monkeypatch.setattr(record_usage, "CUSTOMERS_AT_ONCE", 2)
    before = filled(ledger)
    for as_of in (before, usage.as_of()):
        asked = span(as_of, verified=verified, timezone="America/St_Johns")
        dims = ("model", "tag.feature", "task")
        found = usage.cells(asked, dims, bucket=bucket)
        assert found == walked(home).cells(asked, dims, bucket=bucket)
        assert len({cell.customer for cell in found}) == 3


def test_what_charges_take_of_the_record_equals_a_walk_over_every_row(
    home: Home, ledger: TestLedger, usage: RecordUsage
) -> None:
    filled(ledger)
    charges = [
        Charge(name="mini", meter="output_tokens", model=ANY, where={"model": ("gpt-4o-*",)}),
        Charge(name="chat", meter="cost", model=ANY, where={"tag.feature": ("chat",)}, itemize=("model",)),
        Charge(
            name="tasks", meter="tasks", model=ANY, where={"model": ("*4o*", "")}, itemize=("tag.feature",)
        ),
        Charge(name="time", meter="seconds", model=ANY, bucket="hour", where={"tag.feature": ("",)}),
    ]
    asked = span(usage.as_of())
    found = consumed(usage, charges, asked)
    wanted = consumed(walked(home), charges, asked)
    # Distinct values are of calls as they are now, which rows do not say; here no correction moved one.
    assert found == wanted
    assert found["nobody"].charges[0].quantity == 0
    assert found["acme"].charges[2].quantity > 0


def test_cost_plus_lines_come_to_the_ledgers_own_question_times_the_multiplier_to_the_pico(
    ledger: TestLedger, usage: RecordUsage
) -> None:
    before, after = filled(ledger), usage.as_of()
    charge = Charge(
        name="all",
        meter="cost",
        model=CostPlus(markup_percent=Decimal("33.333")),
        itemize=("model", "tag.feature"),
    )
    tokens = Charge(name="mini", meter="output_tokens", model=ANY, where={"model": ("gpt-4o-mini",)})
    multiplier = 1 + Fraction("0.33333")
    for as_of in (before, after):
        for customer in CUSTOMERS:
            asked = span(as_of)
            question = Selection(
                since_ns=asked.from_ns,
                until_ns=asked.until_ns,
                as_of_seq=as_of.seq,
                where={"customer": [customer]},
            )
            (total,) = usage.questions.totals(question)
            (lines,) = consumed(usage, [charge], asked)[customer].charges
            exact = sum(
                charge_amount.total(charge, charge_amount.Usage(quantity=line.quantity))
                for line in lines.groups
            )
            assert exact == Fraction(total.cost_pico, 10**12) * multiplier
            assert lines.unpriced_calls == total.unpriced_calls
            # With part of the usage charged by token, that part's cost is on the other charge.
            first, second = consumed(usage, [tokens, charge], asked)[customer].charges
            assert first.cost_pico + second.cost_pico == total.cost_pico


def outcome(at_ns: int, customer: str = "acme", value: str | None = "40.25", **more: Any) -> tuple[int, Any]:
    attribution = {"customer": customer, **more}
    return OUTCOME, result(occurred_at_ns=at_ns, value=value, attribution=attribution, attribution_from={})


def test_the_days_that_got_rows_since_a_position_equal_a_walk_over_every_row(
    home: Home, ledger: TestLedger, usage: RecordUsage
) -> None:
    corrected = filled(ledger)
    apply(ledger, outcome(NOON), outcome(NOON, "nobody"))
    for after in (AsOf(0, 0), AsOf(150, 0), corrected, usage.as_of()):
        found, expected = usage.appended(after), walked(home).appended(after)
        for customer in CUSTOMERS:
            for day in range(-1, 3):
                start = NOON - NOON % DAY + day * DAY
                for verified in (False, True):
                    of = (customer, start, start + DAY)
                    calls, _ = found.within(*of, after, verified=verified)
                    assert calls == expected.within(*of, after, verified=verified)[0]
                later = AsOf(max(after.seq, 180), 9)
                assert found.is_newer(*of, later) == expected.is_newer(*of, later)
    since_outcome = AsOf(usage.as_of().seq, 0)
    assert usage.appended(since_outcome).is_newer("acme", 0, NOON + 9 * DAY, since_outcome)
    assert not usage.appended(since_outcome).is_newer("globex", 0, NOON + 9 * DAY, since_outcome)


def test_outcomes_are_counted_as_of_a_row_by_name_dimension_and_local_day(
    ledger: TestLedger, usage: RecordUsage
) -> None:
    midnight = 1_793_505_600 * 10**9  # 1 November 2026, 00:00 in New York: a day of 25 hours
    named = {"agent": "scout", "tag.Feature": "chat"}
    apply(
        ledger,
        outcome(midnight - 1), outcome(midnight, **named), outcome(midnight + 24 * HOUR, value=None, **named),
        outcome(midnight + 25 * HOUR), outcome(midnight, "globex"),
    )  # fmt: skip
    asked = span(
        usage.as_of(), customers=("acme",), from_ns=midnight, until_ns=midnight + 5 * DAY,
        timezone="America/New_York",
    )  # fmt: skip
    whole = usage.outcomes(asked, ("agent", "tag.feature"))
    assert [(cell.dims["agent"], cell.dims["tag.feature"], cell.count, cell.value) for cell in whole] == [
        ("", "", 1, Decimal("40.25")),
        ("scout", "chat", 2, Decimal("40.25")),
    ]
    days = usage.outcomes(asked, (), bucket="day")
    assert [(cell.start_ns, cell.count) for cell in days] == [(midnight, 2), (midnight + 25 * HOUR, 1)]
    earlier = usage.outcomes(span(AsOf(0, 2), from_ns=0, until_ns=midnight + DAY), ())
    assert [cell.count for cell in earlier] == [2]


def test_the_values_of_single_outcomes_are_told_where_they_are_asked_for(
    ledger: TestLedger, usage: RecordUsage
) -> None:
    apply(ledger, outcome(NOON + 2, value="3"), outcome(NOON + 1, value="5"), outcome(NOON + 1, value=None))
    asked = span(usage.as_of(), customers=("acme",))
    (cell,) = usage.outcomes(asked, (), events=True)
    assert [(at_ns - NOON, value) for at_ns, value in cell.events] == [(1, 0), (1, 5), (2, 3)]
    assert usage.outcomes(asked, ())[0].events == ()


def test_an_outcome_of_a_mapped_user_is_its_customers(
    home: Home, ledger: TestLedger, usage: RecordUsage
) -> None:
    ann = (Identity(customer="acme", dimension="user", value="ann"),)
    ledger.applier.use_terms(CustomerTerms(ann, (Customer(id="acme"),), (), ()))
    theirs = result(occurred_at_ns=NOON, attribution={"user": "ann"}, attribution_from={"user": "sdk"})
    apply(ledger, (OUTCOME, theirs), (OUTCOME, theirs), outcome(NOON, "globex", user="ann"))
    counted = [(cell.customer, cell.count) for cell in usage.outcomes(span(usage.as_of()), ())]
    assert counted == [("acme", 1), ("globex", 1)]
    assert verify(home).problems == []


def test_an_erased_customer_has_no_usage_and_the_numbers_of_others_stay(
    home: Home, ledger: TestLedger, usage: RecordUsage
) -> None:
    ledger.append(
        done(NOON, attribution={"customer": "acme"}), done(NOON, attribution={"customer": "globex"})
    )
    apply(ledger, outcome(NOON), outcome(NOON, "globex"))
    assert len(usage.cells(span(usage.as_of()), ())) == 2
    ledger.applier.apply("erase-1", [erasing(home, ("customer", "acme"))])
    assert [cell.customer for cell in usage.cells(span(usage.as_of()), ())] == ["globex"]
    assert [cell.customer for cell in usage.outcomes(span(usage.as_of()), ())] == ["globex"]


def test_a_home_without_a_record_has_no_usage(home: Home, usage: RecordUsage) -> None:
    assert usage.as_of() == AsOf(0, 0)
    assert usage.cells(span(AsOf(0, 0)), ("model",)) == []
    assert usage.outcomes(span(AsOf(0, 0)), ()) == []
