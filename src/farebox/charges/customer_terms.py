"""What is published of customers, made ready for calls: whose names are whose, and who is on which plan."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from farebox.charges.identities import Identities, Identity
from farebox.charges.live_charge import LivePlan
from farebox.charges.plan import Customer, Plan, Subscription, canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable

BILLED = "customer.billed"
"""Under this name an attribution has the customer whose plan charges a call."""
MAPPINGS = ""
"""Under this name `digests` has what names stand for."""


class PublishedTerms(msgspec.Struct, frozen=True):
    """What of a publication concerns calls: also what a program elsewhere gets with the prices."""

    identities: tuple[Identity, ...] = ()
    customers: tuple[Customer, ...] = ()
    plans: tuple[Plan, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()

    def made(self) -> CustomerTerms:
        """Return them ready for calls."""
        return CustomerTerms(self.identities, self.customers, self.plans, self.subscriptions)

    def without_addresses(self) -> PublishedTerms:
        """Return the same with nothing of a customer but what decides about charges."""
        return msgspec.structs.replace(
            self,
            customers=tuple(
                Customer(id=each.id, currency=each.currency, timezone=each.timezone)
                for each in self.customers
            ),
        )


class CustomerTerms:
    """Customers' names and plans at one moment of their publication. Immutable."""

    def __init__(
        self,
        identities: Iterable[Identity] = (),
        customers: Iterable[Customer] = (),
        plans: Iterable[Plan] = (),
        subscriptions: Iterable[Subscription] = (),
        *,
        verified_only: bool = False,
    ) -> None:
        """`verified_only`: others reach the proxy, so that only a proven customer is charged by a plan."""
        self.identities = Identities(identities)
        self._verified_only = verified_only
        by_id = {each.id: each for each in customers}
        versions = {(each.name, each.version): each for each in plans}
        self._plans: dict[str, list[LivePlan]] = {}
        said: dict[str, list[bytes]] = {}
        theirs: dict[str, list[Subscription]] = {}
        for each in subscriptions:
            theirs.setdefault(each.customer, []).append(each)
        for each in subscriptions:
            plan = versions.get((each.plan, each.version))
            if plan is None:
                continue
            customer = by_id.get(each.customer) or Customer(id=each.customer)
            self._plans.setdefault(each.customer, []).append(
                LivePlan(customer, plan, each, theirs[each.customer])
            )
            zone = f"{customer.currency} {customer.timezone} {plan.digest}".encode()
            said.setdefault(each.customer, []).append(zone + canonical_json(each))
        self.digests = {name: sha256(b"\0".join(sorted(texts))).hexdigest() for name, texts in said.items()}
        """Of each customer's subscriptions, and under `MAPPINGS` of what names stand for."""
        if self.identities:
            mapped = sorted(msgspec.json.encode(each, order="sorted") for each in self.identities.all)
            self.digests[MAPPINGS] = sha256(b"\0".join(mapped)).hexdigest()
        self.digest = sha256(repr(sorted(self.digests.items())).encode()).hexdigest()[:16]

    def __bool__(self) -> bool:
        """Whether anything is published that concerns a call."""
        return bool(self.digests)

    @property
    def has_plans(self) -> bool:
        """Whether any customer is on a plan."""
        return bool(self._plans)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Return what of a call decides by which charges of a plan it comes under, `BILLED` included."""
        named = {name for plans in self._plans.values() for each in plans for name in each.dimensions}
        return (BILLED, *sorted(named)) if self._plans else ()

    def whose(
        self, values: dict[str, str], sources: dict[str, str], key_fingerprint: str | None, at_ns: int
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return an attribution with the customer that it means, and the one who is billed as `BILLED`."""
        values, sources = self.identities.resolved(values, sources, key_fingerprint, at_ns)
        customer = values.get("customer")
        if customer in self._plans and (
            not self._verified_only or sources.get("customer", "").startswith(("key:", "token:"))
        ):
            return {**values, BILLED: customer}, sources
        return values, sources

    def plan_of(self, customer: str | None, at_ns: int, *, is_verified: bool = True) -> LivePlan | None:
        """Return what a customer's calls are charged by at a moment, None without a subscription."""
        plans = self._plans.get(customer) if customer is not None else None
        if plans is None or (self._verified_only and not is_verified):
            return None
        for each in plans:
            if each.start_ns <= at_ns < each.end_ns:
                return each
        return None

    def plans_of(self, customer: str) -> tuple[LivePlan, ...]:
        """Return every subscription of a customer."""
        return tuple(self._plans.get(customer, ()))

    def end_ns(self, customer: str | None, at_ns: int) -> int:
        """Return until when a customer's plan and what its names stand for hold."""
        plans = self._plans.get(customer, ()) if customer is not None else ()
        edges = [
            edge
            for each in plans
            for edge in (each.start_ns, each.charged_from_ns, each.end_ns)
            if edge > at_ns
        ]
        return min([self.identities.end_ns(at_ns), *edges])
