"""A WebSocket through the proxy: its handshake, its bytes, its turns.

Bytes pass as they came, frames and all; a copy of them is cut into messages. The session is one
entry of the journal and every turn another, written when the message that ends the turn is about to
be passed on.
"""

from __future__ import annotations

from decimal import Decimal
from time import monotonic_ns
from typing import TYPE_CHECKING

from farebox.proxy.admission import own_response
from farebox.proxy.caller.attribution_merge import Attribution, whose_call
from farebox.proxy.http1.response import BrokenResponse, Response
from farebox.proxy.recording.attempt import Attempt
from farebox.proxy.recording.failed_meter import DeafMeter
from farebox.proxy.relay import Relay
from farebox.wire.facts import Extraction
from farebox.wire.framing.websocket import Agreement, Messages
from farebox.wire.http_policy import HEAD_BYTES_MAX, Refusal
from farebox.wire.session import SessionMeter
from farebox.wire.upgrade import judge_switch, judge_upgrade

if TYPE_CHECKING:
    from farebox.journal.records import Outcome
    from farebox.proxy.admission.routed_request import RoutedRequest
    from farebox.proxy.http1.client_connection import ClientConnection
    from farebox.proxy.recording.failed_meter import ExchangeMeter
    from farebox.proxy.service import Proxy
    from farebox.proxy.upstream.connection import ConnectError, UpstreamConnection


def _free(because: str) -> Extraction:
    return Extraction(reason=because, billable=False, not_billable_because=because)


_NO_SESSION = _free("no_session")
_HANDSHAKE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def open_socket(proxy: Proxy, client: ClientConnection, routed: RoutedRequest, early: bytes) -> None:
    """Begin a WebSocket whose request was accepted and routed; `early` came behind its head."""
    request = routed.request
    refusal = judge_upgrade(
        request.method, request.headers, has_body=request.has_body, old=request.version_1_0
    )
    if refusal is not None:
        proxy.refused += 1
        answer = own_response.refused(refusal)
        client.finish(answer, keep=False, unread=True)
        return
    Socket(proxy, client, routed, early)


