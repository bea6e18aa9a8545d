"""Customers, and the keys, users, agents and tags whose calls are theirs."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from farebox.charges.identities import EVER, NEVER, Identity
from farebox.charges.plan import Customer
from farebox.charges.plan_reader.entry import Entry, scalar
from farebox.charges.plan_reader.written_values import (
    TEXT_MAX,
    percent,
    read_currency,
    read_id,
    read_moment_ns,
    read_text,
    read_zone,
)

if TYPE_CHECKING:
    from farebox.errors import Finding
    from farebox.yamltext import Node

CUSTOMERS_MAX = 100_000
IDENTITIES_MAX = 1_000
ADDRESS_LINES_MAX = 12
_KEYS = (
    *("name", "currency", "timezone", "tax_percent", "email", "address", "tax_id", "external_ids"),
    *("metadata", "keys", "users", "agents", "tags", "identities"),
)
_SYNONYMS = {
    "tz": "timezone",
    "time_zone": "timezone",
    "zone": "timezone",
    "tax": "tax_percent",
    "tax_rate": "tax_percent",
    "vat": "tax_percent",
    "vat_percent": "tax_percent",
    "vat_id": "tax_id",
    "tax_identification_number": "tax_id",
    "legal_name": "name",
    "external_id": "external_ids",
    "key": "keys",
    "user": "users",
    "agent": "agents",
    "tag": "tags",
    "map": "identities",
    "subjects": "identities",
}
_DIMENSIONS = {"keys": "key", "users": "user", "agents": "agent"}
_FORM = "`key`, `user`, `agent` or `tag.NAME`"


def read_customers(
    node: Node, findings: list[Finding]
) -> tuple[dict[str, tuple[Customer | None, bool, Node]], list[tuple[Identity, Node]]]:
    """Return the customers of a mapping by name, whether each is right, with their nodes, and what is mapped
    to them.

    Of one that is wrong there is what could be read, to look at how it fits; None where its currency could
    not.
    """
    if node.kind == "nothing":
        return {}, []
    if node.kind != "mapping":
        findings.append(node.finding("a mapping of names, as in `acme: {name: Acme Inc., currency: USD}`"))
        return {}, []
    if len(node.value) > CUSTOMERS_MAX:
        findings.append(node.finding(f"at most {CUSTOMERS_MAX:,} customers", f"{len(node.value):,}"))
        return {}, []
    found: dict[str, tuple[Customer | None, bool, Node]] = {}
    identities: list[tuple[Identity, Node]] = []
    for name, entry in node.items():
        before = len(findings)
        customer, mapped = _read_customer(name, entry, findings)
        found[name] = (customer, len(findings) == before, entry)
        identities += mapped
    return found, identities


def read_customer(
    name: str, node: Node, findings: list[Finding]
) -> tuple[Customer | None, list[tuple[Identity, Node]]]:
    """Return one customer and what is mapped to it; None where something is wrong."""
    before = len(findings)
    customer, identities = _read_customer(name, node, findings)
    return (customer if len(findings) == before else None), identities


def _read_customer(
    name: str, node: Node, findings: list[Finding]
) -> tuple[Customer | None, list[tuple[Identity, Node]]]:
    """Return what could be read of one customer and what is mapped to it; None without a currency."""
    try:
        read_id(name)
    except ValueError as error:
        findings.append(node.finding(str(error), repr(name[:80])))
    if node.kind == "nothing":
        return Customer(id=name), []
    entry = Entry(node, findings, _KEYS, synonyms=_SYNONYMS, what="a customer: a mapping")
    if node.kind != "mapping":
        return None, []
    zone = entry.value("timezone", read_zone) or "UTC"
    currency = entry.value("currency", read_currency)
    customer = Customer(
        id=name,
        name=entry.value("name", read_text) or "",
        currency=currency or "USD",
        timezone=zone,
        tax_percent=entry.value("tax_percent", percent()) or Decimal(0),
        email=entry.value("email", _email) or "",
        address=_address(entry),
        tax_id=entry.value("tax_id", read_text) or "",
        external_ids=_texts(entry, "external_ids"),
        metadata=_texts(entry, "metadata"),
    )
    identities = _identities(entry, name, zone)
    return (None if currency is None and "currency" in entry else customer), identities


def read_identity_dimension(text: str) -> str:
    """Return what a customer's calls are known by: `key`, `user`, `agent` or `tag.NAME`.

    Raises:
        ValueError: With what was expected.
    """
    word = text.strip().lower()
    if word in ("key", "user", "agent") or (word.startswith("tag.") and len(word) > 4):
        return word
    raise ValueError(_FORM)


def overlapping(identities: list[tuple[Identity, Node]], findings: list[Finding]) -> None:
    """Add a finding for each name that stands for two customers at one moment, or twice for one."""
    first: dict[tuple[str, str], list[tuple[Identity, Node]]] = {}
    for identity, node in identities:
        there = first.setdefault((identity.dimension, identity.value), [])
        for other, place in there:
            if identity.from_ns < other.until_ns and other.from_ns < identity.until_ns:
                findings.append(
                    node.finding(
                        f"another time, or another {identity.dimension}: line {place.line} gives it to "
                        f"{other.customer}",
                        f"{identity.dimension} {identity.value!r} for {identity.customer} at the same time",
                    )
                )
                break
        there.append((identity, node))


def _email(text: str) -> str:
    read_text(text)
    word = text.strip()
    if word and (word.count("@") != 1 or word.startswith("@") or word.endswith("@") or " " in word):
        raise ValueError("an e-mail address")
    return word


def _address(entry: Entry) -> tuple[str, ...]:
    """Return the lines of `address: |`, of a list, or of a mapping's values in their order."""
    node = entry.get("address")
    if node is None:
        return ()
    if node.kind == "text":
        lines = [line.strip() for line in str(node.value).splitlines()]
    else:
        parts = list(node.value.values()) if node.kind == "mapping" else list(node.value)
        lines = [scalar(each, entry.findings, read_text) or "" for each in parts]
    lines = [line for line in lines if line]
    if len(lines) > ADDRESS_LINES_MAX or any(len(line) > TEXT_MAX for line in lines):
        entry.findings.append(node.finding(f"at most {ADDRESS_LINES_MAX} lines of {TEXT_MAX} characters"))
    return tuple(lines)


