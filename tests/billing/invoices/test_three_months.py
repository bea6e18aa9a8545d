"""Three months of any plan: invoices and their adjustments add up to what the final record comes to."""

from __future__ import annotations

import shutil
import tempfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.billing.invoices.billed_customers import ACME, USD, Billed, at, subscription
from tests.billing.usage_in_memory import call, reversed_call

from farebox.billing.documents.document import Invoice
from farebox.charges.models import (
    Bucketed,
    CostPlus,
    CreditConversion,
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    Standard,
    Volume,
)
from farebox.charges.models.tiers import PercentageTier, Tier
from farebox.charges.plan import AddOn, Charge, Commitment, Conversion, Discount, DollarRate, Plan
from farebox.charges.usage.cells import Cell, OutcomeCell
from farebox.control.database import open_control
from farebox.home import Home

UTC = replace(ACME, timezone="UTC", tax_percent=Decimal(0))
NOV = date(2026, 11, 1)
MONTHS = ("2026-11", "2026-12", "2027-01")
MOMENTS = ("2026-12-04T00:00", "2027-01-04T00:00", "2027-02-04T00:00", "2027-03-04T00:00")


def d(text: str) -> Decimal:
    return Decimal(text)


TIERS = (
    Tier(up_to=d("3"), unit=d("0.7"), flat=d("0.3")),
    Tier(up_to=d("9"), unit=d("0.11")),
    Tier(unit=d("0.013")),
)
INNER = [
    Standard(unit=d("0.0173")),
    Graduated(tiers=TIERS),
    Volume(tiers=TIERS),
    Package(size=d("7"), amount=d("0.05")),
    CostPlus(markup_percent=d("17")),
    CostPlus(margin_percent=d("30"), fixed=d("0.4")),
    GraduatedPercentage(
        tiers=(
            PercentageTier(up_to=d("2"), rate_percent=d("3")),
            PercentageTier(rate_percent=d("1"), flat=d("2")),
        )
    ),
]
METERS = ["input_tokens", "output_tokens", "tokens", "cost", "calls", "seconds", "users"]
WHERES = [{}, {"model": ("a",)}, {"model": ("b*",)}]
THIRDS = Conversion(operation="divide", factor=d("3"), rounding="ceiling")
ON_CALLS = st.builds(
    Charge,
    name=st.sampled_from("ABC"),
    meter=st.sampled_from(METERS),
    where=st.sampled_from(WHERES),
    model=st.sampled_from(
        [*INNER, CreditConversion(credits_per_unit=dict.fromkeys(METERS, d("2")), credit_price=d("0.01")),
         Percentage(rate_percent=d("2.5"), free_amount=d("3"))]
    ),
    included=st.sampled_from([d("0"), d("0"), d("5")]),
    rollover_percent=st.sampled_from([None, None, d("50")]),
    conversion=st.sampled_from([None, None, THIRDS]),
    block_size=st.sampled_from([None, None, d("4")]),
    itemize=st.sampled_from([(), (), ("model",)]),
    overlap=st.booleans(),
    commitment=st.sampled_from([None, None, None, Commitment(amount=d("2"), overage_factor=d("1.5"))]),
)  # fmt: skip
BUCKETED = st.builds(
    Charge,
    name=st.just("D"),
    meter=st.sampled_from(["tokens", "cost", "calls"]),
    model=st.sampled_from([Bucketed(inner=inner) for inner in INNER]),
    bucket=st.sampled_from(["hour", "day"]),
    included=st.sampled_from([d("0"), d("1")]),
)
OUTCOMES = st.builds(
    Charge,
    name=st.just("E"),
    meter=st.just("outcome_value"),
    model=st.sampled_from(
        [
            Standard(unit=d("0.5")),
            Percentage(rate_percent=d("1"), fixed_per_event=d("0.3"), free_events=1, event_maximum=d("2")),
        ]
    ),
)
PLANS = st.builds(
    lambda charges, bucketed, outcomes, **more: Plan(
        name="pro",
        version=1,
        charges=(*charges, *bucketed, *outcomes),
        usd_rates=(
            DollarRate(start=date(2020, 1, 1), rate=d("0.9")),
            DollarRate(start=date(2026, 12, 10), rate=d("0.83")),
        ),
        **more,
    ),
    st.lists(ON_CALLS, min_size=1, max_size=3, unique_by=lambda each: each.name),
    st.lists(BUCKETED, max_size=1),
    st.lists(OUTCOMES, max_size=1),
    base=st.sampled_from([d("0"), d("9.99")]),
    addons=st.sampled_from([(), (AddOn(name="Seat", amount=d("3.33")),)]),
    discounts=st.sampled_from(
        [(), *((Discount(kind=kind, value=d("12.5")),) for kind in ("percentage", "fixed"))]
    ),
    minimum=st.sampled_from([None, d("20")]),
    maximum=st.sampled_from([None, None, d("30")]),
    commitment=st.sampled_from([None, None, Commitment(amount=d("15"), overage_factor=d("2"), true_up=True)]),
)

