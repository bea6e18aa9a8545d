"""A WebSocket through the proxy: its handshake, its bytes, its turns.

Bytes pass unchanged, frames and all; a copy of them is cut into messages. The session is one
entry of the journal and every turn another, written when the message that ends the turn is about to
be passed on.
"""

from __future__ import annotations

from decimal import Decimal
from time import monotonic_ns
from typing import TYPE_CHECKING

from farebox.proxy.admission import own_response
from farebox.proxy.admission.call_headers import call_lines, call_texts, refusal_lines
from farebox.proxy.http1.response import BrokenResponse, Response
from farebox.proxy.relay import Relay
from farebox.recording.attempt import Attempt
from farebox.recording.error_class import error_class_of
from farebox.wire.facts import Extraction
from farebox.wire.framing.websocket import Agreement, Messages, close_frame, text_frame
from farebox.wire.http.request_policy import HEAD_BYTES_MAX, Refusal
from farebox.wire.http.upgrade import judge_switch, judge_upgrade
from farebox.wire.session import SessionMeter

if TYPE_CHECKING:
    from farebox.budgets.refusal import Refusal as BudgetRefusal
    from farebox.journal.records import Outcome
    from farebox.proxy.admission.budget_gate import BudgetGate
    from farebox.proxy.admission.routed_request import RoutedRequest
    from farebox.proxy.caller.connection_caller import ConnectionCaller
    from farebox.proxy.http1.client_connection import ClientConnection
    from farebox.proxy.recording.recorder import Recorder
    from farebox.proxy.service_state import ServiceState
    from farebox.proxy.upstream.connection import ConnectError, UpstreamConnection


def _free(because: str) -> Extraction:
    return Extraction(reason=because, billable=False, not_billable_because=because)


_NO_SESSION = _free("no_session")
_POLICY = 1008
"""The close code for who may not go on (RFC 6455 §7.4.1)."""
_HANDSHAKE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def open_socket(client: ClientConnection, routed: RoutedRequest, early: bytes) -> None:
    """Begin a WebSocket whose request was accepted and routed; `early` came behind its head."""
    request = routed.request
    refusal = judge_upgrade(
        request.method, request.headers, has_body=request.has_body, old=request.version_1_0
    )
    if refusal is not None:
        client.service.refused += 1
        client.finish(own_response.refused(refusal), keep=False, unread=True)
        return
    Socket(client.service, client.shared.recorder, client, routed, early)


