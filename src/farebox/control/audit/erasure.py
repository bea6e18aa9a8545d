"""Erase a value from the audit: what entries say of it goes, who acted and when stays, and so does the
chain."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, update

from farebox.control.audit.audited_tables import AUDITED
from farebox.control.audit.beginning import rows
from farebox.control.audit.change_capture import row_change
from farebox.control.audit.entries import ERASED, Entry, RowChange, append, in_order
from farebox.control.audit.mentions import DOCUMENTS, Personal
from farebox.control.schema import audit

Row = tuple[str, str]
"""Table and key, as JSON."""


def erasable(connection: Connection, personal: Personal) -> list[Entry]:
    """Return the entries that name a value and may forget it.

    What is told of invoices and wallets stays, as they do. So does what is told of a row that names the value
    now: whoever declared it has to take it out there first.
    """
    named = [each for each in in_order(connection) if not each.is_erased and personal.is_in_entry(each)]
    naming = {
        (table, _key(key))
        for table in {row.table for each in named for row in each.rows()}
        if table in AUDITED
        for key, values in rows(connection, AUDITED[table])
        if personal.is_in_row(AUDITED[table], key, AUDITED[table].told(values))
    }
    return [each for each in named if not _stays(each, naming)]


def erase_value(connection: Connection, personal: Personal, actor: str, now_ns: int) -> list[int]:
    """Erase what these entries say, and return their numbers.

    That it was done is an entry, too, which says how the rows concerned are now: without it an entry that
    says nothing is a fault. Change the rows themselves first, in a transaction of its own: what it changes is
    written down when it ends.
    """
    found = erasable(connection, personal)
    if not found:
        return []
    numbers = [each.number for each in found]
    gone = {"subject": "", "detail": "", "changes": "", "salt": ""}
    for number in numbers:
        connection.execute(update(audit).where(audit.c.number == number).values(gone))
    as_they_are = _as_they_are(connection, found, personal)
    append(connection, now_ns, actor, ERASED, "audit", {"numbers": numbers}, as_they_are)
    return numbers


def _stays(each: Entry, naming: set[Row]) -> bool:
    kinds = {each.kind, *(row.kind for row in each.rows())}
    return bool(kinds & DOCUMENTS) or any((row.table, _key(row.key)) in naming for row in each.rows())


def _as_they_are(connection: Connection, erased: list[Entry], personal: Personal) -> list[RowChange]:
    """Return how the rows are that the erased entries told of; nothing of those whose key is the value."""
    concerned = {(row.table, _key(row.key)): row for each in erased for row in each.rows()}
    found: list[RowChange] = []
    for table in sorted({table for table, _ in concerned}):
        there = {_key(key): (key, values) for key, values in rows(connection, AUDITED[table])}
        for (of, key), row in concerned.items():
            if of == table and key in there:
                found.append(row_change(AUDITED[table], there[key][0], None, there[key][1]))
            elif of == table and not personal.is_in_row(AUDITED[table], row.key, None):
                found.append(msgspec.structs.replace(row, before=None, after=None))
    return found


def _key(key: list[object]) -> str:
    return msgspec.json.encode(key).decode()
