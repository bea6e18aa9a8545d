"""One stream as an exchange: route → intent → forward → extract → record, as `http1.exchange` tells it.

Bytes, trailers and resets pass unchanged. The record is written before the stream's end is.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING

import msgspec
from h2.errors import ErrorCodes

from farebox.proxy.admission.call_headers import call_headers, refusal_headers
from farebox.proxy.admission.client_tokens import too_large
from farebox.proxy.http1.response import INTERIM_MAX
from farebox.proxy.http2 import heads
from farebox.proxy.http2.peer import Headers, Peer
from farebox.proxy.http2.pipe import Pipe
from farebox.proxy.recording.power_gate import PowerGate
from farebox.recording.attempt import NOT_SENT, Attempt
from farebox.recording.error_class import error_class_of
from farebox.wire.http.request_id import request_id_of

if TYPE_CHECKING:
    from farebox.budgets.refusal import Refusal
    from farebox.journal.records import Outcome
    from farebox.proxy.admission.budget_gate import BudgetGate
    from farebox.proxy.admission.routed_request import RoutedRequest
    from farebox.proxy.admission.stream_watch import StreamWatch
    from farebox.proxy.caller.connection_caller import ConnectionCaller
    from farebox.proxy.http1.client_connection import ClientConnection
    from farebox.proxy.http2.heads import Judged
    from farebox.proxy.http2.upstream_session import UpstreamSession
    from farebox.proxy.recording.recorder import Recorder
    from farebox.proxy.upstream.connection import ConnectError, Origin
    from farebox.wire.facts import Extraction

_UNREAD = "upstream_refused"
_SAID_S = 1.0
"""After so long without a message a call of gRPC that goes on is judged by what it has said."""


class ClientPeer(Peer):
    """What a stream asks of its client's connection (`farebox.proxy.http2.server`)."""

    client: ClientConnection

    def session(self, origin: Origin) -> UpstreamSession:
        raise NotImplementedError

    def respond(
        self,
        stream_id: int,
        grpc: bool,
        shape: str,
        status: int,
        slug: str,
        message: str,
        more: Headers | None = None,
    ) -> None:
        raise NotImplementedError

    def forget(self, stream: Stream) -> None:
        raise NotImplementedError


