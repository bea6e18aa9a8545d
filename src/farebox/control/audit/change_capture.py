"""Capture what a transaction changes, and write it into the audit before the transaction commits.

Triggers of the writer's own connection see every row, whatever statement changed it: a new kind of
change cannot pass beside the audit. Those of a table are made before the first statement that may change it:
to make all of them each time would cost more than most changes. The database's own triggers would do the
same on PostgreSQL.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from farebox.clock import now_ns
from farebox.control.audit.audited_tables import AUDITED, Audited
from farebox.control.audit.entries import RowChange, append

UNKNOWN = "unknown"
"""Who acted where nobody said so: a test goes through all changes and finds none."""

_CAPTURE = "farebox_capture"
_ROWS_MAX = 500
"""In one entry; more are several."""


class _Note(NamedTuple):
    position: int
    """How many changes of rows were captured before it."""
    at: int
    actor: str
    action: str
    subject: str
    detail: Mapping[str, object]

    def is_about(self, change: RowChange) -> bool:
        return self.subject == change.name and self.action.startswith(f"{change.kind}.")


class _Others(NamedTuple):
    """Whoever makes the changes that no note is about."""

    at: int
    actor: str


class Capture:
    """What one transaction has changed so far, and what was noted of it."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw
        self._notes: list[_Note] = []
        self._others: _Others | None = None
        self._followed: set[str] = set()

    def follow(self, statement: str) -> None:
        """Make the triggers of the tables that a statement may change; they are gone with the connection."""
        if _READS.match(statement):
            return
        changed = _CHANGES.match(statement)
        for table in AUDITED if changed is None else AUDITED.keys() & {changed[1].lower()}:
            if table not in self._followed:
                for each in (() if self._followed else _BEGINNING) + _triggers(table):
                    self._raw.execute(each)
                self._followed.add(table)

    def note(self, said: _Note) -> None:
        self._notes.append(said._replace(position=self._position()))

    def attribute(self, others: _Others) -> None:
        self._others = others

    def write(self, connection: Connection) -> None:
        """Append the entries: for each note, and for each change that none is about."""
        about: list[list[RowChange]] = [[] for _ in self._notes]
        alone: list[RowChange] = []
        for position, change in self._changes():
            at = self._note_of(position, change)
            (alone if at is None else about[at]).append(change)
        for said, changes in zip(self._notes, about, strict=True):
            first, *more = _pieces(changes)
            append(connection, said.at, said.actor, said.action, said.subject, said.detail, first)
            for piece in more:
                append(connection, said.at, said.actor, said.action, said.subject, {}, piece)
        others = self._others or _Others(now_ns(), UNKNOWN)
        for change in alone:
            verb = "add" if change.before is None else "remove" if change.after is None else "change"
            append(connection, others.at, others.actor, f"{change.kind}.{verb}", change.name, {}, [change])

    def _note_of(self, position: int, change: RowChange) -> int | None:
        """Return which note a change belongs to: the one about it, else the first one after it."""
        for at, said in enumerate(self._notes):
            if said.is_about(change):
                return at
        if self._others is not None:
            return None
        later = (at for at, said in enumerate(self._notes) if said.position >= position)
        return next(later, len(self._notes) - 1 if self._notes else None)

    def _changes(self) -> Iterator[tuple[int, RowChange]]:
        """Yield each row that is not as it was, in the order of its last change."""
        if not self._followed:
            return
        found: dict[tuple[str, str], tuple[int, str | None, str | None]] = {}
        for position, table, key, before, after in self._raw.execute(
            "SELECT rowid, tbl, key, before, after FROM temp.captured ORDER BY rowid"
        ):
            earlier = found.pop((table, key), None)
            found[table, key] = position, before if earlier is None else earlier[1], after
        for (table, key), (position, before, after) in found.items():
            if before != after:
                yield (
                    position,
                    row_change(AUDITED[table], msgspec.json.decode(key), _row(before), _row(after)),
                )

    def _position(self) -> int:
        if not self._followed:
            return 0
        return int(self._raw.execute("SELECT count(*) FROM temp.captured").fetchone()[0])


