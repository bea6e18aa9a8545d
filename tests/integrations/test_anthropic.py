"""The anthropic client's middleware: names of one client, and calls that no transport saw."""

from __future__ import annotations

from pathlib import Path

import pytest
from frameworks import Programs, of_scenario

from farebox.ledger.call_row import CallRow

PROGRAM = "anthropic_program"
NAMES = {"agent": "support", "customer": "acme", "tag.feature": "help"}


@pytest.fixture(scope="module")
def rows(whole: None, newest: Path, module_programs: Programs) -> list[CallRow]:
    return module_programs.scenarios(newest, PROGRAM, "named", "named_async", "unseen", "unseen_and_unknown")


@pytest.mark.parametrize("name", ["named", "named_async", "unseen"])
def test_calls_are_named_and_recorded_once_whole_and_streamed(rows: list[CallRow], name: str) -> None:
    found = of_scenario(rows, name)
    assert [row.streamed for row in found] == [False, True]
    for row in found:
        assert NAMES.items() <= row.attribution.items()
        assert (row.status, row.input_tokens, row.output_tokens, row.completeness) == (200, 1400, 50, "final")


def test_a_call_over_an_unknown_gateway_is_recorded_from_its_message(rows: list[CallRow]) -> None:
    (row,) = of_scenario(rows, "unseen_and_unknown")
    assert (row.provider, row.input_tokens, row.output_tokens) == ("anthropic", 3, 4)
    assert NAMES.items() <= row.attribution.items()
