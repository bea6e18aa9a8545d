"""What programs do with CrewAI."""

from __future__ import annotations

import asyncio
from typing import Any

from crewai import LLM, Agent, Crew, Task
from crewai.flow.flow import Flow, start
from crewai.tools import tool
from direct import ask

import farebox


@tool("weather")
def weather(city: str) -> str:
    """Look up the weather of a city."""
    return ask()


def _crew(name: str = "newsroom") -> Any:
    agent = Agent(role="Forecaster", goal="g", backstory="b", tools=[weather], llm=LLM(model="gpt-4o"))
    task = Task(name="forecast", description="a secret prompt", expected_output="x", agent=agent)
    return Crew(name=name, agents=[agent], tasks=[task])


def crew() -> None:
    _crew().kickoff()
    with farebox.attribute(task="after"):
        ask()


def at_once() -> None:
    async def main() -> None:
        await asyncio.gather(*(_crew(f"crew-{number}").kickoff_async() for number in range(2)))

    asyncio.run(main())


class Briefing(Flow[Any]):
    @start()
    def collect(self) -> str:
        return ask()


def flow() -> None:
    Briefing().kickoff()


def model_alone() -> None:
    LLM(model="gpt-4o").call("hi")
