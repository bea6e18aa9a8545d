"""A little of every framework, for `make test`. The examples are that of LangChain and LlamaIndex."""

from __future__ import annotations

from pathlib import Path

import pytest
from frameworks import PROGRAMS, ROOT, Programs, named, of_scenario, tree

EXAMPLES = ROOT / "examples"
AGENT = {"agent": "travel-agent", "step": "travel-agent"}


def test_litellm_openai_agents_pydantic_ai_and_anthropic_live_together_in_one_program(
    newest: Path, programs: Programs
) -> None:
    scenarios = (
        "litellm_program:whole", "openai_agents_program:tools", "pydantic_ai_program:iterated",
        "anthropic_program:named",
    )  # fmt: skip
    programs.run(newest, PROGRAMS / "runner.py", *scenarios)
    rows = programs.metered.rows()
    assert named(of_scenario(rows, "whole")[0], "session")["session"] == "s-1"
    assert tree(of_scenario(rows, "tools")[:3]) == {
        "": {"trips"}, "trips": {"planner"}, "planner": {"weather"},
    }  # fmt: skip
    assert tree(of_scenario(rows, "iterated")) == {"": {"planner"}, "planner": {"weather"}}
    assert {row.attribution["agent"] for row in of_scenario(rows, "named")} == {"support"}
    assert len(rows) == 1 + 4 + 4 + 2


def test_crewai_names_task_agent_and_tool(openai_2: Path, programs: Programs) -> None:
    *rows, _ = programs.scenarios(openai_2, "crewai_program", "crew")
    assert tree(rows) == {
        "": {"newsroom"}, "newsroom": {"forecast"}, "forecast": {"Forecaster"}, "Forecaster": {"weather"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("example", "environment", "chain"),
    [("langchain", "newest", "summary"), ("llama_index", "openai_2", "RetrieverQueryEngine")],
)
def test_an_example_runs_as_it_stands_and_shows_chain_agent_tool_and_their_tree(
    example: str, environment: str, chain: str, programs: Programs, request: pytest.FixtureRequest
) -> None:
    said = programs.run(request.getfixturevalue(environment), EXAMPLES / example / "weather_agent.py")
    assert said == "It is sunny.\n"
    asked, inside, responded = rows = programs.metered.rows()
    assert named(asked) == named(responded) == AGENT
    assert named(inside) == {
        "agent": "travel-agent", "tag.chain": chain, "tag.tool": "weather", "step": chain,
        "parent_step": "weather",
    }  # fmt: skip
    assert tree(rows) == {"": {"travel-agent"}, "travel-agent": {"weather"}, "weather": {chain}}
    assert {(row.attribution["customer"], row.attribution["session"]) for row in rows} == {("acme", "trip-1")}
    assert {(row.input_tokens, row.output_tokens, row.cost_state) for row in rows} == {(1203, 187, "priced")}


GUIDES = ROOT / "docs" / "guides" / "integrations"


@pytest.mark.parametrize(("guide", "example"), [("langchain", "langchain"), ("llama-index", "llama_index")])
def test_the_guide_has_the_examples_own_code(guide: str, example: str) -> None:
    code = (EXAMPLES / example / "weather_agent.py").read_text(encoding="utf-8").partition('"""\n')[2]
    assert f"```python\n{code.strip()}\n```" in (GUIDES / f"{guide}.md").read_text(encoding="utf-8")
