"""Store what a file says of customers, plans and subscriptions: the home's own, or one that is applied.

What is checked is checked whole, against what is stored, before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec
from sqlalchemy import Connection, select

from farebox.budgets.budget import COMMAND
from farebox.charges.identities import Identity
from farebox.charges.plan import Customer, Plan, Subscription
from farebox.charges.plan_difference import difference
from farebox.charges.plan_reader import BillingTerms, PlannedSubscription, consistency_findings
from farebox.charges.plan_reader.billing_terms import Place
from farebox.clock import uuid7, uuid_text
from farebox.control import customers as customer_store
from farebox.control import plans as plan_store
from farebox.control import schema
from farebox.control import subscriptions as subscription_store
from farebox.control.billed_time import BilledTime, with_amounts_carried
from farebox.control.customers import KeptCustomer, KeptIdentity
from farebox.control.plans import KeptPlan
from farebox.control.subscriptions import KeptSubscription
from farebox.errors import Finding

Action = Literal["add", "change", "same", "remove"]


class TermsChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one customer, plan, subscription or mapping."""

    kind: Literal["customer", "plan", "subscription", "identity"]
    name: str
    action: Action
    lines: tuple[str, ...] = ()
    """What is different, a value a line."""
    version: int | None = None
    """Of a plan and of a subscription: the version it has now."""
    stay: tuple[str, ...] = ()
    """Of a new version: the subscriptions that stay on earlier ones, `acme since 2026-11-01 (version 1)`."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is stored."""

    customers: dict[str, KeptCustomer]
    identities: list[KeptIdentity]
    versions: list[KeptPlan]
    subscriptions: list[KeptSubscription]
    removed: dict[str, KeptSubscription] = {}
    """Subscriptions that the home's file said once, by key."""
    removed_customers: dict[str, KeptCustomer] = {}
    billed: BilledTime = BilledTime()

    @classmethod
    def of(cls, connection: Connection) -> Kept:
        return cls(
            customers=customer_store.customers(connection),
            identities=customer_store.identities(connection),
            versions=plan_store.versions(connection),
            subscriptions=subscription_store.subscriptions(connection),
            removed=subscription_store.removed(connection),
            removed_customers=customer_store.customers(connection, removed=True),
            billed=BilledTime.of(connection),
        )

    @property
    def plans(self) -> dict[str, KeptPlan]:
        return plan_store.newest(self.versions)


def term_findings(kept: Kept, terms: BillingTerms, now_ns: int, *, of_home: bool) -> list[Finding]:
    """Return everything that keeps terms from being stored; `of_home`: they are the home's file's."""
    findings: list[Finding] = []
    if of_home:
        findings += _left_out_findings(kept, terms, now_ns)
    for section, origins in (
        ("customers", {name: each.origin for name, each in kept.customers.items()}),
        ("plans", {name: each.origin for name, each in kept.plans.items()}),
    ):
        said = terms.customers if section == "customers" else terms.plans
        findings += [
            _named_twice(terms.places[f"{section}.{name}"], section, name, origins[name], of_home)
            for name in said
            if name in origins and (origins[name] == COMMAND) == of_home
        ]
    staying = [each for each in kept.subscriptions if (each.origin == COMMAND) == of_home]
    for each in terms.subscriptions:
        twice = next((other for other in staying if other.key == each.key), None)
        if twice is not None:
            place = terms.places[f"subscriptions.{each.key}"]
            findings.append(
                place.finding("it in one place", f"a subscription that {_where(twice.origin)} has, too")
            )
    findings += _identity_findings(kept, terms, of_home)
    findings += _billed_findings(kept, terms)
    others = [each.subscription for each in kept.subscriptions if not of_home or each.origin == COMMAND]
    return findings + consistency_findings(
        terms,
        customers={
            name: each.customer
            for name, each in kept.customers.items()
            if not of_home or each.origin == COMMAND
        },
        plans={name: each.plan for name, each in kept.plans.items() if not of_home or each.origin == COMMAND},
        versions={each.key: each.plan for each in kept.versions} | _next_versions(kept, terms),
        subscriptions=others,
    )


