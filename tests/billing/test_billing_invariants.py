"""The invariants of billing, each for plans and usage at random.

Where each is proved:

1. any order of events, with duplicates, bills the same: here, over a real ledger
2. partial invoices add up to one: tests/charges/test_engine_at_random.py
3. lines add up to the subtotal: here; shares to their line: payees/test_shares.py; the entries of a
   transaction to zero: journal/test_journal.py
4. rated twice, the same bytes: here, and tests/charges/test_engine_at_random.py
5. no byte of a final invoice changes: here; by newer programs: invoices/test_earlier_documents.py
6. a balance is the sum of its transactions, and never below zero: wallets/test_invariants.py
7. what has no price makes every total that includes it "at least": here; budgets: here and
   tests/budgets/test_worst_case.py
8. a simulation that changes nothing is what is invoiced: here
9. any change of a chained row is found: tests/ledger/test_verification.py, tests/ledger/test_results.py
10. a budget holds whatever interleaves: tests/budgets/counters/test_counters_at_random.py
"""

from __future__ import annotations

import csv
import itertools
import os
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from calls import HOUR, NOON, TestLedger, batch, done
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.billing.invoices.billed_customers import USD, Billed, at, subscription
from tests.billing.usage_in_memory import UsageInMemory, call, reversed_call

from farebox.analytics.local import LocalAsker
from farebox.analytics.questions import Questions
from farebox.billing.documents import rendered
from farebox.billing.documents.document import Invoice, encode
from farebox.billing.invoices import store
from farebox.billing.invoices.run import Desk
from farebox.billing.margin.margin import total
from farebox.billing.margin.margin_question import margins_of
from farebox.billing.rated_periods import periods_of
from farebox.billing.simulation.simulation import simulated
from farebox.billing.usage.record_usage import RecordUsage
from farebox.budgets.budget import Budget, Period
from farebox.charges.models import CostPlus, Graduated, Standard
from farebox.charges.models.tiers import Tier
from farebox.charges.plan import Charge, Customer, Discount, Plan
from farebox.charges.rounding import decimal_of_units
from farebox.charges.usage.cells import Cell
from farebox.config.configuration import BillingConfig
from farebox.control.database import open_control
from farebox.home import Home
from farebox.server.api.billing.margin_views import margins_view
from farebox.server.api.billing.simulation_views import simulation_view
from farebox.server.api.limits.budget_views import budgets_view
from farebox.snapshot import Snapshot
from farebox.snapshot import encode as encode_snapshot

NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)
AFTER = "2026-12-04T00:00"
_names = itertools.count()
TIERS = Graduated(
    tiers=(Tier(up_to=Decimal(50), unit=Decimal("0.013")), Tier(unit=Decimal("0.007"), flat=Decimal(1)))
)

