"""One metered request of this process, from before its first byte to the end of its response.

A transport tells it what passes; it writes INTENT and DONE. None of its methods raises: what goes wrong
here is reported, and the request goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic, monotonic_ns
from typing import TYPE_CHECKING

from farebox.clock import uuid7, uuid_text
from farebox.journal.records import Intent, Outcome
from farebox.recording.adopted_ids import EVENT_ID
from farebox.recording.attempt import Attempt
from farebox.recording.attribution_merge import NOBODY, Attribution, merged
from farebox.recording.callers import retry_count
from farebox.recording.described_request import DescribedRequest
from farebox.recording.error_class import error_class_of
from farebox.recording.guarded_meter import GuardedMeter
from farebox.sdk import attribution, faults
from farebox.sdk.failures import failure_of
from farebox.sdk.process_meter import process_meter
from farebox.wire.facts import Extraction
from farebox.wire.fast_path.whole_response import fast_path_for
from farebox.wire.http.request_id import request_id_names, request_id_of
from farebox.wire.keys import KEY_LENGTH_MIN, path_without_keys, without_keys
from farebox.wire.meter import Meter

if TYPE_CHECKING:
    from farebox.catalog import Endpoint
    from farebox.recording.logical_calls import CallKey
    from farebox.sdk.destinations import Address, Destination
    from farebox.sdk.process_meter import ProcessMeter

Headers = list[tuple[bytes, bytes]]
"""Names in lower case."""

_JSON = b"application/json"
_PARTIAL_S = 5.0
_PATH_SHOWN_MAX = 1024
_REMEMBERED = 512
_NOTHING: Headers = []
_OWN_ERROR = b"x-farebox-error"
_STRONG = ("header:x-farebox-", "key:")
"""What said a thing for this very call, or for ever: stronger than the block around the call."""

_plain_paths: set[str] = set()
"""Paths that hold nothing like a key."""
_described: dict[tuple[object, ...], DescribedRequest] = {}


class Passage:
    """A request by a route of a Farebox that is not known here: that one meters it alone."""

    __slots__ = ("headers",)

    def __init__(self, headers: Headers) -> None:
        self.headers = headers


class _SdkAttempt(Attempt):
    """An attempt whose retries are told by the body itself: most clients do not number them."""

    body_hash = 0
    refusal: str | None = None
    """Why the Farebox on the way did not send it on, or could not."""

    def _call_key(self) -> CallKey:
        intent = self.routed.intent
        return intent.provider, intent.path, intent.key_fingerprint, self.body_hash


class Exchange:
    """One attempt, and what has passed of it."""

    __slots__ = (
        "_attempt",
        "_below",
        "_ended",
        "_expected",
        "_fast_path",
        "_made_of",
        "_meter",
        "_metered",
        "_partial_at",
        "_response_headers",
        "headers",
        "reads_request",
    )

    def __init__(
        self, meter: ProcessMeter, described: DescribedRequest, endpoint: Endpoint, place: tuple[str, str],
        headers: Headers, body: bytes | None, event_id: bytes, told: Headers,
    ) -> None:  # fmt: skip
        """`event_id` and `told`: what a Farebox on the way is told; empty where there is none."""
        self.headers = told
        """Headers to add to the request."""
        self._below = meter.below
        self._metered = meter.metered_responses
        self._attempt = attempt = _SdkAttempt(meter.recorder, described, event_id)
        about_body = meter.callers.others(headers)
        self._made_of = endpoint, *place, about_body, body
        """What its meter is made of, which everyday exchanges do without."""
        self._meter: GuardedMeter | None = None
        self._fast_path = None if body is None else fast_path_for(endpoint, *place, about_body)
        self._ended = False
        self._expected = -1
        self._response_headers: Headers = []
        self._partial_at = monotonic() + _PARTIAL_S
        if body is not None:
            attempt.body_hash = hash(body)
            attempt.request_bytes = len(body)
            facts = None if self._fast_path is None else self._fast_path.request(body)
            if facts is None:
                self._fast_path = None
                self._metering()
            else:
                attempt.facts = facts
        self.reads_request = body is None
        """Whether the request's body is still to come, in pieces."""
        attempt.intend(self._below)
        attempt.sent = True

    def _metering(self) -> GuardedMeter:
        """Return its meter, which has seen what is known of the request."""
        meter = self._meter
        if meter is None:
            endpoint, path, query, headers, body = self._made_of
            meter = self._meter = GuardedMeter(Meter, endpoint, path, query, headers)
            if body is not None:
                meter.request_body(body)
                self._attempt.facts = meter.request_end()
        return meter

    def __del__(self) -> None:
        """What the program has forgotten, it reads no further."""
        if not getattr(self, "_ended", True):
            self.left()

    def request_body(self, data: bytes) -> None:
        """Take in a piece of a request's body that is sent as it is made."""
        try:
            self._attempt.request_bytes += len(data)
            self._metering().request_body(data)
        except Exception as error:
            faults.report(error, "metering")

    def response(self, status: int, headers: Headers) -> None:
        """Take in status and headers of the response."""
        try:
            attempt = self._attempt
            if self.reads_request:
                attempt.facts, self.reads_request = self._metering().request_end(), False
            attempt.status = status
            fields = dict(headers)
            attempt.request_id = request_id_of(fields, request_id_names(self._made_of[0]))
            if self.headers and _OWN_ERROR in fields:
                attempt.refusal = fields[_OWN_ERROR].decode("latin-1")
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
            attempt = self._attempt
            if not attempt.first_byte_ns:
                attempt.first_byte_ns = monotonic_ns()
            attempt.response_bytes += len(data)
            if self._fast_path is not None:
                if len(data) == self._expected:
                    found = self._fast_path.response(data, attempt.facts)
                    if found is not None:
                        self._finish("completed", None, found)
                        return
                self._fast_path = None
                self._metering().response_head(attempt.status, self._response_headers)
            (self._meter or self._metering()).response_body(data)
            if attempt.response_bytes == self._expected:
                self.completed()  # the program may never ask for more
            elif monotonic() >= self._partial_at:
                self._partial_at = monotonic() + _PARTIAL_S
                attempt.partial(self._metering())
        except Exception as error:
            faults.report(error, "metering")

    def completed(self) -> None:
        """Note that the response is at its end."""
        try:
            if not self._ended:
                self._end("completed", error_class_of(self._attempt.status))
        except Exception as error:
            faults.report(error, "metering")

    def left(self) -> None:
        """Note that the program reads no further: it closed the response, or forgot it."""
        try:
            if not self._ended:
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
                if not reached and not self._attempt.status:
                    self._attempt.sent = False
                self._end(outcome, error_class)
        except Exception as fault:
            faults.report(fault, "metering")

    def _end(self, outcome: Outcome, error_class: str | None) -> None:
        try:
            refusal = self._attempt.refusal
            if refusal is not None and outcome == "completed":
                outcome, error_class = self._refused(refusal), refusal
            if self._fast_path is not None and self._attempt.status:
                self._metering().response_head(self._attempt.status, self._response_headers)
            self._finish(outcome, error_class, self._attempt.measured(self._metering(), outcome))
        except Exception as error:
            self._ended = True
            faults.report(error, "metering")

    def _refused(self, refusal: str) -> Outcome:
        """Return how a call ended that a Farebox on the way responded to itself."""
        if self._attempt.status < 500 or refusal.startswith("policy:"):
            self._attempt.sent = False
            return "refused"
        return "upstream_failed"

    def _finish(self, outcome: Outcome, error_class: str | None, found: Extraction) -> None:
        self._ended = True
        try:
            attempt = self._attempt
            attempt.done(self._below, outcome, error_class, found)
            if found.response_id is not None:
                self._metered.add(attempt.routed.intent.provider, found.response_id)
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
        path = target.decode("latin-1")
        if destinations.is_farebox(host, port):
            found = destinations.route(path) if destinations.is_own(port) else None
        elif via is not None and destinations.is_intercepted(scheme, host, port, via):
            known = destinations.find(scheme, host, port, path) if destinations.is_own(via[1]) else None
            found = None if known is None else (known, path)
        else:
            destination = destinations.find(scheme, host, port, path)
            if destination is None:
                return None
            return _begin(meter, destination, method.upper(), path, query, headers, body)
        event_id = uuid7()
        told = _told(event_id, attribution.current(), dict(headers))
        if found is None:
            return Passage(told)
        destination, path = found
        exchange = _begin(meter, destination, method.upper(), path, query, headers, body, event_id, told)
        return Passage(told) if exchange is None else exchange
    except Exception as error:
        faults.report(error, "metering")
        return None


