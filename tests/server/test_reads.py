"""Whoever may only read creates nothing: every such route, made from the routes' own list, on a new home."""

from __future__ import annotations

import pytest
from served import Site
from test_guard import written

from farebox.access.roles import allowed
from farebox.server.api.method_routes import API, route_of
from farebox.server.api.openapi.document import operations

NOT_READ = (f"{API}live",)
"""Its response has no end."""
READS = {
    route_of(each.method, each.path): each
    for each in operations()
    if "read" in allowed("api", route_of(each.method, each.path)) and each.path not in NOT_READ
}
NEEDED = {
    "customer": "acme",
    "line": "INV-000007/2",
    "model": "gpt-4o-mini",
    "payee": "nobody",
    "request": '{"type": "capture"}',
    "session": "s-1",
    "since": "2026-11-01",
    "until": "2026-12-01",
}
BODIES = {
    "POST /api/v1/simulation": b'{"since": "2026-11-01", "until": "2026-12-01"}',
    "POST /api/v1/budget-simulation": b'{"name": "b", "limit": "25.00", "period": "day"}',
    "POST /api/v1/alert-simulation": b'{"name": "a", "spend": ["1.00"], "period": "day"}',
    "POST /api/v1/coupons/preview": b'{"customer": "acme", "name": "c", "percent": "10"}',
    "POST /api/v1/add-ons/preview": b'{"customer": "acme", "name": "a", "amount": "5.00"}',
}
PLANS = """\
plans: {pro: {base: "49"}}
customers: {acme: {currency: USD}}
subscriptions: [{customer: acme, plan: pro, start: 2026-10-01}]
"""


@pytest.mark.parametrize("name", READS)
def test_a_read_creates_nothing(site: Site, name: str) -> None:
    operation = READS[name]
    site.home.config.write_text(PLANS)
    site.home.config.chmod(0o600)
    before = {path for path in site.home.path.rglob("*") if site.home.cache not in path.parents}
    query = "&".join(
        f"{each.name}={NEEDED[each.name]}" for each in operation.parameters.values() if each.required
    )
    answer = site.ask(
        f"{written(operation.path)}?{query}",
        {"authorization": f"Bearer {site.token}"},
        operation.method,
        b"" if operation.method == "GET" else BODIES[name],
    )
    assert answer.status in (200, 404, 409, 422, 501), answer.body
    assert {path for path in site.home.path.rglob("*") if site.home.cache not in path.parents} == before
    assert not site.home.control.exists()


def test_the_control_a_change_creates_it(site: Site) -> None:
    headers = {"authorization": f"Bearer {site.token}"}
    assert site.ask("/api/v1/invoices/run", headers, "POST", b"{}").status == 200
    assert site.home.control.exists()
