"""What programs do with LlamaIndex."""

from __future__ import annotations

import asyncio
from typing import Any

from direct import ask
from llama_index.core import Document, SummaryIndex
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.llms import MockLLM
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step
from llama_index.llms.openai import OpenAI
from llama_index_instrumentation.dispatcher import instrument_tags

import farebox

model = OpenAI(model="gpt-4o", max_retries=0)


def weather(city: str) -> str:
    """Look up the weather."""
    return ask()


def _engine(llm: Any = model, **more: Any) -> Any:
    return SummaryIndex.from_documents([Document(text="Rome: sunny.")]).as_query_engine(llm=llm, **more)


def bare() -> None:
    model.complete("hi")


def query() -> None:
    with instrument_tags({"user_id": "u-1", "feature": "search", "llamaindex.run_id": "none"}):
        _engine().query("What is the weather?")


def query_is_streamed() -> None:
    """The request is sent when the first piece is read, long after the query has returned."""
    for _ in _engine(streaming=True).query("What is the weather?").response_gen:
        with farebox.attribute(task="between"):
            ask()

    async def main() -> None:
        found = await _engine(streaming=True).aquery("What is the weather?")
        async for _ in found.async_response_gen():
            pass

    asyncio.run(main())


def chat() -> None:
    engine = SimpleChatEngine.from_defaults(llm=model)
    engine.chat("hi")
    list(engine.stream_chat("hi").response_gen)


def tool_asks_directly() -> None:
    async def main() -> None:
        await FunctionAgent(name="planner", tools=[weather], llm=model).run("What is the weather?")
        with farebox.attribute(task="after"):
            ask()

    asyncio.run(main())


def at_once() -> None:
    async def main() -> None:
        agents = [FunctionAgent(name=f"agent-{number}", tools=[weather], llm=model) for number in range(3)]
        await asyncio.gather(*(agent.run("What is the weather?") for agent in agents))

    asyncio.run(main())


def several_agents() -> None:
    async def main() -> None:
        first = FunctionAgent(name="first", description="first", tools=[weather], llm=model)
        second = FunctionAgent(name="second", description="second", llm=model)
        await AgentWorkflow(agents=[first, second], root_agent="first").run("What is the weather?")

    asyncio.run(main())


class Flow(Workflow):
    @step
    async def draft(self, ev: StartEvent) -> StopEvent:
        return StopEvent(result=await asyncio.to_thread(ask))


def workflow() -> None:
    async def main() -> None:
        await Flow().run()

    asyncio.run(main())


def unseen() -> None:
    """A model whose requests no transport carries, and which announces each call three times."""
    _engine(MockLLM(max_tokens=5)).query("What is the weather?")


def fails() -> None:
    from farebox.integrations import llama_index

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("broken on purpose")

    whole, llama_index.begin = llama_index.begin, broken  # type: ignore[assignment]
    try:
        assert str(_engine().query("What is the weather?"))
    finally:
        llama_index.begin = whole
