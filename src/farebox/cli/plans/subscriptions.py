"""`farebox subscriptions`: who is on which plan, from which day until which."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from farebox.billing.plans.views import SubscriptionState, subscriptions_view
from farebox.cli.exits import OK
from farebox.cli.options import AsJson, Place
from farebox.cli.plans.stored_terms import node_of, read_kept, say_problems
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import Column, clean, table
from farebox.clock import now_ns
from farebox.errors import ConfigError, Finding, UsageError
from farebox.home import Home
from farebox.program import command

app = App(name="subscriptions", help="Put customers on plans, from a day on; change and end it on another.")

Customer = Annotated[str, Parameter(help="The customer.")]


class SubscriptionsAnswer(msgspec.Struct, kw_only=True):
    """`farebox subscriptions --json`, and what starting, changing and ending one leaves."""

    schema: str = "farebox.subscriptions/1"
    subscriptions: list[SubscriptionState]
    problems: list[str]


@app.command(name="list", help="List the subscriptions.")
@app.default
def list_subscriptions(
    customer: Annotated[str | None, Parameter(help="Of this customer only.")] = None,
    /,
    *,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """List the subscriptions, ended ones too."""
    home = (place or Place()).state_to_read()
    return _shown(home, customer, as_json=as_json)


@app.command(help="Put a customer on a plan.")
def start(
    customer: Customer,
    plan: Annotated[str, Parameter(help="The plan.")],
    /,
    *,
    at: Annotated[
        str | None, Parameter(name=("--at", "--start"), help="The first day: 2026-11-01; today.")
    ] = None,
    until: Annotated[str | None, Parameter(help="The day it ends, not included.")] = None,
    version: Annotated[int | None, Parameter(help="Another version than the newest one.")] = None,
    anchor: Annotated[str | None, Parameter(help="The day from which anniversary periods count.")] = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Put a customer on a plan from a day on; it stays on the version that is newest now."""
    from farebox.billing.plans.changes import start_subscription
    from farebox.charges.plan_reader.subscriptions import read_subscription
    from farebox.control import audit

    home = (place or Place()).state()
    first = _day(home, customer, at, "--at")
    said: dict[str, Any] = {"customer": customer, "plan": plan, "start": str(first)}
    said |= {
        key: str(value)
        for key, value in (("until", until), ("version", version), ("anchor", anchor))
        if value is not None
    }
    findings: list[Finding] = []
    read = read_subscription(node_of(said, "subscription"), findings)
    if read is None:
        raise ConfigError(findings)
    start_subscription(home, read, audit.command_line(), now_ns())
    return _shown(home, customer, as_json=as_json)


@app.command(help="End a subscription.")
def end(
    customer: Customer,
    plan: Annotated[str | None, Parameter(help="The plan, where there are several.")] = None,
    /,
    *,
    at: Annotated[
        str | None, Parameter(help="The first day it is not charged: 2026-12-01; tomorrow.")
    ] = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """End a customer's subscription: from that day on it charges nothing."""
    from datetime import timedelta

    from farebox.billing.plans.changes import end_subscription
    from farebox.control import audit

    home = (place or Place()).state()
    day = _day(home, customer, at, "--at")
    until = day if at is not None else day + timedelta(days=1)
    end_subscription(home, customer, plan, until, audit.command_line(), now_ns())
    return _shown(home, customer, as_json=as_json)


@app.command(help="Move a customer to another plan, or to its plan's newest version.")
def change(
    customer: Customer,
    plan: Annotated[str, Parameter(help="The plan to be on.")],
    /,
    *,
    at: Annotated[str | None, Parameter(help="The first day on it: 2026-12-01; today.")] = None,
    version: Annotated[int | None, Parameter(help="Another version than the newest one.")] = None,
    instead_of: Annotated[str | None, Parameter(help="The plan to leave, where there are several.")] = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Move a customer to another plan, or to its newest version, on a day that belongs to the new one."""
    from farebox.billing.plans.changes import change_subscription
    from farebox.control import audit

    home = (place or Place()).state()
    day = _day(home, customer, at, "--at")
    change_subscription(
        home, customer, plan, day, audit.command_line(), now_ns(), from_plan=instead_of, version=version
    )
    return _shown(home, customer, as_json=as_json)


def _day(home: Home, customer: str, text: str | None, flag: str) -> date:
    """Return a day as it is written, today in the customer's zone where none is."""
    from farebox.billing.known_customers import unknown
    from farebox.billing.plans.changes import today_of
    from farebox.charges.plan_reader.written_values import read_date

    kept, _ = read_kept(home)
    if customer not in kept.customers:
        raise UsageError(unknown("customer", customer, list(kept.customers)))
    if text is None:
        return today_of(kept.customers[customer].customer, now_ns())
    try:
        return read_date(text)
    except ValueError as error:
        raise UsageError(f"{flag} {text!r}: {error}") from None


def _shown(home: Home, customer: str | None, *, as_json: bool) -> int:
    kept, problems = read_kept(home)
    found = subscriptions_view(kept, now_ns(), customer=customer, problems=problems)
    if as_json:
        print_json(SubscriptionsAnswer(subscriptions=found.subscriptions, problems=problems))
        return OK
    say_problems(problems)
    if not found.subscriptions:
        print("Nobody is on a plan yet. Put a customer on one:")
        print(f"  {command('subscriptions start acme pro --at 2026-11-01')}")
        return OK
    columns = [
        Column("customer"),
        Column("plan"),
        Column("version", right=True),
        Column("from"),
        Column("until"),
        Column("state"),
        Column("set by", drop=1),
    ]
    rows = [
        [
            clean(each.customer),
            clean(each.plan),
            f"{each.version}" + (f" of {each.newest_version}" if each.version < each.newest_version else ""),
            each.start,
            each.until or "–",
            each.state,
            clean(each.origin),
        ]
        for each in found.subscriptions
    ]
    print(table(columns, rows))
    return OK
