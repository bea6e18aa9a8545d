"""The routes of use: sessions, tables of two dimensions, reliability, quality, and what is spent now."""

from __future__ import annotations

from typing import cast

import msgspec
from starlette.requests import Request

from farebox.analytics.dimensions import MEASURES
from farebox.analytics.query import Bucket
from farebox.server.api.lists.paging import page_asked
from farebox.server.api.lists.rows import FILE, Paged, Rows, Table
from farebox.server.api.method_routes import MethodRoutes, route
from farebox.server.api.parameters import SELECTION, Choice, Count, Text
from farebox.server.api.spending.dimension_names import DimensionName, DimensionNames
from farebox.server.api.usage import pivots, reliability, sessions
from farebox.server.api.usage.activity import Activity, activity
from farebox.server.api.usage.quality import Quality, quality, read_good
from farebox.server.api.usage.session_tree import SessionDetail, session_detail
from farebox.snapshot import read_snapshot

ROWS = DimensionNames(
    name="rows", about="What makes a row; several with commas between them.", most=pivots.NAMES_MAX
)
COLUMNS = DimensionNames(
    name="columns", about="What makes a column, as `rows`.", most=pivots.NAMES_MAX, default=""
)
MEASURE: Choice[str] = Choice(
    name="measure", about="What is measured.", words=tuple(MEASURES), default="cost_pico"
)
ORDER: Choice[str] = Choice(
    name="order", about="The largest first, or the smallest.", words=("desc", "asc"), default="desc"
)
COLUMNS_LIMIT = Count(
    name="columns_limit",
    about="How many columns at most.",
    low=1,
    high=pivots.COLUMNS_MAX,
    default=pivots.COLUMNS,
)
LINES_LIMIT = Count(
    name="limit", about="How many rows at most.", low=1, high=pivots.ROWS_MAX, default=pivots.ROWS
)
SORT: Choice[str] = Choice(
    name="sort", about="What sessions are ordered by.", words=sessions.SORTS, default="cost_pico"
)
SESSION = Text(name="session", about="Which session.", required=True)
BY = DimensionName(name="by", about="What has a row of its own; models where it is left out.")
VALUES_LIMIT = Count(
    name="limit",
    about="How many values at most.",
    low=1,
    high=reliability.LIMIT_MAX,
    default=reliability.LIMIT,
)
BUCKET: Choice[Bucket] = Choice(
    name="bucket", about="How long a bucket is.", words=reliability.BUCKETS, default="hour"
)
GOOD = Text(
    name="good",
    about="From which value on a score is good.",
    pattern=r"-?\d{1,9}(\.\d{1,9})?",
    examples=("0.5",),
)
PIVOT = Table(pivots.pivot_columns, pivots.pivot_records)
SERVICE = Table(reliability.service_columns, reliability.service_records)
POINTS = Table(reliability.point_columns, reliability.point_records)


class UsageRoutes(MethodRoutes):
    """What was used, by whom, and how well it went."""

    @route(
        "GET",
        "/api/v1/pivot",
        *SELECTION,
        ROWS,
        COLUMNS,
        MEASURE,
        ORDER,
        LINES_LIMIT,
        COLUMNS_LIMIT,
        table=PIVOT,
    )
    async def pivot(self, request: Request) -> pivots.Pivot:
        """A table of one measure, by rows and columns."""
        selection, _ = self._select(request)
        asked = pivots.read_pivot(selection, request.query_params)
        cover = self._services.cover
        return await self._ledger.ask(lambda sources: pivots.pivot(sources, selection, asked, cover))

    @route(
        "GET",
        "/api/v1/sessions",
        *SELECTION,
        SORT,
        ORDER,
        rows=Rows("sessions", size=sessions.LIMIT, size_max=sessions.LIMIT_MAX),
    )
    async def list_sessions(self, request: Request) -> Paged[sessions.Sessions]:
        """Sessions, by default the most expensive first. All pages are of the same state of the record."""
        selection, _ = self._select(request)
        limit, after = page_asked(request, tuple[int, int, int | None, int])
        asked = sessions.Asked(
            sort=SORT.of(request) or "cost_pico", order=ORDER.of(request) or "desc", limit=limit
        )
        if after is not None:
            seq, offset, since, until = after
            window = msgspec.structs.replace(selection.window, since_ns=since, until_ns=until)
            selection = msgspec.structs.replace(selection, window=window)
            asked = msgspec.structs.replace(asked, seq=seq, offset=offset)
        cover, window = self._services.cover, selection.window
        seq, shown = await self._ledger.ask(
            lambda sources: sessions.sessions(sources, selection, asked, cover)
        )
        end = asked.offset + len(shown.sessions)
        return Paged(shown, (seq, end, window.since_ns, window.until_ns) if end < shown.count else None)

    @route("GET", "/api/v1/sessions/of", SESSION, refusals=("session_not_found",))
    async def session(self, request: Request) -> SessionDetail:
        """One session: its agents, and its calls in their order."""
        named = SESSION.needed(request)
        stopped, cover = ("session", named) in self._stopped(), self._services.cover
        return await self._ledger.ask(lambda sources: session_detail(sources, named, cover, stopped=stopped))

    @route("GET", "/api/v1/reliability", *SELECTION, BY, VALUES_LIMIT, table=SERVICE)
    async def reliability(self, request: Request) -> reliability.Reliability:
        """Durations and errors, by a dimension."""
        selection, _ = self._select(request)
        by, limit, cover = BY.of(request) or "model", VALUES_LIMIT.given(request), self._services.cover
        limit = limit or (reliability.EXPORTED if FILE.name in request.query_params else reliability.LIMIT)
        return await self._ledger.ask(
            lambda sources: reliability.reliability(sources, selection, by, limit, cover)
        )

    @route("GET", "/api/v1/reliability/series", *SELECTION, BUCKET, table=POINTS)
    async def service_series(self, request: Request) -> reliability.ServiceSeries:
        """Durations and errors, bucket by bucket."""
        selection, _ = self._select(request)
        bucket, cover = cast("Bucket", BUCKET.of(request)), self._services.cover
        return await self._ledger.ask(
            lambda sources: reliability.service_series(sources, selection, bucket, cover)
        )

    @route("GET", "/api/v1/quality", *SELECTION, GOOD)
    async def quality(self, request: Request) -> Quality:
        """Outcomes and scores, and what a good one costs."""
        selection, _ = self._select(request)
        good, cover = read_good(request.query_params), self._services.cover
        return await self._ledger.ask(lambda sources: quality(sources, selection, good, cover))

    @route("GET", "/api/v1/activity", *SELECTION)
    async def activity(self, request: Request) -> Activity:
        """What is being spent now: calls in flight, and the busiest sessions and processes."""
        selection, now = self._select(request)
        stopped, services = self._stopped(), self._services
        return await self._ledger.ask(
            lambda sources: activity(sources, selection, now, services.cover, services.book, stopped)
        )

    def _stopped(self) -> frozenset[tuple[str, str]]:
        return frozenset((each.dimension, each.value) for each in read_snapshot(self._home).stops)
