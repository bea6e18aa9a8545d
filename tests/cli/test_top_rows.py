"""The rows of `farebox top`: sorted, filtered, as a tree."""

from __future__ import annotations

import subprocess
import sys

import pytest

from farebox.cli.reports.json_shapes import Totals
from farebox.cli.top.rows import Look, Order, lines
from farebox.cli.top.snapshot import TopAnswer, TopGroup
from farebox.server.api.coverage.coverage import Coverage


def group(cost: int, calls: int, tokens: int, last: str, **keys: str | None) -> TopGroup:
    return TopGroup(
        calls=calls, errors=0, unpriced_calls=0, cost_pico=cost, tokens=tokens, last_at=last, **keys
    )


FOUND = TopAnswer(
    at="2026-11-29T12:00:00Z",
    today=Totals(cost_usd="0", charge_usd="0", complete=True),
    minutes=[],
    sessions=[
        group(1, 9, 5, "12:01", session="a", agent="planner"),
        group(3, 1, 70, "12:03", session="a", agent="writer"),
        group(5, 2, 3, "12:02", session="B", agent=None),
    ],
    processes=[group(1, 1, 1, "12:00", process="42", command="python3 app.py")],
    models=[group(1, 1, 1, "12:00", model="gpt-4o\x1b[31m")],
    in_flight=[],
    more_in_flight=0,
    stops=0,
    coverage=Coverage(),
)


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("cost", ["B", "a"]),
        ("calls", ["a", "B"]),
        ("tokens", ["a", "B"]),
        ("latest", ["a", "B"]),
        ("name", ["a", "B"]),
    ],
)
def test_sessions_are_sorted_by_the_sums_of_their_agents(order: Order, names: list[str]) -> None:
    assert [line.name for line in lines(FOUND, Look(order=order))] == names


def test_a_tree_has_the_agents_beneath_their_session_sorted_alike() -> None:
    shown = [(line.depth, line.name, line.value) for line in lines(FOUND, Look(is_tree=True))]
    assert shown == [
        (0, "B", "B"),
        (1, "(no agent)", "B"),
        (0, "a", "a"),
        (1, "writer", "a"),
        (1, "planner", "a"),
    ]


def test_a_filter_finds_sessions_by_their_agents_too_and_capitals_count_for_nothing() -> None:
    assert [line.name for line in lines(FOUND, Look(filter="PLAN"))] == ["a"]
    assert [line.name for line in lines(FOUND, Look(filter="b"))] == ["B"]
    assert lines(FOUND, Look(view="models", filter="claude")) == []


def test_only_what_can_be_stopped_says_so_and_names_are_clean() -> None:
    (process,) = lines(FOUND, Look(view="processes"))
    assert (process.dimension, process.value, process.name) == ("process", "42", "42 python3 app.py")
    (model,) = lines(FOUND, Look(view="models"))
    assert model.dimension is None
    assert "\x1b" not in model.name


def test_the_screens_library_is_loaded_for_a_terminal_only() -> None:
    code = "import sys, farebox.cli.top.top_command; sys.exit('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