def store(
    connection: Connection, kept: Kept, terms: BillingTerms, now_ns: int, *, of_home: bool
) -> list[TermsChange]:
    """Store terms that have no findings and return what changed.

    Of the home's file, what it no longer says is removed; what is applied leaves the rest as it is.
    """

    def origin(section: str, name: str) -> str:
        return str(terms.places[f"{section}.{name}"]) if of_home else COMMAND

    found: list[TermsChange] = []
    for name, said in terms.customers.items():
        there = kept.customers.get(name)
        found.append(_change("customer", name, None if there is None else there.customer, said))
        place = origin("customers", name)
        if found[-1].action != "same" or (there is not None and there.origin != place):
            customer_store.put(connection, said, place, now_ns)
    for name, said in terms.plans.items():
        found.append(_put_plan(connection, kept, said, origin("plans", name), now_ns))
    versions = plan_store.versions(connection)
    found += _put_subscriptions(connection, kept, versions, terms, now_ns, of_home=of_home)
    found += _put_identities(connection, kept, terms, now_ns, of_home=of_home)
    if of_home:
        found += _remove_left_out(connection, kept, terms, now_ns)
    return found


class CheckedTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with the home's file, by what was stored."""

    kept: Kept
    findings: list[Finding]


def checked_terms(connection: Connection, terms: BillingTerms, now_ns: int) -> CheckedTerms:
    """Check what the home's file says, whoever writes meanwhile: `take_over` looks whether that matters."""
    kept = Kept.of(connection)
    return CheckedTerms(kept=kept, findings=_file_findings(connection, kept, terms, now_ns))


def _file_findings(connection: Connection, kept: Kept, terms: BillingTerms, now_ns: int) -> list[Finding]:
    """Return what is wrong with the home's file, customers that it leaves out with money among it."""
    carried = with_amounts_carried(connection, sorted(_left_out(kept, terms)))
    return term_findings(kept, terms, now_ns, of_home=True) + [
        Place("farebox.yaml", 0, f"customers.{name}").finding(
            "the customer, until another invoice has taken what was carried to it, or the one that carried "
            "it is void",
            "nothing of it",
        )
        for name in carried
    ]


def take_over(
    connection: Connection, terms: BillingTerms, now_ns: int, checked: CheckedTerms | None = None
) -> tuple[list[Finding], bool]:
    """Store what the home's file says; return what is wrong with it, and whether anything changed.

    `checked` are the same terms, checked before.
    """
    if not terms and not _has_terms_of_file(connection):
        return [], False
    kept = Kept.of(connection)
    if checked is not None and checked.kept == kept:
        findings = checked.findings
    else:
        findings = _file_findings(connection, kept, terms, now_ns)
    if findings:
        return findings, False
    store(connection, kept, terms, now_ns, of_home=True)
    return [], Kept.of(connection) != kept


def _has_terms_of_file(connection: Connection) -> bool:
    """Return whether anything stored is the home's file's: cheap, for it is asked at each publication."""
    return any(
        connection.execute(select(table.c.origin).where(there & (table.c.origin != COMMAND)).limit(1)).first()
        for table, there in (
            (schema.customer, schema.customer.c.removed_at.is_(None)),
            (schema.plan_version, schema.plan_version.c.retired_at.is_(None)),
            (schema.subscription, schema.subscription.c.removed_at.is_(None)),
            (schema.identity, schema.identity.c.origin.is_not(None)),
        )
    )


def _put_plan(connection: Connection, kept: Kept, said: Plan, origin: str, now_ns: int) -> TermsChange:
    there = kept.plans.get(said.name)
    before = None if there is None else there.plan
    now = plan_store.put(connection, said, origin, now_ns).plan
    change = _change("plan", said.name, before, now)
    stay: list[str] = []
    if change.action == "change":
        stay = [
            _told(each)
            for each in kept.subscriptions
            if each.subscription.plan == said.name and each.subscription.version != now.version
        ]
    return msgspec.structs.replace(change, version=now.version, stay=tuple(stay))


