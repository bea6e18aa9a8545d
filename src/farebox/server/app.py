"""The application: its pages and files, and the groups of routes of the API.

A path that none of them has does not exist. Who may ask for it is in `farebox.access.roles`, and a path
that is missing there is refused: tests walk both with every role.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from farebox.access.roles import Allowed, allowed
from farebox.clock import now_ns
from farebox.config import Config
from farebox.home import Home
from farebox.ingest.intake import Intake
from farebox.pricing.price_copy import PriceCopy
from farebox.server.access import links, pages
from farebox.server.access.guard import App, Guard, Kind, Receive, Scope, Send, Visitors
from farebox.server.access.sessions import SESSION_SECONDS, Sessions
from farebox.server.api.errors import ApiError
from farebox.server.api.method_routes import MethodRoutes
from farebox.server.api.queries import Ledger
from farebox.server.api.responses import error_response, respond, serve_lifespan, unless_gone
from farebox.server.api.route_groups import GROUPS
from farebox.server.api.services import Services, Typed, plainly
from farebox.server.assets import Assets, asset_response
from farebox.server.collector.door import EVENTS, CollectorDoor
from farebox.server.screens import SCREENS

ASSET = "/{asset}"
SCREEN = "/{screen}"

Answer = Callable[[Request], Coroutine[Any, Any, Response]]


class Server:
    """Everything the routes need, and the routes."""

    def __init__(
        self,
        home: Home,
        ledger: Ledger,
        sessions: Sessions,
        cookie_name: str,
        assets: Assets,
        clock: Callable[[], int] = now_ns,
        typed: Typed = plainly,
        key_labels: Callable[[], dict[str, str]] = dict,
        secure_hosts: frozenset[str] = frozenset(),
        way_in: str = "farebox open",
        collector: CollectorDoor | None = None,
        prices: Callable[[], PriceCopy] = PriceCopy,
        config: Config | None = None,
    ) -> None:
        """`way_in` is the command that strangers are told of; `secure_hosts` are `Host` values that browsers
        reach by HTTPS, though it does not end here."""
        self._home = home
        self._secure_hosts = secure_hosts
        self._way_in = way_in
        self._ledger = ledger
        self._sessions = sessions
        self._cookie_name = cookie_name
        self._assets = assets
        self._collector = collector
        self.services = services = Services(
            home, ledger, clock, typed, key_labels, prices, config, _description
        )
        self.pulse = services.pulse
        self.groups: tuple[MethodRoutes, ...] = tuple(group(services) for group in GROUPS)
        self.routes: dict[str, tuple[Kind, Answer]] = {
            "/": (Kind.PAGE, self.index),  # shows how to sign in, until signed in
            SCREEN: (Kind.PAGE, self.index),
            ASSET: (Kind.ASSET, self.asset),
        }

    def _close(self) -> None:
        for group in self.groups:
            group.close()
        self._ledger.close()

    def route_of(self, path: str) -> tuple[Kind, dict[str, Allowed]] | None:
        """Return the kind of a known path and the roles that may use each of its methods."""
        found = self._collector.route_of(path) if self._collector is not None else None
        if found is not None:
            return found
        grouped = self._grouped(path)
        if grouped is not None:
            group, route = grouped
            return Kind.API, group.methods_of(route)
        name = self._route_name(path)
        if name is None:
            return None
        may = allowed("api", name)
        return self.routes[name][0], {"GET": may, "HEAD": may}

    def _grouped(self, path: str) -> tuple[MethodRoutes, str] | None:
        """Return the group of routes that a path is in, and its route there."""
        found = ((group, group.name_of(path)) for group in self.groups)
        return next(((group, name) for group, name in found if name is not None), None)

    def _route_name(self, path: str) -> str | None:
        if path in self.routes and "{" not in path:
            return path
        if path in SCREENS:
            return SCREEN
        if self._assets.etag(path[1:]) is not None and path not in ("/index.html", "/build.json"):
            return ASSET
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request that the guard let through."""
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send, self._close)
            return
        if self._collector is not None and self._collector.route_of(scope["path"]) is not None:
            await self._collector(scope, receive, send)
            return
        await respond(scope, receive, send, lambda: self._respond(scope, receive))

    async def _respond(self, scope: Scope, receive: Receive) -> Response | None:
        """Return the response; None for a client that has gone before it. A change is made all the same."""
        request = Request(scope, receive)
        grouped = self._grouped(scope["path"])
        if grouped is None:
            name = self._route_name(scope["path"])
            assert name is not None, "the guard lets only known paths through"  # noqa: S101 - an invariant
            return await unless_gone(self.routes[name][1](request), receive)
        group, name = grouped
        answering = group.handle(request, name)
        return await (unless_gone(answering, receive) if request.method in ("GET", "HEAD") else answering)

    # Pages

    async def index(self, request: Request) -> Response:
        code = request.query_params.get("link")
        signed_in = request.state.role in allowed("api", ASSET)  # what may load the page's own files
        if code is not None and request.method == "GET" and not _is_prefetch(request):
            if links.redeem(self._home, code, time.time()):
                return self._signed_in(request)
            if signed_in:
                return RedirectResponse(request.url.path, 303)
            return _page(pages.link_is_spent(self._way_in), 401)
        if not signed_in:
            return _page(pages.sign_in(self._way_in), 401)
        self._assets.refresh()
        if self._assets.stamp is None:
            return _page(pages.not_built(), 503)
        return Response(
            self._assets.read("index.html"),
            media_type="text/html",
            headers={"cache-control": "no-store"},
        )

    def _signed_in(self, request: Request) -> Response:
        response = RedirectResponse(request.url.path, 303, headers={"cache-control": "no-store"})
        response.set_cookie(
            self._cookie_name,
            self._sessions.issue(int(time.time())),
            max_age=SESSION_SECONDS,
            secure=request.url.scheme == "https" or request.headers["host"] in self._secure_hosts,
            httponly=True,
            samesite="strict",
            path="/",
        )
        return response

    async def asset(self, request: Request) -> Response:
        return asset_response(self._assets, request.url.path[1:], request)


