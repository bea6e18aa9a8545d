"""The routes of margins: what may be asked about charges without billing anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar, get_args

import msgspec
from starlette.requests import Request

from farebox.analytics.questions import Questions
from farebox.billing.margin.margin import By
from farebox.config import is_exposed, load_config
from farebox.home import Home
from farebox.server.api.errors import invalid_parameter
from farebox.server.api.margins import margins_view, read_percent
from farebox.server.api.method_routes import MethodRoutes, only

if TYPE_CHECKING:
    from farebox.analytics.query import Reply
    from farebox.analytics.query import Request as Asked
    from farebox.billing.invoices.run import Desk
    from farebox.control.database import ControlDatabase
    from farebox.server.api.queries import Ledger

MARGIN = "/api/v1/margin"

T = TypeVar("T")


class EarningsRoutes(MethodRoutes):
    """They change nothing, and whoever may read may ask."""

    def __init__(
        self,
        home: Home,
        ledger: Ledger,
        clock: Callable[[], int],
        control: Callable[[], ControlDatabase | None],
    ) -> None:
        """Rating is done in a thread of its own, one at a time; its questions take turns with a screen's."""
        super().__init__(home, clock, control)
        self._ledger = ledger
        self._rating = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rating")
        self.routes = {MARGIN: {"GET": self.margin}}

    def close(self) -> None:
        self._rating.shutdown(wait=False, cancel_futures=True)

    async def margin(self, request: Request) -> msgspec.Struct:
        from farebox.billing.margin.margin_question import margins_of
        from farebox.billing.rated_periods import periods_of

        only(request, "by", "below", "since", "until")
        query = request.query_params
        by: By = _one_of("by", query.get("by", "customer"))
        below = _percent(query.get("below"))
        since, until = _day("since", query.get("since")), _day("until", query.get("until"))
        now = self._clock()

        def asked(desk: Desk) -> msgspec.Struct:
            found = margins_of(periods_of(desk, now), desk.usage, since, until, by)
            return margins_view(found, below)

        return await self._asked(asked)

    async def _asked(self, question: Callable[[Desk], T]) -> T:
        loop = asyncio.get_running_loop()
        turns = _Turns(self._ledger, loop)
        return await loop.run_in_executor(self._rating, lambda: question(self._desk(turns)))

    def _desk(self, turns: _Turns) -> Desk:
        from farebox.billing.invoices.run import Desk
        from farebox.billing.usage.record_usage import RecordUsage
        from farebox.control.database import open_control

        config = load_config(self._home)
        usage = RecordUsage(self._home, Questions(turns))
        control = self._control() or open_control(self._home)
        return Desk(self._home, control, usage, verified=is_exposed(config.listen, config))


class _Turns:
    """Asks each question in its turn, so that a screen waits for one of them and never for all."""

    def __init__(self, ledger: Ledger, loop: asyncio.AbstractEventLoop) -> None:
        self._ledger = ledger
        self._loop = loop

    def reply(self, request: Asked, /) -> Reply:
        asked = self._ledger.ask(lambda sources: sources.questions.reply(request))
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()

    def close(self) -> None:
        """Leave the server's questions open."""


def _one_of(name: str, text: str) -> By:
    for each in get_args(By):
        if each == text:
            return each
    raise invalid_parameter(name, text, list(get_args(By)))


def _percent(text: str | None) -> Fraction | None:
    if text is None:
        return None
    try:
        return read_percent(text)
    except ValueError:
        raise invalid_parameter("below", text, ["20%"]) from None


def _day(name: str, text: str | None) -> date:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        raise invalid_parameter(name, text or "", ["2026-11-01"]) from None
