"""A document as a message that is ready to be sent (.eml): its text, its HTML, and the PDF attached.

Nothing is sent. The message is the same bytes whenever it is made: its date, id and boundaries come from the
document. Headers hold lines of visible characters only, and an address that is none is left out.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from farebox.billing.documents.html_file import html_file
from farebox.billing.documents.page import Page
from farebox.config.billing_section import is_mailbox
from farebox.config.configuration import SellerConfig
from farebox.plain_text import line

_NS = 10**9
_NAME_MAX = 120


def email_file(
    page: Page,
    *,
    to: str,
    to_name: str,
    seller: SellerConfig,
    digest: str,
    made_at_ns: int,
    logo: bytes,
    pdf: bytes,
) -> bytes:
    """Return the message; its id and boundaries are made of the document's `digest` (hexadecimal)."""
    name = " ".join(part for part in (page.kind, page.number) if part)
    message = EmailMessage(policy=SMTP)
    message["Subject"] = line(f"{name} from {seller.name}" if seller.name else name, 200)
    if is_mailbox(seller.email):
        message["From"] = _address(seller.name, seller.email)
    if is_mailbox(to):
        message["To"] = _address(to_name, to)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=made_at_ns // _NS)
    message["Date"] = format_datetime(moment)
    domain = seller.email.rpartition("@")[2] if is_mailbox(seller.email) else "farebox.invalid"
    message["Message-ID"] = f"<{digest[:32]}@{domain}>"
    message.set_content(email_text(page), cte="base64")
    message.add_alternative(html_file(page, logo), subtype="html", cte="base64")
    message.add_attachment(pdf, maintype="application", subtype="pdf", filename=f"{file_name(page)}.pdf")
    for number, part in enumerate(part for part in message.walk() if part.is_multipart()):
        part.set_boundary(f"=_{digest[:32]}_{number}")
    return message.as_bytes()


def file_name(page: Page) -> str:
    """Return what the document's files are called, without an ending: `invoice-INV-000007`."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", f"{page.kind.lower()} {page.number or page.banner.lower()}")
    return name.strip("-")[:_NAME_MAX]


def email_text(page: Page) -> str:
    """Return the document as plain text: what it comes to, its facts, lines and totals."""
    rows = [f"{page.kind} {page.number}".strip() + (f" ({page.banner})" if page.banner else "")]
    rows += ["", f"{page.headline.label}: {page.headline.text}"]
    rows += [f"{fact.label}: {fact.text}" for fact in page.facts]
    rows.append("")
    for group in page.groups:
        if group.title:
            rows.append(f"{group.title}: {group.amount}")
        indent = "  " if group.title else ""
        rows += [f"{indent}{row.title}: {row.amount}" for row in group.rows]
    rows.append("")
    rows += [f"{total.label}: {total.amount}" for total in page.totals]
    if page.statements:
        rows += ["", *page.statements]
    rows += ["", *(each for each in (page.terms, *page.seller) if each)]
    return "\n".join(rows) + "\n"


def _address(name: str, mailbox: str) -> Address:
    return Address(display_name=line(name, _NAME_MAX), addr_spec=mailbox)
