"""Two ratings beside each other: who pays more, who pays less, for what."""

from __future__ import annotations

from fractions import Fraction

from farebox.billing.documents.document import InvoiceLine
from farebox.billing.simulation.difference import RatedCustomer, differences, totals


def line(charge: str, amount_minor: int) -> InvoiceLine:
    return InvoiceLine(
        id="",
        kind="usage",
        title=charge,
        charge=charge,
        from_ns=0,
        until_ns=1,
        exact="0",
        amount_minor=amount_minor,
    )


def rated(customer: str, currency: str = "USD", **charges: int) -> RatedCustomer:
    lines = tuple(line(name, amount) for name, amount in charges.items())
    return RatedCustomer(customer=customer, currency=currency, exponent=2, lines=lines)


def test_who_pays_most_more_comes_first_and_each_charge_that_changes_is_named() -> None:
    before = [rated("a", base=2_000, tokens=100), rated("b", tokens=500), rated("c", tokens=1)]
    after = [rated("a", base=2_000, tokens=90), rated("b", tokens=700, extra=1), rated("c", tokens=1)]
    found = differences(before, after)
    assert [(each.customer, each.difference_minor) for each in found] == [("b", 201), ("c", 0), ("a", -10)]
    assert [(each.charge, each.before_minor, each.after_minor) for each in found[0].charges] == [
        ("tokens", 500, 700),
        ("extra", 0, 1),
    ]
    assert found[0].percent == Fraction(201, 5)
    assert found[1].charges == ()


def test_currencies_are_never_added_up() -> None:
    found = differences(
        [rated("a", x=100), rated("b", "EUR", x=100)], [rated("a", x=50), rated("b", "EUR", x=200)]
    )
    assert [(each.currency, each.before_minor, each.after_minor) for each in totals(found)] == [
        ("EUR", 100, 200),
        ("USD", 100, 50),
    ]
    assert [(each.pay_more, each.pay_less, each.pay_the_same) for each in totals(found)] == [
        (1, 0, 0),
        (0, 1, 0),
    ]


def test_a_customer_in_one_of_the_ratings_only_pays_nothing_in_the_other() -> None:
    found = differences([rated("gone", x=5)], [rated("new", x=7)])
    assert {(each.customer, each.before_minor, each.after_minor) for each in found} == {
        ("gone", 5, 0),
        ("new", 0, 7),
    }
    assert next(each for each in found if each.customer == "new").percent is None
