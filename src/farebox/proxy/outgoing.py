"""The request on its way upstream: its body's framing, what is held, what is changed.

Sans-io. A body is held whole only where it is small or where `include_usage` may have to be
added; everything else streams through.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from farebox.proxy.bodies import LAST_CHUNK, ChunkedBody, LengthBody, chunk
from farebox.proxy.heads import write_request
from farebox.wire import include_usage
from farebox.wire.http_policy import RequestHead
from farebox.wire.request import RequestFacts, facts

if TYPE_CHECKING:
    from farebox.proxy.limits import Limits
    from farebox.proxy.routes import Target
    from farebox.proxy.tap import Tap


_REPLAYABLE = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"))


class Outgoing:
    """One request. Feed it what the client sends; `pop` what may go upstream."""

    __slots__ = (
        "_body",
        "_injectable",
        "_limits",
        "_meter",
        "_pending",
        "_rechunked",
        "_request",
        "_target",
        "body_bytes",
        "complete",
        "facts",
        "held",
        "injected",
        "pending_bytes",
    )

    def __init__(self, request: RequestHead, target: Target, meter: Tap, limits: Limits) -> None:
        self._request = request
        self._target = target
        self._meter = meter
        self._limits = limits
        self._pending: list[bytes] = []
        self._rechunked = False
        self.pending_bytes = 0
        self.body_bytes = 0
        self.injected = False
        self.facts: RequestFacts | None = None
        if not request.has_body:
            self._body = None
            self._injectable = self.held = False
            self.complete = True
            self.facts = meter.request_end()
            return
        self.complete = False
        length = request.content_length
        self._body = ChunkedBody() if length is None else LengthBody(length)
        self._injectable = (
            target.endpoint.inject_include_usage
            and (length is None or length <= limits.injected_body)
            and _is_plain_json(request.fields)
        )
        self.held = self._injectable or (length is not None and length <= limits.held_body)
        """Nothing goes upstream before the body is whole."""

    def feed(self, data: bytes) -> bytes:
        """Take in bytes of the body and return those after its end.

        Raises:
            FramingError: The client breaks its own framing.
        """
        body = self._body
        if body is None:
            return data
        raw, content = body.take(data)
        self.body_bytes += len(content)
        self._meter.request_body(content)
        if self.held and type(body) is ChunkedBody:
            raw = content  # a held body gets a length when it is whole
        elif self._rechunked:
            raw = chunk(content) + LAST_CHUNK if body.complete else chunk(content)
        self._pending.append(raw)
        self.pending_bytes += len(raw)
        if body.complete:
            self.complete = True
            self.facts = said = self._meter.request_end()
            if self._injectable and said.stream and not said.wants_usage:
                self._inject()
        elif self.held and self.pending_bytes > self._limits.injected_body:
            self._stop_holding()
        return body.rest

    def _inject(self) -> None:
        body = b"".join(self._pending)
        changed = include_usage.inject(body)
        self.injected = changed != body
        self._pending = [changed]
        self.pending_bytes = len(changed)

    def _stop_holding(self) -> None:
        """Too large to be changed: from here on it streams like any other."""
        self.held = self._injectable = False
        if type(self._body) is ChunkedBody:
            # Its own chunks are gone, and the last read may have ended inside one.
            self._rechunked = True
            self._pending = [chunk(b"".join(self._pending))]

    def begin(self, host_line: bytes) -> None:
        """Put the head for the upstream before what is pending."""
        request, path = self._request, self._target.upstream_path
        reframed = self.held and (self.injected or request.chunked)
        head = write_request(
            request,
            path if request.query is None else path + b"?" + request.query,
            host_line,
            self.pending_bytes if reframed else None,
        )
        self._pending.insert(0, head)
        self.pending_bytes += len(head)

    def pop(self) -> bytes:
        """Return what waits for the upstream and forget it."""
        pending = self._pending
        data = pending[0] if len(pending) == 1 else b"".join(pending)
        pending.clear()
        self.pending_bytes = 0
        return data

    def known_facts(self) -> RequestFacts:
        """Return what the request said so far: its headers, and its body once that is whole."""
        if self.facts is not None:
            return self.facts
        return facts({}, self._request.headers, "", {}, "")

    @property
    def replayable(self) -> bool:
        """Whether a second copy does no harm (RFC 9110 §9.2.2): a POST could be billed twice."""
        request = self._request
        return request.method in _REPLAYABLE or b"idempotency-key" in request.fields


def _is_plain_json(fields: Mapping[bytes, bytes]) -> bool:
    return (
        fields.get(b"content-type", b"")[:16].lower() == b"application/json"
        and fields.get(b"content-encoding", b"identity").lower() == b"identity"
    )
