"""What of an exchange goes into the journal: INTENT, PARTIAL, DONE.

DONE repeats what INTENT said, so that a row can be made of it alone. Both are filled in anew for
each call and encoded at once; making them each time would take longer than all else here.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING

from farebox.clock import now_ns
from farebox.journal.records import DONE, INTENT, PARTIAL, Done, Intent, Outcome, Partial, encode
from farebox.proxy.deaf import DeafMeter
from farebox.proxy.whose import whose_call
from farebox.wire.request import RequestFacts

if TYPE_CHECKING:
    from farebox.proxy.deaf import ExchangeMeter
    from farebox.proxy.exchange import Exchange
    from farebox.wire.facts import Extraction


_NOTHING_SAID = RequestFacts()
"""What a body has said that is not whole yet."""


def write_intent(exchange: Exchange) -> None:
    """Write down that the upstream is about to be contacted."""
    intent = exchange.prepared.intent
    _fill(intent, exchange)
    exchange.proxy.append(INTENT, encode(intent))


def write_partial(exchange: Exchange) -> int:
    """Write down what a stream has cost so far; return the record's position."""
    partial = Partial(event_id=exchange.event_id, at_ns=now_ns(), extraction=_snapshot(exchange))
    return exchange.proxy.append(PARTIAL, encode(partial))


def write_done(exchange: Exchange, outcome: Outcome, error_class: str | None) -> int:
    """Write down how the exchange ended; return the record's position."""
    ended_ns = monotonic_ns()
    began_ns = exchange.began_ns
    first_ns = exchange.first_byte_ns
    incoming = exchange.incoming
    if incoming is not None:
        exchange.response_bytes = incoming.body_bytes
    done = exchange.prepared.done
    _fill(done, exchange)
    done.ended_at_ns = exchange.occurred_at_ns + (ended_ns - began_ns)
    done.outcome = outcome
    done.status = exchange.status
    done.error_class = error_class
    done.request_bytes = exchange.request_bytes
    done.response_bytes = exchange.response_bytes
    done.first_byte_us = (first_ns - began_ns) // 1000 if first_ns else 0
    done.total_us = (ended_ns - began_ns) // 1000
    done.added_us = exchange.own_ns // 1000
    done.extraction = _finish(exchange, outcome)
    return exchange.proxy.append(DONE, encode(done))


def _meter(exchange: Exchange) -> ExchangeMeter:
    if exchange.incoming is not None:
        return exchange.incoming.meter
    return exchange.meter if exchange.outgoing is None else exchange.outgoing.meter


def _finish(exchange: Exchange, outcome: str) -> Extraction:
    try:
        return _meter(exchange).finish(outcome)
    except Exception as error:
        return DeafMeter(error).finish(outcome)


def _snapshot(exchange: Exchange) -> Extraction:
    try:
        return _meter(exchange).snapshot()
    except Exception as error:
        return DeafMeter(error).snapshot()


def _fill(record: Intent | Done, exchange: Exchange) -> None:
    """Say in a record what of its origin no other call with this head shares."""
    record.event_id = exchange.event_id
    record.occurred_at_ns = exchange.occurred_at_ns
    said = exchange.facts if exchange.request_complete else _NOTHING_SAID
    whose = whose_call(exchange.client.below, exchange.prepared, said)
    record.attribution, record.attribution_from = whose