CHARGES = st.builds(
    Charge,
    name=st.just(""),
    meter=st.sampled_from(["cost", "cost", "output_tokens", "calls"]),
    where=st.sampled_from([{}, {"model": ("a",)}, {"model": ("a", "b*")}]),
    itemize=st.sampled_from([(), ("model",)]),
    included=st.sampled_from([Decimal(0), Decimal(7)]),
    overlap=st.booleans(),
    model=st.just(Standard(unit=Decimal(1))),
    maximum=st.sampled_from([None, None, Decimal(3)]),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    charges: list[Charge] = []
    for number, each in enumerate(draw(st.lists(CHARGES, min_size=1, max_size=3))):
        model: Any = draw(st.sampled_from([TIERS, Standard(unit=Decimal("0.5"))]))
        if each.meter == "cost":
            model = CostPlus(markup_percent=draw(st.decimals("0", "50", places=3)))
        included = Decimal(0) if each.meter == "cost" else each.included
        charges.append(replace(each, name=f"c{number}", model=model, included=included))
    return Plan(
        name="p",
        version=1,
        charges=tuple(charges),
        base=draw(st.sampled_from([Decimal(0), Decimal(20)])),
        minimum=draw(st.sampled_from([None, Decimal(30)])),
        discounts=draw(st.sampled_from([(), (Discount(kind="percentage", value=Decimal("12.5")),)])),
    )


@st.composite
def calls(draw: st.DrawFn) -> Cell:
    moment = at("2026-11-01T00:00") + draw(st.integers(0, 30 * 24 - 1)) * HOUR
    state = draw(st.sampled_from(["priced", "priced", "unpriced", "unknown"]))
    tokens = draw(st.integers(1, 90))
    of_state: dict[str, Any] = {
        "priced": {"output_tokens": tokens, "input_cost_pico": tokens * 7, "output_cost_pico": tokens * USD},
        "unpriced": {"output_tokens": tokens, "unpriced_calls": 1},
        "unknown": {"unpriced_calls": 1, "unknown_calls": 1},
    }[state]
    return call("", moment, model=draw(st.sampled_from(["a", "b1", "c"])), **of_state)


MORE = 10 if os.environ.get("FAREBOX_LONG") else 1
"""`make test-long` tries ten times as many."""
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
"""Where every example makes a ledger, shrinking a failure would take minutes."""

USAGE = st.lists(calls(), max_size=7)


@pytest.fixture(scope="module")
def billed(tmp_path_factory: pytest.TempPathFactory) -> Billed:
    home = Home(tmp_path_factory.mktemp("billed") / "home")
    home.prepare()
    return Billed(home)


def subscribed(billed: Billed, plan: Plan, usage: Sequence[Cell]) -> str:
    """Put a customer of their own on the plan, with this usage, and return their name."""
    customer = f"c{next(_names)}"
    billed.usage = UsageInMemory(replace(each, customer=customer) for each in usage)
    billed.desk.usage = billed.usage
    billed.terms = Snapshot(
        customers=(Customer(id=customer, tax_percent=Decimal("7.7")),),
        plans=(plan,),
        subscriptions=(subscription(plan, NOVEMBER, customer=customer),),
    )
    return customer


def previewed(billed: Billed, customer: str) -> Invoice:
    return billed.desk.preview(customer, at("2026-11-30T23:00"))[0].invoice


def includes_unpriced(plan: Plan, seen: Cell) -> set[str]:
    """Return the charges that lack a call's price or usage, worked out here."""
    taken: set[str] = set()
    found: set[str] = set()
    for charge in plan.charges:
        model = seen.dims["model"]
        if charge.where and not any(
            model == each or (each.endswith("*") and model.startswith(each[:-1]))
            for each in charge.where["model"]
        ):
            continue
        wanted = {"output"} if charge.meter == "output_tokens" else {"input", "output", "other"}
        left = wanted if charge.overlap else wanted - taken
        missing = seen.unknown_calls if charge.meter == "output_tokens" else seen.unpriced_calls
        if left and missing and charge.meter != "calls":
            found.add(charge.name)
        if left and not charge.overlap:
            taken |= left
    return found


@settings(max_examples=15 * MORE, deadline=None)
@given(plan=plans(), usage=USAGE, late=USAGE)
def test_invariant_7_every_total_that_includes_unpriced_usage_says_so_and_no_other_does(
    billed: Billed, plan: Plan, usage: list[Cell], late: list[Cell]
) -> None:
    customer = subscribed(billed, plan, usage)
    missing = [includes_unpriced(plan, each) for each in usage]
    says_so = any(missing)
    draft = previewed(billed, customer)
    for line in draft.lines:
        if line.kind == "usage":
            models = [each for each in usage if not line.dims or each.dims["model"] == line.dims["model"]]
            expected = sum(line.charge in includes_unpriced(plan, each) for each in models)
            assert line.unpriced_calls == expected
    assert (draft.unpriced_calls > 0) == says_so
    if not any(each.overlap for each in plan.charges):
        assert draft.unpriced_calls <= sum(map(bool, missing))
    if all(each.meter == "cost" and not each.overlap for each in plan.charges):
        assert draft.unpriced_calls == sum(map(bool, missing))
    assert any("unpriced" in each for each in draft.statements) == says_so
    assert ("≥" in rendered(draft, "html", BillingConfig()).content.decode()) == says_so
    assert ("amounts are at least" in rendered(draft, "json", BillingConfig()).content.decode()) == says_so
    rows = list(csv.DictReader(rendered(draft, "csv", BillingConfig()).content.decode().splitlines()))
    for row in rows:
        if row["row"] in ("subtotal", "total", "due"):
            assert bool(row["unpriced_calls"]) == says_so

    # The invoice is not issued until somebody accepts it; one without such calls is.
    report = billed.run(AFTER)
    assert bool(report.refused) == says_so
    assert [each.unpriced_calls for each in report.final] == [0] * (len(report.final))
    final = [*report.final, *billed.run(AFTER, accept_unpriced=True).final]
    assert [each.unpriced_calls > 0 for each in final] == [says_so] * len(final)

    # What comes late without a price is said on the next invoice, which needs the same consent.
    if final:
        billed.usage.add(*(replace(each, customer=customer) for each in late))
        late_missing = any(includes_unpriced(plan, each) for each in late)
        refused = billed.run("2027-01-04T00:00").refused
        assert bool(refused) == late_missing or says_so


def test_without_the_count_an_invoice_that_lacks_a_price_would_be_issued_without_a_word(
    billed: Billed,
) -> None:
    """The control of the test above: what it asks for is said because of the count, and by nothing else."""
    charge = Charge(name="c", meter="cost", model=CostPlus(markup_percent=Decimal(20)))
    plan = Plan(name="p", version=1, charges=(charge,))
    moment = at("2026-11-10T00:00")
    for counted in (1, 0):
        customer = subscribed(billed, plan, [call("", moment, model="a", unpriced_calls=counted)])
        draft = previewed(billed, customer)
        assert bool(draft.statements) == bool(draft.unpriced_calls) == bool(counted)
        assert bool(billed.run(AFTER).refused) == bool(counted)


@settings(max_examples=15 * MORE, deadline=None)
@given(plan=plans(), usage=USAGE)
def test_invariant_7_margins_and_simulations_say_how_many_calls_have_no_price(
    billed: Billed, plan: Plan, usage: list[Cell]
) -> None:
    subscribed(billed, plan, usage)
    unpriced = sum(each.unpriced_calls for each in usage)
    periods = periods_of(billed.desk, at(AFTER))
    for by in ("customer", "model"):
        margins = margins_of(periods, billed.usage, NOVEMBER, DECEMBER, by)
        assert total(margins.margins).unpriced_calls == unpriced
        assert margins_view(margins).total.unpriced_calls == unpriced
    found = simulation_view(simulated(periods, billed.usage, NOVEMBER, DECEMBER), [], [])
    assert [(each.unpriced_before, each.unpriced_after) for each in found.totals] == [(unpriced, unpriced)]


@settings(max_examples=3 * MORE, deadline=None, phases=UNSHRUNK)
@given(models=st.lists(st.sampled_from(["gpt-4o", "unheard-of"]), min_size=1, max_size=5))
def test_invariant_7_a_budget_says_how_many_calls_have_no_price(
    tmp_path_factory: pytest.TempPathFactory, models: list[str]
) -> None:
    home = Home(tmp_path_factory.mktemp("home") / "home")
    ledger = TestLedger(home)
    ledger.append(*(done(NOON + at_ns, model=model) for at_ns, model in enumerate(models)))
    limit = Budget(name="all", limit_pico=USD, period=Period("month"))
    home.snapshot.write_bytes(encode_snapshot(Snapshot(budgets=(limit,))))
    with Questions(LocalAsker(home)) as questions:
        (found,) = budgets_view(home, NOON + HOUR, questions).budgets
    assert found.unpriced_calls == models.count("unheard-of")


@settings(max_examples=12 * MORE, deadline=None)
@given(plan=plans(), usage=USAGE)
def test_invariant_8_a_simulation_of_what_is_in_force_is_the_invoice_to_the_cent(
    billed: Billed, plan: Plan, usage: list[Cell]
) -> None:
    customer = subscribed(billed, plan, usage)
    periods = periods_of(billed.desk, at(AFTER))
    same = periods.with_plans({"p": plan}, {})
    found = simulated(
        periods, billed.usage, NOVEMBER, DECEMBER, other=same, other_usage=lambda *_: billed.usage
    )
    final = billed.run(AFTER, accept_unpriced=True).final
    (each,) = found.customers
    assert (each.customer, each.charges, each.difference_minor) == (customer, (), 0)
    billed_minor = sum(line.amount_minor for made in final for line in made.lines)
    assert each.before_minor == each.after_minor == billed_minor
    # The control: one cent more of base fee is found.
    dearer = replace(plan, base=plan.base + Decimal("0.01"), discounts=(), minimum=None)
    plain = replace(dearer, base=plan.base)
    one, other = ({"p": each} for each in (plain, dearer))
    found = simulated(
        periods.with_plans(one, {}), billed.usage, NOVEMBER, DECEMBER, other=periods.with_plans(other, {})
    )
    assert found.customers[0].difference_minor == 1


@settings(max_examples=15 * MORE, deadline=None)
@given(plan=plans(), usage=USAGE)
def test_invariants_3_and_4_lines_add_up_and_are_the_same_bytes_when_rated_again(
    billed: Billed, plan: Plan, usage: list[Cell]
) -> None:
    customer = subscribed(billed, plan, usage)
    first = previewed(billed, customer)
    assert first.subtotal_minor == sum(line.amount_minor for line in first.lines)
    tax = sum(each.tax_minor for each in first.taxes)
    assert first.total_minor == first.subtotal_minor + tax
    for line in first.lines:
        if line.details:
            assert line.kind == "usage"
    assert encode(previewed(billed, customer)) == encode(first)
    assert decimal_of_units(first.due_minor, 2) >= 0


@settings(max_examples=8 * MORE, deadline=None)
@given(
    plan=plans(), usage=USAGE, late=USAGE, taken_back=st.integers(0, 7), price=st.decimals("0", "9", places=3)
)
def test_invariant_5_no_byte_of_a_final_invoice_changes_after_events_corrections_and_edits(
    billed: Billed, plan: Plan, usage: list[Cell], late: list[Cell], taken_back: int, price: Decimal
) -> None:
    customer = subscribed(billed, plan, usage)
    final = billed.run(AFTER, accept_unpriced=True).final
    assume(final)
    edited = replace(plan, base=price, charges=(), version=2)
    billed.usage.add(*(replace(each, customer=customer) for each in late))
    billed.usage.add(*(reversed_call(each) for each in billed.usage.calls[:taken_back]))
    billed.terms = replace(
        billed.terms,
        customers=(replace(billed.terms.customers[0], name="Renamed", tax_percent=Decimal(50)),),
        plans=(plan, edited),
    )
    later = billed.run("2027-01-04T00:00", accept_unpriced=True)
    with billed.control.reading() as connection:
        stored = store.final_invoices(connection, customers=[customer])
    assert stored[0].content == encode(final[0])
    assert [each.invoice for each in stored] == [*final, *later.final]


MADE = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(["gpt-4o", "unheard-of"]), st.integers(0, 900)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=3 * MORE, deadline=None, phases=UNSHRUNK)
@given(made=MADE, order=st.randoms(use_true_random=False), again=st.lists(st.integers(0, 7), max_size=6))
def test_invariant_1_any_order_of_events_with_duplicates_makes_the_same_invoice(
    tmp_path_factory: pytest.TempPathFactory, made: list[Any], order: Any, again: list[int]
) -> None:
    plan = Plan(
        name="p",
        version=1,
        charges=(
            Charge(name="Output", meter="output_tokens", model=TIERS, where={"model": ("gpt-4o",)}),
            Charge(name="Rest", meter="cost", model=CostPlus(markup_percent=Decimal("33.3"))),
        ),
    )
    start = date(2026, 1, 1)
    terms = Snapshot(
        customers=(Customer(id="acme"),),
        plans=(plan,),
        subscriptions=(subscription(plan, start),),
    )
    events = [
        done(NOON + hours * HOUR, model=model, output_tokens=tokens, attribution={"customer": "acme"})
        for hours, model, tokens in made
    ]
    shuffled = [*events, *(events[number] for number in again if number < len(events))]
    order.shuffle(shuffled)
    found: list[list[Invoice]] = []
    for some in (events, shuffled):
        home = Home(tmp_path_factory.mktemp("home") / "home")
        ledger = TestLedger(home)
        for each in some:  # as the follower applies what is delivered again
            ledger.applier.apply("proxy-test", [batch(each, each)], look_for_duplicates=True)
        with Questions(LocalAsker(home)) as questions:
            usage = RecordUsage(home, questions)
            desk = Desk(home, open_control(home), usage, verified=False, published=lambda _: terms)
            issued = desk.run(at("2026-08-01"), actor="uid:1", accept_unpriced=True).final
        assert issued
        found.append([replace(each, id="", home_id="", head_hash="") for each in issued])
    assert found[0] == found[1]
