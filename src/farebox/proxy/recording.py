"""What of an exchange goes into the journal: INTENT, PARTIAL, DONE.

DONE repeats what INTENT said, so that a row can be made of it alone.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from farebox.clock import now_ns
from farebox.journal.records import DONE, INTENT, PARTIAL, Done, Intent, Outcome, Partial, encode
from farebox.proxy.attribution import retry_count

if TYPE_CHECKING:
    from farebox.proxy.exchange import Exchange


def write_intent(exchange: Exchange) -> None:
    """Write down that the upstream is about to be contacted."""
    exchange.proxy.append(INTENT, encode(Intent(**_origin(exchange))))


def write_partial(exchange: Exchange) -> int:
    """Write down what a stream has cost so far; return the record's position."""
    partial = Partial(event_id=exchange.event_id, at_ns=now_ns(), extraction=exchange.meter.snapshot())
    return exchange.proxy.append(PARTIAL, encode(partial))


def write_done(exchange: Exchange, outcome: Outcome, error_class: str | None) -> int:
    """Write down how the exchange ended; return the record's position."""
    ended_ns = monotonic_ns()
    began_ns = exchange.began_ns
    first_ns = exchange.first_byte_ns
    done = Done(
        **_origin(exchange),
        ended_at_ns=exchange.occurred_at_ns + (ended_ns - began_ns),
        outcome=outcome,
        status=exchange.status,
        error_class=error_class,
        request_bytes=exchange.outgoing.body_bytes,
        response_bytes=exchange.incoming.body_bytes if exchange.incoming is not None else 0,
        first_byte_us=(first_ns - began_ns) // 1000 if first_ns else 0,
        total_us=(ended_ns - began_ns) // 1000,
        added_us=exchange.own_ns // 1000,
        extraction=exchange.meter.finish(outcome),
    )
    return exchange.proxy.append(DONE, encode(done))


def _origin(exchange: Exchange) -> dict[str, Any]:
    """Return who sent what where; the body may add to it until it is whole."""
    known = exchange.origin_fields
    if known is not None:
        return known
    route, target, outgoing = exchange.route, exchange.target, exchange.outgoing
    said = outgoing.known_facts()
    attribution, sources = said.attribution, said.attribution_from
    labels = exchange.proxy.labels
    if labels:
        missing = {name: value for name, value in labels.items() if name not in attribution}
        attribution = {**attribution, **missing}
        sources = {**sources, **{name: f"env:FAREBOX_{name.upper()}" for name in missing}}
    found: dict[str, Any] = {
        "event_id": exchange.event_id,
        "source": exchange.proxy.journal.source,
        "occurred_at_ns": exchange.occurred_at_ns,
        "provider": route.provider.id,
        "surface": target.endpoint.surface,
        "method": target.method,
        "path": target.shown_path,
        "host": route.host,
        "key_fingerprint": exchange.key_fingerprint,
        "attribution": attribution,
        "attribution_from": sources,
        "attempt": retry_count(exchange.request.fields),
    }
    if outgoing.complete:
        exchange.origin_fields = found
    return found
