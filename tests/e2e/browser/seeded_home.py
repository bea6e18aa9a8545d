"""A home that looks like six weeks of a small company's calls, up to now: the same ones every time.

Written as journals and appended by the ledger itself, so that receipts, corrections and prices are real.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from tools.bench.ledger import Traffic, fill

from farebox.home import Home
from farebox.journal import records
from farebox.journal.records import Done, Intent
from farebox.wire.facts import Extraction, Part

DAYS = 45
HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS
CUSTOMERS = (
    "acme",
    "globex",
    "initech",
    "umbrella",
    "hooli",
    "stark",
    "wayne",
    "wonka",
    "tyrell",
    "cyberdyne",
)
UNPRICED = "acme-finetune-7b"
BACKEND, SUPPORT, UNNAMED = "a1b2c3d4e5f60718", "0d93b2aa71c5e0f4", "77aa10c2e4b39f51"


class App(NamedTuple):
    """A program of the company, and how it calls."""

    name: str
    model: tuple[str, str, str]
    key: str
    weight: float
    input_tokens: int
    cached: float
    output_tokens: int
    feature: str
    is_of_customers: bool = False
    night: bool = False
    since_days: float = DAYS
    """How long ago it began: a new one is among the biggest movers."""


OPENAI, ANTHROPIC = ("openai", "openai.chat"), ("anthropic", "anthropic.messages")
APPS = (
    App("checkout", (*OPENAI, "gpt-4o"), BACKEND, 3, 1_800, 0.55, 320, "summary", True),
    App("support-bot", (*ANTHROPIC, "claude-sonnet-4-5"), SUPPORT, 3, 6_000, 0.7, 600, "chat", True),
    App("ingest", (*OPENAI, "gpt-4o-mini"), BACKEND, 4, 2_500, 0.1, 400, "extract", night=True),
    App("research", (*ANTHROPIC, "claude-opus-4-1"), UNNAMED, 0.5, 9_000, 0.8, 999, "report", since_days=5),
    App("docs-search", (*OPENAI, "gpt-4.1-nano"), UNNAMED, 2, 900, 0, 60, "search"),
    App("labels", ("my-llm", OPENAI[1], UNPRICED), UNNAMED, 0.15, 700, 0, 40, "label", since_days=9),
)  # fmt: skip


class Company(Traffic):
    """Its calls: fewer at night and at weekends, with retries, errors, agents and sessions."""

    def __init__(self, rows: int, now_ns: int) -> None:
        super().__init__(rows)
        self._moments = sorted(self._moment(now_ns) for _ in range(rows))
        self._now_ns = now_ns

    def _moment(self, now_ns: int) -> int:
        while True:
            at = now_ns - int(self._rng.random() * DAYS * DAY_NS)
            hour, weekday = at // HOUR_NS % 24, (at // DAY_NS + 3) % 7
            busy = (1.0 if 8 <= hour < 19 else 0.25) * (0.3 if weekday >= 5 else 1.0)
            if self._rng.random() < busy:
                return at

    def _app(self, at: int) -> App:
        hour = at // HOUR_NS % 24
        age = (self._now_ns - at) / DAY_NS
        weights = [
            app.weight * (3 if app.night and not 6 <= hour < 20 else 1) * (age <= app.since_days)
            for app in APPS
        ]
        return self._rng.choices(APPS, weights)[0]

    def exchange(self, source: str) -> tuple[bytes, bytes]:
        rng = self._rng
        at = self._moments[self._number]
        self._number += 1
        app = self._app(at)
        provider, surface, model = app.model
        attribution = self._attribution(app, at)
        tokens = max(int(app.input_tokens * rng.lognormvariate(0, 0.6)), 20)
        cached = int(tokens * app.cached) if rng.random() < 0.8 else 0
        answer = max(int(app.output_tokens * rng.lognormvariate(0, 0.7)), 1)
        attempt = 1 if rng.random() < 0.03 else 0
        failed = rng.random() < 0.03
        origin = {
            "event_id": (at // 10**6).to_bytes(6, "big") + b"\x70" + rng.randbytes(9),
            "source": source,
            "occurred_at_ns": at,
            "provider": provider,
            "surface": surface,
            "path": "/v1/messages" if provider == "anthropic" else "/v1/chat/completions",
            "host": f"api.{provider}.com",
            "key_fingerprint": app.key,
            "attribution": attribution,
            "attribution_from": {name: f"header:x-farebox-{name}" for name in attribution},
            "attempt": attempt,
        }
        quantities = {"input_uncached": tokens - cached, "cache_read": cached, "output_text": answer}
        part = Part(provider=provider, request_model=model, response_model=model, quantities=quantities)
        total_us = int((250 + answer * 14) * 1_000 * rng.lognormvariate(0, 0.3))
        extraction = Extraction(
            parts=() if failed else (part,),
            completeness="none" if failed else "final",
            billable=not failed,
            not_billable_because="error_response" if failed else None,
            response_id=None if failed else f"resp-{self._number}",
            request_model=model,
            response_model=None if failed else model,
            streamed=app.is_of_customers,
            raw_usage=None if failed else f'{{"input_tokens": {tokens}, "output_tokens": {answer}}}',
        )
        status = rng.choice((429, 429, 500, 529)) if failed else 200
        done = Done(
            **origin,
            ended_at_ns=at + total_us * 1_000,
            outcome="completed",
            status=status,
            error_class=None if not failed else "rate_limited" if status == 429 else "upstream_5xx",
            request_bytes=4 * tokens,
            response_bytes=5 * answer,
            first_byte_us=min(int(180_000 * rng.lognormvariate(0, 0.4)), total_us),
            total_us=total_us,
            added_us=60,
            extraction=extraction,
        )
        return records.encode(Intent(**origin)), records.encode(done)

    def _attribution(self, app: App, at: int) -> dict[str, str]:
        rng = self._rng
        found = {
            "app": app.name,
            "tag.feature": app.feature,
            "branch": "main" if rng.random() < 0.8 else "new-prompt",
        }
        if app.is_of_customers:
            weights = [1 / rank for rank in range(1, len(CUSTOMERS) + 1)]
            customer = rng.choices(CUSTOMERS, weights)[0]
            found |= {"customer": customer, "user": f"{customer}-user-{rng.randrange(1, 6)}"}
        if app.name in ("support-bot", "research"):
            found["session"] = f"{app.name}-{at // HOUR_NS}"
        if app.name == "research":
            role = rng.choice(("planner", "reader", "writer"))
            found |= {"agent": role} | ({} if role == "planner" else {"parent_agent": "planner"})
        return found


def seed(home: Home, calls: int) -> None:
    """Append so many calls to a home's ledger."""
    fill(home, calls, traffic=Company(calls, time.time_ns() - 10**9))
