"""The request on its way upstream: its body's framing, what is held, what is changed.

Sans-io. A body is held whole only where it is small or where `include_usage` may have to be
added; everything else streams through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from farebox.proxy.bodies import LAST_CHUNK, ChunkedBody, FramingError, chunk
from farebox.proxy.deaf import DeafMeter, ExchangeMeter
from farebox.wire import include_usage
from farebox.wire.request import RequestFacts

if TYPE_CHECKING:
    from farebox.proxy.limits import Limits
    from farebox.proxy.prepared import Prepared


class Outgoing:
    """One request. Feed it what the client sends; `pop` what may go upstream."""

    __slots__ = (
        "_chunks",
        "_injectable",
        "_left",
        "_limits",
        "_pending",
        "_prepared",
        "_rechunked",
        "body_bytes",
        "complete",
        "facts",
        "held",
        "injected",
        "meter",
        "pending_bytes",
    )

    def __init__(self, prepared: Prepared, length: int | None, meter: ExchangeMeter, limits: Limits) -> None:
        """`length`: the body's, None where it is chunked or there is none."""
        self.meter = meter
        self._prepared = prepared
        self._limits = limits
        self._pending: list[bytes] = []
        self._rechunked = False
        self._chunks: ChunkedBody | None = None
        self.pending_bytes = 0
        self.body_bytes = 0
        self.injected = False
        self.facts = RequestFacts()
        self.complete = False
        self._left = 0
        if length:
            self._left = length
            self._injectable = prepared.injectable and length <= limits.injected_body
            self.held = self._injectable or length <= limits.held_body
            """Nothing goes upstream before the body is whole."""
        elif prepared.request.chunked:
            self._chunks = ChunkedBody()
            self._injectable = self.held = prepared.injectable
        else:
            self._injectable = self.held = False
            self._end()

    def feed(self, data: bytes) -> bytes:
        """Take in bytes of the body and return those after its end.

        Raises:
            FramingError: The client breaks its own framing.
        """
        rest = b""
        if self._chunks is None:
            left = self._left - len(data)
            if left < 0:
                data, rest = data[:left], data[left:]
                left = 0
            self._left = left
            ended = not left
            content = data
        else:
            data, content = self._chunks.take(data)
            ended = self._chunks.complete
            rest = self._chunks.rest
            if rest[:1] in (b"\r", b"\n"):
                raise FramingError("after_the_end")  # some skip a line break there, some do not
            if self.held:
                data = content  # a held body gets a length when it is whole
            elif self._rechunked:
                data = chunk(content) + LAST_CHUNK if ended else chunk(content)
        self.body_bytes += len(content)
        try:
            self.meter.request_body(content)
        except Exception as error:
            self.meter = DeafMeter(error)
        self._pending.append(data)
        self.pending_bytes += len(data)
        if ended:
            self._end()
        elif self.held and self.pending_bytes > self._limits.injected_body:
            self._stop_holding()
        return rest

    def _end(self) -> None:
        try:
            said = self.meter.request_end()
        except Exception as error:
            self.meter = DeafMeter(error)
            said = RequestFacts()
        self.complete = True
        self.facts = said
        if self._injectable and said.stream and not said.wants_usage:
            body = b"".join(self._pending)
            changed = include_usage.inject(body)
            self.injected = changed != body
            self._pending = [changed]
            self.pending_bytes = len(changed)

    def _stop_holding(self) -> None:
        """Too large to be changed: from here on it streams like any other."""
        self.held = self._injectable = False
        if self._chunks is not None:
            # Its own chunks are gone, and the last read may have ended inside one.
            self._rechunked = True
            self._pending = [chunk(b"".join(self._pending))]

    def begin(self) -> None:
        """Put the head for the upstream before what is pending."""
        request = self._prepared.request
        if self.complete and (self.injected or (self.held and request.chunked)):
            head = self._prepared.upstream_head(self.pending_bytes, reframed=True)
        elif request.length_line:
            length = self.pending_bytes if self.complete else self.body_bytes + self._left
            head = self._prepared.upstream_head(length, reframed=False)
        else:
            head = self._prepared.upstream_head(None, reframed=False)
        self._pending.insert(0, head)
        self.pending_bytes += len(head)

    def pop_pieces(self) -> list[bytes]:
        """Return what waits for the upstream, piece by piece, and forget it."""
        pending, self._pending = self._pending, []
        self.pending_bytes = 0
        return pending

    def pop(self) -> bytes:
        """Return what waits for the upstream and forget it."""
        pending = self._pending
        data = pending[0] if len(pending) == 1 else b"".join(pending)
        pending.clear()
        self.pending_bytes = 0
        return data
