"""What programs do with LangChain and LangGraph."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

from direct import ask
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.language_models.fake_chat_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph

import farebox

model = ChatOpenAI(model="gpt-4o", max_retries=0)
prompt = ChatPromptTemplate.from_template("{city}")
QUESTION = {"messages": [("user", "What is the weather?")]}


@tool
def weather(city: str) -> str:
    """Look up the weather."""
    return ask()


def chain() -> None:
    """A chain by itself, as it comes and with a name."""
    (prompt | model | StrOutputParser()).invoke({"city": "Rome"})
    (prompt | model).with_config(run_name="summary").invoke({"city": "Rome"})


def bare() -> None:
    """A model that nothing is around."""
    model.invoke("hi")


def tool_asks_directly() -> None:
    create_agent(model, [weather], name="planner").invoke(QUESTION)


def stream_is_read_slowly() -> None:
    """Between the pieces of an agent's stream the program makes calls of its own."""
    for _ in create_agent(model, [], name="planner").stream(QUESTION, stream_mode="messages"):
        with farebox.attribute(task="between"):
            ask()


def stream_is_abandoned() -> None:
    for _ in (prompt | model).with_config(run_name="left").stream({"city": "Rome"}):
        break
    with farebox.attribute(task="after"):
        ask()


def at_once() -> None:
    """Agents in one event loop."""

    async def main() -> None:
        agents = [create_agent(model, [weather], name=f"agent-{number}") for number in range(3)]
        await asyncio.gather(*(agent.ainvoke(QUESTION) for agent in agents))

    asyncio.run(main())


def in_threads() -> None:
    chain = prompt | RunnableLambda(lambda _: ask())
    chain.with_config(run_name="batched").batch([{"city": "Rome"}, {"city": "Oslo"}])


def agent_in_a_tool() -> None:
    inner = create_agent(model, [], name="researcher")

    @tool
    def research(city: str) -> str:
        """Have another agent look it up."""
        with farebox.attribute(customer="acme"):
            return str(inner.invoke(QUESTION)["messages"][-1].content)

    create_agent(model, [research], name="planner").invoke(QUESTION)


class State(TypedDict):
    texts: Annotated[list[str], operator.add]


def graph() -> None:
    """A graph of one's own, whose nodes ask with the client itself."""

    def draft(state: State) -> dict[str, Any]:
        return {"texts": [ask()]}

    def check(state: State) -> dict[str, Any]:
        return {"texts": [str(model.invoke("check").content)]}

    made = StateGraph(State)
    made.add_node("draft", draft)
    made.add_node("check", check)
    made.add_edge(START, "draft")
    made.add_edge("draft", "check")
    made.add_edge("check", END)
    made.compile(name="writing").invoke(
        {"texts": []}, config={"metadata": {"session_id": "s-1", "user_id": "u-1"}}
    )


def said_inside() -> None:
    """What the program says inside a step is further in than the step."""

    def work(_: Any) -> str:
        with farebox.attribute(agent="own-name"):
            return ask()

    @farebox.meter
    def around() -> None:
        (prompt | RunnableLambda(work)).with_config(run_name="outer").invoke({"city": "Rome"})

    around()


def unseen() -> None:
    """A model whose requests no transport carries: with usage, and without."""
    usage: Any = {
        "input_tokens": 350,
        "output_tokens": 240,
        "total_tokens": 590,
        "input_token_details": {"cache_creation": 200, "cache_read": 100},
        "output_token_details": {"reasoning": 200},
    }
    said = [AIMessage("a", usage_metadata=usage, response_metadata={"model_name": "own-1"}), AIMessage("b")]
    fake = GenericFakeChatModel(messages=iter(said))
    (prompt | fake).invoke({"city": "Rome"})
    asyncio.run((prompt | fake).ainvoke({"city": "Rome"}))


def prompts_at_once() -> None:
    """One request for several prompts: LangChain announces all before it sends the first."""
    asked: Any = [[("user", "one")], [("user", "two")], [("user", "three")]]
    FakeListChatModel(responses=["a", "b", "c"]).generate_prompt(_prompts(asked))
    model.generate_prompt(_prompts(asked))


def _prompts(asked: Any) -> Any:
    return [ChatPromptTemplate.from_messages(messages).format_prompt() for messages in asked]


def cached() -> None:
    """The second time nothing is sent."""
    kept = ChatOpenAI(model="gpt-4o", cache=InMemoryCache())
    kept.invoke("the same")
    kept.invoke("the same")


def retried() -> None:
    busy = ChatOpenAI(model="busy", max_retries=2)
    (prompt | busy).with_config(run_name="patient").invoke({"city": "Rome"})


def fails() -> None:
    """Everything of ours goes wrong; the program does not."""
    from farebox.integrations import langchain

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("broken on purpose")

    whole, langchain.begin = langchain.begin, broken  # type: ignore[assignment]
    try:
        assert create_agent(model, [weather], name="planner").invoke(QUESTION)["messages"][-1].content
    finally:
        langchain.begin = whole
