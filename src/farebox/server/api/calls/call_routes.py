"""The routes of calls: the list, a receipt, and what is new, live."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from farebox.analytics.dimensions import CALL_ORDERS
from farebox.analytics.query import Place
from farebox.errors import CallNotFoundError
from farebox.server.api.calls.call_views import Calls, Receipt, brief, receipt
from farebox.server.api.calls.live import stream
from farebox.server.api.errors import from_farebox, invalid_parameter
from farebox.server.api.filters import Selection
from farebox.server.api.lists.paging import page_asked
from farebox.server.api.lists.rows import Paged, Rows
from farebox.server.api.method_routes import MethodRoutes, route
from farebox.server.api.parameters import SELECTION, Choice, Count
from farebox.server.api.spending.reports import span_of

PAGE_SIZE = 100
PAGE_SIZE_MAX = 500
ID_MAX = 64
"""Characters of a call's id at most."""
BEFORE = Count(
    name="before",
    about="Only calls that were recorded before the one with this `seq`; not with `order`.",
    low=0,
    high=2**63 - 1,
)
ORDER: Choice[str] = Choice(
    name="order",
    about="What they are sorted by; as they were recorded, the newest first, where it is left out.",
    words=tuple(CALL_ORDERS),
)
DIRECTION: Choice[str] = Choice(
    name="direction", about="The highest first, or the lowest; only with `order`.", words=("desc", "asc")
)
_CALLS = Rows("calls", size=PAGE_SIZE, size_max=PAGE_SIZE_MAX)
Position = tuple[int | None, int, int | None, int]
"""Where a page ended: the value that it is sorted by and the `seq` of its last call, and the span."""


class CallRoutes(MethodRoutes):
    """Calls, one by one."""

    @route("GET", "/api/v1/calls", *SELECTION, BEFORE, ORDER, DIRECTION, rows=_CALLS)
    async def calls(self, request: Request) -> Paged[Calls]:
        """Calls, the newest first. All pages are of the span that the first one was asked for."""
        selection, _ = self._select(request)
        limit, at = page_asked(request, Position)
        if at is not None:
            window = msgspec.structs.replace(selection.window, since_ns=at[2], until_ns=at[3])
            selection = msgspec.structs.replace(selection, window=window)
        places = await self._places(request, selection, limit + 1, at)
        page = places[:limit]
        rows, last_seq = await self._ledger.read(
            lambda reader: (reader.by_seq([seq for _, seq in page]), reader.last_seq())
        )
        shown = Calls(span=span_of(selection), calls=[brief(row) for row in rows], last_seq=last_seq)
        span = selection.window.since_ns, selection.window.until_ns
        return Paged(shown, (*page[-1], *span) if len(places) > limit else None)

    async def _places(
        self, request: Request, selection: Selection, limit: int, at: Position | None
    ) -> list[tuple[int | None, int]]:
        """Return the value that each call is sorted by, and its number."""
        order, direction, before = ORDER.of(request), DIRECTION.of(request), BEFORE.given(request)
        if order is None:
            if direction is not None:
                raise invalid_parameter("direction", direction, [f"only with order={'|'.join(CALL_ORDERS)}"])
            before = before if at is None else at[1]
            seqs = await self._ledger.ask(
                lambda sources: sources.questions.calls(selection.asked, limit, before_seq=before)
            )
            return [(None, seq) for seq in seqs]
        if before is not None:
            raise invalid_parameter("before", str(before), ["not with order"])
        after = None if at is None or at[0] is None else Place(at[0], at[1])
        found = await self._ledger.ask(
            lambda sources: sources.questions.sorted_calls(
                selection.asked, order, limit, ascending=direction == "asc", after=after
            )
        )
        return [(place.value, place.seq) for place in found]

    @route("GET", "/api/v1/calls/{id}", refusals=("call_not_found",))
    async def call(self, request: Request) -> Receipt:
        """What a call was and how its cost was computed. The id may be a unique beginning of it."""
        call_id = request.url.path.rpartition("/")[2]
        if len(call_id) > ID_MAX:
            raise from_farebox(CallNotFoundError("a call's id is 36 characters, or a unique start"))
        return receipt(await self._ledger.read(lambda reader: reader.call(call_id)))

    @route("GET", "/api/v1/live", *SELECTION, media="text/event-stream")
    async def live(self, request: Request) -> Response:
        """New calls, changed minutes and the figures of now, as server-sent events."""
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
