"""LlamaIndex: agents, engines, workflows and tools on the calls that transports meter."""

from __future__ import annotations

from pathlib import Path

import pytest
from frameworks import Programs, named, of_scenario, tree

from farebox.ledger.call_row import CallRow

PROGRAM = "llama_index_program"
ENGINE = {"tag.chain": "RetrieverQueryEngine", "step": "RetrieverQueryEngine"}


@pytest.fixture(scope="module")
def rows(whole: None, openai_2: Path, module_programs: Programs) -> list[CallRow]:
    return module_programs.scenarios(
        openai_2, PROGRAM,
        "bare", "query", "query_is_streamed", "chat", "tool_asks_directly", "at_once", "several_agents",
        "workflow", "unseen",
    )  # fmt: skip


def test_every_call_is_recorded_once(rows: list[CallRow]) -> None:
    counts = {
        "bare": 1, "query": 1, "chat": 2, "tool_asks_directly": 4, "at_once": 9, "several_agents": 3,
        "workflow": 1, "unseen": 1,
    }  # fmt: skip
    assert {name: len(of_scenario(rows, name)) for name in counts} == counts
    assert named(of_scenario(rows, "bare")[0]) == {}


def test_a_query_has_its_engines_name_and_what_instrument_tags_say(rows: list[CallRow]) -> None:
    (row,) = of_scenario(rows, "query")
    assert named(row, "user", "tag.feature") == {**ENGINE, "user": "u-1", "tag.feature": "search"}
    assert not [name for name in row.attribution if "llamaindex" in name]


def test_a_streamed_answer_belongs_to_its_query_and_the_readers_calls_do_not(rows: list[CallRow]) -> None:
    found = of_scenario(rows, "query_is_streamed")
    between = [row for row in found if "task" in row.attribution]
    assert between and all(named(row) == {"task": "between"} for row in between)
    assert [named(row) for row in found if row not in between] == [ENGINE, ENGINE]


def test_a_chat_has_its_engines_name_whole_and_streamed(rows: list[CallRow]) -> None:
    assert {named(row)["tag.chain"] for row in of_scenario(rows, "chat")} == {"SimpleChatEngine"}


def test_a_call_of_the_clients_own_inside_a_tool_belongs_to_the_tool(rows: list[CallRow]) -> None:
    first, inside, last, after = of_scenario(rows, "tool_asks_directly")
    assert named(first) == named(last) == {"agent": "planner", "step": "planner"}
    assert named(inside) == {
        "agent": "planner", "tag.tool": "weather", "step": "weather", "parent_step": "planner",
    }  # fmt: skip
    assert inside.attribution["parent_step"] == first.attribution["step"] == last.attribution["step"]
    assert named(after) == {"task": "after"}


def test_agents_in_one_event_loop_are_told_apart(rows: list[CallRow]) -> None:
    agents = {f"agent-{number}" for number in range(3)}
    assert tree(of_scenario(rows, "at_once")) == {"": agents, **{agent: {"weather"} for agent in agents}}


def test_of_several_agents_in_one_run_the_one_at_work_is_named(rows: list[CallRow]) -> None:
    assert tree(of_scenario(rows, "several_agents")) == {
        "": {"AgentWorkflow"}, "AgentWorkflow": {"first"}, "first": {"weather"},
    }  # fmt: skip


def test_steps_of_a_workflow_are_steps_in_threads_too(rows: list[CallRow]) -> None:
    assert tree(of_scenario(rows, "workflow")) == {"": {"Flow"}, "Flow": {"draft"}}


def test_a_model_that_announces_a_call_three_times_is_recorded_once(
    rows: list[CallRow],
) -> None:
    (row,) = of_scenario(rows, "unseen")
    assert (row.provider, row.completeness, row.cost_state) == ("mockllm", "none", "unknown")
    assert named(row) == ENGINE


def test_errors_of_the_integration_are_reported_and_break_nothing(
    whole: None, openai_2: Path, programs: Programs
) -> None:
    (row,) = programs.failing(openai_2, PROGRAM, "fails")
    assert (row.status, row.input_tokens) == (200, 1203)
