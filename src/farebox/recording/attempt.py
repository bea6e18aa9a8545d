"""What of one attempt goes into the journal: INTENT, PARTIAL, DONE.

An exchange of HTTP/1.1, a stream of HTTP/2 and a turn of a WebSocket are written down here and nowhere
else. DONE repeats what INTENT said, so that a row can be made of it alone; what both begin with is
encoded once.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns, time_ns
from typing import TYPE_CHECKING, Protocol

import msgspec

from farebox.clock import now_ns, uuid7, uuid_text
from farebox.journal.records import (
    DONE,
    DONE_FIELDS,
    INTENT,
    PARTIAL,
    Outcome,
    Partial,
    done_record,
    encode,
    intent_record,
)
from farebox.recording.logical_calls import SOURCE
from farebox.wire.facts import Extraction
from farebox.wire.keys import redacted, without_keys
from farebox.wire.request import RequestFacts

if TYPE_CHECKING:
    from farebox.journal.records import Held
    from farebox.recording.attribution_merge import Attribution
    from farebox.recording.described_request import DescribedRequest
    from farebox.recording.guarded_meter import GuardedMeter
    from farebox.recording.logical_calls import CallKey, LogicalCalls
    from farebox.wire.usage.estimate_sample import Unmeasured


class Estimates(Protocol):
    """Where calls go that nobody stated the usage of."""

    def offer(self, unmeasured: Unmeasured) -> None: ...


class Hold(Protocol):
    """What budgets hold for a call (`farebox.budgets.hold`)."""

    def concluded(self, extraction: Extraction) -> Held: ...
    def settle(self) -> None: ...
    def lines(self) -> str: ...


class AttemptRecorder(Protocol):
    """Where attempts are written down: the proxy's recorder, the SDK's."""

    append: Callable[[int, bytes], int]
    calls: LogicalCalls

    @property
    def estimates(self) -> Estimates | None: ...
    @property
    def source(self) -> str: ...


NOT_SENT = Extraction(reason="not_sent", billable=False, not_billable_because="not_sent")
"""What is certain of a call of which no byte has gone to its provider: nothing can have been spent."""

_IN_ORDER = (
    "ended_at_ns",
    "outcome",
    "status",
    "error_class",
    "request_bytes",
    "response_bytes",
    "first_byte_us",
    "total_us",
    "added_us",
    "extraction",
    "max_tokens",
    "event_id_text",
    "payload_sha256",
    "request_id",
    "passed_on",
    "held",
)
if _IN_ORDER != DONE_FIELDS:
    raise AssertionError(f"Attempt.done writes {_IN_ORDER}, a record has {DONE_FIELDS}")


class Attempt:
    """One piece of traffic with an INTENT and a DONE of its own."""

    # What is the same until something happens.
    first_byte_ns = 0
    """When the response began, on the clock of `began_ns`; 0 while it has not."""
    own_ns = 0
    """Time that we ourselves took, 0 where it is not known."""
    partial_at = 0.0
    """When a PARTIAL was written last, in the service's seconds."""
    request_bytes = 0
    response_bytes = 0
    status = 0
    request_id: str | None = None
    """The provider's id of the request, of a response header."""
    told_id: str | None = None
    """The event id that came with it and was not taken over: what joins the two where nothing else does."""
    sent = False
    """Something of it has gone upstream."""
    facts = RequestFacts()
    """What the request says, once it is complete."""
    flags: tuple[str, ...] = ()
    """What was unusual about its form."""
    call: str | None = None
    """For a retry, the logical call that it belongs to."""
    held: Held | None = None
    """What budgets hold for it: reserved, and once it has ended, settled."""
    hold: Hold | None = None
    """Where that is counted; None where no budget covers the call."""
    _attribution: Attribution | None = None
    _origin = b""
    """What its records begin with, for that attribution."""

    def __init__(
        self, recorder: AttemptRecorder, routed: DescribedRequest, event_id: bytes = b"", told: bytes = b""
    ) -> None:
        """`event_id`: one that was made where the call began and came with it; without it, a new one.

        `told`: the id that came with it, whether or not it was taken over.
        """
        self.recorder = recorder
        self.routed = routed
        self.began_ns = monotonic_ns()
        self.occurred_at_ns = occurred = time_ns()
        self.event_id = event_id or uuid7(occurred)
        self.passed_on = bool(event_id)
        """Somebody else writes this call down by the same id."""
        if told and not event_id:
            self.told_id = uuid_text(told)

    def intend(self, below: Attribution) -> None:
        """Write down that the upstream is about to be sent something that can cost.

        `below`: what is known of the connection without its requests.
        """
        routed = self.routed
        if routed.metered:
            number = routed.intent.attempt
            if number:
                self.call = self.recorder.calls.call_of(self._call_key(), number, self.began_ns)
            self.recorder.append(INTENT, intent_record(self._begin(below), self.held))

    def partial(self, meter: GuardedMeter) -> int:
        """Write down what it has cost so far; return the record's position, 0 where nothing is recorded."""
        routed = self.routed
        if not routed.metered:
            return 0
        found = redacted(meter.snapshot(), routed.key)
        record = Partial(event_id=self.event_id, at_ns=now_ns(), extraction=found)
        return self.recorder.append(PARTIAL, encode(record))

    def done(
        self, below: Attribution, outcome: Outcome, error_class: str | None, extraction: Extraction
    ) -> int:
        """Write down how it ended; return the record's position, 0 where nothing is recorded."""
        routed = self.routed
        if not routed.metered:
            return 0
        ended_ns = monotonic_ns()
        began_ns, first_ns = self.began_ns, self.first_byte_ns
        if self.flags:
            extraction = msgspec.structs.replace(extraction, flags=(*extraction.flags, *self.flags))
        extraction = redacted(extraction, routed.key)
        request_id = self.request_id or self.told_id
        if request_id is not None:
            request_id = without_keys(request_id, routed.key)
            if request_id == extraction.response_id:
                request_id = None
        hold = self.hold
        if hold is not None:
            self.held = hold.concluded(extraction)
        rest = (
            self.occurred_at_ns + (ended_ns - began_ns),
            outcome,
            self.status,
            error_class,
            self.request_bytes,
            self.response_bytes,
            (first_ns - began_ns) // 1000 if first_ns else 0,
            (ended_ns - began_ns) // 1000,
            self.own_ns // 1000,
            extraction,
            self.facts.max_tokens,
            None,
            None,
            request_id,
            self.passed_on,
            self.held,
        )
        if outcome != "completed" or self.status >= 400:
            call = self.call or self.event_id.hex()
            calls, number = self.recorder.calls, routed.intent.attempt
            calls.failed(self._call_key(), number, call, ended_ns, self.status)
        position = self.recorder.append(DONE, done_record(self._begin(below), rest))
        if hold is not None:
            hold.settle()  # what is on record is never less than what counts
        return position

    def measured(self, meter: GuardedMeter, outcome: Outcome) -> Extraction:
        """Return what it has cost by its meter; have it estimated where a response stated no usage."""
        if not self.sent or not self.routed.metered:
            return self.not_sent()
        found = meter.finish(outcome)
        estimates = self.recorder.estimates
        if found.lacks and estimates is not None and 200 <= self.status < 300:
            source = self.recorder.source
            unmeasured = meter.unmeasured(found, self.event_id, source, self.request_bytes)
            if unmeasured is not None:
                estimates.offer(unmeasured)
        return found

    def not_sent(self) -> Extraction:
        """Return what is certain of it while no byte has gone to its provider: which model was asked for."""
        model = self.facts.request_model
        return NOT_SENT if model is None else msgspec.structs.replace(NOT_SENT, request_model=model)

    def _call_key(self) -> CallKey:
        intent = self.routed.intent
        return intent.provider, intent.path, intent.key_fingerprint, self.request_bytes

    def _begin(self, below: Attribution) -> bytes:
        """Return where it came from, as its records say it."""
        attribution = self.routed.attribution(below, self.facts)
        if self.call is not None:
            attribution = {"call": self.call, **attribution[0]}, {"call": SOURCE, **attribution[1]}
        if attribution is not self._attribution:
            self._attribution = attribution
            self._origin = self.routed.origin(self.event_id, self.occurred_at_ns, attribution)
        return self._origin
