"""Change customers, plans and subscriptions: for commands and the API alike.

Each is one transaction with its entry in the audit, and is published before it returns. What is wrong is told
at once, each with its place, and nothing of it is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from farebox.billing.known_customers import unknown
from farebox.billing.late_usage import is_newer_than_invoices
from farebox.budgets.budget import COMMAND
from farebox.charges.identities import EVER, Identity
from farebox.charges.plan import Customer, Subscription
from farebox.charges.plan_reader import SECTIONS, BillingTerms, PlannedSubscription, read_billing_terms
from farebox.charges.plan_reader.billing_terms import Place
from farebox.control import audit, customers, plans, subscriptions
from farebox.control.billed_time import BilledTime, with_amounts_carried
from farebox.control.billing_terms import Kept, TermsChange, store, term_findings
from farebox.control.database import open_control
from farebox.control.publish import change
from farebox.control.subscriptions import KeptSubscription
from farebox.errors import ConfigError, Finding, UsageError
from farebox.home import Home
from farebox.program import command

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from farebox.control.database import ControlDatabase
    from farebox.yamltext import Node

Result = TypeVar("Result")


class _NothingStored(Exception):
    """A dry run is over."""


def read_terms(root: Node | None, findings: list[Finding]) -> BillingTerms:
    """Return what a plan file says; its other sections, as of a `farebox.yaml`, are findings.

    Raises:
        ConfigError: With everything that is wrong.
    """
    terms = BillingTerms()
    if root is not None and root.kind != "mapping":
        findings.append(root.finding(f"a mapping with {', '.join(SECTIONS)}"))
    elif root is not None:
        from farebox.nearest import did_you_mean

        for key, node in root.items():
            if key not in SECTIONS:
                hint = did_you_mean(key, SECTIONS)
                findings.append(node.finding(f"one of {', '.join(SECTIONS)}{hint}", "an unknown key"))
        terms = read_billing_terms({key: node for key, node in root.items() if key in SECTIONS}, findings)
    return terms


def apply(
    home: Home,
    terms: BillingTerms,
    actor: str,
    now_ns: int,
    *,
    findings: list[Finding] | None = None,
    dry_run: bool = False,
    database: ControlDatabase | None = None,
) -> list[TermsChange]:
    """Store what a file says and return what changed; with `dry_run` nothing is, and that is returned alike.

    `findings` are those of reading it: they are told with those of how it fits what is stored.

    Raises:
        ConfigError: With everything that is wrong; nothing is stored.
        ControlError: It cannot be written.
    """
    found: list[TermsChange] = []
    opened = database or open_control(home)
    with opened.reading() as connection:
        opened.check_seal(connection)
        seen = Kept.of(connection)
    fit = term_findings(seen, terms, now_ns, of_home=False)  # may take long: others write meanwhile
    try:
        with change(home, opened) as connection:
            kept = Kept.of(connection)
            if kept != seen:
                fit = term_findings(kept, terms, now_ns, of_home=False)
            wrong = [*(findings or ()), *fit]
            if wrong:
                wrong.sort(key=lambda each: (each.file, each.line))
                raise ConfigError(list(dict.fromkeys(wrong)))
            found = store(connection, kept, terms, now_ns, of_home=False)
            if dry_run:
                raise _NothingStored
            for each in found:
                if each.action != "same":
                    detail = {"lines": list(each.lines), "version": each.version}
                    audit.note(connection, now_ns, actor, f"{each.kind}.{each.action}", each.name, detail)
    except _NothingStored:
        pass
    return found


def remove_customer(
    home: Home,
    name: str,
    actor: str,
    now_ns: int,
    database: ControlDatabase | None = None,
    *,
    write_off: bool = False,
) -> None:
    """Take a customer away; what it was billed for stays.

    `write_off` leaves unbilled what the record has learned of invoiced periods since.

    Raises:
        UsageError: There is none, the home's file has it, a subscription of it has not ended or is not billed
            to its end, something was carried to its next invoice, its wallet is not empty, or there are newer
            rows of what was invoiced.
    """

    def work(connection: Connection) -> None:
        kept = _customer(connection, name)
        today, billed = today_of(kept, now_ns), BilledTime.of(connection)
        for each in subscriptions.subscriptions(connection, name):
            said = each.subscription
            if said.until is None or said.until > today:
                ending = command(f"subscriptions end {name} {said.plan}")
                raise UsageError(f"{name} is on {said.plan} since {said.start}; end that first: {ending}")
            if billed.is_open(kept, said, now_ns):
                making = command(f"invoices run --customer {name}")
                raise UsageError(
                    f"{name} was on {said.plan} until {said.until}, and not all of it has a final invoice: "
                    f"make that first: {making}"
                )
        if name in billed.in_wallet:
            raise UsageError(f"{name} has money in its wallet: let that expire or use it up first")
        if with_amounts_carried(connection, [name]):
            raise UsageError(
                f"{name} has an amount that was carried to its next invoice: void the invoice that carried "
                "it, or let another subscription use it up"
            )
        if not write_off and is_newer_than_invoices(home, connection, kept):
            making, leaving = command("invoices run"), command(f"customers remove {name} --write-off")
            raise UsageError(
                f"the record has newer calls or corrections of days that {name} was invoiced for: {making} "
                f"adjusts them with the month that has ended; {leaving} leaves them as they are"
            )
        customers.remove(connection, name, now_ns)
        for each in customers.identities(connection, name):
            customers.remove_identity(connection, each.identity)

    _changed(home, database, work, lambda _: (actor, "customer.remove", name, now_ns))


def map_identity(
    home: Home, said: Identity, actor: str, now_ns: int, database: ControlDatabase | None = None
) -> Identity | None:
    """Let a name stand for a customer for a time; return what it stood for at its beginning, if anything.

    Raises:
        UsageError: There is no such customer, the home's file maps the name, or it stands for another one and
            it is not said from when on it does not.
    """

    def work(connection: Connection) -> Identity | None:
        _known_customer(connection, said.customer)
        there = [
            each
            for each in customers.identities(connection)
            if (each.identity.dimension, each.identity.value) == (said.dimension, said.value)
        ]
        overlapping = [
            each
            for each in there
            if each.identity.from_ns < said.until_ns and said.from_ns < each.identity.until_ns
        ]
        for each in overlapping:
            _refuse_file(each.origin, f"{said.dimension} {said.value}")
            if said.from_ns == EVER and each.identity.customer != said.customer:
                raise UsageError(
                    f"{said.dimension} {said.value} stands for {each.identity.customer}: "
                    f"say from when it is {said.customer}'s (--from, or `since` of the API), as 2026-11-01"
                )
        customers.map_identity(connection, said, overlapping, COMMAND, now_ns)
        return overlapping[0].identity if overlapping else None

    subject = f"{said.dimension}:{said.value}"
    return _changed(home, database, work, lambda _: (actor, "customer.map", subject, now_ns))


def unmap_identity(
    home: Home,
    dimension: str,
    value: str,
    until_ns: int,
    actor: str,
    now_ns: int,
    database: ControlDatabase | None = None,
) -> None:
    """Let a name stand for nobody from a moment on.

    Raises:
        UsageError: It stands for nobody then, or the home's file maps it.
    """

    def work(connection: Connection) -> None:
        there = [
            each
            for each in customers.identities(connection)
            if (each.identity.dimension, each.identity.value) == (dimension, value)
            and each.identity.until_ns > until_ns
        ]
        if not there:
            raise UsageError(f"{dimension} {value!r} stands for no customer then")
        for each in there:
            _refuse_file(each.origin, f"{dimension} {value}")
            customers.remove_identity(connection, each.identity)
            if each.identity.from_ns < until_ns:
                ended = msgspec.structs.replace(each.identity, until_ns=until_ns)
                customers.put_identity(connection, ended, COMMAND, now_ns)

    _changed(home, database, work, lambda _: (actor, "customer.unmap", f"{dimension}:{value}", now_ns))


def retire_plan(
    home: Home, name: str, actor: str, now_ns: int, database: ControlDatabase | None = None
) -> None:
    """Let nobody subscribe to a plan any more; who is on it stays.

    Raises:
        UsageError: There is none, or the home's file has it.
    """

    def work(connection: Connection) -> None:
        newest = plans.newest(plans.versions(connection))
        if name not in newest:
            raise UsageError(unknown("plan", name, list(newest)))
        _refuse_file(newest[name].origin, name)
        plans.retire(connection, name, now_ns)

    _changed(home, database, work, lambda _: (actor, "plan.remove", name, now_ns))


def start_subscription(
    home: Home,
    said: PlannedSubscription,
    actor: str,
    now_ns: int,
    *,
    place: Place | None = None,
    database: ControlDatabase | None = None,
) -> TermsChange:
    """Put a customer on a plan from a day on, on its newest version unless one is said.

    Raises:
        ConfigError: With everything that is wrong.
        UsageError: It is there already.
    """
    key = f"subscriptions.{said.key}"
    terms = BillingTerms(
        subscriptions=(said,), places={key: place or Place("the command line", 0, "subscription")}
    )
    (found,) = apply(home, terms, actor, now_ns, database=database)
    if found.action == "same":
        raise UsageError(f"{said.customer} is on {said.plan} from {said.start} on already")
    return found


def end_subscription(
    home: Home,
    customer: str,
    plan: str | None,
    until: date,
    actor: str,
    now_ns: int,
    database: ControlDatabase | None = None,
) -> Subscription:
    """End a customer's subscription before a day, which is not charged by it any more; return it.

    Raises:
        UsageError: There is none then, several, or the home's file has it.
    """

    def work(connection: Connection) -> Subscription:
        kept = _one_of(connection, customer, plan, until)
        if until <= kept.subscription.start:
            raise UsageError(f"it starts on {kept.subscription.start}: end it on a later day")
        ended = msgspec.structs.replace(kept.subscription, until=until)
        _refuse_billed(connection, kept.subscription, ended)
        subscriptions.put(connection, ended, COMMAND, now_ns)
        return ended

    return _changed(
        home, database, work, lambda ended: (actor, "subscription.end", f"{customer}/{ended.plan}", now_ns)
    )


def change_subscription(
    home: Home,
    customer: str,
    plan: str,
    at: date,
    actor: str,
    now_ns: int,
    *,
    from_plan: str | None = None,
    version: int | None = None,
    database: ControlDatabase | None = None,
) -> tuple[Subscription, Subscription]:
    """Move a customer to a plan, or to another version of the same, on a day that belongs to the new one.

    Returns what ended and what began.

    Raises:
        UsageError: There is no subscription then, several, or the home's file has it.
        ConfigError: The new one does not fit.
    """

    def work(connection: Connection) -> tuple[Subscription, Subscription]:
        kept = _one_of(connection, customer, from_plan, at)
        old = kept.subscription
        if at <= old.start:
            raise UsageError(f"it starts on {old.start}: change it on a later day")
        ended = msgspec.structs.replace(old, until=at)
        _refuse_billed(connection, old, ended)
        subscriptions.put(connection, ended, COMMAND, now_ns)
        said = PlannedSubscription(
            customer=customer,
            plan=plan,
            version=version,
            start=at,
            until=old.until,
            anchor=old.anchor or old.start,
        )
        terms = BillingTerms(
            subscriptions=(said,),
            places={f"subscriptions.{said.key}": Place("the command line", 0, "subscription")},
        )
        now = Kept.of(connection)
        wrong = term_findings(now, terms, now_ns, of_home=False)
        if wrong:
            raise ConfigError(wrong)
        store(connection, now, terms, now_ns, of_home=False)
        begun = next(
            each.subscription
            for each in subscriptions.subscriptions(connection, customer)
            if each.key == said.key
        )
        if (begun.plan, begun.version) == (old.plan, old.version):
            raise UsageError(f"{customer} is on version {old.version} of {old.plan}, the newest one, already")
        return ended, begun

    return _changed(
        home,
        database,
        work,
        lambda both: (actor, "subscription.change", f"{customer}/{both[0].plan}", now_ns),
    )


def today_of(customer: Customer, now_ns: int) -> date:
    """Return the day that it is in a customer's zone."""
    return datetime.fromtimestamp(now_ns // 10**9, UTC).astimezone(ZoneInfo(customer.timezone)).date()


def _changed(
    home: Home,
    database: ControlDatabase | None,
    work: Callable[[Connection], Result],
    noted: Callable[[Result], tuple[str, str, str, int]],
) -> Result:
    with change(home, database) as connection:
        result = work(connection)
        actor, action, subject, now_ns = noted(result)
        audit.note(connection, now_ns, actor, action, subject)
    return result


def _known_customer(connection: Connection, name: str) -> Customer:
    known = customers.customers(connection)
    if name not in known:
        raise UsageError(unknown("customer", name, list(known)))
    return known[name].customer


def _customer(connection: Connection, name: str) -> Customer:
    """Return a customer that commands may change."""
    found = _known_customer(connection, name)
    _refuse_file(customers.customers(connection)[name].origin, name)
    return found


def _one_of(connection: Connection, customer: str, plan: str | None, at: date) -> KeptSubscription:
    """Return the one subscription that has not ended on a day."""
    _known_customer(connection, customer)
    found = [
        each
        for each in subscriptions.subscriptions(connection, customer)
        if (plan is None or each.subscription.plan == plan)
        and (each.subscription.until is None or each.subscription.until > at)
    ]
    if not found:
        on = f" on {plan}" if plan else ""
        raise UsageError(f"{customer} has no subscription{on} that has not ended on {at}")
    if len(found) > 1:
        there = ", ".join(f"{each.subscription.plan} from {each.subscription.start}" for each in found)
        raise UsageError(f"{customer} has several: {there}; name the plan")
    _refuse_file(found[0].origin, f"the subscription of {customer}")
    return found[0]


def _refuse_billed(connection: Connection, before: Subscription, after: Subscription) -> None:
    """Raise `UsageError` for a change of a time that has a final invoice."""
    customer = _known_customer(connection, before.customer)
    for found, expected in BilledTime.of(connection).wrong_subscription(customer, before, after):
        raise UsageError(f"{before.customer}/{before.plan}: found {found}, expected {expected}")


def _refuse_file(origin: str, name: str) -> None:
    """Raise `UsageError` for what the home's file says: no command rewrites YAML."""
    if origin != COMMAND:
        raise UsageError(f"{name} is in {origin}: change it there")