CALLS = st.builds(
    dict,
    month=st.integers(0, 2),
    day=st.integers(1, 28),
    hour=st.sampled_from([0, 12, 23]),
    model=st.sampled_from(["a", "b", "bb"]),
    user=st.sampled_from(["u", "v"]),
    uncached_input_tokens=st.integers(0, 40),
    output_tokens=st.integers(0, 12),
    total_us=st.integers(0, 9_000_000),
    output_cost_pico=st.integers(0, 3 * USD),
    input_cost_pico=st.integers(0, USD // 3),
)
LEARNED = st.lists(
    st.one_of(
        CALLS,
        st.tuples(st.integers(0, 50), st.none() | CALLS),  # which call is taken back, and what it was instead
        st.tuples(st.integers(0, 2), st.integers(1, 28), st.sampled_from(["5", "70", "300.5"])),  # outcomes
    ),
    max_size=8,
)


def used(said: dict[str, Any], until: int) -> Cell:
    month = MONTHS[min(said["month"], until)]
    more = {name: value for name, value in said.items() if name not in ("month", "day", "hour")}
    return call("acme", at(f"{month}-{said['day']:02}T{said['hour']:02}:30"), **more)


def learn(on: Billed, learned: list[Any], month: int) -> None:
    """Record what is learned while a month runs, of it and of those before."""
    until, standing = min(month, 2), []
    for seen in on.usage.calls:
        if seen.calls > 0:
            standing.append(seen)
        else:
            standing.remove(reversed_call(seen))
    for said in learned:
        if isinstance(said, dict):
            on.usage.add(used(said, until))
            standing.append(on.usage.calls[-1])
        elif len(said) == 3:
            at_ns = at(f"{MONTHS[min(said[0], until)]}-{said[1]:02}T12:00")
            on.usage.outcome_rows.append(
                OutcomeCell(
                    customer="acme", dims={"outcome": "sale"}, start_ns=at_ns, count=1, value=d(said[2])
                )
            )
        elif standing:
            was = standing.pop(said[0] % len(standing))
            on.usage.add(reversed_call(was))
            if said[1] is not None:
                kept = {"start_ns": was.start_ns, "dims": was.dims}
                on.usage.add(replace(used(said[1], until), **kept))
                standing.append(on.usage.calls[-1])


def come_to(invoices: list[Invoice]) -> int:
    return sum(line.amount_minor for each in invoices for line in each.lines if line.kind != "carried")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a home with an empty control database, to be copied."""
    home = Home(tmp_path_factory.mktemp("prepared") / "home")
    home.prepare()
    open_control(home)
    return home.path


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    first=PLANS,
    second=PLANS,
    changed=st.dates(date(2026, 11, 2), date(2027, 1, 30)),
    currency=st.sampled_from(["USD", "EUR", "JPY"]),
    learned=st.lists(LEARNED, min_size=4, max_size=4),
)
def test_invoices_and_adjustments_add_up_to_what_the_final_record_comes_to_at_once(
    prepared: Path, first: Plan, second: Plan, changed: date, currency: str, learned: list[list[Any]]
) -> None:
    plans = first, replace(second, version=2)
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder) / "home"
        shutil.copytree(prepared, there)
        both = tuple(replace(UTC, id=name, currency=currency) for name in ("acme", "later"))
        on = Billed(Home(there), *plans, customers=both)
        for name in ("acme", "later"):
            on.subscribe(
                subscription(plans[0], NOV, changed, customer=name),
                subscription(plans[1], changed, customer=name),
            )
        made: list[Invoice] = []
        for month, each in enumerate(learned):
            learn(on, each, month)
            made += on.run(MOMENTS[month], customers={"acme"}).final
        on.usage.calls += [replace(each, customer="later") for each in on.usage.calls]
        on.usage.outcome_rows += [replace(each, customer="later") for each in on.usage.outcome_rows]
        at_once = on.run(MOMENTS[-1], customers={"later"}).final
    event(f"adjusted: {any(line.kind == 'adjustment' for one in made for line in one.lines)}")
    assert not any(line.kind == "adjustment" for one in at_once for line in one.lines)
    assert come_to(made) == come_to(at_once)
