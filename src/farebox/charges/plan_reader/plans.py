"""One plan: how often it is billed, what it costs at least, and its charges."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from farebox.charges.plan import Interval, Plan
from farebox.charges.plan_reader.charges import read_charges
from farebox.charges.plan_reader.discounts import read_discounts
from farebox.charges.plan_reader.entry import Entry, scalar
from farebox.charges.plan_reader.terms import read_addons, read_commitment, read_interval, read_usd_rates
from farebox.charges.plan_reader.written_values import (
    duration_in,
    read_amount,
    read_currency,
    read_flag,
    read_id,
    read_more_than_zero,
)

if TYPE_CHECKING:
    from farebox.charges.plan import AddOn, Charge
    from farebox.errors import Finding
    from farebox.yamltext import Node

PLANS_MAX = 1_000
_KEYS = (
    *("currency", "interval", "base", "base_in_advance", "charges", "minimum", "maximum", "commitment"),
    *("thresholds", "discount", "trial_days", "add_ons", "grace_hours", "usd_rates"),
)
_SYNONYMS = {
    "period": "interval",
    "billing_period": "interval",
    "billing_cadence": "interval",
    "cadence": "interval",
    "every": "interval",
    "base_fee": "base",
    "fee": "base",
    "flat": "base",
    "flat_fee": "base",
    "price": "base",
    "pay_in_advance": "base_in_advance",
    "in_advance": "base_in_advance",
    "prices": "charges",
    "rate_cards": "charges",
    "min": "minimum",
    "minimum_commitment": "minimum",
    "minimum_amount": "minimum",
    "minimum_spend": "minimum",
    "max": "maximum",
    "cap": "maximum",
    "maximum_amount": "maximum",
    "usage_thresholds": "thresholds",
    "progressive": "thresholds",
    "progressive_billing": "thresholds",
    "billing_thresholds": "thresholds",
    "discounts": "discount",
    "coupon": "discount",
    "coupons": "discount",
    "trial": "trial_days",
    "trial_period": "trial_days",
    "trial_period_days": "trial_days",
    "addons": "add_ons",
    "add_on": "add_ons",
    "grace": "grace_hours",
    "grace_period": "grace_hours",
    "usd_rate": "usd_rates",
}
_MEANT = {
    "amount_cents": "`base`, in whole currency",
    "amount": "`base`",
    "name": "the name before it, as in `plans: {pro: {…}}`",
    "version": "no version: each change makes the next one by itself",
    "tax_percent": "`tax_percent` of the customer, or of a charge",
    "meter": "it in `charges: [{meter: …}]`",
}


def read_plans(node: Node, findings: list[Finding]) -> dict[str, tuple[Plan | None, bool, Node]]:
    """Return the plans of a mapping by name, whether each is right, with their nodes.

    Of one that is wrong there is what could be read, to look at how it fits; None where its currency or its
    rates could not.
    """
    if node.kind == "nothing":
        return {}
    if node.kind != "mapping":
        findings.append(node.finding("a mapping of names, as in `pro: {interval: month, charges: […]}`"))
        return {}
    if len(node.value) > PLANS_MAX:
        findings.append(node.finding(f"at most {PLANS_MAX:,} plans", f"{len(node.value):,}"))
        return {}
    found: dict[str, tuple[Plan | None, bool, Node]] = {}
    for name, entry in node.items():
        before = len(findings)
        plan = _read_plan(name, entry, findings)
        found[name] = (plan, len(findings) == before, entry)
    return found


def _read_plan(name: str, node: Node, findings: list[Finding]) -> Plan | None:
    before = len(findings)
    try:
        read_id(name)
    except ValueError as error:
        findings.append(node.finding(str(error), repr(name[:80])))
    entry = Entry(node, findings, _KEYS, synonyms=_SYNONYMS, meant=_MEANT, what="a plan: a mapping")
    if node.kind != "mapping":
        return None
    base, in_advance = _base(entry)
    charges: tuple[Charge, ...] = ()
    addons: list[AddOn] = []
    if "add_ons" in entry:
        addons += read_addons(entry.given["add_ons"], findings)
    if "charges" in entry:
        charges, flat = read_charges(entry.given["charges"], findings)
        addons += flat
    minimum, maximum = entry.value("minimum", read_amount), entry.value("maximum", read_amount)
    if minimum is not None and maximum is not None and minimum > maximum:
        findings.append(entry.given["minimum"].finding(f"at most the maximum, {maximum}", str(minimum)))
    discounts = read_discounts(entry, "discount")
    names = {each.name for each in charges}
    wanted = [name for each in discounts for name in each.charges if charges and name not in names]
    expected = f"one of {', '.join(sorted(names))}"
    findings.extend(entry.given["discount"].finding(expected, f"a charge {name!r}") for name in wanted)
    if len({each.name for each in addons}) < len(addons):
        findings.append((entry.get("add_ons") or node).finding("each add-on once"))
    grace = entry.value("grace_hours", duration_in("hours", 24 * 366))
    fits = len(findings)
    currency = entry.value("currency", read_currency)
    rates = read_usd_rates(entry.given["usd_rates"], findings) if "usd_rates" in entry else ()
    may_fit = len(findings) == fits
    found = Plan(
        name=name,
        currency=currency,
        interval=read_interval(entry.given["interval"], findings) if "interval" in entry else Interval(),
        base=base,
        base_in_advance=in_advance,
        charges=charges,
        minimum=minimum,
        maximum=maximum,
        commitment=read_commitment(entry),
        thresholds=_thresholds(entry),
        discounts=discounts,
        trial_days=entry.value("trial_days", duration_in("days", 3660)) or 0,
        addons=tuple(addons),
        grace_hours=48 if grace is None else grace,
        usd_rates=rates,
    )
    if len(findings) == before and not (charges or base or addons or minimum):
        findings.append(
            node.finding("`base`, `charges`, `add_ons` or `minimum`", "a plan that charges nothing")
        )
    return found if may_fit else None


def _base(entry: Entry) -> tuple[Decimal, bool]:
    node = entry.get("base")
    in_advance = entry.value("base_in_advance", read_flag) or False
    if node is not None and node.kind == "mapping":
        synonyms = {"pay_in_advance": "in_advance", "price": "amount"}
        inner = Entry(node, entry.findings, ("amount", "in_advance"), synonyms=synonyms)
        return inner.value("amount", read_amount) or Decimal(0), (
            inner.value("in_advance", read_flag) or in_advance
        )
    return entry.value("base", read_amount) or Decimal(0), in_advance


def _thresholds(entry: Entry) -> tuple[Decimal, ...]:
    found: list[Decimal] = []
    for node in entry.listed("thresholds"):
        value = scalar(node, entry.findings, read_more_than_zero)
        if value is None:
            continue
        if found and value <= found[-1]:
            entry.findings.append(node.finding(f"more than the one before it, {found[-1]}", str(value)))
        found.append(value)
    return tuple(found)
