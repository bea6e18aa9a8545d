"""Latency, speed and errors, by a dimension, by kind, and over time."""

from __future__ import annotations

from typing import Literal

import msgspec

from farebox.analytics.query import Answer, Bucket, Row
from farebox.clock import iso
from farebox.server.api.coverage.coverage_views import Coverage
from farebox.server.api.errors import ApiError
from farebox.server.api.filters import Selection
from farebox.server.api.lists.rows import Record
from farebox.server.api.queries import Sources
from farebox.server.api.spending import reports
from farebox.server.api.spending import spend_views as views

LIMIT, LIMIT_MAX, EXPORTED = 20, 100, 5_000
KINDS_MAX = 50
BUCKETS: tuple[Bucket, ...] = ("second", "minute", "hour", "day")
POINTS_MAX = 50_000
_WIDTH_NS = {"second": 10**9, "minute": 60 * 10**9, "hour": 3_600 * 10**9, "day": 86_400 * 10**9}
_MEASURES = (
    "calls",
    "errors",
    "error_permille",
    "retries",
    "total_p50_us",
    "total_p95_us",
    "total_p99_us",
    "first_byte_p50_us",
    "first_byte_p95_us",
    "first_byte_p99_us",
    "output_tokens_per_minute",
)
_RETRIES = _MEASURES.index("retries")


class Service(msgspec.Struct, kw_only=True):
    """How some calls went. None: there is no call to find it among."""

    calls: int
    errors: int
    error_permille: int | None
    """Of a thousand calls."""
    retries: int
    """Calls that repeat one that had failed."""
    total_p50_us: int | None
    """Half of the calls took at most so long."""
    total_p95_us: int | None
    total_p99_us: int | None
    first_byte_p50_us: int | None
    first_byte_p95_us: int | None
    first_byte_p99_us: int | None
    output_tokens_per_minute: int | None
    """Of completed calls, over the time they took in all."""


class ServiceRow(msgspec.Struct, kw_only=True):
    """The calls of one value."""

    key: str | None
    service: Service


class ErrorKind(msgspec.Struct, kw_only=True):
    """Calls that failed alike."""

    error_class: str | None
    status: int
    outcome: str
    calls: int
    retries: int
    """Those of them that were retries themselves."""
    cost_pico: views.Text
    """What they cost all the same."""


class Reliability(msgspec.Struct, kw_only=True):
    """`GET /api/v1/reliability`."""

    span: views.Span
    by: str
    rows: list[ServiceRow]
    """Most calls first."""
    rest: Service | None
    rest_groups: int
    total: Service
    errors: list[ErrorKind]
    """Most frequent first."""
    retries_succeeded: int
    """Retries that did not fail."""
    other_errors: int
    """Failed calls of other kinds than those listed."""
    coverage: Coverage


class ServiceSeries(msgspec.Struct, kw_only=True):
    """`GET /api/v1/reliability/series`: buckets with calls only, oldest first."""

    span: views.Span
    bucket: str
    starts_ms: list[int]
    calls: list[int]
    errors: list[int]
    retries: list[int]
    total_p50_us: list[int | None]
    total_p95_us: list[int | None]
    total_p99_us: list[int | None]
    first_byte_p50_us: list[int | None]
    first_byte_p95_us: list[int | None]
    first_byte_p99_us: list[int | None]
    output_tokens_per_minute: list[int | None]
    coverage: Coverage


_POINT = [name for name in _MEASURES if name in ServiceSeries.__struct_fields__]


def service_columns(found: Reliability) -> dict[str, Literal["text", "number", "flag"]]:
    """Return the columns of a file: the dimension's value, then its figures."""
    return {found.by: "text", **dict.fromkeys(Service.__struct_fields__, "number")}


def service_records(found: Reliability) -> list[Record]:
    """Return a row for each value, and what is left of all."""
    listed = [(row.key, row.service) for row in found.rows]
    rest = [] if found.rest is None else [("everything else", found.rest)]
    return [{found.by: key, **msgspec.structs.asdict(service)} for key, service in (*listed, *rest)]


def point_columns(found: ServiceSeries) -> dict[str, Literal["text", "number", "flag"]]:
    """Return the columns of a file of points."""
    return {"start": "text", **dict.fromkeys(_POINT, "number")}


