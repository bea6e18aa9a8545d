"""Every route of the API with every role, compared with the one table of both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from fake_ledger import FakeLedger, call
from served import HOST, NOW, VISITORS, Site, ask_raw, day_of_calls
from starlette.requests import Request
from test_guard import cookie_of, written

from farebox.access import tokens
from farebox.access.rate_limit import WRONG_PER_MINUTE, RequestRates
from farebox.access.roles import ALLOWED, ROLES, SCOPES, Role, allowed
from farebox.access.tokens import PublishedTokens, hash_of, new_secret
from farebox.clock import now_ns
from farebox.home import Home
from farebox.readiness import Liveness
from farebox.server.access.guard import Visitors
from farebox.server.api.method_routes import MethodRoutes, route, route_of
from farebox.server.assets import Assets
from farebox.snapshot import PublishedToken, Snapshot, SnapshotReader

Credentials = dict[str, str]


class Unlisted(MethodRoutes):
    """A route that somebody has forgotten to put into the table."""

    @route("GET", "/api/v1/new")
    async def new(self, request: Request) -> Liveness:
        return Liveness()


class Published(SnapshotReader):
    """A snapshot that the test writes."""

    def __init__(self) -> None:
        super().__init__(None)

    def issue(self, scope: str, expires_at: int | None = None) -> str:
        secret = new_secret(scope)  # type: ignore[arg-type]
        token = PublishedToken(id=f"id-{scope}", scope=scope, expires_at=expires_at)
        self.current = Snapshot(tokens={**self.current.tokens, hash_of(secret.encode()): token})
        return secret


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
def guarded(home: Home, web: Path, published: Published) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def make(rows: FakeLedger | None = None, **also: object) -> Site:
        visitors: Visitors = msgspec.structs.replace(VISITORS, tokens=PublishedTokens(published), **also)
        site = Site(home, rows or day_of_calls(), Assets(web), visitors=visitors)
        made.append(site)
        return site

    yield make
    for site in made:
        site.ledger.close()


def everybody(site: Site, published: Published) -> list[tuple[str, Role, Credentials]]:
    """Return every way to come: its name, the role it should give, and its headers."""
    revoked = published.issue("admin")
    del published.current.tokens[hash_of(revoked.encode())]

    def bearer(secret: str) -> Credentials:
        return {"authorization": f"Bearer {secret}"}

    ways: list[tuple[str, Role, Credentials]] = [
        ("none", "nobody", {}),
        ("expired", "nobody", bearer(published.issue("admin", now_ns() - 1))),
        ("revoked", "nobody", bearer(revoked)),
        ("wrong", "nobody", bearer(new_secret("admin"))),
        ("cookie", "admin", {"cookie": cookie_of(site)}),
        ("owner", "admin", bearer(site.token)),
    ]
    return ways + [(scope, scope, bearer(published.issue(scope))) for scope in SCOPES]


def reached(site: Site, route: str, headers: Credentials) -> bool:
    """Return whether a route gives anything: the sign-in page counts as what everybody may see."""
    method, _, path = route.rpartition(" ")
    answer = site.ask(written(path), headers, method or "GET")
    missing = ("budget", "stop", "payee", "invoice", "alert", "export", "session", "key", "token")
    if any(f"{found}_not_found".encode() in answer.body for found in missing):
        return True
    return answer.status not in (401, 403, 404, 429) or b"no session yet" in answer.body


def every_route(site: Site) -> list[str]:
    """Return what the server serves, as the table calls it."""
    grouped = [(name, methods) for group in site.server.groups for name, methods in group.routes.items()]
    return [*site.server.routes, *(route_of(method, name) for name, methods in grouped for method in methods)]


def differences(site: Site, published: Published) -> list[tuple[str, str]]:
    """Return each route and visitor that the table and the guard do not agree about."""
    site.server.pulse.close()  # live updates have no end: whether the guard lets somebody in is seen without
    return [
        (route, name)
        for name, role, headers in everybody(site, published)
        for route in every_route(site)
        if reached(site, route, headers) is not (role in allowed("api", route))
    ]


def test_each_role_reaches_exactly_what_the_table_says(
    guarded: Callable[..., Site], published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farebox.access.rate_limit.WRONG_PER_MINUTE", 10_000)
    site = guarded()
    assert set(every_route(site)) == ALLOWED["api"].keys(), "a route is missing in the table, or has gone"
    assert differences(site, published) == []


def test_a_route_that_the_guard_opens_and_the_table_does_not_is_noticed(
    guarded: Callable[..., Site], published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farebox.access.rate_limit.WRONG_PER_MINUTE", 10_000)
    monkeypatch.setattr(
        "farebox.server.api.method_routes.allowed",
        lambda door, route: frozenset(ROLES) if route == "/api/v1/summary" else allowed(door, route),
    )
    assert {route for route, _ in differences(guarded(), published)} == {"/api/v1/summary"}


def test_a_route_that_is_not_in_the_table_is_nobodys(
    guarded: Callable[..., Site], published: Published
) -> None:
    site = guarded()
    site.server.groups = (*site.server.groups, Unlisted(site.server.groups[0]._services))
    assert site.ask("/api/v1/new", {"authorization": f"Bearer {published.issue('admin')}"}).status == 403
    assert site.get("/api/v1/new").status == 403


def test_no_refusal_says_what_was_wrong_with_a_token(
    guarded: Callable[..., Site], published: Published
) -> None:
    site = guarded()
    told: dict[bool, set[tuple[int, bytes]]] = {True: set(), False: set()}
    for _, role, headers in everybody(site, published):
        if role == "nobody":
            answer = site.ask("/api/v1/summary", headers)
            told["authorization" in headers].add((answer.status, answer.body))
    assert len(told[True]) == 1
    assert len(told[False]) == 1  # a browser, which needs a link and no token


def test_a_read_token_that_expires_is_refused(
    guarded: Callable[..., Site], published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = guarded()
    headers = {"authorization": f"Bearer {published.issue('read', now_ns() + 3600 * 10**9)}"}
    assert site.ask("/api/v1/summary", headers).status == 200
    monkeypatch.setattr(tokens, "now_ns", lambda: now_ns() + 3601 * 10**9)
    assert site.ask("/api/v1/summary", headers).status == 401


def test_guesses_are_told_to_wait_and_a_good_token_and_the_owner_are_not(
    guarded: Callable[..., Site], published: Published
) -> None:
    site = guarded()
    wrong = [
        site.ask("/api/v1/summary", {"authorization": f"Bearer {new_secret('read')}"})
        for _ in range(WRONG_PER_MINUTE + 2)
    ]
    assert [answer.status for answer in wrong] == [401] * WRONG_PER_MINUTE + [429] * 2
    assert int(wrong[-1].headers["retry-after"]) >= 1
    good = {"authorization": f"Bearer {published.issue('read')}"}
    assert site.ask("/api/v1/summary", good).status == 200
    assert site.ask("/api/v1/summary", {"cookie": cookie_of(site)}).status == 200


def test_rates_hold_for_a_token_and_for_an_address(
    guarded: Callable[..., Site], published: Published
) -> None:
    by_token = guarded(rates=RequestRates(6, 0))
    first, second = ({"authorization": f"Bearer {published.issue(scope)}"} for scope in ("read", "admin"))
    assert [by_token.ask("/api/v1/summary", first).status for _ in range(2)] == [200, 429]
    assert by_token.ask("/api/v1/summary", second).status == 200
    by_address = guarded(rates=RequestRates(0, 6))
    assert [by_address.ask("/api/v1/summary", each).status for each in (first, second)] == [200, 429]


def test_a_live_stream_ends_when_its_token_is_revoked(
    guarded: Callable[..., Site], published: Published
) -> None:
    rows = day_of_calls()
    site = guarded(rows)
    secret = published.issue("read")
    headers = [(b"host", HOST.encode()), (b"authorization", f"Bearer {secret}".encode())]

    async def ask() -> tuple[bool, bytes]:
        listening = asyncio.ensure_future(ask_raw(site.app, "/api/v1/live", headers))
        ended_early = bool((await asyncio.wait((listening,), timeout=1.5))[0])
        published.current = Snapshot()
        rows.rows.append(call(99, NOW, app="of-another"))
        return ended_early, (await asyncio.wait_for(listening, 20)).body

    ended_early, sent = asyncio.run(ask())
    assert not ended_early, "the control"
    assert b"event: hello" in sent and b"event: figures" in sent
    assert b"of-another" not in sent
