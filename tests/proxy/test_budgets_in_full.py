"""Budgets used up to the last of it and never passed: many parallel calls, and the pattern of coding agents.

`FAREBOX_LONG=1` runs 50 and 20 seeds.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from budgeted_proxy import CHAT, DOLLAR, Budgeted, budget, budgeted, chat, usage
from proxy_harness import Reply, Request, mock

from farebox.budgets.budget import Budget

LONG = bool(os.environ.get("FAREBOX_LONG"))
SEEDS = range(50) if LONG else range(2)
AGENT_SEEDS = range(20) if LONG else range(1)
CALLS = 500
OUTPUT_MAX = 1800
"""At $10 a million, with the rest of the worst case, just under two cents."""
SCALE = 40
"""A second of the agents' takes this part of one here."""


async def post(port: int, path: str, body: bytes, *headers: str) -> tuple[int, bytes]:
    """Send one request on a connection of its own; return status and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: application/json",
                 f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]  # fmt: skip
        writer.write("\r\n".join(lines).encode() + body)
        data = await reader.read()
    finally:
        writer.close()
    head, _, rest = data.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), rest


def watched(run: Budgeted, of: Budget, done: Callable[[], bool]) -> list[int]:
    """Return what was taken of a budget, again and again until `done`."""
    seen: list[int] = []
    while not done():
        figures = run.figures(of)
        seen.append(figures.spent + figures.reserved)
        time.sleep(0.005)
    return seen


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streaming"])
@pytest.mark.parametrize("seed", SEEDS)
def test_at_g1_500_parallel_calls_spend_a_dollar_and_never_more(
    tmp_path: Path, seed: int, stream: bool
) -> None:
    rng = random.Random(f"{seed} {stream}")
    demand: list[int] = []

    def respond(_: Request) -> Reply:
        tokens = rng.randint(OUTPUT_MAX * 5 // 100, OUTPUT_MAX * 30 // 100)
        demand.append(tokens)
        used = usage(10, tokens)
        wait = mock.Wait(rng.uniform(0.002, 0.03))
        if stream:
            events = b"".join(mock.chunk(event) for event in mock.chat_events(3, usage=used))
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            return mock.raw_reply(wait, head, events, b"0\r\n\r\n")
        body = json.dumps(mock.chat_answer("hello", usage=used)).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        return mock.raw_reply(wait, head % len(body) + body)

    cap = budget("cap", limit=DOLLAR, wait_s=600)
    more: dict[str, Any] = {"service_tier": "default"}  # else it may be served at the priority tier's rates
    body = chat(max_tokens=OUTPUT_MAX, **more, **({"stream": True} if stream else {}))
    with budgeted(tmp_path, cap, respond=respond) as run:

        async def everything() -> list[tuple[int, bytes]]:
            return list(await asyncio.gather(*(post(run.proxy.port, CHAT, body) for _ in range(CALLS))))

        finished: list[Any] = []
        with asyncio.Runner() as runner:
            import threading

            thread = threading.Thread(target=lambda: finished.append(runner.run(everything())))
            thread.start()
            taken = watched(run, cap, lambda: not thread.is_alive())
            thread.join()
        (answers,) = finished
        dones = run.proxy.settled(CALLS)
        figures = run.figures(cap)
    passed = [status for status, _ in answers if status == 200]
    refused = [body for status, body in answers if status == 429]
    worst = max(record.held.cost_pico for record in run.proxy.journal.intents)
    assert worst <= DOLLAR * 2 // 100
    assert len(passed) + len(refused) == CALLS and refused
    assert max(taken) <= DOLLAR, "more was taken than there is"
    spent = sum(record.held.cost_pico for record in dones if record.held is not None)
    assert (figures.spent, figures.reserved) == (spent, 0), "what is shown is what counts"
    assert DOLLAR * 90 // 100 <= spent <= DOLLAR
    assert len(passed) == len(demand) == run.upstream.count
    longest = max(record.total_us for record in dones) / 1e6
    print(
        f"spent {spent / DOLLAR:.4f} in {len(passed)} calls, {len(refused)} refused; longest {longest:.2f} s"
    )


@pytest.mark.parametrize(
    ("model", "limit", "least"), [("claude-sonnet-4-5", 25, 22), ("claude-opus-4-1", 125, 110)]
)
@pytest.mark.parametrize("seed", AGENT_SEEDS)
def test_coding_agents_with_large_max_tokens_use_a_budget_up_before_the_first_refusal(
    tmp_path: Path, seed: int, model: str, limit: int, least: int, record_property: Any
) -> None:
    rng = random.Random(f"{seed} {model}")

    def respond(_: Request) -> Reply:
        output = min(32_000, max(1, int(rng.lognormvariate(6.2, 0.9))))  # a mean of about 800 tokens
        used = {
            "input_tokens": 7_500,
            "cache_read_input_tokens": 142_500,
            "cache_creation_input_tokens": 0,
            "output_tokens": output,
        }
        answer = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [],
                  "stop_reason": "end_turn", "usage": used}  # fmt: skip
        body = json.dumps(answer).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        return mock.raw_reply(mock.Wait(rng.uniform(2, 8) / SCALE), head % len(body) + body)

    cap = budget("cap", limit=limit * DOLLAR, wait_s=120 // SCALE)
    text = "x" * 210_000  # more bytes than the context window has tokens
    body = json.dumps({
        "model": model, "max_tokens": 32_000,
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]}],
    }).encode()  # fmt: skip
    at_first_refusal: list[int] = []
    waits: list[float] = []

    async def session(run: Budgeted) -> None:
        while not at_first_refusal:
            started = time.monotonic()
            status, _ = await post(run.proxy.port, "/anthropic/v1/messages", body)
            waits.append(time.monotonic() - started)
            if status != 200:
                assert status == 429
                at_first_refusal.append(run.figures(cap).spent)

    with budgeted(tmp_path, cap, respond=respond, provider="anthropic") as run:

        async def everything() -> None:
            await asyncio.gather(*(session(run) for _ in range(12)))

        asyncio.run(everything())
        figures = run.figures(cap)
    assert at_first_refusal[0] >= least * DOLLAR
    assert figures.spent <= limit * DOLLAR and figures.reserved == 0
    longest = max(waits) * SCALE
    record_property("longest_wait_s", round(longest, 1))
    print(f"{model}: spent {figures.spent / DOLLAR:.2f}, longest call {longest:.0f} s of the agents' time")
