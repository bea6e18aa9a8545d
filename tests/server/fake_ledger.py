"""A ledger in memory that answers like `farebox.ledger.reader`, for tests of the server alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from farebox.clock import iso
from farebox.errors import CallNotFoundError
from farebox.ledger.backlog import Backlog
from farebox.ledger.health import LedgerHealth
from farebox.ledger.rows import CallRow, Group, Measures, PartRow, Point
from farebox.money import pico_from_usd, usd_text
from farebox.pricing.facts import CostLine
from farebox.server.filters import instant_ns
from farebox.server.views import Coverage

PRICES = {
    "gpt-4o-mini": ("0.00000015", "0.0000006"),
    "claude-sonnet-4": ("0.000003", "0.000015"),
}


def call(
    seq: int,
    occurred_at_ns: int,
    *,
    model: str = "gpt-4o-mini",
    provider: str = "openai",
    surface: str = "openai.chat",
    tokens: tuple[int, int] = (1000, 200),
    status: int = 200,
    key: str | None = "a1b2c3d4e5f60718",
    **attribution: str,
) -> CallRow:
    """Return a row as the ledger would keep it; a model without a price is `unpriced`."""
    prices = PRICES.get(model)
    units = dict(zip(("input_uncached", "output_text"), tokens, strict=True))
    lines = [
        CostLine(
            unit=unit,
            quantity=quantity,
            list_unit_price_usd=Decimal(prices[index]) if prices else None,
            amount_pico=pico_from_usd(Decimal(prices[index]) * quantity) if prices else None,
            price_id=f"{provider}/{model}/2025-08-07#{unit}" if prices else None,
            price_source="genai-prices" if prices else None,
            effective_from="2025-08-07" if prices else None,
        )
        for index, (unit, quantity) in enumerate(units.items())
    ]
    cost = sum(line.amount_pico or 0 for line in lines) if prices else None
    state = "priced" if prices else "unpriced"
    part = PartRow(
        kind="main",
        provider=provider,
        request_model=model,
        response_model=model,
        quantities=dict(units),
        facts={},
        cost_state=state,
        cost_reason=None if prices else "model_not_in_price_book",
        list_cost_pico=cost,
        cost_pico=cost,
        charge_pico=cost,
        markup=None,
        provider_cost_usd=None,
        priced_model=model if prices else None,
        snapshot="0f3a9c",
        lines=lines,
    )
    return CallRow(
        seq=seq,
        event_id=f"019aa000-0000-7000-8000-{seq:012x}",
        source="proxy:test",
        witness="proxy",
        occurred_at=iso(occurred_at_ns),
        recorded_at=iso(occurred_at_ns + 900_000_000),
        provider=provider,
        surface=surface,
        method="POST",
        path="/v1/chat/completions",
        host="api.openai.com",
        request_model=model,
        response_model=model,
        response_id=f"chatcmpl-{seq}",
        status=status,
        outcome="completed",
        error_class=None,
        error_code=None,
        streamed=seq % 2 == 0,
        billable=True,
        not_billable_because=None,
        completeness="final",
        completeness_reason=None,
        input_tokens=tokens[0],
        cache_read_input_tokens=0,
        cache_creation_input_tokens=0,
        output_tokens=tokens[1],
        reasoning_output_tokens=0,
        quantities=dict(units),
        cost_state=state,
        list_cost_pico=cost,
        cost_pico=cost,
        cost_usd=None if cost is None else usd_text(cost),
        charge_pico=cost,
        charge_usd=None if cost is None else usd_text(cost),
        price_ids=[line.price_id for line in lines if line.price_id],
        price_sources=["genai-prices"] if prices else [],
        key_fingerprint=key,
        attribution=attribution,
        attribution_from={name: f"header:x-farebox-{name}" for name in attribution},
        attempt=0,
        first_byte_us=180_000,
        total_us=900_000,
        added_us=60,
        request_bytes=812,
        response_bytes=1204,
        flags=[],
        parts=[part],
        raw_usage=f'{{"prompt_tokens": {tokens[0]}, "completion_tokens": {tokens[1]}}}',
    )


def dimension(row: CallRow, name: str) -> str | None:
    if name == "model":
        return row.response_model or row.request_model
    if name == "key":
        return row.key_fingerprint
    if name in ("app", "user", "customer", "agent", "session", "project"):
        return row.attribution.get(name)
    return str(getattr(row, name))


def _is_wanted(value: str | None, wanted: str | Sequence[str]) -> bool:
    return value == wanted if isinstance(wanted, str) else (value or "") in wanted


def measure(rows: Iterable[CallRow]) -> Measures:
    rows = list(rows)
    return Measures(
        calls=len(rows),
        errors=sum(row.status >= 400 or row.status == 0 for row in rows),
        unpriced_calls=sum(row.cost_state in ("unpriced", "unknown") for row in rows),
        cost_pico=sum(row.cost_pico or 0 for row in rows),
        charge_pico=sum(row.charge_pico or 0 for row in rows),
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
    )


def whole(reader: Any, since_ns: int | None = None, until_ns: int | None = None, /) -> Coverage:
    """Say that nothing is missing."""
    return Coverage(complete=True, pending_calls=0, words=[])


class FakeLedger:
    """Rows in memory; add some while a test runs and they are there."""

    def __init__(self, rows: Iterable[CallRow] = ()) -> None:
        self.rows = list(rows)

    def _chosen(self, asked: Any) -> list[CallRow]:
        return [
            row
            for row in self.rows
            if (asked.since_ns is None or instant_ns(row.occurred_at) >= asked.since_ns)
            and (asked.until_ns is None or instant_ns(row.occurred_at) < asked.until_ns)
            and all(_is_wanted(dimension(row, name), value) for name, value in asked.where.items())
        ]

    def totals(self, filter: Any) -> Measures:
        return measure(self._chosen(filter))

    def breakdown(self, filter: Any, by: Sequence[str], limit: int) -> list[Group]:
        grouped: dict[tuple[str | None, ...], list[CallRow]] = {}
        for row in self._chosen(filter):
            grouped.setdefault(tuple(dimension(row, name) for name in by), []).append(row)
        groups = [
            Group(keys=dict(zip(by, keys, strict=True)), measures=measure(rows))
            for keys, rows in grouped.items()
        ]
        return sorted(groups, key=lambda group: -group.measures.cost_pico)[:limit]

    def series(self, filter: Any, bucket_s: int, by: str | None) -> list[Point]:
        grouped: dict[tuple[int, str | None], list[CallRow]] = {}
        for row in self._chosen(filter):
            moment = instant_ns(row.occurred_at)
            key = dimension(row, by) if by else None
            grouped.setdefault((moment - moment % (bucket_s * 10**9), key), []).append(row)
        return [
            Point(start_ns=start, keys={by: key} if by else {}, measures=measure(rows))
            for (start, key), rows in sorted(grouped.items(), key=lambda item: item[0][0])
        ]

    def calls(
        self, filter: Any, limit: int, before_seq: int | None = None, after_seq: int | None = None
    ) -> list[CallRow]:
        chosen = self._chosen(filter)
        if after_seq is not None:
            return [row for row in chosen if row.seq > after_seq][:limit]
        chosen = [row for row in chosen if before_seq is None or row.seq < before_seq]
        return chosen[::-1][:limit]

    def call(self, call_id: str) -> CallRow:
        found = [row for row in self.rows if row.event_id.startswith(call_id)]
        if len(found) != 1:
            raise CallNotFoundError(f"no single call starts with {call_id}")
        return found[0]

    def last_seq(self) -> int:
        return self.rows[-1].seq if self.rows else 0

    trouble: str | None = None

    def backlog(self) -> Backlog:
        return Backlog()

    def health(self) -> LedgerHealth:
        return LedgerHealth(running=True, last_seq=self.last_seq())
