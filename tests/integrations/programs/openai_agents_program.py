"""What programs do with the OpenAI Agents SDK."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
from agents import (
    Agent,
    Model,
    ModelResponse,
    OpenAIChatCompletionsModel,
    RunConfig,
    Runner,
    Usage,
    function_tool,
)
from agents.items import ResponseOutputMessage
from agents.tracing import set_trace_processors
from direct import ask
from openai.types.responses import ResponseOutputText

import farebox


def _without_its_exporter() -> None:
    """Keep the SDK from sending traces to its maker; what Farebox has added stays."""
    from agents.tracing import get_trace_provider

    provider: Any = get_trace_provider()
    kept = [each for each in provider._multi_processor._processors if "Farebox" in type(each).__name__]
    set_trace_processors(kept)


def _model() -> Any:
    return OpenAIChatCompletionsModel("gpt-4o", openai.AsyncOpenAI(max_retries=0))


@function_tool
def weather(city: str) -> str:
    """Look up the weather."""
    return ask()


class Own(Model):
    """A model whose requests no transport carries."""

    async def get_response(self, *_: Any, **__: Any) -> ModelResponse:
        text = ResponseOutputText(text="hello", type="output_text", annotations=[])
        said = ResponseOutputMessage(
            id="m", role="assistant", status="completed", type="message", content=[text]
        )
        usage = Usage(requests=1, input_tokens=7, output_tokens=3, total_tokens=10)
        return ModelResponse(output=[said], usage=usage, response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


def tools() -> None:
    _without_its_exporter()

    async def main() -> None:
        agent = Agent(name="planner", tools=[weather], model=_model())
        await Runner.run(agent, "hi", run_config=RunConfig(workflow_name="trips", group_id="s-1"))
        with farebox.attribute(task="after"):
            ask()

    asyncio.run(main())


def streamed() -> None:
    _without_its_exporter()

    async def main() -> None:
        run = Runner.run_streamed(Agent(name="planner", tools=[weather], model=_model()), "hi")
        async for _ in run.stream_events():
            pass
        with farebox.attribute(task="after"):
            ask()

    asyncio.run(main())


def agent_as_a_tool() -> None:
    _without_its_exporter()
    inner = Agent(name="researcher", model=_model())
    tool = inner.as_tool(tool_name="research", tool_description="Research.")
    asyncio.run(Runner.run(Agent(name="planner", tools=[tool], model=_model()), "hi"))


def at_once() -> None:
    _without_its_exporter()

    async def main() -> None:
        agents = [Agent(name=f"agent-{number}", tools=[weather], model=_model()) for number in range(3)]
        await asyncio.gather(*(Runner.run(agent, "hi") for agent in agents))

    asyncio.run(main())


def unseen() -> None:
    _without_its_exporter()
    asyncio.run(Runner.run(Agent(name="own", model=Own()), "hi"))
