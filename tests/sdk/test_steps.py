"""Steps of frameworks: what they say of calls, and how they go together with what the program says."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar

import pytest

import farebox
from farebox.integrations.running import begin
from farebox.sdk import attribution
from farebox.sdk.steps import Step, finders

SOURCE = "sdk:framework"
_here: ContextVar[Step | None] = ContextVar("test_steps", default=None)


@pytest.fixture(autouse=True)
def framework(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A framework that knows by itself which step the running code belongs to."""
    monkeypatch.setattr(attribution, "finders", found := [_here.get])
    monkeypatch.setattr("farebox.sdk.steps.finders", found)
    yield
    _here.set(None)


def said() -> dict[str, str]:
    return attribution.current()[0]


def test_a_step_says_its_name_and_the_step_around_it() -> None:
    _here.set(outer := begin(SOURCE, "agent", "planner"))
    assert said()["agent"] == "planner" and "parent_step" not in said()
    _here.set(begin(SOURCE, "tool", "weather"))
    assert said()["tag.tool"] == "weather" and said()["parent_step"] == outer.path[-1]
    assert attribution.current()[1]["tag.tool"] == SOURCE


def test_a_block_around_a_step_is_said_and_the_steps_own_word_stands() -> None:
    with farebox.attribute(customer="acme", agent="mine"):
        _here.set(begin(SOURCE, "agent", "planner"))
        assert (said()["customer"], said()["agent"]) == ("acme", "planner")


def test_a_block_inside_a_step_stands_until_a_step_that_is_further_in() -> None:
    _here.set(outer := begin(SOURCE, "agent", "planner"))
    with farebox.attribute(agent="mine", user="u"):
        assert said()["agent"] == "mine"
        _here.set(begin(SOURCE, "agent", "researcher", outer))
        assert (said()["agent"], said()["parent_agent"], said()["user"]) == ("researcher", "mine", "u")
        _here.set(outer)
    assert said()["agent"] == "planner"


def test_a_metered_function_is_a_step_among_a_frameworks() -> None:
    _here.set(outer := begin(SOURCE, "agent", "planner"))

    @farebox.meter
    def work() -> dict[str, str]:
        return dict(said())

    inside = work()
    assert inside["step"].startswith("work:") and inside["parent_step"] == outer.path[-1]
    assert said()["step"] == outer.path[-1]


def test_a_step_that_is_told_in_another_context_has_what_its_parent_says() -> None:
    with farebox.attribute(customer="acme"):
        parent = begin(SOURCE, "agent", "planner")
    child = begin(SOURCE, "tool", "weather", parent)
    assert child.said[0]["customer"] == "acme" and child.path == (*parent.path, child.path[-1])


def test_three_steps_are_a_path_and_two_are_not() -> None:
    first = begin(SOURCE, "chain", "crew")
    second = begin(SOURCE, "agent", "planner", first)
    third = begin(SOURCE, "tool", "maps/weather", second)
    assert "step_path" not in second.said[0]
    names = third.said[0]
    assert names["step_path"] == "/".join(third.path) and names["step_path"].count("/") == 2
    assert (names["tag.tool"], names["step"].rpartition(":")[0]) == ("maps/weather", "maps_weather")


def test_a_framework_that_fails_to_say_it_takes_nothing_from_a_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> Step | None:
        raise RuntimeError("changed")

    _here.set(begin(SOURCE, "agent", "planner"))
    monkeypatch.setattr("farebox.sdk.steps.finders", [broken, _here.get])
    assert said()["agent"] == "planner"


def test_no_step_is_looked_for_where_no_framework_is_attached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribution, "finders", [])
    _here.set(begin(SOURCE, "agent", "planner"))
    assert said() == {} and finders is not attribution.finders