class Socket(Relay):
    """One WebSocket, in an exchange's place."""

    asks: BudgetGate | None = None
    """What it waits for, while it is not known whether budgets let it pass."""
    refused: BudgetRefusal | None = None
    """Why no other turn may begin."""
    response: Response | None = None
    """The upstream's response where it did not switch protocols."""
    turn: Attempt | None = None
    begun = False
    """A response is being made in the turn that is open."""
    switched_ns = 0
    head = b""
    from_client: Messages | None = None
    from_upstream: Messages | None = None

    def __init__(
        self,
        state: ServiceState,
        recorder: Recorder,
        client: ClientConnection,
        routed: RoutedRequest,
        early: bytes,
    ) -> None:
        self.routed = routed
        self.clients = client.shared.admission.clients
        self.early = early
        """What the client sent before it knew whether it may."""
        target = routed.target
        self.meter = SessionMeter(target.endpoint, target.path, routed.query, routed.meter_headers)
        super().__init__(state, recorder, client)
        self.session = self.new_attempt()
        gate = state.gate
        if gate is not None:
            self.asks = gate
            if not gate.ask(self):
                return
            self.asks = None
        self.open()

    # What budgets say.

    @property
    def attempt(self) -> Attempt:
        return self.session

    @property
    def caller(self) -> ConnectionCaller:
        return self.client.caller

    def admitted(self) -> None:
        """Go on after waiting."""
        self.asks = None
        self.open()

    def turned_away(self, why: BudgetRefusal) -> None:
        """Tell the client why budgets do not let it pass."""
        self.asks = None
        self.refuse(why.status, why.slug, why.message, "refused", refusal_lines(why))

    def open(self) -> None:
        """Ask the upstream to switch."""
        self.touched = self.state.tick
        self.session.intend(self.client.caller.attribution)
        self.connecting = self.routed.route.origin.connect(self)

    @property
    def request_complete(self) -> bool:
        return not self.switched_ns  # before that, what comes is kept by the connection

    def new_attempt(self) -> Attempt:
        attempt = Attempt(self.recorder, self.routed)
        attempt.facts = self.meter.request_facts()
        return attempt

    # The handshake.

    def connected(self, connection: UpstreamConnection) -> None:
        self.connecting = None
        if self.ended:
            connection.abort()
            return
        self.upstream = connection
        connection.exchange = self
        self.touched = self.state.tick
        head = self.routed.upstream_head(None, reframed=False)
        connection.write(head[:-2] + _HANDSHAKE)

    def connect_failed(self, error: ConnectError) -> None:
        self.connecting = None
        status = 504 if error.error_class == "connect_timeout" else 502
        self.refuse(status, error.error_class, str(error))

    def upstream_data(self, data: bytes) -> None:
        self.touched = self.state.tick
        self.state.passed = True
        if self.switched_ns:
            self.pass_down(data)
        elif self.response is not None:
            self.pass_response(self.response, data)
        else:
            self.read_head(self.head + data)

    def read_head(self, data: bytes) -> None:
        """Find out whether the upstream switches; any other response is passed on."""
        self.session.first_byte_ns = self.session.first_byte_ns or monotonic_ns()
        end = data.find(b"\r\n\r\n") + 4
        if not data.startswith(b"HTTP/1.1 101"[: len(data)]):
            meter = self.recorder.meter(self.routed)
            meter.request_end()
            self.response = response = Response(self.routed, meter, injected=False)
            self.pass_response(response, data)
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
        self.client.write(self.with_lines(head, len(head) - 2))
        early, self.early = self.early + self.client.buffer, b""
        self.client.buffer = b""
        self.client.resume_reading()
        if early:
            self.request_data(early)
        if rest and not self.ended:
            self.pass_down(rest)

    def pass_response(self, response: Response, data: bytes) -> None:
        """Pass an ordinary response on: a refusal of the provider's."""
        try:
            data = response.feed(data, keep=False)
        except BrokenResponse as error:
            self.refuse(502, f"policy:{error.rule}", str(error))
            return
        self.session.response_bytes = response.body_bytes
        if response.lines_at:
            data = self.with_lines(data, response.lines_at)
        if response.complete:
            self.end_response(response, data)
        elif data:
            self.client.write(data)

    def with_lines(self, data: bytes, at: int) -> bytes:
        """Put what we say of the call behind the lines of the head in `data`, which end at `at`."""
        return b"".join((data[:at], call_lines(self.session), data[at:]))

    def end_response(self, response: Response, data: bytes) -> None:
        extraction = response.meter.finish("completed")
        error_class = error_class_of(response.status)
        self.end("completed", extraction, response.status, error_class)
        self.finish(data)

    def refuse(
        self,
        status: int,
        error_class: str,
        message: str,
        outcome: Outcome = "upstream_failed",
        lines: tuple[str, ...] = (),
    ) -> None:
        """Respond ourselves: no WebSocket came about."""
        response = self.response
        begun = response is not None and response.head is not None
        if begun and response is not None:
            status = response.status
        self.end(outcome, _NO_SESSION, status, error_class)
        if begun:
            self.client.abort()
            return
        shape = self.routed.error_shape
        said = (*lines, *call_texts(self.session))
        response_bytes = own_response.error(shape, status, error_class, message, close=True, headers=said)
        self.client.finish(response_bytes, keep=False)

    # The socket.

    def request_data(self, data: bytes) -> bytes:
        """Pass on what the client sends."""
        self.touched = self.state.tick
        self.session.request_bytes += len(data)
        if self.from_client is not None:
            self.listen(self.from_client, data)
            if self.ended:
                return b""
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
            if self.refused is not None:
                self.client.write(data)
                self.cut(self.refused)
                return
        self.send(data)

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
            if self.refused is not None:
                self.cut(self.refused)

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
            if turn is None:
                return
        if not turn.first_byte_ns:
            turn.first_byte_ns = monotonic_ns()
        self.begun = self.begun or begins
        if meter.turn_ended or (meter.charged and not self.begun):
            self.end_turn(turn, "completed")

    def open_turn(self) -> Attempt | None:
        """Begin a turn; None where budgets do not let it."""
        if self.refused is not None:
            return None
        turn = self.new_attempt()
        gate = self.state.gate
        if gate is not None:
            self.refused = gate.ask_for_turn(turn, self.routed, self.client.caller)
            if self.refused is not None:
                turn.status = self.refused.status
                turn.done(self.client.caller.attribution, "refused", self.refused.slug, turn.not_sent())
                return None
        turn.intend(self.client.caller.attribution)
        self.turn = turn
        self.begun = False
        return turn

    def cut(self, why: BudgetRefusal) -> None:
        """End the socket with a word that its client understands: there is no money for another turn."""
        if self.ended:
            return
        down = self.from_upstream
        self.end_session("timed_out", why.slug)
        if down is None or not down.between_frames or self.waiting:
            self.break_off()
            return
        said = own_response.error_event(self.routed.error_shape, why.status, why.slug, why.message)
        told = text_frame(said) if down.between_messages else b""
        self.client.finish(told + close_frame(_POLICY, f"Farebox: {why.message}"), keep=False)

    def end_turn(self, turn: Attempt, outcome: Outcome) -> None:
        """Record a turn before the message that ended it is passed on."""
        self.turn = None
        self.begun = False
        turn.status = 101
        position = turn.done(self.client.caller.attribution, outcome, None, self.meter.take_turn())
        if self.recorder.waits_for_disk:
            self.wait_for(position)

    # How it ends.

    def end(self, outcome: Outcome, extraction: Extraction, status: int, error_class: str | None) -> int:
        """Write the session's own entry and let go of the upstream."""
        self.ended = True
        self.state.in_flight -= 1
        if self.asks is not None:
            self.asks.leave(self)
            self.asks = None
        self.drop_upstream()
        self.session.status = status
        return self.session.done(self.client.caller.attribution, outcome, error_class, extraction)

    def finish(self, data: bytes) -> None:
        self.client.finish(data, keep=False)

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
        turn.status = 101
        turn.done(self.client.caller.attribution, outcome, error_class, extraction)

    def client_lost(self) -> None:
        if self.ended:
            return
        if self.asks is not None:
            self.asks.leave(self)
            self.asks = None
            self.ended = True  # without a record: no upstream was contacted
            self.state.in_flight -= 1
            return
        if self.switched_ns:
            self.end_session("client_disconnected", "client_disconnected")
            return
        self.end("client_disconnected", _NO_SESSION, 0, "client_disconnected")

    def upstream_lost(self, error: Exception | None) -> None:
        self.upstream = None
        if self.switched_ns:
            position = self.end_session("upstream_failed", "upstream_closed")
            if self.waiting:
                self.wait_for(position)
            else:
                self.finish(b"")
            return
        response = self.response
        last = response.end() if response is not None and error is None else None
        if response is not None and last is not None:
            self.end_response(response, last)
        else:
            self.refuse(502, "upstream_closed", "the upstream closed the connection without a response.")

    def give_up(self, outcome: Outcome, error_class: str) -> None:
        """End a socket that stands still, or that the proxy has no more time for."""
        if self.ended:
            self.client.abort()
        elif self.switched_ns:
            self.end_session(outcome, error_class)
            self.break_off()
        else:
            self.refuse(504, error_class, "no response to the handshake came.", outcome)

    def client_stalled(self) -> None:
        self.give_up("timed_out", "client_stalled")

    def cut_off(self) -> None:
        self.give_up("timed_out", "proxy_stopped")

    def sweep(self, now: float) -> None:
        if self.ended:
            return
        if self.asks is not None:
            return
        limits = self.state.limits
        quiet_s = now - self.touched
        digest = self.routed.admitted.digest
        if digest and not self.clients.holds(digest):
            self.give_up("timed_out", "token_refused")
            return
        if not self.switched_ns:
            if quiet_s > limits.first_byte_s and self.connecting is None:
                self.give_up("timed_out", "first_byte_timeout")
        elif self.client.reading_paused and self.upstream is not None:
            if self.upstream_stalls(now):
                self.give_up("timed_out", "upstream_stalled")
        elif quiet_s > limits.socket_idle_s:
            self.give_up("timed_out", "socket_idle_timeout")
