"""What rows of the record come to for each customer, model and hour or day, and the events made of that."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from farebox.channels.usage.usage_event import QUANTITIES, UsageEvent
from farebox.channels.usage.usage_settings import UsageSettings
from farebox.control.usage_events import MadeEvent
from farebox.exports.cuts import PERIOD_NS, Cut
from farebox.ledger.append.dictionaries import CLASS_AT
from farebox.ledger.feed import ROW_COLUMNS, Attribution, Feed

ROWS_AT_A_TIME = 2_000
_AT = {name: ROW_COLUMNS.index(name) for name in ROW_COLUMNS}
_MODEL, _REQUEST_MODEL, _PROVIDER = (CLASS_AT[name] for name in ("model", "request_model", "provider"))


class Group(NamedTuple):
    """What an event is about."""

    customer: str
    from_ns: int
    until_ns: int
    provider: str
    model: str
    """The one that was asked for, as plans know it; the one that responded where none was."""
    call: bytes
    """Identity of the row, where an event is of one call."""


def rows_between(feed: Feed, cut: Cut) -> Iterator[tuple[Sequence[Any], Sequence[Any], Attribution]]:
    """Yield the rows of a cut, each with its class and whose it is."""
    after = cut.first_seq - 1
    while after < cut.last_seq:
        batch = feed.after(after, min(ROWS_AT_A_TIME, cut.last_seq - after))
        for row in batch.rows:
            yield row, batch.classes[row[_AT["call_class"]]], batch.attributions[row[_AT["attribution"]]]
        if not batch.rows:
            return
        after = batch.last_seq


def customer_of(attribution: Attribution, *, verified: bool) -> str:
    """Return whose usage it is, as billing sees it; empty where it is nobody's."""
    return "" if verified and not attribution.verified else attribution.fields.get("customer", "")


def quantities(row: Sequence[Any]) -> tuple[int, ...]:
    """Return what a row adds, in the order of `QUANTITIES`; money and tokens carry its sign."""
    whole, read = row[_AT["input_tokens"]], row[_AT["cache_read_input_tokens"]]
    created = row[_AT["cache_creation_input_tokens"]]
    return (
        row[_AT["sign"]],
        whole,
        whole - read - created,
        read,
        created,
        row[_AT["output_tokens"]],
        row[_AT["reasoning_output_tokens"]],
        row[_AT["cost_pico"]] or 0,
        row[_AT["charge_pico"]] or 0,
    )


def sums_of(feed: Feed, cut: Cut, said: UsageSettings, *, verified: bool) -> dict[Group, list[int]]:
    """Return what the rows of a cut come to."""
    found: dict[Group, list[int]] = {}
    bounds = _bounds(said)
    for row, values, attribution in rows_between(feed, cut):
        customer = customer_of(attribution, verified=verified)
        occurred = row[_AT["occurred_at"]]
        if not customer or (said.since_ns is not None and occurred < said.since_ns):
            continue
        group = Group(
            customer,
            *bounds(occurred),
            values[_PROVIDER] or "",
            values[_REQUEST_MODEL] or values[_MODEL] or "",
            _identity(row) if said.granularity == "call" else b"",
        )
        sums = found.setdefault(group, [0] * len(QUANTITIES))
        for index, value in enumerate(quantities(row)):
            sums[index] += value
    return found


def events_of(
    feed: Feed, export: str, cut: Cut, said: UsageSettings, *, verified: bool
) -> Iterator[MadeEvent]:
    """Yield the events of a cut, in an order that depends on nothing else."""
    origin = _origin(feed, cut)
    found = sums_of(feed, cut, said, verified=verified)
    for group in sorted(found):
        sums = dict(zip(QUANTITIES, found[group], strict=True))
        wanted = {name: sums[name] for name in QUANTITIES if name in said.meters and sums[name]}
        pieces = [{name: value} for name, value in wanted.items()] if said.rules.has_meters else [wanted]
        for piece in pieces:
            if piece:
                yield _event(export, cut, said, origin, group, dict(piece))


def _event(
    export: str, cut: Cut, said: UsageSettings, origin: bytes, group: Group, sums: dict[str, int]
) -> MadeEvent:
    quantity = next(iter(sums)) if said.rules.has_meters else ""
    account = said.account(group.customer)
    return MadeEvent(
        export=export,
        customer=group.customer,
        state="waiting" if account else "held",
        first_seq=cut.first_seq,
        last_seq=cut.last_seq,
        event=UsageEvent(
            id=_id(export, group.call or origin, cut, group, quantity),
            account=account,
            name=said.meters[quantity] if quantity else said.event,
            at_ns=(group.from_ns + group.until_ns) // 2,
            sums=sums,
            provider=group.provider,
            model=group.model,
            from_ns=group.from_ns,
            until_ns=group.until_ns,
        ),
    )


def _id(export: str, origin: bytes, cut: Cut, group: Group, quantity: str) -> str:
    """Return an id that is the same whenever this is made of the same record, and in no other record."""
    rows = b"" if group.call else f"{cut.first_seq}-{cut.last_seq}".encode()
    about = (group.customer, str(group.from_ns), group.provider, group.model, quantity)
    pieces = (b"farebox usage 1", export.encode(), origin, rows, *(each.encode() for each in about))
    return hashlib.sha256(b"".join(len(each).to_bytes(4, "big") + each for each in pieces)).hexdigest()[:40]


def _identity(row: Sequence[Any]) -> bytes:
    return bytes(row[_AT["event_id"]]) + row[_AT["revision"]].to_bytes(4, "big")


def _origin(feed: Feed, cut: Cut) -> bytes:
    first = feed.after(cut.first_seq - 1, 1).rows
    return _identity(first[0]) if first else b""


def _bounds(said: UsageSettings) -> Callable[[int], tuple[int, int]]:
    """Return what tells the hour or day of a moment; of a call it is the moment."""
    period = PERIOD_NS.get(said.granularity)
    if period is None:
        return lambda at_ns: (at_ns, at_ns)
    return lambda at_ns: (at_ns // period * period, at_ns // period * period + period)
