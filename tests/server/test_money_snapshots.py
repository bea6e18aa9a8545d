"""Customers, billing, budgets and alerts: what the API answers, as snapshots that the dashboard's tests read.

`UPDATE_SNAPSHOTS=1 pytest tests/server/test_money_snapshots.py` writes them anew; look at the difference.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from served import NOW, Site
from test_api import agrees_with_snapshot
from tests.billing.made_invoices import END, START, credit_note, invoice, line

from farebox.billing.invoices import store
from farebox.billing.periods.terms import Terms, encode_terms
from farebox.control.outbox import receivers
from farebox.control.outbox.envelope import ReceiverSettings
from farebox.control.publish import change

DAY = 24 * 3_600 * 10**9
TERMS = """
customers:
  acme: {name: Acme Inc., timezone: America/New_York, tax_percent: "19", users: [anna], tags: {team: [core]}}
  globex: {name: Globex Corporation, currency: EUR}
plans:
  pro:
    base: "20.00"
    charges:
      - name: Output
        meter: output_tokens
        where: {model: gpt-4o}
        unit: "20.00"
        per: million
        shares: {ada: "30"}
      - {name: Everything else, meter: cost, markup_percent: "20"}
subscriptions:
  - {customer: acme, plan: pro, start: 2026-11-01}
"""
BUDGETS: dict[str, Any] = {
    "everything": {"limit": "900.00", "period": "month", "mode": "soft"},
    "acme-daily": {
        "where": {"customer": "acme"},
        "limit": "4.00",
        "period": "day",
        "timezone": "Europe/Berlin",
    },
    "per-session": {"each": "session", "limit": "0.50", "period": "session"},
}
ALERTS: dict[str, Any] = {
    "big-day": {"spend": ["2.00", "5.00"], "period": "day", "to": ["ops"]},
    "jump": {"anomaly": "cost", "where": {"app": "ingest"}, "severity": "critical"},
}
TARGETS = {
    "session": "session",
    "budgets": "budgets",
    "budget": "budgets/acme-daily",
    "budget_simulation": "budgets/acme-daily/simulation",
    "stops": "stops",
    "alerts": "alerts",
    "alert_kinds": "alert-kinds",
    "alert_events": "alert-events",
    "customers": "customers",
    "plans": "plans",
    "subscriptions": "subscriptions",
    "invoices": "invoices",
    "document_final": "documents/INV-000007",
    "document_draft": f"documents/{'d' * 32}",
    "document_note": "documents/CN-000001",
    "document_preview": "documents/preview?customer=acme",
    "wallets": "wallets",
    "wallet": "wallets/of?customer=acme",
    "coupons": "coupons",
    "payees": "payees",
    "views": "views",
    "margin": "margin?since=2026-11-01&until=2026-12-01",
}
_RANDOM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32,64}")


def settled(answer: Any) -> Any:
    """Return an answer with ids and hashes, which are others every time, by the order in which they come."""
    seen: dict[str, str] = {}
    text = json.dumps(answer, ensure_ascii=False)
    return json.loads(_RANDOM.sub(lambda found: seen.setdefault(found[0], f"id-{len(seen)}"), text))


def sent(site: Site, method: str, path: str, body: Any = None) -> Any:
    headers = {"authorization": f"Bearer {site.token}"}
    if isinstance(body, str):
        headers["content-type"] = "application/yaml"
    content = body.encode() if isinstance(body, str) else msgspec.json.encode(body)
    return site.ask(f"/api/v1/{path}", headers, method, content)


@pytest.fixture
def billed(site: Site) -> Site:
    """A home with a customer on a plan, invoices, a credit note, a wallet, budgets, a stop and alerts."""
    with change(site.home) as connection:
        receivers.add(connection, "ops", ReceiverSettings(url="https://example.com/hook"), 1)
    answers = [
        sent(site, "PUT", "plans", TERMS),
        *(sent(site, "PUT", f"budgets/{name}", body) for name, body in BUDGETS.items()),
        *(sent(site, "PUT", f"alerts/{name}", body) for name, body in ALERTS.items()),
        sent(site, "PUT", "alerts/jump/snooze", {"for": "8h", "reason": "We know"}),
        sent(site, "POST", "stops", {"session": "s-17", "reason": "runs in a circle"}),
        sent(site, "POST", "wallets/grants", {"customer": "acme", "amount": "50.00", "note": "Order 7"}),
        sent(site, "PUT", "wallets", {"customer": "acme", "low": "20.00"}),
        sent(site, "POST", "coupons", {"customer": "acme", "name": "LAUNCH", "percent": "10", "invoices": 3}),
        sent(site, "PUT", "views", {"name": "Acme, by model", "screen": "/", "search": "customer=acme"}),
    ]
    assert [each.status for each in answers] == [200] * len(answers), [each.body for each in answers]
    lines = (
        replace(line("1", 2000, charge="Base fee", kind="base"), exact="20"),
        replace(
            line("2", 150, charge="Output", tax="19"), exact="1.5", quantity="75000", unit="output tokens"
        ),
    )
    final = replace(
        invoice("000007", *lines),
        issued_at=END,
        due_at=END + 14 * DAY,
        from_ns=START - 30 * DAY,
        until_ns=START,
    )
    terms = Terms(
        customer="acme", currency="USD", exponent=2, timezone="UTC", from_ns=final.from_ns, until_ns=START
    )
    draft = replace(invoice("d" * 32, lines[0]), status="draft", number=None, until_ns=NOW - DAY // 2)
    with change(site.home) as connection:
        store.append_invoice(connection, final, 7, 0, encode_terms(terms))
        store.append_credit_note(connection, credit_note("000001", final, **{"1": 500}), 1)
        store.put_draft(connection, draft)
    return site


def test_the_answers_are_the_snapshots(billed: Site) -> None:
    for name, target in TARGETS.items():
        answer = billed.get(f"/api/v1/{target}")
        assert answer.status == 200, (name, answer.body)
        agrees_with_snapshot(f"api/{name}.json", settled(answer.json()))


def test_what_a_text_changes_and_what_is_wrong_with_one_are_the_snapshots(billed: Site) -> None:
    changed = TERMS.replace('base: "20.00"', 'base: "25.00"')
    agrees_with_snapshot("api/changes.json", settled(sent(billed, "POST", "plans/preview", changed).json()))
    wrong = sent(billed, "POST", "plans/preview", changed.replace("meter: cost", "meter: costs"))
    assert wrong.status == 422
    agrees_with_snapshot("api/changes_wrong.json", wrong.json())
    wrong = sent(billed, "PUT", "budgets/daily", {"limit": "-5", "period": "dai", "where": {"custmer": "a"}})
    agrees_with_snapshot("api/budget_wrong.json", wrong.json())