def point_records(found: ServiceSeries) -> list[Record]:
    """Return a row for each bucket."""
    return [
        {"start": iso(start * 10**6), **{name: getattr(found, name)[at] for name in _POINT}}
        for at, start in enumerate(found.starts_ms)
    ]


def reliability(
    sources: Sources, selection: Selection, by: str, limit: int, cover: reports.Cover
) -> Reliability:
    """Return how the calls of each value of a dimension went."""
    chosen = selection.asked
    rows, total, kinds = sources.questions.answers(
        chosen.question(by=[by], measures=_MEASURES, order="calls", limit=limit),
        chosen.question(measures=(*_MEASURES, "failed_retries"), order="calls"),
        chosen.question(
            by=["error_class", "status", "outcome"],
            measures=["errors", "cost_pico", "retries"],
            order="errors",
            limit=KINDS_MAX,
        ),
    )
    rest = None
    if rows.groups > len(rows.rows):
        shown = {by: [row.keys[0] or "" for row in rows.rows]}
        others = msgspec.structs.replace(chosen, unless=[*chosen.unless, shown], as_of_seq=total.seq)
        (left,) = sources.questions.answers(others.question(measures=_MEASURES, order="calls"))
        rest = _service(left.rows[0])
    failed = [row for row in kinds.rows if row.values[0]]
    return Reliability(
        span=reports.span_of(selection),
        by=by,
        rows=[ServiceRow(key=row.keys[0], service=_service(row)) for row in rows.rows],
        rest=rest,
        rest_groups=rows.groups - len(rows.rows),
        total=_service(total.rows[0]),
        errors=[
            ErrorKind(
                error_class=row.keys[0],
                status=int(row.keys[1] or 0),
                outcome=row.keys[2] or "",
                calls=row.values[0] or 0,
                retries=row.values[2] or 0,
                cost_pico=str(row.values[1] or 0),
            )
            for row in failed
        ],
        retries_succeeded=(total.rows[0].values[_RETRIES] or 0) - (total.rows[0].values[-1] or 0),
        other_errors=(total.rows[0].values[1] or 0) - sum(row.values[0] or 0 for row in failed),
        coverage=cover(sources.reader, selection.window.since_ns, selection.window.until_ns),
    )


def service_series(
    sources: Sources, selection: Selection, bucket: Bucket, cover: reports.Cover
) -> ServiceSeries:
    """Return how the calls of each bucket went."""
    window = selection.window
    if window.since_ns is not None and window.until_ns - window.since_ns > _WIDTH_NS[bucket] * POINTS_MAX:
        length = window.until_ns - window.since_ns
        raise ApiError(
            422,
            "too_many_buckets",
            f"That span has more than {POINTS_MAX} buckets of one {bucket}.",
            {
                "parameter": "bucket",
                "allowed": [each for each in BUCKETS if length <= _WIDTH_NS[each] * POINTS_MAX],
            },
        )
    (found,) = sources.questions.answers(
        selection.asked.question(
            bucket=bucket, tz=selection.tz, measures=_MEASURES, order="calls", limit=POINTS_MAX
        )
    )
    columns = _columns(found)
    return ServiceSeries(
        span=reports.span_of(selection),
        bucket=bucket,
        starts_ms=[(row.start_ns or 0) // 10**6 for row in found.rows],
        calls=[value or 0 for value in columns["calls"]],
        errors=[value or 0 for value in columns["errors"]],
        retries=[value or 0 for value in columns["retries"]],
        total_p50_us=columns["total_p50_us"],
        total_p95_us=columns["total_p95_us"],
        total_p99_us=columns["total_p99_us"],
        first_byte_p50_us=columns["first_byte_p50_us"],
        first_byte_p95_us=columns["first_byte_p95_us"],
        first_byte_p99_us=columns["first_byte_p99_us"],
        output_tokens_per_minute=columns["output_tokens_per_minute"],
        coverage=cover(sources.reader, window.since_ns, window.until_ns),
    )


def _service(row: Row) -> Service:
    values = dict(zip(_MEASURES, row.values, strict=False))
    counted = {name: values[name] or 0 for name in ("calls", "errors", "retries")}
    return Service(**{**values, **counted})  # type: ignore[arg-type]


def _columns(found: Answer) -> dict[str, list[int | None]]:
    columns = list(zip(*(row.values for row in found.rows), strict=True)) or [()] * len(_MEASURES)
    return {name: list(column) for name, column in zip(_MEASURES, columns, strict=True)}
