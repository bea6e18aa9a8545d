"""The checks that every request passes before it is handled.

Order: Host allow-list, known route (default deny), origin, credentials, role. A web page, another
local user or a network neighbour gets a 4xx and no data. Nothing here reads the ledger.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from enum import IntEnum
from typing import Any, cast

import msgspec

from farebox.access.client_address import ReverseProxies, rate_key
from farebox.access.rate_limit import RequestRates, wrong_tokens
from farebox.access.roles import Allowed, Role
from farebox.access.tokens import PublishedTokens, hash_of
from farebox.server.access.sessions import Sessions
from farebox.server.api.errors import ApiError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Kind(IntEnum):
    """What a route serves: decides the form of a refusal and which origins may link to it."""

    API = 0
    PAGE = 1
    ASSET = 2
    EVENTS = 3
    """For programs that have a token, whatever a browser shows."""


Headers = tuple[tuple[bytes, bytes], ...]


def security_headers(frame_ancestors: Sequence[str] = ()) -> Headers:
    """Return what every response says to browsers; `frame_ancestors` are origins that may frame a page.

    `X-Frame-Options` knows no origins, so it is left out where there are some.
    """
    ancestors = " ".join(frame_ancestors).encode("ascii") or b"'none'"
    return (
        (
            b"content-security-policy",
            b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            b"font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors "
            + ancestors,
        ),
        (b"x-content-type-options", b"nosniff"),
        *(() if frame_ancestors else ((b"x-frame-options", b"DENY"),)),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    )


SECURITY_HEADERS = security_headers()


class Visitors(msgspec.Struct, frozen=True, kw_only=True):
    """Who may come: names that mean us, tokens, and how many requests a minute."""

    hosts: frozenset[bytes]
    """The exact `Host` values."""
    origins: frozenset[bytes]
    """Those of our own pages."""
    tokens: PublishedTokens | None = None
    rates: RequestRates = msgspec.field(default_factory=RequestRates)
    behind: ReverseProxies = msgspec.field(default_factory=ReverseProxies)
    used: Callable[[str], None] = lambda _: None
    """Told the id of each token that was let in."""


class Guard:
    """ASGI middleware. `route_of` says of a path its kind and, for each method, the roles that may use it."""

    def __init__(
        self,
        app: App,
        *,
        visitors: Visitors,
        cookie_name: str,
        sessions: Sessions,
        route_of: Callable[[str], tuple[Kind, dict[str, Allowed]] | None],
        refuse: Callable[[ApiError, Kind], App],
        clock: Callable[[], float] = time.time,
        way_in: str = "farebox open",
        sockets: frozenset[str] = frozenset(),
        frame_ancestors: Sequence[str] = (),
    ) -> None:
        """`sockets` are the paths of WebSockets; their handshake is a GET. Pages of `frame_ancestors` may
        show ours in a frame: which of them does is for the browser to check."""
        self._app = app
        self._sockets = sockets
        self._visitors = visitors
        self._wrong = wrong_tokens()
        self._cookie_name = cookie_name
        self._sessions = sessions
        self._route_of = route_of
        self._refuse = refuse
        self._clock = clock
        self._way_in = way_in
        self._headers = security_headers(frame_ancestors)
        self._shown_in = (b"document", b"iframe") if frame_ancestors else (b"document",)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http" and scope["path"] not in self._sockets:  # none is served, from any origin
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        answer = self._app
        try:
            scope["state"]["role"] = role = self._admit(scope)
            # For a response that goes on: a token may be revoked, a session end meanwhile.
            scope["state"]["may_stay"] = lambda: self._who(scope["headers"])[0] == role
            # For what comes as messages: each is a request.
            scope["state"]["wait_s"] = lambda: self._wait_s(scope)
        except ApiError as error:
            known = self._route_of(scope["path"])
            answer = self._refuse(error, known[0] if known else Kind.API)
        await answer(scope, receive, _with_headers(send, self._headers))

    def _admit(self, scope: Scope) -> Role:
        """Return the role of the request's sender, or raise the refusal."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._check_host(headers)
        route = self._route_of(scope["path"])
        role = self._role(scope, headers)
        if route is None:
            if role == "nobody":
                raise unauthenticated(self._way_in, scope["headers"])
            raise ApiError(404, "route_not_found", "There is nothing at this address.")
        kind, methods = route
        self._check_origin(headers, kind, scope["method"])
        if scope["method"] not in methods:
            if role == "nobody" and not any(role in may for may in methods.values()):
                raise unauthenticated(self._way_in, scope["headers"], kind)
            raise ApiError(
                405, "method_not_allowed", "This address allows other methods.", {"allowed": sorted(methods)}
            )
        if role not in methods[scope["method"]]:
            raise (
                unauthenticated(self._way_in, scope["headers"], kind)
                if role == "nobody"
                else ApiError(403, "role_not_allowed", "This token is for something else.")
            )
        return role

    def _check_host(self, headers: list[tuple[bytes, bytes]]) -> None:
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1:
            raise ApiError(400, "host_missing", "A request names exactly one host.")
        if hosts[0] not in self._visitors.hosts:
            # DNS rebinding: another site's name that points at this machine.
            raise ApiError(421, "host_not_allowed", "This server does not serve that host name.")

    def _check_origin(self, headers: list[tuple[bytes, bytes]], kind: Kind, method: str) -> None:
        """Refuse what another origin's page caused, following a link to a page excepted."""
        found = {name: value for name, value in headers if name in _ORIGIN_HEADERS}
        origin = found.get(b"origin")
        site = found.get(b"sec-fetch-site", b"none")
        followed_link = (
            kind is Kind.PAGE
            and method == "GET"
            and found.get(b"sec-fetch-mode") == b"navigate"
            and found.get(b"sec-fetch-dest") in self._shown_in
        )
        if origin is not None and origin not in self._visitors.origins:
            raise foreign_origin()
        if site not in (b"none", b"same-origin") and not followed_link:
            raise foreign_origin()

    def _role(self, scope: Scope, headers: list[tuple[bytes, bytes]]) -> Role:
        """Return the role of whoever has sent the request, or raise that there are too many."""
        address = self._address(scope, headers)
        now = time.monotonic()
        role, digest = self._who(headers)
        rates = self._visitors.rates
        wait_s = rates.wait_s(digest, address, now)
        if not wait_s and role == "nobody" and any(name == b"authorization" for name, _ in headers):
            wait_s = self._wrong.take(address, now)
        if wait_s:
            raise too_many(wait_s)
        rates.count(digest, address, now)
        scope["state"]["token_digest"] = digest
        return role

    def _wait_s(self, scope: Scope) -> float:
        """Count a message of a sender that was let in; return by how many seconds it is too early, or 0."""
        address, digest = self._address(scope, scope["headers"]), scope["state"]["token_digest"]
        now = time.monotonic()
        wait_s = self._visitors.rates.wait_s(digest, address, now)
        if not wait_s:
            self._visitors.rates.count(digest, address, now)
        return wait_s

    def _who(self, headers: list[tuple[bytes, bytes]]) -> tuple[Role, str]:
        """Return the role that a request's headers give now, and what its token is counted under."""
        shown = [value for name, value in headers if name == b"authorization"]
        role, digest = self._role_of_token(shown[0]) if len(shown) == 1 else ("nobody", "")
        cookies = (value for name, value in headers if name == b"cookie")
        if role == "nobody" and any(map(self._has_session, cookies)):
            role = "admin"
        return role, digest

    def _role_of_token(self, authorization: bytes) -> tuple[Role, str]:
        """Return the role that credentials give, and what their requests are counted under."""
        if self._sessions.bearer_is_valid(authorization):
            return "admin", ""
        scheme, _, secret = authorization.partition(b" ")
        tokens = self._visitors.tokens
        token = tokens.find(secret.strip()) if tokens is not None and scheme.lower() == b"bearer" else None
        if token is None:
            return "nobody", ""
        self._visitors.used(token.id)
        return cast("Role", token.scope), hash_of(secret.strip())

    def _address(self, scope: Scope, headers: list[tuple[bytes, bytes]]) -> str:
        peer = scope.get("client")
        return rate_key(self._visitors.behind.client_of(peer[0] if peer else "", headers))

    def _has_session(self, header: bytes) -> bool:
        # Every local app's cookies come along, whatever their port, and some are in no RFC's form:
        # one of them must not hide ours, nor one of our name that another app set.
        for pair in header.decode("latin-1").split(";"):
            name, _, value = pair.partition("=")
            if name.strip(" \t") == self._cookie_name and self._sessions.cookie_is_valid(
                value.strip(" \t"), int(self._clock())
            ):
                return True
        return False


