"""One stored document in the form that is asked for. Nothing but the stored bytes says what is charged."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import msgspec

from farebox.billing.documents.csv_file import csv_file
from farebox.billing.documents.document import CreditNote, Invoice, digest, encode
from farebox.billing.documents.email_file import email_file, file_name
from farebox.billing.documents.html_file import html_file
from farebox.billing.documents.page import Page, credit_note_page, invoice_page
from farebox.billing.documents.pdf_file import lacking, pdf_file
from farebox.config.billing_section import IMAGE_STARTS, LOGO_BYTES_MAX
from farebox.config.configuration import BillingConfig

Format = Literal["json", "html", "csv", "pdf", "eml"]
FORMATS: tuple[Format, ...] = get_args(Format)
MEDIA_TYPES: dict[Format, str] = {
    "json": "application/json",
    "html": "text/html; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "pdf": "application/pdf",
    "eml": "message/rfc822",
}


class RenderedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document as a file."""

    name: str
    """Without folders and characters of other meaning: `invoice-INV-000007.pdf`."""
    media_type: str
    content: bytes
    lacking: str = ""
    """Characters that no font of the PDF has: each is a box in it."""


def rendered(document: Invoice | CreditNote, format: Format, billing: BillingConfig) -> RenderedDocument:
    """Return the document as a file: as JSON its own bytes, otherwise laid out with the seller's details.

    Raises:
        NotInstalledError: A PDF, or a message that has one, needs typst (`farebox[pdf]`).
    """
    page = (
        invoice_page(document, billing)
        if isinstance(document, Invoice)
        else credit_note_page(document, billing)
    )
    name = f"{file_name(page)}.{format}"
    return RenderedDocument(
        name=name,
        media_type=MEDIA_TYPES[format],
        content=_content(document, page, format, billing),
        lacking=lacking(page, billing.fonts) if format in ("pdf", "eml") else "",
    )


def _content(document: Invoice | CreditNote, page: Page, format: Format, billing: BillingConfig) -> bytes:
    if format == "json":
        return encode(document)
    if format == "csv":
        return csv_file(document).encode()
    logo = logo_bytes(billing.seller.logo)
    if format == "html":
        return html_file(page, logo).encode()
    made_at_ns = document.issued_at or (document.until_ns if isinstance(document, Invoice) else 0)
    pdf = pdf_file(page, logo, billing.fonts, made_at_ns)
    if format == "pdf":
        return pdf
    return email_file(
        page,
        to=document.bill_to.email,
        to_name=document.bill_to.name,
        seller=billing.seller,
        digest=digest(encode(document)),
        made_at_ns=made_at_ns,
        logo=logo,
        pdf=pdf,
    )


def logo_bytes(path: str | None) -> bytes:
    """Return the bytes of a logo's file; none where it has gone since the configuration was checked."""
    if path is None:
        return b""
    try:
        with Path(path).open("rb") as file:
            content = file.read(LOGO_BYTES_MAX + 1)
    except OSError:
        return b""
    usable = len(content) <= LOGO_BYTES_MAX and any(content.startswith(start) for start in IMAGE_STARTS)
    return content if usable else b""
