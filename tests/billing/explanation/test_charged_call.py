"""What one call is charged: exactly by class where each unit has one price, and never a made-up amount."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from tests.billing.invoices.billed_customers import at

from farebox.billing.explanation.charged_call import CallCharge, charge_of_call
from farebox.billing.periods.terms import DatedRate, Segment, Terms
from farebox.charges.models import CostPlus, Graduated, Package, Standard
from farebox.charges.models.tiers import Tier
from farebox.charges.plan import Charge, Conversion, Plan
from farebox.charges.pricing_plan import PRICING
from farebox.charges.usage.cells import Cell

FROM, UNTIL = at("2026-11-01T00:00"), at("2026-12-01T00:00")
CELL = Cell(
    customer="acme", dims={"model": "gpt-4o", "agent": "a"}, calls=1, total_us=3_000_000,
    uncached_input_tokens=1_000, cache_read_tokens=400, cache_creation_tokens=0, output_tokens=300,
    reasoning_tokens=100, input_cost_pico=2_500_000_000, cache_read_cost_pico=500_000_000,
    output_cost_pico=3_000_000_001, reasoning_cost_pico=1_000_000_000, other_cost_pico=7,
    charge_pico=7_200_000_011,
)  # fmt: skip
COST_PLUS = Charge(name="Usage", meter="cost", model=CostPlus(markup_percent=Decimal(20)))


def charged(
    *charges: Charge, cell: Cell = CELL, rate: str | None = None, plan: Plan | None = None
) -> CallCharge:
    rates = () if rate is None else (DatedRate(from_ns=FROM, rate=rate),)
    segment = Segment(
        subscription="s", plan=plan or Plan(name="p", version=1, charges=charges), from_ns=FROM,
        until_ns=UNTIL, days=30, of_days=30, dollar_rates=rates,
    )  # fmt: skip
    terms = Terms(
        customer="acme", currency="USD" if rate is None else "EUR", exponent=2, timezone="UTC", from_ns=FROM,
        until_ns=UNTIL, segments=(segment,),
    )  # fmt: skip
    return charge_of_call(terms, cell, FROM + 1)


def by_class(found: CallCharge) -> dict[str, Fraction]:
    return {each.name: Fraction(each.amount) for each in found.classes}


def meter(name: Any, unit: str, **more: Any) -> Charge:
    return Charge(name=name, meter=name, model=Standard(unit=Decimal(unit), per=Decimal(1000)), **more)


def test_each_class_of_tokens_is_paid_at_the_price_of_its_charge() -> None:
    found = charged(
        meter("cached_input_tokens", "0.1"), meter("input_tokens", "2"), meter("output_tokens", "5")
    )
    assert by_class(found) == {
        "input": 2, "cache_read": Fraction(4, 100), "output": 1, "reasoning": Fraction(1, 2),
    }  # fmt: skip
    assert {each.name: each.per_million for each in found.classes}["output"] == "5000"
    assert (found.amount, found.for_the_call) == ("3.54", "0")
    first = found.parts[0]
    assert (first.charge, first.quantity, first.price) == ("cached_input_tokens", "400", "0.1 per 1,000")


def test_a_charge_on_cost_is_shown_by_class_without_the_cost() -> None:
    found = charged(COST_PLUS)
    assert by_class(found) == {
        "input": Fraction(3_000_000_000, 10**12),
        "cache_read": Fraction(600_000_000, 10**12),
        "output": Fraction(2_000_000_001 * 12, 10**13),
        "reasoning": Fraction(1_200_000_000, 10**12),
        "other": Fraction(84, 10**13),
    }
    assert found.amount == "0.0072000000096"
    (part,) = found.parts
    assert (part.quantity, part.unit, part.price) == (None, None, None)
    assert {each.name: each.per_million for each in found.classes}["input"] == "3"
    assert {each.name: each.per_million for each in found.classes}["output"] == "12.000000006"


def test_what_a_call_was_charged_as_it_was_recorded_is_shared_by_class_to_the_pico() -> None:
    found = charged(plan=PRICING)
    assert sum(by_class(found).values()) == Fraction(found.amount or 0) == Fraction(7_200_000_011, 10**12)
    assert found.for_the_call == "0"


def test_a_price_by_the_call_is_the_calls_own() -> None:
    found = charged(Charge(name="Calls", meter="calls", model=Standard(unit=Decimal("0.05"))))
    assert (found.amount, found.for_the_call) == ("0.05", "0.05")
    assert set(by_class(found).values()) == {0}


def test_a_cost_in_another_currency_is_exchanged_at_the_rate_of_its_day() -> None:
    assert (
        Fraction(charged(COST_PLUS, rate="0.5").amount or 0) == Fraction(charged(COST_PLUS).amount or 0) / 2
    )


@pytest.mark.parametrize(
    "charge",
    [
        Charge(name="t", meter="tokens", model=Graduated(tiers=(Tier(unit=Decimal(1)),))),
        Charge(name="t", meter="tokens", model=Package(size=Decimal(10), amount=Decimal(1))),
        meter("tokens", "1", included=Decimal(5)),
        meter("tokens", "1", block_size=Decimal(5)),
        meter("tokens", "1", round_up_to=Decimal(5)),
        meter(
            "seconds", "1", conversion=Conversion(operation="divide", factor=Decimal(60), rounding="ceiling")
        ),
        Charge(name="t", meter="tasks", model=Standard(unit=Decimal(1))),
        Charge(name="t", meter="cost", model=CostPlus(fixed=Decimal(1))),
    ],
)
def test_where_the_price_depends_on_what_else_is_used_no_amount_is_made_up(charge: Charge) -> None:
    found = charged(charge)
    (part,) = found.parts
    assert (found.amount, part.amount) == (None, None)
    assert part.note


def test_a_call_without_a_price_has_no_amount_and_says_why() -> None:
    from msgspec.structs import replace

    unpriced = replace(
        CELL, unpriced_calls=1, input_cost_pico=0, cache_read_cost_pico=0, output_cost_pico=0,
        reasoning_cost_pico=0, other_cost_pico=0,
    )  # fmt: skip
    found = charged(COST_PLUS, cell=unpriced)
    assert (found.amount, found.parts[0].note) == (None, "not priced yet")


def test_a_call_outside_of_every_subscription_is_charged_nothing() -> None:
    segment_over = charge_of_call(
        Terms(customer="acme", currency="USD", exponent=2, timezone="UTC", from_ns=FROM, until_ns=UNTIL),
        CELL,
        FROM,
    )
    assert (segment_over.parts, segment_over.amount) == ([], "0")
