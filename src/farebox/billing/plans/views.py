"""Customers, plans and subscriptions as API v1 and `--json` show them. Amounts are text."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec

from farebox import yamltext
from farebox.billing.known_customers import unknown
from farebox.billing.plans.changes import today_of
from farebox.billing.plans.plan_words import ChargeWords, charges_in_words, conditions_in_words
from farebox.charges.identities import EVER, NEVER
from farebox.charges.plan import Customer, Plan
from farebox.charges.plan_difference import difference
from farebox.charges.written_plan import written_plan
from farebox.clock import iso
from farebox.control.billing_terms import Kept, TermsChange
from farebox.errors import UsageError

if TYPE_CHECKING:
    from farebox.control.customers import KeptIdentity
    from farebox.control.plans import KeptPlan
    from farebox.control.subscriptions import KeptSubscription


class IdentityState(msgspec.Struct, kw_only=True):
    """Something that stands for a customer."""

    dimension: str
    """`key`, `user`, `agent` or `tag.NAME`."""
    value: str
    since: str | None
    """None: from the first call on."""
    until: str | None
    origin: str


class SubscriptionState(msgspec.Struct, kw_only=True):
    """Who is on which version of which plan."""

    id: str
    customer: str
    plan: str
    version: int
    newest_version: int
    """Of the plan: where it is higher, the subscription stays on its own."""
    start: str
    until: str | None
    """A day of the customer's zone that is not charged by it any more."""
    anchor: str | None
    state: str
    """`planned`, `active` or `ended`."""
    overrides: list[str]
    """What it has instead of the plan's terms, a value a line."""
    origin: str
    """`command`, or the file and line that say it."""


class CustomerState(msgspec.Struct, kw_only=True):
    """A customer, with what is mapped to it and its subscriptions."""

    id: str
    name: str
    currency: str
    timezone: str
    tax_percent: str
    email: str
    address: list[str]
    tax_id: str
    external_ids: dict[str, str]
    metadata: dict[str, str]
    origin: str
    identities: list[IdentityState]
    subscriptions: list[SubscriptionState]


class PlanState(msgspec.Struct, kw_only=True):
    """One version of a plan."""

    name: str
    version: int
    currency: str | None
    interval: str
    base: str
    charges: list[str]
    """Their names, in the order in which they apply."""
    words: list[ChargeWords]
    """What it charges, in words."""
    conditions: list[str]
    """What holds for it as a whole, in words."""
    terms: list[str]
    """Everything it says, a value a line."""
    written: str
    """YAML that says all of it, to be edited and applied."""
    digest: str
    used: bool
    """Whether a subscription has used it: it never changes then."""
    retired: bool
    active_subscriptions: int
    origin: str


class ChangeState(msgspec.Struct, kw_only=True):
    """What became of one thing that was applied."""

    kind: str
    name: str
    action: str
    """`add`, `change`, `same` or `remove`."""
    version: int | None
    lines: list[str]
    stay: list[str]
    """Of a new version: the subscriptions that stay on earlier ones."""


class Customers(msgspec.Struct, kw_only=True):
    """`/api/v1/customers`."""

    customers: list[CustomerState]
    problems: list[str] = []
    """Why the home's file is not in force, a sentence each."""


class Plans(msgspec.Struct, kw_only=True):
    """`/api/v1/plans`: the newest versions; of one plan, all of them."""

    plans: list[PlanState]
    problems: list[str] = []


class Subscriptions(msgspec.Struct, kw_only=True):
    """`/api/v1/subscriptions`."""

    subscriptions: list[SubscriptionState]
    problems: list[str] = []


class Changes(msgspec.Struct, kw_only=True):
    """What was applied, or with `dry_run` would be."""

    dry_run: bool
    changes: list[ChangeState]


def customers_view(
    kept: Kept, now_ns: int, *, name: str | None = None, problems: list[str] | None = None
) -> Customers:
    """Return every customer, or one.

    Raises:
        UsageError: There is none of that name.
    """
    if name is not None and name not in kept.customers:
        raise UsageError(unknown("customer", name, list(kept.customers)))
    shown = [each for each in kept.customers.values() if name in (None, each.customer.id)]
    found: list[CustomerState] = []
    for each in shown:
        said = each.customer
        plain: dict[str, Any] = msgspec.to_builtins(said)
        plain["tax_percent"] = str(said.tax_percent)
        filled = {field: plain.get(field, getattr(said, field)) for field in Customer.__struct_fields__}
        filled["address"] = list(said.address)
        found.append(
            CustomerState(
                **filled,
                origin=each.origin,
                identities=[_identity(one) for one in kept.identities if one.identity.customer == said.id],
                subscriptions=[
                    _subscription(one, kept, now_ns)
                    for one in kept.subscriptions
                    if one.subscription.customer == said.id
                ],
            )
        )
    return Customers(customers=found, problems=problems or [])


