"""The life of an exchange: route → admit → intent → forward → extract → record.

One request and its answer. Bytes pass as they came; the meter gets the same bytes objects and can
never touch traffic. What goes wrong is recorded as what it is: the client's, the upstream's or
ours. `RequestBody` and `Response` know the bytes, `recording` the journal; this page is the order.
"""

from __future__ import annotations

from time import monotonic_ns, time_ns
from typing import TYPE_CHECKING

from farebox.clock import uuid7
from farebox.proxy.admission import own_response
from farebox.proxy.admission.routed_request import HOP, RoutedRequest
from farebox.proxy.http1.chunked import FramingError
from farebox.proxy.http1.request_body import RequestBody
from farebox.proxy.http1.response import BrokenResponse, Response
from farebox.proxy.recording import exchange_records
from farebox.proxy.recording.failed_meter import DeafMeter
from farebox.proxy.relay import Relay
from farebox.wire.request import RequestFacts

if TYPE_CHECKING:
    from farebox.journal.records import Outcome
    from farebox.proxy.caller.attribution_merge import Attribution
    from farebox.proxy.http1.client_connection import ClientConnection
    from farebox.proxy.recording.failed_meter import ExchangeMeter
    from farebox.proxy.service import Proxy
    from farebox.proxy.upstream.connection import ConnectError, UpstreamConnection
    from farebox.wire.facts import Extraction
    from farebox.wire.http_policy import RequestHead

HOPS_MAX = 8
"""Fareboxes one behind the other."""
_KEPT = 16 * 1024
"""Bytes of a request that may be kept until its answer comes."""
_JOINED = 256 * 1024
"""Bytes of a held request that are still joined for one write."""


def begin(proxy: Proxy, client: ClientConnection, request: RequestHead) -> RoutedRequest | None:
    """Route an accepted request; None where we have answered it ourselves."""
    found = client.find(request.path)
    if found is None:
        keep = not (request.close or request.has_body or proxy.draining)
        client.finish(proxy.own_answer(request, close=not keep), keep=keep, unread=request.has_body)
        return None
    hops = request.fields.get(HOP, b"")
    if proxy.instance in hops or hops.count(b",") >= HOPS_MAX:
        proxy.refused += 1
        message = "the request has come back to where it was: an upstream leads to this Farebox."
        client.finish(
            own_response.error("farebox", 508, "policy:loop", message, close=True), keep=False, unread=True
        )
        return None
    routed = RoutedRequest(request, *found, proxy.fingerprints, proxy.journal.source)
    if routed.hands_on:
        routed.hand_on(proxy.below[0], hops + b"," + proxy.instance if hops else proxy.instance)
    return routed


