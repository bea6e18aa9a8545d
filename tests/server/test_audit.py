"""`/api/v1/audit`: every route that changes something is in it with who asked, and it pages and exports."""

from __future__ import annotations

from typing import Any

import msgspec
from served import Answer, Site, pages

from farebox.access.roles import ALLOWED
from farebox.control.audit.change_capture import UNKNOWN
from farebox.control.audit.verification import verify_audit
from farebox.control.database import ControlDatabase

AUDIT = "/api/v1/audit"
CHARGES = [{"name": "Use", "meter": "cost", "markup_percent": 20}]
STEPS: list[tuple[str, str, str, Any, str]] = [
    # method, route, path below /api/v1, body, the action that is noted
    ("PUT", "budgets/{name}", "budgets/daily", {"limit": "25.00", "period": "day"}, "budget.set"),
    ("DELETE", "budgets/{name}", "budgets/daily", None, "budget.remove"),
    ("POST", "stops", "stops", {"session": "s/1", "reason": "runs away"}, "stop.set"),
    ("DELETE", "stops", "stops?session=s/1", None, "stop.lift"),
    ("PUT", "alerts/{name}", "alerts/jump", {"anomaly": "cost"}, "alert.set"),
    ("PUT", "alerts/{name}/snooze", "alerts/jump/snooze", {}, "alert.snooze"),
    ("DELETE", "alerts/{name}/snooze", "alerts/jump/snooze", None, "alert.unsnooze"),
    ("DELETE", "alerts/{name}", "alerts/jump", None, "alert.remove"),
    ("PUT", "customers", "customers", {"customers": {"acme": {"name": "Acme"}, "gone": {}}}, "customer.add"),
    ("DELETE", "customers", "customers?customer=gone", None, "customer.remove"),
    (
        "PUT",
        "identities",
        "identities",
        {"customer": "acme", "dimension": "user", "value": "ann"},
        "customer.map",
    ),
    ("DELETE", "identities", "identities?dimension=user&value=ann", None, "customer.unmap"),
    (
        "PUT",
        "plans",
        "plans",
        {"plans": {"pro": {"charges": CHARGES}, "old": {"charges": CHARGES}}},
        "plan.add",
    ),
    ("DELETE", "plans", "plans?plan=old", None, "plan.remove"),
    (
        "PUT",
        "subscriptions",
        "subscriptions",
        {"subscriptions": [{"customer": "acme", "plan": "pro", "start": "2026-11-01"}]},
        "subscription.add",
    ),
    (
        "POST",
        "subscriptions/end",
        "subscriptions/end",
        {"customer": "acme", "at": "2027-01-01"},
        "subscription.end",
    ),
    ("POST", "wallets/grants", "wallets/grants", {"customer": "acme", "amount": "5"}, "wallet.grant"),
    ("PUT", "wallets", "wallets", {"customer": "acme", "overdraft": "10"}, "wallet.limits"),
    ("POST", "coupons", "coupons", {"customer": "acme", "name": "LAUNCH", "percent": 10}, "coupon.give"),
    ("PUT", "payees", "payees", {"id": "ada", "name": "Ada L."}, "payee.set"),
    ("PUT", "keys/{fingerprint}", "keys/0123456789abcdef", {"label": "jobs"}, "key.label"),
    ("DELETE", "keys/{fingerprint}", "keys/0123456789abcdef", None, "key.forget"),
    ("POST", "tokens", "tokens", {"name": "laptop", "scope": "read"}, "token.create"),
    ("PUT", "prices/own", "prices/own", {"model": "my-llm/x", "rates": {"input": "2"}}, "price.set"),
]

