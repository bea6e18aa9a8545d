"""A program on trio: whole, streamed, left, and cancelled by its own deadline."""

from __future__ import annotations

import json
import sys
from typing import Any

import httpx
import trio

import farebox

ASK: dict[str, Any] = {"model": "gpt-4o", "messages": []}
STREAM: dict[str, Any] = {**ASK, "stream": True, "stream_options": {"include_usage": True}}


async def main(url: str) -> None:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        with farebox.attribute(task="whole"):
            print(json.dumps((await client.post(url, json=ASK)).json()))

        async def in_a_task() -> None:
            """A task of a nursery has the attribution of the one that started it."""
            async with client.stream("POST", url, json=STREAM) as response:
                print(len([piece async for piece in response.aiter_raw()]) > 0)

        with farebox.attribute(task="streamed"):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(in_a_task)
        with farebox.attribute(task="left"):
            async with client.stream("POST", url, json={**STREAM, "model": "hangs"}) as response:
                async for _ in response.aiter_raw():
                    break
        with farebox.attribute(task="cancelled"), trio.move_on_after(0.3) as scope:
            await client.post(url, json={**ASK, "model": "silent"})
        print(scope.cancelled_caught)


farebox.instrument()
trio.run(main, sys.argv[1])
