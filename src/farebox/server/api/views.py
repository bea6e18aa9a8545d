"""The shapes of API v1's responses, and how ledger rows become them.

Every amount is text, pico-dollars as a whole number and US dollars as a decimal, because a
JavaScript number loses digits past 2⁵³. These structs are the API's schema: its reference
page and the dashboard's TypeScript types are generated from them.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from farebox.analytics.query import Measures
from farebox.ledger.call_row import CallRow, PartRow
from farebox.money import usd_text

Text = str
"""A whole number or a decimal as text."""


class Coverage(msgspec.Struct, kw_only=True):
    """What sums do not cover besides calls without a price. Filters do not narrow it."""

    complete: bool
    """Nothing is known to be missing."""
    pending_calls: int
    """Calls that have been recorded and are in no sum yet."""
    words: list[str]
    """What is missing, a sentence each."""


class Sums(msgspec.Struct, kw_only=True):
    """Sums over some calls. The cost is a lower bound while `complete` is false."""

    complete: bool
    """Every call has a price and none is known to be missing."""

    calls: int
    errors: int
    unpriced_calls: int
    estimated_calls: int
    cost_pico: Text
    cost_usd: Text
    charge_pico: Text
    charge_usd: Text
    input_tokens: int
    cache_read_input_tokens: int
    cache_creation_input_tokens: int
    output_tokens: int
    reasoning_output_tokens: int
    priced_percent: Text
    """Share of calls whose cost is known, one decimal, rounded down: `99.9` is not all."""


def sums(measures: Measures, covered: Coverage) -> Sums:
    return Sums(
        complete=covered.complete and measures.unpriced_calls == 0,
        calls=measures.calls,
        errors=measures.errors,
        unpriced_calls=measures.unpriced_calls,
        estimated_calls=measures.estimated_calls,
        cost_pico=str(measures.cost_pico),
        cost_usd=usd_text(measures.cost_pico),
        charge_pico=str(measures.charge_pico),
        charge_usd=usd_text(measures.charge_pico),
        input_tokens=measures.input_tokens,
        cache_read_input_tokens=measures.cache_read_input_tokens,
        cache_creation_input_tokens=measures.cache_creation_input_tokens,
        output_tokens=measures.output_tokens,
        reasoning_output_tokens=measures.reasoning_output_tokens,
        priced_percent=_percent(measures.calls - measures.unpriced_calls, measures.calls),
    )


def _percent(part: int, whole: int) -> Text:
    permille = 1000 if whole == 0 else part * 1000 // whole
    return f"{permille // 10}.{permille % 10}"


def change_percent(now: int, before: int) -> Text | None:
    """Return the change in percent with one decimal, None where there was nothing before."""
    if before <= 0:
        return None
    permille = ((now - before) * 2000 + before) // (2 * before)
    sign = "-" if permille < 0 else "+"
    return f"{sign}{abs(permille) // 10}.{abs(permille) % 10}"


class Span(msgspec.Struct, kw_only=True):
    """A half-open span of time; `since` is None where it reaches to the beginning."""

    since: str | None
    until: str
    tz: str


class Period(msgspec.Struct, kw_only=True):
    """A span and what happened in it."""

    span: Span
    sums: Sums


class Now(msgspec.Struct, kw_only=True):
    """The figures of the header, whatever span is being looked at."""

    today: Sums
    yesterday_so_far: Sums
    """Yesterday until the same minute."""
    today_change_percent: Text | None
    last_hour: Sums
    """The hour before `at`, from a whole minute on."""
    last_minute: Sums
    """The 60 seconds before `at`, from a whole second on: spend a minute, now."""
    at: str
    last_seq: int


class Summary(msgspec.Struct, kw_only=True):
    """`GET /api/v1/summary`."""

    span: Span
    sums: Sums
    previous: Period | None
    cost_change_percent: Text | None
    calls_change_percent: Text | None
    coverage: Coverage
    now: Now


class BreakdownRow(msgspec.Struct, kw_only=True):
    """One value of the dimensions asked for; None stands for calls without one."""

    keys: dict[str, str | None]
    sums: Sums
    cost_share_permille: int


class Breakdown(msgspec.Struct, kw_only=True):
    """`GET /api/v1/breakdown`. `groups` and `rest` add up to `total`."""

    span: Span
    by: list[str]
    groups: list[BreakdownRow]
    rest: Sums | None
    rest_groups: int
    """How many groups the rest consists of."""
    total: Sums
    coverage: Coverage


class Value(msgspec.Struct, kw_only=True):
    """A value that was seen; the empty text is "none"."""

    dimension: str
    value: str
    label: str | None
    """The name of an API key, where it has one."""
    calls: int


class Values(msgspec.Struct, kw_only=True):
    """`GET /api/v1/values`: what there is to filter by, most calls first in each dimension."""

    values: list[Value]
    truncated: bool
    """Whether a dimension has more values that fit than are listed."""


class Line(msgspec.Struct, kw_only=True):
    """One key's values, bucket by bucket."""

    key: str | None
    is_rest: bool
    """Whether this is everything that has no line of its own."""
    cost_pico: list[Text]
    calls: list[int]


