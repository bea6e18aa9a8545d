"""The request on its way upstream: its body's framing, what is held, what is changed.

Sans-io. A body is held whole only where it is small or where `include_usage` may have to be
added; everything else streams through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from farebox.proxy.held_bodies import HeldBodies
from farebox.proxy.http1.chunked import LAST_CHUNK, ChunkedBody, FramingError, chunk
from farebox.wire.http import include_usage
from farebox.wire.http.include_usage import OPTIONS
from farebox.wire.request import RequestFacts

if TYPE_CHECKING:
    from farebox.proxy.admission.routed_request import RoutedRequest
    from farebox.proxy.limits import Limits
    from farebox.proxy.recording.recorder import Recorder
    from farebox.recording.guarded_meter import GuardedMeter

_LARGE = 256 * 1024
"""To read so large a body once more, or to join it, would hold up everybody else."""


class WholeRequest:
    """A request that came whole and is passed on unchanged: nothing of it is held, framed or changed."""

    complete = True
    injected = False
    pending_bytes = 0
    flags: tuple[str, ...] = ()
    metered = False
    """Whether there is a meter already."""
    _meter: GuardedMeter | None = None

    def __init__(self, recorder: Recorder, routed: RoutedRequest, body: bytes, facts: RequestFacts) -> None:
        self._recorder = recorder
        self._routed = routed
        self._body = body
        self._facts = facts

    @property
    def meter(self) -> GuardedMeter:
        """The exchange's meter: most exchanges do without one, and it is told then what it has missed."""
        if self._meter is None:
            self._meter = self._recorder.meter(self._routed)
            self._meter.request_read(self._body, self._facts)
            self._body = b""
            self.metered = True
        return self._meter

    def begin(self) -> None:
        """The head is put before the body when both go upstream."""

    def pop(self) -> bytes:
        """Return what goes upstream."""
        return self._routed.upstream_head(len(self._body), reframed=False) + self._body

    def pop_pieces(self) -> list[bytes | memoryview]:
        """Return what goes upstream: it is small."""
        return [self.pop()]

    def let_go(self) -> None:
        """There is no room to give back."""


