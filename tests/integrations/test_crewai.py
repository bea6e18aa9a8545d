"""CrewAI: crews, tasks, agents and tools on the calls that transports meter."""

from __future__ import annotations

from pathlib import Path

import pytest
from frameworks import Programs, named, of_scenario, tree

from farebox.ledger.call_row import CallRow

PROGRAM = "crewai_program"


@pytest.fixture(scope="module")
def rows(whole: None, openai_2: Path, module_programs: Programs) -> list[CallRow]:
    return module_programs.scenarios(openai_2, PROGRAM, "crew", "at_once", "flow", "model_alone")


def test_crew_task_agent_and_tool_are_steps_and_no_prompt_is_a_name(rows: list[CallRow]) -> None:
    *found, after = of_scenario(rows, "crew")
    assert tree(found) == {
        "": {"newsroom"}, "newsroom": {"forecast"}, "forecast": {"Forecaster"}, "Forecaster": {"weather"},
    }  # fmt: skip
    assert named(found[1]) == {
        "agent": "Forecaster", "tag.chain": "newsroom", "tag.tool": "weather", "task": "forecast",
        "step": "weather", "parent_step": "Forecaster",
    }  # fmt: skip
    assert named(after) == {"task": "after"}
    assert not [row for row in rows if "secret" in str(row.attribution)]


def test_crews_in_one_event_loop_are_told_apart(rows: list[CallRow]) -> None:
    found = of_scenario(rows, "at_once")
    crews = [row.attribution["tag.chain"] for row in found]
    assert sorted(crews) == ["crew-0"] * 3 + ["crew-1"] * 3
    for row in found:
        assert row.attribution["step_path"].startswith(f"{row.attribution['tag.chain']}:")


def test_methods_of_a_flow_are_steps(rows: list[CallRow]) -> None:
    assert tree(of_scenario(rows, "flow")) == {"": {"Briefing"}, "Briefing": {"collect"}}


def test_a_model_alone_has_no_name(rows: list[CallRow]) -> None:
    (row,) = of_scenario(rows, "model_alone")
    assert named(row) == {} and row.status == 200
