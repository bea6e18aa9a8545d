"""Discounts and coupons: `"10%"`, `{percent: 10, until: 2027-01-01}`, `{amount: "5.00", invoices: 3}`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farebox.charges.plan import Discount
from farebox.charges.plan_reader.entry import Entry, scalar
from farebox.charges.plan_reader.written_values import (
    count,
    percent,
    read_amount,
    read_date,
    read_name,
)

if TYPE_CHECKING:
    from farebox.errors import Finding
    from farebox.yamltext import Node

_KEYS = ("percent", "amount", "name", "charges", "start", "until", "invoices")
_SYNONYMS = {
    "percentage": "percent",
    "percent_off": "percent",
    "percentage_rate": "percent",
    "fixed": "amount",
    "from": "start",
    "starts": "start",
    "end": "until",
    "ends": "until",
    "expires": "until",
    "code": "name",
    "charge": "charges",
    "applies_to": "charges",
    "duration": "invoices",
    "periods": "invoices",
    "frequency_duration": "invoices",
}
_MEANT = {"amount_off": "`amount`, in whole currency: Stripe's amount_off is in cents"}


def read_discounts(entry: Entry, key: str) -> tuple[Discount, ...]:
    """Return the discounts under a key; adds what is wrong."""
    found = [read_discount(node, entry.findings) for node in entry.listed(key)]
    return tuple(each for each in found if each is not None)


def read_discount(node: Node, findings: list[Finding]) -> Discount | None:
    if node.kind == "text":
        word = str(node.value).strip()
        if not word.endswith("%"):
            findings.append(node.finding('"10%", {percent: 10} or {amount: "5.00"}'))
            return None
        value = scalar(node, findings, percent())
        return None if value is None else Discount(kind="percentage", value=value)
    entry = Entry(node, findings, _KEYS, synonyms=_SYNONYMS, meant=_MEANT, what="a discount: a mapping")
    if node.kind != "mapping":
        return None
    if ("percent" in entry) == ("amount" in entry):
        findings.append(node.finding("`percent` or `amount`, one of them"))
        return None
    value = entry.value("percent", percent()) if "percent" in entry else entry.value("amount", read_amount)
    start, until = entry.value("start", read_date), entry.value("until", read_date)
    if start is not None and until is not None and until <= start:
        findings.append(entry.given["until"].finding(f"a date after the start, {start}", str(until)))
    names = [scalar(each, findings, read_name) for each in entry.listed("charges")]
    invoices = entry.value("invoices", count(1, 10_000))
    if value is None:
        return None
    return Discount(
        kind="percentage" if "percent" in entry else "fixed",
        value=value,
        name=entry.value("name", read_name) or "",
        charges=tuple(name for name in names if name is not None),
        start=start,
        until=until,
        invoices=invoices,
    )
