"""`farebox coupons` and `farebox add-ons`: what one customer gets off, or pays once, beside its plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from cyclopts import App, Parameter

from farebox.cli.exits import OK
from farebox.cli.options import AsJson, Place
from farebox.cli.publication import publish_home
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import Column, clean, table
from farebox.clock import now_ns
from farebox.errors import UsageError
from farebox.home import Home
from farebox.program import command
from farebox.server.api.billing.wallet_views import (
    AddOns,
    AddOnState,
    Coupons,
    CouponState,
    add_on_view,
    coupon_view,
)

app = App(name="coupons", help="Give customers discounts, with dates and for a number of invoices.")
add_ons_app = App(name="add-ons", help="Charge customers for something without usage, once or every period.")

Customer = Annotated[str, Parameter(help="The customer.")]
Only = Annotated[str | None, Parameter(help="Only of this customer.")]
Id = Annotated[str, Parameter(help="Its id, or the beginning of it.")]


class CouponsAnswer(Coupons, kw_only=True):
    """`farebox coupons list --json`, and what `give` and `end` print."""

    schema: str = "farebox.coupons/1"


class AddOnsAnswer(AddOns, kw_only=True):
    """`farebox add-ons list --json`, and what `give` and `end` print."""

    schema: str = "farebox.add_ons/1"


@app.command(name="list")
@app.default
def list_coupons(*, customer: Only = None, place: Place | None = None, as_json: AsJson = False) -> int:
    """List the coupons: what they take off, when, and how often they were used."""
    home = (place or Place()).state_to_read()
    found = _coupons(home, customer)
    if as_json:
        print_json(CouponsAnswer(coupons=found))
        return OK
    if not found:
        print(f"There is no coupon. To give one: {command('coupons give CUSTOMER LAUNCH --percent 10')}")
        return OK
    print(_coupon_table(found, _today(home)))
    return OK


@app.command
def give(
    customer: Customer,
    name: Annotated[str, Parameter(help="What the invoice calls it.")],
    /,
    *,
    percent: Annotated[str | None, Parameter(help="How many percent it takes off: 10.")] = None,
    amount: Annotated[str | None, Parameter(help="Instead: how much, in the customer's currency.")] = None,
    charge: Annotated[
        list[str] | None, Parameter(help="Off the lines of this charge only. Repeatable.", negative="")
    ] = None,
    start: Annotated[str | None, Parameter(help="For periods that begin on this day or later.")] = None,
    until: Annotated[str | None, Parameter(help="For periods that begin before this day.")] = None,
    invoices: Annotated[int | None, Parameter(help="On how many invoices; all by default.")] = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Give a customer a discount on its invoices, before tax."""
    from farebox.billing import terms_changes
    from farebox.control import audit

    home = (place or Place()).state()
    publish_home(home)
    asked = terms_changes.CouponRequest(
        customer=customer,
        name=name,
        percent=percent,
        amount=amount,
        charges=tuple(charge or ()),
        start=_day(start),
        until=_day(until),
        invoices=invoices,
    )
    found = [coupon_view(terms_changes.add_coupon(home, asked, audit.command_line(), now_ns()))]
    if as_json:
        print_json(CouponsAnswer(coupons=found))
    else:
        print(_coupon_table(found, _today(home)))
    return OK


@app.command
def end(id: Id, /, *, place: Place | None = None, as_json: AsJson = False) -> int:
    """End a coupon: invoices that are made final from now on do without it."""
    from farebox.billing import terms_changes
    from farebox.billing.customer_terms import Coupon
    from farebox.control import audit

    home = (place or Place()).state()
    ended = terms_changes.end_term(home, id, audit.command_line(), now_ns(), of=Coupon)
    if as_json:
        print_json(CouponsAnswer(coupons=[each for each in _coupons(home) if each.id == ended.id]))
    else:
        print(f"{ended.id} has ended.")
    return OK


@add_ons_app.command(name="list")
@add_ons_app.default
def list_add_ons(*, customer: Only = None, place: Place | None = None, as_json: AsJson = False) -> int:
    """List the add-ons: what they cost, when, and on how many invoices they are."""
    found = _add_ons((place or Place()).state_to_read(), customer)
    if as_json:
        print_json(AddOnsAnswer(add_ons=found))
        return OK
    if not found:
        example = command("add-ons give CUSTOMER Setup 250.00 --on 2026-12-01")
        print(f"There is no add-on. To give one: {example}")
        return OK
    print(_add_on_table(found))
    return OK


