"""300 random questions equal plain Python sums, to the pico (fewer without FAREBOX_QUESTIONS)."""

from __future__ import annotations

import os
import random
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from ledgers import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    START,
    Call,
    Record,
    measured,
    plain_answer,
    traffic,
    value_of,
)

from farebox.analytics.builder import Builder, is_percentile
from farebox.analytics.dialects.duckdb import DuckDB
from farebox.analytics.dimensions import DIMENSIONS, MEASURES
from farebox.analytics.query import Question
from farebox.analytics.questions import Questions, Selection
from farebox.analytics.replica import Replica
from farebox.analytics.zones import Offsets
from farebox.errors import UsageError

NAMES = [*(name for name in DIMENSIONS if name != "model"), "model", "tag.feature", "tag.team", "tag.none"]
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns")


def test_random_questions_equal_a_sum_in_python(record: Record, questions: Questions) -> None:
    rng = random.Random(7)
    firsts = record.append(traffic(rng, 1_500))
    for first in rng.sample(firsts, 200):
        change: dict[str, Any] = {"cost_state": "priced", "cost_pico": rng.randrange(10**15)}
        record.correct(first, **(change if rng.random() < 0.7 else {"customer": "moved", **change}))
    for first in rng.sample(firsts, 50):
        record.correct(first, cost_state="free", cost_pico=0, output_tokens=7)
    calls = list(record.now.values())
    for _ in range(int(os.environ.get("FAREBOX_QUESTIONS", "60"))):
        asked = random_question(rng, calls)
        assert answered(questions, asked) == plain_answer(calls, asked), asked


def random_question(rng: random.Random, calls: list[Call]) -> Question:
    since = rng.choice([None, START + rng.randrange(4 * DAY)])
    until = rng.choice([None, START + 4 * DAY + rng.randrange(DAY)])
    where: dict[str, list[str]] = {}
    for name in rng.sample(NAMES, rng.choice([0, 0, 1, 1, 2])):
        some = {value_of(rng.choice(calls), name) or "" for _ in range(rng.choice([1, 1, 2, 3]))}
        where[name] = sorted(some)
    if "status" in where and rng.random() < 0.5:
        where["status"] = ["4xx"]
    others = [name for name in MEASURES if MEASURES[name].kind != "sum"]
    return Question(
        since_ns=since,
        until_ns=until,
        where=where,
        by=rng.sample(NAMES, rng.choice([0, 1, 1, 2, 3])),
        bucket=rng.choice([None, None, "second", "minute", "hour", "day", "week", "hour_of_week"]),
        tz=rng.choice(ZONES),
        measures=[*Question().measures, *rng.sample(others, 2)],
    )


