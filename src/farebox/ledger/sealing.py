"""Calls that lie on a finalised invoice: nothing corrects them any more.

Whoever finalises an invoice puts a mark into a journal; it becomes one of the ledger's chained marks,
and from then on the ledger leaves what it covers alone. What such a call should have cost is a matter
for a credit note.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from farebox.clock import now_ns
from farebox.errors import UsageError
from farebox.home import Home
from farebox.journal import records
from farebox.journal.records import Mark
from farebox.ledger.database import Connection
from farebox.ledger.requests import submit

FINALISED = "invoice_finalised"
_EVERYBODY = ""


class _Seal(NamedTuple):
    customer: str | None
    """None covers every customer."""
    since_ns: int
    until_ns: int
    invoice: str


class _Detail(msgspec.Struct):
    invoice: str
    since_ns: int
    until_ns: int
    customer: str = _EVERYBODY


def finalise(home: Home, invoice: str, since_ns: int, until_ns: int, customer: str | None = None) -> str:
    """Seal a customer's calls of `[since_ns, until_ns)`, everybody's without one; return the writer.

    It holds once the ledger has applied it.
    """
    if until_ns <= since_ns or not invoice:
        raise UsageError("an invoice has a number, and a period that ends after it begins")
    detail: dict[str, str | int] = {"invoice": invoice, "since_ns": since_ns, "until_ns": until_ns}
    if customer is not None:
        detail["customer"] = customer
    mark = Mark(at_ns=now_ns(), kind=FINALISED, detail=detail)
    return submit(home, "billing", [(records.MARK, records.encode(mark))])


class Seals:
    """Every finalised invoice the ledger knows of."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._seals: list[_Seal] = []
        self._seen = 0

    def refresh(self) -> Seals:
        """Read the marks that were written since the last time."""
        statement = "SELECT id, detail FROM mark WHERE id > ? AND kind = ? ORDER BY id"
        for number, text in self._connection.execute(statement, (self._seen, FINALISED)):
            found = msgspec.json.decode(text, type=_Detail)
            self._seals.append(_Seal(found.customer or None, found.since_ns, found.until_ns, found.invoice))
            self._seen = number
        return self

    def forget(self) -> None:
        """Read everything anew, after a transaction that failed."""
        self._seals.clear()
        self._seen = 0

    def __bool__(self) -> bool:
        return bool(self._seals)

    def invoice_of(self, customer: str | None, occurred_at_ns: int) -> str | None:
        """Return the finalised invoice a call lies on, None where it lies on none."""
        for seal in self._seals:
            if seal.since_ns <= occurred_at_ns < seal.until_ns and seal.customer in (None, customer):
                return seal.invoice
        return None
