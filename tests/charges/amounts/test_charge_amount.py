"""What usage costs: models, quantities, and parts of a period."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from farebox.charges.amounts.allocation import allocate, percentages
from farebox.charges.amounts.charge_amount import Usage, amount, total
from farebox.charges.amounts.commitments import with_overage
from farebox.charges.amounts.discounts import discount_on, taken_off
from farebox.charges.amounts.grants import GrantBalance, burn
from farebox.charges.amounts.thresholds import crossed
from farebox.charges.currencies import dollar_rate, exponent_of
from farebox.charges.models import CostPlus, CreditConversion, Graduated, Model, Percentage, Volume
from farebox.charges.models.tiers import Tier
from farebox.charges.periods.proration import prorated
from farebox.charges.plan import Charge, Commitment, Conversion, Discount, DollarRate
from farebox.charges.rounding import exact_text, round_to

TIERS = (
    Tier(up_to=Decimal(1_000_000), unit=Decimal("0.00002"), flat=Decimal(5)),
    Tier(unit=Decimal("0.000015")),
)


def charge(model: Model, **terms: object) -> Charge:
    return Charge(name="charge", meter="output_tokens", model=model, **terms)  # type: ignore[arg-type]


def cost(of: Charge, quantity: int | str) -> Fraction:
    return total(of, Usage(quantity=Fraction(quantity)))


def test_zero_usage_is_free_unless_a_first_flat_amount_is_due_at_zero() -> None:
    for model in (Graduated, Volume):
        assert cost(charge(model(tiers=TIERS)), 0) == 0
        assert cost(charge(model(tiers=TIERS, first_flat_at_zero=True)), 0) == 5
        assert cost(charge(model(tiers=TIERS)), 1) == 5 + Fraction("0.00002")


def test_the_upper_bound_belongs_to_its_tier_and_the_next_unit_does_not() -> None:
    volume = charge(Volume(tiers=TIERS))
    assert cost(volume, 1_000_000) == 25
    assert cost(volume, 1_000_001) == Fraction("15.000015")
    graduated = charge(Graduated(tiers=TIERS))
    assert cost(graduated, 1_000_001) == Fraction("25.000015")


def test_a_part_of_volume_usage_that_makes_all_cheaper_is_negative() -> None:
    volume = charge(Volume(tiers=TIERS))
    assert amount(volume, Usage(quantity=Fraction(1)), Usage(quantity=Fraction(1_000_000))) == Fraction(
        "-9.999985"
    )


def test_units_are_converted_first_and_what_is_included_is_taken_off_then() -> None:
    thousands = Conversion(operation="divide", factor=Decimal(1000), rounding="ceiling")
    model = CostPlus(multiplier=Decimal(3))
    assert cost(charge(model, conversion=thousands, included=Decimal(2)), 2001) == 3
    assert cost(charge(model, conversion=thousands, included=Decimal(2)), 2000) == 0


def test_a_margin_is_of_the_price_and_a_markup_of_the_cost() -> None:
    assert cost(charge(CostPlus(markup_percent=Decimal(30))), 7) == Fraction("9.1")
    assert cost(charge(CostPlus(margin_percent=Decimal(30))), 7) == 10


def test_a_quantity_without_a_stated_cost_or_worth_is_an_error_and_not_zero() -> None:
    usage = Usage(quantities={"video": Fraction(1)})
    with pytest.raises(KeyError):
        total(charge(CostPlus(unit_costs={"audio": Decimal(1)})), usage)
    with pytest.raises(KeyError):
        total(charge(CreditConversion(credits_per_unit={"audio": Decimal(1)})), usage)


def test_free_events_and_a_free_amount_end_with_whichever_is_used_up_first() -> None:
    model = Percentage(
        rate_percent=Decimal(10), fixed_per_event=Decimal(1), free_events=1, free_amount=Decimal(1000)
    )
    events = (Fraction(100), Fraction(50))
    assert total(charge(model), Usage(events=events)) == 6


def test_a_percentage_split_in_two_invoices_goes_on_with_what_is_left_free() -> None:
    model = Percentage(rate_percent=Decimal(10), free_amount=Decimal(120))
    first, second = Usage(events=(Fraction(100),)), Usage(events=(Fraction(50),))
    assert amount(charge(model), first) == 0
    assert amount(charge(model), second, first) == 3


def test_what_exceeds_a_commitment_costs_the_overage_factor() -> None:
    agreed = Commitment(amount=Decimal(100), overage_factor=Decimal("1.5"))
    assert with_overage(120, agreed) == 130
    assert with_overage(80, agreed) == 80
    assert with_overage(80, Commitment(amount=Decimal(100), true_up=True)) == 100


def test_halves_are_rounded_away_from_zero_and_exact_text_keeps_everything() -> None:
    assert [round_to(Decimal(each), 2) for each in ("1.005", "-1.005", "1.00499")] == [
        Decimal("1.01"),
        Decimal("-1.01"),
        Decimal("1.00"),
    ]
    assert exact_text(Fraction(1, 3)) == "1/3"
    assert exact_text(Fraction("-0.0000125")) == "-0.0000125"
    assert exact_text(12_000) == "12000"


def test_shares_with_equal_remainders_go_to_the_first_listed_or_by_name() -> None:
    assert allocate(5, [1, 1, 1]) == [2, 2, 1]
    assert allocate(5, [1, 1, 1], ["c", "a", "b"]) == [1, 2, 2]
    assert allocate(-5, [1, 1, 1]) == [-2, -2, -1]
    assert allocate(7, [0, 0]) == [4, 3]
    assert percentages(101, [Decimal(30), Decimal("33.3")]) == [30, 34, 37]
    with pytest.raises(ValueError, match="100"):
        percentages(100, [60, 50])
    with pytest.raises(ValueError, match="nobody"):
        allocate(1, [])


def test_a_discount_never_exceeds_what_it_is_on_and_leaves_negative_lines_alone() -> None:
    fixed = Discount(kind="fixed", value=Decimal(80))
    assert discount_on([50, -20], fixed) == 50
    assert taken_off([Fraction(50), Fraction(-20), Fraction(25)], fixed, 2) == [50, 0, 25]
    assert discount_on([-50], Discount(kind="percentage", value=Decimal(20))) == 0


def test_grants_burn_by_priority_then_expiry_then_creation() -> None:
    grants = [
        GrantBalance(id="paid", balance=10),
        GrantBalance(id="later", balance=10, expires_at="2027-06-01"),
        GrantBalance(id="sooner", balance=10, expires_at="2027-01-01"),
        GrantBalance(id="first", balance=10, priority=1),
        GrantBalance(id="voided", balance=10, priority=0, usable=False),
    ]
    burnt = burn(grants, 35)
    assert [name for name, _ in burnt.taken] == ["first", "sooner", "later", "paid"]
    assert dict(burnt.balances) == {"paid": 5, "later": 0, "sooner": 0, "first": 0, "voided": 10}
    assert burn(grants, 100).overage == 60


def test_thresholds_recur_from_the_last_one_in_either_direction() -> None:
    assert crossed([50], 49, 151, recurring_step=50) == [50, 100, 150]
    assert crossed([50], 151, 49, recurring_step=50, direction="decreasing") == [50]
    assert crossed([50], 151, -50, recurring_step=50, direction="decreasing") == [-50, 0, 50]
    assert crossed([50], 50, 50) == []
    with pytest.raises(ValueError, match="step"):
        crossed([], 0, 1, recurring_step=0)


def test_a_dollar_is_worth_what_the_newest_rate_in_force_says() -> None:
    rates = [
        DollarRate(start=date(2026, 1, 1), rate=Decimal("0.9")),
        DollarRate(start=date(2026, 7, 1), rate=Decimal("0.8")),
    ]
    assert dollar_rate(rates, date(2025, 12, 31)) is None
    assert dollar_rate(rates, date(2026, 6, 30)) == Fraction("0.9")
    assert dollar_rate(rates, date(2026, 7, 1)) == Fraction("0.8")


def test_currencies_have_the_decimal_places_of_iso_4217() -> None:
    assert [exponent_of(code) for code in ("JPY", "USD", "EUR", "KWD")] == [0, 2, 2, 3]
    with pytest.raises(KeyError):
        exponent_of("GOLD")


def test_a_period_without_days_cannot_be_prorated() -> None:
    with pytest.raises(ValueError, match="day"):
        prorated(1, 0, 0)
