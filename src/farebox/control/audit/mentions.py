"""Find where a personal value stands in what is declared or noted: by its field, never by its text alone.

A budget may be called as a user is. What only looks alike is neither counted nor erased.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection

from farebox.control.audit.audited_tables import AUDITED, Audited
from farebox.control.audit.beginning import rows
from farebox.control.audit.entries import Entry, RowChange

DOCUMENTS = frozenset({"invoice", "invoice_void", "credit_note", "wallet", "grant"})
"""Kinds of what books rest on: it stays, and so does what the audit says of it."""
_OF_A_CUSTOMER = frozenset({"customer", "wallet", "coupon", "add_on", "subscription"})
"""Kinds of entries whose subject begins with a customer's name."""


class Personal(NamedTuple):
    """One value that names a person."""

    field: str
    """`user`, `customer`, `session`, `tag.<name>` …"""
    value: str

    def is_in(self, said: Any) -> bool:
        """Return whether plain data says it: `{"user": …}`, `{"dimension": "user", "value": …}`."""
        if isinstance(said, Mapping):
            found = cast("Mapping[str, Any]", said)
            if found.get("dimension") == self.field and found.get("value") == self.value:
                return True
            return any(self._is_at(name, each) for name, each in found.items())
        if isinstance(said, list | tuple):
            return any(map(self.is_in, cast("list[Any]", said)))
        return False

    def _is_at(self, name: str, said: Any) -> bool:
        if name == self.field and (said == self.value or (isinstance(said, list) and self.value in said)):
            return True
        if name == "customers" and self.field == "customer" and isinstance(said, Mapping):
            return self.value in said
        if name == "tags" and isinstance(said, Mapping):
            return self.is_in({f"tag.{tag}": each for tag, each in cast("Mapping[str, Any]", said).items()})
        return self.is_in(said)

    def is_in_row(self, of: Audited, key: Sequence[Any], values: Mapping[str, Any] | None) -> bool:
        """Return whether a row names it; `values` as the audit tells them."""
        named = dict(zip(of.key_columns, key, strict=True))
        if of.kind == "customer":
            named["customer"] = named["id"]
        elif of.kind == "snooze":
            return named["value"] == self.value  # of the field that its alert has for each
        return self.is_in({**(values or {}), **named})

    def is_in_change(self, change: RowChange) -> bool:
        """Return whether a row that changed named it, before or after."""
        of = AUDITED.get(change.table)
        if of is None:
            return self.is_in([change.before, change.after])
        return any(self.is_in_row(of, change.key, each) for each in (change.before, change.after))

    def is_in_entry(self, each: Entry) -> bool:
        """Return whether an entry names it, by its rows, its subject or what was noted."""
        noted = each.details()
        if each.kind == "stop":
            noted = {**noted, "value": each.subject}
        elif each.kind in _OF_A_CUSTOMER:
            noted = {**noted, "customer": each.subject.partition("/")[0]}
        elif each.action in ("alert.snooze", "alert.unsnooze") and noted.get("value") == self.value:
            return True
        return self.is_in(noted) or any(map(self.is_in_change, each.rows()))


def naming_rows(connection: Connection, personal: Personal) -> dict[str, int]:
    """Return how many rows of what the audit follows name a value, by their kind."""
    found: dict[str, int] = {}
    for of in AUDITED.values():
        for key, values in rows(connection, of):
            if personal.is_in_row(of, key, of.told(values)):
                kind = of.kind_of(key)
                found[kind] = found.get(kind, 0) + 1
    return found
