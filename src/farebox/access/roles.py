"""Every route that can be asked for, and which roles may: one table for all doors, and nothing beside it.

What is not in the table is refused. A token's scope is its role; the owner's browser session and the token in
`run/dashboard.token` are `admin`; whoever shows nothing, or something that is not good, is `nobody`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Role = Literal["nobody", "ingest", "read", "admin", "client", "portal"]
Scope = Literal["ingest", "read", "admin", "client", "portal"]
Door = Literal["proxy", "api", "collector", "portal"]

ROLES: tuple[Role, ...] = get_args(Role)
SCOPES: tuple[Scope, ...] = get_args(Scope)

Allowed = frozenset[Role]

_ANYBODY: Allowed = frozenset(ROLES)
_READERS: Allowed = frozenset(("read", "admin"))
_SENDERS: Allowed = frozenset(("ingest", "admin"))
_CLIENTS: Allowed = frozenset(("client",))
_OWNERS: Allowed = frozenset(("admin",))
_CUSTOMERS: Allowed = frozenset(("portal",))

ALLOWED: Mapping[Door, Mapping[str, Allowed]] = {
    # Where tokens are required, beyond loopback and behind a reverse proxy: on loopback nobody needs one.
    "proxy": {
        "/": _ANYBODY,  # whether it is ready, and nothing else
        "/health": _ANYBODY,
        "/health/live": _ANYBODY,
        "/health/ready": _ANYBODY,
        "/health in detail": _READERS,
        "/{provider}/{path}": _CLIENTS,
        "/{package.Service}/{method}": _CLIENTS,
        "CONNECT {host}:{port}": _CLIENTS,
        "{scheme}://{host}/{path}": _CLIENTS,
    },
    "api": {
        "/": _ANYBODY,  # shows how to sign in, until signed in
        "/{screen}": _ANYBODY,  # the same page
        "/health/live": _ANYBODY,
        "/health/ready": _ANYBODY,
        "/{asset}": _READERS,
        "/metrics": _READERS,
        "/api/v1/openapi.json": _READERS,
        "/api/v1/status": _READERS,
        "/api/v1/session": _READERS,
        "/api/v1/capture": _READERS,
        "/api/v1/doctor": _OWNERS,
        "/api/v1/summary": _READERS,
        "/api/v1/breakdown": _READERS,
        "/api/v1/series": _READERS,
        "/api/v1/values": _READERS,
        "/api/v1/questions": _READERS,
        "/api/v1/movers": _READERS,
        "/api/v1/heat-map": _READERS,
        "/api/v1/projection": _READERS,
        "/api/v1/calls": _READERS,
        "/api/v1/calls/{id}": _READERS,
        "/api/v1/live": _READERS,
        "/api/v1/pivot": _READERS,
        "/api/v1/sessions": _READERS,
        "/api/v1/sessions/of": _READERS,
        "/api/v1/reliability": _READERS,
        "/api/v1/reliability/series": _READERS,
        "/api/v1/quality": _READERS,
        "/api/v1/activity": _READERS,
        "/api/v1/outbox": _READERS,
        "/api/v1/exports": _READERS,
        "/api/v1/exports/{name}": _READERS,
        "PUT /api/v1/exports/{name}": _OWNERS,
        "DELETE /api/v1/exports/{name}": _OWNERS,
        "POST /api/v1/exports/{name}/pause": _OWNERS,
        "POST /api/v1/exports/{name}/resume": _OWNERS,
        "POST /api/v1/exports/{name}/replay": _OWNERS,
        "POST /api/v1/exports/{name}/settle": _OWNERS,
        "POST /api/v1/exports/{name}/test": _OWNERS,
        "/api/v1/budgets": _READERS,
        "/api/v1/budgets/{name}": _READERS,
        "PUT /api/v1/budgets/{name}": _OWNERS,
        "DELETE /api/v1/budgets/{name}": _OWNERS,
        "/api/v1/budgets/{name}/simulation": _READERS,
        "POST /api/v1/budget-simulation": _READERS,
        "/api/v1/stops": _READERS,
        "POST /api/v1/stops": _OWNERS,
        "DELETE /api/v1/stops": _OWNERS,
        "/api/v1/alerts": _READERS,
        "/api/v1/alerts/{name}": _READERS,
        "PUT /api/v1/alerts/{name}": _OWNERS,
        "DELETE /api/v1/alerts/{name}": _OWNERS,
        "POST /api/v1/alerts/{name}/test": _OWNERS,
        "PUT /api/v1/alerts/{name}/snooze": _OWNERS,
        "DELETE /api/v1/alerts/{name}/snooze": _OWNERS,
        "/api/v1/alert-events": _READERS,
        "/api/v1/alert-simulation": _READERS,
        "POST /api/v1/alert-simulation": _READERS,
        "/api/v1/alert-kinds": _READERS,
        "/api/v1/invoices": _READERS,
        "/api/v1/invoices/{id}": _READERS,
        "/api/v1/invoices/preview": _READERS,
        "/api/v1/invoices/explanation": _READERS,
        "POST /api/v1/invoices/run": _OWNERS,
        "POST /api/v1/invoices/finalize": _OWNERS,
        "POST /api/v1/invoices/void": _OWNERS,
        "POST /api/v1/invoices/credit-notes": _OWNERS,
        "/api/v1/documents/{id}": _READERS,
        "/api/v1/documents/preview": _READERS,
        "/api/v1/credit-notes": _READERS,
        "/api/v1/customers": _READERS,
        "PUT /api/v1/customers": _OWNERS,
        "DELETE /api/v1/customers": _OWNERS,
        "/api/v1/identities": _READERS,
        "PUT /api/v1/identities": _OWNERS,
        "DELETE /api/v1/identities": _OWNERS,
        "/api/v1/plans": _READERS,
        "PUT /api/v1/plans": _OWNERS,
        "DELETE /api/v1/plans": _OWNERS,
        "POST /api/v1/plans/preview": _OWNERS,
        "/api/v1/subscriptions": _READERS,
        "PUT /api/v1/subscriptions": _OWNERS,
        "POST /api/v1/subscriptions/change": _OWNERS,
        "POST /api/v1/subscriptions/end": _OWNERS,
        "/api/v1/wallets": _READERS,
        "PUT /api/v1/wallets": _OWNERS,
        "/api/v1/wallets/of": _READERS,
        "POST /api/v1/wallets/grants": _OWNERS,
        "DELETE /api/v1/wallets/grants/{id}": _OWNERS,
        "POST /api/v1/wallets/expiry": _OWNERS,
        "/api/v1/coupons": _READERS,
        "POST /api/v1/coupons": _OWNERS,
        "POST /api/v1/coupons/preview": _READERS,
        "DELETE /api/v1/coupons/{id}": _OWNERS,
        "/api/v1/add-ons": _READERS,
        "POST /api/v1/add-ons": _OWNERS,
        "POST /api/v1/add-ons/preview": _READERS,
        "DELETE /api/v1/add-ons/{id}": _OWNERS,
        "/api/v1/payees": _READERS,
        "PUT /api/v1/payees": _OWNERS,
        "/api/v1/payees/statements": _READERS,
        "/api/v1/journal": _READERS,
        "/api/v1/journal/verification": _READERS,
        "/api/v1/prices": _READERS,
        "/api/v1/prices/models": _READERS,
        "/api/v1/prices/history": _READERS,
        "/api/v1/prices/unpriced": _READERS,
        "PUT /api/v1/prices/own": _OWNERS,
        "/api/v1/prices/rerating": _READERS,
        "POST /api/v1/prices/rerating": _OWNERS,
        "/api/v1/prices/updates": _READERS,
        "/api/v1/keys": _READERS,
        "PUT /api/v1/keys/{fingerprint}": _OWNERS,
        "DELETE /api/v1/keys/{fingerprint}": _OWNERS,
        "/api/v1/tokens": _OWNERS,
        "POST /api/v1/tokens": _OWNERS,
        "DELETE /api/v1/tokens/{id}": _OWNERS,
        "/api/v1/portal-links": _OWNERS,
        "POST /api/v1/portal-links": _OWNERS,
        "DELETE /api/v1/portal-links": _OWNERS,
        "DELETE /api/v1/portal-links/{id}": _OWNERS,
        "/api/v1/configuration": _OWNERS,
        "/api/v1/audit": _OWNERS,
        "/api/v1/privacy": _OWNERS,
        "/api/v1/views": _READERS,
        "PUT /api/v1/views": _OWNERS,
        "DELETE /api/v1/views": _OWNERS,
        "/api/v1/margin": _READERS,
        "POST /api/v1/simulation": _READERS,
    },
    "collector": {
        "/v1/events": _SENDERS,
        "/v1/traces": _SENDERS,
        "/v1/logs": _SENDERS,
        "/v1/metrics": _SENDERS,
        "/v1/openapi.json": _SENDERS,
    },
    # A listener and an origin of its own: no other role is anybody there.
    "portal": {
        "/": _ANYBODY,  # the page, which has no figures in it
        "/{asset}": _ANYBODY,
        "/api/v1/portal/look": _ANYBODY,
        "/api/v1/portal/logo": _ANYBODY,
        "/api/v1/portal/account": _CUSTOMERS,
        "/api/v1/portal/charges": _CUSTOMERS,
        "/api/v1/portal/invoices": _CUSTOMERS,
        "/api/v1/portal/invoices/{id}": _CUSTOMERS,
        "/api/v1/portal/usage": _CUSTOMERS,
        "/api/v1/portal/calls": _CUSTOMERS,
        "/api/v1/portal/calls/{id}": _CUSTOMERS,
    },
}


def allowed(door: Door, route: str) -> Allowed:
    """Return the roles that may ask for a route; none for a route that is not in the table."""
    return ALLOWED[door].get(route, frozenset())
