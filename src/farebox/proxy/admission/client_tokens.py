"""Which requests may pass: whose token they carry, and how many a minute they are.

Where only this machine can reach the proxy nobody needs a token; a client that shows one is attributed by it
all the same. Everywhere else each request needs one, also on a connection that was kept: a token that was
revoked or has expired is good for nothing more. A refusal says neither what was wrong nor what is here.
"""

from __future__ import annotations

import hmac
import math
import time
from typing import TYPE_CHECKING, NamedTuple

from farebox.access.client_address import FORWARDED, ReverseProxies, rate_key
from farebox.access.rate_limit import RequestRates, wrong_tokens
from farebox.access.roles import allowed
from farebox.access.tokens import HEADER, PublishedTokens, from_basic, hash_of, is_expired
from farebox.snapshot import SnapshotReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from farebox.snapshot import PublishedToken, Snapshot
    from farebox.wire.http.request_policy import RequestHead

_REQUEST = allowed("proxy", "/{provider}/{path}")
_TUNNEL = allowed("proxy", "CONNECT {host}:{port}")
_DETAIL = allowed("proxy", "/health in detail")


class Admitted(NamedTuple):
    """A request that may pass."""

    snapshot: Snapshot
    """What was published when it was admitted: under another one it is judged anew."""
    token: PublishedToken | None = None
    digest: str = ""
    """The token's hash, empty where none was shown."""
    address: str = ""
    """What its address is counted under, empty where nothing is counted."""


class NotAdmitted(NamedTuple):
    """A request that may not, and what its client is told."""

    status: int
    slug: str
    message: str
    headers: tuple[str, ...] = ()


def too_large(limit: int) -> NotAdmitted:
    """Return what the client of a body over the limit is told."""
    return NotAdmitted(413, "policy:body_too_large", f"a request's body is at most {limit} bytes here.")


class ClientTokens:
    """One proxy's."""

    def __init__(
        self,
        published: SnapshotReader | None = None,
        *,
        required: bool = False,
        rates: RequestRates | None = None,
        behind: ReverseProxies | None = None,
        owner: str = "",
        used: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`owner` is the token of this machine's owner; `used` is told the id of each token that has let a
        request pass."""
        self.required = required
        self.published = published or SnapshotReader(None)
        """Tokens and the names of keys, as they are now."""
        self._tokens = PublishedTokens(self.published)
        self._rates = rates or RequestRates()
        self._wrong = wrong_tokens()
        self._behind = behind or ReverseProxies()
        self._owner = owner.encode()
        self._used = used
        self._counts = required or bool(self._rates)

    def admit(
        self, request: RequestHead, peer: str, *, kept: str = "", for_proxy: bool = False
    ) -> Admitted | NotAdmitted:
        """Judge a request that `peer` has sent.

        `kept` is the hash of the token that came with the connection's CONNECT. `for_proxy`: the client takes
        us for its proxy, and is asked for credentials as proxies do.
        """
        fields = request.fields
        if self._behind.includes(peer):
            request.drop.extend(
                index for index, (name, _) in enumerate(request.headers, 1) if name in FORWARDED
            )
        said = _shown(fields) if request.own or b"proxy-authorization" in fields else None
        if said is None and not (self._counts or kept):
            return Admitted(self._tokens.snapshot)
        if sum(name == b"token" for name, _ in request.own) > 1:
            said = b""  # two of them: neither counts
        address = rate_key(self._behind.client_of(peer, request.headers)) if self._counts else ""
        digest = hash_of(said) if said is not None else kept
        return self._judge(said is not None, digest, address, for_proxy=for_proxy)

    def admit_tunnel(self, fields: Mapping[bytes, bytes], peer: str) -> Admitted | NotAdmitted:
        """Judge a CONNECT."""
        said = _shown(fields)
        if said is None and not self._counts:
            return Admitted(self._tokens.snapshot)
        address = ""
        if self._counts:
            address = rate_key(self._behind.client_of(peer, fields.items()))
        digest = hash_of(said) if said is not None else ""
        return self._judge(said is not None, digest, address, for_proxy=True)

    def may_ask(self, fields: Mapping[bytes, bytes]) -> bool:
        """Return whether a request for another host would get in, before anything is made ready for it."""
        if not self.required:
            return True
        said = _shown(fields)
        return said is not None and self._good(hash_of(said), _TUNNEL) is not None

    def again(self, admitted: Admitted) -> bool:
        """Return whether a request with the same head as one before may pass; else it is judged anew."""
        if admitted.snapshot is not self.published.current:
            return False
        token = admitted.token
        if token is None and not self._counts:
            return True
        if token is not None and is_expired(token):
            return False
        now = time.monotonic()
        if self._rates.wait_s(admitted.digest, admitted.address, now):
            return False
        self._pass(admitted, now)
        return True

    def holds(self, digest: str) -> bool:
        """Return whether what a token has opened may stay open; also where none was needed."""
        return not digest or self._good(digest, _TUNNEL) is not None

    def sees_detail(self, fields: Mapping[bytes, bytes]) -> bool:
        """Return whether a request may see how this proxy is in detail."""
        if not self.required:
            return True
        said = fields.get(HEADER, b"")
        if self._owner and hmac.compare_digest(said, self._owner):
            return True
        return self._good(hash_of(said), _DETAIL) is not None

    # Details.

    def _judge(self, shown: bool, digest: str, address: str, *, for_proxy: bool) -> Admitted | NotAdmitted:
        now = time.monotonic()
        token = self._good(digest, _REQUEST) if digest else None
        known = digest if token is not None else ""
        wait_s = self._rates.wait_s(known, address, now)
        if wait_s:
            return _too_many(wait_s)
        if token is None and (shown or digest or self.required):
            self._rates.count("", address, now)
            return self._refuse(shown, address, for_proxy=for_proxy)
        admitted = Admitted(self._tokens.snapshot, token, known, address)
        self._pass(admitted, now)
        return admitted

    def _pass(self, admitted: Admitted, now: float) -> None:
        """Count a request that may pass."""
        self._rates.count(admitted.digest, admitted.address, now)
        if admitted.token is not None:
            self._used(admitted.token.id)

    def _good(self, digest: str, roles: frozenset[str]) -> PublishedToken | None:
        token = self._tokens.by_hash(digest)
        return token if token is not None and token.scope in roles else None

    def _refuse(self, shown: bool, address: str, *, for_proxy: bool) -> NotAdmitted:
        """Say that there is no way in: the same for a wrong, an expired and a revoked token."""
        if shown:
            wait_s = self._wrong.take(address or "local", time.monotonic())
            if wait_s:
                return _too_many(wait_s)
        slug = "token_refused" if shown else "token_missing"
        message = "this needs a client token that is in force, as x-farebox-token."
        if for_proxy:
            return NotAdmitted(
                407,
                slug,
                "this proxy needs a client token that is in force, as https://TOKEN@host:port.",
                ('proxy-authenticate: Basic realm="farebox"',),
            )
        return NotAdmitted(401, slug, message, ('www-authenticate: FareboxToken realm="farebox"',))


def _shown(fields: Mapping[bytes, bytes]) -> bytes | None:
    """Return the token that a head carries, None where there is none."""
    said = fields.get(HEADER)
    if said is not None:
        return said
    credentials = fields.get(b"proxy-authorization")
    return from_basic(credentials) if credentials is not None else None


def _too_many(wait_s: float) -> NotAdmitted:
    seconds = math.ceil(wait_s)
    message = f"too many requests; the next one may come in {seconds} s."
    return NotAdmitted(429, "rate_limited", message, (f"retry-after: {seconds}",))