ELSEWHERE = {
    "POST /api/v1/budget-simulation": "changes nothing",
    "POST /api/v1/alert-simulation": "changes nothing",
    "POST /api/v1/simulation": "changes nothing",
    "POST /api/v1/plans/preview": "changes nothing",
    "POST /api/v1/coupons/preview": "changes nothing",
    "POST /api/v1/add-ons/preview": "changes nothing",
    "POST /api/v1/alerts/{name}/test": "sends a message",
    "POST /api/v1/prices/rerating": "the record's corrections, in its own chain",
    "POST /api/v1/invoices/run": "tests/billing: finalize is noted there",
    "POST /api/v1/invoices/finalize": "as run",
    "POST /api/v1/invoices/void": "as run",
    "POST /api/v1/invoices/credit-notes": "as run",
    "POST /api/v1/subscriptions/change": "as end",
    "DELETE /api/v1/wallets/grants/{id}": "test_wallets.py",
    "POST /api/v1/wallets/expiry": "test_wallet_expiry.py",
    "DELETE /api/v1/coupons/{id}": "test_wallets.py",
    "PUT /api/v1/views": "what a screen shows, under a name: a file of its own, test_views.py",
    "DELETE /api/v1/views": "as saving one",
    "POST /api/v1/add-ons": "as coupons",
    "DELETE /api/v1/add-ons/{id}": "as coupons",
    "DELETE /api/v1/tokens/{id}": "tests/cli/test_tokens.py",
    "POST /api/v1/portal-links": "makes a token, noted as tokens are",
    "DELETE /api/v1/portal-links": "revokes tokens, noted as tokens are",
    "DELETE /api/v1/portal-links/{id}": "as portal-links",
    "PUT /api/v1/exports/{name}": "changes a receiver, noted as export",
    "DELETE /api/v1/exports/{name}": "changes a receiver, noted as export",
    "POST /api/v1/exports/{name}/pause": "changes a receiver, noted as export",
    "POST /api/v1/exports/{name}/resume": "changes a receiver, noted as export",
    "POST /api/v1/exports/{name}/replay": "changes a receiver, noted as export",
    "POST /api/v1/exports/{name}/settle": "changes a receiver, noted as export",
    "POST /api/v1/exports/{name}/test": "changes a receiver, noted as export",
}
"""Routes that are not walked through here, each with the reason."""


def sent(site: Site, method: str, path: str, body: Any = None) -> Answer:
    content = b"" if body is None else msgspec.json.encode(body)
    return site.ask(f"/api/v1/{path}", {"authorization": f"Bearer {site.token}"}, method, content)


def test_every_changing_route_is_walked_through_or_says_why_not() -> None:
    walked = {f"{method} /api/v1/{route}" for method, route, *_ in STEPS}
    changing = {name for name in ALLOWED["api"] if name.partition(" ")[0] in ("PUT", "POST", "DELETE")}
    assert walked | {*ELSEWHERE} == changing
    assert not walked & {*ELSEWHERE}


def test_what_each_route_changes_is_in_the_audit_with_who_asked(site: Site) -> None:
    for method, _, path, body, action in STEPS:
        before = site.get(f"{AUDIT}?limit=1").json()["entries"]
        answer = sent(site, method, path, body)
        assert answer.status == 200, (path, answer.body)
        last = before[0]["number"] if before else 0
        fresh = [each for each in site.get(AUDIT).json()["entries"] if each["number"] > last]
        assert action in {each["action"] for each in fresh}, (path, fresh)
        assert {each["actor"] for each in fresh} <= {"owner", "files"}, (path, fresh)
        assert any(each["changes"] for each in fresh), path
    found = pages(site, AUDIT, 10)
    numbers = [each["number"] for page in found for each in page["entries"]]
    assert numbers == sorted(numbers, reverse=True) and len(numbers) == len({*numbers}) >= len(STEPS)
    assert not site.get(f"{AUDIT}?actor={UNKNOWN}").json()["entries"]
    assert [each["action"] for each in site.get(f"{AUDIT}?kind=payee").json()["entries"]] == ["payee.set"]
    assert {each["subject"] for each in site.get(f"{AUDIT}?name=daily").json()["entries"]} == {"daily"}
    exported = site.get(f"{AUDIT}?format=json").json()
    assert [each["number"] for each in exported] == numbers
    with ControlDatabase(site.home).reading() as connection:
        assert verify_audit(connection).problems == []


def test_before_anything_was_changed_it_is_empty(site: Site) -> None:
    assert site.get(AUDIT).json() == {"entries": [], "next_cursor": None}
    assert site.get(f"{AUDIT}?since=soon").status == 422
    assert site.get(f"{AUDIT}?actors=x").status == 422
