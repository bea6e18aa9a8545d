"""The route of messages on their way to whoever is told."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from farebox.server.api.errors import invalid_parameter
from farebox.server.api.lists.paging import page_asked
from farebox.server.api.lists.rows import Paged, Rows
from farebox.server.api.method_routes import MethodRoutes, route
from farebox.server.api.outbox.outbox_views import STATES, Outbox, outbox_view
from farebox.server.api.parameters import Choice, Text

STATE: Choice[str] = Choice(
    name="state", about="Only messages in this state; it may be repeated.", words=STATES, repeated=True
)
RECEIVER = Text(name="receiver", about="Only messages to this receiver.")


class OutboxRoutes(MethodRoutes):
    """Receivers and messages."""

    @route("GET", "/api/v1/outbox", STATE, RECEIVER, rows=Rows("messages", size=100, size_max=500))
    async def outbox(self, request: Request) -> Paged[Outbox]:
        """Receivers, how many messages wait or were given up, and the messages, the newest first."""
        states = request.query_params.getlist("state")
        for state in states:
            if state not in STATES:
                raise invalid_parameter("state", state, list(STATES))
        receiver = RECEIVER.of(request)
        limit, after = page_asked(request, tuple[int, int, str])
        database = self._control()
        if database is None:
            return Paged(Outbox(pending=0, dead=0, receivers=[], messages=[]), None)

        def read() -> Paged[Outbox]:
            from farebox.control.outbox.messages import deliveries

            with database.reading() as connection:
                found = deliveries(connection, states=states, of=receiver, limit=limit + 1, after=after)
                page = found[:limit]
                shown = outbox_view(connection, page)
            if len(found) == len(page):
                return Paged(shown, None)
            return Paged(shown, (page[-1].created_at, page[-1].position, page[-1].receiver))

        return await asyncio.to_thread(read)
