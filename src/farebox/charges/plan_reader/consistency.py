"""What does not fit together: unknown names, currencies, and two subscriptions that charge the same usage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec

from farebox.charges.currencies import exponent_of
from farebox.charges.models import CostPlus
from farebox.charges.plan import Charge, Customer, Overrides, Plan, Subscription, effective_plan
from farebox.charges.plan_reader.billing_terms import BillingTerms, Place
from farebox.charges.plan_reader.where import are_disjoint
from farebox.nearest import did_you_mean

if TYPE_CHECKING:
    from farebox.errors import Finding

_TOKENS = {
    "input_tokens": {"input"},
    "cached_input_tokens": {"cached"},
    "cache_write_tokens": {"written"},
    "output_tokens": {"output", "reasoning"},
    "reasoning_tokens": {"reasoning"},
}
_ALL = {"input", "cached", "written", "output", "reasoning"}
_USAGE = _TOKENS | {"tokens": _ALL, "cost": _ALL | {"other"}}


class _Term(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription that may charge the same as another one."""

    customer: str
    plan: Plan
    start: date
    until: date | None
    place: Place | None
    name: str


def consistency_findings(
    terms: BillingTerms,
    *,
    customers: Mapping[str, Customer] | None = None,
    plans: Mapping[str, Plan] | None = None,
    versions: Mapping[tuple[str, int], Plan] | None = None,
    subscriptions: Sequence[Subscription] = (),
) -> list[Finding]:
    """Return what is wrong between the terms of a file, and between them and what is stored.

    `plans` are the newest versions of stored plans; a subscription of the file without a version is on the
    file's plan, or on the newest stored one. `subscriptions` are the stored ones that stay.
    """
    stored_customers, stored_plans, pinned = customers or {}, plans or {}, versions or {}
    all_customers = {**stored_customers, **terms.customers, **terms.wrong_customers}
    all_plans = {**stored_plans, **terms.plans, **terms.wrong_plans}
    findings: list[Finding] = []
    for name, each in (terms.plans | terms.wrong_plans).items():
        if each.currency is not None:
            findings += _unit_findings(terms.places[f"plans.{name}"], each, each.currency)
    known_customers = {*all_customers, *_named(terms, "customers")}
    known_plans = {*all_plans, *_named(terms, "plans")}
    found: list[_Term] = []
    for each in terms.subscriptions:
        place = terms.places[f"subscriptions.{each.key}"]
        if each.customer not in known_customers:
            findings.append(_unknown(place, "customer", each.customer, known_customers))
        if each.plan not in known_plans:
            findings.append(_unknown(place, "plan", each.plan, known_plans))
            continue
        plan = all_plans.get(each.plan)
        if each.version is not None:
            plan = pinned.get((each.plan, each.version))
            if plan is None:
                there = [number for name, number in pinned if name == each.plan]
                expected = (
                    f"one of {', '.join(map(str, sorted(there)))}" if there else "no `version`, or 1 later"
                )
                findings.append(place.finding(expected, f"version {each.version} of {each.plan}"))
        if plan is None:
            continue
        if each.plan not in terms.wrong_plans:  # which lacks charges that it will have
            findings += _override_findings(place, plan, each.overrides)
        whole = effective_plan(plan, each.overrides)
        customer = all_customers.get(each.customer)
        if customer is not None:
            findings += _currency_findings(place, customer, whole, each.start)
        found.append(
            _Term(customer=each.customer, plan=whole, start=each.start, until=each.until, place=place,
                  name=f"line {place.line}" if place.line else place.file)
        )  # fmt: skip
    written = {each.key for each in terms.subscriptions}
    for stored in subscriptions:
        key = f"{stored.customer}/{stored.plan}/{stored.start}"
        plan = pinned.get((stored.plan, stored.version)) or all_plans.get(stored.plan)
        if key in written or plan is None:
            continue
        whole = effective_plan(plan, stored.overrides)
        if stored.customer in terms.customers:
            place = terms.places[f"customers.{stored.customer}"]
            findings += _currency_findings(place, terms.customers[stored.customer], whole, stored.start)
        found.append(
            _Term(customer=stored.customer, plan=whole, start=stored.start, until=stored.until, place=None,
                  name=f"the one from {stored.start} on {stored.plan}")
        )  # fmt: skip
    return findings + _overlaps(found)


def overlap_findings(
    subscriptions: Iterable[tuple[Subscription, Plan]], new: Subscription, plan: Plan, place: Place
) -> list[Finding]:
    """Return the findings that a new subscription charges what another one of its customer charges."""
    found = [
        _Term(customer=each.customer, plan=effective_plan(its, each.overrides), start=each.start,
              until=each.until, place=None, name=f"the one from {each.start} on {each.plan}")
        for each, its in subscriptions
    ]  # fmt: skip
    found.append(
        _Term(customer=new.customer, plan=effective_plan(plan, new.overrides), start=new.start,
              until=new.until, place=place, name="this")
    )  # fmt: skip
    return _overlaps(found)


def currency_findings(place: Place, customer: Customer, plan: Plan, start: date) -> list[Finding]:
    """Return what a plan's currency, or its charges on cost, do not allow a customer."""
    return _currency_findings(place, customer, plan, start)


def override_findings(place: Place, plan: Plan, overrides: Overrides | None) -> list[Finding]:
    """Return the findings that a subscription overrides charges its plan does not have."""
    return _override_findings(place, plan, overrides)


