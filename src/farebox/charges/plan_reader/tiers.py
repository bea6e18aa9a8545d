"""Tiers: `[{up_to: 1000, unit: "0.02"}, {unit: "0.01"}]`, each beginning where the one before ends."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from farebox.charges.models.tiers import PercentageTier, Tier
from farebox.charges.plan_reader.entry import Entry
from farebox.charges.plan_reader.written_values import (
    percent,
    read_amount,
    read_bound,
    read_more_than_zero,
    read_quantity,
)

if TYPE_CHECKING:
    from farebox.errors import Finding
    from farebox.yamltext import Node

TIERS_MAX = 100
EXAMPLE = '[{up_to: 1000, unit: "0.02"}, {unit: "0.01"}]'
_KEYS = ("up_to", "unit", "flat", "package_size", "from")
_PERCENT_KEYS = ("up_to", "percent", "flat", "from")
_SYNONYMS = {
    "to": "up_to",
    "to_value": "up_to",
    "last_unit": "up_to",
    "up_to_amount": "up_to",
    "from_value": "from",
    "first_unit": "from",
    "price": "unit",
    "unit_price": "unit",
    "per_unit": "unit",
    "per_unit_amount": "unit",
    "unit_price_amount": "unit",
    "flat_fee": "flat",
    "flat_price": "flat",
    "flat_unit_amount": "flat",
    "flat_price_amount": "flat",
    "size": "package_size",
    "block_size": "package_size",
}
_PERCENT_SYNONYMS = _SYNONYMS | {"rate": "percent", "rate_percent": "percent"}
_MEANT = {
    "unit_amount": "`unit`, in whole currency: Stripe's unit_amount is in cents",
    "flat_amount": "`flat`, in whole currency: Stripe's flat_amount is in cents",
    "unit_amount_decimal": "`unit`, in whole currency: Stripe's unit_amount_decimal is in cents",
}


def read_tiers(node: Node, findings: list[Finding]) -> tuple[Tier, ...]:
    """Return the tiers of a graduated or volume price; adds what is wrong."""
    found: list[Tier] = []
    bounds: list[tuple[Node, Decimal | None]] = []
    for each in _entries(node, findings):
        entry = Entry(each, findings, _KEYS, synonyms=_SYNONYMS, meant=_MEANT, what="a tier: a mapping")
        bounds.append((each, _bound(entry)))
        unit, flat = entry.value("unit", read_amount), entry.value("flat", read_amount)
        if each.kind == "mapping" and "unit" not in entry and "flat" not in entry:
            findings.append(
                each.finding('`unit`, `flat` or both ("0" where it is free)', "a tier without a price")
            )
        found.append(
            Tier(
                up_to=bounds[-1][1],
                unit=unit or Decimal(0),
                flat=flat or Decimal(0),
                package_size=entry.value("package_size", read_more_than_zero),
            )
        )
        _check_from(entry, bounds, findings)
    _check_bounds(node, bounds, findings)
    return tuple(found)


def read_percentage_tiers(node: Node, findings: list[Finding]) -> tuple[PercentageTier, ...]:
    """Return the tiers of a graduated percentage; adds what is wrong."""
    found: list[PercentageTier] = []
    bounds: list[tuple[Node, Decimal | None]] = []
    for each in _entries(node, findings):
        entry = Entry(each, findings, _PERCENT_KEYS, synonyms=_PERCENT_SYNONYMS, what="a tier: a mapping")
        bounds.append((each, _bound(entry)))
        rate = entry.value("percent", percent())
        if each.kind == "mapping" and "percent" not in entry and "flat" not in entry:
            findings.append(each.finding("`percent`, `flat` or both", "a tier without a rate"))
        flat = entry.value("flat", read_amount)
        found.append(
            PercentageTier(up_to=bounds[-1][1], rate_percent=rate or Decimal(0), flat=flat or Decimal(0))
        )
        _check_from(entry, bounds, findings)
    _check_bounds(node, bounds, findings)
    return tuple(found)


def _bound(entry: Entry) -> Decimal | None:
    return entry.value("up_to", read_bound) if "up_to" in entry else None


def _entries(node: Node, findings: list[Finding]) -> list[Node]:
    if node.kind != "list" or not node.value:
        findings.append(node.finding(f"a list of tiers, as in `{EXAMPLE}`"))
        return []
    if len(node.value) > TIERS_MAX:
        findings.append(node.finding(f"at most {TIERS_MAX} tiers", str(len(node.value))))
        return []
    return node.value


def _check_from(entry: Entry, bounds: list[tuple[Node, Decimal | None]], findings: list[Finding]) -> None:
    """A tier's `from` says nothing new; where it says something else than the tier before, that is told."""
    said = entry.value("from", read_quantity)
    if said is None:
        return
    before = bounds[-2][1] if len(bounds) > 1 else Decimal(0)
    if before is None or said in (before, before + 1):
        return
    word = "overlaps the tier before, which ends at" if said < before else "leaves a gap after"
    findings.append(
        entry.node.finding(f"from {before}, or no `from` at all", f"a tier that {word} {before}: from {said}")
    )


def _check_bounds(node: Node, bounds: list[tuple[Node, Decimal | None]], findings: list[Finding]) -> None:
    highest: Decimal | None = None
    for at, (each, bound) in enumerate(bounds):
        if each.kind != "mapping":
            continue
        is_last = at == len(bounds) - 1
        is_wrong = any(finding.key.startswith(f"{each.key}.") for finding in findings)
        if bound is None:
            if not is_last and not is_wrong:
                findings.append(
                    each.finding(
                        "`up_to`: only the last tier has no end", "a tier without an end before others"
                    )
                )
            continue
        if highest is not None and bound <= highest:
            place = each.get("up_to") or each
            findings.append(
                place.finding(
                    f"more than {highest}, where the tier before ends: tiers are ordered, without overlaps",
                    str(bound),
                )
            )
        highest = bound if highest is None else max(highest, bound)
        if is_last:
            findings.append(
                each.finding("a last tier without `up_to`, so that all usage has a price", f"up_to {bound}")
            )
