"""Terms that charges and plans share: commitments, intervals, add-ons, rates of the dollar."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from farebox.charges.plan import AddOn, Commitment, DollarRate, Interval
from farebox.charges.plan_reader.entry import Entry, scalar
from farebox.charges.plan_reader.written_values import (
    count,
    percent,
    read_amount,
    read_date,
    read_flag,
    read_more_than_zero,
    read_name,
    word_of,
)
from farebox.nearest import did_you_mean

if TYPE_CHECKING:
    from farebox.errors import Finding
    from farebox.yamltext import Node

UNITS = ("day", "week", "month", "quarter", "year")
_UNIT_WORDS = {
    **{unit: unit for unit in UNITS},
    **{f"{unit}s": unit for unit in UNITS},
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "quarterly": "quarter",
    "yearly": "year",
    "annual": "year",
    "annually": "year",
}
_INTERVAL_FORM = "day, week, month, quarter or year, or {anniversary: month}, or {every: 3, unit: month}"


def read_commitment(entry: Entry) -> Commitment | None:
    """`commitment: {amount: "500.00", overage_factor: "1.5"}`, or the amount alone."""
    node = entry.get("commitment")
    if node is None:
        return None
    findings = entry.findings
    if node.kind == "text":
        amount = scalar(node, findings, read_amount)
        return None if amount is None else Commitment(amount=amount)
    keys = ("amount", "overage_factor", "true_up", "window")
    synonyms = {"overage": "overage_factor", "factor": "overage_factor", "each": "window"}
    inner = Entry(node, findings, keys, synonyms=synonyms, what="a commitment: a mapping")
    if node.kind == "mapping" and "amount" not in inner:
        findings.append(node.finding("`amount`", "no `amount`"))
    amount = inner.value("amount", read_amount)
    if amount is None:
        return None
    return Commitment(
        amount=amount,
        overage_factor=inner.value("overage_factor", read_more_than_zero) or Decimal(1),
        true_up=inner.value("true_up", read_flag) or False,
        window=cast("Any", inner.value("window", word_of("hour", "day"))),
    )


def read_interval(node: Node, findings: list[Finding]) -> Interval:
    """`interval: month`, `{anniversary: month}`, `{every: 3, unit: month}`, `3 months`."""
    if node.kind == "text":
        return _interval_of(node, findings, "calendar")
    keys = ("calendar", "anniversary", "every", "unit")
    synonyms = {"count": "every", "interval_count": "every", "interval": "unit", "kind": "kind"}
    entry = Entry(node, findings, (*keys, "kind"), synonyms=synonyms, what="a mapping")
    if node.kind != "mapping":
        return Interval()
    kinds = [key for key in ("calendar", "anniversary") if key in entry]
    if len(kinds) > 1:
        findings.append(entry.given[kinds[1]].finding("calendar or anniversary, one of them"))
        return Interval()
    every = entry.value("every", count(1, 120)) or 1
    if kinds:
        found = _interval_of(entry.given[kinds[0]], findings, kinds[0])
    elif "unit" in entry:
        kind = entry.value("kind", word_of("calendar", "anniversary")) or "calendar"
        found = _interval_of(entry.given["unit"], findings, kind)
    else:
        findings.append(node.finding(_INTERVAL_FORM))
        return Interval()
    number = every if "every" in entry else found.count
    return Interval(kind=found.kind, unit=found.unit, count=number)


def _interval_of(node: Node, findings: list[Finding], kind: str) -> Interval:
    word = str(node.value).strip().lower() if node.kind == "text" else ""
    found = re.fullmatch(r"(?:every\s+)?(?:([1-9][0-9]{0,2})\s+)?([a-z]+)", word)
    unit = _UNIT_WORDS.get(found[2]) if found else None
    if found is None or unit is None:
        findings.append(node.finding(f"{_INTERVAL_FORM}{did_you_mean(word, _UNIT_WORDS)}"))
        return Interval()
    return Interval(kind=cast("Any", kind), unit=cast("Any", unit), count=int(found[1] or 1))


def read_addons(node: Node, findings: list[Finding]) -> list[AddOn]:
    """`add_ons: [{name: Support, amount: "100.00"}]`, or by name; `on` is the date of a single one."""
    named: list[tuple[str | None, Node]]
    if node.kind == "mapping":
        named = list(node.items())
    elif node.kind == "list":
        named = [(None, each) for each in node.value]
    else:
        findings.append(node.finding('a list, as in `[{name: Support, amount: "100.00"}]`'))
        return []
    found: list[AddOn] = []
    keys = ("name", "amount", "quantity", "on", "tax_percent")
    synonyms = {"price": "amount", "flat": "amount", "unit": "amount", "date": "on", "units": "quantity"}
    for name, each in named:
        if each.kind == "text" and name is not None:
            alone = scalar(each, findings, read_amount)
            if alone is not None:
                found.append(AddOn(name=name, amount=alone))
            continue
        entry = Entry(each, findings, keys, synonyms=synonyms, what="an add-on: a mapping")
        said = name or entry.value("name", read_name)
        amount = entry.value("amount", read_amount)
        if each.kind == "mapping" and ("amount" not in entry or (name is None and "name" not in entry)):
            findings.append(each.finding("`name` and `amount`"))
        if said is None or amount is None:
            continue
        found.append(
            AddOn(
                name=said,
                amount=amount,
                quantity=entry.value("quantity", read_more_than_zero) or Decimal(1),
                on=entry.value("on", read_date),
                tax_percent=entry.value("tax_percent", percent()),
            )
        )
    return found


def read_usd_rates(node: Node, findings: list[Finding]) -> tuple[DollarRate, ...]:
    """`usd_rates: {2026-11-01: "0.92"}`: what a dollar of cost is in the plan's currency, from a date on."""
    pairs: list[tuple[Node, Any, Decimal | None]] = []
    if node.kind == "mapping":
        for key, child in node.items():
            start: Any = None
            try:
                start = read_date(key)
            except ValueError as error:
                findings.append(child.finding(str(error), repr(key[:40])))
            pairs.append((child, start, scalar(child, findings, read_more_than_zero)))
    elif node.kind == "list":
        for child in node.value:
            entry = Entry(child, findings, ("start", "rate"), synonyms={"from": "start"})
            if child.kind == "mapping" and ("start" not in entry or "rate" not in entry):
                findings.append(child.finding("`start` and `rate`"))
            pairs.append((child, entry.value("start", read_date), entry.value("rate", read_more_than_zero)))
    else:
        findings.append(node.finding('dates and rates, as in `{2026-11-01: "0.92"}`: a rate has a date'))
    found: dict[Any, DollarRate] = {}
    for child, start, rate in pairs:
        if start is None or rate is None:
            continue
        if start in found:
            findings.append(child.finding("each date once", str(start)))
        found[start] = DollarRate(start=start, rate=rate)
    return tuple(found[start] for start in sorted(found))
