"""Invoices and credit notes in `control.db`, in the caller's transaction.

What is final is appended and never changed: a void is a row beside it. A document is compared with its
checksum whenever it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, and_, delete, func, insert, select, update

from farebox.billing.documents.document import (
    CreditNote,
    Invoice,
    decode_credit_note,
    decode_invoice,
    digest,
    encode,
)
from farebox.control.id_beginnings import begins_with
from farebox.control.schema import credit_note as note_table
from farebox.control.schema import invoice as invoice_table
from farebox.control.schema import invoice_draft as draft_table
from farebox.control.schema import invoice_void as void_table
from farebox.control.schema import number_series as series_table
from farebox.errors import ControlDamagedError, UsageError
from farebox.signing_key import Signed, encode_signed

_CUSTOMERS_AT_ONCE = 500
"""SQLite and PostgreSQL limit how many parameters a statement has."""


class StoredInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """A final invoice as it was frozen, and what became of it."""

    invoice: Invoice
    """With the status that it has now."""
    content: bytes
    """What was frozen, byte for byte."""
    sha256: str
    terms: bytes
    """JSON: what it was rated by (`farebox.billing.periods.terms.Terms`)."""
    attempt: int
    voided_at: int | None = None
    voided_by: str | None = None
    void_reason: str | None = None


def next_number(connection: Connection, series: str) -> int:
    """Return the next number of a series, from 1 without gaps: it is used exactly if the caller commits."""
    this = series_table.c.name == series
    taken = update(series_table).where(this).values(last_number=series_table.c.last_number + 1)
    if connection.execute(taken).rowcount == 0:
        connection.execute(insert(series_table).values(name=series, last_number=1))
    return connection.execute(select(series_table.c.last_number).where(this)).scalar_one()


def append_invoice(
    connection: Connection,
    said: Invoice,
    number: int,
    attempt: int,
    terms: bytes,
    sign: Callable[[str], Signed] | None = None,
) -> str:
    """Freeze a final invoice, take its draft away, and return the checksum of its bytes.

    `sign` signs what it is, and of which state of the record.
    """
    content = encode(said)
    checksum = digest(content)
    connection.execute(
        insert(invoice_table).values(
            id=said.id,
            customer=said.customer,
            kind=said.kind,
            from_ns=said.from_ns,
            until_ns=said.until_ns,
            attempt=attempt,
            series=said.series,
            number=number,
            as_of_seq=said.as_of_seq,
            issued_at=said.issued_at,
            document=content.decode(),
            sha256=checksum,
            terms=terms.decode(),
            checkpoint=None if sign is None else encode_signed(sign(checkpoint_text(said, checksum))),
        )
    )
    if said.kind == "period":
        remove_draft(connection, said.customer, said.from_ns, said.until_ns)
    return checksum


def checkpoint_text(said: Invoice, sha256: str) -> str:
    """Return what is signed of a final invoice: its bytes, and the record that they are an answer of."""
    return (
        f"farebox invoice checkpoint 1\nrecord {said.home_id}\ninvoice {said.id} {said.number}\n"
        f"sha256 {sha256}\nrow {said.as_of_seq} {said.head_hash}\nat {said.issued_at}\n"
    )


def append_void(connection: Connection, id: str, now_ns: int, actor: str, reason: str) -> None:
    """Void a final invoice."""
    connection.execute(insert(void_table).values(invoice=id, at=now_ns, actor=actor, reason=reason))


def append_credit_note(connection: Connection, said: CreditNote, number: int) -> str:
    """Freeze a credit note and return the checksum of its bytes."""
    content = encode(said)
    checksum = digest(content)
    connection.execute(
        insert(note_table).values(
            id=said.id,
            invoice=said.invoice,
            customer=said.customer,
            series=said.series,
            number=number,
            issued_at=said.issued_at,
            document=content.decode(),
            sha256=checksum,
        )
    )
    return checksum


def final_invoices(
    connection: Connection,
    *,
    customers: Sequence[str] | None = None,
    voided: bool = False,
) -> list[StoredInvoice]:
    """Return final invoices in the order they were issued; with `voided` also those that were voided."""
    asked = _FINAL if voided else _FINAL.where(void_table.c.invoice.is_(None))
    asked = asked.order_by(invoice_table.c.issued_at, invoice_table.c.series, invoice_table.c.number)
    if customers is None:
        return [_stored(row) for row in connection.execute(asked)]
    found: list[StoredInvoice] = []
    for some in _pieces(customers):
        of_these = asked.where(invoice_table.c.customer.in_(some))
        found += [_stored(row) for row in connection.execute(of_these)]
    return found


def documents_of(connection: Connection, customer: str) -> tuple[int, int, int]:
    """Return how many invoices, voids and credit notes a customer has: none is ever taken away."""
    of_customer = invoice_table.c.customer == customer
    invoices = select(func.count()).select_from(invoice_table).where(of_customer)
    voids = (
        select(func.count())
        .select_from(void_table)
        .join(invoice_table, invoice_table.c.id == void_table.c.invoice)
        .where(of_customer)
    )
    notes = select(func.count()).select_from(note_table).where(note_table.c.customer == customer)
    return (
        connection.execute(invoices).scalar_one(),
        connection.execute(voids).scalar_one(),
        connection.execute(notes).scalar_one(),
    )


def stored_invoice(connection: Connection, named: str) -> StoredInvoice | None:
    """Return the final invoice with this number (`INV-000007`), or whose id begins so; None without one.

    A beginning has 8 characters at least.

    Raises:
        UsageError: Several have an id that begins so.
    """
    series, _, number = named.rpartition("-")
    if series and number.isdecimal() and len(number) < 10:
        by_number = and_(invoice_table.c.series == series, invoice_table.c.number == int(number))
        row = connection.execute(_FINAL.where(by_number)).first()
        if row is not None:
            return _stored(row)
    begins = begins_with(invoice_table.c.id, named)
    rows = connection.execute(_FINAL.where(begins).limit(2)).all()
    if len(rows) > 1:
        raise UsageError(f"several invoices have an id that begins with {named!r}; give more of it")
    return _stored(rows[0]) if rows else None


def put_draft(connection: Connection, said: Invoice) -> None:
    """Keep a draft in place of the one of its period that was there before."""
    remove_draft(connection, said.customer, said.from_ns, said.until_ns)
    connection.execute(
        insert(draft_table).values(
            customer=said.customer,
            from_ns=said.from_ns,
            until_ns=said.until_ns,
            id=said.id,
            document=encode(said).decode(),
        )
    )


def remove_draft(connection: Connection, customer: str, from_ns: int, until_ns: int) -> None:
    """Take a period's draft away, where there is one."""
    connection.execute(
        delete(draft_table).where(
            draft_table.c.customer == customer,
            draft_table.c.from_ns == from_ns,
            draft_table.c.until_ns == until_ns,
        )
    )


