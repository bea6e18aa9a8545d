"""Which tables the audit follows, which of their columns, and how a row is told without its secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import Table

from farebox.control import schema

HIDDEN = "[hidden]"
"""Stands for the part of a URL that is often as good as a password."""


class Audited(NamedTuple):
    """How rows of one table are told."""

    table: Table
    kind: str
    """Empty where a column `section` has each row's."""
    columns: tuple[str, ...]
    """Those that somebody decides about; a change of the others is none."""
    texts: tuple[str, ...] = ()
    """Those of them that hold JSON."""
    named_by: tuple[str, ...] = ()
    """Columns that make its name; those of its primary key where none are said."""
    is_replayed: bool = True
    """Whether the log alone says what the table holds: nobody else writes it."""

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns of its primary key."""
        return tuple(str(column.name) for column in self.table.primary_key.columns)

    def name_of(self, key: Sequence[Any], values: Mapping[str, Any]) -> str:
        """Return what a row is called."""
        known = {**values, **dict(zip(self.key_columns, key, strict=True))}
        return "/".join(str(known[column]) for column in self.named_by or self.key_columns)

    def kind_of(self, key: Sequence[Any]) -> str:
        """Return what a row is."""
        return self.kind or str(key[self.key_columns.index("section")])

    def told(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row's columns as they are written down: JSON decoded, no secret."""
        return {
            name: _without_secrets(_decoded(value)) if name in self.texts else value
            for name, value in values.items()
        }


_TABLES = (
    Audited(schema.key_label, "key", ("label", "binding"), ("binding",)),
    Audited(schema.token, "token", ("scope", "name", "binding", "expires_at", "revoked_at"), ("binding",)),
    Audited(schema.budget, "budget", ("definition",), ("definition",)),
    Audited(schema.stop, "stop", ("reason", "actor")),
    Audited(schema.alert, "alert", ("definition",), ("definition",)),
    Audited(schema.alert_snooze, "snooze", ("until", "actor", "reason"), is_replayed=False),
    Audited(
        schema.outbox_receiver,
        "receiver",
        ("configured", "commanded", "state", "reason"),
        ("configured", "commanded"),
    ),
    Audited(schema.wallet, "wallet", ("currency", "overdraft_minor", "low_minor", "top_up_minor")),
    Audited(
        schema.wallet_grant,
        "grant",
        (
            *("customer", "kind", "amount_minor", "priority", "effective_at", "expires_at"),
            *("charges", "meters", "note"),
        ),
        ("charges", "meters"),
    ),
    Audited(schema.payee, "payee", ("name", "email", "address")),
    Audited(schema.coupon, "coupon", ("customer", "definition", "ended_at"), ("definition",)),
    Audited(schema.add_on, "add_on", ("customer", "definition", "invoices_max", "ended_at"), ("definition",)),
    Audited(
        schema.invoice,
        "invoice",
        (
            *("customer", "kind", "from_ns", "until_ns", "attempt", "series", "number", "as_of_seq"),
            *("issued_at", "sha256", "checkpoint"),
        ),
        ("checkpoint",),
    ),
    Audited(schema.invoice_void, "invoice_void", ("at", "actor", "reason")),
    Audited(
        schema.credit_note, "credit_note", ("invoice", "customer", "series", "number", "issued_at", "sha256")
    ),
    Audited(schema.customer, "customer", ("definition", "removed_at"), ("definition",)),
    Audited(schema.plan_version, "plan", ("definition", "digest", "retired_at"), ("definition",), ("plan",)),
    Audited(
        schema.subscription,
        "subscription",
        ("customer", "plan", "version", "definition", "removed_at"),
        ("definition",),
        ("customer", "plan"),
    ),
    Audited(schema.identity, "identity", ("until_ns", "customer"), named_by=("dimension", "value")),
    Audited(schema.file_definition, "", ("definition",), ("definition",), ("name",)),
)
AUDITED: Mapping[str, Audited] = {str(each.table.name): each for each in _TABLES}

NOT_AUDITED: Mapping[str, str] = {
    "alert_state": "what the ledger process found, not what somebody said",
    "alert_event": "what the ledger process found, not what somebody said",
    "alert_held": "messages on their way",
    "alert_progress": "how far the ledger process is",
    "outbox_message": "messages on their way",
    "outbox_delivery": "messages on their way",
    "usage_progress": "how far an export is",
    "usage_event": "what an export made of the record, and what its receiver said",
    "usage_day": "what an export made of the record",
    "journal_transaction": "a chain of its own, with actors",
    "journal_entry": "a chain of its own, with actors",
    "invoice_use": "made with an invoice, which says it",
    "number_series": "made with an invoice, which says its number",
    "invoice_draft": "made anew at each run; nobody owes a draft",
    "audit": "the log itself",
    "seal": "made of the other tables",
}
"""The other tables, each with the reason."""


def _decoded(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _without_secrets(said: Any) -> Any:
    """Return it with URLs down to their origin. Other secrets are references, and no text of theirs is
    stored."""
    if not isinstance(said, dict):
        return said
    found = cast("dict[str, Any]", said)
    url = found.get("url")
    return {**found, "url": _origin(url)} if isinstance(url, str) and url else found


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
        return f"{parts.scheme}://{parts.hostname}{port}/{HIDDEN}"
    except ValueError:
        return HIDDEN
