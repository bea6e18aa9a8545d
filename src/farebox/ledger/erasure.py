"""Find personal values in the record, and ask the ledger to erase them.

The request names them by number, so that no journal holds a value again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from farebox.clock import now_ns
from farebox.home import Home
from farebox.journal import records
from farebox.journal.folders import UNREAD
from farebox.journal.records import Erase
from farebox.ledger.append.dictionaries import is_personal
from farebox.ledger.commands import await_applied, submit
from farebox.ledger.database import open_reader

if TYPE_CHECKING:
    from farebox.config import Config

KIND = "erase"
_PAUSE_S = 0.02
_CALLS = (
    "SELECT count(*) FROM (SELECT DISTINCT event_id, source FROM call WHERE attribution IN "
    "(SELECT a.id FROM attribution a, json_each(a.fields) f "
    "WHERE f.key = ? AND f.value ->> '$[0]' IN (SELECT value FROM json_each(?))))"
)

_CALLS_WITH = (
    "SELECT DISTINCT o.seq FROM attribution a, json_each(a.fields) f, personal p "
    "JOIN call c ON c.attribution = a.id "
    "JOIN call o ON o.event_id = c.event_id AND o.source = c.source AND o.revision = 0 "
    "WHERE p.field = ? AND p.value = ? AND f.key = p.field AND f.value ->> '$[0]' = p.id"
)


class PersonalValue(msgspec.Struct, frozen=True, kw_only=True):
    """A personal value that is in the record."""

    field: str
    """`user`, `customer`, `session`, `task`, `tag.<name>` …"""
    value: str
    number: int
    """What stands for it in rows."""
    calls: int
    """How many calls have it."""


def find(home: Home, wanted: Sequence[tuple[str, str]]) -> list[PersonalValue]:
    """Return which of these values, as field and value, are in the record."""
    connection = open_reader(home)
    if connection is None:
        return []
    found: list[PersonalValue] = []
    try:
        for field, value in dict.fromkeys(wanted):
            row = connection.execute(
                "SELECT id FROM personal WHERE field = ? AND value = ?", (field, value)
            ).fetchone()
            if row is not None:
                (calls,) = connection.execute(_CALLS, (field, f"[{row[0]:d}]")).fetchone()
                found.append(PersonalValue(field=field, value=value, number=row[0], calls=calls))
    finally:
        connection.close()
    return found


def calls_with(home: Home, wanted: Sequence[tuple[str, str]]) -> list[int]:
    """Return the numbers of calls that have, or once had, one of these values, the oldest first."""
    connection = open_reader(home)
    if connection is None:
        return []
    try:
        return sorted({seq for each in wanted for (seq,) in connection.execute(_CALLS_WITH, each)})
    finally:
        connection.close()


def can_be_erased(field: str) -> bool:
    """Tell whether values of this attribution are stored so that they can be erased."""
    return is_personal(field)


def request(home: Home, config: Config, numbers: Sequence[int], timeout_s: float) -> bool:
    """Have these values erased; tell whether it was done before the time was over.

    Raises:
        LedgerError: The request could not be stored.
    """
    from farebox.ledger import catch_up

    deadline = time.monotonic() + timeout_s
    asked = Erase(at_ns=now_ns(), personal=list(numbers))
    writer = submit(home, KIND, [(records.ERASE, records.encode(asked))])
    catch_up(home, config)  # does nothing where a ledger process runs: that one follows the journal
    if not await_applied(home, writer, timeout_s):
        return False
    # The request's own folder goes last, once journals and WAL are overwritten, too.
    while (home.journal / writer).exists() and time.monotonic() < deadline:
        time.sleep(_PAUSE_S)
    return not (home.journal / writer).exists()


def files_with(home: Home, values: Sequence[str]) -> list[Path]:
    """Return the files in which a value may still be that no erasure changes.

    Those are what you declared yourself (customers, labels of keys), records that could not be decoded, and
    segments that were set aside.
    """
    texts = [home.config, home.snapshot, home.path / "keys.json"]
    others = [home.control, *sorted((home.path / "quarantine").glob("*"))]
    others += sorted(home.journal.glob(f"*/*{UNREAD}"))
    forms = {form for value in values for form in (value, msgspec.json.encode(value).decode()[1:-1])}
    # In a text a value stands by itself; in a database or a record it has no borders.
    alone = [re.compile(rb"(?<!\w)" + re.escape(form.encode()) + rb"(?!\w)") for form in sorted(forms)]
    anywhere = [re.compile(re.escape(form.encode())) for form in sorted(forms)]
    return [
        path
        for paths, patterns in ((texts, alone), (others, anywhere))
        for path in paths
        if path.is_file() and any(each.search(path.read_bytes()) for each in patterns)
    ]
