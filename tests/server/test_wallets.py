"""`/api/v1/wallets`, coupons, add-ons, payees and the journal: shown to readers, changed by the owner."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from served import Answer, Site
from sqlalchemy import select
from tests.billing.made_invoices import LATER, charge, charges, invoice, line

from farebox.billing import known_customers
from farebox.billing.settlement import finalized
from farebox.charges.plan import Customer
from farebox.control.database import open_control
from farebox.control.publish import change
from farebox.control.schema import audit
from farebox.snapshot import Snapshot

WALLETS, COUPONS, ADD_ONS = "/api/v1/wallets", "/api/v1/coupons", "/api/v1/add-ons"
PAYEES, JOURNAL = "/api/v1/payees", "/api/v1/journal"


@pytest.fixture(autouse=True)
def acme(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Snapshot(customers=(Customer(id="acme"), Customer(id="a/b ü?&")))
    monkeypatch.setattr(known_customers, "read_snapshot", lambda _: known)


def sent(site: Site, method: str, path: str, body: Any = None) -> Answer:
    content = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
    return site.ask(path, {"authorization": f"Bearer {site.token}"}, method, content)


def test_before_anything_was_set_everything_is_empty(site: Site) -> None:
    lists = {WALLETS: "wallets", COUPONS: "coupons", ADD_ONS: "add_ons", PAYEES: "payees"}
    for path, field in lists.items():
        assert site.get(path).json() == {field: [], "next_cursor": None}
    assert site.get(JOURNAL).json() == {"accounts": [], "transactions": [], "next_cursor": None}
    assert site.get(f"{JOURNAL}/verification").json()["holds"] is True
    assert site.get(f"{WALLETS}/of?customer=acme").status == 404
    assert site.get(f"{PAYEES}/statements?payee=ada").status == 404


def test_a_grant_is_made_shown_and_voided(site: Site) -> None:
    made = sent(
        site, "POST", f"{WALLETS}/grants", {"customer": "acme", "amount": "100.00", "note": "Order 7"}
    )
    assert made.status == 200, made.body
    wallet = made.json()["wallet"]
    assert (wallet["balance"], wallet["usable"], wallet["currency"]) == ("100.00", "100.00", "USD")
    (grant,) = wallet["grants"]
    assert site.get(f"{WALLETS}/of?customer=acme").json()["wallet"] == wallet
    assert [each["customer"] for each in site.get(WALLETS).json()["wallets"]] == ["acme"]
    voided = sent(site, "DELETE", f"{WALLETS}/grants/{grant['id']}?reason=mistake")
    assert voided.json()["wallet"]["balance"] == "0.00"
    assert sent(site, "DELETE", f"{WALLETS}/grants/{grant['id']}").status == 422
    with open_control(site.home).reading() as connection:
        assert set(connection.scalars(select(audit.c.action))) == {"wallet.grant", "wallet.void"}
    assert sent(site, "POST", f"{WALLETS}/expiry").json() == {"expired": []}


@pytest.mark.parametrize("written", [b"12", b"12.00", b'"12"', b'"12.00"'])
def test_an_amount_is_a_number_or_text_and_read_exactly(site: Site, written: bytes) -> None:
    made = sent(site, "POST", f"{WALLETS}/grants", b'{"customer": "acme", "amount": %s}' % written)
    assert made.json()["wallet"]["balance"] == "12.00"


def test_a_customer_of_any_characters_is_reached(site: Site) -> None:
    sent(site, "POST", f"{WALLETS}/grants", {"customer": "a/b ü?&", "amount": 5})
    shown = site.get(f"{WALLETS}/of?customer=a%2Fb%20%C3%BC%3F%26")
    assert shown.json()["wallet"]["customer"] == "a/b ü?&"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"nonsense",
        b'{"customer": "acme"}',
        b'{"customer": "acme", "amount": true}',
        b'{"customer": "acme", "amount": "1e999999999"}',
        b'{"customer": "acme", "amount": 1e400}',
        b'{"customer": "acme", "amount": "0.001"}',
        b'{"customer": "acme", "amount": "-1"}',
        b'{"customer": "acme", "amount": "1", "kind": "stolen"}',
        b'{"customer": "acme", "amount": "1", "colour": "red"}',
        b'{"customer": "acme", "amount": "1", "priority": 1000}',
        b'{"customer": "acme", "amount": "1", "expires": "never"}',
        b'{"customer": "nobody", "amount": "1"}',
    ],
)
def test_a_body_that_is_no_grant_is_refused(site: Site, body: bytes) -> None:
    refused = sent(site, "POST", f"{WALLETS}/grants", body)
    assert refused.status == 422, refused.body
    assert site.get(WALLETS).json() == {"wallets": [], "next_cursor": None}


def test_a_key_makes_one_grant_and_refuses_another(site: Site) -> None:
    body = {"customer": "acme", "amount": "5", "key": "order-7"}
    assert sent(site, "POST", f"{WALLETS}/grants", body).status == 200
    assert sent(site, "POST", f"{WALLETS}/grants", body).json()["wallet"]["balance"] == "5.00"
    other = sent(site, "POST", f"{WALLETS}/grants", {**body, "amount": "6"})
    assert (other.status, other.json()["code"]) == (422, "bookkeeping_refused")


def test_limits_coupons_add_ons_and_payees_are_set(site: Site) -> None:
    limits = sent(site, "PUT", WALLETS, {"customer": "acme", "overdraft": 10, "low": "2.5"})
    assert (limits.json()["wallet"]["overdraft"], limits.json()["wallet"]["low"]) == ("10.00", "2.50")
    coupon = sent(site, "POST", COUPONS, {"customer": "acme", "name": "LAUNCH", "percent": 10, "invoices": 3})
    assert coupon.json()["percent"] == "10"
    extra = sent(
        site, "POST", ADD_ONS, {"customer": "acme", "name": "Setup", "amount": "9", "on": "2026-12-01"}
    )
    assert (extra.json()["on"], extra.json()["invoices"]) == ("2026-12-01", 1)
    assert [each["name"] for each in site.get(f"{COUPONS}?customer=acme").json()["coupons"]] == ["LAUNCH"]
    assert sent(site, "DELETE", f"{COUPONS}/{coupon.json()['id']}").json()["ended_at"] is not None
    assert sent(site, "DELETE", f"{ADD_ONS}/{extra.json()['id']}").json()["ended_at"] is not None
    assert sent(site, "DELETE", f"{COUPONS}/{extra.json()['id']}").status == 422
    payee = sent(site, "PUT", PAYEES, {"id": "ada", "name": "Ada L."})
    assert [each["name"] for each in payee.json()["payees"]] == ["Ada L."]
    assert sent(site, "POST", COUPONS, {"customer": "acme", "name": "X"}).status == 422


def test_a_statement_and_the_journal_are_shown(site: Site) -> None:
    with change(site.home) as connection:
        shares = charges(charge("chat", ada="30"))
        said = invoice("1", line("1", 1_000, charge="chat"))
        finalized(connection, said, shares, at_ns=LATER, actor="uid:1")
    (found,) = site.get(f"{PAYEES}/statements?payee=ada&month=2026-12").json()["statements"]
    assert (found["closing"], found["lines"][0]["document"]) == ("3.00", "INV-1")
    assert site.get(f"{PAYEES}/statements?payee=eve&month=2026-12").status == 404
    assert site.get(f"{PAYEES}/statements?payee=ada&month=soon").status == 422
    journal = site.get(f"{JOURNAL}?party=ada&limit=5").json()
    assert [each["kind"] for each in journal["transactions"]] == ["payee.share"]
    assert site.get(f"{JOURNAL}/verification").json()["transactions"] == 2
