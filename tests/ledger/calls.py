"""Make exchanges, a price book of one price, and a ledger to put them in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from farebox.clock import uuid7
from farebox.home import Home
from farebox.journal import records
from farebox.journal.reader import Batch, Entry, Position
from farebox.journal.records import Done, Intent, Partial
from farebox.ledger.append.applier import Applier
from farebox.ledger.database import Connection, open_reader, open_writer
from farebox.pricing.facts import CostLine, RatedPart
from farebox.wire.facts import Extraction, Part

NOON = 1_780_000_000_000_000_000 // 3_600_000_000_000 * 3_600_000_000_000
"""A full hour in nanoseconds; which one does not matter."""

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

PICO_PER_TOKEN = 2_500_000
"""The price of every token of every model but `unheard-of`."""


class OnePriceBook:
    """Rates every token at `PICO_PER_TOKEN`; knows no price for the model `unheard-of`."""

    has_contracts = False

    def rate(self, part: Part, *, occurred_at_ns: int, completeness: str, billable: bool) -> RatedPart:
        if not billable:
            return RatedPart(cost_state="free", reason="not_billable", cost_pico=0, charge_pico=0)
        if part.request_model == "unheard-of":
            return RatedPart(cost_state="unpriced", reason="no_price")
        if completeness == "none":
            return RatedPart(cost_state="unknown", reason="no_usage")
        lines = tuple(
            CostLine(
                unit=leaf,
                quantity=count,
                list_unit_price_usd=Decimal("0.0000025"),
                amount_pico=int(count) * PICO_PER_TOKEN,
                price_id="p/m#x",
                price_source="genai-prices",
            )
            for leaf, count in part.quantities.items()
        )
        cost = sum(line.amount_pico or 0 for line in lines)
        return RatedPart(
            lines=lines,
            cost_state="priced",
            list_cost_pico=cost,
            cost_pico=cost,
            charge_pico=cost * 2,
            snapshot="book-1",
        )


def done(
    at: int = NOON,
    *,
    model: str = "gpt-4o",
    input_tokens: int = 10,
    output_tokens: int = 5,
    event_id: bytes | None = None,
    source: str = "proxy:test",
    response_id: str | None = None,
    completeness: Any = "final",
    billable: bool = True,
    because: str | None = None,
    outcome: Any = "completed",
    status: int = 200,
    attribution: dict[str, str] | None = None,
    provider: str = "openai",
    surface: str = "openai.chat",
    method: str = "POST",
    key: str | None = "k1",
    **more: Any,
) -> Done:
    """Return the end of an exchange of one part."""
    quantities: Any = {"input_uncached": input_tokens, "output_text": output_tokens}
    part = Part(provider=provider, request_model=model, response_model=model, quantities=quantities)
    return Done(
        event_id=event_id or uuid7(at),
        source=source,
        occurred_at_ns=at,
        provider=provider,
        surface=surface,
        method=method,
        path="/v1/chat/completions",
        host="api.openai.com",
        key_fingerprint=key,
        attribution=attribution or {},
        ended_at_ns=at + SECOND,
        outcome=outcome,
        status=status,
        extraction=Extraction(
            parts=(part,) if completeness != "none" else (),
            completeness=completeness,
            billable=billable,
            not_billable_because=because,
            response_id=response_id,
            request_model=model,
            response_model=model,
            raw_usage='{"prompt_tokens": 10}',
        ),
        **more,
    )


def intent_of(ended: Done) -> Intent:
    """Return the beginning of the same exchange."""
    fields = Intent.__struct_fields__
    return Intent(**{name: getattr(ended, name) for name in fields})


def entries(*exchanges: Done | Intent | Partial | records.Mark, first_seq: int = 1) -> list[Entry]:
    """Return journal entries of these records."""
    types = {Intent: records.INTENT, Partial: records.PARTIAL, Done: records.DONE, records.Mark: records.MARK}
    return [(seq, types[type(item)], records.encode(item)) for seq, item in enumerate(exchanges, first_seq)]


def batch(
    *exchanges: Done | Intent | Partial | records.Mark, finished: bool = False, end: int = 1000
) -> Batch:
    """Return what a journal reader hands out."""
    return Batch(entries(*exchanges), [], Position(1, end, len(exchanges) + 1), finished)


class TestLedger:
    """A writer on a fresh home."""

    __test__ = False

    def __init__(self, home: Home, **options: Any) -> None:
        home.prepare()
        self.home = home
        self.connection: Connection = open_writer(home)
        self.applier = Applier(self.connection, OnePriceBook(), **options)

    def append(self, *exchanges: Done) -> int:
        """Append these exchanges in one batch."""
        return self.applier.apply("proxy-test", [batch(*exchanges)]).rows


class Sums(NamedTuple):
    """What the rows of a record come to: signed figures added up one by one."""

    calls: int
    unpriced_calls: int
    cost_pico: int
    charge_pico: int
    input_tokens: int


def sums_of(home: Home) -> Sums:
    """Add up a record's rows."""
    connection = open_reader(home)
    if connection is None:
        return Sums(0, 0, 0, 0, 0)
    rows = connection.execute(
        "SELECT sign, sign * (cost_state IN ('unpriced', 'unknown')), coalesce(cost_pico, 0), "
        "coalesce(charge_pico, 0), input_tokens FROM call JOIN call_class k ON k.id = call_class"
    ).fetchall()
    connection.close()
    return Sums(*map(sum, zip(*rows, strict=True))) if rows else Sums(0, 0, 0, 0, 0)
