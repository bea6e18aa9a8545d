"""The OpenAI Agents SDK: agents and tools on the calls that transports meter."""

from __future__ import annotations

from pathlib import Path

import pytest
from frameworks import Programs, named, of_scenario, tree

from farebox.ledger.call_row import CallRow

PROGRAM = "openai_agents_program"


@pytest.fixture(scope="module")
def rows(whole: None, newest: Path, module_programs: Programs) -> list[CallRow]:
    return module_programs.scenarios(
        newest, PROGRAM, "tools", "streamed", "agent_as_a_tool", "at_once", "unseen"
    )


def test_agents_and_tools_are_steps_inside_a_named_trace(rows: list[CallRow]) -> None:
    found = of_scenario(rows, "tools")
    assert tree(found[:3]) == {"": {"trips"}, "trips": {"planner"}, "planner": {"weather"}}
    assert {row.attribution["session"] for row in found[:3]} == {"s-1"}
    assert named(found[1]) == {
        "agent": "planner", "tag.chain": "trips", "tag.tool": "weather", "step": "weather",
        "parent_step": "planner",
    }  # fmt: skip
    assert named(found[3]) == {"task": "after"}


def test_a_streamed_run_is_named_and_what_comes_after_is_not(rows: list[CallRow]) -> None:
    *found, after = of_scenario(rows, "streamed")
    assert len(found) == 3 and tree(found) == {"": {"planner"}, "planner": {"weather"}}
    assert named(after) == {"task": "after"}


def test_an_agent_as_a_tool_is_below_it(rows: list[CallRow]) -> None:
    found = of_scenario(rows, "agent_as_a_tool")
    assert tree(found) == {"": {"planner"}, "planner": {"research"}, "research": {"researcher"}}
    assert found[1].attribution["parent_agent"] == "planner"


def test_agents_in_one_event_loop_are_told_apart(rows: list[CallRow]) -> None:
    agents = {f"agent-{number}" for number in range(3)}
    assert tree(of_scenario(rows, "at_once")) == {"": agents, **{agent: {"weather"} for agent in agents}}


def test_a_model_that_no_transport_carries_is_recorded_from_its_turn(rows: list[CallRow]) -> None:
    (row,) = of_scenario(rows, "unseen")
    assert (row.provider, row.input_tokens, row.output_tokens) == ("unknown", 7, 3)
    assert named(row) == {"agent": "own", "step": "own"}
