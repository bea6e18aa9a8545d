"""Who a call belongs to, where the request's body does not say it: labels of the process, the
SDK's retry count, and a fingerprint of the API key.

The key itself lives only in the bytes that pass; nothing here keeps or returns more than its hash.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from hashlib import blake2b
from urllib.parse import unquote_to_bytes

LABELS = ("app", "session", "customer", "user", "agent", "task", "project")
"""`FAREBOX_APP`, `FAREBOX_SESSION` … name the program that a private proxy serves."""

_VALUE_MAX = 256
_REMEMBERED = 4096
_RETRY_COUNT = b"x-stainless-retry-count"


def labels_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the attribution that `FAREBOX_*` variables give to every call of one program."""
    found: dict[str, str] = {}
    for label in LABELS:
        value = environment.get(f"FAREBOX_{label.upper()}", "").strip()
        if value:
            found[label] = value[:_VALUE_MAX]
    return found


def retry_count(fields: Mapping[bytes, bytes]) -> int:
    """Return the SDK's own retry count, 0 where it says none."""
    value = fields.get(_RETRY_COUNT, b"0")
    return int(value) if value.isdigit() and len(value) <= 3 else 0


def find_key(
    fields: Mapping[bytes, bytes],
    query: bytes | None,
    key_headers: tuple[bytes, ...],
    key_query: frozenset[bytes],
) -> bytes | None:
    """Return the API key a request carries: `Bearer x`, `x` and `?key=x` are the same key."""
    for name in key_headers:
        value = fields.get(name)
        if value:
            scheme, space, rest = value.strip().partition(b" ")
            return (rest if space else scheme).strip() or None
    if query and key_query:
        for pair in query.split(b"&"):
            name, _, value = pair.partition(b"=")
            if name in key_query and value:
                return unquote_to_bytes(value)
    return None


class Fingerprints:
    """Keyed hashes of API keys: equal keys look equal, and nobody without the secret can test a guess.

    HMAC costs several microseconds, so results are remembered by a cheaper keyed hash. The keys
    themselves are kept nowhere.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._passing = os.urandom(32)
        self._known: dict[bytes, str] = {}

    def of(self, provider: bytes, key: bytes) -> str:
        """Return 16 hex digits of HMAC-SHA-256(install secret, provider ‖ key)."""
        named = provider + b"\0" + key
        cheap = blake2b(named, key=self._passing, digest_size=16).digest()
        found = self._known.get(cheap)
        if found is None:
            found = hmac.digest(self._secret, named, "sha256")[:8].hex()
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[cheap] = found
        return found