def _texts(entry: Entry, key: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, node in entry.pairs(key, "a mapping of names to texts"):
        value = scalar(node, entry.findings, read_text)
        if value is not None:
            found[name] = value
    return found


def _identities(entry: Entry, customer: str, zone: str) -> list[tuple[Identity, Node]]:
    found: list[tuple[Identity, Node]] = []
    for key, dimension in _DIMENSIONS.items():
        for node in entry.listed(key):
            found += _identity(entry, node, customer, dimension, zone)
    for tag, node in entry.pairs("tags", "a mapping of tags to values, as in `{tenant: acme-1}`"):
        name = f"tag.{tag.lower().removeprefix('tag.')}"
        for each in list(node.value) if node.kind == "list" else [node]:
            found += _identity(entry, each, customer, name, zone)
    for node in entry.listed("identities"):
        found += _identity(entry, node, customer, None, zone)
    if len(found) > IDENTITIES_MAX:
        entry.findings.append(entry.node.finding(f"at most {IDENTITIES_MAX:,} of them", f"{len(found):,}"))
    return found


def _identity(
    entry: Entry, node: Node, customer: str, dimension: str | None, zone: str
) -> list[tuple[Identity, Node]]:
    """Read `backend`, `{value: backend, from: 2026-11-01}` or `{key: backend, from: 2026-11-01}`."""
    findings = entry.findings
    if node.kind == "text" and dimension is not None:
        value = scalar(node, findings, _value)
        return (
            [] if value is None else [(Identity(customer=customer, dimension=dimension, value=value), node)]
        )
    if node.kind != "mapping":
        findings.append(node.finding(f"a mapping with {_FORM}, and `from` and `until` where it has dates"))
        return []
    said, value = dimension, None
    start, end = EVER, NEVER
    for key, child in node.items():
        word = key.strip().lower()
        if word in ("from", "start", "since", "until", "end"):
            moment = scalar(child, findings, lambda text: read_moment_ns(text, zone))
            if moment is not None and word in ("until", "end"):
                end = moment
            elif moment is not None:
                start = moment
        elif word == "value" and dimension is not None:
            value = scalar(child, findings, _value)
        else:
            try:
                said = read_identity_dimension(key)
            except ValueError as error:
                findings.append(child.finding(f"{error}, `from` or `until`", "an unknown key"))
                continue
            if value is not None:
                findings.append(child.finding("one name for an entry", f"{key} as well"))
            value = scalar(child, findings, _value)
    if said is None or value is None:
        return []
    if end <= start:
        findings.append(node.finding("`until` after `from`"))
        return []
    identity = Identity(customer=customer, dimension=said, value=value, from_ns=start, until_ns=end)
    return [(identity, node)]


def _value(text: str) -> str:
    if not text.strip() or len(text) > 256:
        raise ValueError("a text of 1 to 256 characters")
    return text


def plain(customer: Customer) -> dict[str, object]:
    """Return a customer as it would be written."""
    return {key: value for key, value in msgspec.to_builtins(customer).items() if key != "id"}
