"""Show what other prices would make of calls, and ask the ledger to make it so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from farebox.clock import now_ns
from farebox.home import Home
from farebox.journal import records
from farebox.journal.records import Rerate
from farebox.ledger.contract_months import ContractMonths
from farebox.ledger.correcting import SEQS_PER_RECORD
from farebox.ledger.database import open_reader
from farebox.ledger.filter import Filter
from farebox.ledger.reader import stored_calls
from farebox.ledger.requests import await_applied, submit
from farebox.ledger.rerating import UNPRICED, Rerating, Tally
from farebox.ledger.sealing import Seals

if TYPE_CHECKING:
    from farebox.config import Config
    from farebox.ledger.rerating import Book

_AT_A_TIME = 2_000
KIND = "rerate"


class Outcome(msgspec.Struct, kw_only=True):
    """What came of a request."""

    request: str
    """The journal it was written to; the corrections name it."""
    applied: bool
    """The ledger has done what was asked, or refused it."""
    corrected: int


def preview(home: Home, which: Filter, book: Book, *, priced_too: bool) -> Iterator[Tally]:
    """Yield, some thousand calls at a time, what the prices of `book` would change."""
    connection = open_reader(home)
    if connection is None:
        return
    wanted = dict(which.where) if priced_too else {**which.where, "cost_state": UNPRICED}
    chosen = Filter(since_ns=which.since_ns, until_ns=which.until_ns, where=wanted)
    try:
        rerating = Rerating(book, ContractMonths(connection), Seals(connection).refresh())
        after = 0
        while calls := stored_calls(connection, chosen, _AT_A_TIME, after):
            yield rerating.rate(calls, priced_too=priced_too)
            after = calls[-1][0]
    finally:
        connection.close()


def request(
    home: Home, config: Config, seqs: Sequence[int], snapshot: str, *, priced_too: bool, timeout_s: float
) -> Outcome:
    """Have these calls re-rated by the prices with this digest, and wait until it is done."""
    from farebox.ledger import catch_up

    writer = submit(home, KIND, _records(seqs, snapshot, priced_too=priced_too))
    catch_up(home, config)  # does nothing where a ledger process runs: that one follows the journal
    applied = await_applied(home, writer, timeout_s)
    return Outcome(request=writer, applied=applied, corrected=_corrected(home, writer))


def _records(seqs: Sequence[int], snapshot: str, *, priced_too: bool) -> Iterator[tuple[int, bytes]]:
    at_ns = now_ns()
    for start in range(0, len(seqs), SEQS_PER_RECORD):
        some = list(seqs[start : start + SEQS_PER_RECORD])
        asked = Rerate(at_ns=at_ns, seqs=some, snapshot=snapshot, priced_too=priced_too)
        yield records.RERATE, records.encode(asked)


def _corrected(home: Home, writer: str) -> int:
    connection = open_reader(home)
    if connection is None:
        return 0
    try:
        statement = "SELECT count(*) FROM correction WHERE request = ?"
        return connection.execute(statement, (writer,)).fetchone()[0]
    finally:
        connection.close()
