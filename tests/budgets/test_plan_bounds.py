"""What a plan charges for a call is never more than a budget holds for it, whatever its period has seen."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from farebox.budgets.plan_bounds import most_charged
from farebox.charges.highest_charge import highest_amount
from farebox.charges.live_charge import LivePlan, Seen
from farebox.charges.models import (
    Bucketed,
    CostPlus,
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    Standard,
    Volume,
)
from farebox.charges.models.tiers import PercentageTier, Tier
from farebox.charges.plan import Charge, Conversion, Customer, Plan, Subscription
from farebox.charges.usage.cells import Cell
from farebox.pricing.exact import UnitPrice
from farebox.pricing.highest_prices import ROUNDING_PICO, Band, RateTable

AT = 1_780_000_000_000_000_000
IN, OUT = 2_000_000, 7_000_000
"""Pico-dollars a token."""
COST = RateTable((Band(None, UnitPrice(IN, 1), UnitPrice(OUT, 1)),), rounding_pico=ROUNDING_PICO)


def d(text: str) -> Decimal:
    return Decimal(text)


RISING = (
    Tier(up_to=d("100"), unit=d("0.001")),
    Tier(up_to=d("300"), unit=d("0.004"), flat=d("2")),
    Tier(unit=d("0.01")),
)
FALLING = (Tier(up_to=d("100"), unit=d("0.01"), flat=d("1")), Tier(unit=d("0.004"), flat=d("0.5")))
MODELS = [
    Standard(unit=d("0.00002"), per=d("3")),
    Graduated(tiers=RISING),
    Graduated(tiers=FALLING),
    Graduated(
        tiers=(Tier(up_to=d("50"), unit=d("1"), package_size=d("10")), Tier(unit=d("2"), package_size=d("7")))
    ),
    Volume(tiers=RISING),
    Volume(tiers=FALLING),
    Volume(
        tiers=(Tier(up_to=d("50"), unit=d("1"), package_size=d("10")), Tier(unit=d("2"), package_size=d("7")))
    ),
    Package(size=d("100"), amount=d("0.5")),
    Package(size=d("100"), amount=d("0.5"), rounding="down"),
    Bucketed(inner=Volume(tiers=RISING)),
    CostPlus(margin_percent=d("30")),
    Percentage(rate_percent=d("5"), free_amount=d("0.01")),
    GraduatedPercentage(
        tiers=(
            PercentageTier(up_to=d("1"), rate_percent=d("1")),
            PercentageTier(rate_percent=d("9"), flat=d("1")),
        )
    ),
]
METERS = [
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "tokens",
    "calls",
    "cost",
]
charges = st.builds(
    Charge,
    name=st.uuids().map(str),
    meter=st.sampled_from(METERS),
    model=st.sampled_from(MODELS),
    where=st.sampled_from([{}, {"model": ("gpt-*",)}, {"model": ("other",)}, {"status": ("200",)}]),
    included=st.sampled_from([d("0"), d("40")]),
    overlap=st.booleans(),
    conversion=st.sampled_from(
        [
            None,
            Conversion(operation="divide", factor=d("10"), rounding="ceiling"),
            Conversion(operation="multiply", factor=d("3")),
        ]
    ),
    block_size=st.sampled_from([None, d("7")]),
    round_up_to=st.sampled_from([None, d("5")]),
)
tokens = st.integers(0, 400)


def plan_of(*all_: Charge, currency: str = "USD") -> LivePlan:
    plan = Plan(name="pro", version=1, charges=all_, currency=currency)
    return LivePlan(
        Customer(id="acme"),
        plan,
        Subscription(id="s", customer="acme", plan="pro", version=1, start=date(2020, 1, 1)),
    )


@settings(max_examples=400, deadline=None)
@given(
    all_=st.lists(charges, min_size=1, max_size=4, unique_by=lambda each: each.name),
    counts=st.tuples(tokens, tokens, tokens, tokens, tokens),
    seen=st.integers(0, 700),
)
def test_no_call_is_charged_more_than_is_held_or_settled_for_it(
    all_: list[Charge], counts: tuple[int, ...], seen: int
) -> None:
    plan = plan_of(*all_)
    uncached, read, written, output, reasoning = counts
    dims = {"model": "gpt-4o", "status": "200"}
    cell = Cell(
        dims=dims,
        start_ns=AT,
        calls=1,
        uncached_input_tokens=uncached,
        cache_read_tokens=read,
        cache_creation_tokens=written,
        output_tokens=output + reasoning,
        reasoning_tokens=reasoning,
        input_cost_pico=uncached * IN,
        cache_read_cost_pico=read * IN // 2,
        cache_creation_cost_pico=written * IN,
        output_cost_pico=(output + reasoning) * OUT,
        reasoning_cost_pico=reasoning * OUT,
    )
    charged = plan.charge(cell, lambda charge, period: Seen(Fraction(seen), seen // 10)).amount_pico
    settled = highest_amount(plan, cell)
    table = most_charged(plan, {"model": "gpt-4o"}, COST, AT)
    assert charged is not None and settled is not None and table is not None
    held = table.amount(uncached + read + written, output + reasoning)
    assert charged <= settled
    assert settled <= held + 2 * len(all_)


def test_a_budget_holds_what_the_plan_charges_and_no_multiple_of_it() -> None:
    plan = plan_of(
        Charge(
            name="out", meter="output_tokens", model=Standard(unit=d("0.00002")), where={"model": ("gpt-4o",)}
        ),
        Charge(name="rest", meter="cost", model=CostPlus(markup_percent=d("20"))),
    )
    held = most_charged(plan, {"model": "gpt-4o"}, COST, AT)
    assert held is not None
    exact = 10 * IN * 12 // 10 + 5 * 20_000_000
    assert exact <= held.amount(10, 5) <= exact + 200
    other = most_charged(plan, {"model": "other"}, COST, AT)
    assert other is not None
    assert 0 <= other.amount(10, 5) - (10 * IN + 5 * OUT) * 12 // 10 <= 200


def test_what_nothing_bounds_before_a_call_is_sent_has_no_table() -> None:
    seconds = Charge(name="c", meter="seconds", model=Standard(unit=d("1")))
    assert most_charged(plan_of(seconds), {}, COST, AT) is None
    cost: Any = Charge(name="c", meter="cost", model=CostPlus())
    assert most_charged(plan_of(cost), {}, None, AT) is None
    assert most_charged(plan_of(cost, currency="EUR"), {}, COST, AT) is None
    outcome = Charge(name="c", meter="outcome", model=Standard(unit=d("1")))
    free = most_charged(plan_of(outcome), {}, COST, AT)
    assert free is not None and free.amount(1000, 1000) <= 200
