"""The routes about the process itself: its state for the dashboard, for a watcher, for Prometheus."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from farebox.readiness import LIVE, READY, Liveness, Readiness
from farebox.server.api.method_routes import MethodRoutes, route
from farebox.server.api.responses import json_response
from farebox.server.api.status.ready import RecentReadiness
from farebox.server.api.status.status import status
from farebox.server.api.status.status_views import Session, Status

if TYPE_CHECKING:
    from farebox.server.api.queries import Sources
    from farebox.server.api.services import Services
    from farebox.telemetry.prometheus.metrics import Metrics

METRICS = "/metrics"


class StatusRoutes(MethodRoutes):
    """Whether it lives and is ready is told without a token."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._readiness = RecentReadiness(services.home)
        self._metrics: Metrics | None = None

    @route("GET", "/api/v1/status")
    async def status(self, request: Request) -> Status:
        """What runs, whether it records, and what to paste to see a first call."""
        services = self._services
        return await self._ledger.read(
            lambda reader: status(reader, services.home, services.typed, services.key_labels())
        )

    @route("GET", "/api/v1/session")
    async def session(self, request: Request) -> Session:
        """What whoever asks may do."""
        return Session(role=request.state.role)

    @route("GET", "/api/v1/openapi.json")
    async def description(self, request: Request) -> Response:
        """This document."""
        content = await asyncio.to_thread(self._services.description)
        return Response(content, media_type="application/json", headers={"cache-control": "no-store"})

    @route("GET", LIVE)
    async def live(self, request: Request) -> Liveness:
        """Whether the server handles requests."""
        return Liveness()

    @route("GET", READY, response=Readiness)
    async def ready(self, request: Request) -> Response:
        """Whether all that was recorded is in the figures."""
        found = await self._ledger.read(self._readiness)
        return json_response(found, found.status)

    @route("GET", METRICS, media="text/plain")
    async def metrics(self, request: Request) -> Response:
        """Counters of calls, tokens and cost in Prometheus' text format."""
        from farebox.telemetry.prometheus.exposition import CONTENT_TYPE
        from farebox.telemetry.prometheus.metrics import Covered, Metrics

        metrics = self._metrics = self._metrics or Metrics(self._home)

        def scrape(sources: Sources) -> bytes:
            found = self._services.cover(sources.reader)
            covered = Covered(complete=found.complete, pending_calls=found.pending_calls)
            return metrics.scrape(sources.questions, covered, self._clock())

        headers = {"cache-control": "no-store"}
        return Response(await self._ledger.ask(scrape), media_type=CONTENT_TYPE, headers=headers)
