"""The life of an exchange of HTTP/1.1: intent → forward → extract → record.

One request and its response. Bytes pass unchanged; the meter gets the same bytes objects and can
never touch traffic. What goes wrong is recorded as what it is: the client's, the upstream's or
ours. `RequestBody` and `Response` know the bytes, `Attempt` the journal; this page is the order.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING

from farebox.proxy.admission import own_response
from farebox.proxy.admission.call_headers import call_lines, call_texts, refusal_lines
from farebox.proxy.admission.client_tokens import too_large
from farebox.proxy.http1.chunked import FramingError
from farebox.proxy.http1.request_body import RequestBody, WholeRequest
from farebox.proxy.http1.response import BrokenResponse, Response
from farebox.proxy.http1.small_response import SmallResponse, may_be_small
from farebox.proxy.relay import Relay
from farebox.recording.attempt import Attempt
from farebox.recording.error_class import error_class_of

if TYPE_CHECKING:
    from farebox.budgets.refusal import Refusal
    from farebox.journal.records import Outcome
    from farebox.proxy.admission.budget_gate import BudgetGate
    from farebox.proxy.admission.routed_request import RoutedRequest
    from farebox.proxy.caller.connection_caller import ConnectionCaller
    from farebox.proxy.recording.recorder import Recorder
    from farebox.proxy.relay import Client
    from farebox.proxy.service_state import ServiceState
    from farebox.proxy.upstream.connection import ConnectError, UpstreamConnection
    from farebox.wire.facts import Extraction

_KEPT = 16 * 1024
"""Bytes of a request that may be kept until its response comes."""
EXCEEDED = "budget_exceeded"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_JOINED = 256 * 1024
"""Bytes of a held request that are still joined for one write."""


class Exchange(Relay):
    """One attempt, from its accepted head to its DONE record."""

    survives_half_close = True

    request: RequestBody | WholeRequest
    """The request on its way."""
    response: Response | None = None
    """The response, where it comes in pieces or is new in any way."""
    forwarded = False
    asks: BudgetGate | None = None
    """What it waits for, while it is not known whether budgets let it pass."""
    began_ns = 0
    """When it went on after waiting, 0 where it did not wait."""
    small: SmallResponse | None = None
    """A response that is kept until it is whole."""
    continued = False
    """The client has been told to send its body: the upstream's word for that is not passed on."""
    replay: bytes | None = None
    """The request as sent, while a second try would be safe."""
    large: list[bytes | memoryview] | None = None
    """Pieces of a large request that have still to be sent, the next one last."""

    def __init__(
        self,
        state: ServiceState,
        recorder: Recorder,
        client: Client,
        routed: RoutedRequest,
        length: int | None,
        body: bytes,
    ) -> None:
        """`length` is that of the request's body, `body` what has come of it and after it."""
        self.attempt = attempt = Attempt(
            recorder, routed, recorder.ids.adopt(routed.event_id), routed.event_id
        )
        self.routed = routed
        super().__init__(state, recorder, client)
        self.waits_for_disk = recorder.waits_for_disk and routed.metered
        gate = self.budgets
        if length and length == len(body) and length <= _KEPT and recorder.everyday:
            facts = routed.everyday_facts(body, None if gate is None else gate.keys)
            if facts is not None:
                self.request = WholeRequest(recorder, routed, body, facts)
                attempt.facts = facts
                attempt.request_bytes = length
                self.forward()
                return
        waits = routed.request.expects_continue and (length is None or len(body) < length)
        meter = recorder.meter(routed)
        judged = False
        if gate is not None:
            meter.read_limits(gate.keys)
            judged = gate.may_cost(routed)
            if judged and waits:
                self.continued = True
                waits = False
                client.write(_CONTINUE)
        self.request = request = RequestBody(
            routed, length, meter, state.limits, waits=waits, judged=judged, holding=state.held_bodies
        )
        if request.complete:
            attempt.facts = request.facts
        if not request.held:
            self.forward()

    @property
    def budgets(self) -> BudgetGate | None:
        """What its calls have to pass, None where nothing is limited here."""
        return self.state.gate if self.routed.metered else None

    @property
    def caller(self) -> ConnectionCaller:
        return self.client.caller

    @property
    def request_complete(self) -> bool:
        return self.request.complete

    def request_data(self, data: bytes) -> bytes:
        """Take in bytes of the request's body; return those after its end."""
        self.touched = self.state.tick
        request = self.request
        if isinstance(request, WholeRequest) or request.complete:
            return data
        if self.ended:
            return b""
        try:
            rest = request.feed(data)
        except FramingError as error:
            message = "the request's body breaks its framing."
            self.refuse(400, f"policy:{error.rule}", message, "client_disconnected")
            return b""
        self.attempt.request_bytes = request.body_bytes
        limit = self.state.limits.request_body
        if limit and request.body_bytes > limit:
            why = too_large(limit)
            self.refuse(why.status, why.slug, why.message, "refused")
            return b""
        if request.complete:
            self.attempt.facts = request.facts
        if not self.forwarded:
            if request.complete or not request.held:
                self.forward()
            if self.asks is not None and request.pending_bytes > self.state.limits.injected_body:
                self.client.pause_reading()
        elif self.large:
            self.large[:0] = request.pop_pieces()
        elif self.upstream is not None:
            self.upstream.write(request.pop())
        elif request.pending_bytes > self.state.limits.stream_buffer:
            self.client.pause_reading()
        return rest

    # Intent, then forward.

    def forward(self) -> None:
        """Send the request upstream, once budgets let it pass."""
        if self.asks is not None:
            return
        gate = self.budgets
        if gate is not None:
            self.asks = gate
            if not gate.ask(self):
                return
            self.asks = None
        self.send_on()

    def admitted(self) -> None:
        """Go on after waiting for room."""
        self.asks = None
        self.touched = self.state.tick
        self.began_ns = monotonic_ns()
        self.send_on()

    def turned_away(self, why: Refusal) -> None:
        """Tell the client why budgets do not let it pass."""
        self.asks = None
        self.respond(why.status, why.slug, why.message, "refused", refusal_lines(why))

    def send_on(self) -> None:
        self.forwarded = True
        self.attempt.intend(self.client.caller.attribution)
        self.request.begin()
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
        attempt, limits = self.attempt, self.state.limits
        attempt.sent = True
        connection.exchange = self
        data = b""
        if self.replay is not None:
            data, self.replay = self.replay, None
        else:
            request = self.request
            if request.pending_bytes > _JOINED:
                self.large = request.pop_pieces()
            else:
                data = request.pop()
            if connection.reused and request.complete:
                attempt.own_ns = monotonic_ns() - (self.began_ns or attempt.began_ns)
                if self.routed.replayable and not self.large and len(data) <= limits.replay_body:
                    self.replay = data
        self.touched = self.state.tick
        client = self.client
        if client.reading_paused:
            client.resume_reading()  # before the write: that may be too much and pause it again
        if client.stalled_since:
            connection.pause_reading()  # it has not taken the responses before this one yet
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
        self.touched = self.state.tick
        if upstream.transport.get_write_buffer_size() <= self.state.limits.stream_buffer:
            if pieces:
                self.state.loop.call_soon(self.send_large)
            else:
                self.request.let_go()
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

    # Extract while the response passes.

    def upstream_data(self, data: bytes) -> None:
        self.touched = self.state.tick
        response = self.response
        if response is None:
            self.attempt.first_byte_ns = monotonic_ns()
            request = self.request
            if isinstance(request, WholeRequest) and not request.metered and self.take_whole(data):
                return
            self.attempt.partial_at = self.touched
            self.replay = None
            response = self.response = Response(self.routed, request.meter, injected=request.injected)
            response.continued = self.continued
            if self.attempt.hold is not None and self.state.gate is not None:
                response.watch = self.state.gate.watch(self)
        try:
            data = response.feed(data, keep=self.may_keep_client())
        except BrokenResponse as error:
            if response.watch is not None and response.watch.due:
                self.fail(429, error.rule, str(error), "timed_out")
            else:
                self.fail(502, f"policy:{error.rule}", str(error))
            return
        if response.is_cut:
            self.cut(response, data)
        elif response.complete:
            if self.small is not None:
                self.complete(response, self.small.all() + data, self.small.lines_at)
            else:
                self.complete(response, data, response.lines_at)
        elif data:
            if self.small is not None:
                self.keep_small(self.small, response, data)
                return
            attempt = self.attempt
            if attempt.hold is not None and not attempt.facts.stream and may_be_small(response, data):
                self.keep_small(SmallResponse(response.lines_at), response, data)
                return
            if response.lines_at:
                data = self.with_lines(data, response.lines_at)
            self.pass_on(response, data)

    def keep_small(self, small: SmallResponse, response: Response, data: bytes) -> None:
        """Keep a piece of a small response; pass on what turns out to be large."""
        self.small = small
        small.add(data)
        if small.is_large:
            self.small = None
            self.pass_on(response, self.with_lines(small.all(), small.lines_at))

    def with_lines(self, data: bytes, at: int) -> bytes:
        """Put what we say of the call behind the lines of the head in `data`, which end at `at`."""
        return b"".join((data[:at], call_lines(self.attempt), data[at:]))

    def take_whole(self, data: bytes) -> bool:
        """Pass on an everyday response that came whole, unchanged; return whether it was one."""
        routed = self.routed
        head = routed.response_head
        if not data.startswith(head) or not head:
            if not routed.is_whole(data):
                return False
            head = routed.response_head
        elif len(data) != routed.whole_size:
            return False
        if self.state.draining:
            return False
        attempt = self.attempt
        extraction = routed.everyday_extraction(data[len(head) :], attempt.facts)
        if extraction is None:
            return False
        attempt.response_bytes = len(data) - len(head)
        attempt.status = 200
        attempt.request_id = routed.request_id
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.leave(reusable=True)
        if attempt.own_ns:
            attempt.own_ns += monotonic_ns() - attempt.first_byte_ns
        self.end("completed", None, extraction, data, len(head) - 2)
        return True

    def pass_on(self, response: Response, data: bytes) -> None:
        """Release bytes that are not the response's last."""
        if response.head is not None and not response.begun:
            response.begun = True
            self.attempt.status = response.status
            self.attempt.request_id = response.request_id
        if response.milestone:
            position = self.attempt.partial(response.meter)
            if self.waits_for_disk:
                self.wait_for(position)
        self.send(data)

    # Record, then release the last bytes.

    def complete(self, response: Response, data: bytes, lines_at: int = 0) -> None:
        started_ns = monotonic_ns()
        attempt = self.attempt
        attempt.status = response.status
        attempt.request_id = response.request_id
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            reusable = response.connection_reusable and self.request.complete and not self.large
            upstream.leave(reusable=reusable)
        if attempt.own_ns:
            attempt.own_ns += monotonic_ns() - started_ns
        self.end("completed", error_class_of(attempt.status), None, data, lines_at)

    def cut(self, response: Response, data: bytes) -> None:
        """End a response for which there is no more money; `data` says so in its own format."""
        self.drop_upstream()
        self.attempt.status = response.status
        self.attempt.request_id = response.request_id
        self.end("timed_out", EXCEEDED, None, data, response.lines_at)

    def end(
        self,
        outcome: Outcome,
        error_class: str | None,
        extraction: Extraction | None,
        data: bytes,
        lines_at: int,
    ) -> None:
        """Record a complete response, then release its last bytes; see `Response.lines_at`."""
        position = self.record(outcome, error_class, extraction)
        if lines_at:
            data = self.with_lines(data, lines_at)
        if self.waits_for_disk:
            self.wait_for(position)
            self.send(data)
        else:
            self.finish(data)

    def record(self, outcome: Outcome, error_class: str | None, extraction: Extraction | None = None) -> int:
        """Write down how it ended, by the meter where `extraction` is not known; return the position."""
        self.leave_flight()
        attempt, request, response = self.attempt, self.request, self.response
        if response is not None:
            attempt.response_bytes = response.body_bytes
            attempt.flags = request.flags + response.flags
        elif request.flags:
            attempt.flags = request.flags
        if extraction is None:
            extraction = attempt.measured(request.meter, outcome)
        position = attempt.done(self.client.caller.attribution, outcome, error_class, extraction)
        if attempt.hold is not None and self.state.gate is not None:
            self.state.gate.settled()
        return position

    def finish(self, data: bytes) -> None:
        complete = self.request.complete
        keep = complete and (self.response is None or self.response.keep_client)
        self.client.finish(data, keep=keep, unread=not complete)

    def may_keep_client(self) -> bool:
        return self.request.complete and not (
            self.routed.request.close
            or self.state.draining
            or self.client.asks_no_more
            or not self.routed.route.metered
        )

    # Ends before the end.

    def upstream_lost(self, error: Exception | None) -> None:
        self.upstream = None
        response = self.response
        last = response.end() if response is not None and error is None else None
        if response is not None and last is not None:
            if self.small is not None:
                self.complete(response, self.small.all() + last, self.small.lines_at)
            else:
                self.complete(response, last)
        elif self.replay is not None:
            # A pooled connection that was closed while unused: nothing of a response came.
            self.connecting = self.routed.route.origin.connect(self)
        else:
            slug = "upstream_closed_early" if self.attempt.first_byte_ns else "upstream_closed"
            self.fail(502, slug, "the upstream closed the connection before its response's end.")

    def client_lost(self) -> None:
        """The client has gone: cancel upstream and say so."""
        if self.ended:
            return
        self.drop_upstream()
        response = self.response
        if not self.forwarded:
            self.leave_flight()  # without a record: no upstream was contacted, and the client has left
        elif response is not None and response.begun and not self.waiting and response.meter.said_all():
            # SDKs close at the last event and do not wait for the framing's end.
            self.record("completed", error_class_of(self.attempt.status))
        else:
            self.record("client_disconnected", "client_disconnected")

    def client_stalled(self) -> None:
        if self.ended:
            self.client.abort()
        else:
            self.fail(408, "client_stalled", "the client stopped reading.", "timed_out")

    def cut_off(self) -> None:
        if self.ended:
            self.client.abort()
        else:
            self.refuse(503, "proxy_stopped", "the proxy was stopped.", "timed_out")

    def fail(self, status: int, error_class: str, message: str, outcome: Outcome = "upstream_failed") -> None:
        """End an exchange that the upstream or a limit has broken off."""
        self.drop_upstream()
        if self.response is not None and self.response.begun:
            self.record(outcome, error_class)
            self.break_off()
        else:
            self.respond(status, error_class, message, outcome)

    def refuse(self, status: int, slug: str, message: str, once_forwarded: Outcome) -> None:
        """Respond ourselves to a request that was routed to a provider, but is not to go on."""
        if self.forwarded:
            self.fail(status, slug, message, once_forwarded)
        else:
            self.respond(status, slug, message, "refused")

    def respond(
        self,
        status: int,
        error_class: str,
        message: str,
        outcome: Outcome,
        lines: tuple[str, ...] = (),
    ) -> None:
        """Record what has gone wrong and say it to the client."""
        self.attempt.status = status
        self.record(outcome, error_class)
        keep = self.may_keep_client()
        to_head = self.routed.request.method == b"HEAD"
        shape = self.routed.error_shape
        data = own_response.error(
            shape,
            status,
            error_class,
            message,
            close=not keep,
            headers=(*lines, *call_texts(self.attempt)),
            to_head=to_head,
        )
        self.client.finish(data, keep=keep, unread=not self.request.complete)

    def leave_flight(self) -> None:
        self.ended = True
        self.state.in_flight -= 1
        self.request.let_go()
        if self.asks is not None:
            self.asks.leave(self)
            self.asks = None

    # Once a second: limits in time, PARTIAL records.

    def sweep(self, now: float) -> None:
        if self.ended:
            return
        attempt, limits = self.attempt, self.state.limits
        if self.asks is not None:
            self.touched = now  # waiting for room is nobody's delay
            return
        quiet_s = now - self.touched
        if self.client.stalled_since:
            self.touched = now  # the client's own limit, looked after by its connection
        elif not self.request.complete:
            if self.client.reading_paused:
                if self.upstream_stalls(now):
                    self.fail(504, "upstream_stalled", "the upstream stopped reading.", "timed_out")
                    return
            elif quiet_s > limits.client_body_s:
                self.refuse(408, "body_timeout", "the request's body stopped coming.", "timed_out")
                return
        elif not attempt.first_byte_ns:
            if quiet_s > limits.first_byte_s and self.connecting is None:
                self.fail(504, "first_byte_timeout", "the upstream did not answer in time.", "timed_out")
                return
        elif quiet_s > limits.upstream_idle_s:
            self.fail(504, "upstream_idle_timeout", "the upstream stopped answering.", "timed_out")
            return
        response = self.response
        if response is not None and response.begun and now - attempt.partial_at >= limits.partial_s:
            attempt.partial_at = now
            attempt.partial(response.meter)
