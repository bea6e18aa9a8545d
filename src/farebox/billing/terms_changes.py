"""Give and end coupons and add-ons, and name payees, for commands and the API: with entries in the audit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Literal

import msgspec

from farebox.billing.customer_terms import Coupon, CustomerAddOn, end, give_add_on, give_coupon
from farebox.billing.known_customers import charges_of, customer_named, unknown
from farebox.billing.payees.statements import Payee, put
from farebox.billing.written_amounts import minor_of
from farebox.charges.plan import AddOn, Customer, Discount
from farebox.control import audit
from farebox.control.publish import change
from farebox.errors import UsageError
from farebox.home import Home

if TYPE_CHECKING:
    from farebox.control.database import ControlDatabase

PAYEE_MAX, TEXT_MAX = 100, 500


class CouponRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for: a percentage or an amount off."""

    customer: str
    name: str
    percent: str | None = None
    amount: str | None = None
    """In the customer's currency."""
    charges: tuple[str, ...] = ()
    start: date | None = None
    until: date | None = None
    invoices: int | None = None


class AddOnRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for: once on a date, or every period."""

    customer: str
    name: str
    amount: str
    """Of one, in the customer's currency."""
    quantity: str = "1"
    on: date | None = None
    invoices: int | None = None
    """On how many; None: one where there is a date, every one where there is none."""
    tax_percent: str | None = None


def add_coupon(
    home: Home, asked: CouponRequest, actor: str, now_ns: int, database: ControlDatabase | None = None
) -> Coupon:
    """Give a customer a discount.

    Raises:
        UsageError: The customer is not known, a charge is none of its plans', or the coupon makes no sense.
        ControlError: It cannot be written.
    """
    customer, said = discount_asked(home, asked)
    with change(home, database) as connection:
        made = give_coupon(connection, customer, said, now_ns)
        audit.note(connection, now_ns, actor, "coupon.give", customer, {"coupon": made.id, **_said(said)})
    return made


def discount_asked(home: Home, asked: CouponRequest) -> tuple[str, Discount]:
    """Return whose discount is asked for, and which.

    Raises:
        UsageError: The customer is not known, a charge is none of its plans', or an amount makes no sense.
    """
    customer = customer_named(home, asked.customer)
    if (asked.percent is None) == (asked.amount is None):
        raise UsageError("a coupon takes off a percentage or an amount: name one of them")
    kind: Literal["percentage", "fixed"] = "fixed" if asked.percent is None else "percentage"
    if asked.amount is not None:
        minor_of(asked.amount, customer.currency)
    if asked.charges:
        _check_charges(home, customer, asked.charges)
    return customer.id, Discount(
        kind=kind,
        value=_decimal(asked.percent if asked.percent is not None else asked.amount or ""),
        name=asked.name,
        charges=asked.charges,
        start=asked.start,
        until=asked.until,
        invoices=asked.invoices,
    )


def add_add_on(
    home: Home, asked: AddOnRequest, actor: str, now_ns: int, database: ControlDatabase | None = None
) -> CustomerAddOn:
    """Charge a customer for something without usage.

    Raises:
        UsageError: The customer is not known, or the add-on makes no sense.
        ControlError: It cannot be written.
    """
    customer, said, invoices = add_on_asked(home, asked)
    with change(home, database) as connection:
        made = give_add_on(connection, customer, said, now_ns, invoices_max=invoices)
        audit.note(connection, now_ns, actor, "add_on.give", customer, {"add_on": made.id, **_said(said)})
    return made


def add_on_asked(home: Home, asked: AddOnRequest) -> tuple[str, AddOn, int | None]:
    """Return who is to be charged, for what, and on how many invoices; None: on every one.

    Raises:
        UsageError: The customer is not known, or the amount makes no sense.
    """
    customer = customer_named(home, asked.customer)
    amount = _decimal(asked.amount)
    if amount:
        minor_of(asked.amount, customer.currency)
    said = AddOn(
        name=asked.name,
        amount=amount,
        quantity=_decimal(asked.quantity),
        on=asked.on,
        tax_percent=None if asked.tax_percent is None else _decimal(asked.tax_percent),
    )
    if said.quantity == 1:  # of several, only their sum has to be an amount of the currency, once rounded
        minor_of(asked.amount, customer.currency)
    return customer.id, said, 1 if asked.invoices is None and asked.on is not None else asked.invoices


def end_term(
    home: Home,
    prefix: str,
    actor: str,
    now_ns: int,
    database: ControlDatabase | None = None,
    *,
    of: type[Coupon | CustomerAddOn],
) -> Coupon | CustomerAddOn:
    """End a coupon or an add-on: invoices from now on do without it.

    Raises:
        UsageError: There is none, or it has ended.
        ControlError: It cannot be written.
    """
    with change(home, database) as connection:
        found = end(connection, prefix, now_ns, of)
        action = "coupon.end" if isinstance(found, Coupon) else "add_on.end"
        audit.note(connection, now_ns, actor, action, found.customer, {"id": found.id})
    return found


def set_payee(
    home: Home, said: Payee, actor: str, now_ns: int, database: ControlDatabase | None = None
) -> None:
    """Keep who a payee is, for its statements.

    Raises:
        UsageError: A text is too long, or the payee has no name.
        ControlError: It cannot be written.
    """
    if not 0 < len(said.id) <= PAYEE_MAX:
        raise UsageError(f"a payee's name has 1 to {PAYEE_MAX} characters")
    if max(map(len, (said.name, said.email, said.address))) > TEXT_MAX:
        raise UsageError(f"a payee's name, e-mail and address have at most {TEXT_MAX} characters")
    with change(home, database) as connection:
        put(connection, said, now_ns)
        audit.note(connection, now_ns, actor, "payee.set", said.id)


def _check_charges(home: Home, customer: Customer, named: Sequence[str]) -> None:
    """Refuse charges that the customer's plans do not have: nothing would ever come off them."""
    known = charges_of(home, customer.id)
    if not known:
        raise UsageError(
            f"{customer.id} is on no plan with charges: subscribe it first, or give a coupon without --charge"
        )
    wrong = [unknown(f"charge of {customer.id}", name, known) for name in named if name not in known]
    if wrong:
        raise UsageError("; ".join(wrong))


def _decimal(text: str) -> Decimal:
    try:
        found = Decimal(text.strip()) if len(text) <= 40 else Decimal("nan")
    except InvalidOperation:
        found = Decimal("nan")
    exponent = found.as_tuple().exponent
    if not found.is_finite() or not isinstance(exponent, int) or exponent < -12 or found.adjusted() > 12:
        raise UsageError(f"{text[:40]!r} is no number; write one as 12.5, with at most 12 decimals")
    return found


def _said(said: msgspec.Struct) -> dict[str, object]:
    return dict(msgspec.to_builtins(said))
