"""What a line says of its price, and the arithmetic that explains it: complete, and true as it is shown."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from msgspec.structs import replace
from tests.billing.invoices.billed_customers import at

from farebox.billing.documents.document import InvoiceLine
from farebox.billing.explanation.explanation import _steps  # pyright: ignore[reportPrivateUsage]
from farebox.billing.periods.terms import DatedRate, Segment, Terms
from farebox.billing.rating.period_usage import in_currency
from farebox.billing.rating.rating import rate_period
from farebox.charges.models import Bucketed, CostPlus, CreditConversion, Graduated, Percentage, Standard
from farebox.charges.models.tiers import Tier
from farebox.charges.plan import Charge, Conversion, Discount, Plan
from farebox.charges.usage.consumption import ChargedGroup, ChargedUsage, Consumption

FROM, UNTIL = at("2026-11-01T00:00"), at("2026-12-01T00:00")
TIERS = Graduated(tiers=(Tier(up_to=Decimal(2), unit=Decimal(1)), Tier(unit=Decimal("0.5"), flat=Decimal(3))))


def rated(
    charge: Charge, quantity: str, *, rate: str | None = None, **more: Any
) -> tuple[list[InvoiceLine], Segment]:
    plan = Plan(name="p", version=1, charges=(charge,), **more)
    segment = Segment(
        subscription="s", plan=plan, from_ns=FROM, until_ns=UNTIL, days=30, of_days=30,
        dollar_rates=() if rate is None else (DatedRate(from_ns=FROM, rate=rate),),
    )  # fmt: skip
    terms = Terms(
        customer="acme", currency="USD" if rate is None else "JPY", exponent=2, timezone="UTC",
        from_ns=FROM, until_ns=UNTIL, segments=(segment,),
    )  # fmt: skip
    group = ChargedGroup(quantity=Fraction(quantity), calls=1, start_ns=FROM)
    used = ChargedUsage(charge=charge.name, meter=charge.meter, quantity=group.quantity, groups=(group,))
    taken = Consumption(charges=(used,))
    return rate_period(terms, [in_currency(taken, each) for each in segment.dollar_rates] or [taken]), segment


BY_MINUTES = Conversion(operation="divide", factor=Decimal(60), rounding="ceiling")


def charge(meter: Any, model: Any, **more: Any) -> Charge:
    return Charge(name="c", meter=meter, model=model, **more)


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (
            charge("outcome_value", Percentage(rate_percent=Decimal("2.5"), fixed_per_event=Decimal("0.30"))),
            "2.5 % + 0.30 an event",
        ),
        (
            charge("tokens", CreditConversion(credits_per_unit={"tokens": Decimal(1)}, per=Decimal(1000),
                                              credit_price=Decimal("0.01"))),
            "1 credits per 1,000, 0.01 a credit",
        ),
        (
            charge("calls", Bucketed(inner=Standard(unit=Decimal(2))), bucket="day"),
            "2; each day by itself",
        ),
        (
            charge("seconds", Standard(unit=Decimal("0.10")), conversion=BY_MINUTES),
            "0.10; rounded up to whole units",
        ),
        (
            charge("calls", Standard(unit=Decimal(4)), block_size=Decimal(1000)),
            "4; for each started block of 1,000",
        ),
        (
            charge("calls", Standard(unit=Decimal(4)), round_up_to=Decimal(10)),
            "4; rounded up to a multiple of 10",
        ),
    ],
)  # fmt: skip
def test_a_unit_price_says_everything_that_makes_the_price(of: Charge, words: str) -> None:
    assert rated(of, "5")[0][0].unit_price == words


@pytest.mark.parametrize(
    ("meter", "operation", "factor", "unit"),
    [
        ("seconds", "divide", "60", "minutes"),
        ("seconds", "divide", "3600", "hours"),
        ("seconds", "divide", "90", "units of 90 seconds"),
        ("output_tokens", "divide", "1000", "units of 1,000 output tokens"),
        ("calls", "multiply", "8", "units of 0.125 calls"),
        ("calls", "multiply", "3", "units of 1/3 calls"),
        ("cost", "multiply", "100", "units of 0.01 USD of cost"),
        ("calls", "divide", "1", "calls"),
    ],
)
def test_a_converted_quantity_is_in_the_unit_it_was_converted_to(
    meter: str, operation: Any, factor: str, unit: str
) -> None:
    conversion = Conversion(operation=operation, factor=Decimal(factor))
    model = CostPlus(markup_percent=Decimal(0)) if meter == "cost" else Standard(unit=Decimal(1))
    (line, *_), _ = rated(charge(meter, model, conversion=conversion), "120")
    exact = Fraction(120) / Fraction(factor) if operation == "divide" else Fraction(120) * Fraction(factor)
    assert (line.unit, Fraction(line.quantity or 0)) == (unit, exact)


def test_the_parts_of_a_converted_line_are_in_its_unit() -> None:
    of = charge("seconds", Standard(unit=Decimal("0.10")), conversion=BY_MINUTES, itemize=("model",))
    (line, *_), _ = rated(of, "90")
    assert (line.quantity, line.exact, line.unit) == ("2", "0.2", "minutes")
    assert [(part.quantity, part.exact) for part in line.details] == [("1.5", "0.2")]


def test_a_cost_in_another_currency_says_its_rate_and_shows_it_in_the_arithmetic() -> None:
    of = charge("cost", CostPlus(markup_percent=Decimal(20)))
    (line, *_), segment = rated(of, "10", rate="155.5")
    assert line.unit_price == "cost + 20 %; 1 USD is 155.5 JPY"
    assert _steps(segment, of, line, "JPY")[1:] == ["10 × 155.5 = 1555 JPY", "1555 × 1.2 = 1866"]


@pytest.mark.parametrize(
    ("of", "quantity", "said"),
    [
        (charge("calls", Standard(unit=Decimal(4), per=Decimal(10))), "5", ["5 × 4 ÷ 10 = 2"]),
        (charge("calls", TIERS), "4", ["2 × 1 = 2", "2 × 0.5 + 3 = 4"]),
        (charge("outcome", Standard(unit=Decimal(4)), included=Decimal(1)), "3",
         ["less 1 included: 2", "2 × 4 = 8"]),
        (charge("calls", Bucketed(inner=TIERS), bucket="day"), "4",
         ["at up to 2: 1; then 0.5 + 3; each day by itself: 6"]),
        (charge("calls", Standard(unit=Decimal(4)), block_size=Decimal(10)), "5",
         ["at 4; for each started block of 10: 4"]),
    ],
)  # fmt: skip
def test_the_arithmetic_of_a_line_is_true_as_it_is_shown(of: Charge, quantity: str, said: list[str]) -> None:
    (line, *_), segment = rated(of, quantity)
    assert _steps(segment, of, line, "USD")[1:] == said


def test_minimums_maximums_and_discounts_say_what_they_are() -> None:
    of = charge("calls", Standard(unit=Decimal(1)), maximum=Decimal(8))
    tenth = Discount(kind="percentage", value=Decimal(10), name="LAUNCH")
    lines, _ = rated(of, "10", discounts=(tenth, Discount(kind="fixed", value=Decimal("0.20"))))
    assert {line.kind: line.note for line in lines[1:]} == {
        "maximum": "at most 8",
        "discount": "10 % LAUNCH, 0.20",
    }
    lines, _ = rated(replace(of, maximum=None, minimum=Decimal(20)), "10", minimum=Decimal(30))
    assert [line.note for line in lines[1:]] == ["at least 20", "at least 30"]


def test_free_units_of_a_discount_are_said_with_those_included() -> None:
    of = charge("calls", Standard(unit=Decimal("0.5")), included=Decimal(2), usage_discount=Decimal(3))
    (line, *_), segment = rated(of, "9")
    assert (line.note, line.exact) == ("5 included", "2")
    assert _steps(segment, of, line, "USD") == ["9 calls", "less 5 included: 4", "4 × 0.5 = 2"]