def plans_view(
    kept: Kept, now_ns: int, *, name: str | None = None, problems: list[str] | None = None
) -> Plans:
    """Return each plan's newest version, or every version of one, the newest first.

    Raises:
        UsageError: There is none of that name.
    """
    if name is None:
        shown = list(kept.plans.values())
    else:
        shown = [each for each in reversed(kept.versions) if each.plan.name == name]
        if not shown:
            raise UsageError(unknown("plan", name, list(kept.plans)))
    return Plans(plans=[_plan(each, kept, now_ns) for each in shown], problems=problems or [])


def subscriptions_view(
    kept: Kept, now_ns: int, *, customer: str | None = None, problems: list[str] | None = None
) -> Subscriptions:
    """Return every subscription, or a customer's.

    Raises:
        UsageError: There is no such customer.
    """
    if customer is not None and customer not in kept.customers:
        raise UsageError(unknown("customer", customer, list(kept.customers)))
    shown = [each for each in kept.subscriptions if customer in (None, each.subscription.customer)]
    return Subscriptions(
        subscriptions=[_subscription(each, kept, now_ns) for each in shown], problems=problems or []
    )


def changes_view(found: list[TermsChange], *, dry_run: bool = False) -> Changes:
    return Changes(
        dry_run=dry_run,
        changes=[
            ChangeState(
                kind=each.kind,
                name=each.name,
                action=each.action,
                version=each.version,
                lines=list(each.lines),
                stay=list(each.stay),
            )
            for each in found
        ],
    )


def interval_text(plan: Plan) -> str:
    """Return how often a plan is billed: `month`, `3 months`, `month from the day it starts`."""
    said = plan.interval
    words = said.unit if said.count == 1 else f"{said.count} {said.unit}s"
    return f"{words} from the day it starts" if said.kind == "anniversary" else words


def terms_of(plan: Plan) -> list[str]:
    """Return everything a plan says, a value a line."""
    return [line.replace(": + ", ": ", 1) for line in difference(None, plan)]


def written_text(plan: Plan) -> str:
    """Return a plan as YAML that `plans apply` takes."""
    return yamltext.written({"plans": {plan.name: written_plan(plan)}})


def _identity(each: KeptIdentity) -> IdentityState:
    said = each.identity
    return IdentityState(
        dimension=said.dimension,
        value=said.value,
        since=None if said.from_ns == EVER else iso(said.from_ns),
        until=None if said.until_ns == NEVER else iso(said.until_ns),
        origin=each.origin,
    )


def _subscription(each: KeptSubscription, kept: Kept, now_ns: int) -> SubscriptionState:
    said = each.subscription
    newest = max((one.plan.version for one in kept.versions if one.plan.name == said.plan), default=0)
    return SubscriptionState(
        id=said.id,
        customer=said.customer,
        plan=said.plan,
        version=said.version,
        newest_version=newest,
        start=str(said.start),
        until=None if said.until is None else str(said.until),
        anchor=None if said.anchor is None else str(said.anchor),
        state=_state(each, _today(kept, said.customer, now_ns)),
        overrides=[line.replace(": + ", ": ", 1) for line in difference(None, said.overrides)],
        origin=each.origin,
    )


def _state(each: KeptSubscription, today: date) -> str:
    said = each.subscription
    if said.start > today:
        return "planned"
    return "ended" if said.until is not None and said.until <= today else "active"


def _today(kept: Kept, customer: str, now_ns: int) -> date:
    known = kept.customers.get(customer)
    return today_of(known.customer if known is not None else Customer(id=customer), now_ns)


def _plan(each: KeptPlan, kept: Kept, now_ns: int) -> PlanState:
    plan = each.plan
    active = [
        one
        for one in kept.subscriptions
        if (one.subscription.plan, one.subscription.version) == each.key
        and _state(one, _today(kept, one.subscription.customer, now_ns)) == "active"
    ]
    return PlanState(
        name=plan.name,
        version=plan.version,
        currency=plan.currency,
        interval=interval_text(plan),
        base=str(plan.base),
        charges=[one.name for one in plan.charges],
        words=charges_in_words(plan),
        conditions=conditions_in_words(plan),
        terms=terms_of(plan),
        written=written_text(plan),
        digest=plan.digest,
        used=each.used_at is not None,
        retired=each.retired_at is not None,
        active_subscriptions=len(active),
        origin=each.origin,
    )
