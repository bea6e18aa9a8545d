"""Everything that is kept of one person, as plain data: for whoever asks what is known of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from farebox.alerts.event import AlertEvent
from farebox.control.audit.audited_tables import AUDITED
from farebox.control.audit.beginning import rows
from farebox.control.audit.entries import in_order
from farebox.control.audit.mentions import Personal
from farebox.control.database import ControlDatabase
from farebox.control.schema import (
    alert_event,
    credit_note,
    invoice,
    invoice_draft,
    journal_entry,
    outbox_message,
    usage_day,
    usage_event,
)
from farebox.home import Home
from farebox.ledger.calls import LedgerReader
from farebox.ledger.erasure import calls_with

Item = tuple[str, Any]
"""What it is, and what it says."""


def data_of(home: Home, wanted: Sequence[tuple[str, str]]) -> Iterator[Item]:
    """Yield calls, and then what `control.db` has.

    Raises:
        LedgerError, ControlError: One of them cannot be read.
    """
    reader = LedgerReader(home)
    try:
        for row in reader.export(calls_with(home, wanted)):
            yield "call", msgspec.to_builtins(row, builtin_types=())
    finally:
        reader.close()
    if not home.control.exists():
        return
    with ControlDatabase(home).reading() as connection:
        for field, value in dict.fromkeys(wanted):
            yield from _of_control(connection, Personal(field, value))


def _of_control(connection: Connection, personal: Personal) -> Iterator[Item]:
    for of in AUDITED.values():
        for key, values in rows(connection, of):
            told = of.told(values)
            if personal.is_in_row(of, key, told):
                yield of.kind_of(key), {"name": of.name_of(key, values), **told}
    if personal.field == "customer":
        for kind, table in (("invoice", invoice), ("draft", invoice_draft), ("credit_note", credit_note)):
            for row in connection.execute(select(table).where(table.c.customer == personal.value)):
                yield kind, msgspec.json.decode(row.document)
        for kind, table in (("usage_event", usage_event), ("usage_day", usage_day)):
            for row in connection.execute(select(table).where(table.c.customer == personal.value)).mappings():
                yield kind, dict(row)
        entries = select(journal_entry).where(journal_entry.c.party == personal.value)
        for row in connection.execute(entries).mappings():
            yield "journal_entry", dict(row)
    quoted = msgspec.json.encode(personal.value).decode()
    for row in connection.execute(
        select(alert_event.c.body).where(alert_event.c.body.contains(quoted, autoescape=True))
    ):
        event = msgspec.json.decode(row.body, type=AlertEvent)
        if personal.value in event.where.get(personal.field, ()) or event.kind == "wallet":
            yield "alert_event", msgspec.to_builtins(event)
    for row in connection.execute(
        select(outbox_message).where(outbox_message.c.payload.contains(quoted, autoescape=True))
    ):
        said = msgspec.json.decode(row.payload)
        if personal.is_in(said):
            yield "message", said
    for each in in_order(connection):
        if not each.is_erased and personal.is_in_entry(each):
            yield "audit", {**msgspec.structs.asdict(each), "detail": each.details(), "changes": each.rows()}
