"""The order of application on an invoice."""

from __future__ import annotations

from decimal import Decimal

from farebox.charges.amounts.invoice_arithmetic import Credit, RatedLine, Terms, invoice_amounts
from farebox.charges.plan import Discount

TAX = Decimal(19)


def percent(value: int, *charges: str) -> Discount:
    return Discount(kind="percentage", value=Decimal(value), charges=charges)


def line(name: str, minor: int, tax: Decimal = TAX, *discounts: Discount) -> RatedLine:
    return RatedLine(id=name, charge=name, amount_minor=minor, tax_percent=tax, discounts=discounts)


def test_line_discounts_come_before_invoice_discounts_minimum_and_tax() -> None:
    amounts = invoice_amounts(
        [line("calls", 10_000, TAX, percent(10)), line("base", 2000)],
        Terms(discounts=(percent(50),), minimum=Decimal("100.00"), tax_percent=TAX),
    )
    assert amounts.subtotal_minor == 12_000
    assert amounts.discount_minor == 1000 + 5500
    assert amounts.top_up_minor == 4500
    assert amounts.tax_minor == 1900
    assert amounts.due_minor == 11_900


def test_a_minimum_is_due_with_the_last_invoice_of_a_period_and_counts_what_was_billed() -> None:
    lines = [line("calls", 1000)]
    early = Terms(minimum=Decimal(50), is_last=False)
    last = Terms(minimum=Decimal(50), previously_billed_minor=3000)
    assert invoice_amounts(lines, early).top_up_minor == 0
    assert invoice_amounts(lines, last).top_up_minor == 1000


def test_a_maximum_counts_what_was_billed_and_is_shared_by_the_lines() -> None:
    amounts = invoice_amounts(
        [line("a", 3000), line("b", 6000)], Terms(maximum=Decimal(80), previously_billed_minor=5000)
    )
    assert amounts.above_maximum_minor == 6000
    assert [each.net_minor for each in amounts.lines] == [1000, 2000]


def test_tax_is_rounded_for_each_rate_on_the_sum_of_its_lines() -> None:
    lines = [line("a", 3), line("b", 3), line("c", 7, Decimal(7)), line("free", 100, Decimal(0))]
    amounts = invoice_amounts(lines, Terms())
    assert [(tax.percent, tax.base_minor, tax.tax_minor) for tax in amounts.taxes] == [
        (Decimal(7), 7, 0),
        (Decimal(19), 6, 1),
    ]
    # 0.49 and 1.14 cents are 1.63 together: rounded once for the invoice they are two.
    once = invoice_amounts(lines, Terms(tax_rounding="invoice"))
    assert [tax.tax_minor for tax in once.taxes] == [1, 1]


def test_credits_pay_what_is_due_with_its_tax_and_no_more() -> None:
    amounts = invoice_amounts(
        [line("calls", 10_000), line("base", 1000)],
        Terms(
            credits=(
                Credit(id="promo", amount_minor=50_000, applies_to=("calls",)),
                Credit(id="wallet", amount_minor=50_000),
                Credit(id="late", amount_minor=50_000),
            )
        ),
    )
    assert amounts.credits == (("promo", 11_900), ("wallet", 1190))
    assert amounts.due_minor == 0


def test_an_invoice_is_never_below_zero_and_carries_what_exceeds_it() -> None:
    amounts = invoice_amounts(
        [line("calls", 1000), line("adjustment", -5000)],
        Terms(credits=(Credit(id="wallet", amount_minor=100),)),
    )
    assert amounts.due_minor == 0
    assert amounts.carried_minor == -4760
    assert amounts.credits == ()


def test_a_discount_of_some_charges_leaves_the_other_lines_alone() -> None:
    amounts = invoice_amounts([line("a", 1000), line("b", 1000)], Terms(discounts=(percent(50, "b"),)))
    assert [each.net_minor for each in amounts.lines] == [1000, 500]


def test_a_currency_without_cents_has_none_anywhere() -> None:
    amounts = invoice_amounts([line("a", 999)], Terms(exponent=0, discounts=(percent(50),)))
    assert amounts.lines[0].invoice_discount_minor == 500
    assert amounts.total_minor == 499 + 95