class Socket(Relay):
    """One WebSocket, in an exchange's place."""

    answer: Response | None = None
    """The upstream's answer where it did not switch protocols."""
    turn: Attempt | None = None
    begun = False
    """An answer is being made in the turn that is open."""
    switched_ns = 0
    ended = False
    gate: list[bytes] | None = None
    """What waits until the record before it survives a power cut."""
    gate_position = 0
    unsent = 0

    def __init__(self, proxy: Proxy, client: ClientConnection, routed: RoutedRequest, early: bytes) -> None:
        self.proxy = proxy
        self.client = client
        self.routed = routed
        self.early = early
        """What the client sent before it knew whether it may."""
        self.head = b""
        self.touched = proxy.tick
        target = routed.target
        self.meter = SessionMeter(target.endpoint, target.path, routed.query, routed.meter_headers)
        self.from_client: Messages | None = None
        self.from_upstream: Messages | None = None
        proxy.in_flight += 1
        client.exchange = self
        self.session = Attempt(proxy, routed)
        self.session.intend(self.whose())
        self.connecting = routed.route.origin.connect(self)

    @property
    def request_complete(self) -> bool:
        return not self.switched_ns  # before that, what comes is kept by the connection

    def whose(self) -> Attribution:
        return whose_call(self.client.below, self.routed, self.meter.request_facts())

    # The handshake.

    def connected(self, connection: UpstreamConnection) -> None:
        self.connecting = None
        if self.ended:
            connection.abort()
            return
        self.upstream = connection
        connection.exchange = self
        self.touched = self.proxy.tick
        head = self.routed.upstream_head(None, reframed=False)
        connection.write(head[:-2] + _HANDSHAKE)

    def connect_failed(self, error: ConnectError) -> None:
        self.connecting = None
        status = 504 if error.error_class == "connect_timeout" else 502
        self.refuse(status, error.error_class, str(error))

    def upstream_data(self, data: bytes) -> None:
        self.touched = self.proxy.tick
        if self.switched_ns:
            self.pass_down(data)
        elif self.answer is not None:
            self.pass_answer(self.answer, data)
        else:
            self.read_head(self.head + data)

    def read_head(self, data: bytes) -> None:
        """Find out whether the upstream switches; any other answer is passed on as an answer."""
        self.session.first_byte_ns = self.session.first_byte_ns or monotonic_ns()
        end = data.find(b"\r\n\r\n") + 4
        if not data.startswith(b"HTTP/1.1 101"[: len(data)]):
            meter = _answer_meter(self.proxy, self.routed)
            self.answer = answer = Response(self.routed, meter, injected=False)
            self.pass_answer(answer, data)
        elif end > 3:
            headers = judge_switch(data[:end], self.routed.request.headers)
            if isinstance(headers, Refusal):
                self.refuse(502, f"policy:{headers.rule}", headers.message)
            else:
                self.switch(data[:end], dict(headers).get(b"sec-websocket-extensions"), data[end:])
        elif len(data) > HEAD_BYTES_MAX:
            self.refuse(502, "policy:headers_too_large", "the upstream's headers are over the limit.")
        else:
            self.head = data

    def switch(self, head: bytes, extensions: bytes | None, rest: bytes) -> None:
        """Pass the agreement on; from here on the bytes are the socket's."""
        self.switched_ns = monotonic_ns()
        agreed = Agreement(extensions)
        if agreed.problem is None:
            self.from_client = Messages(self.client_said, masked=True, deflate=agreed.from_client)
            self.from_upstream = Messages(self.upstream_said, masked=False, deflate=agreed.from_server)
        else:
            self.meter.give_up(agreed.problem)
        self.client.write(head)
        early, self.early = self.early + self.client.buffer, b""
        self.client.buffer = b""
        self.client.resume_reading()
        if early:
            self.request_data(early)
        if rest and not self.ended:
            self.pass_down(rest)

    def pass_answer(self, answer: Response, data: bytes) -> None:
        """Pass an ordinary answer on: a refusal of the provider's."""
        try:
            data = answer.feed(data, keep=False)
        except BrokenResponse as error:
            self.refuse(502, f"policy:{error.rule}", str(error))
            return
        self.session.response_bytes = answer.body_bytes
        if answer.complete:
            self.end_answer(answer, data)
        elif data:
            self.client.write(data)

    def end_answer(self, answer: Response, data: bytes) -> None:
        extraction = answer.meter.finish("completed")
        self.end("completed", extraction, answer.status, own_response.error_class_of(answer.status))
        self.client.finish(data, keep=False)

    def refuse(
        self, status: int, error_class: str, message: str, outcome: Outcome = "upstream_failed"
    ) -> None:
        """Answer ourselves: no WebSocket came about."""
        answered = self.answer is not None and self.answer.head is not None
        if answered and self.answer is not None:
            status = self.answer.status
        self.end(outcome, _NO_SESSION, status, error_class)
        if answered:
            self.client.abort()
            return
        shape = self.routed.error_shape
        self.client.finish(own_response.error(shape, status, error_class, message, close=True), keep=False)

    # The socket.

    def request_data(self, data: bytes) -> bytes:
        """Pass on what the client sends."""
        self.touched = self.proxy.tick
        self.session.request_bytes += len(data)
        if self.from_client is not None:
            self.listen(self.from_client, data)
        if self.turn is not None:
            self.turn.request_bytes += len(data)
        if self.upstream is not None:
            self.upstream.write(data)
        return b""

    def pass_down(self, data: bytes) -> None:
        """Pass on what the upstream sends."""
        self.session.response_bytes += len(data)
        turn = self.turn
        if turn is not None:
            turn.response_bytes += len(data)
        if self.from_upstream is not None:
            self.listen(self.from_upstream, data)
        if self.gate is not None:
            self.gate.append(data)
        else:
            self.client.write(data)

    def listen(self, messages: Messages, data: bytes) -> None:
        """Read a copy; nothing that goes wrong with it touches traffic."""
        try:
            messages.feed(data)
            problem = messages.problem
        except Exception as error:
            problem = f"meter_failed:{type(error).__name__}"
        if problem is not None:
            self.from_client = self.from_upstream = None
            self.meter.give_up(problem)

    def client_said(self, message: bytes) -> None:
        meter = self.meter
        meter.message(message, sent=True)
        if self.turn is None and meter.metered and meter.opens(message):
            self.open_turn()

    def upstream_said(self, message: bytes) -> None:
        meter = self.meter
        meter.message(message, sent=False)
        if not meter.metered:
            return
        begins = meter.begins(message)
        turn = self.turn
        if turn is None:
            if not (begins or meter.charged or meter.turn_ended):
                return
            turn = self.open_turn()
        if not turn.first_byte_ns:
            turn.first_byte_ns = monotonic_ns()
        self.begun = self.begun or begins
        if meter.turn_ended or (meter.charged and not self.begun):
            self.end_turn(turn, "completed")

    def open_turn(self) -> Attempt:
        self.turn = turn = Attempt(self.proxy, self.routed)
        self.begun = False
        turn.intend(self.whose())
        return turn

    def end_turn(self, turn: Attempt, outcome: Outcome) -> None:
        """Record a turn before the message that ended it is passed on."""
        self.turn = None
        self.begun = False
        position = turn.done(self.whose(), outcome, self.meter.take_turn(), status=101)
        if self.proxy.waits_for_disk:
            self.close_gate(position)

    def close_gate(self, position: int) -> None:
        if self.gate is None:
            self.gate = []
        self.gate_position = position
        wake = self.proxy.loop.call_soon_threadsafe

        def durable() -> None:
            wake(self.open_gate, position)

        self.proxy.journal.when_durable(position, durable)

    def open_gate(self, position: int) -> None:
        gate = self.gate
        if gate is None or position < self.gate_position:
            return
        self.gate = None
        data = b"".join(gate)
        if not self.ended:
            self.client.write(data)
        elif self.client.exchange is self:
            self.client.finish(data, keep=False)

    # How it ends.

    def end(self, outcome: Outcome, extraction: Extraction, status: int, error_class: str | None) -> int:
        """Write the session's own entry and let go of the upstream."""
        self.ended = True
        self.proxy.in_flight -= 1
        self.drop_upstream()
        return self.session.done(self.whose(), outcome, extraction, status=status, error_class=error_class)

    def end_session(self, outcome: Outcome, error_class: str | None) -> int:
        """Record what is still open as what it is, then the session."""
        closed = any(side is not None and side.closed for side in (self.from_client, self.from_upstream))
        if closed and outcome in ("client_disconnected", "upstream_failed"):
            outcome, error_class = "completed", None
        turn, self.turn = self.turn, None
        if turn is not None:
            self.end_open_turn(turn, outcome, error_class)
        seconds = Decimal((monotonic_ns() - self.switched_ns) // 1_000_000).scaleb(-3)
        return self.end(outcome, self.meter.finish_session(outcome, seconds), 101, error_class)

    def end_open_turn(self, turn: Attempt, outcome: Outcome, error_class: str | None) -> None:
        meter = self.meter
        if meter.charged_by_time:
            extraction = _free("session")
        elif outcome == "completed" and not self.begun:
            extraction = _free("no_answer")
        else:
            extraction = meter.take_turn("session_ended" if outcome == "completed" else outcome)
        turn.done(self.whose(), outcome, extraction, status=101, error_class=error_class)

    def client_lost(self) -> None:
        if self.ended:
            return
        if self.switched_ns:
            self.end_session("client_disconnected", "client_disconnected")
            return
        self.end("client_disconnected", _NO_SESSION, 0, "client_disconnected")

    def upstream_lost(self, error: Exception | None) -> None:
        self.upstream = None
        if self.switched_ns:
            position = self.end_session("upstream_failed", "upstream_closed")
            if self.gate is not None:
                self.close_gate(position)
            else:
                self.client.finish(b"", keep=False)
            return
        answer = self.answer
        last = answer.end() if answer is not None and error is None else None
        if answer is not None and last is not None:
            self.end_answer(answer, last)
        else:
            self.refuse(502, "upstream_closed", "the upstream closed the connection without an answer.")

    def break_off(self, outcome: Outcome, error_class: str) -> None:
        """End a socket that stands still, or that the proxy has no more time for."""
        if self.ended:
            self.client.abort()
        elif self.switched_ns:
            self.end_session(outcome, error_class)
            self.gate = None
            self.client.abort()
        else:
            self.refuse(504, error_class, "no answer to the handshake came.", outcome)

    def client_stalled(self) -> None:
        self.break_off("timed_out", "client_stalled")

    def cut_off(self) -> None:
        self.break_off("timed_out", "proxy_stopped")

    def sweep(self, now: float) -> None:
        """Once a second: limits in time."""
        if self.ended:
            return
        limits = self.proxy.limits
        quiet_s = now - self.touched
        if not self.switched_ns:
            if quiet_s > limits.first_byte_s and self.connecting is None:
                self.break_off("timed_out", "first_byte_timeout")
        elif self.client.reading_paused and self.upstream is not None:
            unsent = self.upstream.transport.get_write_buffer_size()
            if unsent != self.unsent:
                self.unsent = unsent
                self.touched = now
            elif quiet_s > limits.write_stall_s:
                self.break_off("timed_out", "upstream_stalled")
        elif quiet_s > limits.socket_idle_s:
            self.break_off("timed_out", "socket_idle_timeout")


def _answer_meter(proxy: Proxy, routed: RoutedRequest) -> ExchangeMeter:
    target = routed.target
    try:
        meter = proxy.meter(target.endpoint, target.path, routed.query, routed.meter_headers)
        meter.request_end()
    except Exception as error:
        return DeafMeter(error)
    return meter
