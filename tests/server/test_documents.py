"""`/api/v1/documents`: invoices and credit notes as people read them, and what happens next."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from served import NOW, Site
from tests.billing.made_invoices import END, START, credit_note, invoice, line

from farebox.billing.documents.document import Invoice
from farebox.billing.invoices import store
from farebox.billing.periods.terms import Terms, encode_terms
from farebox.control.publish import change

DOCUMENTS = "/api/v1/documents"
PLAN = {
    "customers": {"acme": {"name": "Acme Inc.", "timezone": "America/New_York"}},
    "plans": {
        "pro": {
            "base": "20.00",
            "charges": [{"name": "Use", "meter": "calls", "unit": "1"}],
            "grace_hours": 24,
        }
    },
    "subscriptions": [{"customer": "acme", "plan": "pro", "start": "2026-11-01"}],
}
HOUR = 3_600 * 10**9


def shown(site: Site, named: str) -> dict[str, Any]:
    answer = site.get(f"{DOCUMENTS}/{named}")
    assert answer.status == 200, answer.body
    return answer.json()


def put(site: Site, body: Any) -> None:
    headers = {"authorization": f"Bearer {site.token}"}
    assert site.ask("/api/v1/plans", headers, "PUT", msgspec.json.encode(body)).status == 200


@pytest.fixture
def final(site: Site) -> Invoice:
    said = replace(
        invoice(
            "000007", line("1", 2000, charge="Base", kind="base"), line("2", 150, charge="Use", tax="19")
        ),
        issued_at=END,
        due_at=END + 14 * 24 * HOUR,
    )
    terms = Terms(customer="acme", currency="USD", exponent=2, timezone="UTC", from_ns=START, until_ns=END)
    with change(site.home) as connection:
        store.append_invoice(connection, said, 7, 0, encode_terms(terms))
    return said


def test_a_final_invoice_says_what_is_due_and_what_can_be_credited(site: Site, final: Invoice) -> None:
    found = shown(site, "INV-000007")
    assert (found["kind"], found["status"], found["customer"], found["due"]) == (
        "invoice",
        "final",
        "acme",
        "21.79",
    )
    assert found["creditable"] == {"1": "20.00", "2": "1.50"}
    assert [row["line"] for group in found["page"]["groups"] for row in group["rows"]] == ["1", "2"]
    assert found["page"]["headline"] == {"label": "Amount due", "text": "USD 21.79"}
    assert found["next"][0] == "21.79 USD is left to pay by 15 December 2026."
    with change(site.home) as connection:
        store.append_credit_note(connection, credit_note("000001", final, **{"1": 2000}), 1)
    after = shown(site, "INV-000007")
    assert (after["due"], after["creditable"]) == ("1.79", {"2": "1.50"})
    assert [each["number"] for each in after["credit_notes"]] == ["CN-000001"]
    note = shown(site, "CN-000001")
    assert (note["kind"], note["invoice"], note["due"], note["creditable"]) == (
        "credit_note",
        "INV-000007",
        None,
        {},
    )


def test_a_void_invoice_says_why_and_nothing_of_it_can_be_credited(site: Site, final: Invoice) -> None:
    with change(site.home) as connection:
        store.append_void(connection, final.id, NOW, "owner", "issued twice")
    found = shown(site, "INV-000007")
    assert (found["status"], found["due"], found["creditable"]) == ("void", "0.00", {})
    assert found["next"][0] == "Void since 20 November 2026: issued twice"


def test_a_draft_says_when_it_becomes_final(site: Site) -> None:
    put(site, PLAN)
    draft = replace(
        invoice("d" * 32, line("1", 2000, charge="Base", kind="base")),
        status="draft",
        number=None,
        until_ns=NOW - 2 * HOUR,
        timezone="America/New_York",
    )
    with change(site.home) as connection:
        store.put_draft(connection, draft)
    found = shown(site, draft.id)
    assert (found["status"], found["number"], found["creditable"]) == ("draft", None, {})
    assert found["next"][1] == (
        "The first run after 21 November 2026, 08:00 America/New_York (24 hours after the period's end) "
        "makes the invoice final."
    )
    with change(site.home) as connection:
        store.put_draft(connection, replace(draft, id="e" * 32, until_ns=NOW - 25 * HOUR))
    assert "grace period is over" in shown(site, "e" * 32)["next"][1]


def test_what_a_period_comes_to_by_now_is_shown_and_not_stored(site: Site) -> None:
    put(site, PLAN)
    answer = site.get(f"{DOCUMENTS}/preview?customer=acme")
    assert answer.status == 200, answer.body
    (found,) = answer.json()["documents"]
    assert (found["status"], found["number"], found["page"]["bill_to"]) == ("running", None, ["Acme Inc."])
    assert found["next"] == [
        "The period runs until 1 December 2026: this is what it comes to by now, and none of it is stored.",
        "The first run after 2 December 2026, 00:00 America/New_York (24 hours after the period's end) "
        "makes the invoice final.",
    ]
    assert site.get("/api/v1/invoices").json()["invoices"] == []


def test_a_document_is_downloaded_as_a_file_and_never_shown_in_the_dashboards_origin(
    site: Site, final: Invoice
) -> None:
    for form, media_type, begins in (
        ("json", "application/json", b"{"),
        ("html", "text/html; charset=utf-8", b"<!doctype html>"),
        ("csv", "text/csv; charset=utf-8", b"document,number,"),
    ):
        answer = site.get(f"{DOCUMENTS}/INV-000007?format={form}")
        assert (answer.status, answer.headers["content-type"]) == (200, media_type), answer.body
        assert answer.headers["content-disposition"] == f'attachment; filename="invoice-INV-000007.{form}"'
        assert answer.body.lower().startswith(begins), answer.body[:40]
    assert msgspec.json.decode(site.get(f"{DOCUMENTS}/INV-000007?format=json").body)["id"] == final.id
    assert site.get(f"{DOCUMENTS}/INV-000007?format=exe").json()["details"]["parameter"] == "format"
    assert site.get(f"{DOCUMENTS}/INV-000008?format=csv").status == 404


def test_what_is_not_there_is_said(site: Site) -> None:
    assert site.get(f"{DOCUMENTS}/INV-000001").json()["code"] == "invoice_not_found"
    put(site, PLAN)
    assert site.get(f"{DOCUMENTS}/INV-000001").status == 404
    assert site.get(f"{DOCUMENTS}/preview?customer=nobody").status == 422
    assert site.get(f"{DOCUMENTS}/preview?color=red").json()["code"] == "unknown_parameter"
