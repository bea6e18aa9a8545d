"""Amounts are written from integers, quantities from decimal text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.billing.documents.amounts import amount_shown, amount_text, exact_shown, grouped


@pytest.mark.parametrize(
    ("minor", "exponent", "text", "shown"),
    [
        (0, 2, "0.00", "0.00"),
        (5, 2, "0.05", "0.05"),
        (-5, 2, "-0.05", "−0.05"),
        (123_456_789, 2, "1234567.89", "1,234,567.89"),
        (-1_000, 0, "-1000", "−1,000"),
        (1, 3, "0.001", "0.001"),
        (10**30 + 1, 2, f"{10**28}.01", f"{10**28:,}.01"),
    ],
)
def test_an_amount_has_its_currency_s_digits(minor: int, exponent: int, text: str, shown: str) -> None:
    assert amount_text(minor, exponent) == text
    assert amount_shown(minor, exponent) == shown


@given(st.integers(-(10**40), 10**40), st.integers(0, 4))
def test_an_amount_s_text_is_its_integer_with_a_point(minor: int, exponent: int) -> None:
    text = amount_text(minor, exponent)
    assert int(text.replace(".", "")) == minor
    assert amount_shown(minor, exponent).replace(",", "").replace("−", "-") == text or exponent > 2


def test_quantities_keep_every_digit_that_says_something() -> None:
    assert grouped("1234567.8905") == "1,234,567.8905"
    assert grouped("0.0000012") == "0.0000012"
    assert grouped("20.00") == "20.00"
    assert grouped("1.5000") == "1.50"
    assert grouped("first 10 at 2") == "first 10 at 2"


def test_what_no_decimal_writes_ends_in_an_ellipsis() -> None:
    assert exact_shown("1/3") == "0.333333…"
    assert exact_shown("-7/2") == "−3.50"
    assert exact_shown("12.5") == "12.5"
    assert exact_shown("1/0") == "1/0"
