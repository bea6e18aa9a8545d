"""Coupons and add-ons of a customer: dated, used on so many invoices, given back by a void."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from tests.billing.made_invoices import LATER, NO_CHARGES, invoice, line

from farebox.billing.customer_terms import Coupon, add_ons, coupons, end, give_add_on, give_coupon
from farebox.billing.settlement import finalized, voided
from farebox.charges.plan import AddOn, Discount
from farebox.control.publish import change
from farebox.errors import UsageError
from farebox.home import Home

LAUNCH = Discount(
    kind="percentage",
    value=Decimal(10),
    name="LAUNCH",
    start=date(2026, 11, 1),
    until=date(2027, 2, 1),
    invoices=2,
)
NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)


def test_a_coupon_is_in_force_by_a_periods_first_day_until_its_invoices_are_used_up(home: Home) -> None:
    with change(home) as connection:
        made = give_coupon(connection, "acme", LAUNCH, 1)
        give_coupon(connection, "umbrella", LAUNCH, 2)
        assert coupons(connection, "acme") == [made]
        assert made.is_in_force(NOVEMBER) and made.is_in_force(date(2027, 1, 31))
        assert not made.is_in_force(date(2026, 10, 31)) and not made.is_in_force(date(2027, 2, 1))
        first, second = invoice("1", line("1", 5)), invoice("2", line("1", 5))
        for each in (first, second, second):
            finalized(connection, each, NO_CHARGES, at_ns=LATER, actor="uid:1", used=[made.id])
        (used_up,) = coupons(connection, "acme")
        assert used_up.uses == 2 and not used_up.is_in_force(DECEMBER)
        voided(connection, second, at_ns=LATER, actor="uid:1", reason="wrong")
        assert coupons(connection, "acme")[0].is_in_force(DECEMBER)
        assert coupons(connection, "umbrella")[0].uses == 0


def test_an_add_on_is_due_in_its_period_or_the_first_one_after_it(home: Home) -> None:
    setup = AddOn(name="Setup", amount=Decimal("99.50"), on=date(2026, 11, 17))
    support = AddOn(name="Support", amount=Decimal(30))
    with change(home) as connection:
        once = give_add_on(connection, "acme", setup, 1)
        monthly = give_add_on(connection, "acme", support, 2, invoices_max=None)
        assert not once.is_due(date(2026, 11, 17)) and once.is_due(DECEMBER) and monthly.is_due(DECEMBER)
        finalized(
            connection,
            invoice("1", line("1", 5)),
            NO_CHARGES,
            at_ns=LATER,
            actor="",
            used=[once.id, monthly.id],
        )
        found = add_ons(connection, "acme")
        assert [each.is_due(date(2027, 1, 1)) for each in found] == [False, True]
        assert [each.add_on for each in found] == [setup, support]


def test_what_is_ended_is_on_no_further_invoice(home: Home) -> None:
    with change(home) as connection:
        made = give_coupon(connection, "acme", LAUNCH, 1)
        assert end(connection, made.id[:13], 5, Coupon) == made
        assert not coupons(connection)[0].is_in_force(NOVEMBER)
        with pytest.raises(UsageError, match="has ended"):
            end(connection, made.id, 6, Coupon)
        with pytest.raises(UsageError, match="no coupon has an id"):
            end(connection, "nothing", 6, Coupon)


def test_wrong_coupons_and_add_ons_are_refused(home: Home) -> None:
    with change(home) as connection:
        for kind, value, name, invoices in (
            ("percentage", "101", "A", None),
            ("percentage", "0", "A", None),
            ("fixed", "-1", "A", None),
            ("fixed", "1", "", None),
            ("fixed", "1", "A", 0),
        ):
            with pytest.raises(UsageError):
                said = Discount(kind=kind, value=Decimal(value), name=name, invoices=invoices)  # pyright: ignore[reportArgumentType]
                give_coupon(connection, "acme", said, 1)
        for amount, quantity, invoices in (("-1", "1", 1), ("1", "0", 1), ("1", "1", 0)):
            with pytest.raises(UsageError):
                extra = AddOn(name="X", amount=Decimal(amount), quantity=Decimal(quantity))
                give_add_on(connection, "acme", extra, 1, invoices_max=invoices)
        assert coupons(connection) == [] and add_ons(connection) == []
