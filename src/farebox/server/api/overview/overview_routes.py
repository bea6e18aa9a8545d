"""The routes of the overview's own questions: what moved, when it is spent, what the month comes to."""

from __future__ import annotations

from starlette.requests import Request

from farebox.analytics.dimensions import DIMENSIONS, is_tag
from farebox.server.api.errors import ApiError, invalid_parameter
from farebox.server.api.filters import read_count
from farebox.server.api.method_routes import MethodRoutes, route
from farebox.server.api.overview import overview_reports
from farebox.server.api.overview.overview_views import HeatMap, Movers, Projection

DIMENSIONS_MAX = 3
MOVERS_MAX = 100


class OverviewRoutes(MethodRoutes):
    """Why spend is what it is, and what it will be."""

    @route("GET", "/api/v1/movers")
    async def movers(self, request: Request) -> Movers:
        selection, _ = self._select(request, "by", "limit")
        by = request.query_params.get("by", "model").split(",")
        known = all(name in DIMENSIONS or is_tag(name) for name in by)
        if not known or len(by) != len(set(by)) or len(by) > DIMENSIONS_MAX:
            raise invalid_parameter(
                "by", ",".join(by), [*DIMENSIONS, "tag.NAME", f"at most {DIMENSIONS_MAX}"]
            )
        limit = read_count(request.query_params, "limit", low=1, high=MOVERS_MAX, default=8) or 8
        cover = self._services.cover
        return await self._ledger.ask(
            lambda sources: overview_reports.movers(sources, selection, by, limit, cover)
        )

    @route("GET", "/api/v1/heat-map")
    async def heat_map(self, request: Request) -> HeatMap:
        selection, _ = self._select(request)
        cover = self._services.cover
        return await self._ledger.ask(lambda sources: overview_reports.heat_map(sources, selection, cover))

    @route("GET", "/api/v1/projection")
    async def projection(self, request: Request) -> Projection:
        for name in ("since", "until"):
            if name in request.query_params:
                message = f"There is no parameter {name!r} here: the month is the one that runs."
                known = ["tz", *DIMENSIONS, "tag.NAME"]
                raise ApiError(422, "unknown_parameter", message, {"parameter": name, "allowed": known})
        selection, now = self._select(request)
        cover = self._services.cover
        return await self._ledger.ask(
            lambda sources: overview_reports.projection(sources, selection, now, cover)
        )
