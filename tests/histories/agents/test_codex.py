"""Codex's rollouts: a call for each response, and none for what only repeats or copies it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from agent_logs import NOON, SECOND, Reader, codex_count, codex_line, codex_usage, write_lines

from farebox.histories.agents.codex import NO_MODEL, Codex

LIMITS: dict[str, Any] = {"primary": {"used_percent": 7.0, "window_minutes": 300}, "secondary": None}


def rollout(user: Path, name: str = "a", day: str = "2026/05/28") -> Path:
    return user / ".codex" / "sessions" / day / f"rollout-2026-05-28T12-00-00-{name}.jsonl"


def meta(identity: str = "a", at_s: float = 0, **more: Any) -> dict[str, Any]:
    payload = {"id": identity, "cwd": "/home/ann/shop", "originator": "codex_cli_rs", "cli_version": "0.65.0"}
    return codex_line("session_meta", {**payload, "git": {"branch": "main"}, **more}, at_s)


def context(model: str = "gpt-5-codex", at_s: float = 0) -> dict[str, Any]:
    return codex_line("turn_context", {"cwd": "/home/ann/shop", "model": model, "effort": "high"}, at_s)


def output(at_s: float) -> dict[str, Any]:
    return codex_line("response_item", {"type": "function_call_output", "call_id": "c", "output": "ok"}, at_s)


def tokens(reader: Reader) -> list[tuple[int, ...]]:
    """Return uncached and cached input, output text and reasoning of each call."""
    names = ("input_uncached", "cache_read", "output_text", "output_reasoning")
    return [tuple(each.usage.get(name, 0) for name in names) for each in reader.calls()]


ONE, TWO = (1_000, 200, 50, 20), (3_000, 1_200, 90, 30)
"""What a session used in all after its first and second response."""
TWICE = [(800, 200, 30, 20), (1_000, 1_000, 30, 10)]
"""What each of the two responses used."""


def test_newer_versions_say_what_each_response_used(user: Path) -> None:
    lines = [
        meta(),
        context(),
        codex_count(ONE, ONE, 4),
        output(5),
        codex_count(TWO, (2_000, 1_000, 40, 10), 9),
    ]
    write_lines(rollout(user), lines)
    reader = Reader(Codex())
    assert tokens(reader) == TWICE
    reader.positions.clear()
    first, second = reader.calls()
    assert (first.model, first.provider, first.is_subscription) == ("gpt-5-codex", "openai", False)
    assert (second.time_ns, second.ended_ns) == (NOON + 5 * SECOND, NOON + 9 * SECOND)
    assert first.attribution["session"] == "a"
    assert (first.attribution["project"], first.attribution["branch"]) == ("shop", "main")


def test_older_versions_say_only_what_the_session_used_in_all(user: Path) -> None:
    write_lines(rollout(user), [meta(), context(), codex_count(ONE, None, 4), codex_count(TWO, None, 9)])
    assert tokens(Reader(Codex())) == TWICE


def test_the_oldest_versions_say_it_in_the_event_itself(user: Path) -> None:
    flat = [{"type": "token_count", **codex_usage(each)} for each in (ONE, (2_000, 1_000, 40, 10))]
    write_lines(rollout(user), [meta(), context(), *(codex_line("event_msg", each, 4) for each in flat)])
    assert tokens(Reader(Codex())) == TWICE


def test_an_event_that_is_written_again_is_no_call(user: Path) -> None:
    nothing = codex_line("event_msg", {"type": "token_count", "info": None, "rate_limits": LIMITS}, 1)
    again = codex_count(ONE, ONE, 5, LIMITS)
    compacted = codex_count(ONE, (0, 0, 0, 0), 6)
    write_lines(rollout(user), [meta(), context(), nothing, codex_count(ONE, ONE, 4), again, compacted])
    assert tokens(Reader(Codex())) == TWICE[:1]


def test_limits_of_a_plan_show_that_a_subscription_pays(user: Path) -> None:
    write_lines(rollout(user), [meta(), context(), codex_count(ONE, ONE, 4, LIMITS)])
    write_lines(rollout(user, "b"), [meta("b"), context(), codex_count(ONE, ONE, 4, {"primary": None})])
    told = [(each.provider, each.is_subscription) for each in Reader(Codex()).calls()]
    assert told == [("chatgpt", True), ("openai", False)]


def test_the_model_may_change_within_a_session(user: Path) -> None:
    lines = [meta(), context("gpt-5"), codex_count(ONE, ONE, 4), context("o3", 5), codex_count(TWO, None, 9)]
    write_lines(rollout(user), lines)
    assert [each.model for each in Reader(Codex()).calls()] == ["gpt-5", "o3"]


def test_calls_without_a_model_are_kept_and_said_to_have_none(user: Path) -> None:
    write_lines(rollout(user), [meta(), codex_count(ONE, ONE, 4)])
    reader = Reader(Codex())
    assert [each.model for each in reader.calls()] == [NO_MODEL]
    assert "unpriced" in reader.reading.notes[0]


def test_a_session_that_grows_goes_on_where_it_was(user: Path) -> None:
    path = write_lines(rollout(user), [meta(), context(), codex_count(ONE, None, 4)])
    reader = Reader(Codex())
    assert tokens(reader) == TWICE[:1]
    with path.open("a") as file:
        file.write(
            '{"timestamp":"2026-05-28T20:26:49.000Z","type":"event_msg","payload":{"type":"token_count"'
        )
    assert tokens(reader) == []
    with path.open("a") as file:
        file.write(',"info":null}}\n')
    write_lines(path, [codex_count(TWO, None, 9)], append=True, at_ns=NOON + SECOND)
    assert tokens(reader) == TWICE[1:]
    assert tokens(reader) == []


def test_a_session_that_was_cut_is_read_again_with_the_same_ids(user: Path) -> None:
    lines = [meta(), context(), codex_count(ONE, None, 4), codex_count(TWO, None, 9)]
    path = write_lines(rollout(user), lines)
    reader = Reader(Codex())
    before = [each.id for each in reader.calls()]
    write_lines(path, lines[:3], at_ns=NOON + SECOND)
    assert [each.id for each in reader.calls()] == before[:1]


@pytest.mark.parametrize("order", ["parent first", "child first", "parent gone"])
@pytest.mark.parametrize(
    "more",
    [
        {"forked_from_id": "a"},
        {"source": {"subagent": {"thread_spawn": {"parent_thread_id": "a", "depth": 1}}}},
    ],
)
def test_what_a_fork_or_a_subagent_copies_is_its_parents(
    user: Path, order: str, more: dict[str, Any]
) -> None:
    parent = [meta("a"), context(), codex_count(ONE, ONE, 4), codex_count(TWO, (2_000, 1_000, 40, 10), 9)]
    copied = [{**each, "timestamp": meta("b", 60.1)["timestamp"]} for each in parent]
    own = [context("gpt-5", 61), codex_count((4_000, 2_000, 190, 30), (1_000, 800, 100, 0), 70)]
    child = [meta("b", 60, **more), *copied, *own]
    names = ("a", "b") if order != "child first" else ("z", "b")
    if order != "parent gone":
        write_lines(rollout(user, names[0]), parent)
    write_lines(rollout(user, names[1]), child)
    told = sorted(Reader(Codex()).calls(), key=lambda each: each.id)
    assert [each.usage["output_text"] + each.usage.get("output_reasoning", 0) for each in told] == [
        50,
        40,
        100,
    ]
    assert [each.id.split("/")[0] for each in told] == ["a", "a", "b"]


def test_a_session_that_was_archived_meanwhile_is_read_once(user: Path) -> None:
    lines = [meta(), context(), codex_count(ONE, ONE, 4)]
    path = write_lines(rollout(user), lines)
    reader = Reader(Codex())
    assert len(reader.calls()) == 1
    archived = user / ".codex" / "archived_sessions" / path.name
    archived.parent.mkdir()
    path.rename(archived)
    assert [each.id for each in reader.calls()] == ["a/1000-200-50"], "the same id as before"


def test_damaged_lines_are_counted_and_the_rest_is_read(user: Path) -> None:
    path = write_lines(rollout(user), [meta(), context()])
    with path.open("ab") as file:
        file.write(b'{"timestamp":"x","type":"event_msg","payload":{"type":"token_count","info":{"total\n')
    write_lines(path, [codex_count(ONE, ONE, 4)], append=True)
    reader = Reader(Codex())
    assert tokens(reader) == TWICE[:1]
    assert [each.count for each in reader.reading.not_understood] == [1]
