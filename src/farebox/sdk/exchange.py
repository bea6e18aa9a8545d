"""One metered request of this process, from before its first byte to the end of its response.

A transport tells it what passes; it writes INTENT and DONE. None of its methods raises: what goes wrong
here is reported, and the request goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic_ns
from typing import TYPE_CHECKING

from farebox.clock import uuid7, uuid_text
from farebox.journal.records import Outcome
from farebox.recording.adopted_ids import EVENT_ID
from farebox.recording.attempt import Attempt
from farebox.recording.attribution_merge import Attribution
from farebox.recording.error_class import error_class_of
from farebox.recording.guarded_meter import GuardedMeter
from farebox.sdk import attribution, faults, model_calls
from farebox.sdk.addresses.known_request import Headers, KnownRequest, KnownRequests
from farebox.sdk.failures import failure_of
from farebox.sdk.process_meter import process_meter
from farebox.sdk.settings import settings
from farebox.wire.facts import Extraction
from farebox.wire.http.request_id import request_id_of
from farebox.wire.meter import Meter

if TYPE_CHECKING:
    from farebox.budgets.call_limits import Outcome as Admission
    from farebox.recording.logical_calls import CallKey
    from farebox.sdk.addresses.destinations import Address
    from farebox.sdk.enforcement import Place
    from farebox.sdk.model_calls import ModelCall
    from farebox.sdk.process_meter import ProcessMeter
    from farebox.wire.fast_path.whole_response import FastPath
    from farebox.wire.request_limits import LimitKeys

_JSON = b"application/json"
_PARTIAL_NS = 5_000_000_000
_NOTHING: Headers = []
_OWN_ERROR = b"x-farebox-error"


class Passage:
    """A request by a route of a Farebox that is not known here: that one meters it alone."""

    __slots__ = ("headers",)

    def __init__(self, headers: Headers) -> None:
        self.headers = headers


class Exchange(Attempt):
    """One attempt, and what has passed of it."""

    # What is the same until something happens.
    reads_request = False
    """The request's body is still to come, in pieces."""
    refusal: str | None = None
    """Why the Farebox on the way did not send it on, or could not."""
    _ended = False
    _expected = -1
    _fast_path: FastPath | None = None
    _meter: GuardedMeter | None = None
    """What everyday exchanges do without."""
    _response_headers: Headers = _NOTHING
    _limit_keys: LimitKeys | None = None
    """What of its request decides what it can cost, where that matters."""
    announced: ModelCall | None = None
    """The call that a framework announced and that this is a request of."""
    place: Place | None = None
    """Where it stands with its budgets, until it may be sent."""

    def __init__(
        self, meter: ProcessMeter, known: KnownRequest, retry: int, body: bytes | None, event_id: bytes,
        told: Headers,
    ) -> None:  # fmt: skip
        """`event_id` and `told`: what a Farebox on the way is told; empty where there is none."""
        super().__init__(meter.recorder, known.described(attribution.current(), retry), event_id)
        self.headers = told
        """Headers to add to the request."""
        self.announced = model_calls.sent()
        self._process = meter
        self._below = meter.below
        self.known = known
        self._body = body
        self._partial_at_ns = self.began_ns + _PARTIAL_NS
        is_held = settings.enforces and not told  # a Farebox on the way holds what passes it
        if is_held:
            from farebox.sdk import enforcement

            self._limit_keys = enforcement.keys_for(meter)
        if body is None:
            self.reads_request = True
        else:
            self.request_bytes = len(body)
            fast_path = known.fast_path
            facts = None if fast_path is None else fast_path.request(body, self._limit_keys)
            if facts is None:
                self._metering()
            else:
                self.facts, self._fast_path = facts, fast_path
        if is_held:
            from farebox.sdk import enforcement

            self.place = enforcement.place_of(meter, self)
        if self.place is None:
            self.intend(self._below)
            self.sent = True

    def admit(self) -> None:
        """Wait until its budgets have room for it, before it is sent.

        Raises:
            BudgetExceededError: They have none. Nothing is sent.
        """
        if self.place is not None:
            self._admitted(self.place.wait())

    async def admit_async(self) -> None:
        """The same, for an event loop."""
        if self.place is not None:
            self._admitted(await self.place.wait_async())

    def attribution(self) -> Attribution:
        """Return whose call it is, as far as that is known before its response."""
        return self.routed.attribution(self._below, self.facts)

    def _admitted(self, outcome: Admission) -> None:
        from farebox.budgets.refusal import Refusal
        from farebox.sdk import enforcement

        self.place = None
        if isinstance(outcome, Refusal):
            self._ended = True
            try:
                self.done(self._below, "refused", outcome.slug, self.not_sent())
            except Exception as error:
                faults.report(error, "metering")
            raise enforcement.refused(outcome)
        self.hold, self.held = outcome, outcome.held
        try:
            self.intend(self._below)
        except Exception as error:
            faults.report(error, "metering")
        self.sent = True

    def _call_key(self) -> CallKey:
        """Retries are told by the body itself: most clients do not number them."""
        return _call_key(self.known, self._body)

    def _metering(self) -> GuardedMeter:
        """Return its meter, which has seen what is known of the request."""
        meter = self._meter
        if meter is None:
            known, body = self.known, self._body
            meter = GuardedMeter(Meter, known.endpoint, known.path, known.query, known.about_body)
            self._meter = meter
            if self._limit_keys is not None:
                meter.read_limits(self._limit_keys)
            if body is not None:
                meter.request_body(body)
                self.facts = meter.request_end()
        return meter

    def __del__(self) -> None:
        """What the program has forgotten, it reads no further."""
        if not self._ended and self.sent:
            self.left()

    def request_body(self, data: bytes) -> None:
        """Take in a piece of a request's body that is sent as it is made."""
        try:
            self.request_bytes += len(data)
            self._metering().request_body(data)
        except Exception as error:
            faults.report(error, "metering")

    def response(self, status: int, headers: Headers) -> None:
        """Take in status and headers of the response."""
        try:
            if self.reads_request:
                self.facts, self.reads_request = self._metering().request_end(), False
            self.status = status
            if self.announced is not None and status < 400:
                model_calls.responded(self.announced)
            fields = dict(headers)
            self.request_id = request_id_of(fields, self.known.id_names)
            if self.headers and _OWN_ERROR in fields:
                self.refusal = fields[_OWN_ERROR].decode("latin-1")
            length = fields.get(b"content-length", b"")
            if length.isdigit():
                self._expected = int(length)
            everyday = status == 200 and fields.get(b"content-type", _JSON)[:16] == _JSON
            if not everyday or self._expected <= 0 or b"content-encoding" in fields:
                self._fast_path = None
            if self._fast_path is None:
                self._metering().response_head(status, headers)
            else:
                self._response_headers = headers
        except Exception as error:
            faults.report(error, "metering")

    def chunk(self, data: bytes) -> None:
        """Take in a piece of the response's body, before the program has it."""
        try:
            now_ns = monotonic_ns()
            if not self.first_byte_ns:
                self.first_byte_ns = now_ns
            self.response_bytes += len(data)
            if self._fast_path is not None:
                if len(data) == self._expected:
                    found = self._fast_path.response(data, self.facts)
                    if found is not None:
                        self._finish("completed", None, found)
                        return
                self._fast_path = None
                self._metering().response_head(self.status, self._response_headers)
            (self._meter or self._metering()).response_body(data)
            if self.response_bytes == self._expected:
                self.completed()  # the program may never ask for more
            elif now_ns >= self._partial_at_ns:
                self._partial_at_ns = now_ns + _PARTIAL_NS
                self.partial(self._metering())
        except Exception as error:
            faults.report(error, "metering")

    def completed(self) -> None:
        """Note that the response is at its end."""
        try:
            if not self._ended:
                self._end("completed", error_class_of(self.status))
        except Exception as error:
            faults.report(error, "metering")

    def left(self) -> None:
        """Note that the program reads no further: it closed the response, or forgot it."""
        try:
            if self._ended:
                return
            if self._metering().said_all() or self._expected == 0:
                self.completed()
            else:
                self._end("client_disconnected", "client_disconnected")
        except Exception as error:
            faults.report(error, "metering")

    def failed(self, error: BaseException) -> None:
        """Note that there is no response, or no more of it."""
        try:
            if not self._ended:
                outcome, error_class, reached = failure_of(error)
                if not reached and not self.status:
                    self.sent = False
                self._end(outcome, error_class)
        except Exception as fault:
            faults.report(fault, "metering")

    def _end(self, outcome: Outcome, error_class: str | None) -> None:
        try:
            refusal = self.refusal
            if refusal is not None and outcome == "completed":
                outcome, error_class = self._refused(refusal), refusal
            if self._fast_path is not None and self.status:
                self._metering().response_head(self.status, self._response_headers)
            self._finish(outcome, error_class, self.measured(self._metering(), outcome))
        except Exception as error:
            self._ended = True
            faults.report(error, "metering")

    def _refused(self, refusal: str) -> Outcome:
        """Return how a call ended that a Farebox on the way responded to itself."""
        if self.status < 500 or refusal.startswith("policy:"):
            self.sent = False
            return "refused"
        return "upstream_failed"

    def _finish(self, outcome: Outcome, error_class: str | None, found: Extraction) -> None:
        self._ended = True
        try:
            self.done(self._below, outcome, error_class, found)
            if found.response_id is not None:
                self._process.metered_responses.add(self.known.intent.provider, found.response_id)
        except Exception as error:
            faults.report(error, "metering")


