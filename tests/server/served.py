"""The server over a ledger in memory, asked the way uvicorn asks it, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from fake_ledger import FakeLedger, call

from farebox.access.public_names import names_of
from farebox.analytics.questions import Questions
from farebox.home import Home
from farebox.ingest.intake import Intake
from farebox.server.access.guard import Guard, Visitors
from farebox.server.access.sessions import Sessions, load_token
from farebox.server.api.filters import instant_ns
from farebox.server.api.queries import Ledger
from farebox.server.app import Server, build
from farebox.server.assets import Assets

NOW = instant_ns("2026-11-20T15:00:30Z")
"""A Friday, 16:00:30 in Berlin."""
PORT = 3274
HOST = f"127.0.0.1:{PORT}"
_NAMES = names_of("127.0.0.1", PORT)
VISITORS = Visitors(hosts=_NAMES.hosts, origins=_NAMES.origins)
MINUTE = 60 * 10**9


class Answer(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Site:
    """The application under test, its token, its rows."""

    def __init__(
        self,
        home: Home,
        rows: FakeLedger,
        assets: Assets,
        key_labels: Callable[[], dict[str, str]] = dict,
        visitors: Visitors | None = None,
        secure_hosts: frozenset[str] = frozenset(),
        intake: Intake | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        """`ledger` is what is asked in the place of `rows`."""
        self.home = home
        self.rows = rows
        self.token = load_token(home)
        self.ledger = ledger or Ledger(rows, Questions(rows))
        built = build(
            home,
            self.ledger,
            Sessions(self.token),
            visitors=visitors or VISITORS,
            port=PORT,
            assets=assets,
            clock=lambda: NOW,
            key_labels=key_labels,
            secure_hosts=secure_hosts,
            intake=intake,
        )
        self.server: Server = built[0]
        self.app: Guard = built[1]

    def get(self, target: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
        """Ask as a client that has the token."""
        return self.ask(target, {"authorization": f"Bearer {self.token}", **(headers or {})}, method)

    def ask(
        self, target: str, headers: Mapping[str, str] | None = None, method: str = "GET", body: bytes = b""
    ) -> Answer:
        """Ask with exactly these headers, with the right host and content type unless they name others."""
        kind = {"content-type": "application/json"} if method != "GET" else {}
        said = {"host": HOST, **kind, **(headers or {})}
        return asyncio.run(self._ask(target, said, method, body))

    async def _ask(self, target: str, headers: Mapping[str, str], method: str, body: bytes) -> Answer:
        given = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        return await ask_raw(self.app, target, given, method, body=body)


def pages(site: Site, target: str, limit: int) -> list[Any]:
    """Return every page of a list."""
    found: list[Any] = []
    mark = "&" if "?" in target else "?"
    cursor: str | None = ""
    while cursor is not None:
        said = f"&cursor={cursor}" if cursor else ""
        answer = site.get(f"{target}{mark}limit={limit}{said}")
        assert answer.status == 200, answer.body
        found.append(answer.json())
        cursor = found[-1]["next_cursor"]
    return found


async def ask_raw(
    app: Any,
    target: str,
    headers: list[tuple[bytes, bytes]],
    method: str = "GET",
    gone: asyncio.Event | None = None,
    body: bytes = b"",
) -> Answer:
    path, _, query = target.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", PORT),
        "state": {},
    }
    sent: list[dict[str, Any]] = []

    asked = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in asked:
            return message
        await (gone or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await app(scope, receive, send)
    if not sent:
        return Answer(0, {}, b"")
    start = sent[0]
    return Answer(
        start["status"],
        {name.decode(): value.decode() for name, value in start["headers"]},
        b"".join(message.get("body", b"") for message in sent[1:]),
    )


def day_of_calls() -> FakeLedger:
    """Nine calls: six today, one of them without a price, two yesterday, one last month."""
    return FakeLedger(
        [
            call(1, instant_ns("2026-10-02T09:00:00Z"), model="claude-sonnet-4", provider="anthropic"),
            call(2, instant_ns("2026-11-19T10:00:00Z")),
            call(3, instant_ns("2026-11-19T22:00:00Z"), app="night"),
            call(4, instant_ns("2026-11-19T23:30:00Z"), app="ingest"),  # already today in Berlin
            call(5, instant_ns("2026-11-20T08:15:00Z"), app="ingest", user="anna", tokens=(12_000, 4_000)),
            call(
                6,
                instant_ns("2026-11-20T14:10:10Z"),
                model="claude-sonnet-4",
                provider="anthropic",
                surface="anthropic.messages",
                key="0d93b2aa71c5e0f4",
            ),
            call(7, instant_ns("2026-11-20T14:59:40Z"), model="my-finetune", provider="my-llm", key=None),
            call(8, instant_ns("2026-11-20T14:59:59Z"), status=429, tokens=(0, 0)),
            call(9, instant_ns("2026-11-20T15:00:05Z"), user="anna"),
        ]
    )
