"""An agent with one tool, which asks a query engine: every call is metered and named.

pip install 'farebox[standard,llama-index]' llama-index-core llama-index-llms-openai
python weather_agent.py && farebox by step
"""

import asyncio

from llama_index.core import Document, SummaryIndex
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.llms.openai import OpenAI

import farebox

farebox.instrument()

model = OpenAI(model="gpt-4o")
reports = SummaryIndex.from_documents([Document(text="Rome: sunny, 24 degrees.")])
engine = reports.as_query_engine(llm=model)


def weather(city: str) -> str:
    """Look up the weather of a city."""
    return str(engine.query(f"What is the weather in {city}?"))


agent = FunctionAgent(name="travel-agent", tools=[weather], llm=model)


async def main() -> None:
    with farebox.attribute(customer="acme", session="trip-1"):
        print(await agent.run("What is the weather in Rome?"))


asyncio.run(main())