def begin(
    method: str,
    scheme: str,
    host: str,
    port: int | None,
    target: bytes,
    headers: Headers,
    body: bytes | None,
    via: Address | None = None,
) -> Exchange | Passage | None:
    """Begin what a request calls for, before anything of it is sent; None where it is nobody's to meter.

    `body` is None for one that is sent in pieces; `via` the HTTP proxy that it goes through.
    """
    try:
        meter = process_meter()
        if meter is None:
            return None
        destinations = meter.destinations
        target, _, query = target.partition(b"?")
        if destinations.is_farebox(host, port):
            found = destinations.route(target) if destinations.is_own(port) else None
        elif via is not None and destinations.is_intercepted(scheme, host, port, via):
            there = destinations.find(scheme, host, port, target) if destinations.is_own(via[1]) else None
            found = None if there is None else (there, target)
        else:
            there = destinations.find(scheme, host, port, target)
            if there is None:
                return None
            return _begin(meter, there, method, target, query, headers, body)
        event_id = uuid7()
        told = _told(event_id, attribution.current(), dict(headers))
        exchange = None
        if found is not None:
            exchange = _begin(meter, found[0], method, found[1], query, headers, body, event_id, told)
        if exchange is None:
            model_calls.sent()  # it is metered there
            return Passage(told)
        return exchange
    except Exception as error:
        faults.report(error, "metering")
        return None