def _put_subscriptions(
    connection: Connection,
    kept: Kept,
    versions: list[KeptPlan],
    terms: BillingTerms,
    now_ns: int,
    *,
    of_home: bool,
) -> Iterable[TermsChange]:
    newest = {name: each.plan.version for name, each in plan_store.newest(versions).items()}
    there = {each.key: each for each in kept.subscriptions}
    for said in terms.subscriptions:
        old = there.get(said.key)
        known = old or kept.removed.get(said.key)
        made = _subscription(said, known, newest[said.plan], now_ns)
        origin = str(terms.places[f"subscriptions.{said.key}"]) if of_home else COMMAND
        change = _change("subscription", said.key, None if old is None else old.subscription, made)
        if old is None or change.action != "same" or old.origin != origin:
            subscription_store.put(connection, made, origin, now_ns)
        yield msgspec.structs.replace(change, version=made.version)


def _subscription(
    said: PlannedSubscription, known: KeptSubscription | None, newest: int, now_ns: int
) -> Subscription:
    """Return a subscription as it is stored: known ones keep id and, unless one is said, version."""
    version = said.version or (newest if known is None else known.subscription.version)
    return Subscription(
        id=uuid_text(uuid7(now_ns)) if known is None else known.subscription.id,
        customer=said.customer,
        plan=said.plan,
        version=version,
        start=said.start,
        until=said.until,
        anchor=said.anchor,
        overrides=said.overrides,
    )


def _put_identities(
    connection: Connection, kept: Kept, terms: BillingTerms, now_ns: int, *, of_home: bool
) -> Iterable[TermsChange]:
    """What a file says of a customer's names takes the place of what it, or a command, said before."""
    customers = {each.customer for each in terms.identities}
    old = [
        each.identity
        for each in kept.identities
        if (each.origin != COMMAND) == of_home and (of_home or each.identity.customer in customers)
    ]
    new = list(terms.identities)
    for each in old:
        if each not in new:
            customer_store.remove_identity(connection, each)
            yield TermsChange(kind="identity", name=_identity_name(each), action="remove")
    for each in new:
        if each not in old:
            place = terms.places.get(f"customers.{each.customer}")
            origin = str(place) if of_home and place is not None else COMMAND
            customer_store.put_identity(connection, each, origin, now_ns)
            yield TermsChange(kind="identity", name=_identity_name(each), action="add")


def _remove_left_out(
    connection: Connection, kept: Kept, terms: BillingTerms, now_ns: int
) -> Iterable[TermsChange]:
    keys = {each.key for each in terms.subscriptions}
    for each in kept.subscriptions:
        if each.origin != COMMAND and each.key not in keys:
            subscription_store.remove(connection, each.subscription.id, now_ns)
            yield TermsChange(kind="subscription", name=each.key, action="remove")
    for name, kept_plan in kept.plans.items():
        if kept_plan.origin != COMMAND and name not in terms.plans:
            plan_store.retire(connection, name, now_ns)
            yield TermsChange(kind="plan", name=name, action="remove")
    for name, kept_customer in kept.customers.items():
        if kept_customer.origin != COMMAND and name not in terms.customers:
            customer_store.remove(connection, name, now_ns)
            yield TermsChange(kind="customer", name=name, action="remove")


def _change(
    kind: Literal["customer", "plan", "subscription"],
    name: str,
    before: Customer | Plan | Subscription | None,
    after: Customer | Plan | Subscription,
) -> TermsChange:
    lines = difference(before, after)
    if (
        isinstance(before, Subscription)
        and isinstance(after, Subscription)
        and before.version != after.version
    ):
        lines.append(f"version: {before.version} → {after.version}")
    action: Action = "add" if before is None else "change" if lines else "same"
    return TermsChange(kind=kind, name=name, action=action, lines=tuple(lines))


