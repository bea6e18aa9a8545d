"""The table of routes and their handlers.

A path that is not in the table does not exist. Who may ask for it is in `farebox.access.roles`, and a path
that is missing there is refused: tests walk both with every role.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from farebox.access.roles import Allowed, allowed
from farebox.analytics.dimensions import DIMENSIONS, is_tag
from farebox.analytics.query import Bucket
from farebox.analytics.query import Request as AnalyticsRequest
from farebox.clock import now_ns
from farebox.errors import CallNotFoundError, FareboxError
from farebox.home import Home
from farebox.ingest.intake import Intake
from farebox.pricing.price_copy import PriceCopy
from farebox.readiness import LIVE, READY, Liveness
from farebox.server.access import links, pages
from farebox.server.access.guard import App, Guard, Kind, Receive, Scope, Send, Visitors
from farebox.server.access.sessions import SESSION_SECONDS, Sessions
from farebox.server.api import reports, views
from farebox.server.api.alert_routes import AlertRoutes
from farebox.server.api.coverage import Covers
from farebox.server.api.earnings_routes import EarningsRoutes
from farebox.server.api.errors import ApiError, from_farebox, invalid_parameter
from farebox.server.api.filters import Selection, read_choice, read_count, read_selection
from farebox.server.api.invoice_routes import InvoiceRoutes
from farebox.server.api.limit_routes import LimitRoutes
from farebox.server.api.live import Pulse, stream
from farebox.server.api.method_routes import MethodRoutes
from farebox.server.api.plan_routes import PlanRoutes
from farebox.server.api.queries import Ledger, Reader, Sources
from farebox.server.api.ready import RecentReadiness
from farebox.server.api.status import Typed, plainly, status
from farebox.server.api.wallet_routes import WalletRoutes
from farebox.server.assets import Assets, content_type, is_immutable
from farebox.server.collector.door import EVENTS, CollectorDoor

if TYPE_CHECKING:
    from farebox.control.database import ControlDatabase
    from farebox.telemetry.prometheus.metrics import Metrics

PAGE_SIZE = 100
PAGE_SIZE_MAX = 500
GROUPS_MAX = 200
CALL_PREFIX = "/api/v1/calls/"
ASSET = "/{asset}"
METRICS = "/metrics"

_log = logging.getLogger("farebox.server")

_decode_request = msgspec.json.Decoder(AnalyticsRequest).decode

Answer = Callable[[Request], Coroutine[Any, Any, Response]]


class Server:
    """Everything the routes need, and the routes."""

    def __init__(
        self,
        home: Home,
        ledger: Ledger,
        sessions: Sessions,
        cookie_name: str,
        assets: Assets,
        clock: Callable[[], int] = now_ns,
        typed: Typed = plainly,
        key_labels: Callable[[], dict[str, str]] = dict,
        secure_hosts: frozenset[str] = frozenset(),
        way_in: str = "farebox open",
        collector: CollectorDoor | None = None,
        prices: Callable[[], PriceCopy] = PriceCopy,
    ) -> None:
        """`way_in` is the command that strangers are told of; `secure_hosts` are `Host` values that browsers
        reach by HTTPS, though it does not end here."""
        self._home = home
        self._secure_hosts = secure_hosts
        self._typed = typed
        self._way_in = way_in
        self._key_labels = key_labels
        self._ledger = ledger
        self._sessions = sessions
        self._cookie_name = cookie_name
        self._assets = assets
        self._clock = clock
        self._collector = collector
        self._prices = prices
        self._cover = Covers(home)
        self._readiness = RecentReadiness(home)
        self._control_database: ControlDatabase | None = None
        self._metrics: Metrics | None = None
        self.groups: tuple[MethodRoutes, ...] = (
            LimitRoutes(home, ledger, clock, self._control),
            AlertRoutes(home, clock, self._control),
            InvoiceRoutes(home, ledger, clock, self._control),
            PlanRoutes(home, clock, self._control),
            WalletRoutes(home, clock, self._control),
            EarningsRoutes(home, ledger, clock, self._control),
        )
        self.pulse = Pulse(ledger)
        self.routes: dict[str, tuple[Kind, Answer]] = {
            "/": (Kind.PAGE, self.index),  # shows how to sign in, until signed in
            LIVE: (Kind.API, self.live_at_all),
            READY: (Kind.API, self.ready),
            METRICS: (Kind.API, self.metrics),
            "/api/v1/status": (Kind.API, self.status),
            "/api/v1/summary": (Kind.API, self.summary),
            "/api/v1/breakdown": (Kind.API, self.breakdown),
            "/api/v1/series": (Kind.API, self.series),
            "/api/v1/values": (Kind.API, self.values),
            "/api/v1/questions": (Kind.API, self.questions),
            "/api/v1/calls": (Kind.API, self.calls),
            f"{CALL_PREFIX}{{id}}": (Kind.API, self.call),
            "/api/v1/live": (Kind.API, self.live),
            "/api/v1/outbox": (Kind.API, self.outbox),
            "/api/v1/prices": (Kind.API, self.prices),
            ASSET: (Kind.ASSET, self.asset),
        }

    def _close(self) -> None:
        for group in self.groups:
            group.close()
        self._ledger.close()

    def route_of(self, path: str) -> tuple[Kind, dict[str, Allowed]] | None:
        """Return the kind of a known path and the roles that may use each of its methods."""
        found = self._collector.route_of(path) if self._collector is not None else None
        if found is not None:
            return found
        grouped = self._grouped(path)
        if grouped is not None:
            group, route = grouped
            return Kind.API, group.methods_of(route)
        name = self._route_name(path)
        if name is None:
            return None
        may = allowed("api", name)
        return self.routes[name][0], {"GET": may, "HEAD": may}

    def _grouped(self, path: str) -> tuple[MethodRoutes, str] | None:
        """Return the group of routes that a path is in, and its route there."""
        found = ((group, group.name_of(path)) for group in self.groups)
        return next(((group, name) for group, name in found if name is not None), None)

    def _route_name(self, path: str) -> str | None:
        if path.startswith(CALL_PREFIX) and "/" not in path[len(CALL_PREFIX) :]:
            return f"{CALL_PREFIX}{{id}}"
        if path in self.routes and "{" not in path:
            return path
        if self._assets.etag(path[1:]) is not None and path not in ("/index.html", "/build.json"):
            return ASSET
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request that the guard let through."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send, self._close)
            return
        if self._collector is not None and self._collector.route_of(scope["path"]) is not None:
            await self._collector(scope, receive, send)
            return
        try:
            response = await self._respond(scope, receive)
        except ApiError as error:
            response = error_response(error)
        except FareboxError as error:
            response = error_response(from_farebox(error))
        except Exception:  # a bug of ours: the log has the traceback, the browser a sentence
            _log.exception("unexpected failure at %s", scope["path"])
            response = error_response(
                ApiError(500, "internal_error", "Something went wrong here. The server's log says what.")
            )
        if response is not None:
            await response(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive) -> Response | None:
        """Return the response; None for a client that has gone before it. A change is made all the same."""
        request = Request(scope, receive)
        grouped = self._grouped(scope["path"])
        if grouped is None:
            name = self._route_name(scope["path"])
            assert name is not None, "the guard lets only known paths through"  # noqa: S101 - an invariant
            return await _unless_gone(self.routes[name][1](request), receive)
        answering = self._handled(request, *grouped)
        return await (_unless_gone(answering, receive) if request.method in ("GET", "HEAD") else answering)

    async def _handled(self, request: Request, group: MethodRoutes, name: str) -> Response:
        return json_response(await group.handle(request, name))

    # Pages

    async def index(self, request: Request) -> Response:
        code = request.query_params.get("link")
        signed_in = request.state.role in allowed("api", ASSET)  # what may load the page's own files
        if code is not None and request.method == "GET" and not _is_prefetch(request):
            if links.redeem(self._home, code, time.time()):
                return self._signed_in(request)
            return RedirectResponse("/", 303) if signed_in else _page(pages.link_is_spent(self._way_in), 401)
        if not signed_in:
            return _page(pages.sign_in(self._way_in), 401)
        self._assets.refresh()
        if self._assets.stamp is None:
            return _page(pages.not_built(), 503)
        return Response(
            self._assets.read("index.html"),
            media_type="text/html",
            headers={"cache-control": "no-store"},
        )

    def _signed_in(self, request: Request) -> Response:
        response = RedirectResponse("/", 303, headers={"cache-control": "no-store"})
        response.set_cookie(
            self._cookie_name,
            self._sessions.issue(int(time.time())),
            max_age=SESSION_SECONDS,
            secure=request.url.scheme == "https" or request.headers["host"] in self._secure_hosts,
            httponly=True,
            samesite="strict",
            path="/",
        )
        return response

    async def asset(self, request: Request) -> Response:
        name = request.url.path[1:]
        etag = self._assets.etag(name) or ""
        fresh = "private, max-age=31536000, immutable" if is_immutable(name) else "no-cache"
        headers = {"etag": etag, "cache-control": fresh}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(self._assets.read(name), headers={**headers, "content-type": content_type(name)})

    # For whoever watches the process, without a token

    async def live_at_all(self, request: Request) -> Response:
        return json_response(Liveness())

    async def ready(self, request: Request) -> Response:
        found = await self._ledger.read(self._readiness)
        return json_response(found, found.status)

    # Prometheus

    async def metrics(self, request: Request) -> Response:
        from farebox.telemetry.prometheus.exposition import CONTENT_TYPE
        from farebox.telemetry.prometheus.metrics import Covered, Metrics

        metrics = self._metrics = self._metrics or Metrics(self._home)

        def scrape(sources: Sources) -> bytes:
            found = self._cover(sources.reader)
            covered = Covered(complete=found.complete, pending_calls=found.pending_calls)
            return metrics.scrape(sources.questions, covered, self._clock())

        headers = {"cache-control": "no-store"}
        return Response(await self._ledger.ask(scrape), media_type=CONTENT_TYPE, headers=headers)

    # API

    async def status(self, request: Request) -> Response:
        return json_response(await self._ledger.read(lambda reader: self._status(reader)))

    def _status(self, reader: Reader) -> views.Status:
        return status(reader, self._home, self._typed, self._key_labels())

    async def summary(self, request: Request) -> Response:
        selection, now = self._select(request)
        return json_response(
            await self._ledger.ask(lambda sources: reports.summary(sources, selection, now, self._cover))
        )

    async def breakdown(self, request: Request) -> Response:
        selection, _ = self._select(request, "by", "limit")
        by = request.query_params.get("by", "model").split(",")
        for name in by:
            if not _is_dimension(name) or len(by) != len(set(by)):
                raise invalid_parameter("by", ",".join(by), [*DIMENSIONS, "tag.NAME"])
        limit = read_count(request.query_params, "limit", low=1, high=GROUPS_MAX, default=20) or 20
        return json_response(
            await self._ledger.ask(
                lambda sources: reports.breakdown(sources, selection, by, limit, self._cover)
            )
        )

    async def values(self, request: Request) -> Response:
        selection, _ = self._select(request, "contains", "by", "limit")
        query = request.query_params
        contains = query.get("contains", "")
        if len(contains) > 512:
            raise invalid_parameter("contains", contains, ["text of at most 512 characters"])
        by = query.get("by")
        if by is not None and not _is_dimension(by):
            raise invalid_parameter("by", by, [*DIMENSIONS, "tag.NAME"])
        limit = read_count(query, "limit", low=1, high=GROUPS_MAX, default=20) or 20
        # One made of others would find the same values again.
        stored = [name for name, each in DIMENSIONS.items() if not each.expression]
        dimensions = stored if by is None else [by]
        return json_response(
            await self._ledger.ask(
                lambda sources: reports.values(
                    sources.questions, selection, dimensions, contains, limit, self._key_labels()
                )
            )
        )

    async def questions(self, request: Request) -> Response:
        """Answer whatever `farebox.analytics` can be asked: the command line's way to the replica."""
        text = request.query_params.get("request", "")
        try:
            asked = _decode_request(text)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise invalid_parameter("request", text, [f"a request of farebox.analytics ({error})"]) from error
        return json_response(await self._ledger.ask(lambda sources: sources.questions.reply(asked)))

    async def series(self, request: Request) -> Response:
        selection, now = self._select(request, "bucket", "by")
        bucket: Bucket = read_choice(request.query_params, "bucket", reports.BUCKETS, "hour")
        by = request.query_params.get("by")
        if by is not None and not _is_dimension(by):
            raise invalid_parameter("by", by, [*DIMENSIONS, "tag.NAME"])
        return json_response(
            await self._ledger.ask(
                lambda sources: reports.series(sources, selection, bucket, by, now, self._cover)
            )
        )

    async def calls(self, request: Request) -> Response:
        selection, _ = self._select(request, "limit", "before", "after")
        query = request.query_params
        limit = read_count(query, "limit", low=1, high=PAGE_SIZE_MAX, default=PAGE_SIZE) or PAGE_SIZE
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
        return json_response(
            views.Calls(
                span=reports.span_of(selection),
                calls=[views.brief(row) for row in page],
                next_before=page[-1].seq if len(rows) > limit and after is None else None,
                last_seq=last_seq,
            )
        )

    async def call(self, request: Request) -> Response:
        call_id = request.url.path[len(CALL_PREFIX) :]
        if not call_id or len(call_id) > 64:
            raise from_farebox(CallNotFoundError("a call's id is 36 characters, or a unique start"))
        return json_response(views.receipt(await self._ledger.read(lambda reader: reader.call(call_id))))

    async def outbox(self, request: Request) -> Response:
        from farebox.server.api.outbox import outbox, read_question

        asked = read_question(request.query_params.multi_items())
        return json_response(await asyncio.to_thread(lambda: outbox(self._home, self._control(), **asked)))

    async def prices(self, request: Request) -> Response:
        copy = await asyncio.to_thread(self._prices)
        etag = f'"{copy.digest}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"etag": etag, "cache-control": "no-cache"})
        response = json_response(copy)
        response.headers["etag"] = etag
        return response

    def _control(self) -> ControlDatabase | None:
        """Return the control database, opened once; None where there is none yet."""
        if self._control_database is None and self._home.control.exists():
            from farebox.control.database import open_control

            self._control_database = open_control(self._home)
        return self._control_database

    async def live(self, request: Request) -> Response:
        selection, _ = self._select(request)
        last_event_id = request.headers.get("last-event-id", "")
        resume_after = int(last_event_id) if last_event_id.isdecimal() and len(last_event_id) < 19 else None
        return StreamingResponse(
            stream(
                self._ledger,
                self.pulse,
                selection,
                resume_after,
                self._clock,
                self._cover,
                request.state.may_stay,
            ),
            media_type="text/event-stream",
            headers={"cache-control": "no-store"},
        )

    def _select(self, request: Request, *also: str) -> tuple[Selection, int]:
        now = self._clock()
        # Up and including now: a call of this very microsecond belongs to what is asked for.
        moment = datetime.fromtimestamp(now // 10**9, UTC) + timedelta(microseconds=now % 10**9 // 1000 + 1)
        return read_selection(request.query_params.multi_items(), now=moment, also=also), now


def build(
    home: Home,
    ledger: Ledger,
    sessions: Sessions,
    *,
    visitors: Visitors,
    port: int,
    assets: Assets | None = None,
    clock: Callable[[], int] = now_ns,
    typed: Typed = plainly,
    key_labels: Callable[[], dict[str, str]] = dict,
    secure_hosts: frozenset[str] = frozenset(),
    way_in: str = "",
    intake: Intake | None = None,
    prices: Callable[[], PriceCopy] = PriceCopy,
) -> tuple[Server, Guard]:
    """Return the server and the guarded ASGI application around it."""
    cookie_name = f"farebox_{port}"  # cookies know no ports, and two Fareboxes may run
    files = Assets() if assets is None else assets
    way_in = way_in or typed("open")
    collector = CollectorDoor(intake, visitors.tokens) if intake is not None else None
    server = Server(
        home,
        ledger,
        sessions,
        cookie_name,
        files,
        clock,
        typed,
        key_labels,
        secure_hosts,
        way_in,
        collector,
        prices,
    )
    guard = Guard(
        server,
        visitors=visitors,
        cookie_name=cookie_name,
        sessions=sessions,
        route_of=server.route_of,
        refuse=_refuse,
        clock=lambda: clock() / 10**9,
        way_in=way_in,
        sockets=frozenset((EVENTS,)) if collector is not None else frozenset(),
    )
    return server, guard


def _refuse(error: ApiError, kind: Kind) -> App:
    if kind is Kind.PAGE:
        return _page(pages.refused(error.body.message), error.status)
    return error_response(error)


def _page(content: bytes, status_code: int) -> Response:
    headers = {"content-security-policy": pages.POLICY, "cache-control": "no-store"}
    return Response(content, status_code, media_type="text/html", headers=headers)


def json_response(answer: msgspec.Struct, status_code: int = 200) -> Response:
    return Response(
        msgspec.json.encode(answer),
        status_code,
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )


def error_response(error: ApiError) -> Response:
    headers = {"cache-control": "no-store"}
    if error.status == 401:
        headers["www-authenticate"] = 'Bearer realm="farebox"'
    if error.status == 405:
        headers["allow"] = ", ".join(cast("list[str]", error.body.details["allowed"]))
    if error.status == 429:
        headers["retry-after"] = str(error.body.details["retry_after_s"])
    return Response(
        msgspec.json.encode(error.body), error.status, media_type="application/json", headers=headers
    )


async def _unless_gone(answering: Coroutine[Any, Any, Response], receive: Receive) -> Response | None:
    """Return the response, or None as soon as the client has gone: a question not asked yet is dropped.
    Clicking through filters leaves many requests whose responses nobody reads.
    """
    answer = asyncio.ensure_future(answering)
    leaving = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((answer, leaving), return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else None
    finally:
        for task in (answer, leaving):
            task.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _is_dimension(name: str) -> bool:
    return name in DIMENSIONS or is_tag(name)


def _is_prefetch(request: Request) -> bool:
    return "prefetch" in request.headers.get("sec-purpose", request.headers.get("purpose", ""))


async def _lifespan(receive: Receive, send: Send, close: Callable[[], None]) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        else:
            close()
            await send({"type": "lifespan.shutdown.complete"})
            return