def drafts(connection: Connection, customer: str | None = None) -> list[Invoice]:
    """Return the drafts, the oldest period first."""
    asked = select(draft_table.c.document).order_by(
        draft_table.c.from_ns, draft_table.c.until_ns, draft_table.c.customer
    )
    if customer is not None:
        asked = asked.where(draft_table.c.customer == customer)
    return [decode_invoice(row.document) for row in connection.execute(asked)]


def draft(connection: Connection, named: str) -> Invoice | None:
    """Return the draft whose id begins so, with 8 characters at least; None without one.

    Raises:
        UsageError: Several do.
    """
    begins = begins_with(draft_table.c.id, named)
    rows = connection.execute(select(draft_table.c.document).where(begins).limit(2)).all()
    if len(rows) > 1:
        raise UsageError(f"several drafts have an id that begins with {named!r}; give more of it")
    return decode_invoice(rows[0].document) if rows else None


def credit_notes(
    connection: Connection, *, invoice: str | None = None, customers: Sequence[str] | None = None
) -> list[CreditNote]:
    """Return credit notes in the order they were issued: all, of an invoice, or of some customers."""
    asked = select(note_table).order_by(note_table.c.issued_at, note_table.c.series, note_table.c.number)
    if invoice is not None:
        asked = asked.where(note_table.c.invoice == invoice)
    if customers is None:
        return [_note(row) for row in connection.execute(asked)]
    found: list[CreditNote] = []
    for some in _pieces(customers):
        found += [_note(row) for row in connection.execute(asked.where(note_table.c.customer.in_(some)))]
    return found


def credit_note(connection: Connection, named: str) -> tuple[CreditNote, bytes] | None:
    """Return the credit note with this number or id, and its frozen bytes; None without one."""
    series, _, number = named.rpartition("-")
    asked = select(note_table).where(note_table.c.id == named.lower())
    if series and number.isdecimal() and len(number) < 10:
        asked = select(note_table).where(note_table.c.series == series, note_table.c.number == int(number))
    row = connection.execute(asked).first()
    return None if row is None else (_note(row), row.document.encode())


_FINAL: Select[Any] = select(
    invoice_table,
    void_table.c.at.label("voided_at"),
    void_table.c.actor.label("voided_by"),
    void_table.c.reason.label("void_reason"),
).join_from(invoice_table, void_table, invoice_table.c.id == void_table.c.invoice, isouter=True)


def _stored(row: Row[Any]) -> StoredInvoice:
    content: bytes = row.document.encode()
    if digest(content) != row.sha256:
        raise ControlDamagedError(
            f"invoice {row.series}-{row.number:06d} does not match its checksum: control.db was changed by "
            "another program or is damaged; restore it from a backup"
        )
    said = decode_invoice(content)
    if said.terms_sha256 is not None and digest(row.terms.encode()) != said.terms_sha256:
        raise ControlDamagedError(
            f"what {row.series}-{row.number:06d} was rated by does not match its checksum: control.db "
            "was changed by another program or is damaged; restore it from a backup"
        )
    if row.voided_at is not None:
        said = msgspec.structs.replace(said, status="void")
    return StoredInvoice(
        invoice=said,
        content=content,
        sha256=row.sha256,
        terms=row.terms.encode(),
        attempt=row.attempt,
        voided_at=row.voided_at,
        voided_by=row.voided_by,
        void_reason=row.void_reason,
    )


def _note(row: Row[Any]) -> CreditNote:
    content: bytes = row.document.encode()
    if digest(content) != row.sha256:
        raise ControlDamagedError(
            f"credit note {row.series}-{row.number:06d} does not match its checksum: control.db was changed "
            "by another program or is damaged; restore it from a backup"
        )
    return decode_credit_note(content)


def _pieces(customers: Sequence[str]) -> Iterable[Sequence[str]]:
    for start in range(0, len(customers), _CUSTOMERS_AT_ONCE):
        yield customers[start : start + _CUSTOMERS_AT_ONCE]
