"""Who a call belongs to, where the request's body does not say it: labels of the environment, the
SDK's retry count, headers of ours and of others, and a fingerprint of the API key.

The key itself lives only in the bytes that pass; nothing here keeps or returns more than its hash.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from farebox.snapshot import SnapshotReader
from farebox.wire.attribution import Found, names_of
from farebox.wire.keys import without_keys

if TYPE_CHECKING:
    from farebox.catalog import Provider
    from farebox.catalog.shape import Vendor
    from farebox.config import KeyConfig
    from farebox.recording.attribution_merge import Attribution
    from farebox.snapshot import PublishedToken
    from farebox.wire.http.request_policy import Headers, RequestHead

LABELS = ("app", "session", "customer", "user", "agent", "task", "project")
"""`FAREBOX_APP`, `FAREBOX_SESSION` … name the program that a private proxy serves."""

_VALUE_MAX = 256
_REMEMBERED = 4096
_OF_NO_INTEREST = frozenset(
    (
        b"host",
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"authorization",
        b"connection",
        b"content-length",
        b"user-agent",
        b"x-api-key",
    )
)
RETRY_COUNT = b"x-stainless-retry-count"
_SIGNED, _CREDENTIAL = b"AWS4-", b"Credential="
"""`AWS4-HMAC-SHA256 Credential=ID/DATE/REGION/SERVICE/aws4_request, SignedHeaders=…, Signature=…`
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html"""


def labels_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the attribution that `FAREBOX_*` variables give to every call of one program."""
    found: dict[str, str] = {}
    for label in LABELS:
        value = environment.get(f"FAREBOX_{label.upper()}", "").strip()
        if value:
            found[label] = without_keys(value)[:_VALUE_MAX]
    return found


def retry_count(fields: Mapping[bytes, bytes]) -> int:
    """Return the SDK's own retry count, 0 where it says none."""
    value = fields.get(RETRY_COUNT, b"0")
    return int(value) if value.isdigit() and len(value) <= 3 else 0


def find_key(
    fields: Mapping[bytes, bytes],
    query: bytes | None,
    key_headers: tuple[bytes, ...],
    key_query: frozenset[bytes],
) -> bytes | None:
    """Return the API key a request carries: `Bearer x`, `x` and `?key=x` are the same key.

    Of a request that AWS's key has signed it is that key's id: the signature is another each second.
    """
    for name in key_headers:
        value = fields.get(name)
        if value:
            scheme, space, rest = value.strip().partition(b" ")
            if scheme.startswith(_SIGNED):
                rest = _access_key(rest)
            return (rest if space else scheme).strip() or None
    if query and key_query:
        for pair in query.split(b"&"):
            name, _, value = pair.partition(b"=")
            if name in key_query and value:
                return unquote_to_bytes(value)
    return None


def _access_key(signed: bytes) -> bytes:
    """Return the id of the key that signed a request; everything where it is not found."""
    _, found, credential = signed.partition(_CREDENTIAL)
    return credential.partition(b"/")[0] if found else signed


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


class Callers(Fingerprints):
    """Tells from a request's head whose call it is: by its key, and by what its headers say."""

    def __init__(
        self,
        secret: bytes,
        vendors: Sequence[Vendor] = (),
        keys: Mapping[str, KeyConfig] | None = None,
        published: SnapshotReader | None = None,
    ) -> None:
        super().__init__(secret)
        self._names = names_of(vendors)
        self.keys = dict(keys or {})
        """What the configuration says of keys, by fingerprint."""
        self.published = published or SnapshotReader(None)
        """What commands say of them, now."""

    def read(
        self, headers: Headers, fingerprint: str | None, token: PublishedToken | None = None
    ) -> Attribution:
        """Return what a head says: what its token is bound to above all, then what its key is."""
        found = Found()
        if token is not None:
            for name, value in token.binding.items():
                found.note(name, value, f"token:{token.id}")
        bound = None
        if fingerprint is not None:
            bound = self.keys.get(fingerprint) or self.published.current.key(fingerprint)
        if bound is not None:
            for name, value in bound.attribution().items():
                found.note(name, value, f"key:{fingerprint}")
        self._names.of_headers(headers, found, self._hashed)
        return found.attribution, found.sources

    def strip(self, request: RequestHead, provider: Provider, host: str) -> None:
        """Take out of a request what is some vendor's own, where it goes to a model provider.

        A name that only the configuration knows may be such a vendor's gateway: it gets everything.
        """
        if provider.hosts:
            request.drop.extend(index + 1 for index in self._names.removed(request.headers, host))

    def others(self, headers: Headers) -> Headers:
        """Return the headers that can say what a body is: `read` has nothing to do with them."""
        knows = self._names.knows
        return [
            pair
            for pair in headers
            if pair[0] not in _OF_NO_INTEREST and pair[0][:12] != b"x-stainless-" and not knows(pair[0])
        ]

    def _hashed(self, name: str, secret: bytes) -> str:
        return self.of(name.encode("latin-1"), secret)
