"""Where a value that names a person stands now: what erasing takes out, what stays, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from sqlalchemy import Connection, func, select

from farebox.control.audit.entries import in_order
from farebox.control.audit.erasure import erasable
from farebox.control.audit.mentions import DOCUMENTS, Personal, naming_rows
from farebox.control.database import ControlDatabase
from farebox.control.schema import alert_event, journal_entry
from farebox.home import Home
from farebox.ledger.erasure import PersonalValue, find
from farebox.privacy.handed_over import count, waiting_messages

Stays = Literal["", "books", "declared", "waiting"]
"""Empty: erasing takes it out."""
BECAUSE: dict[Stays, str] = {
    "": "erased",
    "books": "stays: books are kept as the law asks",
    "declared": "stays until you take it out: you declared it",
    "waiting": "stays until it is sent, and a week longer",
}
OF_CALLS = "ledger.db: calls"
_CONTROL = "control.db"


class SubjectPlace(msgspec.Struct, frozen=True, kw_only=True):
    """One place where a value stands."""

    field: str
    """`user`, `customer`, `session`, `tag.<name>` …"""
    place: str
    """The file, and what of it: `ledger.db: calls`."""
    rows: int
    stays: Stays
    """Why erasing leaves it: `books`, `declared`, `waiting`; empty where it is erased."""


def places_of(home: Home, wanted: Sequence[tuple[str, str]]) -> list[SubjectPlace]:
    """Return where values stand in the record and in `control.db`.

    Raises:
        LedgerError, ControlError: One of them cannot be read.
    """
    found = [_of_calls(each) for each in find(home, wanted)]
    if home.control.exists():
        with ControlDatabase(home).reading() as connection:
            for field, value in dict.fromkeys(wanted):
                found += _in_control(connection, Personal(field, value))
    return found


def _of_calls(each: PersonalValue) -> SubjectPlace:
    return SubjectPlace(field=each.field, place=OF_CALLS, rows=each.calls, stays="")


def _in_control(connection: Connection, personal: Personal) -> list[SubjectPlace]:
    field, value = personal
    counted: list[tuple[str, int, Stays]] = []
    for kind, number in count(connection, field, value).items():
        counted.append((kind, number, ""))
    counted.append(("alert", _alerts(connection, value), ""))
    counted.append(("message", waiting_messages(connection, field, value), "waiting"))
    for kind, number in naming_rows(connection, personal).items():
        if kind == "snooze":
            counted.append((kind, number, ""))
        elif kind != "receiver":  # counted as export, or in the home's file
            counted.append((kind, number, "books" if kind in DOCUMENTS else "declared"))
    if field == "customer":
        asked = select(func.count()).select_from(journal_entry).where(journal_entry.c.party == value)
        counted.append(("journal_entry", connection.execute(asked).scalar_one(), "books"))
    gone = {each.number for each in erasable(connection, personal)}
    kept = [
        each.kind
        for each in in_order(connection)
        if each.number not in gone and not each.is_erased and personal.is_in_entry(each)
    ]
    books = sum(kind in DOCUMENTS or kind == "invoice" for kind in kept)
    counted.append(("audit", len(gone), ""))
    counted.append(("audit", books, "books"))
    counted.append(("audit", len(kept) - books, "declared"))
    return [
        SubjectPlace(field=field, place=f"{_CONTROL}: {kind}", rows=number, stays=stays)
        for kind, number, stays in counted
        if number
    ]


def _alerts(connection: Connection, value: str) -> int:
    """Return how many events of alerts name a value, of whichever field."""
    text = msgspec.json.encode(value).decode()
    asked = select(func.count()).select_from(alert_event)
    return connection.execute(asked.where(alert_event.c.body.contains(text, autoescape=True))).scalar_one()
