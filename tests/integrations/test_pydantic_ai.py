"""Pydantic AI: agents and tools on the calls that transports meter."""

from __future__ import annotations

from pathlib import Path

import pytest
from frameworks import Programs, named, of_scenario, tree

from farebox.ledger.call_row import CallRow

PROGRAM = "pydantic_ai_program"
TREE = {"": {"planner"}, "planner": {"weather"}}


@pytest.fixture(scope="module")
def rows(whole: None, newest: Path, module_programs: Programs) -> list[CallRow]:
    return module_programs.scenarios(
        newest, PROGRAM, "whole", "streamed", "iterated", "at_once", "unseen_in_a_tool"
    )


@pytest.mark.parametrize("name", ["whole", "streamed", "iterated"])
def test_agents_and_tools_are_steps_however_a_run_is_driven(rows: list[CallRow], name: str) -> None:
    *found, after = of_scenario(rows, name)
    assert len(found) == 3 and tree(found) == TREE
    assert named(after) == {"task": "after"}


def test_a_conversation_is_a_session_unless_the_program_has_named_one(rows: list[CallRow]) -> None:
    assert {row.attribution.get("session") for row in of_scenario(rows, "whole")[:3]} == {"s-1"}
    assert len({row.attribution["session"] for row in of_scenario(rows, "at_once")}) == 3


def test_runs_in_one_event_loop_are_told_apart(rows: list[CallRow]) -> None:
    found = of_scenario(rows, "at_once")
    assert len(found) == 9 and tree(found) == TREE
    assert len({row.attribution["step"] for row in found if "parent_step" not in row.attribution}) == 3


def test_a_model_that_no_transport_carries_is_recorded_once_and_inside_its_tool(rows: list[CallRow]) -> None:
    found = of_scenario(rows, "unseen_in_a_tool")
    assert tree(found) == {"": {"outer"}, "outer": {"research"}, "research": {"researcher"}}
    assert [(row.provider, row.status) for row in found] == [("openai", 200), ("test", 0), ("openai", 200)]
    assert found[1].input_tokens > 0 and found[1].attribution["parent_agent"] == "outer"