def test_percentiles_found_by_sorting_are_the_same(record: Record, questions: Questions) -> None:
    rng = random.Random(17)
    for first in rng.sample(record.append(traffic(rng, 800)), 100):
        record.correct(first, cost_state="free", cost_pico=0, total_us=rng.randrange(100))
    calls = list(record.now.values())
    assert questions.last_seq() == record.seq
    questions.close()
    replica = Replica.of(record.home)
    percentiles = [name for name in MEASURES if is_percentile(name)]
    for _ in range(int(os.environ.get("FAREBOX_QUESTIONS", "60")) // 2):
        asked = msgspec.structs.replace(
            random_question(rng, calls),
            measures=["calls", "users", *percentiles],
            order=rng.choice(percentiles),
        )
        offsets = Offsets.of(ZoneInfo(asked.tz), START, START + 5 * DAY)
        plainly, by_rank = (
            replica.rows(*Builder(DuckDB()).question(asked, offsets, by_rank=by_rank))
            for by_rank in (False, True)
        )
        assert plainly == by_rank, asked
    replica.close()


def answered(questions: Questions, asked: Question) -> dict[Any, list[int | None]]:
    (answer,) = questions.answers(asked)
    assert answer.groups == len(answer.rows)
    return {(row.start_ns, *row.keys): row.values for row in answer.rows}


def test_sums_beyond_64_bits_are_exact(record: Record, questions: Questions) -> None:
    most = 2**63 - 1
    record.append({"occurred_at": START, "cost_pico": most - number} for number in range(5))
    (totals,) = questions.totals(Selection())
    assert totals.cost_pico == 5 * most - 10


def test_a_question_of_an_earlier_row_is_answered_as_the_record_was_then(
    record: Record, questions: Questions
) -> None:
    first, _ = record.append(
        {"occurred_at": START, "cost_pico": 100, "user": user} for user in ("ann", "bob")
    )
    then = record.seq
    record.correct(first, cost_pico=70, user="bob")
    before = Selection(as_of_seq=then).question(measures=["calls", "cost_pico", "users"])
    now = Selection().question(measures=["calls", "cost_pico", "users"])
    old, new = questions.answers(before, now)
    assert (old.rows[0].values, new.rows[0].values) == ([2, 200, 2], [2, 170, 1])


def test_a_day_of_25_hours_is_one_bucket_and_its_doubled_hour_two(
    record: Record, questions: Questions
) -> None:
    midnight = int(datetime(2025, 10, 26, tzinfo=ZoneInfo("Europe/Berlin")).timestamp()) * SECOND
    record.append({"occurred_at": midnight + hour * HOUR + MINUTE} for hour in range(25))
    days = questions.series(Selection(), "day", "Europe/Berlin")
    hours = questions.series(Selection(), "hour", "Europe/Berlin")
    assert [(each.start_ns, each.measures.calls) for each in days] == [(midnight, 25)]
    assert [each.start_ns for each in hours] == [midnight + hour * HOUR for hour in range(25)]


def test_a_group_that_everything_was_corrected_away_from_is_gone(
    record: Record, questions: Questions
) -> None:
    (first,) = record.append([{"occurred_at": START, "customer": "acme", "cost_pico": 5}])
    record.correct(first, customer="globex")
    found = questions.breakdown(Selection(), ["customer"])
    assert [(group.keys, group.measures.cost_pico) for group in found.groups] == [({"customer": "globex"}, 5)]


def test_what_a_limit_leaves_out_is_counted(record: Record, questions: Questions) -> None:
    record.append(
        {"occurred_at": START, "user": f"user-{number}", "cost_pico": number} for number in range(10)
    )
    found = questions.breakdown(Selection(), ["user"], limit=4)
    assert [group.measures.cost_pico for group in found.groups] == [9, 8, 7, 6]
    assert (found.rest_groups, found.rest.cost_pico, found.rest.calls) == (6, 15, 6)


def test_groups_without_a_cost_come_first_where_that_is_asked(record: Record, questions: Questions) -> None:
    record.append(
        [
            {"occurred_at": START, "model": "dear", "cost_pico": 9},
            {"occurred_at": START, "model": "new", "cost_state": "unpriced"},
        ]
    )
    found = questions.breakdown(Selection(), ["model"], limit=1, unpriced_first=True)
    assert [group.keys["model"] for group in found.groups] == ["new"]


def test_a_model_stands_for_its_dated_versions_and_what_responded_for_it(
    record: Record, questions: Questions
) -> None:
    record.append(
        {"occurred_at": START, "request_model": asked, "model": answered, "cost_pico": cost}
        for asked, answered, cost in (
            ("gpt-4o", "gpt-4o-2024-08-06", 1),
            ("gpt-4o-2024-11-20", "gpt-4o-2024-11-20", 2),
            ("gpt-4o", "gpt-4o", 4),
            ("gpt-4o", "something-else", 8),
            ("gpt-4o-mini", "gpt-4o-mini-2024-07-18", 16),
        )
    )
    where = {"model": ["gpt-4o"]}
    family = Selection(where=where, families=True)
    assert questions.breakdown(family, ["provider"]).models == []
    found = questions.breakdown(family, ["provider"], with_models=True)
    assert found.total.cost_pico == 15
    assert found.models == ["gpt-4o-2024-08-06", "gpt-4o-2024-11-20", "something-else"]
    (exact,) = questions.totals(Selection(where=where))
    assert exact.cost_pico == 4


def test_values_with_commas_spaces_and_quotes_are_found(record: Record, questions: Questions) -> None:
    odd = ["a, b", "it's", 'say "hi"', "per cent % and ?", "x; DROP TABLE calls"]
    record.append({"occurred_at": START, "tag.feature": value} for value in odd)
    found = [questions.totals(Selection(where={"tag.feature": [value]}))[0].calls for value in odd]
    assert found == [1] * len(odd)


def test_a_value_nobody_used_is_told_with_the_nearest(record: Record, questions: Questions) -> None:
    record.append([{"occurred_at": START, "customer": "acme", "model": "gpt-4o-2024-08-06"}])
    where = {"customer": ["acne", "acme"], "model": ["gpt-4o"]}
    (found,) = questions.unknown(Selection(where=where, families=True))
    assert (found.name, found.value, found.nearest) == ("customer", "acne", ["acme"])


@pytest.mark.parametrize(
    "asked",
    [
        Question(by=["nonsense"]),
        Question(where={"nonsense": ["x"]}),
        Question(measures=["nonsense"]),
        Question(where={"status": ["abc"]}),
        Question(where={"streamed": ["perhaps"]}),
        Question(by=["tag."]),
    ],
)
def test_what_does_not_exist_is_refused(record: Record, questions: Questions, asked: Question) -> None:
    record.append([{"occurred_at": START}])
    with pytest.raises(UsageError):
        questions.answers(asked)


def test_a_home_without_a_record_has_zeros(home: Any) -> None:
    from farebox.analytics.local import LocalAsker

    questions = Questions(LocalAsker(home))
    assert questions.totals(Selection())[0] == measured([])
    assert questions.breakdown(Selection(), ["model"]).groups == []


def test_filters_that_leave_calls_out_keep_those_without_values(record: Record, questions: Questions) -> None:
    at = {"occurred_at": START}
    record.append([{**at, "agent": "a", "task": "1"}, {**at, "agent": "b"}, {**at}, {**at, "agent": "a"}])
    left = Selection(unless=[{"agent": ["b"]}, {"agent": ["a"], "task": ["1"]}])
    assert questions.totals(left)[0].calls == 2
    assert questions.totals(Selection(unless=[{}]))[0].calls == 0
    assert not left.is_everything
