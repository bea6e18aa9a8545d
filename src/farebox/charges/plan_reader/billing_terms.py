"""`customers:`, `plans:` and `subscriptions:` of one file, read together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from farebox.charges.identities import Identity
from farebox.charges.plan import Customer, Plan
from farebox.charges.plan_reader.customers import overlapping, read_customers
from farebox.charges.plan_reader.plans import read_plans
from farebox.charges.plan_reader.subscriptions import PlannedSubscription, read_subscriptions

if TYPE_CHECKING:
    from farebox.errors import Finding
    from farebox.yamltext import Node

SECTIONS = ("customers", "plans", "subscriptions")


class Place(msgspec.Struct, frozen=True):
    """Where something is written."""

    file: str
    line: int
    key: str

    @classmethod
    def of(cls, node: Node) -> Place:
        return cls(node.file, node.line, node.key)

    def finding(self, expected: str, found: str) -> Finding:
        from farebox.errors import Finding

        return Finding(self.file, self.line, self.key, found, expected)

    def __str__(self) -> str:
        """As origins are shown: `farebox.yaml:12`."""
        return f"{Path(self.file).name}:{self.line}" if self.line else self.file


class BillingTerms(msgspec.Struct, kw_only=True):
    """What one file says of customers, plans and subscriptions; empty where it says nothing."""

    customers: dict[str, Customer] = {}
    plans: dict[str, Plan] = {}
    subscriptions: tuple[PlannedSubscription, ...] = ()
    identities: tuple[Identity, ...] = ()
    wrong_customers: dict[str, Customer] = {}
    """What could be read of those in which something is wrong."""
    wrong_plans: dict[str, Plan] = {}
    places: dict[str, Place] = {}
    """By `customers.NAME`, `plans.NAME` and `subscriptions.KEY`; of what is wrong, too."""

    def __bool__(self) -> bool:
        return bool(self.customers or self.plans or self.subscriptions or self.identities)


def read_billing_terms(sections: Mapping[str, Node], findings: list[Finding]) -> BillingTerms:
    """Return what the sections say, without anything that is wrong; adds a finding for everything that is.

    How it fits together, and with what is stored, is for `consistency_findings`.
    """
    terms = BillingTerms()
    if (node := sections.get("customers")) is not None:
        customers, identities = read_customers(node, findings)
        for name, (customer, is_right, place) in customers.items():
            terms.places[f"customers.{name}"] = Place.of(place)
            if customer is not None:
                (terms.customers if is_right else terms.wrong_customers)[name] = customer
        overlapping(identities, findings)
        terms.identities = tuple(identity for identity, _ in identities)
    if (node := sections.get("plans")) is not None:
        for name, (plan, is_right, place) in read_plans(node, findings).items():
            terms.places[f"plans.{name}"] = Place.of(place)
            if plan is not None:
                (terms.plans if is_right else terms.wrong_plans)[name] = plan
    if (node := sections.get("subscriptions")) is not None:
        found: list[PlannedSubscription] = []
        for each, place in read_subscriptions(node, findings):
            first = terms.places.setdefault(f"subscriptions.{each.key}", Place.of(place))
            if first.line != place.line or first.key != place.key:
                findings.append(place.finding(f"each subscription once: line {first.line} says it", each.key))
                continue
            found.append(each)
        terms.subscriptions = tuple(found)
    return terms
