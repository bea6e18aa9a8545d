"""The routes of the overview's own questions: what moved, when it is spent, what the month comes to."""

from __future__ import annotations

from starlette.requests import Request

from farebox.server.api.method_routes import MethodRoutes, route
from farebox.server.api.overview import overview_reports
from farebox.server.api.overview.overview_views import HeatMap, Movers, Projection
from farebox.server.api.parameters import FILTERS, MATCH, SELECTION, TZ, Count
from farebox.server.api.spending.dimension_names import DimensionNames

BY = DimensionNames(name="by", about="Whose spend moved; several with commas between them.", most=3)
MOVERS = Count(name="limit", about="How many at most.", low=1, high=100, default=8)


class OverviewRoutes(MethodRoutes):
    """Why spend is what it is, and what it will be."""

    @route("GET", "/api/v1/movers", *SELECTION, BY, MOVERS, refusals=("too_many_groups",))
    async def movers(self, request: Request) -> Movers:
        """Whose spend changed most against the span before."""
        selection, _ = self._select(request)
        by, limit, cover = BY.of(request), MOVERS.of(request), self._services.cover
        return await self._ledger.ask(
            lambda sources: overview_reports.movers(sources, selection, by, limit, cover)
        )

    @route("GET", "/api/v1/heat-map", *SELECTION)
    async def heat_map(self, request: Request) -> HeatMap:
        """Spend by the hour of the week."""
        selection, _ = self._select(request)
        cover = self._services.cover
        return await self._ledger.ask(lambda sources: overview_reports.heat_map(sources, selection, cover))

    @route("GET", "/api/v1/projection", TZ, MATCH, *FILTERS)
    async def projection(self, request: Request) -> Projection:
        """What the month that runs comes to, and how sure that is."""
        selection, now = self._select(request)
        cover = self._services.cover
        return await self._ledger.ask(
            lambda sources: overview_reports.projection(sources, selection, now, cover)
        )
