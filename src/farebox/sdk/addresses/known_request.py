"""What follows from a request's address and head alone, kept for the next request that is alike.

A client sends nearly the same head with every call: only its length differs, and what the code around the
call says of whose it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from farebox.journal.records import Intent
from farebox.recording.attribution_merge import NOBODY, Attribution, merged
from farebox.recording.callers import RETRY_COUNT, retry_count
from farebox.recording.described_request import DescribedRequest
from farebox.wire.fast_path.whole_response import fast_path_for
from farebox.wire.http.request_id import request_id_names
from farebox.wire.keys import KEY_LENGTH_MIN, path_without_keys, without_keys

if TYPE_CHECKING:
    from farebox.catalog import Endpoint
    from farebox.recording.callers import Callers
    from farebox.sdk.addresses.destination import Destination
    from farebox.snapshot import Snapshot

Headers = list[tuple[bytes, bytes]]
"""Names in lower case."""

_ADDRESSES_MAX = 128
_HEADS_MAX = 4
"""Of one address: clients with other keys, or other libraries."""
_LENGTH = b"content-length"
_PATH_SHOWN_MAX = 1024
_STRONG = ("header:x-farebox-", "key:")
"""What said a thing for this very call, or for ever: stronger than the block around the call."""


class KnownRequest:
    """One address and head of a provider's, judged. Threads share it: it changes in single assignments."""

    __slots__ = (
        "_after", "_before", "_found", "_last", "_length_at", "_published", "about_body", "endpoint",
        "fast_path", "id_names", "intent", "is_numbered", "keepable", "path", "query", "retry",
    )  # fmt: skip

    def __init__(
        self, callers: Callers, source: str, destination: Destination, endpoint: Endpoint, method: str,
        path: str, query: bytes, headers: Headers, fields: dict[bytes, bytes], key: bytes | None, shown: str,
    ) -> None:  # fmt: skip
        names = [name for name, _ in headers]
        self._length_at = at = names.index(_LENGTH) if _LENGTH in names else len(names)
        self._before, self._after = headers[:at], headers[at + 1 :]
        self._published = callers.published.current
        provider = destination.provider
        fingerprint = callers.of(provider.id.encode(), key) if key else None
        text = key.decode("latin-1") if key else ""
        own_key = text if len(text) >= KEY_LENGTH_MIN else ""
        written = shown[:_PATH_SHOWN_MAX]
        if own_key and own_key in written:
            written = without_keys(written, own_key)
        self.endpoint = endpoint
        base = destination.base_path
        self.path = path[len(base) :] if base and path.startswith(base + "/") else path
        """Below the base path of its provider."""
        self.query = query.decode("latin-1")
        self.about_body = callers.others(headers)
        """Headers that can say what the body is."""
        self.fast_path = fast_path_for(endpoint, self.path, self.query, self.about_body)
        self.id_names = request_id_names(endpoint)
        self.retry = retry_count(fields)
        """Which retry this is, as the client says."""
        self.is_numbered = RETRY_COUNT in fields
        self.keepable = shown == path and not (key and key in query)
        """Its address holds no key."""
        self.intent = intent = Intent(
            event_id=b"",
            occurred_at_ns=0,
            source=source,
            witness="sdk",
            provider=provider.id,
            surface=endpoint.surface,
            method=method,
            path=written,
            host=destination.host,
            key_fingerprint=fingerprint,
            attempt=self.retry,
        )
        self._found = callers.read(headers, fingerprint)
        self._last = NOBODY, DescribedRequest(intent, own_key, _said(self._found, NOBODY))
        """What the code around the last call said, and what records say of that call."""

    def fits(self, headers: Headers, published: Snapshot) -> bool:
        """Tell whether a head is this one, and commands have published nothing else since."""
        at = self._length_at
        return (
            headers[:at] == self._before
            and headers[at + 1 :] == self._after
            and (at == len(headers) or headers[at][0] == _LENGTH)
            and self._published is published
        )

    def described(self, around: Attribution, retry: int) -> DescribedRequest:
        """Return what records say of a call; `around` is what the code around it says."""
        known, described = self._last
        if known is not around:
            described = described.saying(_said(self._found, around))
            self._last = around, described
        if retry == self.retry:
            return described
        intent = msgspec.structs.replace(self.intent, attempt=retry)
        return DescribedRequest(intent, described.key, described.said)


class KnownRequests:
    """Those of one destination."""

    __slots__ = ("_known", "base_path", "destination")

    def __init__(self, destination: Destination) -> None:
        self.destination = destination
        self.base_path = destination.base_path.encode("latin-1", "replace")
        self._known: dict[tuple[str, bytes, bytes], tuple[KnownRequest, ...]] = {}

    def find(
        self, callers: Callers, source: str, method: str, path: bytes, query: bytes, headers: Headers
    ) -> KnownRequest | None:
        """Return what is known of a request; None where it is not the provider's, or not one call."""
        published, place = callers.published.current, (method, path, query)
        heads = self._known.get(place, ())
        for known in heads:
            if known.fits(headers, published):
                return known
        known = self._judge(callers, source, place, headers)
        if known is not None and known.keepable:
            if place not in self._known and len(self._known) >= _ADDRESSES_MAX:
                self._known.clear()
            self._known[place] = (known, *heads[: _HEADS_MAX - 1])
        return known

    def _judge(
        self, callers: Callers, source: str, place: tuple[str, bytes, bytes], headers: Headers
    ) -> KnownRequest | None:
        fields, destination = dict(headers), self.destination
        if b"websocket" in fields.get(b"upgrade", b"").lower():
            return None  # a conversation, and not one response
        method, path, query = place[0].upper(), place[1].decode("latin-1"), place[2]
        key = destination.key(fields, query or None)
        shown = path_without_keys(path)
        endpoint = destination.endpoint(method, path, key, remember=shown == path)
        if endpoint is None:
            return None
        return KnownRequest(
            callers, source, destination, endpoint, method, path, query, headers, fields, key, shown
        )


def _said(found: Attribution, around: Attribution) -> Attribution:
    """Return what headers and the block around the call say."""
    if not found[0]:
        return around
    strong = {name: source for name, source in found[1].items() if source.startswith(_STRONG)}
    above = ({name: found[0][name] for name in strong}, strong) if strong else NOBODY
    return merged(found, around, above)
