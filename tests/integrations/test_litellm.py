"""LiteLLM: the names a call is given, and calls that only LiteLLM saw."""

from __future__ import annotations

from pathlib import Path

import pytest
from frameworks import Programs, named, of_scenario

from farebox.ledger.call_row import CallRow

PROGRAM = "litellm_program"
NAMES = {"agent": "bot", "customer": "acme", "session": "s-1"}


@pytest.fixture(scope="module")
def rows(whole: None, newest: Path, module_programs: Programs) -> list[CallRow]:
    return module_programs.scenarios(
        newest, PROGRAM,
        "whole", "streamed", "whole_async", "streamed_async", "its_own_handler", "at_once", "mocked",
        "unseen",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["whole", "streamed", "whole_async", "streamed_async", "its_own_handler"])
def test_a_call_has_the_names_that_its_metadata_give(rows: list[CallRow], name: str) -> None:
    call, *after = of_scenario(rows, name)
    assert {key: call.attribution.get(key) for key in NAMES} == NAMES
    assert call.attribution_from["session"] == "sdk:litellm"
    assert (call.status, call.completeness) == (200, "final")
    assert [named(row, "session") for row in after] == (
        [] if name in ("whole", "streamed") else [{"task": "after"}]
    )


def test_calls_in_one_event_loop_are_told_apart(rows: list[CallRow]) -> None:
    found = of_scenario(rows, "at_once")
    assert sorted(row.attribution["session"] for row in found) == ["s-0", "s-1", "s-2"]


def test_a_mock_response_is_no_call(rows: list[CallRow]) -> None:
    assert [named(row) for row in of_scenario(rows, "mocked")] == [{"task": "after"}]


def test_a_provider_of_the_programs_own_is_recorded_from_what_litellm_says(rows: list[CallRow]) -> None:
    (row,) = [each for each in of_scenario(rows, "unseen") if each.provider == "own"]
    assert (row.response_model, row.input_tokens, row.output_tokens) == ("own-1", 5, 2)
    assert row.cost_state == "unpriced"
