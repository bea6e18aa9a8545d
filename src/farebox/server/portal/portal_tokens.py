"""The tokens that the portal knows: those of customers' links. No other token is anything there."""

from __future__ import annotations

from farebox.access.tokens import PublishedTokens
from farebox.snapshot import PublishedToken, SnapshotReader

SCOPE = "portal"
CUSTOMER = "customer"


class PortalTokens(PublishedTokens):
    """Links' tokens, by the snapshot as it is at each request: a link that was revoked opens nothing more."""

    __slots__ = ("_reader",)

    def __init__(self, published: SnapshotReader) -> None:
        super().__init__(published)
        self._reader = published

    def by_hash(self, digest: str) -> PublishedToken | None:
        """Return the token with this hash; None for one that is unknown, revoked, expired or no link's."""
        self._reader.renew()
        token = super().by_hash(digest)
        is_link = token is not None and token.scope == SCOPE and bool(token.binding.get(CUSTOMER))
        return token if is_link else None
