"""Show what calls would cost at other prices, and ask the ledger to correct them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from farebox.clock import now_ns
from farebox.home import Home
from farebox.journal import records
from farebox.journal.records import Rerate
from farebox.ledger.call_store import current
from farebox.ledger.charging.call_charges import CallCharges
from farebox.ledger.charging.published import published_terms
from farebox.ledger.commands import await_applied, submit
from farebox.ledger.corrections.corrector import SEQS_PER_RECORD
from farebox.ledger.corrections.rerating import Rerated, Rerating
from farebox.ledger.database import open_reader

if TYPE_CHECKING:
    from farebox.config import Config
    from farebox.ledger.corrections.rerating import Book

_AT_A_TIME = 2_000
KIND = "rerate"


class Outcome(msgspec.Struct, kw_only=True):
    """The result of a request."""

    request: str
    """The journal it was written to; the corrections name it."""
    applied: bool
    """The ledger has carried out the request, or refused it."""
    corrected: int


def preview(
    home: Home, seqs: Sequence[int], book: Book, *, priced_too: bool, config: Config | None = None
) -> Iterator[list[Rerated]]:
    """Yield, some thousand calls at a time, what the prices of `book` would change among these calls.

    `config` says who reaches this home, which decides whose plans count; without it only costs do.
    """
    connection = open_reader(home)
    if connection is None:
        return
    try:
        charges = CallCharges(connection)
        if config is not None:
            charges.terms = published_terms(home, config)() or None
        rerating = Rerating(book, charges)
        for some in _slices(seqs, _AT_A_TIME):
            yield rerating.rate(current(connection, some), priced_too=priced_too)
    finally:
        connection.close()


def request(
    home: Home, config: Config, seqs: Sequence[int], snapshot: str, *, priced_too: bool, timeout_s: float
) -> Outcome:
    """Have these calls re-rated by the prices with this digest, and wait until it is done."""
    from farebox.ledger import catch_up

    before = _last_seq(home)
    writer = submit(home, KIND, _records(seqs, snapshot, priced_too=priced_too))
    catch_up(home, config)  # does nothing where a ledger process runs: that one follows the journal
    applied = await_applied(home, writer, timeout_s)
    return Outcome(request=writer, applied=applied, corrected=_corrected(home, seqs, before))


def _records(seqs: Sequence[int], snapshot: str, *, priced_too: bool) -> Iterator[tuple[int, bytes]]:
    at_ns = now_ns()
    for some in _slices(seqs, SEQS_PER_RECORD):
        asked = Rerate(at_ns=at_ns, seqs=list(some), snapshot=snapshot, priced_too=priced_too)
        yield records.RERATE, records.encode(asked)


def _slices(seqs: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(seqs), size):
        yield seqs[start : start + size]


def _last_seq(home: Home) -> int:
    connection = open_reader(home)
    if connection is None:
        return 0
    try:
        return connection.execute("SELECT coalesce(max(seq), 0) FROM call").fetchone()[0]
    finally:
        connection.close()


def _corrected(home: Home, seqs: Sequence[int], before: int) -> int:
    """Return how many of these calls were corrected since the row `before`."""
    connection = open_reader(home)
    if connection is None:
        return 0
    statement = (
        "SELECT count(*) FROM json_each(?) j CROSS JOIN call o ON o.seq = j.value WHERE EXISTS "
        "(SELECT 1 FROM call n WHERE n.event_id = o.event_id AND n.source = o.source AND n.sign = 1 "
        "AND n.revision > 0 AND n.seq > ?)"
    )
    try:
        count = 0
        for some in _slices(seqs, _AT_A_TIME):
            listed = msgspec.json.encode(list(some)).decode()
            count += connection.execute(statement, (listed, before)).fetchone()[0]
        return count
    finally:
        connection.close()