def _next_versions(kept: Kept, terms: BillingTerms) -> dict[tuple[str, int], Plan]:
    """Return the versions that storing the plans makes: a subscription may name its plan's next one."""
    found: dict[tuple[str, int], Plan] = {}
    last = {each.plan.name: each for each in kept.versions}
    for name, said in terms.plans.items():
        there = last.get(name)
        if there is None:
            found[name, 1] = said
        elif there.plan.digest != said.digest:
            found[name, there.plan.version + (there.used_at is not None)] = said
    return found


def _billed_findings(kept: Kept, terms: BillingTerms) -> Iterable[Finding]:
    """Yield what would change a time, or a currency, that final invoices have billed."""
    customers = {name: each.customer for name, each in (kept.removed_customers | kept.customers).items()}
    for name, said in terms.customers.items():
        if name in customers:
            for found, expected in kept.billed.wrong_customer(customers[name], said):
                yield terms.places[f"customers.{name}"].finding(expected, found)
    there = kept.removed | {each.key: each for each in kept.subscriptions}
    for said in terms.subscriptions:
        if said.customer in customers:
            before = there.get(said.key)
            old = None if before is None else before.subscription
            after = _subscription(said, before, 0, 0)
            for found, expected in kept.billed.wrong_subscription(customers[said.customer], old, after):
                yield terms.places[f"subscriptions.{said.key}"].finding(expected, found)


def _left_out(kept: Kept, terms: BillingTerms) -> set[str]:
    """Return the customers that the home's file said once and does not any more."""
    return {
        name
        for name, each in kept.customers.items()
        if each.origin != COMMAND and name not in terms.customers
    }


def _left_out_findings(kept: Kept, terms: BillingTerms, now_ns: int) -> Iterable[Finding]:
    """Yield what the home's file no longer says although there is money in it that is not billed."""
    keys = {each.key for each in terms.subscriptions}
    gone = _left_out(kept, terms)
    for each in kept.subscriptions:
        said = each.subscription
        left_out = each.origin != COMMAND and each.key not in keys
        customer = kept.customers.get(said.customer)
        if customer is None or not (left_out or said.customer in gone):
            continue
        if kept.billed.is_open(customer.customer, said, now_ns):
            yield Place("farebox.yaml", 0, f"subscriptions.{each.key}").finding(
                "it with `until: DAY`, and its customer, until its last invoice is final",
                "nothing of it, though there is time that no final invoice has billed",
            )
    for name in sorted(gone & kept.billed.in_wallet):
        yield Place("farebox.yaml", 0, f"customers.{name}").finding(
            "the customer, as long as there is money in its wallet", "nothing of it"
        )


def _identity_findings(kept: Kept, terms: BillingTerms, of_home: bool) -> Iterable[Finding]:
    replaced = {each.customer for each in terms.identities}
    for said in terms.identities:
        place = terms.places[f"customers.{said.customer}"]
        for each in kept.identities:
            old = each.identity
            is_own = (each.origin != COMMAND) == of_home and (of_home or old.customer in replaced)
            same_name = (old.dimension, old.value) == (said.dimension, said.value)
            if same_name and not is_own and old.from_ns < said.until_ns and said.from_ns < old.until_ns:
                yield place.finding(
                    f"another time for it, or another {said.dimension}: {_where(each.origin)} gives it to "
                    f"{old.customer}",
                    f"{said.dimension} {said.value!r} for {said.customer} at the same time",
                )


def _named_twice(place: Place, section: str, name: str, origin: str, of_home: bool) -> Finding:
    kind = section.removesuffix("s")
    if of_home:
        return place.finding(
            f"it in one place: remove it here, or type `farebox {section} remove {name}`",
            f"a {kind} that a command has set, too",
        )
    return place.finding(
        f"another name, or the change there: {origin} has it", f"a {kind} of the home's file"
    )


def _where(origin: str) -> str:
    return "a command" if origin == COMMAND else origin


def _told(each: KeptSubscription) -> str:
    said = each.subscription
    return f"{said.customer} since {said.start} (version {said.version})"


def _identity_name(each: Identity) -> str:
    return f"{each.dimension} {each.value} of {each.customer}"
