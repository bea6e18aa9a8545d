"""Who a call belongs to, where the request's body does not say it: labels of the process, the
SDK's retry count, and a fingerprint of the API key.

The key itself lives only in the bytes that pass; nothing here keeps or returns more than its hash.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from farebox.wire.http_policy import Headers

LABELS = ("app", "session", "customer", "user", "agent", "task", "project")
"""`FAREBOX_APP`, `FAREBOX_SESSION` … name the program that a private proxy serves."""

_VALUE_MAX = 256
_RETRY_COUNT = b"x-stainless-retry-count"


def labels_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the attribution that `FAREBOX_*` variables give to every call of one program."""
    found: dict[str, str] = {}
    for label in LABELS:
        value = environment.get(f"FAREBOX_{label.upper()}", "").strip()
        if value:
            found[label] = value[:_VALUE_MAX]
    return found


def retry_count(headers: Headers) -> int:
    """Return the SDK's own retry count, 0 where it says none."""
    for name, value in headers:
        if name == _RETRY_COUNT:
            return int(value) if value.isdigit() and len(value) <= 3 else 0
    return 0


def find_key(
    headers: Headers, query: bytes | None, key_headers: frozenset[bytes], key_query: frozenset[bytes]
) -> bytes | None:
    """Return the API key a request carries: `Bearer x`, `x` and `?key=x` are the same key."""
    for name, value in headers:
        if name in key_headers and value:
            scheme, space, rest = value.strip().partition(b" ")
            return (rest if space else scheme).strip() or None
    if query and key_query:
        for pair in query.split(b"&"):
            name, _, value = pair.partition(b"=")
            if name in key_query and value:
                return unquote_to_bytes(value)
    return None


def fingerprint(secret: bytes, provider: bytes, key: bytes) -> str:
    """Return 16 hex digits of HMAC-SHA-256(install secret, provider ‖ key).

    Equal keys look equal, and nobody without the secret can test a guess. It costs about a
    microsecond, less than a cache that would not keep the keys themselves.
    """
    return hmac.digest(secret, provider + b"\0" + key, "sha256")[:8].hex()
