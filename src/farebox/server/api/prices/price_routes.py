"""The routes of prices: those in force, what has none, a price of one's own, and calls rated again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from farebox.analytics.dimensions import UNPRICED
from farebox.analytics.questions import Questions
from farebox.analytics.questions import Selection as Calls
from farebox.clock import iso
from farebox.ledger.calls import LedgerReader
from farebox.ledger.corrections.rerate_command import preview
from farebox.ledger.corrections.rerate_command import request as ask_rerating
from farebox.ledger.corrections.rerate_differences import Differences
from farebox.ledger.corrections.unpriced_models import unpriced_models
from farebox.pricing.book import PriceBook
from farebox.pricing.price_copy import PriceCopy
from farebox.server.api.errors import ApiError, invalid_parameter
from farebox.server.api.lists.rows import Rows
from farebox.server.api.method_routes import MethodRoutes, read_struct, route
from farebox.server.api.parameters import SELECTION, Text
from farebox.server.api.prices.price_views import (
    PriceHistory,
    PriceNews,
    PriceSet,
    Rerating,
    SeenModel,
    SeenModels,
    UnpricedQueue,
    price_row,
    rerating_view,
    unpriced_model,
)
from farebox.server.api.queries import Sources, Turns
from farebox.server.api.responses import json_response
from farebox.server.api.services import Services
from farebox.server.api.spending.reports import span_of

MODELS_MAX = 200
LOOKED_AT_MAX = 20_000
"""How many calls a preview looks at: a screen does not wait for millions."""
APPLY_SECONDS = 60.0
_MODEL_MAX = 256
_RATES_MAX = 40

PROVIDER = Text(name="provider", about="Whose model.")
MODEL = Text(name="model", about="The model.", required=True)

Found = TypeVar("Found")


class OwnPrice(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of `PUT /api/v1/prices/own`."""

    model: str
    """A model, or provider/model, or my-llm/*."""
    rates: dict[str, str]
    """Dollars by name: input, output, cache_read …"""
    per: str = "1m"
    """How many units a rate buys: 1m, 1k, token, call, minute."""
    since: str | None = msgspec.field(name="from", default=None)
    """Date or time from which it applies, or `ever`; today by default."""
    when: dict[str, str] = {}
    markup: str | None = None