def begin_capture(connection: Connection) -> Capture:
    """Capture what a transaction changes from now on."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)  # noqa: S101 - see `ControlDatabase`
    capture = Capture(raw)
    connection.info[_CAPTURE] = capture
    return capture


def before_statement(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
    """Follow what a statement may change, where its transaction is captured: an event of the engine."""
    capture: Capture | None = connection.info.get(_CAPTURE)
    if capture is not None:
        capture.follow(statement)


def note(
    connection: Connection,
    now_ns: int,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Say who makes this transaction's changes, as (`uid:1000`, `key.label`, a fingerprint).

    The entry is written at the transaction's end, with the rows as they were before and after. `detail` says
    what these do not; it becomes JSON and holds no secret.
    """
    _capture(connection).note(_Note(0, now_ns, actor, action, subject, detail or {}))


def attribute(connection: Connection, now_ns: int, actor: str) -> None:
    """Say who makes the changes that no note is about: each becomes an entry of its own."""
    _capture(connection).attribute(_Others(now_ns, actor))


def command_line() -> str:
    """Return who acts where a person types a command."""
    return f"uid:{os.getuid()}"


def row_change(
    audited: Audited, key: list[Any], before: dict[str, Any] | None, after: dict[str, Any] | None
) -> RowChange:
    """Return the change of a row, of which the audited columns are given."""
    values = after if after is not None else before or {}
    told_before = None if before is None else audited.told(before)
    told_after = None if after is None else audited.told(after)
    if before is not None and after is not None and told_before == told_after:
        told_after = {
            **(told_after or {}),
            "changed": [each for each in after if before[each] != after[each]],
        }
    return RowChange(
        kind=audited.kind_of(key),
        name=audited.name_of(key, values),
        table=str(audited.table.name),
        key=key,
        before=told_before,
        after=told_after,
    )


def _capture(connection: Connection) -> Capture:
    return connection.info[_CAPTURE]


def _pieces(changes: list[RowChange]) -> list[list[RowChange]]:
    return [changes[at : at + _ROWS_MAX] for at in range(0, len(changes), _ROWS_MAX)] or [[]]


def _row(text: str | None) -> dict[str, Any] | None:
    return None if text is None else msgspec.json.decode(text, type=dict[str, Any])


_READS = re.compile(r"\s*(?:SELECT|PRAGMA|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b", re.IGNORECASE)
_CHANGES = re.compile(
    r"\s*(?:(?:INSERT|REPLACE|UPDATE)(?: OR \w+)?(?: INTO)?|DELETE FROM)\s+(\w+)\b(?!\s*\.)", re.IGNORECASE
)
"""What begins otherwise may change every table."""

_BEGINNING = (
    "PRAGMA temp_store = MEMORY",  # nothing of it on a disk
    "CREATE TEMP TABLE captured (tbl TEXT, key TEXT, before TEXT, after TEXT)",
)


@cache
def _triggers(table: str) -> tuple[str, ...]:
    each = AUDITED[table]
    differs = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in each.columns)
    made: list[str] = []
    for event, condition, key, before, after in (
        ("INSERT", "", "NEW", "NULL", _object(each, "NEW")),
        ("DELETE", "", "OLD", _object(each, "OLD"), "NULL"),
        ("UPDATE", f"WHEN {differs} ", "NEW", _object(each, "OLD"), _object(each, "NEW")),
    ):
        keys = ", ".join(f"{key}.{column}" for column in each.key_columns)
        made.append(
            f"CREATE TEMP TRIGGER captured_{table}_{event.lower()} "  # noqa: S608 - names of ours
            f"AFTER {event} ON main.{table} {condition}BEGIN "
            f"INSERT INTO captured VALUES ('{table}', json_array({keys}), {before}, {after}); END"
        )
    return tuple(made)


def _object(each: Audited, row: str) -> str:
    pairs = ", ".join(f"'{column}', {row}.{column}" for column in each.columns)
    return f"json_object({pairs})"
