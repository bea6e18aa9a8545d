"""The routes of use: sessions, tables of two dimensions, reliability, quality, and what is spent now."""

from __future__ import annotations

from starlette.requests import Request

from farebox.analytics.dimensions import DIMENSIONS, is_tag
from farebox.analytics.query import Bucket
from farebox.server.api.errors import invalid_parameter
from farebox.server.api.filters import read_choice, read_count
from farebox.server.api.method_routes import MethodRoutes, only, route
from farebox.server.api.usage import pivots, reliability, sessions
from farebox.server.api.usage.activity import Activity, activity
from farebox.server.api.usage.quality import Quality, quality, read_good
from farebox.server.api.usage.session_tree import SessionDetail, session_detail
from farebox.snapshot import read_snapshot

VALUE_MAX = 512


class UsageRoutes(MethodRoutes):
    """What was used, by whom, and how well it went."""

    @route("GET", "/api/v1/pivot")
    async def pivot(self, request: Request) -> pivots.Pivot:
        selection, _ = self._select(request, *pivots.PARAMETERS)
        asked = pivots.read_pivot(selection, request.query_params)
        cover = self._services.cover
        return await self._ledger.ask(lambda sources: pivots.pivot(sources, selection, asked, cover))

    @route("GET", "/api/v1/sessions")
    async def list_sessions(self, request: Request) -> sessions.Sessions:
        selection, _ = self._select(request, *sessions.PARAMETERS)
        asked = sessions.read_sessions(request.query_params)
        cover = self._services.cover
        return await self._ledger.ask(lambda sources: sessions.sessions(sources, selection, asked, cover))

    @route("GET", "/api/v1/sessions/of")
    async def session(self, request: Request) -> SessionDetail:
        only(request, "session")
        named = request.query_params.get("session", "")
        if not named or len(named) > VALUE_MAX:
            raise invalid_parameter("session", named, [f"text of 1 to {VALUE_MAX} characters"])
        stopped, cover = ("session", named) in self._stopped(), self._services.cover
        return await self._ledger.ask(lambda sources: session_detail(sources, named, cover, stopped=stopped))

    @route("GET", "/api/v1/reliability")
    async def reliability(self, request: Request) -> reliability.Reliability:
        selection, _ = self._select(request, "by", "limit")
        query = request.query_params
        by = query.get("by", "model")
        if by not in DIMENSIONS and not is_tag(by):
            raise invalid_parameter("by", by, [*DIMENSIONS, "tag.NAME"])
        limit = read_count(query, "limit", low=1, high=reliability.LIMIT_MAX, default=reliability.LIMIT)
        cover = self._services.cover
        return await self._ledger.ask(
            lambda sources: reliability.reliability(sources, selection, by, limit or 1, cover)
        )

    @route("GET", "/api/v1/reliability/series")
    async def service_series(self, request: Request) -> reliability.ServiceSeries:
        selection, _ = self._select(request, "bucket")
        bucket: Bucket = read_choice(request.query_params, "bucket", reliability.BUCKETS, "hour")
        cover = self._services.cover
        return await self._ledger.ask(
            lambda sources: reliability.service_series(sources, selection, bucket, cover)
        )

    @route("GET", "/api/v1/quality")
    async def quality(self, request: Request) -> Quality:
        selection, _ = self._select(request, "good")
        good, cover = read_good(request.query_params), self._services.cover
        return await self._ledger.ask(lambda sources: quality(sources, selection, good, cover))

    @route("GET", "/api/v1/activity")
    async def activity(self, request: Request) -> Activity:
        selection, now = self._select(request)
        stopped, services = self._stopped(), self._services
        return await self._ledger.ask(
            lambda sources: activity(sources, selection, now, services.cover, services.book, stopped)
        )

    def _stopped(self) -> frozenset[tuple[str, str]]:
        return frozenset((each.dimension, each.value) for each in read_snapshot(self._home).stops)
