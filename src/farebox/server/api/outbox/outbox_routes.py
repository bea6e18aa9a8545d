"""The route of messages on their way to whoever is told."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from farebox.server.api.method_routes import MethodRoutes, route
from farebox.server.api.outbox.outbox_views import Outbox, outbox, read_question


class OutboxRoutes(MethodRoutes):
    """Receivers and messages."""

    @route("GET", "/api/v1/outbox")
    async def outbox(self, request: Request) -> Outbox:
        asked = read_question(request.query_params.multi_items())
        return await asyncio.to_thread(lambda: outbox(self._home, self._control(), **asked))
