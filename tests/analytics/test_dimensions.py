"""What is declared once is everywhere: the table, the record's columns, the flags, the sums' struct."""

from __future__ import annotations

import dataclasses

import pytest
from ledgers import START, Record

from farebox.analytics import schema
from farebox.analytics.dimensions import DIMENSIONS, MEASURES, RETRY, SUMS, dimension
from farebox.analytics.query import Measures
from farebox.analytics.questions import Questions, Selection
from farebox.cli.options import Filters
from farebox.errors import UsageError
from farebox.ledger.call_row import CallRow
from farebox.ledger.feed import CLASS_COLUMNS, ROW_COLUMNS


def test_the_sums_are_the_fields_of_their_struct() -> None:
    assert Measures.__struct_fields__ == SUMS


def test_every_dimension_is_a_flag_and_a_column() -> None:
    assert {field.name for field in dataclasses.fields(Filters)} == {*DIMENSIONS, "tag", "exact"}
    stored = {name for name, each in DIMENSIONS.items() if not each.expression}
    assert stored <= set(schema.COLUMNS)


def test_every_dimension_comes_from_somewhere_in_the_record() -> None:
    for each in DIMENSIONS.values():
        columns = {"class": CLASS_COLUMNS, "row": ROW_COLUMNS, "detail": (RETRY,)}.get(each.origin)
        assert columns is None or each.expression or (each.field or each.name) in columns


def test_every_dimension_is_in_the_export() -> None:
    elsewhere = {"model": "response_model", "key": "key_fingerprint", "retry": "attempt"}
    assert "attribution" in CallRow.__struct_fields__  # which has the steps, too
    for name, each in DIMENSIONS.items():
        known = each.origin in ("attribution", "row") or bool(each.expression)
        assert known or elsewhere.get(name, name) in CallRow.__struct_fields__


def test_every_measure_can_be_asked(record: Record, questions: Questions) -> None:
    record.append([{"occurred_at": START, "user": "ann", "session": "s", "cost_pico": 1}])
    (answer,) = questions.answers(Selection().question(measures=list(MEASURES)))
    values = dict(zip(MEASURES, answer.rows[0].values, strict=True))
    assert (values["users"], values["sessions"], values["total_p99_us"]) == (1, 1, 1_000)


def test_what_a_program_states_that_it_used_is_no_error_for_want_of_a_status(
    record: Record, questions: Questions
) -> None:
    stated = {"occurred_at": START, "status": 0, "outcome": "completed"}
    record.append([stated, {**stated, "outcome": "upstream_failed"}, {**stated, "status": 429}])
    (answer,) = questions.answers(Selection().question(measures=["calls", "errors"]))
    assert answer.rows[0].values == [3, 2]


def test_a_name_that_is_close_is_suggested() -> None:
    with pytest.raises(UsageError, match='did you mean "customer"'):
        dimension("custmer")
