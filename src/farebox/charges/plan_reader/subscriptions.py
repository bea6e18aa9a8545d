"""Who is on which plan, from which day: `- {customer: acme, plan: pro, start: 2026-11-01}`."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import msgspec

from farebox.charges.plan import Charge, Overrides
from farebox.charges.plan_reader.charges import read_charges
from farebox.charges.plan_reader.discounts import read_discounts
from farebox.charges.plan_reader.entry import Entry
from farebox.charges.plan_reader.written_values import (
    count,
    duration_in,
    read_amount,
    read_date,
    read_name,
)

if TYPE_CHECKING:
    from farebox.errors import Finding
    from farebox.yamltext import Node

SUBSCRIPTIONS_MAX = 200_000
_KEYS = ("customer", "plan", "version", "start", "until", "anchor", "overrides")
_SYNONYMS = {
    "customer_id": "customer",
    "external_customer_id": "customer",
    "plan_code": "plan",
    "plan_version": "version",
    "from": "start",
    "starts": "start",
    "start_date": "start",
    "subscription_at": "start",
    "started_at": "start",
    "end": "until",
    "ends": "until",
    "end_date": "until",
    "ending_at": "until",
    "billing_cycle_anchor": "anchor",
    "override": "overrides",
    "plan_overrides": "overrides",
}
_OVERRIDES = ("base", "minimum", "maximum", "trial_days", "charges", "discount")
_OVERRIDE_SYNONYMS = {
    "discounts": "discount",
    "coupon": "discount",
    "trial": "trial_days",
    "base_fee": "base",
}
_MEANT = {"timezone": "`timezone` of the customer", "currency": "`currency` of the customer"}


class PlannedSubscription(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription as it is written; without a version, on the one that is newest when it is first seen."""

    customer: str
    plan: str
    version: int | None = None
    start: date
    until: date | None = None
    anchor: date | None = None
    overrides: Overrides | None = None

    @property
    def key(self) -> str:
        """What it is known by, as long as customer, plan and start stay: `acme/pro/2026-11-01`."""
        return f"{self.customer}/{self.plan}/{self.start}"


def read_subscriptions(node: Node, findings: list[Finding]) -> list[tuple[PlannedSubscription, Node]]:
    """Return the subscriptions of a list, or of a mapping by customer; adds what is wrong."""
    if node.kind == "nothing":
        return []
    if node.kind not in ("list", "mapping"):
        findings.append(node.finding("a list, as in `[{customer: acme, plan: pro, start: 2026-11-01}]`"))
        return []
    named: list[tuple[str | None, Node]] = []
    if node.kind == "list":
        named = [(None, each) for each in node.value]
    else:
        for customer, each in node.items():
            named += [(customer, one) for one in (each.value if each.kind == "list" else [each])]
    if len(named) > SUBSCRIPTIONS_MAX:
        findings.append(node.finding(f"at most {SUBSCRIPTIONS_MAX:,} subscriptions", f"{len(named):,}"))
        return []
    found: list[tuple[PlannedSubscription, Node]] = []
    for customer, each in named:
        read = read_subscription(each, findings, customer)
        if read is not None:
            found.append((read, each))
    return found


def read_subscription(
    node: Node, findings: list[Finding], customer: str | None = None
) -> PlannedSubscription | None:
    """Return one subscription, None where something is wrong with it."""
    before = len(findings)
    entry = Entry(node, findings, _KEYS, synonyms=_SYNONYMS, meant=_MEANT, what="a subscription: a mapping")
    if node.kind != "mapping":
        return None
    needed = [key for key in ("customer", "plan", "start") if key != "customer" or customer is None]
    findings.extend(node.finding(f"`{key}`", f"no `{key}`") for key in needed if key not in entry)
    who = customer or entry.value("customer", read_name)
    plan, start = entry.value("plan", read_name), entry.value("start", read_date)
    until = entry.value("until", read_date)
    if start is not None and until is not None and until <= start:
        findings.append(
            entry.given["until"].finding(f"a day after the start, {start}: it is not included", str(until))
        )
    anchor, version = entry.value("anchor", read_date), entry.value("version", count(1, 10**6))
    overrides = read_overrides(entry.given["overrides"], findings) if "overrides" in entry else None
    if len(findings) > before or who is None or plan is None or start is None:
        return None
    return PlannedSubscription(
        customer=who, plan=plan, version=version, start=start, until=until, anchor=anchor, overrides=overrides
    )


def read_overrides(node: Node, findings: list[Finding]) -> Overrides | None:
    """Return what a subscription has instead of its plan's terms; None where something is wrong."""
    before = len(findings)
    entry = Entry(node, findings, _OVERRIDES, synonyms=_OVERRIDE_SYNONYMS, what="overrides: a mapping")
    charges: tuple[Charge, ...] = ()
    if "charges" in entry:
        charges, flat = read_charges(entry.given["charges"], findings)
        if flat:
            findings.append(entry.given["charges"].finding("charges of the plan, by their names", "`flat`"))
    found = Overrides(
        base=entry.value("base", read_amount),
        minimum=entry.value("minimum", read_amount),
        maximum=entry.value("maximum", read_amount),
        trial_days=entry.value("trial_days", duration_in("days", 3660)),
        charges=charges,
        discounts=read_discounts(entry, "discount"),
    )
    return found if len(findings) == before else None
