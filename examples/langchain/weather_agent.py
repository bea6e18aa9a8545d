"""An agent with one tool, which asks a model itself: every call is metered and named.

pip install 'farebox[standard,langchain]' langchain langchain-openai
python weather_agent.py && farebox by step
"""

from langchain.agents import create_agent
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

import farebox

farebox.instrument()

model = ChatOpenAI(model="gpt-4o")
summary = (
    ChatPromptTemplate.from_template("The weather in {city} in one sentence.") | model | StrOutputParser()
).with_config(run_name="summary")


@tool
def weather(city: str) -> str:
    """Look up the weather of a city."""
    return summary.invoke({"city": city})


agent = create_agent(model, [weather], name="travel-agent")

with farebox.attribute(customer="acme"):
    question = {"messages": [("user", "What is the weather in Rome?")]}
    result = agent.invoke(question, config={"configurable": {"thread_id": "trip-1"}})
print(result["messages"][-1].content)