def _begin(
    meter: ProcessMeter,
    there: KnownRequests,
    method: str,
    path: bytes,
    query: bytes,
    headers: Headers,
    body: bytes | None,
    event_id: bytes = b"",
    told: Headers = _NOTHING,
) -> Exchange | None:
    meter.renew()
    recorder = meter.recorder
    known = there.find(meter.callers, recorder.source, method, path, query, headers)
    if known is None:
        return None
    retry, calls = known.retry, recorder.calls
    if not known.is_numbered and body is not None and not calls.none_failed:
        retry = calls.repeats(_call_key(known, body), monotonic_ns())
    return Exchange(meter, known, retry, body, event_id, told)


def _call_key(known: KnownRequest, body: bytes | None) -> CallKey:
    intent = known.intent
    return intent.provider, intent.path, intent.key_fingerprint, 0 if body is None else hash(body)


def _told(event_id: bytes, said: Attribution, present: Mapping[bytes, bytes]) -> Headers:
    """Return what a Farebox is told of a call: its id, and whose it is as far as no header says so."""
    told = [(EVENT_ID, uuid_text(event_id).encode())]
    for name, value in said[0].items():
        header = f"x-farebox-{name.replace('.', '-')}".encode()
        if header not in present:
            told.append((header, _in_a_header(value)))
    return told


def _in_a_header(text: str) -> bytes:
    return "".join(letter if letter >= " " and letter != "\x7f" else "?" for letter in text).encode()
