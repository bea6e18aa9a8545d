"""The routes of questions about spend: sums, breakdowns, series, values to filter by."""

from __future__ import annotations

import msgspec
from starlette.requests import Request

from farebox.analytics.dimensions import DIMENSIONS, is_tag
from farebox.analytics.query import Bucket, Reply
from farebox.analytics.query import Request as AnalyticsRequest
from farebox.server.api.errors import invalid_parameter
from farebox.server.api.filters import read_choice, read_count
from farebox.server.api.method_routes import MethodRoutes, route
from farebox.server.api.spending import reports
from farebox.server.api.spending.spend_views import Breakdown, Series, Summary, Values

GROUPS_MAX = 200
TAGS = "tags"
"""Values of every tag there is."""

_decode_request = msgspec.json.Decoder(AnalyticsRequest).decode


class SpendRoutes(MethodRoutes):
    """What was spent, by whom, on what, when."""

    @route("GET", "/api/v1/summary")
    async def summary(self, request: Request) -> Summary:
        selection, now = self._select(request)
        cover = self._services.cover
        return await self._ledger.ask(lambda sources: reports.summary(sources, selection, now, cover))

    @route("GET", "/api/v1/breakdown")
    async def breakdown(self, request: Request) -> Breakdown:
        selection, _ = self._select(request, "by", "limit")
        by = request.query_params.get("by", "model").split(",")
        for name in by:
            if not _is_dimension(name) or len(by) != len(set(by)):
                raise invalid_parameter("by", ",".join(by), [*DIMENSIONS, "tag.NAME"])
        limit = read_count(request.query_params, "limit", low=1, high=GROUPS_MAX, default=20) or 20
        cover = self._services.cover
        return await self._ledger.ask(lambda sources: reports.breakdown(sources, selection, by, limit, cover))

    @route("GET", "/api/v1/series")
    async def series(self, request: Request) -> Series:
        selection, now = self._select(request, "bucket", "by")
        bucket: Bucket = read_choice(request.query_params, "bucket", reports.BUCKETS, "hour")
        by = request.query_params.get("by")
        if by is not None and not _is_dimension(by):
            raise invalid_parameter("by", by, [*DIMENSIONS, "tag.NAME"])
        cover = self._services.cover
        return await self._ledger.ask(
            lambda sources: reports.series(sources, selection, bucket, by, now, cover)
        )

    @route("GET", "/api/v1/values")
    async def values(self, request: Request) -> Values:
        selection, _ = self._select(request, "contains", "by", "limit")
        query = request.query_params
        contains = query.get("contains", "")
        if len(contains) > 512:
            raise invalid_parameter("contains", contains, ["text of at most 512 characters"])
        by = query.get("by")
        if by is not None and by != TAGS and not _is_dimension(by):
            raise invalid_parameter("by", by, [*DIMENSIONS, "tag.NAME", TAGS])
        limit = read_count(query, "limit", low=1, high=GROUPS_MAX, default=20) or 20
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

    @route("GET", "/api/v1/questions")
    async def questions(self, request: Request) -> Reply:
        """Answer whatever `farebox.analytics` can be asked: the command line's way to the replica."""
        text = request.query_params.get("request", "")
        try:
            asked = _decode_request(text)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise invalid_parameter("request", text, [f"a request of farebox.analytics ({error})"]) from error
        return await self._ledger.ask(lambda sources: sources.questions.reply(asked))


def _is_dimension(name: str) -> bool:
    return name in DIMENSIONS or is_tag(name)
