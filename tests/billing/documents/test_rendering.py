"""Documents look the same years later: what is shown is what is stored, laid out from snapshots."""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import sys
from base64 import b64decode
from email import message_from_bytes
from email.policy import default
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest
import typst
from tests.billing.documents.examples import BILLING, credit_note, example, long_example

from farebox.billing.documents import FORMATS, rendered
from farebox.billing.documents.page import invoice_page
from farebox.billing.documents.pdf_file import png_pages
from farebox.billing.documents.rendering import Format
from farebox.config.configuration import BillingConfig, SellerConfig
from farebox.errors import NotInstalledError

TEMPLATE = files("farebox.billing.documents").joinpath("document.typ").read_bytes()
SNAPSHOTS = Path(__file__).resolve().parents[2] / "snapshots" / "documents"
PIXEL = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def compare(name: str, content: bytes) -> None:
    """Compare with the snapshot; `UPDATE_SNAPSHOTS=1` writes it anew: look at the difference."""
    path = SNAPSHOTS / name
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert content == path.read_bytes()


@pytest.mark.parametrize("format", ["html", "csv"])
def test_an_invoice_is_laid_out_as_its_snapshot(format: Format) -> None:
    compare(f"invoice.{format}", rendered(example(), format, BILLING).content)


def test_a_credit_note_is_laid_out_as_its_snapshot() -> None:
    compare("credit-note.html", rendered(credit_note(), "html", BILLING).content)


def test_what_typst_is_given_is_the_snapshot() -> None:
    given = msgspec.json.format(msgspec.json.encode(invoice_page(example(), BILLING)), indent=1) + b"\n"
    compare("invoice-page.json", given)


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_document_is_the_same_bytes_in_another_process(format: Format) -> None:
    program = (
        "import sys; from tests.billing.documents.examples import BILLING, example\n"
        "from farebox.billing.documents import rendered\n"
        f"sys.stdout.buffer.write(rendered(example(), {format!r}, BILLING).content)"
    )
    root = Path(__file__).resolve().parents[3]
    environment = {
        **os.environ,
        "TZ": "Asia/Tokyo",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "7",
        "PYTHONPATH": str(root),
    }
    other = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, cwd=root, env=environment
    )
    assert other.stdout == rendered(example(), format, BILLING).content


def test_two_hundred_lines_go_over_pages_with_their_heads_repeated() -> None:
    page = invoice_page(long_example(200), BILLING)
    assert sum(len(group.rows) for group in page.groups) == 200
    assert 10 < len(png_pages(page, b"", None, 0, ppi=20)) < 60
    inputs = {"page": msgspec.json.encode(page).decode(), "logo": "[]"}
    found = typst.query(TEMPLATE, "table", sys_inputs=inputs, ignore_system_fonts=True)
    tables = msgspec.json.decode(found)
    assert len(tables) == 2  # the lines, and the appendix
    for table in tables:
        head = table["children"][0]
        assert (head["func"], head.get("repeat", True), head.get("level", 1)) == ("header", True, 1)


def test_every_amount_of_the_stored_invoice_is_shown_and_no_other() -> None:
    document = example()
    shown = re.sub(
        r"<style>.*</style>|<[^>]+>",
        " ",
        rendered(document, "html", BILLING).content.decode(),
        flags=re.DOTALL,
    )
    stored = [line.amount_minor for line in document.lines] + [
        document.subtotal_minor,
        document.total_minor,
        document.due_minor,
        -document.discount_minor,
        *(tax.tax_minor for tax in document.taxes),
        *(-credit.amount_minor for credit in document.credits),
    ]
    for minor in stored:
        sign = "−" if minor < 0 else ""
        assert f"{sign}{abs(minor) // 100}.{abs(minor) % 100:02d}" in shown


def test_a_total_that_lacks_prices_says_at_least() -> None:
    whole = example()
    lines = (msgspec.structs.replace(whole.lines[2], unpriced_calls=4), *whole.lines[3:])
    page = invoice_page(msgspec.structs.replace(whole, lines=lines), BILLING)
    assert page.headline.text == "USD ≥ 203.73"
    assert [total.amount for total in page.totals if total.label in ("Subtotal", "Total")] == [
        "≥ 276.24",
        "≥ 328.73",
    ]
    row = page.groups[0].rows[0]
    assert row.amount == "≥ 123.45" and "At least: 4 calls not priced yet" in row.notes


def test_a_draft_and_a_void_invoice_say_so() -> None:
    for status, word in (("draft", "Draft"), ("void", "Void")):
        document = msgspec.structs.replace(example(), status=status, number=None)
        assert (
            f'<p class="banner"><bdi>{word}</bdi></p>' in rendered(document, "html", BILLING).content.decode()
        )
    assert b'class="banner"' not in rendered(example(), "html", BILLING).content


def test_a_logo_is_in_the_file_itself(tmp_path: Path) -> None:
    logo = tmp_path / "logo.png"
    logo.write_bytes(PIXEL)
    billing = BillingConfig(seller=SellerConfig(name="Labs", logo=str(logo)))
    assert b'src="data:image/png;base64,' in rendered(example(), "html", billing).content
    assert rendered(example(), "pdf", billing).content != rendered(example(), "pdf", BillingConfig()).content
    logo.unlink()
    assert b"<img" not in rendered(example(), "html", billing).content


def test_a_message_carries_the_text_the_html_and_the_same_pdf() -> None:
    message = message_from_bytes(rendered(example(), "eml", BILLING).content, policy=default)
    assert message["Subject"] == "Invoice INV-000007 from Example Labs GmbH"
    assert message["To"].addresses[0].addr_spec == "ap@acme.example"
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None and "Amount due: USD 203.73" in text.get_content()
    assert html is not None and "USD 203.73" in html.get_content()
    attached = next(message.iter_attachments())
    assert attached.get_filename() == "invoice-INV-000007.pdf"
    assert attached.get_content() == rendered(example(), "pdf", BILLING).content


def test_the_amounts_of_csv_add_up_to_what_is_due() -> None:
    rows = list(csv.DictReader(io.StringIO(rendered(example(), "csv", BILLING).content.decode(), newline="")))
    cents = dict.fromkeys(("line", "tax", "credit", "due", "subtotal", "total"), 0)
    for row in rows:
        if row["row"] in cents:
            cents[row["row"]] += int(row["amount"].replace(".", ""))
    assert cents["line"] == cents["subtotal"]
    assert cents["line"] + cents["tax"] == cents["total"]
    assert cents["total"] + cents["credit"] == cents["due"]


def test_without_typst_a_pdf_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(NotInstalledError, match=r"install .*farebox\[standard,pdf\]"):
        rendered(example(), "pdf", BILLING)
    assert rendered(example(), "html", BILLING).content


def test_characters_that_no_font_at_hand_has_are_named() -> None:
    to = msgspec.structs.replace(example().bill_to, name="東京 Ωmega ₩ Жанна 🎉 株式会社")
    document = msgspec.structs.replace(example(), bill_to=to)
    for format in ("pdf", "eml"):
        assert rendered(document, format, BILLING).lacking == "京会式東株社🎉"
        assert rendered(example(), format, BILLING).lacking == ""  # the control
    assert rendered(document, "html", BILLING).lacking == ""  # a browser has fonts of its own
