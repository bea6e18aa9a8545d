"""A ledger in memory: the record's reader and `farebox.analytics` for tests of the server alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from ledgers import Call, chosen, plain_answer

from farebox.analytics.query import (
    Answer,
    Ask,
    AskCalls,
    AskSorted,
    AskTags,
    Place,
    Question,
    Reply,
    Request,
    Row,
    TagValue,
)
from farebox.clock import iso
from farebox.errors import CallNotFoundError
from farebox.ledger.append.in_flight import InFlight
from farebox.ledger.call_row import CallRow, PartRow
from farebox.ledger.feed import CLASS_COLUMNS, ROW_COLUMNS, Attribution, Batch
from farebox.ledger.losses.backlog import Backlog
from farebox.ledger.losses.health import LedgerHealth
from farebox.ledger.outcomes import Kind, OutcomeRow
from farebox.money import pico_from_usd, usd_text
from farebox.pricing.facts import CostLine
from farebox.server.api.coverage.coverage_views import Coverage
from farebox.server.api.filters import instant_ns

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


def plain(row: CallRow) -> Call:
    """Return a row by the names of dimensions and figures."""
    found: Call = {name: getattr(row, name) for name in CallRow.__struct_fields__}
    found |= {
        "seq": row.seq,
        "model": row.response_model or row.request_model,
        "key": row.key_fingerprint,
        "occurred_at": instant_ns(row.occurred_at),
    }
    return found | row.attribution


def whole(reader: Any, since_ns: int | None = None, until_ns: int | None = None, /) -> Coverage:
    """Say that nothing is missing."""
    return Coverage(complete=True, pending_calls=0, words=[])


def _order_of(call: Call, order: str) -> int:
    if order == "cost":
        return -1 if call["cost_pico"] is None else call["cost_pico"]
    if order == "tokens":
        return call["input_tokens"] + call["output_tokens"]
    return call[{"time": "occurred_at", "total": "total_us", "first_byte": "first_byte_us"}[order]]


def _of_class(row: CallRow, name: str) -> Any:
    return plain(row)["model"] if name == "model" else getattr(row, name)


def _as_fed(row: CallRow) -> list[Any]:
    """Return a row as `farebox.ledger.feed` does; it has a class and an attribution of its own."""
    values: Any = plain(row) | dict.fromkeys(("call_seq", "call_class", "attribution"), row.seq)
    return [(values | {"source": 1, "sign": 1, "revision": 0}).get(name) for name in ROW_COLUMNS]


class FakeLedger:
    """Rows in memory, read one by one and asked questions of; add some while a test runs."""

    def __init__(self, rows: Iterable[CallRow] = ()) -> None:
        self.rows = list(rows)
        self.flying: list[InFlight] = []
        self.results: list[tuple[Kind, OutcomeRow]] = []

    def reply(self, request: Request) -> Reply:
        """Answer as `farebox.analytics` does, in plain Python."""
        calls = [plain(row) for row in self.rows]
        match request:
            case Ask(questions=questions):
                return Reply(answers=[self.answer(each) for each in questions], seq=self.last_seq())
            case AskCalls(question=question, limit=limit, before_seq=before, after_seq=after):
                seqs = [call["seq"] for call in chosen(calls, question)]
                if after is not None:
                    return Reply(seqs=[seq for seq in seqs if seq > after][:limit])
                return Reply(seqs=[seq for seq in seqs if before is None or seq < before][::-1][:limit])
            case AskSorted(question=question, order=order, ascending=ascending, limit=limit, after=after):
                places = sorted(
                    ((_order_of(call, order), call["seq"]) for call in chosen(calls, question)),
                    reverse=not ascending,
                )
                if after is not None:
                    last = (after.value, after.seq)
                    places = [place for place in places if (place > last if ascending else place < last)]
                return Reply(places=[Place(*place) for place in places[:limit]])
            case AskTags(question=question, contains=contains, limit=limit):
                counts: Counter[tuple[str, str]] = Counter(
                    (name[4:], call[name])
                    for call in chosen(calls, question)
                    for name in call
                    if name.startswith("tag.")
                    and (contains.lower() in call[name].lower() or contains.lower() in name[4:])
                )
                listed = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
                return Reply(tags=[TagValue(*names, calls=count) for names, count in listed[:limit]])
            case _:
                raise AssertionError(f"the server never asks {request}")

    def answer(self, asked: Question) -> Answer:
        rows = [row for row in self.rows if asked.as_of_seq is None or row.seq <= asked.as_of_seq]
        found = plain_answer(map(plain, rows), asked)
        cost = asked.measures.index(asked.order)

        def order(each: tuple[Any, list[int | None]]) -> Any:
            key, values = each
            return key[0] or 0, 0 if asked.bucket else -(values[cost] or 0) * (-1 if asked.ascending else 1)

        ordered = sorted(found.items(), key=order)[asked.offset :]
        listed = [Row(key[0], list(key[1:]), values) for key, values in ordered[: asked.limit]]
        return Answer(seq=self.last_seq(), rows=listed, groups=len(found))

    def newest(self, limit: int, before_seq: int | None = None) -> list[CallRow]:
        return [row for row in self.rows if before_seq is None or row.seq < before_seq][::-1][:limit]

    def after(self, seq: int, limit: int) -> list[CallRow]:
        return [row for row in self.rows if row.seq > seq][:limit]

    def rows_after(self, seq: int, limit: int, *, with_details: bool = False) -> Batch:
        rows = self.after(seq, limit)
        retries = [row.attempt > 0 for row in rows] if with_details else []
        classes = {row.seq: [_of_class(row, name) for name in CLASS_COLUMNS] for row in rows}
        owners = {row.seq: Attribution(False, row.attribution, {}) for row in rows}
        return Batch([_as_fed(row) for row in rows], {1: "proxy:test"}, classes, owners, (), retries)

    def by_seq(self, seqs: Sequence[int]) -> list[CallRow]:
        known = {row.seq: row for row in self.rows}
        return [known[seq] for seq in seqs]

    def call(self, event_id: str) -> CallRow:
        found = [row for row in self.rows if row.event_id.startswith(event_id)]
        if len(found) != 1:
            raise CallNotFoundError(f"no single call starts with {event_id}")
        return found[0]

    def last_seq(self) -> int:
        return self.rows[-1].seq if self.rows else 0

    def in_flight(self, limit: int) -> list[InFlight]:
        return self.flying[:limit]

    def each_result(
        self, kind: Kind, since_ns: int, until_ns: int, take: Callable[[OutcomeRow], None]
    ) -> None:
        for said, row in self.results:
            if said == kind and since_ns <= row.occurred_at_ns < until_ns:
                take(row)

    trouble: str | None = None

    def backlog(self) -> Backlog:
        return Backlog()

    def health(self) -> LedgerHealth:
        return LedgerHealth(running=True, last_seq=self.last_seq())

    def close(self) -> None:
        """There is nothing to close."""
