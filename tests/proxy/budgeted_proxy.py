"""A proxy under budgets: a home whose ledger has opened them, an upstream whose calls have known costs."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy_harness import ProxyThread, Reply, Request, mock

from farebox import catalog
from farebox.budgets.budget import Budget, Period, Stop
from farebox.budgets.counters import (
    Counters,
    Figures,
    LedgerCounters,
    account_of,
    definition_key,
)
from farebox.budgets.limits_in_force import LimitsInForce
from farebox.clock import now_ns
from farebox.config import ProviderConfig
from farebox.home import Home
from farebox.proxy.admission.client_tokens import ClientTokens
from farebox.snapshot import Snapshot, SnapshotReader

DOLLAR = 10**12
CHAT = "/openai/v1/chat/completions"
JSON = "Content-Type: application/json"
MODEL = "gpt-4o"


def budget(name: str = "all", limit: str | int = DOLLAR, **more: Any) -> Budget:
    more.setdefault("period", Period("ever"))
    return Budget(name=name, limit_pico=int(limit), **more)


def chat(max_tokens: int | None = 100, text: str = "hi", **more: Any) -> bytes:
    body: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": text}], **more}
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    return json.dumps(body).encode()


def usage(input_tokens: int, output_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
    }


def answering(output_tokens: int = 10, input_tokens: int = 10) -> Callable[[Request], Reply]:
    """Return an upstream whose calls use so many tokens, streamed where that is asked for."""

    def respond(request: Request) -> Reply:
        used = usage(input_tokens, output_tokens)
        if b'"stream": true' in request.body or b'"stream":true' in request.body:
            return mock.sse_reply(mock.chat_events(3, usage=used))
        return mock.json_reply(mock.chat_answer("hello", usage=used))

    return respond


class Published:
    """A snapshot that the test changes."""

    def __init__(self, budgets: tuple[Budget, ...], stops: tuple[Stop, ...] = ()) -> None:
        self.reader = SnapshotReader(None)
        self.reader.current = Snapshot(budgets=budgets, stops=stops)

    def publish(self, *budgets: Budget, stops: tuple[Stop, ...] = ()) -> None:
        self.reader.current = Snapshot(budgets=budgets, stops=stops)


@dataclass
class Budgeted:
    upstream: Any
    proxy: ProxyThread
    home: Home
    published: Published
    counters: Counters

    def figures(self, of: Budget, value: str | None = None) -> Figures:
        return self.counters.figures(account_of(of, value, now_ns()), of.limit_pico)

    @property
    def waiting(self) -> int:
        gate = self.proxy.proxy.state.gate
        return 0 if gate is None else gate.waiting


def opened(home: Home, *budgets: Budget) -> None:
    """Say that nothing was spent, as the ledger does."""
    ledger = LedgerCounters(home)
    ledger.recover(0)
    ledger.define([definition_key(each) for each in budgets])
    for each in ledger.opening():
        assert ledger.open_budget(each, [], 0)
    ledger.close()


@contextmanager
def budgeted(
    path: Path,
    *budgets: Budget,
    respond: Callable[[Request], Reply] | None = None,
    stops: tuple[Stop, ...] = (),
    provider: str = "openai",
    trusts_stated: bool = True,
    upstream: dict[str, Any] | None = None,
    **proxy: Any,
) -> Iterator[Budgeted]:
    """Run a proxy under budgets in front of a mock upstream."""
    home = Home(path / "home")
    home.prepare()
    opened(home, *budgets)
    published = Published(budgets, stops)
    with mock.MockUpstream(respond or answering(), **(upstream or {})) as server:
        providers = {provider: ProviderConfig(upstream=server.url)}
        limits = LimitsInForce(
            home,
            published.reader,
            catalog.load(providers),
            writer_id="proxy-test",
            trusts_stated=trusts_stated,
        )
        counters = Counters(home)
        try:
            with ProxyThread(
                providers, budgets=limits, clients=ClientTokens(published.reader), **proxy
            ) as running:
                yield Budgeted(server, running, home, published, counters)
        finally:
            limits.close()
            counters.close()


def rng(seed: int) -> random.Random:
    return random.Random(seed)
