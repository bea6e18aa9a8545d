from __future__ import annotations

from decimal import Decimal

import pytest

from farebox.pricing.exact import UnitPrice, decimal_from_text, price_problem, rounded, shown, unit_price


def test_a_price_per_million_is_a_whole_number_of_pico_dollars_a_token() -> None:
    assert unit_price("2.50", 10**6) == UnitPrice(2_500_000, 1)


def test_a_price_per_hour_stays_a_fraction_of_a_second() -> None:
    assert unit_price("0.04", 3600) == UnitPrice(100_000_000, 9)


def test_the_price_of_one_unit_is_shown_exactly_where_that_is_possible() -> None:
    assert shown("0.003625", 10**6) == Decimal("0.000000003625")
    assert str(shown("0.04", 3600)) == "0.00001111111111111111111111111111"


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1_000", "1:30", "0x10", "two", "", "1e99999", "٣"])
def test_what_is_not_a_plain_decimal_is_no_price(text: str) -> None:
    assert decimal_from_text(text) is None
    assert price_problem(text) is not None


@pytest.mark.parametrize("text", ["1e400", "1000000000000", "-0.01", "1e-25", "0.0000000000000000000000001"])
def test_a_price_that_does_not_fit_is_refused(text: str) -> None:
    assert price_problem(text) is not None


@pytest.mark.parametrize("text", ["0", "2.50", "5e-6", "0.000005", "+1", ".5", "999999999999", "0e9999"])
def test_ordinary_spellings_are_prices(text: str) -> None:
    assert price_problem(text) is None


def test_halves_are_rounded_away_from_zero() -> None:
    assert [rounded(n, 2) for n in (1, 3, 5, -1, -3)] == [1, 2, 3, -1, -2]
    assert rounded(7, 4) == 2
    assert rounded(5, 4) == 1