@add_ons_app.command(name="give")
def give_add_on(
    customer: Customer,
    name: Annotated[str, Parameter(help="What the invoice calls it.")],
    amount: Annotated[str, Parameter(help="What one costs, in the customer's currency.")],
    /,
    *,
    quantity: Annotated[str, Parameter(help="How many.")] = "1",
    on: Annotated[
        str | None, Parameter(help="Its day, for one that is charged once; without it, every period.")
    ] = None,
    invoices: Annotated[int | None, Parameter(help="On how many invoices.")] = None,
    tax: Annotated[str | None, Parameter(help="Its tax in percent, instead of the customer's.")] = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Charge a customer for something without usage: once, for some invoices, or every period."""
    from farebox.billing import terms_changes
    from farebox.control import audit

    home = (place or Place()).state()
    publish_home(home)
    asked = terms_changes.AddOnRequest(
        customer=customer,
        name=name,
        amount=amount,
        quantity=quantity,
        on=_day(on),
        invoices=invoices,
        tax_percent=tax,
    )
    found = [add_on_view(terms_changes.add_add_on(home, asked, audit.command_line(), now_ns()))]
    if as_json:
        print_json(AddOnsAnswer(add_ons=found))
    else:
        print(_add_on_table(found))
    return OK


@add_ons_app.command(name="end")
def end_add_on(id: Id, /, *, place: Place | None = None, as_json: AsJson = False) -> int:
    """End an add-on: invoices that are made final from now on do without it."""
    from farebox.billing import terms_changes
    from farebox.billing.customer_terms import CustomerAddOn
    from farebox.control import audit

    home = (place or Place()).state()
    ended = terms_changes.end_term(home, id, audit.command_line(), now_ns(), of=CustomerAddOn)
    if as_json:
        print_json(AddOnsAnswer(add_ons=[each for each in _add_ons(home) if each.id == ended.id]))
    else:
        print(f"{ended.id} has ended.")
    return OK


def _coupons(home: Home, customer: str | None = None) -> list[CouponState]:
    from farebox.billing.customer_terms import coupons
    from farebox.control.database import open_control

    if not home.control.exists():
        return []
    with open_control(home).reading() as connection:
        return [coupon_view(each) for each in coupons(connection, customer)]


def _add_ons(home: Home, customer: str | None = None) -> list[AddOnState]:
    from farebox.billing.customer_terms import add_ons
    from farebox.control.database import open_control

    if not home.control.exists():
        return []
    with open_control(home).reading() as connection:
        return [add_on_view(each) for each in add_ons(connection, customer)]


def _today(home: Home) -> Callable[[str], str]:
    """Return what says a customer's own date: their coupons' days begin there."""
    from farebox.billing.known_customers import zones

    known = zones(home)
    now = datetime.fromtimestamp(now_ns() // 10**9, UTC)
    return lambda customer: f"{now.astimezone(ZoneInfo(known.get(customer, 'UTC'))).date()}"


def _coupon_table(found: Sequence[CouponState], today: Callable[[str], str]) -> str:
    columns = [
        Column("customer"),
        Column("coupon"),
        Column("off", right=True),
        Column("for", drop=1),
        Column("when"),
    ]
    rows = [
        [
            each.customer,
            each.name,
            f"{each.percent} %" if each.percent is not None else each.amount or "",
            ", ".join(each.charges) or "the invoice",
            f"{each.start or '…'} – {each.until or '…'}" if each.start or each.until else "always",
            _used(each.uses, each.invoices),
            _coupon_state(each, today(each.customer)),
            each.id,
        ]
        for each in found
    ]
    return table([*columns, *_USE], [[clean(cell) for cell in row] for row in rows])


def _add_on_table(found: Sequence[AddOnState]) -> str:
    columns = [
        Column("customer"),
        Column("add-on"),
        Column("each", right=True),
        Column("quantity", right=True),
    ]
    rows = [
        [
            each.customer,
            each.name,
            each.amount,
            each.quantity,
            each.on or "every period",
            _used(each.uses, each.invoices),
            _state(each),
            each.id,
        ]
        for each in found
    ]
    return table([*columns, Column("when"), *_USE], [[clean(cell) for cell in row] for row in rows])


_USE = (Column("invoices", right=True), Column("state", drop=2), Column("id"))


def _coupon_state(each: CouponState, today: str) -> str:
    """Return whether the next invoice can have a coupon, by the customer's own date."""
    if _state(each) == "in force" and each.until is not None and each.until <= today:
        return "over"
    if _state(each) == "in force" and each.start is not None and each.start > today:
        return "planned"
    return _state(each)


def _state(each: CouponState | AddOnState) -> str:
    if each.ended_at:
        return "ended"
    return "used up" if each.invoices is not None and each.uses >= each.invoices else "in force"


def _used(uses: int, invoices: int | None) -> str:
    return str(uses) if invoices is None else f"{uses} of {invoices}"


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a day; write it as 2026-12-01") from None