class PriceRoutes(MethodRoutes):
    """Prices are changed by owners alone, and no call changes without being asked for."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._rerating = threading.Lock()

    @route("GET", "/api/v1/prices", response=PriceCopy)
    async def prices(self, request: Request) -> Response:
        """A copy of what this Farebox rates with, with an `ETag` to ask again by."""
        copy = await asyncio.to_thread(self._services.prices)
        etag = f'"{copy.digest}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"etag": etag, "cache-control": "no-cache"})
        response = json_response(copy)
        response.headers["etag"] = etag
        return response

    @route("GET", "/api/v1/prices/models", *SELECTION, rows=Rows("models", ("provider", "model")))
    async def models(self, request: Request) -> SeenModels:
        """Models that calls were made of, most expensive first, each with its prices in force."""
        selection, now = self._select(request)
        book = await asyncio.to_thread(self._services.book)
        cover = self._services.cover

        def seen(sources: Sources) -> SeenModels:
            found = sources.questions.breakdown(selection.asked, ["provider", "model"], limit=MODELS_MAX)
            window = selection.window
            return SeenModels(
                span=span_of(selection),
                models=[
                    SeenModel(
                        provider=group.keys["provider"] or "",
                        model=group.keys["model"],
                        calls=group.measures.calls,
                        unpriced_calls=group.measures.unpriced_calls,
                        cost_pico=str(group.measures.cost_pico),
                        prices=[
                            price_row(line)
                            for line in book.find(group.keys["provider"], group.keys["model"] or "", now)
                        ],
                    )
                    for group in found.groups
                ],
                rest_models=found.rest_groups,
                price_book=book.digest,
                coverage=cover(sources.reader, window.since_ns, window.until_ns),
            )

        return await self._ledger.ask(seen)

    @route("GET", "/api/v1/prices/history", PROVIDER, MODEL, rows=Rows("prices", ("unit", "effective_from")))
    async def history(self, request: Request) -> PriceHistory:
        """Every price of a model, with the date from which it applies."""
        provider, model = PROVIDER.of(request) or "", MODEL.needed(request)
        if not model or len(model) > _MODEL_MAX:
            raise invalid_parameter("model", model, [f"text of 1 to {_MODEL_MAX} characters"])
        book = await asyncio.to_thread(self._services.book)
        lines = sorted(
            book.find(provider or None, model), key=lambda line: (line.unit, line.effective_from or "")
        )
        return PriceHistory(provider=provider, model=model, prices=[price_row(line) for line in lines])

    @route("GET", "/api/v1/prices/unpriced", rows=Rows("models", ("provider", "model")))
    async def unpriced(self, request: Request) -> UnpricedQueue:
        """Models whose calls have no price."""
        book = await asyncio.to_thread(self._services.book)

        def look(questions: Questions) -> UnpricedQueue:
            seqs = questions.calls(_without_price(*UNPRICED), LOOKED_AT_MAX + 1, after_seq=0)
            reader = LedgerReader(self._home)
            try:
                found = unpriced_models(reader.export(seqs[:LOOKED_AT_MAX]), book)
            finally:
                reader.close()
            return UnpricedQueue(
                models=[unpriced_model(each) for each in found], at_least=len(seqs) > LOOKED_AT_MAX
            )

        return await self._aside(look)

    @route("PUT", "/api/v1/prices/own", body=OwnPrice, refusals=("price_file_invalid",))
    async def set_own(self, request: Request) -> PriceSet:
        """Set a price of one's own. No call is rated again by it."""
        from farebox.control.file_changes import change_prices
        from farebox.pricing.sources.own_prices import price_entry, set_own_price

        said = await read_struct(request, OwnPrice)
        if not said.model.strip() or len(said.model) > _MODEL_MAX or not said.model.isprintable():
            raise invalid_parameter("model", "", [f"text of 1 to {_MODEL_MAX} characters"])
        if len(said.rates) > _RATES_MAX or not (said.rates or said.markup):
            raise invalid_parameter("rates", "", ["at least one, as input and output in dollars"])
        entry = price_entry(
            said.rates,
            per=said.per,
            since=said.since or iso(self._clock())[:10],
            when=said.when,
            markup=said.markup,
        )
        actor, now = self._actor(request), self._clock()

        def write() -> tuple[Path, PriceBook]:
            return set_own_price(self._home.path, said.model, entry, self._services.read_book)

        path, book = await asyncio.to_thread(
            lambda: change_prices(self._home, actor, "price.set", said.model, now, write)
        )
        shown = {name: value for name, value in entry.items() if isinstance(value, str)}
        return PriceSet(model=said.model, file=str(path), entry=shown, price_book=book.digest)

    @route("GET", "/api/v1/prices/rerating")
    async def rerating(self, request: Request) -> Rerating:
        """What calls without a price would cost by the prices in force now. Nothing changes."""
        book = await asyncio.to_thread(self._services.read_book)

        def look(questions: Questions) -> Rerating:
            seqs = questions.calls(_without_price("unpriced"), LOOKED_AT_MAX + 1, after_seq=0)
            found = self._differences(seqs[:LOOKED_AT_MAX])
            return rerating_view(found.models.values(), book.digest, at_least=len(seqs) > LOOKED_AT_MAX)

        return await self._aside(look)

    @route("POST", "/api/v1/prices/rerating", refusals=("rerating_runs",))
    async def rerate(self, request: Request) -> Rerating:
        """Rate calls without a price again, by the prices in force now."""
        if not self._rerating.acquire(blocking=False):
            raise ApiError(409, "rerating_runs", "Calls are being rated again already; wait for its end.")
        try:
            return await self._aside(self._rerate)
        finally:
            self._rerating.release()

    @route("GET", "/api/v1/prices/updates")
    async def updates(self, request: Request) -> PriceNews:
        """How old the list of prices is, and what is news in it."""
        return await asyncio.to_thread(self._news)

    def _rerate(self, questions: Questions) -> Rerating:
        book = self._services.read_book()
        found = self._differences(list(questions.every_call(_without_price("unpriced"))))
        if not found.seqs:
            return rerating_view([], book.digest, at_least=False)
        outcome = ask_rerating(
            self._home,
            self._services.configuration(),
            found.seqs,
            book.digest,
            priced_too=False,
            timeout_s=APPLY_SECONDS,
        )
        return rerating_view(
            found.models.values(),
            book.digest,
            at_least=False,
            applied=outcome.applied and outcome.corrected > 0,
            request=outcome.request,
        )

    def _differences(self, seqs: list[int]) -> Differences:
        found, book, config = Differences(), self._services.read_book(), self._services.configuration()
        for changed in preview(self._home, seqs, book, priced_too=False, config=config):
            found.add(changed)
        return found

    def _news(self) -> PriceNews:
        from farebox.price_lists.held_list import held_list
        from farebox.price_lists.last_look import last_look
        from farebox.price_lists.news import news
        from farebox.pricing.sources.price_updates import newest

        prices = self._services.configuration().prices
        last, held, updates = last_look(self._home), held_list(self._home), newest(self._home.path)
        return PriceNews(
            update=prices.update,
            every_s=prices.every_s,
            source=prices.source,
            list_from=updates.origin.fetched_at if updates else None,
            last_look_at=iso(last.at_ns) if last else None,
            last_look=last.words if last else None,
            next_look_at=iso(last.next_at_ns) if last and prices.update != "off" else None,
            waiting_changes=held.changes if held else 0,
            waiting_because=held.reasons if held else [],
            told=news(self._home, prices, self._clock()),
        )

    async def _aside(self, look: Callable[[Questions], Found]) -> Found:
        """Return what is looked for in a thread of its own: a screen never waits behind it."""
        turns = Questions(Turns(self._ledger, asyncio.get_running_loop()))
        return await asyncio.to_thread(look, turns)


def _without_price(*states: str) -> Calls:
    return Calls(where={"cost_state": list(states)})
