"""The routes of customers' links: made, listed and revoked by owners."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from starlette.requests import Request

from farebox.config.settings import duration
from farebox.server.api.errors import ApiError, invalid_parameter
from farebox.server.api.lists.rows import Rows
from farebox.server.api.method_routes import MethodRoutes, read_struct, route
from farebox.server.api.parameters import Text
from farebox.server.api.portal_links.portal_link_views import (
    PortalLinkCreated,
    PortalLinks,
    link_address,
    link_view,
    links_view,
    portal_url,
)

LINKS = "/api/v1/portal-links"
CUSTOMER = Text(name="customer", about="Only the links of this customer.")
THIS_CUSTOMER = Text(name="customer", about="Whose links are revoked, all of them.", required=True)


class PortalLinkRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /api/v1/portal-links`."""

    customer: str
    expires: str = "30d"
    """After how long it ends: `12h`, `90d`."""


class PortalLinkRoutes(MethodRoutes):
    """Links to customers' own pages."""

    @route("GET", LINKS, CUSTOMER, rows=Rows("links", ("id",)))
    async def list_links(self, request: Request) -> PortalLinks:
        """Links to customers' own pages, the newest first. An address is shown once, when it is made."""
        return await self._listed(CUSTOMER.of(request))

    @route("POST", LINKS, body=PortalLinkRequest, refusals=("customer_not_found", "portal_off"))
    async def create(self, request: Request) -> PortalLinkCreated:
        """Make a link for a customer. Its address is in this response and nowhere else."""
        from farebox.billing.portal_links import create_link
        from farebox.snapshot import read_snapshot

        said = await read_struct(request, PortalLinkRequest)
        config = self._services.config
        base = portal_url(self._home, config) if config is not None else None
        if base is None:
            words = "There is no portal: `portal:` in farebox.yaml says where customers find it."
            raise ApiError(409, "portal_off", words)
        expires_s = _seconds(said.expires)
        if not any(each.id == said.customer for each in read_snapshot(self._home).customers):
            raise ApiError(404, "customer_not_found", f"There is no customer {said.customer[:200]!r}.")
        actor, now = self._actor(request), self._clock()
        made, secret = await asyncio.to_thread(
            lambda: create_link(
                self._home, said.customer, actor, now, expires_s=expires_s, database=self._control()
            )
        )
        return PortalLinkCreated(link=link_view(made, now), url=link_address(base, secret))

    @route("DELETE", f"{LINKS}/{{id}}", refusals=("token_not_found",))
    async def revoke(self, request: Request) -> PortalLinks:
        """Revoke a link: its next request is refused."""
        return await self._revoked(request, request.url.path.rpartition("/")[2], None)

    @route("DELETE", LINKS, THIS_CUSTOMER)
    async def revoke_all(self, request: Request) -> PortalLinks:
        """Revoke every link of a customer. All of the customer's links are shown."""
        return await self._revoked(request, None, THIS_CUSTOMER.needed(request))

    async def _revoked(self, request: Request, id: str | None, customer: str | None) -> PortalLinks:
        from farebox.billing.portal_links import known_links, revoke_links

        actor, now = self._actor(request), self._clock()
        if id is not None:
            known = await asyncio.to_thread(lambda: known_links(self._home, database=self._control()))
            if not any(each.id == id for each in known):
                raise ApiError(404, "token_not_found", "There is no link with this id.")
        await asyncio.to_thread(
            lambda: revoke_links(self._home, actor, now, id=id, customer=customer, database=self._control())
        )
        return await self._listed(customer)

    async def _listed(self, customer: str | None) -> PortalLinks:
        from farebox.billing.portal_links import known_links

        found = await asyncio.to_thread(lambda: known_links(self._home, customer, self._control()))
        return links_view(found, self._clock())


def _seconds(text: str) -> int:
    from farebox.billing.portal_links import EXPIRES_MAX_S

    try:
        return duration(60, EXPIRES_MAX_S)(text, Path())
    except ValueError as error:
        raise invalid_parameter("expires", text, [str(error)]) from None