def same_usage(one: Charge, other: Charge) -> bool:
    """Return whether two charges of two plans can charge the same usage."""
    if one.overlap or other.overlap:
        return False
    first, second = _USAGE.get(one.meter, {one.meter}), _USAGE.get(other.meter, {other.meter})
    return bool(first & second) and not are_disjoint(one.where, other.where)


def _named(terms: BillingTerms, section: str) -> set[str]:
    """Return the names that a section gives, those of entries that are wrong too."""
    return {key.partition(".")[2] for key in terms.places if key.startswith(f"{section}.")}


def _unknown(place: Place, kind: str, name: str, known: Iterable[str]) -> Finding:
    names = sorted(known)
    there = f"one of {', '.join(names[:20])}" if names else f"a {kind} under `{kind}s:`"
    return place.finding(f"{there}{did_you_mean(name, names)}", f"an unknown {kind} {name!r}")


def _currency_findings(place: Place, customer: Customer, plan: Plan, start: date) -> list[Finding]:
    found: list[Finding] = []
    if plan.currency is not None and plan.currency != customer.currency:
        found.append(
            place.finding(
                f"a plan in {customer.currency}, or a customer in {plan.currency}: each has one currency",
                f"{customer.id} in {customer.currency} on {plan.name} in {plan.currency}",
            )
        )
        return found
    if plan.currency is None:
        found += _unit_findings(place, plan, customer.currency)
    if customer.currency == "USD":
        return found
    on_cost = [each for each in plan.charges if each.meter == "cost" or isinstance(each.model, CostPlus)]
    if not on_cost:
        return found
    if not plan.usd_rates:
        found.append(
            place.finding(
                rate_wanted(start),
                f"{on_cost[0].name!r} charges cost, and {customer.id} is in {customer.currency}",
            )
        )
    elif plan.usd_rates[0].start > start:
        found.append(
            place.finding(
                f"a rate from {start} on, where the subscription starts",
                f"the first of {plan.name}'s `usd_rates` from {plan.usd_rates[0].start}",
            )
        )
    return found


def rate_wanted(start: date) -> str:
    """Return what a customer in another currency than the dollar needs where cost is charged, in words."""
    return (
        f'a dated rate in the plan, as `usd_rates: {{{start}: "0.92"}}`, or a customer in USD: costs are '
        "dollars"
    )


def _unit_findings(place: Place, plan: Plan, currency: str) -> list[Finding]:
    """Return the amounts of a plan that are no whole number of the currency's smallest unit.

    Prices of a unit may have more decimals: their line is rounded.
    """
    smallest = Decimal(1).scaleb(-exponent_of(currency))
    amounts: list[tuple[str, Decimal | None]] = [
        ("base", plan.base),
        ("minimum", plan.minimum),
        ("maximum", plan.maximum),
        *((f"the amount of add-on {each.name!r}", each.amount) for each in plan.addons),
        *(("a discount", each.value) for each in plan.discounts if each.kind == "fixed"),
        *(("a threshold", each) for each in plan.thresholds),
    ]
    for charge in plan.charges:
        amounts += [
            (f"the minimum of {charge.name!r}", charge.minimum),
            (f"the maximum of {charge.name!r}", charge.maximum),
        ]
    return [
        place.finding(f"amounts in whole units of {smallest} {currency}", f"{what} {amount}")
        for what, amount in amounts
        if amount is not None and Fraction(amount) % Fraction(smallest)
    ]


def _override_findings(place: Place, plan: Plan, overrides: Overrides | None) -> list[Finding]:
    if overrides is None:
        return []
    names = [each.name for each in plan.charges]
    return [
        place.finding(
            f"a charge of {plan.name}: {', '.join(names) or 'it has none'}{did_you_mean(each.name, names)}",
            f"an override of {each.name!r}",
        )
        for each in overrides.charges
        if each.name not in names
    ]


def _overlaps(terms: list[_Term]) -> list[Finding]:
    by_customer: dict[str, list[_Term]] = {}
    for each in terms:
        by_customer.setdefault(each.customer, []).append(each)
    found: list[Finding] = []
    for of_one in by_customer.values():
        of_one.sort(key=lambda each: each.start)
        for at, later in enumerate(of_one):
            for earlier in of_one[:at]:
                ends = earlier.until is not None and earlier.until <= later.start
                said, other = (later, earlier) if later.place is not None else (earlier, later)
                if ends or said.place is None:
                    continue
                pair = _same_charges(said.plan, other.plan)
                if pair is not None:
                    found.append(_overlap_finding(said.place, said, other, pair))
    return found


def _same_charges(one: Plan, other: Plan) -> tuple[Charge, Charge] | None:
    for first in one.charges:
        for second in other.charges:
            if same_usage(first, second):
                return first, second
    return None


def _overlap_finding(place: Place, said: _Term, other: _Term, pair: tuple[Charge, Charge]) -> Finding:
    first, second = pair
    ends = f"from {other.until} on" if other.until is not None else "from when the other one ends"
    return place.finding(
        f"one subscription for a meter at a time: start it {ends}, narrow `where`, or say `overlap: true`",
        f"{first.name!r} of {said.plan.name} counts {first.meter} of {said.customer}, as {second.name!r} "
        f"({second.meter}) of {other.plan.name} does ({other.name})",
    )
