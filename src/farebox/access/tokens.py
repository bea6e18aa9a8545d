"""Tokens as they are shown to us: their form, their hashes, and which published one a secret is.

A secret is compared by looking up its SHA-256: how long that takes says nothing about any other secret.
Expiry is looked at with every request, and a revoked token is gone from the snapshot within seconds.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING

from farebox.clock import now_ns

if TYPE_CHECKING:
    from farebox.access.roles import Scope
    from farebox.snapshot import PublishedToken, Snapshot, SnapshotReader

HEADER = b"x-farebox-token"
"""Where an HTTP client puts its token; never forwarded."""

SECRET_BYTES = 32
_FORM = re.compile(rb"fbx_(?:ingest|read|admin|client|portal)_[A-Za-z0-9_-]{43}")


def new_secret(scope: Scope) -> str:
    """Return a new token: `fbx_<scope>_` and 256 random bits."""
    return f"fbx_{scope}_{secrets.token_urlsafe(SECRET_BYTES)}"


def hash_of(secret: bytes) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(secret).hexdigest()


def looks_like_one(text: bytes) -> bool:
    """Return whether a text has the form of a token."""
    return _FORM.fullmatch(text) is not None


def from_basic(authorization: bytes) -> bytes | None:
    """Return the token in `Basic` or `Bearer` credentials, None where there is none in them.

    In `Basic`, user or password may be it: `https_proxy=https://TOKEN@host` has it as the user.
    """
    scheme, _, said = authorization.partition(b" ")
    said = said.strip()
    if scheme.lower() == b"bearer":
        return said if looks_like_one(said) else None
    if scheme.lower() != b"basic":
        return None
    try:
        user, _, password = base64.b64decode(said, validate=True).partition(b":")
    except (ValueError, binascii.Error):
        return None
    return next((part for part in (password, user) if looks_like_one(part)), None)


def owner_token(install_secret: bytes) -> str:
    """Return what a command of this machine's owner shows to a process of the same state directory.

    Whoever can read the installation's secret file is its owner.
    """
    return f"fbx_owner_{hmac.digest(install_secret, b'farebox owner', 'sha256').hex()}"


class PublishedTokens:
    """The tokens of the snapshot in force."""

    __slots__ = ("_published",)

    def __init__(self, published: SnapshotReader) -> None:
        self._published = published

    @property
    def snapshot(self) -> Snapshot:
        """The state in force; a new object after every change."""
        return self._published.current

    def find(self, secret: bytes) -> PublishedToken | None:
        """Return the token whose secret this is, None for one that is unknown, revoked or expired."""
        return self.by_hash(hash_of(secret)) if len(secret) <= 256 else None

    def by_hash(self, digest: str) -> PublishedToken | None:
        """Return the token with this hash, likewise."""
        token = self._published.current.tokens.get(digest)
        return token if token is not None and not is_expired(token) else None


def is_expired(token: PublishedToken) -> bool:
    return token.expires_at is not None and now_ns() >= token.expires_at