def build(
    home: Home,
    ledger: Ledger,
    sessions: Sessions,
    *,
    visitors: Visitors,
    port: int,
    assets: Assets | None = None,
    clock: Callable[[], int] = now_ns,
    typed: Typed = plainly,
    key_labels: Callable[[], dict[str, str]] = dict,
    secure_hosts: frozenset[str] = frozenset(),
    way_in: str = "",
    intake: Intake | None = None,
    prices: Callable[[], PriceCopy] = PriceCopy,
    config: Config | None = None,
) -> tuple[Server, Guard]:
    """Return the server and the guarded ASGI application around it."""
    cookie_name = f"farebox_{port}"  # cookies know no ports, and two Fareboxes may run
    files = Assets() if assets is None else assets
    way_in = way_in or typed("open")
    collector = CollectorDoor(intake, visitors.tokens) if intake is not None else None
    server = Server(
        home,
        ledger,
        sessions,
        cookie_name,
        files,
        clock,
        typed,
        key_labels,
        secure_hosts,
        way_in,
        collector,
        prices,
        config,
    )
    guard = Guard(
        server,
        visitors=visitors,
        cookie_name=cookie_name,
        sessions=sessions,
        route_of=server.route_of,
        refuse=_refuse,
        clock=lambda: clock() / 10**9,
        way_in=way_in,
        sockets=frozenset((EVENTS,)) if collector is not None else frozenset(),
    )
    return server, guard


def _description() -> bytes:
    from farebox.server.api.openapi.document import openapi_document  # it loads what bills, which few ask for

    return openapi_document()


def _refuse(error: ApiError, kind: Kind) -> App:
    if kind is Kind.PAGE:
        return _page(pages.refused(error.body.message), error.status)
    return error_response(error)


def _page(content: bytes, status_code: int) -> Response:
    headers = {"content-security-policy": pages.POLICY, "cache-control": "no-store"}
    return Response(content, status_code, media_type="text/html", headers=headers)


def _is_prefetch(request: Request) -> bool:
    return "prefetch" in request.headers.get("sec-purpose", request.headers.get("purpose", ""))