class Series(msgspec.Struct, kw_only=True):
    """`GET /api/v1/series`. Buckets without calls are there, with zeros."""

    span: Span
    bucket: str
    by: str | None
    starts: list[str]
    starts_ms: list[int]
    """The same starts in milliseconds since 1970."""
    partial: bool
    """Whether the last bucket has not ended yet."""
    lines: list[Line]
    """The lines add up to `total`, bucket by bucket."""
    total: Line
    unpriced_calls: list[int]
    coverage: Coverage


class CallBrief(msgspec.Struct, kw_only=True):
    """A call as a row of a table."""

    seq: int
    event_id: str
    occurred_at: str
    provider: str
    surface: str
    model: str | None
    app: str | None
    user: str | None
    customer: str | None
    session: str | None
    key_fingerprint: str | None
    status: int
    outcome: str
    error_class: str | None
    streamed: bool
    billable: bool
    completeness: str
    cost_state: str
    cost_pico: Text | None
    cost_usd: Text | None
    input_tokens: int
    cache_read_input_tokens: int
    cache_creation_input_tokens: int
    output_tokens: int
    reasoning_output_tokens: int
    first_byte_us: int
    total_us: int


def brief(row: CallRow) -> CallBrief:
    return CallBrief(
        seq=row.seq,
        event_id=row.event_id,
        occurred_at=row.occurred_at,
        provider=row.provider,
        surface=row.surface,
        model=row.response_model or row.request_model,
        app=row.attribution.get("app"),
        user=row.attribution.get("user"),
        customer=row.attribution.get("customer"),
        session=row.attribution.get("session"),
        key_fingerprint=row.key_fingerprint,
        status=row.status,
        outcome=row.outcome,
        error_class=row.error_class,
        streamed=row.streamed,
        billable=row.billable,
        completeness=row.completeness,
        cost_state=row.cost_state,
        cost_pico=_pico(row.cost_pico),
        cost_usd=_usd(row.cost_pico),
        input_tokens=row.input_tokens,
        cache_read_input_tokens=row.cache_read_input_tokens,
        cache_creation_input_tokens=row.cache_creation_input_tokens,
        output_tokens=row.output_tokens,
        reasoning_output_tokens=row.reasoning_output_tokens,
        first_byte_us=row.first_byte_us,
        total_us=row.total_us,
    )


class Calls(msgspec.Struct, kw_only=True):
    """`GET /api/v1/calls`, newest first. `next_before` is the cursor of the page after."""

    span: Span
    calls: list[CallBrief]
    next_before: int | None
    last_seq: int


class ReceiptLine(msgspec.Struct, kw_only=True):
    """Quantity × unit price = amount."""

    unit: str
    quantity: Text
    unit_price_usd: Text | None
    price_per_million_usd: Text | None
    amount_pico: Text | None
    amount_usd: Text | None
    price_id: str | None
    price_source: str | None
    effective_from: str | None


class ReceiptPart(msgspec.Struct, kw_only=True):
    """One priced piece of a call. Its lines add up to `list_cost_usd`."""

    kind: str
    provider: str
    model: str | None
    priced_model: str | None
    facts: dict[str, str]
    cost_state: str
    cost_reason: str | None
    lines: list[ReceiptLine]
    list_cost_usd: Text | None
    cost_usd: Text | None
    provider_cost_usd: Text | None
    markup: Text | None
    charge_usd: Text | None
    price_book: str


