"""The route of the audit: who changed what, with what it was before."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from starlette.requests import Request

from farebox.server.api.audit.audit_views import AuditLog, audit_view
from farebox.server.api.filters import read_selection
from farebox.server.api.lists.paging import page_asked
from farebox.server.api.lists.rows import Paged, Rows
from farebox.server.api.method_routes import MethodRoutes, route
from farebox.server.api.parameters import SPAN, Text

ACTOR = Text(name="actor", about="Only what this one did.", examples=("uid:1000", "owner"))
KIND = Text(name="kind", about="Only changes of this kind of thing.", examples=("budget", "plan"))
NAME = Text(name="name", about="Only changes of what is called so.")

_BEGINNING = "2000-01-01"
_SPAN = tuple(each.name for each in SPAN)


class AuditRoutes(MethodRoutes):
    """The audit is for owners: it says who has tokens, and what plans were before."""

    @route("GET", "/api/v1/audit", ACTOR, KIND, NAME, *SPAN, rows=Rows("entries", size=100, size_max=500))
    async def audit(self, request: Request) -> Paged[AuditLog]:
        """Who changed what, when, with what it was before and after; the newest first."""
        query = request.query_params
        limit, after = page_asked(request, tuple[int])
        times = [pair for pair in query.multi_items() if pair[0] in _SPAN]
        if "since" not in query:
            times.append(("since", _BEGINNING))
        now = datetime.fromtimestamp(self._clock() // 10**9, UTC)
        span = read_selection(times, now=now).window
        actor, kind, name = ACTOR.of(request), KIND.of(request), NAME.of(request)
        database = self._control()
        if database is None:
            return Paged(AuditLog(entries=[]), None)

        def read() -> Paged[AuditLog]:
            from farebox.control.audit.entries import Filter, entries

            asked = Filter(
                actor=actor,
                kind=kind,
                name=name,
                since_ns=span.since_ns,
                until_ns=span.until_ns if "until" in query else None,
                before=None if after is None else after[0],
            )
            with database.reading() as connection:
                found = entries(connection, asked, limit + 1)
            page = found[:limit]
            return Paged(audit_view(page), (page[-1].number,) if len(found) > limit else None)

        return await asyncio.to_thread(read)
