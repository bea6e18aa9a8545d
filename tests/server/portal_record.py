"""A home with the calls of several customers, an invoice of March for each, and the portal over it.

Nothing here is a fake: calls are in a ledger, questions go to its replica, links and invoices are in
`control.db`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from calls import DAY, SECOND, TestLedger, done
from msgspec.structs import replace
from served import Answer, ask_raw
from test_rerating import book

from farebox.access.public_names import names_of
from farebox.access.rate_limit import RateLimit
from farebox.analytics.local import LocalAsker
from farebox.analytics.questions import Questions
from farebox.billing.documents.document import Invoice
from farebox.billing.invoices.run import Desk
from farebox.billing.portal_links import create_link
from farebox.billing.usage.record_usage import RecordUsage
from farebox.clock import now_ns
from farebox.config import Config
from farebox.config.configuration import PortalConfig
from farebox.control.database import open_control
from farebox.control.publish import publish
from farebox.home import Home
from farebox.journal.records import Done
from farebox.server.api.queries import Ledger
from farebox.server.api.services import Services
from farebox.server.assets import Assets
from farebox.server.portal.portal_app import build_portal
from farebox.server.server_process import open_reader
from farebox.snapshot import SnapshotReader
from farebox.wire.facts import Part

PORT = 3276
HOST = f"127.0.0.1:{PORT}"
ORIGIN = f"http://{HOST}"
PORTAL = "/api/v1/portal/"
PRICES = (
    "gpt-4o: {input_per_1m: 2.5, cache_read_per_1m: 1.25, output_per_1m: 10}\n"
    "gpt-4o-mini: {input_per_1m: 0.15, cache_read_per_1m: 0.07, output_per_1m: 0.6}"
)
TOKENS, MARKUP = "tokens", "markup"
PLANS = f"""\
plans:
  {TOKENS}:
    charges:
      - {{name: Cached input, meter: cached_input_tokens, unit: "0.40", per: "1000000"}}
      - {{name: Input, meter: input_tokens, unit: "3", per: "1000000"}}
      - {{name: Output, meter: output_tokens, unit: "15", per: "1000000"}}
  {MARKUP}:
    charges:
      - {{name: Usage, meter: cost, markup_percent: "33.333", itemize: [model]}}
"""
TOKEN_PRICES = {"cached": Fraction(40, 10**8), "input": Fraction(3, 10**6), "output": Fraction(15, 10**6)}
MULTIPLIER = 1 + Fraction("0.33333")
MARCH, APRIL = (int(datetime(2026, month, 1, tzinfo=UTC).timestamp()) * SECOND for month in (3, 4))
NOW = APRIL + 15 * DAY
SECRET_WORDS = ("app-canary", "user-canary", "tag-canary", "k-canary")
"""Of every call, and nobody's business in the portal."""


class PortalRecord:
    """The home, what was appended, and the portal."""

    def __init__(self, home: Home, assets: Assets, customers: int = 2, **portal: Any) -> None:
        self.home = home
        self.customers = [f"customer{number:03}" for number in range(customers)]
        self.random = random.Random(18)
        plans = {each: (TOKENS, MARKUP)[at % 2] for at, each in enumerate(self.customers)}
        self.plans = plans
        home.config.write_text(
            PLANS
            + "customers:\n"
            + "".join(f"  {each}: {{name: {each} Inc., currency: USD}}\n" for each in plans)
            + "subscriptions:\n"
            + "".join(
                f"  - {{customer: {each}, plan: {plan}, start: 2026-03-01}}\n" for each, plan in plans.items()
            )
        )
        self.control = open_control(home)
        publish(home)
        self.ledger = TestLedger(home)
        self.ledger.applier.use(book(PRICES))
        self.questions = Questions(LocalAsker(home))
        self.published = SnapshotReader(home)
        self.served = Ledger(open_reader(home), self.questions)
        self.now = NOW
        self.services = Services(home, self.served, lambda: self.now, config=Config())
        self.server, self.app = build_portal(
            self.services,
            PortalConfig(**{"name": "Example Labs", **portal}),
            names_of("127.0.0.1", PORT),
            self.published,
            assets=assets,
        )
        self.app._wrong = RateLimit(100_000)  # here are many strangers, and none is told to wait

    def close(self) -> None:
        self.server.close()
        self.served.close()
        self.questions.close()

    def append(self, month_ns: int, calls: int) -> list[Done]:
        """Append calls of a month, of each customer some."""
        made = [self._call(month_ns, self.random.choice(self.customers)) for _ in range(calls)]
        self.ledger.append(*made)
        return made

    def bill(self) -> dict[str, Invoice]:
        """Return the invoices of March, issued on 5 April."""
        desk = Desk(self.home, self.control, RecordUsage(self.home, self.questions), verified=False)
        report = desk.run(APRIL + 4 * DAY, actor="uid:1")
        assert not report.refused
        return {each.customer: each for each in report.final}

    def link(self, customer: str, *, expires_s: int = 3600) -> str:
        """Return the secret of a new link. Links end by the real clock."""
        _, secret = create_link(self.home, customer, "uid:1", now_ns(), expires_s=expires_s)
        return secret

    def ask(self, target: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
        """Ask the portal with exactly these headers, and the right host unless they name another."""
        said = {"host": HOST, **(headers or {})}
        given = [(name.encode(), value.encode("latin-1")) for name, value in said.items()]
        return asyncio.run(ask_raw(self.app, target, given, method))

    def get(self, path: str, secret: str) -> Any:
        """Return what a link's page is given."""
        answer = self.ask(PORTAL + path, bearer(secret))
        assert answer.status == 200, (path, answer.body)
        return answer.json()

    def all_calls(self, secret: str, query: str) -> list[dict[str, Any]]:
        """Return every page of the calls."""
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = self.get(f"calls?{query}&limit=7{f'&cursor={cursor}' if cursor else ''}", secret)
            found += page["calls"]
            cursor = page["next_cursor"]
        return found

    def _call(self, month_ns: int, customer: str) -> Done:
        rng = self.random
        model = rng.choice(["gpt-4o", "gpt-4o", "gpt-4o-mini"])
        quantities: Any = {
            "input_uncached": rng.randrange(1, 9_000),
            "cache_read": rng.randrange(4_000),
            "output_text": rng.randrange(1, 900),
        }
        made = done(
            month_ns + rng.randrange(14 * DAY),
            model=model,
            key="k-canary",
            attribution={
                "customer": customer,
                "session": f"{customer}-session-{rng.randrange(3)}",
                "task": f"task-{rng.randrange(3)}",
                "agent": rng.choice(["planner", "reader"]),
                "app": "app-canary",
                "user": "user-canary",
                "tag.team": "tag-canary",
            },
        )
        part = Part(provider="openai", request_model=model, response_model=model, quantities=quantities)
        assert made.extraction is not None
        return replace(made, extraction=replace(made.extraction, parts=(part,)))


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}
