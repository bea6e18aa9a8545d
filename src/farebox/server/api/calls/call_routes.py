"""The routes of calls: the list, a receipt, and what is new, live."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from farebox.errors import CallNotFoundError
from farebox.server.api.calls.call_order import CallOrder, cursor_of, read_order
from farebox.server.api.calls.call_views import Calls, Receipt, brief, receipt
from farebox.server.api.calls.live import stream
from farebox.server.api.errors import from_farebox, invalid_parameter
from farebox.server.api.filters import Selection, read_count
from farebox.server.api.method_routes import MethodRoutes, route
from farebox.server.api.spending.reports import span_of

PAGE_SIZE = 100
PAGE_SIZE_MAX = 500


class CallRoutes(MethodRoutes):
    """Calls, one by one."""

    @route("GET", "/api/v1/calls")
    async def calls(self, request: Request) -> Calls:
        selection, _ = self._select(request, "limit", "before", "after", "order", "direction", "cursor")
        query = request.query_params
        limit = read_count(query, "limit", low=1, high=PAGE_SIZE_MAX, default=PAGE_SIZE) or PAGE_SIZE
        order = read_order(query)
        if order is not None:
            return await self._sorted(selection, order, limit)
        before = read_count(query, "before", low=0, high=2**63 - 1, default=None)
        after = read_count(query, "after", low=0, high=2**63 - 1, default=None)
        if before is not None and after is not None:
            raise invalid_parameter("after", str(after), ["either before or after"])
        seqs = await self._ledger.ask(
            lambda sources: sources.questions.calls(
                selection.asked, limit + 1, before_seq=before, after_seq=after
            )
        )
        rows, last_seq = await self._ledger.read(lambda reader: (reader.by_seq(seqs), reader.last_seq()))
        page = rows[:limit]
        if after is not None:
            page = page[::-1]
        return Calls(
            span=span_of(selection),
            calls=[brief(row) for row in page],
            next_before=page[-1].seq if len(rows) > limit and after is None else None,
            last_seq=last_seq,
        )

    async def _sorted(self, selection: Selection, order: CallOrder, limit: int) -> Calls:
        places = await self._ledger.ask(
            lambda sources: sources.questions.sorted_calls(
                selection.asked, order.name, limit + 1, ascending=order.ascending, after=order.after
            )
        )
        page = places[:limit]
        rows, last_seq = await self._ledger.read(
            lambda reader: (reader.by_seq([place.seq for place in page]), reader.last_seq())
        )
        return Calls(
            span=span_of(selection),
            calls=[brief(row) for row in rows],
            next_before=None,
            next_cursor=cursor_of(page[-1]) if len(places) > limit else None,
            last_seq=last_seq,
        )

    @route("GET", "/api/v1/calls/{id}")
    async def call(self, request: Request) -> Receipt:
        call_id = request.url.path.rpartition("/")[2]
        if len(call_id) > 64:
            raise from_farebox(CallNotFoundError("a call's id is 36 characters, or a unique start"))
        return receipt(await self._ledger.read(lambda reader: reader.call(call_id)))

    @route("GET", "/api/v1/live")
    async def live(self, request: Request) -> Response:
        selection, _ = self._select(request)
        last_event_id = request.headers.get("last-event-id", "")
        resume_after = int(last_event_id) if last_event_id.isdecimal() and len(last_event_id) < 19 else None
        return StreamingResponse(
            stream(
                self._ledger,
                self._services.pulse,
                selection,
                resume_after,
                self._clock,
                self._services.cover,
                request.state.may_stay,
            ),
            media_type="text/event-stream",
            headers={"cache-control": "no-store"},
        )
