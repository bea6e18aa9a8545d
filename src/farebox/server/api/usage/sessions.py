"""The sessions of a span, with what each cost and how it went."""

from __future__ import annotations

import msgspec

from farebox.analytics.query import Measures
from farebox.analytics.questions import Selection as Calls
from farebox.clock import iso
from farebox.server.api.coverage.coverage_views import Coverage
from farebox.server.api.filters import Selection
from farebox.server.api.queries import Sources
from farebox.server.api.spending import reports
from farebox.server.api.spending import spend_views as views

LIMIT, LIMIT_MAX = 50, 500
SORTS = (
    "cost_pico",
    "calls",
    "errors",
    "agents",
    "input_tokens",
    "output_tokens",
    "input_tokens_max",
    "cache_read_permille",
    "cost_per_call_pico",
    "first_at_ns",
    "last_end_ns",
)
"""Measures that sessions can be sorted by."""
_ALSO = ("agents", "first_at_ns", "last_end_ns", "input_tokens_max", "cache_read_permille")


class SessionRow(msgspec.Struct, kw_only=True):
    """One session."""

    session: str
    sums: views.Sums
    agents: int
    first_at: str
    last_at: str
    """When its last call ended."""
    duration_us: int
    """From its first call to the end of the last."""
    input_tokens_max: int
    """The largest context that one of its calls sent."""
    cache_read_permille: int | None
    """How much of its input was read from a cache, of a thousand tokens."""


class Sessions(msgspec.Struct, kw_only=True):
    """`GET /api/v1/sessions`. The page, the rest and the calls without a session add up to `total`."""

    span: views.Span
    sort: str
    order: str
    sessions: list[SessionRow]
    count: int
    """How many sessions there are in all."""
    rest: views.Sums | None
    """Sessions that are on other pages."""
    without_session: views.Sums
    total: views.Sums
    coverage: Coverage


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which sessions, in which order."""

    sort: str
    order: str
    limit: int
    seq: int | None = None
    """The state of the record that the first page was of."""
    offset: int = 0


def sessions(
    sources: Sources, selection: Selection, asked: Asked, cover: reports.Cover
) -> tuple[int, Sessions]:
    """Return a page of the sessions, and which state of the record it is of."""
    chosen = msgspec.structs.replace(selection.asked, as_of_seq=asked.seq)
    with_one = _with_session(chosen)
    names = [*Measures.__struct_fields__, *_ALSO, "cost_per_call_pico"]
    found, of_sessions, of_all = sources.questions.answers(
        with_one.question(
            by=["session"],
            measures=names,
            order=asked.sort,
            ascending=asked.order == "asc",
            limit=asked.limit,
            offset=asked.offset,
        ),
        with_one.question(measures=Measures.__struct_fields__, order="calls"),
        chosen.question(order="calls"),
    )
    covered = cover(sources.reader, selection.window.since_ns, selection.window.until_ns)
    width = len(Measures.__struct_fields__)
    rows: list[SessionRow] = []
    shown: list[Measures] = []
    for row in found.rows:
        figures = measures_of(row.values[:width])
        shown.append(figures)
        also = dict(zip(names[width:], row.values[width:], strict=True))
        first, last = also["first_at_ns"] or 0, also["last_end_ns"] or 0
        rows.append(
            SessionRow(
                session=row.keys[0] or "",
                sums=views.sums(figures, covered),
                agents=also["agents"] or 0,
                first_at=iso(first),
                last_at=iso(last),
                duration_us=(last - first) // 1000,
                input_tokens_max=also["input_tokens_max"] or 0,
                cache_read_permille=also["cache_read_permille"],
            )
        )
    total = measures_of(of_all.rows[0].values)
    in_sessions = measures_of(of_sessions.rows[0].values)
    seq = found.seq if asked.seq is None else asked.seq
    return seq, Sessions(
        span=reports.span_of(selection),
        sort=asked.sort,
        order=asked.order,
        sessions=rows,
        count=found.groups,
        rest=views.sums(less(in_sessions, *shown), covered) if found.groups > len(rows) else None,
        without_session=views.sums(less(total, in_sessions), covered),
        total=views.sums(total, covered),
        coverage=covered,
    )


def _with_session(chosen: Calls) -> Calls:
    return msgspec.structs.replace(chosen, unless=[*chosen.unless, {"session": [""]}])


def measures_of(values: list[int | None]) -> Measures:
    """Return sums in the order of `Measures`."""
    return Measures(**dict(zip(Measures.__struct_fields__, (value or 0 for value in values), strict=True)))


def added(measures: list[Measures]) -> Measures:
    """Return the sums of sums."""
    return Measures(
        **{name: sum(getattr(each, name) for each in measures) for name in Measures.__struct_fields__}
    )


def less(total: Measures, *parts: Measures) -> Measures:
    """Return what is left of sums."""
    shown = added(list(parts))
    return Measures(
        **{name: getattr(total, name) - getattr(shown, name) for name in Measures.__struct_fields__}
    )
