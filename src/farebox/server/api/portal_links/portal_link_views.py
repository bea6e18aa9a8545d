"""Customers' links as API v1 and `farebox portal --json` show them, and the addresses they lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from farebox.clock import iso
from farebox.control.token_changes import state_of
from farebox.server.api.status.status import url_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from farebox.config import Config
    from farebox.control.tokens import Token
    from farebox.home import Home


class PortalLink(msgspec.Struct, kw_only=True):
    """A link to a customer's own pages. Its secret was shown once."""

    id: str
    customer: str
    state: str
    """`active`, `expired` or `revoked`."""
    created_at: str
    expires_at: str
    revoked_at: str | None
    last_used_at: str | None
    """Up to a minute late; null for one that never was."""


class PortalLinks(msgspec.Struct, kw_only=True):
    """`/api/v1/portal-links`: the newest first."""

    links: list[PortalLink]


class PortalLinkCreated(msgspec.Struct, kw_only=True):
    """`POST /api/v1/portal-links`: the address is in no other response."""

    link: PortalLink
    url: str
    """What to give to the customer: whoever has it sees the customer's pages."""


def link_view(token: Token, now_ns: int) -> PortalLink:
    """Return a link as it is shown."""
    return PortalLink(
        id=token.id,
        customer=token.binding.get("customer", ""),
        state=state_of(token, now_ns),
        created_at=iso(token.created_at),
        expires_at=iso(token.expires_at or 0),
        revoked_at=None if token.revoked_at is None else iso(token.revoked_at),
        last_used_at=None if token.last_used_at is None else iso(token.last_used_at),
    )


def links_view(tokens: Sequence[Token], now_ns: int) -> PortalLinks:
    """Return links as they are shown."""
    return PortalLinks(links=[link_view(each, now_ns) for each in tokens])


def portal_url(home: Home, config: Config) -> str | None:
    """Return where customers find the portal: what the file says, or where it listens now; None where neither
    is known."""
    portal = config.portal
    if portal is None:
        return None
    if portal.public_url is not None:
        return portal.public_url
    return url_of(home, "portal") or (f"http://{portal.listen}" if portal.listen.port else None)


def link_address(base: str, secret: str) -> str:
    """Return a link: what is behind `#` is sent to nobody, and is in no log and no `Referer`."""
    return f"{base}/#{secret}"
