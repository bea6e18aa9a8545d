"""What customers, plans and calls are called is text on a document, and nothing else, in every field."""

from __future__ import annotations

import csv
import io
import os
from email import message_from_bytes
from email.policy import default
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import msgspec
import pytest
import typst
from tests.billing.documents.examples import BILLING, NOVEMBER, OCTOBER, credit_note, example
from tests.billing.documents.hostile_strings import HOSTILE

from farebox.billing.documents import rendered
from farebox.billing.documents.csv_file import COLUMNS
from farebox.billing.documents.document import (
    BillTo,
    CreditNote,
    Invoice,
    InvoiceLine,
    LineDetail,
    decode_invoice,
    encode,
)
from farebox.billing.documents.email_file import email_text
from farebox.billing.documents.page import Page, credit_note_page, invoice_page
from farebox.billing.payees.statement_files import statement_csv, statement_text
from farebox.billing.payees.statements import Payee, Statement, StatementLine
from farebox.config.configuration import BillingConfig, SellerConfig
from farebox.plain_text import line
from farebox.spreadsheets import inert

TEMPLATE = files("farebox.billing.documents").joinpath("document.typ").read_bytes()
NAMES = [f"{number:03d}" for number in range(len(HOSTILE))]
SHARE = 1 if os.environ.get("FAREBOX_LONG") else 5
"""Of how many texts one is put into a PDF: each takes a tenth of a second. `make test-long` has them all."""
HEADERS = {"Subject", "From", "To", "Date", "Message-ID", "MIME-Version", "Content-Type"}


def hostile_billing(text: str) -> BillingConfig:
    seller = SellerConfig(name=text, address=f"{text}\n{text}", tax_id=text, email=text)
    return BillingConfig(seller=seller, payment_terms=text, footer=text)


def hostile_invoice(text: str) -> Invoice:
    """Return an invoice with `text` in every field that holds text."""
    every = {
        "title": text,
        "charge": text,
        "unit": text,
        "unit_price": text,
        "quantity": text,
        "subscription": text,
        "plan": text,
        "exact": text,
        "tax_percent": text,
        "of_line": text,
        "note": text,
        "price_ids": (text,),
        "dims": {text: text},
        "details": (LineDetail(dims={text: text}, quantity=text, exact=text),),
        "from_ns": OCTOBER,
        "until_ns": NOVEMBER,
        "unpriced_calls": 2,
        "estimated_calls": 1,
    }
    fields: dict[str, Any] = {
        "id": text,
        "kind": "adjustment",
        "of_invoice": text,
        "amount_minor": -5,
        **every,
    }
    lines = (InvoiceLine(**fields), InvoiceLine(**{**fields, "kind": "usage", "amount_minor": 1_234_567}))
    whole = example()
    taxes = tuple(msgspec.structs.replace(tax, percent=text) for tax in whole.taxes)
    credits = tuple(msgspec.structs.replace(credit, what=text) for credit in whole.credits)
    return msgspec.structs.replace(
        whole,
        id=text,
        series=text,
        number=text,
        customer=text,
        currency=text,
        timezone=text,
        head_hash=text,
        home_id=text,
        bill_to=BillTo(name=text, address=f"{text}\n{text}", tax_id=text, email=text),
        lines=lines,
        taxes=taxes,
        credits=credits,
        statements=(text, text),
    )


def hostile_credit_note(text: str) -> CreditNote:
    whole = credit_note()
    lines = tuple(
        msgspec.structs.replace(each, of_line=text, title=text, tax_percent=text) for each in whole.lines
    )
    return msgspec.structs.replace(
        whole,
        id=text,
        number=text,
        invoice=text,
        invoice_number=text,
        customer=text,
        currency=text,
        timezone=text,
        reason=text,
        lines=lines,
        head_hash=text,
        home_id=text,
        bill_to=BillTo(name=text, address=text, email=text),
    )


class Tags(HTMLParser):
    """Every tag with its attributes, every comment and declaration, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: set[tuple[str, tuple[tuple[str, str | None], ...]]] = set()
        self.others: list[str] = []
        self.styles = ""
        self._inside: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add((tag, tuple(attrs)))

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)

    def handle_pi(self, data: str) -> None:
        self.others.append(data)


def strings_of(value: object) -> list[str]:
    """Return every text in a page, for a look at each."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for each in value.values() for text in strings_of(each)]
    if isinstance(value, list | tuple):
        return [text for each in value for text in strings_of(each)]
    return []


def pages(text: str) -> list[Page]:
    billing = hostile_billing(text)
    return [
        invoice_page(hostile_invoice(text), billing),
        credit_note_page(hostile_credit_note(text), billing),
    ]


def queried(page: Page, template: bytes = TEMPLATE) -> str:
    """Return what typst finds under the label that hostile texts try to set."""
    inputs = {"page": msgspec.json.encode(page).decode(), "logo": "[]"}
    return typst.query(template, "<pwned>", sys_inputs=inputs, ignore_system_fonts=True)


@pytest.mark.parametrize("text", HOSTILE, ids=NAMES)
def test_in_html_a_hostile_text_makes_no_tag_attribute_or_comment(text: str) -> None:
    plain = Tags(
        "".join(
            rendered(each, "html", hostile_billing("x@x.example")).content.decode()
            for each in (
                hostile_invoice("x@x.example"),
                hostile_credit_note("x@x.example"),
            )
        )
    )
    for document in (hostile_invoice(text), hostile_credit_note(text)):
        found = Tags(rendered(document, "html", hostile_billing(text)).content.decode())
        assert found.seen <= plain.seen
        assert found.others == []