class RequestBody:
    """One request. Feed it what the client sends; `pop` what may go upstream."""

    __slots__ = (
        "_chunks",
        "_holding",
        "_holds",
        "_injectable",
        "_late",
        "_left",
        "_limits",
        "_looking",
        "_pending",
        "_prepared",
        "_rechunked",
        "_seam",
        "body_bytes",
        "complete",
        "facts",
        "flags",
        "held",
        "injected",
        "meter",
        "pending_bytes",
    )

    def __init__(
        self,
        routed: RoutedRequest,
        length: int | None,
        meter: GuardedMeter,
        limits: Limits,
        *,
        waits: bool = False,
        judged: bool = False,
        holding: HeldBodies | None = None,
    ) -> None:
        """`length`: the body's, None where it is chunked or there is none; `waits`: the client sends its
        body when the upstream has said that it may, so the head has to go first; `judged`: what it says
        decides whether it may pass; `holding`: the room that it shares with others."""
        self.meter = meter
        self._prepared = routed
        self._limits = limits
        self._pending: list[bytes] = []
        self._rechunked = False
        self._seam = b""
        """The last bytes so far: what is looked for may come in two pieces."""
        self._chunks: ChunkedBody | None = None
        self.pending_bytes = 0
        self.body_bytes = 0
        self._holding = HeldBodies(limits.held_total) if holding is None else holding
        self._holds = 0
        """Its share of that, in bytes."""
        self.injected = False
        self.facts = RequestFacts()
        self.flags: tuple[str, ...] = ()
        """What was unusual about its form, for the record."""
        self.complete = False
        self._left = 0
        self._late: list[bytes] | None = None
        """What has come of a body that is held although its head has gone ahead."""
        if length:
            self._left = length
            self._injectable = routed.injectable and length <= limits.injected_body
            if waits and not routed.route.provider.hosts:
                self._injectable = False  # a server of one's own may need the length that it was told
            held_max = limits.injected_body if judged else limits.held_body
            self.held = not waits and (self._injectable or length <= held_max)
            """Nothing goes upstream before the body is whole."""
        elif routed.request.chunked:
            self._chunks = ChunkedBody()
            self._injectable = routed.injectable
            self.held = (self._injectable or judged) and not waits
        else:
            self._injectable = self.held = False
        if waits and self._injectable:
            self._late = []
        self._looking = self._injectable and (length is None or length > _LARGE)
        """Nothing has been seen so far that could be options of the request's own."""
        if not (length or routed.request.chunked):
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
            chunks = self._chunks
            content = chunks.take(data)
            ended = chunks.complete
            rest = chunks.rest
            if rest[:1] in (b"\r", b"\n"):
                raise FramingError("after_the_end")  # some skip a line break there, some do not
            if chunks.trailers:
                self.flags = ("http:request_trailers",)  # not announced, and it is being paid for
            if ended or chunks.stop < len(data):
                data = data[: chunks.stop] + chunks.closing()
            if self.held or self._late is not None:
                data = content  # a held body gets a length when it is whole
            elif self._rechunked:
                data = chunk(content) + LAST_CHUNK if ended else chunk(content)
        if self._rechunked and self._chunks is None:
            data = chunk(content) + LAST_CHUNK if ended else chunk(content)
        self.body_bytes += len(content)
        self.meter.request_body(content)
        if self._looking:
            self._look_for_options(data)
        if self._late is not None:
            self._hold_late(self._late, data, ended=ended)
            return rest
        self._pending.append(data)
        self.pending_bytes += len(data)
        room = not self.held or self._holding.take(len(data))
        if self.held and room:
            self._holds += len(data)
        if ended:
            self._end()
        elif not room or (self.held and self.pending_bytes > self._limits.injected_body):
            self._stop_holding()
        return rest

    def _hold_late(self, late: list[bytes], data: bytes, *, ended: bool) -> None:
        """Keep a body whose head has gone ahead as chunked, and send it changed, in one chunk."""
        late.append(data)
        room = self._holding.take(len(data))
        self._holds += len(data) if room else 0
        if not ended and room and self.body_bytes <= self._limits.injected_body:
            return
        self._late = None
        before, self._pending = self._pending, late
        self.pending_bytes = sum(map(len, late))
        if ended:
            self._end()
        else:
            self._injectable, self._rechunked = False, True
        body = chunk(b"".join(self._pending)) + (LAST_CHUNK if ended else b"")
        self._pending = [*before, body]
        self.pending_bytes = sum(map(len, self._pending))

    def _end(self) -> None:
        self.facts = said = self.meter.request_end()
        self.complete = True
        if self._injectable and said.stream and not said.wants_usage:
            self._inject()

    def _look_for_options(self, data: bytes) -> None:
        seam = self._seam + data[: len(OPTIONS)]
        if OPTIONS in data or OPTIONS in seam:
            self._looking = False
        self._seam = data[1 - len(OPTIONS) :] if len(data) >= len(OPTIONS) else seam[1 - len(OPTIONS) :]

    def _inject(self) -> None:
        """Have the stream say its usage."""
        pending = self._pending
        if self.pending_bytes > _LARGE and self._looking:
            last = include_usage.inject_at_end(pending[-1])
            if last is not None:
                self.injected = True
                self.pending_bytes += len(last) - len(pending[-1])
                pending[-1] = last
                return
        body = b"".join(pending)
        changed = include_usage.inject(body)
        self.injected = changed != body
        self._pending = [changed]
        self.pending_bytes = len(changed)

    def let_go(self) -> None:
        """Give the room back: the body has gone upstream, or nobody needs it any more."""
        self._holding.give_back(self._holds)
        self._holds = 0

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
        elif self._late is not None:
            head = self._prepared.upstream_head(None, reframed=True)
        elif request.length_line:
            length = self.pending_bytes if self.complete else self.body_bytes + self._left
            head = self._prepared.upstream_head(length, reframed=False)
        else:
            head = self._prepared.upstream_head(None, reframed=False)
        self._pending.insert(0, head)
        self.pending_bytes += len(head)

    def pop_pieces(self) -> list[bytes | memoryview]:
        """Return what waits for the upstream in pieces of a bounded size, the first one last; forget it."""
        pieces: list[bytes | memoryview] = []
        for data in self._pending:
            if len(data) > _LARGE:
                view = memoryview(data)
                pieces += [view[at : at + _LARGE] for at in range(0, len(view), _LARGE)]
            else:
                pieces.append(data)
        self._pending = []
        self.pending_bytes = 0
        pieces.reverse()
        return pieces

    def pop(self) -> bytes:
        """Return what waits for the upstream and forget it."""
        if self._holds and self._late is None:
            self.let_go()
        pending = self._pending
        data = pending[0] if len(pending) == 1 else b"".join(pending)
        pending.clear()
        self.pending_bytes = 0
        return data