class Receipt(msgspec.Struct, kw_only=True):
    """`GET /api/v1/calls/{id}`: what a call was and how its cost was computed. Never a prompt."""

    call: CallBrief
    source: str
    witness: str
    recorded_at: str
    method: str
    path: str
    host: str
    request_model: str | None
    response_model: str | None
    response_id: str | None
    error_code: str | None
    not_billable_because: str | None
    completeness_reason: str | None
    quantities: dict[str, Text]
    list_cost_usd: Text | None
    charge_usd: Text | None
    parts: list[ReceiptPart]
    attribution: dict[str, str]
    attribution_from: dict[str, str]
    attempt: int
    added_us: int
    request_bytes: int
    response_bytes: int
    flags: list[str]
    raw_usage: str | None


def receipt(row: CallRow) -> Receipt:
    return Receipt(
        call=brief(row),
        source=row.source,
        witness=row.witness,
        recorded_at=row.recorded_at,
        method=row.method,
        path=row.path,
        host=row.host,
        request_model=row.request_model,
        response_model=row.response_model,
        response_id=row.response_id,
        error_code=row.error_code,
        not_billable_because=row.not_billable_because,
        completeness_reason=row.completeness_reason,
        quantities={unit: _plain(quantity) for unit, quantity in row.quantities.items()},
        list_cost_usd=_usd(row.list_cost_pico),
        charge_usd=_usd(row.charge_pico),
        parts=[_part(part) for part in row.parts],
        attribution=row.attribution,
        attribution_from=row.attribution_from,
        attempt=row.attempt,
        added_us=row.added_us,
        request_bytes=row.request_bytes,
        response_bytes=row.response_bytes,
        flags=row.flags,
        raw_usage=row.raw_usage,
    )


def _part(part: PartRow) -> ReceiptPart:
    return ReceiptPart(
        kind=part.kind,
        provider=part.provider,
        model=part.response_model or part.request_model,
        priced_model=part.priced_model,
        facts=part.facts,
        cost_state=part.cost_state,
        cost_reason=part.cost_reason,
        lines=[
            ReceiptLine(
                unit=line.unit,
                quantity=_plain(line.quantity),
                unit_price_usd=_decimal(line.list_unit_price_usd),
                price_per_million_usd=(
                    None if line.list_unit_price_usd is None else _plain(line.list_unit_price_usd * 1_000_000)
                ),
                amount_pico=_pico(line.amount_pico),
                amount_usd=_usd(line.amount_pico),
                price_id=line.price_id,
                price_source=line.price_source,
                effective_from=line.effective_from,
            )
            for line in part.lines
        ],
        list_cost_usd=_usd(part.list_cost_pico),
        cost_usd=_usd(part.cost_pico),
        provider_cost_usd=_decimal(part.provider_cost_usd),
        markup=_decimal(part.markup),
        charge_usd=_usd(part.charge_pico),
        price_book=part.snapshot,
    )


def _pico(amount: int | None) -> Text | None:
    return None if amount is None else str(amount)


def _usd(amount: int | None) -> Text | None:
    return None if amount is None else usd_text(amount)


def _decimal(number: Decimal | None) -> Text | None:
    return None if number is None else _plain(number)


def _plain(number: Decimal | int) -> Text:
    """Return a number without exponent and trailing zeros."""
    text = format(Decimal(number), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class Process(msgspec.Struct, kw_only=True):
    """One of Farebox's processes, according to its file in `run/` and the system."""

    name: str
    state: str
    """`up`, or `down` where nothing is running."""
    address: str | None
    started_at: str | None


class LedgerStatus(msgspec.Struct, kw_only=True):
    """The ledger's condition. `state` is `ok`, `behind`, `degraded`, `empty` or `unavailable`."""

    state: str
    message: str
    last_seq: int
    facts: dict[str, str]


class Hint(msgspec.Struct, kw_only=True):
    """One thing to paste that makes a first call appear."""

    title: str
    command: str


class Unmetered(msgspec.Struct, kw_only=True):
    """A program whose connections to a provider's host were tunnelled: its calls are in no sum."""

    host: str
    program: str
    """Program and script, or its own name for itself; empty where unknown."""
    reason: str
    message: str
    connections: int
    last_at: str
    retry_at: str | None
    """When interception is tried again by itself."""


class Status(msgspec.Struct, kw_only=True):
    """`GET /api/v1/status`."""

    version: str
    api: str
    now: str
    tz: str
    home: str
    processes: list[Process]
    proxy_url: str | None
    ledger: LedgerStatus
    unmetered: list[Unmetered]
    hints: list[Hint]
    key_labels: dict[str, str]
    """The name of each API key that has one, by fingerprint."""
    start: str
    """The command that starts what is not running."""
    demo: bool = False
    """Everything here is made up (`farebox demo`)."""
