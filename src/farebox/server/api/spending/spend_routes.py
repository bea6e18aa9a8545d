"""The routes of questions about spend: sums, breakdowns, series, values to filter by."""

from __future__ import annotations

from operator import attrgetter
from typing import Literal, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from farebox.analytics.dimensions import DIMENSIONS
from farebox.analytics.query import Bucket
from farebox.analytics.query import Request as AnalyticsRequest
from farebox.server.api.errors import invalid_parameter
from farebox.server.api.lists.columns import columns_of
from farebox.server.api.lists.paging import page_asked
from farebox.server.api.lists.rows import Column, Paged, Record, Rows, Table
from farebox.server.api.method_routes import MethodRoutes, route
from farebox.server.api.parameters import SELECTION, Choice, Count, Text
from farebox.server.api.responses import json_response
from farebox.server.api.spending import reports
from farebox.server.api.spending.dimension_names import DimensionName, DimensionNames
from farebox.server.api.spending.spend_views import Breakdown, BreakdownRow, Series, Summary, Sums, Values

GROUPS_MAX = 200
GROUPS_EXPORTED = 20_000
"""How many groups an export asks for at a time."""
TAGS = "tags"
"""Values of every tag there is."""

_decode_request = msgspec.json.Decoder(AnalyticsRequest).decode


BY = DimensionNames(name="by", about="What to group by; several with commas between them: `customer,model`.")
LINES_BY = DimensionName(name="by", about="What has a line of its own: the six most expensive values.")
VALUES_OF = DimensionName(
    name="by",
    about="Whose values, or `tags` for those of every tag; those of all where it is left out.",
    also=(TAGS,),
)
BUCKET: Choice[Bucket] = Choice(
    name="bucket", about="How long a bucket is.", words=reports.BUCKETS, default="hour"
)
CONTAINS = Text(name="contains", about="What a value, or a key's name, contains.")
VALUES = Count(name="limit", about="How many values of a dimension.", low=1, high=GROUPS_MAX, default=20)
QUESTION = Text(
    name="request", about="A request of `farebox.analytics` as JSON; its fields may change.", required=True
)


def group_columns(found: Breakdown) -> list[Column]:
    """Return the columns of a breakdown: a dimension each, then the sums."""
    share = Column("cost_share_permille", "number", attrgetter("cost_share_permille"))
    return [*(_key_column(name) for name in found.by), *columns_of(Sums, attrgetter("sums")), share]


def _key_column(name: str) -> Column:
    def value(row: BreakdownRow) -> str | None:
        return row.keys[name]

    return Column(name, "text", value)


def series_columns(found: Series) -> dict[str, Literal["text", "number", "flag"]]:
    """Return the columns of a series as a file: when a bucket starts, whose it is, and its figures."""
    if found.by is None:
        return {"start": "text", "cost_pico": "text", "calls": "number", "unpriced_calls": "number"}
    return {"start": "text", found.by: "text", "is_rest": "flag", "cost_pico": "text", "calls": "number"}


def series_records(found: Series) -> list[Record]:
    """Return a row for each bucket; with a dimension one for each bucket and line."""
    if found.by is None:
        return [
            {"start": start, "cost_pico": cost, "calls": calls, "unpriced_calls": unpriced}
            for start, cost, calls, unpriced in zip(
                found.starts, found.total.cost_pico, found.total.calls, found.unpriced_calls, strict=True
            )
        ]
    return [
        {"start": start, found.by: line.key, "is_rest": line.is_rest, "cost_pico": cost, "calls": calls}
        for at, start in enumerate(found.starts)
        for line in found.lines
        for cost, calls in [(line.cost_pico[at], line.calls[at])]
    ]


class SpendRoutes(MethodRoutes):
    """What was spent, by whom, on what, when."""

    @route("GET", "/api/v1/summary", *SELECTION)
    async def summary(self, request: Request) -> Summary:
        """The sums over a span, those of the span before, and spend now."""
        selection, now = self._select(request)
        cover = self._services.cover
        return await self._ledger.ask(lambda sources: reports.summary(sources, selection, now, cover))

    @route(
        "GET",
        "/api/v1/breakdown",
        *SELECTION,
        BY,
        rows=Rows("groups", size=20, size_max=GROUPS_MAX, export_size=GROUPS_EXPORTED, columns=group_columns),
    )
    async def breakdown(self, request: Request) -> Paged[Breakdown]:
        """Spend by one dimension or several, most expensive first.

        All pages are of the same state of the record: `groups` and `rest` of each add up to `total`.
        """
        selection, _ = self._select(request)
        by = BY.of(request)
        limit, after = page_asked(request, tuple[int, int, int | None, int])
        skipped, as_of = 0, None
        if after is not None:
            skipped, as_of, since, until = after
            window = msgspec.structs.replace(selection.window, since_ns=since, until_ns=until)
            selection = msgspec.structs.replace(selection, window=window)
        cover = self._services.cover
        found = await self._ledger.ask(
            lambda sources: reports.breakdown(sources, selection, by, limit, cover, skipped, as_of)
        )
        window = selection.window
        following = (skipped + limit, found.as_of_seq, window.since_ns, window.until_ns)
        return Paged(found.shown, following if found.has_more else None)

    @route("GET", "/api/v1/series", *SELECTION, BUCKET, LINES_BY, table=Table(series_columns, series_records))
    async def series(self, request: Request) -> Series:
        """Spend by minute, hour or day, in all and for the most expensive values of a dimension."""
        selection, now = self._select(request)
        bucket = cast("Bucket", BUCKET.of(request))
        by, cover = LINES_BY.of(request), self._services.cover
        return await self._ledger.ask(
            lambda sources: reports.series(sources, selection, bucket, by, now, cover)
        )

    @route("GET", "/api/v1/values", *SELECTION, CONTAINS, VALUES_OF, VALUES)
    async def values(self, request: Request) -> Values:
        """The values that there are to filter by, most calls first.

        A dimension's own filter does not narrow its values: they are what it could be changed to.
        """
        selection, _ = self._select(request)
        contains, by, limit = CONTAINS.of(request) or "", VALUES_OF.of(request), VALUES.of(request)
        # One made of others would find the same values again.
        stored = [name for name, each in DIMENSIONS.items() if not each.expression]
        dimensions = stored if by is None else [] if by == TAGS else [by]
        return await self._ledger.ask(
            lambda sources: reports.values(
                sources.questions,
                selection,
                dimensions,
                contains,
                limit,
                self._services.key_labels(),
                with_tags=by in (None, TAGS),
            )
        )

    @route("GET", "/api/v1/questions", QUESTION)
    async def questions(self, request: Request) -> Response:
        """Whatever `farebox.analytics` can be asked: the command line's way to the replica."""
        text = request.query_params.get("request", "")
        try:
            asked = _decode_request(text)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise invalid_parameter("request", text, [f"a request of farebox.analytics ({error})"]) from error
        return json_response(await self._ledger.ask(lambda sources: sources.questions.reply(asked)))