_ORIGIN_HEADERS = frozenset({b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest"})


def unauthenticated(way_in: str, headers: list[tuple[bytes, bytes]], kind: Kind = Kind.API) -> ApiError:
    if any(name == b"authorization" for name, _ in headers):  # a program: it has no use for a link
        return ApiError(401, "unauthenticated", "This token is unknown, or no longer in force.")
    if kind is Kind.EVENTS:
        message = "Events need a token: farebox tokens create NAME --scope ingest"
        return ApiError(401, "unauthenticated", message)
    names = {name for name, _ in headers}
    if b"cookie" not in names and not names & _ORIGIN_HEADERS:  # a program, which never had a session
        message = (
            "A token is needed: farebox tokens create NAME --scope read makes one, to be sent as "
            f"Authorization: Bearer TOKEN. For a link for a browser, type: {way_in}"
        )
        return ApiError(401, "unauthenticated", message)
    return ApiError(401, "unauthenticated", f"Your session has ended. Type this for a new link: {way_in}")


def too_many(wait_s: float) -> ApiError:
    seconds = math.ceil(wait_s)
    message = f"Too many requests; the next one may come in {seconds} s."
    return ApiError(429, "rate_limited", message, {"retry_after_s": seconds})


def foreign_origin() -> ApiError:
    return ApiError(403, "foreign_origin", "Another site's page caused this request.")


def _with_headers(send: Send, headers: Headers) -> Send:
    async def send_guarded(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *(header for header in headers if header[0] not in given),
            ]
        await send(message)

    return send_guarded
