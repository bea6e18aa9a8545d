"""The audit as API v1 and `farebox audit --json` show it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from farebox.clock import iso

if TYPE_CHECKING:
    from farebox.control.audit.entries import Entry


class AuditChange(msgspec.Struct, kw_only=True):
    """One thing that was made, changed or removed."""

    kind: str
    """`customer`, `plan`, `budget` …"""
    name: str
    before: dict[str, Any] | None
    """None: it was not there."""
    after: dict[str, Any] | None
    """None: it is gone."""


class AuditEntry(msgspec.Struct, kw_only=True):
    """Who did what, when."""

    number: int
    at: str
    actor: str
    """`uid:1000` at the command line, `owner` in the dashboard, `token:ID` at the API, `files` where a
    file of the home was changed, `unknown` where nobody said."""
    action: str
    """As `budget.set`."""
    subject: str
    detail: dict[str, Any]
    changes: list[AuditChange]
    erased: bool
    """What it said was erased; who acted, and when, is kept."""
    hash: str


class AuditLog(msgspec.Struct, kw_only=True):
    """`/api/v1/audit`: who changed what, the newest first."""

    entries: list[AuditEntry]


def audit_view(found: Iterable[Entry]) -> AuditLog:
    """Return entries as they are shown."""
    return AuditLog(entries=[entry_view(each) for each in found])


def entry_view(each: Entry) -> AuditEntry:
    """Return an entry as it is shown."""
    rows = [
        AuditChange(kind=row.kind, name=row.name, before=row.before, after=row.after) for row in each.rows()
    ]
    return AuditEntry(
        number=each.number,
        at=iso(each.at),
        actor=each.actor,
        action=each.action,
        subject=each.subject,
        detail=each.details(),
        changes=rows,
        erased=each.is_erased,
        hash=each.hash,
    )
