"""What of an exchange goes into the journal: INTENT, PARTIAL, DONE.

DONE repeats what INTENT said, so that a row can be made of it alone: what both begin with is
encoded once.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING

import msgspec

from farebox.clock import now_ns
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
from farebox.proxy.caller.attribution_merge import whose_call
from farebox.proxy.recording import logical_calls
from farebox.proxy.recording.failed_meter import DeafMeter
from farebox.wire.facts import Extraction
from farebox.wire.keys import redacted
from farebox.wire.meter import Meter
from farebox.wire.request import RequestFacts

if TYPE_CHECKING:
    from farebox.proxy.http1.exchange import Exchange
    from farebox.proxy.recording.failed_meter import ExchangeMeter

NOT_SENT = Extraction(reason="not_sent", billable=False, not_billable_because="not_sent")
"""What is certain of a call of which no byte has gone to its provider: nothing can have been spent."""

_NOTHING_SAID = RequestFacts()
"""What a body has said that is not whole yet."""


def write_intent(exchange: Exchange) -> None:
    """Write down that the upstream is about to be contacted."""
    if not exchange.routed.metered:
        return
    if exchange.routed.intent.attempt:
        exchange.call = exchange.proxy.retries.call_of(exchange)
    exchange.proxy.append(INTENT, intent_record(_origin(exchange)))


def write_partial(exchange: Exchange) -> int:
    """Write down what a stream has cost so far; return the record's position."""
    if not exchange.routed.metered:
        return 0
    found = redacted(_snapshot(exchange), exchange.routed.key)
    partial = Partial(event_id=exchange.event_id, at_ns=now_ns(), extraction=found)
    return exchange.proxy.append(PARTIAL, encode(partial))


def write_done(exchange: Exchange, outcome: Outcome, error_class: str | None) -> int:
    """Write down how the exchange ended; return the record's position, 0 where nothing is."""
    if not exchange.routed.metered:
        return 0
    ended_ns = monotonic_ns()
    began_ns = exchange.began_ns
    first_ns = exchange.first_byte_ns
    incoming = exchange.incoming
    if incoming is not None:
        exchange.response_bytes = incoming.body_bytes
    rest = (
        exchange.occurred_at_ns + (ended_ns - began_ns),
        outcome,
        exchange.status,
        error_class,
        exchange.request_bytes,
        exchange.response_bytes,
        (first_ns - began_ns) // 1000 if first_ns else 0,
        (ended_ns - began_ns) // 1000,
        exchange.own_ns // 1000,
        redacted(_flagged(exchange, exchange.extraction or _finish(exchange, outcome)), exchange.routed.key),
    )
    if outcome != "completed" or exchange.status >= 400:
        exchange.proxy.retries.failed(exchange)
    return exchange.proxy.append(DONE, done_record(_origin(exchange), rest))


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
)
if _IN_ORDER != DONE_FIELDS:
    raise AssertionError(f"write_done writes {_IN_ORDER}, a record has {DONE_FIELDS}")


def _meter(exchange: Exchange) -> ExchangeMeter:
    if exchange.incoming is not None:
        return exchange.incoming.meter
    return exchange.listen() if exchange.outgoing is None else exchange.outgoing.meter


def _flagged(exchange: Exchange, extraction: Extraction) -> Extraction:
    """Return what is known of an exchange with what was unusual about its form on both ways."""
    incoming, outgoing = exchange.incoming, exchange.outgoing
    flags = (outgoing.flags if outgoing is not None else ()) + (
        incoming.flags if incoming is not None else ()
    )
    if not flags:
        return extraction
    return msgspec.structs.replace(extraction, flags=(*extraction.flags, *flags))


def _finish(exchange: Exchange, outcome: str) -> Extraction:
    if not exchange.sent:
        return NOT_SENT
    try:
        found = _meter(exchange).finish(outcome)
        if found.lacks:
            _have_estimated(exchange, found)
        return found
    except Exception as error:
        return DeafMeter(error).finish(outcome)


def _have_estimated(exchange: Exchange, found: Extraction) -> None:
    """Hand over an exchange whose usage nobody stated, where an answer had begun."""
    estimates, meter = exchange.proxy.estimates, _meter(exchange)
    if estimates is not None and 200 <= exchange.status < 300 and isinstance(meter, Meter):
        source = exchange.proxy.journal.source
        estimates.offer(meter.unmeasured(found, exchange.event_id, source, exchange.request_bytes))


def _snapshot(exchange: Exchange) -> Extraction:
    try:
        return _meter(exchange).snapshot()
    except Exception as error:
        return DeafMeter(error).snapshot()


def _origin(exchange: Exchange) -> bytes:
    """Return where the exchange came from, as its records say it."""
    said = exchange.facts if exchange.request_complete else _NOTHING_SAID
    routed = exchange.routed
    whose = whose_call(exchange.client.below, routed, said)
    if exchange.call is not None:
        whose = {"call": exchange.call, **whose[0]}, {"call": logical_calls.SOURCE, **whose[1]}
    if whose is not exchange.whose:
        exchange.whose = whose
        exchange.origin = routed.origin(exchange.event_id, exchange.occurred_at_ns, whose)
    return exchange.origin