class Stream:
    """A routed request and its response."""

    upstream: UpstreamSession | None = None
    upstream_id = 0
    trailers: Headers | None = None
    grpc_status: int | None = None
    ended = False
    forwarded = False
    asks: BudgetGate | None = None
    """What it waits for, while it is not known whether budgets let it pass."""
    held = False
    """Nothing goes upstream before the request is whole: what it says decides whether it may pass."""
    watch: StreamWatch | None = None
    """Watches what a call costs that may cost more than is held for it."""
    refused_unread = False
    """The provider has said that it has not looked at the request (RFC 9113 §8.7)."""
    _interim = 0

    def __init__(
        self,
        server: ClientPeer,
        recorder: Recorder,
        stream_id: int,
        judged: Judged,
        routed: RoutedRequest,
    ) -> None:
        self.server = server
        self.stream_id = stream_id
        self.judged = judged
        self.routed = routed
        self.meter = recorder.meter(routed)
        self.recorder = recorder
        self.attempt = Attempt(recorder, routed, recorder.ids.adopt(routed.event_id), routed.event_id)
        self.up = Pipe(server, stream_id)
        self.down: Pipe | None = None
        self.touched = self.attempt.partial_at = server.state.tick
        server.state.in_flight += 1
        gate = self.gate
        if gate is not None:
            self.meter.read_limits(gate.keys)
            self.held = gate.may_cost(routed)
        if self.held:
            if judged.request.expects_continue:
                server.send_headers(stream_id, [(b":status", b"100")], end=False)
        else:
            self.forward()

    @property
    def gate(self) -> BudgetGate | None:
        """What its calls have to pass, None where nothing is limited here."""
        return self.server.state.gate if self.routed.metered else None

    @property
    def caller(self) -> ConnectionCaller:
        return self.server.client.caller

    # The request on its way.

    def forward(self) -> None:
        """Send the request upstream, once budgets let it pass."""
        if self.asks is not None or self.forwarded:
            return
        gate = self.gate
        if gate is not None:
            self.asks = gate
            if not gate.ask(self):
                return
            self.asks = None
        self.send_on()

    def admitted(self) -> None:
        """Go on after waiting for room."""
        self.asks = None
        self.send_on()
        self.server.flush()

    def turned_away(self, why: Refusal) -> None:
        """Tell the client why budgets do not let it pass."""
        self.asks = None
        self.fail(why.status, why.slug, why.message, "refused", refusal_headers(why, grpc=self.judged.grpc))

    def send_on(self) -> None:
        self.forwarded = True
        self.touched = self.server.state.tick
        self.attempt.intend(self.server.client.caller.attribution)
        self.upstream = self.server.session(self.routed.route.origin)
        self.upstream.add(self)

    def connected(self, stream_id: int) -> None:
        """There is a stream to the provider: send the head, then what has come of the body."""
        upstream = self.upstream
        if upstream is None:
            return
        self.upstream_id = stream_id
        self.attempt.sent = True
        self.touched = self.server.state.tick
        routed = self.routed
        target = routed.target.upstream_path
        if routed.request.query is not None:
            target += b"?" + routed.request.query
        origin = routed.route.origin
        headers = heads.upstream_headers(self.judged, origin.authority, target, secure=origin.secure)
        if not upstream.send_headers(stream_id, headers, end=False):
            self.fail(502, "upstream_closed", "the request could not be sent.")
            return
        self.up.to(upstream, stream_id)
        self.down = Pipe(upstream, stream_id)
        self.down.to(self.server, self.stream_id)
        self.pump()

    def client_data(self, data: bytes, counted: int) -> None:
        self.touched = self.server.state.tick
        self.attempt.request_bytes += len(data)
        limit = self.server.state.limits.request_body
        if limit and self.attempt.request_bytes > limit:
            why = too_large(limit)
            self.fail(why.status, why.slug, why.message, "refused")
            return
        self.meter.request_body(data)
        self.up.add(data, counted)
        if self.forwarded:
            self.pump()
        elif self.attempt.request_bytes <= self.server.state.limits.injected_body:
            self.up.take_in()
        else:
            self.forward()  # too large to be held: what is known of it has to do

    def client_ended(self) -> None:
        self.attempt.facts = self.meter.request_end()
        self.up.end()
        if not self.forwarded:
            self.forward()
        self.pump()

    def connect_failed(self, error: ConnectError) -> None:
        status = 504 if error.error_class == "connect_timeout" else 502
        self.fail(status, error.error_class, str(error))

    def flag(self, flag: str) -> None:
        self.attempt.flags = (*self.attempt.flags, flag)

    # The response.

    def informed(self, headers: Headers) -> None:
        """Pass on a response before the response: `100` for a client that waits, `103` for any."""
        self.touched = self.server.state.tick
        self._interim += 1
        if self._interim > INTERIM_MAX:
            self.fail(502, "policy:interim_responses", "the upstream sent too many interim responses.")
        elif heads.status_of(headers) != 100 or (self.judged.request.expects_continue and not self.held):
            self.server.send_headers(self.stream_id, self.for_client(headers), end=False)
            self.server.flush()

    def response_head(self, headers: Headers) -> None:
        """Pass on the response's head; one that is also its end waits for the record."""
        headers = self.for_client(headers)
        self.touched = self.server.state.tick
        self.attempt.first_byte_ns = monotonic_ns()
        self.attempt.status = heads.status_of(headers)
        self.grpc_status = heads.grpc_status(headers)
        plain = heads.plain(headers)
        self.attempt.request_id = request_id_of(dict(plain), self.routed.request_id_names)
        self.meter.response_head(self.attempt.status, plain)
        headers += call_headers(self.attempt)
        if self.attempt.hold is not None and self.server.state.gate is not None:
            self.watch_from(self.server.state.gate, dict(plain))
        if self.grpc_status is not None:
            self.trailers = headers  # gRPC's "Trailers-Only": the whole response
        elif self.server.send_headers(self.stream_id, headers, end=False):
            self.server.flush()
        else:
            self.client_reset(ErrorCodes.CANCEL)

    def for_client(self, headers: Headers) -> Headers:
        """Return an upstream's headers without those that only Farebox may say; the one that meters has."""
        return list(headers) if self.routed.hands_on else heads.for_client(headers)

    def upstream_data(self, data: bytes, counted: int) -> None:
        self.touched = self.server.state.tick
        self.attempt.response_bytes += len(data)
        self.meter.response_body(data)
        if self.watch is not None:
            instead = self.watch.take(data)
            if instead is not None or (self.watch.due and not self.watch.can_end_well):
                self.cut(self.watch, instead, counted)
                return
        if self.down is not None:
            self.down.add(data, counted)
        self.pump()

    def watch_from(self, gate: BudgetGate, fields: dict[bytes, bytes]) -> None:
        """Watch a stream that begins, where it may cost more than is held for it."""
        kind = fields.get(b"content-type", b"").decode("latin-1")
        encoded = fields.get(b"content-encoding", b"identity") != b"identity"
        watch = gate.watch(self) if self.attempt.status == 200 else None
        if watch is not None and watch.begins(kind, encoded=encoded):
            self.watch = watch

    def cut(self, watch: StreamWatch, instead: bytes | None, counted: int) -> None:
        """End a stream for which there is no more money, in a way that its client understands."""
        down = self.down
        if down is None or (instead is None and not self.judged.grpc):
            self.fail(429, watch.refusal().slug, watch.refusal().message, "timed_out")
            return
        self.drop_upstream(ErrorCodes.CANCEL)
        down.add(instead or b"", counted)
        why = watch.refusal()
        self.trailers = heads.grpc_trailers(why.status, why.message) if self.judged.grpc else None
        position = self.record("timed_out", why.slug)
        down.end(self.trailers)
        if self.recorder.waits_for_disk:
            down.hold_end(True)
            PowerGate(self.recorder.journal, self.released).close(position)
        self.settle()

    def upstream_ended(self) -> None:
        """Record, then release the end."""
        trailers, down = self.trailers, self.down
        if trailers is not None and self.grpc_status is None:
            self.grpc_status = heads.grpc_status(trailers)
        position = self.record("completed", self.error_class())
        if down is None:
            return
        down.end(trailers)
        if self.recorder.waits_for_disk:
            down.hold_end(True)
            PowerGate(self.recorder.journal, self.released).close(position)
        self.settle()

    def released(self, _: bytes) -> None:
        """Pass on the end, now that its record is durable."""
        if self.down is not None:
            self.down.hold_end(False)
        self.settle()

    def error_class(self) -> str | None:
        if self.grpc_status:
            return f"grpc_status_{self.grpc_status}"
        return error_class_of(self.attempt.status)

    def record(self, outcome: Outcome, error_class: str | None) -> int:
        """Write down how it ended and let go of the provider's stream."""
        self.leave_flight()
        below = self.server.client.caller.attribution
        position = self.attempt.done(below, outcome, error_class, self.measured(outcome))
        gate = self.server.state.gate
        if self.attempt.hold is not None and gate is not None:
            gate.settled()
        self.up.drop()
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            upstream.forget(self)
        return position

    def leave_flight(self) -> None:
        self.ended = True
        self.server.state.in_flight -= 1
        if self.asks is not None:
            self.asks.leave(self)
            self.asks = None

    def measured(self, outcome: Outcome) -> Extraction:
        if self.refused_unread and self.attempt.sent:
            return msgspec.structs.replace(NOT_SENT, reason=_UNREAD, not_billable_because=_UNREAD)
        extraction = self.attempt.measured(self.meter, outcome)
        if self.grpc_status and not any(part.quantities for part in extraction.parts):
            # An error that HTTP knows nothing of: nothing was bought.
            return msgspec.structs.replace(
                extraction,
                completeness="none",
                reason="error_response",
                billable=False,
                not_billable_because="error_response",
                error_code=extraction.error_code or f"grpc_{self.grpc_status}",
            )
        return extraction

    # Ends before the end.

    def client_reset(self, code: int) -> None:
        """The client has cancelled: so do we, with its own reason."""
        self.drop_upstream(code)
        if not self.ended and self.down is not None and not self.down.size and self.meter.said_all():
            self.record("completed", self.error_class())
        elif not self.ended and not self.forwarded:
            self.leave_flight()  # without a record: no upstream was contacted, and the client has left
            self.up.drop()
        elif not self.ended:
            self.record("client_disconnected", "client_disconnected")
        self.leave()

    def upstream_reset(self, code: int) -> None:
        if self.ended:
            return
        self.refused_unread = code == ErrorCodes.REFUSED_STREAM
        error_class = _UNREAD if self.refused_unread else "upstream_reset"
        self.record("upstream_failed", error_class)
        if self.down is not None:
            self.down.pump()
            self.down.drop()
        self.server.reset(self.stream_id, code)
        self.leave()
        self.server.flush()

    def upstream_lost(self) -> None:
        if not self.ended:
            self.upstream = None
            self.fail(502, "upstream_closed", "the upstream closed the connection before its response's end.")

    def fail(
        self,
        status: int,
        error_class: str,
        message: str,
        outcome: Outcome = "upstream_failed",
        more: Headers | None = None,
    ) -> None:
        """End it ourselves: with a response while none has begun, else by breaking it off."""
        if self.ended:
            return
        if not self.forwarded:
            outcome = "refused"
        begun = bool(self.attempt.status)
        self.drop_upstream(ErrorCodes.CANCEL)
        self.attempt.status = self.attempt.status or status
        self.record(outcome, error_class)
        if begun:
            self.server.reset(self.stream_id, ErrorCodes.INTERNAL_ERROR)
        else:
            shape = self.routed.error_shape
            self.server.respond(
                self.stream_id,
                self.judged.grpc,
                shape,
                status,
                error_class,
                message,
                [*(more or ()), *call_headers(self.attempt)],
            )
        self.leave()
        self.server.flush()

    def drop_upstream(self, code: int) -> None:
        upstream = self.upstream
        if upstream is not None and self.upstream_id:
            upstream.reset(self.upstream_id, code)
            upstream.flush()

    def leave(self) -> None:
        """Nothing more happens on this stream."""
        if self.down is not None:
            self.down.drop()
        self.server.forget(self)

    def settle(self) -> None:
        """Pass on what is left; leave when it is all gone."""
        down = self.down
        if down is not None:
            down.pump()
            if down.closed:
                self.leave()
        self.server.flush()

    def pump(self) -> None:
        """Pass on whatever fits, both ways."""
        moved = self.up.pump()
        if self.upstream is not None and moved:
            self.upstream.flush()
        if self.down is not None:
            if self.down.pump():
                self.touched = self.server.state.tick
            self.server.flush()
            if self.ended and self.down.closed:
                self.leave()
            elif self.upstream is not None:
                self.upstream.flush()  # acknowledgements

    def held_too_long(self) -> None:
        """A request stopped coming: a call that talks both ways has said what it says at first."""
        if self.judged.grpc:
            self.forward()
        else:
            message = "the request's body stopped coming."
            self.fail(408, "body_timeout", message, "refused")

    # Once a second.

    def sweep(self, now: float) -> None:
        limits = self.server.state.limits
        if self.asks is not None:
            self.touched = now  # waiting for room is nobody's delay
            return
        quiet_s = now - self.touched
        if not self.forwarded:
            if quiet_s > (_SAID_S if self.judged.grpc else limits.client_body_s):
                self.held_too_long()
            return
        waiting = self.down is not None and self.down.size > 0
        if self.ended or waiting:
            if quiet_s > limits.write_stall_s:
                if not self.ended:
                    self.fail(408, "client_stalled", "the client stopped reading.", "timed_out")
                else:
                    self.server.reset(self.stream_id, ErrorCodes.CANCEL)
                    self.leave()
            return
        if not self.attempt.status:
            if quiet_s > limits.first_byte_s:
                self.fail(504, "first_byte_timeout", "the upstream did not answer in time.", "timed_out")
            return
        if quiet_s > limits.upstream_idle_s:
            self.fail(504, "upstream_idle_timeout", "the upstream stopped answering.", "timed_out")
        elif now - self.attempt.partial_at >= limits.partial_s and self.attempt.response_bytes:
            self.attempt.partial_at = now
            self.attempt.partial(self.meter)
