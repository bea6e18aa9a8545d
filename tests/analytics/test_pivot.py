"""Rows × columns × a measure: every cell and everything else equal plain Python."""

from __future__ import annotations

import random
from typing import Any

import pytest
from ledgers import Call, Record, matches, traffic, value_measured, value_of

from farebox.analytics.dimensions import MEASURES
from farebox.analytics.pivot import Asked, Cell, Keys, Line, Pivot, pivot
from farebox.analytics.questions import Questions, Selection

MEASURED = (
    "cost_pico",
    "charge_pico",
    "calls",
    "errors",
    "output_tokens",
    "users",
    "cost_per_call_pico",
    "error_permille",
    "total_p95_us",
    "input_tokens_max",
)


def keys_of(call: Call, names: Any) -> Keys:
    return tuple(value_of(call, name) for name in names)


def expected(calls: list[Call], measure: str) -> tuple[int | None, int]:
    return value_measured(calls, measure), len(calls)


def shown(cell: Cell) -> tuple[int | None, int]:
    return cell.value, cell.calls


@pytest.mark.parametrize("measure", MEASURED)
def test_every_cell_is_what_its_calls_add_up_to(record: Record, questions: Questions, measure: str) -> None:
    rng = random.Random(measure)
    firsts = record.append(traffic(rng, 600))
    for first in rng.sample(firsts, 60):
        record.correct(first, cost_state="priced", cost_pico=rng.randrange(10**12), customer="moved")
    everything = list(record.now.values())
    for rows, columns in (
        (["model"], ["status"]),
        (["user"], []),
        (["tag.feature", "app"], ["streamed"]),
        (["session"], ["customer", "tag.team"]),
    ):
        where = rng.choice([{}, {"provider": ["openai"]}, {"status": ["4xx", "200"]}])
        asked = Asked(
            selection=Selection(where=where),
            rows=rows,
            columns=columns,
            measure=measure,
            rows_max=rng.choice([2, 3, 50]),
            columns_max=rng.choice([1, 2, 50]),
        )
        compare(pivot(questions, asked), asked, [call for call in everything if matches(call, where)])


def compare(found: Pivot, asked: Asked, calls: list[Call]) -> None:
    """Compare every figure of a table with the calls that it stands for."""
    rows, columns, measure = asked.rows, asked.columns, asked.measure
    named: list[Keys | None] = [line.keys for line in found.lines if line.keys is not None]
    wide: list[Keys | None] = [*found.columns, *([None] if found.rest_columns else [])]
    assert found.rest_rows == len({keys_of(call, rows) for call in calls}) - len(named)
    assert len(found.lines) == len(named) + (found.rest_rows > 0)

    def is_in(call: Call, names: Any, wanted: Keys | None, listed: Any) -> bool:
        keys = keys_of(call, names)
        return keys == wanted if wanted is not None else keys not in listed

    def of(row: Keys | None, column: Keys | None, *, whole_row: bool, whole_column: bool) -> Any:
        return expected(
            [
                call
                for call in calls
                if (whole_column or is_in(call, rows, row, named))
                and (whole_row or is_in(call, columns, column, found.columns))
            ],
            measure,
        )

    assert shown(found.total) == expected(calls, measure)
    for line in found.lines:
        assert shown(line.total) == of(line.keys, None, whole_row=True, whole_column=False)
        if columns:
            cells = [of(line.keys, column, whole_row=False, whole_column=False) for column in wide]
            assert list(map(shown, line.cells)) == cells, (asked, line.keys)
    if columns:
        totals = [of(None, column, whole_row=False, whole_column=True) for column in wide]
        assert list(map(shown, found.totals)) == totals


def test_sums_add_up_along_rows_and_columns(record: Record, questions: Questions) -> None:
    record.append(traffic(random.Random(3), 400))
    found = pivot(
        questions,
        Asked(selection=Selection(), rows=["session"], columns=["model"], rows_max=5, columns_max=2),
    )
    assert found.rest_rows and found.rest_columns

    def added(cells: list[Cell]) -> int:
        return sum(cell.value or 0 for cell in cells)

    for line in found.lines:
        assert added(line.cells) == line.total.value
    assert added([line.total for line in found.lines]) == found.total.value == added(found.totals)


def test_the_lowest_come_first_where_that_is_asked_for(record: Record, questions: Questions) -> None:
    record.append(traffic(random.Random(5), 300))

    def order(*, ascending: bool) -> list[Line]:
        asked = Asked(selection=Selection(), rows=["session"], measure="calls", ascending=ascending)
        return pivot(questions, asked).lines

    calls = [line.total.calls for line in order(ascending=True)]
    assert calls == sorted(calls)
    assert [line.total.calls for line in order(ascending=False)] == calls[::-1]


def test_a_page_after_another_is_of_the_same_state(record: Record, questions: Questions) -> None:
    record.append(traffic(random.Random(9), 300))
    at = questions.last_seq()
    chosen = Selection(as_of_seq=at)
    (whole,) = questions.answers(chosen.question(by=["session"], order="first_at_ns"))
    record.append(traffic(random.Random(10), 50))
    pages = [
        row
        for offset in range(0, 25, 4)
        for row in questions.answers(
            chosen.question(by=["session"], order="first_at_ns", limit=4, offset=offset)
        )[0].rows
    ]
    assert pages == whole.rows


def test_nothing_has_no_rows(questions: Questions) -> None:
    found = pivot(questions, Asked(selection=Selection(), rows=["model"], columns=["app"]))
    assert (found.lines, found.columns, found.total.calls) == ([], [], 0)


def test_every_kind_of_measure_is_tried() -> None:
    assert {MEASURES[name].kind for name in MEASURED} >= {"sum", "distinct", "percentile", "ratio", "most"}