def _begin(
    meter: ProcessMeter,
    destination: Destination,
    method: str,
    path: str,
    query: bytes,
    headers: Headers,
    body: bytes | None,
    event_id: bytes = b"",
    told: Headers = _NOTHING,
) -> Exchange | None:
    meter.renew()
    fields = dict(headers)
    if b"websocket" in fields.get(b"upgrade", b"").lower():
        return None  # a conversation, and not one response
    key = destination.key(fields, query or None)
    shown = path if path in _plain_paths else path_without_keys(path)
    if shown == path and len(_plain_paths) < _REMEMBERED:
        _plain_paths.add(path)
    endpoint = destination.endpoint(method, path, key, remember=shown == path)
    if endpoint is None:
        return None
    callers = meter.callers
    provider = destination.provider
    fingerprint = callers.of(provider.id.encode(), key) if key else None
    text = key.decode("latin-1") if key else ""
    own_key = text if len(text) >= KEY_LENGTH_MIN else ""
    written = shown[:_PATH_SHOWN_MAX]
    if own_key and own_key in written:
        written = without_keys(written, own_key)
    number = retry_count(fields)
    if not number and body is not None:
        wanted = provider.id, written, fingerprint, hash(body)
        number = meter.recorder.calls.repeats(wanted, monotonic_ns())
    said = _said(callers.read(headers, fingerprint))
    identity = provider.id, destination.host, method, path, fingerprint, number
    described = _described.get(identity)
    if described is None or described.said is not said:
        intent = Intent(
            event_id=b"",
            occurred_at_ns=0,
            source=meter.recorder.source,
            witness="sdk",
            provider=provider.id,
            surface=endpoint.surface,
            method=method,
            path=written,
            host=destination.host,
            key_fingerprint=fingerprint,
            attempt=number,
        )
        described = DescribedRequest(intent, own_key, said)
        if len(_described) >= _REMEMBERED:
            _described.clear()
        if shown == path:
            _described[identity] = described
    base = destination.base_path
    below = path[len(base) :] if base and path.startswith(base + "/") else path
    place = below, query.decode("latin-1")
    return Exchange(meter, described, endpoint, place, headers, body, event_id, told)


def _said(found: Attribution) -> Attribution:
    """Return what headers and the block around the call say; the same object where only the block does."""
    around = attribution.current()
    if not found[0]:
        return around
    strong = {name: source for name, source in found[1].items() if source.startswith(_STRONG)}
    above = ({name: found[0][name] for name in strong}, strong) if strong else NOBODY
    return merged(found, around, above)


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
