"""Prove that the audit is what was written, and that what it follows is as it says."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection

from farebox.control.audit.audited_tables import AUDITED
from farebox.control.audit.beginning import rows
from farebox.control.audit.chain import GENESIS, content_digest, link
from farebox.control.audit.entries import ERASED, Entry, RowChange, in_order, sealed_head

PROBLEMS_MAX = 100
_OF_THE_LOG = ("entry", "end")
"""Problems of the log itself come first: what is wrong with other rows may be a consequence."""


class AuditProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was written."""

    what: str
    """`entry`, `end`, or the kind of what the log follows: `customer`, `invoice` …"""
    number: int | None
    """The entry concerned."""
    name: str | None = None
    detail: str


class AuditReport(msgspec.Struct, kw_only=True):
    """What checking the audit found."""

    entries: int = 0
    erased: int = 0
    head: str | None = None
    """`NUMBER:HASH` of the newest entry."""
    earlier_entries: int = 0
    """How many were there before the chain was begun: it vouches for them since then."""
    problems: list[AuditProblem] = []
    """At most 100, the first one first."""


class _Verification:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._report = AuditReport(problems=[])
        self._erased: dict[int, Entry] = {}
        """Entries that say nothing, until an entry is found that says why."""
        self._last: dict[tuple[str, str], tuple[int, RowChange]] = {}
        """What the log says of each row last."""

    def run(self) -> AuditReport:
        previous, expected = GENESIS, 1
        for each in self._entries():
            if each.number != expected:
                self._problem("entry", expected, f"entries {expected} to {each.number - 1} are missing")
            self._check(each, previous)
            previous, expected = each.hash, each.number + 1
            self._report.entries += 1
        for number in sorted(self._erased):
            self._problem("entry", number, f"entry {number} was erased, and no entry says so")
        self._check_end(expected - 1, previous)
        self._check_rows()
        self._report.head = f"{expected - 1}:{previous}" if expected > 1 else None
        self._report.problems.sort(
            key=lambda each: (each.what not in _OF_THE_LOG, each.number is None, each.number or 0)
        )
        del self._report.problems[PROBLEMS_MAX:]
        return self._report

    def _entries(self) -> list[Entry]:
        try:
            return list(in_order(self._connection))
        except (msgspec.MsgspecError, TypeError, ValueError, UnicodeDecodeError) as error:
            self._problem("entry", None, f"the log cannot be read: {error}")
            return []

    def _check(self, each: Entry, previous: str) -> None:
        try:
            digest = each.digest
            if not each.is_erased:
                digest = content_digest(each.salt, each.subject, each.detail, each.changes)
            elif each.subject or each.detail or each.changes:
                digest = ""
            else:
                self._erased[each.number] = each
                self._report.erased += 1
            computed = link(previous, each.number, each.id, each.at, each.actor, each.action, digest)
            is_whole = digest == each.digest and computed == each.hash
        except (ValueError, TypeError, AttributeError, UnicodeError):
            is_whole = False
        if not is_whole:
            self._problem("entry", each.number, f"entry {each.number} is not as it was written")
        try:
            self._follow(each)
        except (msgspec.MsgspecError, TypeError, ValueError):
            if is_whole:
                self._problem("entry", each.number, f"entry {each.number} cannot be read")

    def _follow(self, each: Entry) -> None:
        for change in each.rows():
            self._last[change.table, msgspec.json.encode(change.key).decode()] = each.number, change
        if each.action == ERASED:
            for number in each.details().get("numbers", ()):
                self._erased.pop(number, None)
        if each.number == 1:
            self._report.earlier_entries = each.details().get("earlier_entries", 0)

    def _check_end(self, last: int, hash: str) -> None:
        sealed = sealed_head(self._connection)
        if sealed == (f"{last}:{hash}" if last else None):
            return
        number = sealed.partition(":")[0] if sealed else "0"
        noted = int(number) if number.isdecimal() else 0
        if noted > last:
            self._problem("end", last + 1, f"entries {last + 1} to {noted} are missing")
        else:
            self._problem("end", last, f"entry {last} is not the one that was written last")

    def _check_rows(self) -> None:
        """Compare what each followed table holds with what the log says of it last."""
        for audited in AUDITED.values():
            if not audited.is_replayed:
                continue
            there: set[str] = set()
            table = str(audited.table.name)
            for key, values in rows(self._connection, audited):
                text = msgspec.json.encode(key).decode()
                there.add(text)
                number, change = self._last.get((table, text), (None, None))
                name, kind = audited.name_of(key, values), audited.kind_of(key)
                if change is None:
                    said = f"the {kind} {name} is there, and no entry says who made it"
                    self._problem(kind, None, said, name)
                elif _without_changed(change.after) != _plain(audited.told(values)):
                    said = f"the {kind} {name} is not as entry {number} left it"
                    self._problem(kind, number, said, name)
            for (of, text), (number, change) in self._last.items():
                if of == table and text not in there and change.after is not None:
                    said = f"the {change.kind} {change.name} is gone, and no entry says who removed it"
                    self._problem(change.kind, number, said, change.name)

    def _problem(self, what: str, number: int | None, detail: str, name: str | None = None) -> None:
        self._report.problems.append(AuditProblem(what=what, number=number, name=name, detail=detail))


def verify_audit(connection: Connection) -> AuditReport:
    """Check every entry's digest and link, the log's end, and the rows that it follows."""
    return _Verification(connection).run()


def _without_changed(said: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if said is None else {name: value for name, value in said.items() if name != "changed"}


def _plain(told: dict[str, Any]) -> Any:
    """Return a row as the log's JSON gives it back."""
    return msgspec.json.decode(msgspec.json.encode(told))
