"""One hard budget, held by four proxies and two programs together, while each of them is killed in turn.

Output costs $10 a million, and of 1,800 tokens that a call may make 5-30 % are made: a call costs about
$0.003 and may cost $0.019. What is spent is never more than $1.00, and nearly all of it is spent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from proxy_processes import ProxyProcess
from tools.upstream import (
    MockUpstream,
    Reply,
    Request,
    Wait,
    chat_answer,
    chat_events,
    json_reply,
    sse_reply,
)

from farebox.budgets.budget import Budget
from farebox.budgets.counters import Counters, Figures, account_of
from farebox.clock import now_ns
from farebox.config import load_config
from farebox.control.publish import publish
from farebox.home import Home
from farebox.ledger import catch_up
from farebox.ledger.calls import LedgerReader

DOLLAR = 10**12
ROUNDS = int(os.environ.get("FAREBOX_BUDGET_ROUNDS", "1"))
MAX_TOKENS = 1_800
ASK = {"model": "gpt-4o", "max_tokens": MAX_TOKENS, "messages": [{"role": "user", "content": "hi"}]}
PROGRAM = """
import sys, threading
import farebox, httpx
url, seed = sys.argv[1], int(sys.argv[2])
farebox.instrument(enforce=True)
ASK = {"model": "gpt-4o", "max_tokens": 1800, "messages": [{"role": "user", "content": "hi"}]}
def work():
    with httpx.Client(timeout=300, trust_env=False) as client:
        while True:
            try:
                client.post(url, json=ASK, headers={"authorization": "Bearer k"})
            except farebox.BudgetExceededError:
                return
threads = [threading.Thread(target=work) for _ in range(4)]
for each in threads: each.start()
for each in threads: each.join()
"""
pytestmark = pytest.mark.timeout(120 + 120 * ROUNDS)


class World:
    """A home with a budget, a ledger process, four proxies and two programs."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.upstream = MockUpstream(self._respond)
        self.upstream.__enter__()
        self.home = Home(folder / "home")
        self.config = (
            "listen: 127.0.0.1:0\n"
            f"providers:\n  openai: {{upstream: '{self.upstream.url}/v1'}}\n"
            "pricing:\n  gpt-4o: {input: 2.50, output: 10, per: 1M}\n"
        )
        budgets = "budgets:\n  - {name: all, limit: '1.00', period: ever, wait: 300s}\n"
        self.home.prepare()
        self.home.config.write_text(self.config + budgets, encoding="utf-8")
        publish(self.home)
        config = load_config(self.home)
        catch_up(self.home, config)
        self.budget: Budget = config.budgets[0]
        self.counters = Counters(self.home)
        self.most_seen = 0
        self.killed = 0
        self.refused = threading.Event()
        """The calls are over: nobody is killed any more."""
        self.done = threading.Event()
        self.ledger = self._ledger()
        self.proxies = [self._proxy() for _ in range(4)]
        self.programs = [self._program(number) for number in range(2)]

    def _respond(self, request: Request) -> Reply:
        made = int(MAX_TOKENS * self.random.uniform(0.05, 0.3))
        used = {"prompt_tokens": 20, "completion_tokens": made, "total_tokens": 20 + made}
        wait = self.random.uniform(0.1, 0.4)
        if b'"stream": true' in request.body or b'"stream":true' in request.body:
            return sse_reply(chat_events(3, usage=used), pace_s=wait)
        whole = json_reply(chat_answer("hello", usage=used))
        return Reply(whole.status, whole.headers, [Wait(wait), bytes(whole.body)], "chunked")

    def _ledger(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "farebox.ledger", "--home", str(self.home.path)]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def _proxy(self) -> ProxyProcess:
        return ProxyProcess(self.home, self.config).ready()

    def _program(self, seed: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", PROGRAM, f"{self.upstream.url}/v1/chat/completions", str(seed)]
        return subprocess.Popen(command, env={**os.environ, "FAREBOX_HOME": str(self.home.path)})

    def figures(self) -> Figures:
        return self.counters.figures(account_of(self.budget, None, now_ns()), DOLLAR)

    def watch(self) -> None:
        """Look at what is spent as long as calls are made."""
        while not self.done.wait(0.002):
            self.most_seen = max(self.most_seen, self.figures().spent)

    def kill_in_turn(self) -> None:
        """Kill everybody who takes part, one after the other, and start another one in its place."""
        for number in range(4):
            if self.refused.wait(0.1):
                return
            self.proxies[number].kill()
            self.killed += 1
            self.proxies[number] = self._proxy()
        for number in range(2):
            if self.refused.wait(0.1):
                return
            self.programs[number].kill()
            self.programs[number].wait()
            self.killed += 1
            self.programs[number] = self._program(number + 2)
        self.ledger.kill()
        self.ledger.wait()
        self.ledger = self._ledger()

    async def call_until_refused(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=300)) as session:
            await asyncio.gather(*[self._caller(session, number) for number in range(24)])

    async def _caller(self, session: aiohttp.ClientSession, number: int) -> None:
        body: dict[str, Any] = {**ASK, "stream": True} if number % 2 else ASK
        while True:
            url = f"http://127.0.0.1:{self.proxies[number % 4].port}/openai/chat/completions"
            try:
                async with session.post(url, json=body, headers={"authorization": "Bearer k"}) as response:
                    await response.read()
                    if response.status == 429:
                        return
            except (aiohttp.ClientError, ConnectionError):
                await asyncio.sleep(0.05)  # its proxy was killed

    def recorded(self) -> int:
        """Return what the record says is spent and known, in pico-dollars."""
        reader = LedgerReader(self.home)
        try:
            return sum(row.cost_pico or 0 for row in reader.export())
        finally:
            reader.close()

    def close(self) -> None:
        self.refused.set()
        self.done.set()
        for program in self.programs:
            program.kill()
            program.wait()
        for proxy in self.proxies:
            proxy.kill()
        self.ledger.kill()
        self.ledger.wait()
        self.counters.close()
        self.upstream.__exit__()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_limit_holds_for_all_who_share_it_whoever_is_killed(folder: Path, seed: int) -> None:
    with contextlib.closing(World(folder, seed)) as world:
        watching = threading.Thread(target=world.watch)
        killing = threading.Thread(target=lambda: (world.kill_in_turn(), world.kill_in_turn()))
        watching.start()
        killing.start()
        asyncio.run(world.call_until_refused())
        world.refused.set()
        killing.join()
        for program in world.programs:
            assert program.wait(60) == 0
        world.done.set()
        watching.join()
        assert world.killed >= 6, "it was over before everybody had been killed once"
        assert world.most_seen <= DOLLAR, "what is spent was more than the limit"
        _until(lambda: world.figures()[2:4] == (0, 0), world)
        figures = world.figures()
        assert figures.recorded <= DOLLAR
        assert figures.recorded >= 0.9 * DOLLAR, figures
        assert world.recorded() <= figures.recorded


def _until(holds: Any, world: World) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, f"still settled or reserved: {world.figures()}"
        time.sleep(0.02)
