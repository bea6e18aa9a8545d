"""The portal: customers' own pages, on a listener and an origin of their own.

Its routes are these and no others: nothing of the dashboard or its API is here, and what opens one opens
nothing of the other. The link's secret comes in `Authorization` alone; the page has it from the address's
fragment, which browsers send to nobody.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from farebox.access.client_address import ReverseProxies
from farebox.access.public_names import Names
from farebox.access.rate_limit import RequestRates
from farebox.access.roles import Allowed, allowed
from farebox.config.configuration import PortalConfig
from farebox.errors import FareboxError
from farebox.server.access import pages
from farebox.server.access.guard import App, Guard, Kind, Receive, Scope, Send, Visitors
from farebox.server.access.sessions import Sessions
from farebox.server.api.errors import STATUS_OF, ApiError
from farebox.server.api.responses import error_response, respond, serve_lifespan, unless_gone
from farebox.server.api.services import Services
from farebox.server.assets import Assets, asset_response
from farebox.server.portal.portal_routes import PortalRoutes
from farebox.server.portal.portal_tokens import PortalTokens
from farebox.snapshot import SnapshotReader

FOLDER = "portal/"
"""Where the portal's page and its files lie in the built dashboard."""
PAGE, ASSET = "/", "/{asset}"
REQUESTS_PER_MINUTE = 600
"""Of one link, and of one address: a page that is opened makes a dozen. Less where `limits:` says less."""


class PortalServer:
    """The portal's page, its files and its routes."""

    def __init__(
        self, services: Services, portal: PortalConfig, tokens: PortalTokens, assets: Assets
    ) -> None:
        self._assets = assets
        self.group = PortalRoutes(services, portal, tokens)

    def route_of(self, path: str) -> tuple[Kind, dict[str, Allowed]] | None:
        """Return the kind of a known path and the roles that may use each of its methods."""
        name = self.group.name_of(path)
        if name is not None:
            return Kind.API, self.group.methods_of(name)
        if path == PAGE:
            kind, name = Kind.PAGE, PAGE
        elif path != "/index.html" and self._assets.etag(path[1:]) is not None:
            kind, name = Kind.ASSET, ASSET
        else:
            return None
        may = allowed("portal", name)
        return kind, {"GET": may, "HEAD": may}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request that the guard let through."""
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send, self.close)
            return
        await respond(scope, receive, send, lambda: self._respond(scope, receive), told)

    def close(self) -> None:
        """Take no more work."""
        self.group.close()

    async def _respond(self, scope: Scope, receive: Receive) -> Response | None:
        request = Request(scope, receive)
        name = self.group.name_of(scope["path"])
        if name is not None:
            return await unless_gone(self.group.handle(request, name), receive)
        if scope["path"] != PAGE:
            return asset_response(self._assets, scope["path"][1:], request)
        self._assets.refresh()
        if self._assets.etag("index.html") is None:
            return _page(pages.not_built(), 503)
        headers = {"cache-control": "no-store"}
        return Response(self._assets.read("index.html"), media_type="text/html", headers=headers)


def build_portal(
    services: Services,
    portal: PortalConfig,
    names: Names,
    published: SnapshotReader,
    *,
    rates: RequestRates | None = None,
    behind: ReverseProxies | None = None,
    used: Callable[[str], None] = lambda _: None,
    assets: Assets | None = None,
) -> tuple[PortalServer, Guard]:
    """Return the portal and the guarded ASGI application around it."""
    tokens = PortalTokens(published)
    server = PortalServer(services, portal, tokens, Assets(below=FOLDER) if assets is None else assets)
    guard = Guard(
        server,
        visitors=Visitors(
            hosts=names.hosts,
            origins=names.origins,
            tokens=tokens,
            rates=rates or RequestRates(),
            behind=behind or ReverseProxies(()),
            used=used,
        ),
        cookie_name="",
        sessions=Sessions(secrets.token_urlsafe(32)),  # nobody has it: the owner's session is none here
        route_of=server.route_of,
        refuse=_refuse,
        clock=lambda: services.clock() / 10**9,
        frame_ancestors=portal.frame_ancestors,
    )
    return server, guard


def told(error: FareboxError) -> ApiError:
    """Return what a customer learns of a failure of ours: our own words may name other customers, or places
    of this machine."""
    status = STATUS_OF.get(error.code, 500)
    if error.code == "not_installed":
        return ApiError(501, error.code, "This form of the document is not available here.")
    if status in (500, 503):
        return ApiError(
            503, "question_failed", "Figures are not available now. Please try again in a moment."
        )
    return ApiError(status, error.code, "There is nothing like that here.")


def _refuse(error: ApiError, kind: Kind) -> App:
    if kind is Kind.PAGE:
        return _page(pages.refused(error.body.message), error.status)
    if error.status == 401:
        words = "This link is not in force: it has ended or was revoked. Ask whoever sent it for a new one."
        return error_response(ApiError(401, error.body.code, words))
    return error_response(error)


def _page(content: bytes, status_code: int) -> Response:
    headers = {"content-security-policy": pages.POLICY, "cache-control": "no-store"}
    return Response(content, status_code, media_type="text/html", headers=headers)
