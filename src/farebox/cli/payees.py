"""`farebox payees`: who has shares of invoices, and the statement of a month."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from cyclopts import App, Parameter

from farebox.charges.currencies import exponent_of
from farebox.charges.rounding import decimal_of_units
from farebox.cli.exits import OK
from farebox.cli.options import AsJson, Place
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import Column, clean, table
from farebox.clock import iso, now_ns
from farebox.errors import UsageError
from farebox.nearest import did_you_mean
from farebox.server.api.billing.wallet_views import Payees, Statements, payees_view, statement_view
from farebox.time_expressions import zone_named

app = App(name="payees", help="List who has shares of invoices and what they are owed; print statements.")

Payee = Annotated[str, Parameter(help="The payee, as `shares:` of a plan's charge names it.")]


class PayeesAnswer(Payees, kw_only=True):
    """`farebox payees list --json` and `farebox payees set --json`."""

    schema: str = "farebox.payees/1"


class StatementsAnswer(Statements, kw_only=True):
    """`farebox payees statement PAYEE --json`: one for each currency."""

    schema: str = "farebox.statements/1"


@app.command(name="list")
@app.default
def list_payees(*, place: Place | None = None, as_json: AsJson = False) -> int:
    """List the payees and what each is owed."""
    home = (place or Place()).state_to_read()
    from farebox.control.database import open_control

    found = Payees(payees=[])
    if home.control.exists():
        with open_control(home).reading() as connection:
            found = payees_view(connection)
    if as_json:
        print_json(PayeesAnswer(payees=found.payees))
        return OK
    if not found.payees:
        print("Nobody has a share yet. Name payees at a plan's charge: shares: [{payee: ada, percent: 30}]")
        return OK
    columns = [Column("payee"), Column("name", drop=1), Column("owed", right=True)]
    rows = [
        [
            clean(each.id),
            clean(each.name),
            ", ".join(f"{amount} {currency}" for currency, amount in each.owed.items()) or "nothing",
        ]
        for each in found.payees
    ]
    print(table(columns, rows))
    return OK


@app.command(name="set")
def set_payee(
    payee: Payee,
    /,
    *,
    name: Annotated[str, Parameter(help="What its statements call it.")] = "",
    email: Annotated[str, Parameter(help="Where statements go.")] = "",
    address: Annotated[str, Parameter(help="Its postal address.")] = "",
    place: Place | None = None,
) -> int:
    """Say who a payee is, for its statements."""
    from farebox.billing import terms_changes
    from farebox.billing.payees.statements import Payee as Named
    from farebox.control import audit

    home = (place or Place()).state()
    said = Named(id=payee, name=name, email=email, address=address)
    terms_changes.set_payee(home, said, audit.command_line(), now_ns())
    print(f"{clean(payee)}: {clean(name or payee)}")
    return OK


@app.command
def statement(
    payee: Payee,
    /,
    *,
    month: Annotated[str | None, Parameter(help="The month, as 2026-11; the last one by default.")] = None,
    tz: Annotated[str, Parameter(help="Whose months: Europe/Berlin; UTC by default.")] = "UTC",
    as_csv: Annotated[bool, Parameter(name="--csv", help="Print CSV.", negative="")] = False,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Print what a month's invoices, credit notes and voids brought a payee, and what it is owed since."""
    from farebox.billing.payees.statement_files import statement_csv, statement_text
    from farebox.billing.payees.statements import latest_share, month_span, owed, payees, statements
    from farebox.control.database import open_control

    home = (place or Place()).state_to_read()
    since, until = month_span(month, tz, now_ns())
    if not home.control.exists():
        raise UsageError(f"there is no payee {payee!r}")
    with open_control(home).reading() as connection:
        known = {each.id: each for each in payees(connection)}
        if payee not in known:
            raise UsageError(f"there is no payee {payee!r}{did_you_mean(payee, list(known))}")
        found = statements(connection, known[payee], since, until)
        owed_now = owed(connection, payee)
        latest = latest_share(connection, payee)
    if as_json:
        print_json(StatementsAnswer(statements=[statement_view(each) for each in found]))
    elif as_csv:
        print(statement_csv(found), end="")
    else:
        texts = [statement_text(each) for each in found]
        days = f"{iso(since)[:10]} to {iso(until)[:10]}"
        print("\n".join(texts) if texts else _nothing(clean(payee), days, owed_now, latest, tz))
    return OK


def _nothing(payee: str, days: str, owed: dict[str, int], latest: int | None, tz: str) -> str:
    """Return what to say where no document of a month brought anything: months are those of documents."""
    said = f"{payee} has no share in documents issued from {days}"
    amounts = ", ".join(
        f"{decimal_of_units(minor, exponent_of(currency)):f} {currency}"
        for currency, minor in owed.items()
        if minor
    )
    if not amounts:
        return f"{said}, and is owed nothing."
    if latest is None:
        return f"{said}. Owed by now: {amounts}."
    month = datetime.fromtimestamp(latest // 10**9, zone_named(tz)).strftime("%Y-%m")
    return f"{said}. Owed by now: {amounts}; the latest document is of {month}: --month {month}"