@pytest.mark.parametrize("text", HOSTILE[::SHARE], ids=NAMES[::SHARE])
def test_in_a_pdf_a_hostile_text_is_neither_markup_nor_code(text: str) -> None:
    for document in (hostile_invoice(text), hostile_credit_note(text)):
        content = rendered(document, "pdf", hostile_billing(text)).content
        assert content.startswith(b"%PDF-")
    for page in pages(text):
        assert queried(page) == "[]"


def test_a_template_that_reads_texts_as_markup_is_found() -> None:
    page = pages('#metadata("pwned") <pwned>')[0]
    careless = TEMPLATE + b'\n#eval(page-data.bill_to.first(), mode: "markup")\n'
    assert "pwned" in queried(page, careless)


@pytest.mark.parametrize("text", HOSTILE, ids=NAMES)
def test_in_csv_a_hostile_text_stays_one_cell_and_is_no_formula(text: str) -> None:
    for hostile, harmless in (
        (hostile_invoice(text), hostile_invoice("x")),
        (hostile_credit_note(text), hostile_credit_note("x")),
    ):
        rows = list(csv.reader(io.StringIO(rendered(hostile, "csv", BILLING).content.decode(), newline="")))
        expected = list(
            csv.reader(io.StringIO(rendered(harmless, "csv", BILLING).content.decode(), newline=""))
        )
        assert rows[0] == list(COLUMNS)
        assert [len(row) for row in rows] == [len(row) for row in expected]
        for cell in (cell for row in rows for cell in row):
            bare = cell.lstrip(" \u00a0\u200b\ufeff\t\r\n")
            assert not bare.startswith(("=", "@", "＝", "＠", "＋", "－")) and "\0" not in cell
            assert not bare.startswith(("+", "-")) or bare[1:].replace(".", "", 1).isdigit()
        named = rows[1][COLUMNS.index("title")]
        assert named.removeprefix("'") == text.replace("\0", "\ufffd").removeprefix("'")


@pytest.mark.parametrize("text", HOSTILE, ids=NAMES)
def test_in_a_payees_statement_a_hostile_text_stays_in_its_cell_and_on_its_line(text: str) -> None:
    row = {"at": "2026-12-03T00:00Z", "percent": "30", "line_minor": 100, "share_minor": 30}
    line = StatementLine(document=text, customer=text, line=text, title=text, **row)  # type: ignore[arg-type]
    said = Statement(
        payee=Payee(id=text, name=text, email=text, address=text), currency="USD", exponent=2,
        from_ns=OCTOBER, until_ns=NOVEMBER, opening_minor=0, lines=(line,), total_minor=30, closing_minor=30,
    )  # fmt: skip
    rows = list(csv.reader(io.StringIO(statement_csv([said]), newline="")))
    assert [len(each) for each in rows] == [11, 11]
    for cell in rows[1]:
        assert not cell.lstrip(" \u00a0\u200b\ufeff\t\r\n").startswith(("=", "@", "＝", "＠", "＋", "－"))
    plain = msgspec.structs.replace(said, payee=Payee(id="x", name="x", email="x", address="x"))
    assert len(statement_text(said).splitlines()) <= len(statement_text(plain).splitlines())
    assert not set(statement_text(said)) & set("\0\r\t\x1b\x85\u2028\u2029\u200b\u202e\u2066\ufeff")


@pytest.mark.parametrize("text", HOSTILE[::SHARE], ids=NAMES[::SHARE])
def test_in_an_email_a_hostile_text_adds_no_header_recipient_or_part(text: str) -> None:
    document, billing = hostile_invoice(text), hostile_billing(text)
    message = message_from_bytes(rendered(document, "eml", billing).content, policy=default)
    assert set(message.keys()) <= HEADERS and len(message.keys()) == len(set(message.keys()))
    for name in ("To", "From"):
        addresses = message[name].addresses if message[name] else ()
        assert [each.addr_spec for each in addresses] in ([], [text])
    kinds = [part.get_content_type() for part in message.walk()]
    assert kinds == ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf"]
    assert not message.defects
    attachment = next(message.iter_attachments())
    assert set(attachment.get_filename() or "") <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."
    )


@pytest.mark.parametrize("text", HOSTILE, ids=NAMES)
def test_on_a_page_every_text_is_a_short_line_of_visible_characters(text: str) -> None:
    for page in pages(text):
        for shown in strings_of(msgspec.to_builtins(page)):
            assert len(shown) <= 2_000
            assert not set(shown) & set(
                "\0\r\n\t\x0b\x0c\x1b\x85\u2028\u2029\u200b\u200e\u200f\u202d\u202e\u2066\u2067\ufeff"
            )
        assert len(email_text(page)) < 60_000


@pytest.mark.parametrize("text", HOSTILE, ids=NAMES)
def test_in_json_every_text_comes_back_as_it_was(text: str) -> None:
    document = hostile_invoice(text)
    assert decode_invoice(rendered(document, "json", BILLING).content) == document
    assert rendered(document, "json", BILLING).content == encode(document)


def test_a_text_that_no_encoding_writes_is_replaced() -> None:
    assert line("a\ud800b") == "a\ufffdb"


def test_numbers_stay_numbers_and_formulas_become_text() -> None:
    assert [inert(text) for text in ("-12.50", "+1", "12", "=1", "-1+1", "- 1", "abc")] == [
        "-12.50",
        "+1",
        "12",
        "'=1",
        "'-1+1",
        "'- 1",
        "abc",
    ]
