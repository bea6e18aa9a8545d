"""Check invoices and credit notes: their bytes, their signatures, their numbers."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, select

from farebox.billing.documents.document import CreditNote, Invoice, digest
from farebox.billing.invoices.store import checkpoint_text
from farebox.control.schema import credit_note, invoice
from farebox.signing_key import Signed, SigningKey, is_signed


def check_documents(connection: Connection, keys: list[SigningKey]) -> tuple[int, list[str]]:
    """Return how many documents there are, and what is wrong with them, by their numbers."""
    ours = {each.public for each in keys}
    number, problems = 0, list[str]()
    for table, kind in ((invoice, Invoice), (credit_note, CreditNote)):
        last: dict[str, int] = {}
        for row in connection.execute(select(table).order_by(table.c.series, table.c.number)):
            number += 1
            named = _named(row.series, row.number)
            expected = last.get(row.series, 0) + 1
            if row.number != expected:
                problems.append(f"{_named(row.series, expected)} is missing")
            last[row.series] = row.number if isinstance(row.number, int) else expected
            wrong = _document_problem(row, kind)
            if wrong is None and kind is Invoice:
                wrong = _signature_problem(row, ours)
            if wrong is not None:
                problems.append(f"{named}: {wrong}")
    return number, problems


def _named(series: object, number: object) -> str:
    return f"{series}-{number:06d}" if isinstance(number, int) else f"{series}-{number}"


def _document_problem(row: Any, kind: type[Invoice] | type[CreditNote]) -> str | None:
    """Return what is wrong with a document's bytes, or with what its row says of it."""
    try:
        content = row.document.encode()
        said = msgspec.json.decode(content, type=kind)
    except (AttributeError, UnicodeError, msgspec.MsgspecError):
        return "the document cannot be read"
    if digest(content) != row.sha256:
        return "the document is not the one that was issued"
    beside = {
        "id": row.id,
        "customer": row.customer,
        "series": row.series,
        "issued_at": row.issued_at,
        "number": _named(row.series, row.number),
    }
    if isinstance(said, Invoice):
        beside |= {name: getattr(row, name) for name in ("kind", "from_ns", "until_ns", "as_of_seq")}
        if said.terms_sha256 is not None and digest(row.terms.encode()) != said.terms_sha256:
            return "the terms are not those that it was rated by"
    else:
        beside["invoice"] = row.invoice
    different = [name for name, value in beside.items() if getattr(said, name) != value]
    return f"its {different[0]} is not the document's" if different else None


def _signature_problem(row: Any, ours: set[str]) -> str | None:
    if row.checkpoint is None:
        return None  # issued before invoices were signed: the log has its checksum
    try:
        signed = msgspec.json.decode(row.checkpoint, type=Signed)
        said = msgspec.json.decode(row.document, type=Invoice)
    except msgspec.MsgspecError:
        return "the signature cannot be read"
    if signed.text != checkpoint_text(said, row.sha256):
        return "the signed text does not say what the invoice says"
    if ours and signed.key not in ours:
        return "it is signed with a key that is not in audit.key"
    return None if is_signed(signed) else "the signature is not its key's"
