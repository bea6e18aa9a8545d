"""LangChain and LangGraph: agents, chains, nodes and tools on the calls that transports meter."""

from __future__ import annotations

from pathlib import Path

import pytest
from frameworks import Programs, named, of_scenario, tree

from farebox.ledger.call_row import CallRow

PROGRAM = "langchain_program"
CHAT = (1203, 1024, 187)


def tokens(row: CallRow) -> tuple[int, int, int]:
    return row.input_tokens, row.cache_read_input_tokens, row.output_tokens


@pytest.fixture(scope="module")
def rows(whole: None, newest: Path, module_programs: Programs) -> list[CallRow]:
    return module_programs.scenarios(
        newest, PROGRAM,
        "chain", "bare", "tool_asks_directly", "stream_is_read_slowly", "stream_is_abandoned", "at_once",
        "in_threads", "agent_in_a_tool", "graph", "said_inside", "unseen", "cached", "retried",
        "prompts_at_once",
    )  # fmt: skip


def test_every_call_is_recorded_once_and_by_the_transport_where_one_saw_it(rows: list[CallRow]) -> None:
    counts = {
        "chain": 2, "bare": 1, "tool_asks_directly": 3, "at_once": 9, "in_threads": 2, "agent_in_a_tool": 3,
        "graph": 2, "said_inside": 1, "unseen": 2, "cached": 1, "retried": 2, "stream_is_abandoned": 2,
    }  # fmt: skip
    assert {name: len(of_scenario(rows, name)) for name in counts} == counts
    for name in ("chain", "bare", "tool_asks_directly", "at_once", "in_threads", "graph"):
        assert {(row.status, *tokens(row)) for row in of_scenario(rows, name)} == {(200, *CHAT)}, name


def test_a_chain_has_its_name_and_a_model_alone_has_none(rows: list[CallRow]) -> None:
    assert [named(row) for row in of_scenario(rows, "chain")] == [
        {"tag.chain": "RunnableSequence", "step": "RunnableSequence"},
        {"tag.chain": "summary", "step": "summary"},
    ]
    assert named(of_scenario(rows, "bare")[0]) == {}


def test_a_call_of_the_clients_own_inside_a_tool_belongs_to_the_tool(rows: list[CallRow]) -> None:
    first, inside, last = of_scenario(rows, "tool_asks_directly")
    assert named(first) == named(last) == {"agent": "planner", "step": "planner"}
    assert named(inside) == {
        "agent": "planner", "tag.tool": "weather", "step": "weather", "parent_step": "planner",
    }  # fmt: skip
    assert inside.attribution["parent_step"] == first.attribution["step"] == last.attribution["step"]
    assert inside.attribution_from["tag.tool"] == "sdk:langchain"


def test_what_the_program_does_between_the_pieces_of_a_stream_is_its_own(rows: list[CallRow]) -> None:
    own, *between = sorted(
        of_scenario(rows, "stream_is_read_slowly"), key=lambda row: "task" in row.attribution
    )
    assert named(own) == {"agent": "planner", "step": "planner"}
    assert between and all(named(row) == {"task": "between"} for row in between)


def test_a_stream_that_is_forgotten_names_nothing_after_it(rows: list[CallRow]) -> None:
    left, after = of_scenario(rows, "stream_is_abandoned")
    assert (named(left)["tag.chain"], left.outcome) == ("left", "client_disconnected")
    assert named(after) == {"task": "after"}


def test_agents_in_one_event_loop_are_told_apart(rows: list[CallRow]) -> None:
    found = of_scenario(rows, "at_once")
    agents = {f"agent-{number}" for number in range(3)}
    assert tree(found) == {"": agents, **{agent: {"weather"} for agent in agents}}
    steps = {row.attribution["step"] for row in found if "parent_step" not in row.attribution}
    assert {row.attribution["parent_step"] for row in found if "parent_step" in row.attribution} == steps


def test_threads_of_a_batch_carry_the_chains_name(rows: list[CallRow]) -> None:
    found = of_scenario(rows, "in_threads")
    assert {named(row)["tag.chain"] for row in found} == {"batched"}
    assert len({row.attribution["step"] for row in found}) == 2


def test_an_agent_inside_a_tool_is_below_it_and_has_what_is_said_inside(rows: list[CallRow]) -> None:
    found = of_scenario(rows, "agent_in_a_tool")
    assert tree(found) == {"": {"planner"}, "planner": {"research"}, "research": {"researcher"}}
    assert named(found[1], "customer", "parent_agent") == {
        "agent": "researcher", "parent_agent": "planner", "tag.tool": "research", "customer": "acme",
        "step": "researcher", "parent_step": "research",
    }  # fmt: skip
    assert "customer" not in found[0].attribution


def test_nodes_of_a_graph_are_steps_and_its_metadata_names_session_and_user(rows: list[CallRow]) -> None:
    found = of_scenario(rows, "graph")
    assert tree(found) == {"": {"writing"}, "writing": {"draft", "check"}}
    assert {(row.attribution["session"], row.attribution["user"]) for row in found} == {("s-1", "u-1")}


def test_what_the_program_says_inside_a_step_stands(
    rows: list[CallRow],
) -> None:
    found = of_scenario(rows, "said_inside")
    assert named(found[0])["agent"] == "own-name"
    assert tree(found) == {"": {"around"}, "around": {"outer"}, "outer": {"work"}}


def test_a_model_that_no_transport_carries_is_recorded_with_usage_or_as_unknown(
    rows: list[CallRow],
) -> None:
    stated, silent = of_scenario(rows, "unseen")
    assert (stated.response_model, *tokens(stated)) == ("own-1", 350, 100, 240)
    assert (stated.cache_creation_input_tokens, stated.reasoning_output_tokens) == (200, 200)
    assert (silent.completeness, silent.cost_state) == ("none", "unknown")
    assert named(stated)["tag.chain"] == named(silent)["tag.chain"] == "RunnableSequence"


def test_prompts_that_are_announced_at_once_are_calls_beside_each_other(rows: list[CallRow]) -> None:
    found = of_scenario(rows, "prompts_at_once")
    assert sorted(row.provider for row in found) == ["fakelistchatmodel"] * 3 + ["openai"] * 3


def test_attempts_are_named_like_the_call_they_are_of(rows: list[CallRow]) -> None:
    first, second = of_scenario(rows, "retried")
    assert (first.status, second.status) == (503, 200)
    assert named(first) == named(second) == {"tag.chain": "patient", "step": "patient"}


def test_a_program_that_meters_after_its_imports_is_named_too(
    whole: None, newest: Path, programs: Programs
) -> None:
    found = programs.scenarios(newest, PROGRAM, "tool_asks_directly", late=True)
    assert tree(found) == {"": {"planner"}, "planner": {"weather"}}


def test_errors_of_the_integration_are_reported_and_break_nothing(
    whole: None, newest: Path, programs: Programs
) -> None:
    found = programs.failing(newest, PROGRAM, "fails")
    assert [tokens(row) for row in found] == [CHAT] * 3
