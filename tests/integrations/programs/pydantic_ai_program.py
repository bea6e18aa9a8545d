"""What programs do with Pydantic AI."""

from __future__ import annotations

import asyncio

from direct import ask
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.test import TestModel

import farebox

agent = Agent(OpenAIChatModel("gpt-4o"), name="planner")
inner = Agent(TestModel(), name="researcher")


@agent.tool_plain
def weather(city: str) -> str:
    """Look up the weather."""
    return ask()


def _run(work: object) -> None:
    async def main() -> None:
        await work()  # type: ignore[operator]
        with farebox.attribute(task="after"):
            ask()

    asyncio.run(main())


def whole() -> None:
    with farebox.attribute(session="s-1"):
        agent.run_sync("hi")
    with farebox.attribute(task="after"):
        ask()


def streamed() -> None:
    async def work() -> None:
        async with agent.run_stream("hi") as found:
            async for _ in found.stream_text():
                pass

    _run(work)


def iterated() -> None:
    async def work() -> None:
        async with agent.iter("hi") as run:
            async for _ in run:
                pass

    _run(work)


def at_once() -> None:
    async def main() -> None:
        await asyncio.gather(*(agent.run("hi") for _ in range(3)))

    asyncio.run(main())


def unseen_in_a_tool() -> None:
    """Another agent, whose model no transport carries, does a tool's work."""
    outer = Agent(OpenAIChatModel("gpt-4o"), name="outer")

    @outer.tool_plain
    async def research(city: str) -> str:
        return (await inner.run("x")).output

    outer.run_sync("hi")