class Exchange(Relay):
    """One HTTP attempt, from its accepted head to its DONE record."""

    survives_half_close = True

    # What most exchanges never change.
    outgoing: RequestBody | None = None
    """The request's body, where it comes in pieces or is changed; a whole one went as it came."""
    incoming: Response | None = None
    """The answer, where it comes in pieces or is new in any way."""
    request_complete = False
    request_bytes = 0
    response_bytes = 0
    facts = RequestFacts()
    """What the request says, once it is complete."""
    meter: ExchangeMeter | None = None
    """Made when something is not everyday."""
    body = b""
    """A whole request that no meter has heard yet."""
    extraction: Extraction | None = None
    """What an everyday answer said."""
    whose: Attribution | None = None
    origin = b""
    """What the records say of where the exchange came from, when it is `whose` call."""
    waiting = b""
    """A whole request that waits for a connection."""
    keep_client = False
    """Whether the client's connection can serve another request after the answer."""
    replay: bytes | None = None
    """The request as sent, while a second try would be safe."""
    sent = False
    """Something of it has gone upstream."""
    answered = False
    """The client has been sent the answer's head."""
    ended = False
    status = 0
    first_byte_ns = 0
    own_ns = 0
    """Time that we ourselves took, as far as it is known."""
    partial_at = 0.0
    unsent = 0
    """What waited for the upstream when we last looked."""
    large: list[bytes | memoryview] | None = None
    """Pieces of a large request that have still to be sent, the next one last."""
    gate: list[bytes] | None = None
    """What waits until its record survives a power cut."""
    gate_position = 0
    call: str | None = None
    """For a retry, the logical call that it belongs to."""

    def __init__(
        self, proxy: Proxy, client: ClientConnection, routed: RoutedRequest, length: int | None, body: bytes
    ) -> None:
        """`length` is that of the request's body, `body` what has come of it and after it."""
        self.began_ns = monotonic_ns()
        self.occurred_at_ns = occurred = time_ns()
        self.event_id = uuid7(occurred)
        self.proxy = proxy
        self.client = client
        self.routed = routed
        self.touched = proxy.tick
        """When a byte last moved, in the service's seconds."""
        self.forwarded = False
        proxy.in_flight += 1
        client.exchange = self
        if length and length == len(body) and length <= _KEPT and proxy.everyday:
            everyday = routed.everyday
            try:
                said = everyday.request(body) if everyday is not None else None
            except Exception:
                said = None  # the meter says what is the matter with it
            if said is not None and (not (said.stream and routed.injectable) or said.wants_usage):
                self.facts = said
                self.request_complete = True
                self.request_bytes = length
                self.body = body
                self.forward_whole(body)
                return
        waits = routed.request.expects_continue and (length is None or len(body) < length)
        self.outgoing = outgoing = RequestBody(
            routed, length, self.listen(), proxy.limits, waits=waits, holding=proxy.held_bodies
        )
        if outgoing.complete:
            self.request_complete = True
            self.facts = outgoing.facts
        if not outgoing.held:
            self.forward(outgoing)

    def listen(self) -> ExchangeMeter:
        """Return the exchange's meter; one made late hears at once what it has missed."""
        meter = self.meter
        if meter is None:
            routed, target = self.routed, self.routed.target
            try:
                meter = self.proxy.meter(target.endpoint, target.path, routed.query, routed.meter_headers)
                if self.request_complete:
                    meter.request_body(self.body)
                    meter.request_end()
            except Exception as error:
                meter = DeafMeter(error)
            self.meter = meter
            self.body = b""
        return meter

    def request_data(self, data: bytes) -> bytes:
        """Take in bytes of the request's body; return those after its end."""
        self.touched = self.proxy.tick
        outgoing = self.outgoing
        if outgoing is None or outgoing.complete:
            return data
        try:
            rest = outgoing.feed(data)
        except FramingError as error:
            message = "the request's body breaks its framing."
            self.refuse(400, f"policy:{error.rule}", message, "client_disconnected")
            return b""
        self.request_bytes = outgoing.body_bytes
        if outgoing.complete:
            self.request_complete = True
            self.facts = outgoing.facts
        if not self.forwarded:
            if outgoing.complete or not outgoing.held:
                self.forward(outgoing)
        elif self.large:
            self.large[:0] = outgoing.pop_pieces()
        elif self.upstream is not None:
            self.upstream.write(outgoing.pop())
        elif outgoing.pending_bytes > self.proxy.limits.stream_buffer:
            self.client.pause_reading()
        return rest

    # Intent, then forward.

    def forward(self, outgoing: RequestBody) -> None:
        self.forwarded = True
        exchange_records.write_intent(self)
        outgoing.begin()
        self.find_upstream()

    def forward_whole(self, body: bytes) -> None:
        """Forward a request that came whole and goes as it came."""
        self.forwarded = True
        exchange_records.write_intent(self)
        self.waiting = self.routed.upstream_head(len(body), reframed=False) + body
        self.find_upstream()

    def find_upstream(self) -> None:
        origin = self.routed.route.origin
        connection = origin.take()
        if connection is None:
            self.connecting = origin.connect(self)
        else:
            self.connected(connection)

    def connected(self, connection: UpstreamConnection) -> None:
        self.connecting = None
        if self.ended:
            connection.leave(reusable=True)
            return
        self.upstream = connection
        self.sent = True
        connection.exchange = self
        data = b""
        if self.replay is not None:
            data, self.replay = self.replay, None
        else:
            outgoing = self.outgoing
            if outgoing is None:
                data, self.waiting = self.waiting, b""
            elif outgoing.pending_bytes > _JOINED:
                self.large = outgoing.pop_pieces()
            else:
                data = outgoing.pop()
            if connection.reused and self.request_complete:
                self.own_ns = monotonic_ns() - self.began_ns
                if self.routed.replayable and not self.large and len(data) <= self.proxy.limits.replay_body:
                    self.replay = data
        self.touched = self.proxy.tick
        client = self.client
        if client.reading_paused:
            client.resume_reading()  # before the write: that may be too much and pause it again
        if client.stalled_since:
            connection.pause_reading()  # it has not taken the answers before this one yet
        if self.large:
            self.send_large()
        else:
            connection.write(data)

    def send_large(self) -> None:
        """Send the next piece of a large held body, and the one after it in the loop's next turn.

        Joined or written at once it would keep everybody waiting while the kernel copies it.
        """
        upstream, pieces = self.upstream, self.large
        if upstream is None or not pieces:
            return
        upstream.write(pieces.pop())
        self.touched = self.proxy.tick
        if upstream.transport.get_write_buffer_size() <= self.proxy.limits.stream_buffer:
            if pieces:
                self.proxy.loop.call_soon(self.send_large)
            else:
                if self.outgoing is not None:
                    self.outgoing.let_go()
                super().upstream_drained()

    def upstream_drained(self) -> None:
        if self.large:
            self.send_large()
        else:
            super().upstream_drained()

    def connect_failed(self, error: ConnectError) -> None:
        self.connecting = None
        status = 504 if error.error_class == "connect_timeout" else 502
        if error.error_class == "policy:address" and not self.routed.route.metered:
            status = 403  # the client has chosen the host, not our configuration
        self.fail(status, error.error_class, str(error))

    # Extract while the answer passes.

    def upstream_data(self, data: bytes) -> None:
        self.touched = self.proxy.tick
        incoming = self.incoming
        if incoming is None:
            self.first_byte_ns = monotonic_ns()
            if self.meter is None and self.take_whole(data):
                return
            self.partial_at = self.touched
            self.replay = None
            incoming = self.incoming = self.begin_answer()
        try:
            data = incoming.feed(data, keep=self.may_keep_client())
        except BrokenResponse as error:
            self.fail(502, f"policy:{error.rule}", str(error))
            return
        if incoming.complete:
            self.complete(incoming, data)
        elif data:
            self.pass_on(incoming, data)

    def begin_answer(self) -> Response:
        outgoing = self.outgoing
        if outgoing is None:
            return Response(self.routed, self.listen(), injected=False)
        return Response(self.routed, outgoing.meter, injected=outgoing.injected)

    def take_whole(self, data: bytes) -> bool:
        """Take in an everyday answer that came whole and goes as it came; return whether it was one."""
        routed = self.routed
        head = routed.answer_head
        if not data.startswith(head) or not head:
            if not routed.is_whole(data):
                return False
            head = routed.answer_head
        elif len(data) != routed.whole_size:
            return False
        if self.proxy.draining:
            return False
        everyday = routed.everyday
        try:
            extraction = everyday.answer(data[len(head) :], self.facts) if everyday is not None else None
        except Exception:
            extraction = None  # the meter says what is the matter with it
        if extraction is None:
            return False
        self.extraction = extraction
        self.response_bytes = len(data) - len(head)
        self.status = 200
        self.keep_client = True
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.leave(reusable=True)
        if self.own_ns:
            self.own_ns += monotonic_ns() - self.first_byte_ns
        position = self.record("completed", None)
        if self.waits_for_disk:
            self.close_gate(position).append(data)
        else:
            self.client.finish(data, keep=True)
        return True

    def pass_on(self, incoming: Response, data: bytes) -> None:
        """Release bytes that are not the answer's last."""
        if incoming.head is not None and not self.answered:
            self.answered = True
            self.status = incoming.status
        if incoming.milestone:
            position = exchange_records.write_partial(self)
            if self.waits_for_disk:
                self.close_gate(position)
        if self.gate is not None:
            self.gate.append(data)
        else:
            self.client.write(data)

    # Record, then release the last bytes.

    def complete(self, incoming: Response, data: bytes) -> None:
        started_ns = monotonic_ns()
        self.status = incoming.status
        self.keep_client = incoming.keep_client
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.leave(reusable=incoming.connection_reusable and self.request_complete and not self.large)
        if self.own_ns:
            self.own_ns += monotonic_ns() - started_ns
        position = self.record("completed", own_response.error_class_of(self.status))
        if self.waits_for_disk:
            self.close_gate(position).append(data)
        else:
            self.leave_client(data)

    def record(self, outcome: Outcome, error_class: str | None) -> int:
        self.leave_flight()
        return exchange_records.write_done(self, outcome, error_class)

    def leave_client(self, data: bytes) -> None:
        complete = self.request_complete
        self.client.finish(data, keep=complete and self.keep_client, unread=not complete)

    def may_keep_client(self) -> bool:
        return self.request_complete and not (
            self.routed.request.close
            or self.proxy.draining
            or self.client.asks_no_more
            or not self.routed.route.metered
        )

    @property
    def waits_for_disk(self) -> bool:
        return self.proxy.waits_for_disk and self.routed.metered

    # Durability `power`: the terminal frame waits until its record is on the disk.

    def close_gate(self, position: int) -> list[bytes]:
        """Hold what follows until the record at `position` is durable."""
        if self.gate is None:
            self.gate = []
        self.gate_position = position
        wake = self.proxy.loop.call_soon_threadsafe

        def durable() -> None:
            wake(self.open_gate, position)

        self.proxy.journal.when_durable(position, durable)
        return self.gate

    def open_gate(self, position: int) -> None:
        if self.gate is None or position < self.gate_position or self.client.exchange is not self:
            return
        data = b"".join(self.gate)
        self.gate = None
        if self.ended:
            self.leave_client(data)
        else:
            self.client.write(data)

    # Ends before the end.

    def upstream_lost(self, error: Exception | None) -> None:
        self.upstream = None
        incoming = self.incoming
        last = incoming.end() if incoming is not None and error is None else None
        if incoming is not None and last is not None:
            self.complete(incoming, last)
        elif self.replay is not None:
            # A pooled connection that was closed while unused: nothing of an answer came.
            self.connecting = self.routed.route.origin.connect(self)
        else:
            slug = "upstream_closed_early" if self.first_byte_ns else "upstream_closed"
            self.fail(502, slug, "the upstream closed the connection before its answer's end.")

    def client_lost(self) -> None:
        """The client has gone: cancel upstream and say so."""
        if self.ended:
            return
        self.drop_upstream()
        incoming = self.incoming
        if not self.forwarded:
            self.end_unseen()
        elif incoming is not None and self.answered and self.gate is None and incoming.meter.said_all():
            # SDKs close at the last event and do not wait for the framing's end.
            self.record("completed", own_response.error_class_of(self.status))
        else:
            self.record("client_disconnected", "client_disconnected")

    def client_stalled(self) -> None:
        if self.ended:
            self.client.abort()
        else:
            self.fail(408, "client_stalled", "the client stopped reading.", "timed_out")

    def cut_off(self) -> None:
        """The proxy stops and has waited long enough."""
        if self.ended:
            self.client.abort()
        elif self.forwarded:
            self.fail(503, "proxy_stopped", "the proxy was stopped.", "timed_out")
        else:
            self.refuse(503, "proxy_stopped", "the proxy was stopped.", "timed_out")

    def fail(self, status: int, error_class: str, message: str, outcome: Outcome = "upstream_failed") -> None:
        """End an exchange that the upstream or a limit has broken off."""
        self.drop_upstream()
        if self.answered:
            self.record(outcome, error_class)
            self.gate = None
            self.client.abort()
            return
        self.status = status
        self.record(outcome, error_class)
        self.say(status, error_class, message)

    def refuse(self, status: int, slug: str, message: str, once_forwarded: Outcome) -> None:
        """Answer ourselves a request that was routed to a provider, but is not to go on."""
        if self.forwarded:
            self.fail(status, slug, message, once_forwarded)
            return
        self.status = status
        self.record("refused", slug)
        self.say(status, slug, message)

    def say(self, status: int, slug: str, message: str) -> None:
        keep = self.may_keep_client()
        shape = self.routed.error_shape
        to_head = self.routed.request.method == b"HEAD"
        self.client.finish(
            own_response.error(shape, status, slug, message, close=not keep, to_head=to_head),
            keep=keep,
            unread=not self.request_complete,
        )

    def end_unseen(self) -> None:
        """End without a record: no upstream was contacted, nobody was answered."""
        self.leave_flight()

    def leave_flight(self) -> None:
        self.ended = True
        self.proxy.in_flight -= 1
        if self.outgoing is not None:
            self.outgoing.let_go()

    # Once a second: limits in time, PARTIAL records.

    def sweep(self, now: float) -> None:
        if self.ended:
            return
        limits = self.proxy.limits
        quiet_s = now - self.touched
        if self.client.stalled_since:
            self.touched = now  # the client's own limit, looked after by its connection
        elif not self.request_complete:
            upstream = self.upstream
            if self.client.reading_paused:
                # It is the upstream that we wait for, and reading slowly is not standing still.
                unsent = upstream.transport.get_write_buffer_size() if upstream is not None else 0
                if unsent != self.unsent or self.connecting is not None:
                    self.unsent = unsent
                    self.touched = now
                elif quiet_s > limits.write_stall_s:
                    self.fail(504, "upstream_stalled", "the upstream stopped reading.", "timed_out")
                    return
            elif quiet_s > limits.client_body_s:
                self.refuse(408, "body_timeout", "the request's body stopped coming.", "timed_out")
                return
        elif not self.first_byte_ns:
            if quiet_s > limits.first_byte_s and self.connecting is None:
                self.fail(504, "first_byte_timeout", "the upstream did not answer in time.", "timed_out")
                return
        elif quiet_s > limits.upstream_idle_s:
            self.fail(504, "upstream_idle_timeout", "the upstream stopped answering.", "timed_out")
            return
        if self.answered and now - self.partial_at >= limits.partial_s:
            self.partial_at = now
            exchange_records.write_partial(self)
