"""Rows × columns × one measure, exact in every cell, with everything else in a row and a column of its own.

What a limit leaves out is asked for, not guessed: of a sum it is the rest of the total, a percentile or a
ratio of it is found among its own calls. All answers are from one state of the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from farebox.analytics.dimensions import MEASURES
from farebox.analytics.query import Answer, Question
from farebox.analytics.questions import Questions, Selection

Keys = tuple[str | None, ...]
"""Values of some dimensions, in their order."""


class Cell(NamedTuple):
    """The calls of one row and one column."""

    value: int | None = None
    """The measure; None where there is no call to find it among."""
    calls: int = 0
    unpriced_calls: int = 0


class Line(NamedTuple):
    """A row, or what is left of all rows."""

    keys: Keys | None
    """None stands for everything else."""
    cells: list[Cell]
    """One a column, and everything else last where there is more than the columns."""
    total: Cell


class Pivot(NamedTuple):
    """The answer. Of a sum, each line adds up to its total, and the lines to the columns' totals."""

    seq: int
    columns: list[Keys]
    lines: list[Line]
    """Highest first; everything else last, where there are more rows."""
    totals: list[Cell]
    """One a column, as the cells of a line."""
    total: Cell
    rest_rows: int
    """How many rows the last line stands for; 0 where there is none."""
    rest_columns: int


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is broken down, by what, and how."""

    selection: Selection
    rows: Sequence[str]
    columns: Sequence[str] = ()
    measure: str = "cost_pico"
    ascending: bool = False
    rows_max: int = 50
    columns_max: int = 8


def pivot(questions: Questions, asked: Asked) -> Pivot:
    """Return the table that is asked for."""
    outer = questions.answers(*_outer(asked, asked.selection))
    rows, total = outer[0], outer[-1]
    columns = outer[1] if asked.columns else None
    seq = total.seq if asked.selection.as_of_seq is None else asked.selection.as_of_seq
    table = _Table(asked, rows, columns, total)
    inner = table.inner_questions(msgspec.structs.replace(asked.selection, as_of_seq=seq))
    if inner:
        table.fill(dict(zip(inner, questions.answers(*inner.values()), strict=True)))
    return table.pivot(seq)


def _outer(asked: Asked, selection: Selection) -> list[Question]:
    names = _measures(asked)
    rows = selection.question(
        by=asked.rows,
        measures=names,
        order=asked.measure,
        ascending=asked.ascending,
        limit=asked.rows_max,
    )
    # Columns are the highest ones whichever way the rows are sorted.
    columns = selection.question(
        by=asked.columns, measures=names, order=asked.measure, limit=asked.columns_max
    )
    total = selection.question(measures=names, order=asked.measure)
    return [rows, columns, total] if asked.columns else [rows, total]


def _measures(asked: Asked) -> list[str]:
    return list(dict.fromkeys((asked.measure, "calls", "unpriced_calls")))


class _Table:
    """The cells as they become known; None as a row's or a column's keys is everything else."""

    def __init__(self, asked: Asked, rows: Answer, columns: Answer | None, total: Answer) -> None:
        self._asked = asked
        self._names = _measures(asked)
        self._is_sum = MEASURES[asked.measure].kind == "sum"
        self._row_totals: dict[Keys | None, Cell] = {
            tuple(row.keys): self._cell(row.values) for row in rows.rows
        }
        found = [] if columns is None else columns.rows
        self._column_totals: dict[Keys | None, Cell] = {
            tuple(row.keys): self._cell(row.values) for row in found
        }
        self._total = self._cell(total.rows[0].values)
        self.rest_rows = rows.groups - len(rows.rows)
        self.rest_columns = 0 if columns is None else columns.groups - len(columns.rows)
        self._cells: dict[tuple[Keys | None, Keys | None], Cell] = {}

    def _cell(self, values: Sequence[int | None]) -> Cell:
        found = dict(zip(self._names, values, strict=True))
        return Cell(found[self._asked.measure], found["calls"] or 0, found["unpriced_calls"] or 0)

    def inner_questions(self, selection: Selection) -> dict[str, Question]:
        """Return what remains to be asked: the cells, and of what is no sum what is left out."""
        asked, found = self._asked, dict[str, Question]()
        rows, columns = list(self._row_totals), list(self._column_totals)
        if rows and columns:
            narrowed = _among(_among(selection, asked.rows, rows), asked.columns, columns)
            found["cells"] = self._question(narrowed, [*asked.rows, *asked.columns])
        if self._is_sum:
            return found
        other_rows = _unlike(selection, asked.rows, rows)
        other_columns = _unlike(selection, asked.columns, columns)
        if self.rest_rows:
            found["rest row"] = self._question(other_rows, [])
            if columns:
                found["rest row by column"] = self._question(
                    _among(other_rows, asked.columns, columns), asked.columns
                )
        if self.rest_columns:
            found["rest column"] = self._question(other_columns, [])
            found["rest column by row"] = self._question(_among(other_columns, asked.rows, rows), asked.rows)
        if self.rest_rows and self.rest_columns:
            both = _unlike(other_rows, asked.columns, columns)
            found["rest of both"] = self._question(both, [])
        return found

    def _question(self, selection: Selection, by: Sequence[str]) -> Question:
        return selection.question(by=by, measures=self._names, order="calls")

    def fill(self, answers: Mapping[str, Answer]) -> None:
        """Take in the answers to `inner_questions`."""
        width = len(self._asked.rows)
        for name, answer in answers.items():
            for row in answer.rows:
                keys, cell = tuple(row.keys), self._cell(row.values)
                match name:
                    case "cells":
                        self._cells[keys[:width], keys[width:]] = cell
                    case "rest row by column":
                        self._cells[None, keys] = cell
                    case "rest column by row":
                        self._cells[keys, None] = cell
                    case "rest of both":
                        self._cells[None, None] = cell
                    case "rest row":
                        self._row_totals[None] = cell
                    case _:
                        self._column_totals[None] = cell

    def pivot(self, seq: int) -> Pivot:
        """Return the whole table."""
        rows: list[Keys | None] = [key for key in self._row_totals if key is not None]
        columns: list[Keys | None] = [key for key in self._column_totals if key is not None]
        if self._is_sum:
            self._subtract(rows, columns)
        if self.rest_rows:
            rows.append(None)
        shown = [*columns, None] if self.rest_columns else columns
        lines = [
            Line(
                row,
                [self._cells.get((row, column), self._nothing) for column in shown],
                self._row_totals[row],
            )
            for row in rows
        ]
        totals = [self._column_totals[column] for column in shown]
        named = [column for column in columns if column is not None]
        return Pivot(seq, named, lines, totals, self._total, self.rest_rows, self.rest_columns)

    @property
    def _nothing(self) -> Cell:
        return Cell(0 if self._is_sum or MEASURES[self._asked.measure].kind == "distinct" else None)

    def _subtract(self, rows: list[Keys | None], columns: list[Keys | None]) -> None:
        """Find what is left of sums."""
        if self.rest_columns:
            self._column_totals[None] = _less(self._total, [self._column_totals[key] for key in columns])
            for row in rows:
                known = [self._cells.get((row, column), self._nothing) for column in columns]
                self._cells[row, None] = _less(self._row_totals[row], known)
        if self.rest_rows:
            self._row_totals[None] = _less(self._total, [self._row_totals[key] for key in rows])
            for column in [*columns, *([None] if self.rest_columns else [])]:
                known = [self._cells.get((row, column), self._nothing) for row in rows]
                self._cells[None, column] = _less(self._column_totals[column], known)


def _less(total: Cell, cells: Sequence[Cell]) -> Cell:
    return Cell(
        (total.value or 0) - sum(cell.value or 0 for cell in cells),
        total.calls - sum(cell.calls for cell in cells),
        total.unpriced_calls - sum(cell.unpriced_calls for cell in cells),
    )


def _among(selection: Selection, names: Sequence[str], keys: Sequence[Keys | None]) -> Selection:
    """Narrow a selection to these values of each dimension: more than their combinations, never less."""
    where = dict(selection.where)
    for index, name in enumerate(names):
        if name == "model" and selection.families:
            continue  # a name there stands for others as well
        where[name] = list(dict.fromkeys(key[index] or "" for key in keys if key is not None))
    return msgspec.structs.replace(selection, where=where)


def _unlike(selection: Selection, names: Sequence[str], keys: Sequence[Keys | None]) -> Selection:
    """Leave out the calls that have one of these combinations of values."""
    if len(names) == 1:
        left_out = [{names[0]: [key[0] or "" for key in keys if key is not None]}]
    else:
        left_out = [
            {name: [value or ""] for name, value in zip(names, key, strict=True)}
            for key in keys
            if key is not None
        ]
    return msgspec.structs.replace(selection, unless=[*selection.unless, *left_out])
