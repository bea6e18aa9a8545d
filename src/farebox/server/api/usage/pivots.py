"""Rows × columns × a measure in the API's shape."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from farebox.analytics import pivot as pivots
from farebox.analytics.dimensions import DIMENSIONS, MEASURES, is_tag, unit_of
from farebox.server.api.coverage.coverage_views import Coverage
from farebox.server.api.errors import invalid_parameter
from farebox.server.api.filters import Selection, read_choice, read_count
from farebox.server.api.queries import Sources
from farebox.server.api.spending import reports
from farebox.server.api.spending import spend_views as views

ROWS_MAX = 200
COLUMNS_MAX = 20
ROWS, COLUMNS = 50, 8
"""How many without being asked."""
NAMES_MAX = 3
"""How many dimensions make a row, or a column."""
ORDERS = ("desc", "asc")


class PivotCell(msgspec.Struct, kw_only=True):
    """The measure over the calls of one row and one column."""

    value: views.Text | None
    """A whole number in the table's unit; None where there is no call to find it among."""
    at_least: bool
    """Some calls have no cost yet: an amount is a lower bound."""
    calls: int
    unpriced_calls: int


class PivotLine(msgspec.Struct, kw_only=True):
    """A row; or what is left of all rows."""

    keys: list[str | None]
    """One value for each dimension of the rows; empty for everything else."""
    is_rest: bool
    cells: list[PivotCell]
    """One a column, and one for everything else where there are more columns."""
    total: PivotCell


class Pivot(msgspec.Struct, kw_only=True):
    """`GET /api/v1/pivot`: one measure, broken down by rows and columns."""

    span: views.Span
    rows: list[str]
    columns: list[str]
    measure: str
    unit: str
    """`pico` (dollars × 10¹²), `us`, `ns`, `permille`, `per_minute` or `count`."""
    adds_up: bool
    """A sum: the cells of a line add up to its total, and the lines to the totals of the columns."""
    column_keys: list[list[str | None]]
    lines: list[PivotLine]
    totals: list[PivotCell]
    total: PivotCell
    rest_rows: int
    """How many rows the last line stands for; 0 where there is none."""
    rest_columns: int
    coverage: Coverage


def read_pivot(selection: Selection, query: Mapping[str, str]) -> pivots.Asked:
    """Return the table that a request asks for."""
    rows, columns = _names("rows", query.get("rows", "model")), _names("columns", query.get("columns", ""))
    if not rows:
        raise invalid_parameter("rows", "", [*DIMENSIONS, "tag.NAME"])
    if set(rows) & set(columns):
        raise invalid_parameter("columns", ",".join(columns), ["other dimensions than the rows'"])
    return pivots.Asked(
        selection=selection.asked,
        rows=rows,
        columns=columns,
        measure=read_choice(query, "measure", tuple(MEASURES), "cost_pico"),
        ascending=read_choice(query, "order", ORDERS, "desc") == "asc",
        rows_max=read_count(query, "limit", low=1, high=ROWS_MAX, default=ROWS) or ROWS,
        columns_max=read_count(query, "columns_limit", low=1, high=COLUMNS_MAX, default=COLUMNS) or COLUMNS,
    )


def pivot(sources: Sources, selection: Selection, asked: pivots.Asked, cover: reports.Cover) -> Pivot:
    """Return the table."""
    found = pivots.pivot(sources.questions, asked)
    money = unit_of(asked.measure) == "pico"
    covered = cover(sources.reader, selection.window.since_ns, selection.window.until_ns)

    def cell(of: pivots.Cell) -> PivotCell:
        return PivotCell(
            value=None if of.value is None else str(of.value),
            at_least=money and (of.unpriced_calls > 0 or not covered.complete),
            calls=of.calls,
            unpriced_calls=of.unpriced_calls,
        )

    return Pivot(
        span=reports.span_of(selection),
        rows=list(asked.rows),
        columns=list(asked.columns),
        measure=asked.measure,
        unit=unit_of(asked.measure),
        adds_up=MEASURES[asked.measure].kind == "sum",
        column_keys=[list(keys) for keys in found.columns],
        lines=[
            PivotLine(
                keys=list(line.keys or ()),
                is_rest=line.keys is None,
                cells=list(map(cell, line.cells)),
                total=cell(line.total),
            )
            for line in found.lines
        ],
        totals=list(map(cell, found.totals)),
        total=cell(found.total),
        rest_rows=found.rest_rows,
        rest_columns=found.rest_columns,
        coverage=covered,
    )


def _names(parameter: str, text: str) -> list[str]:
    names = text.split(",") if text else []
    known = all(name in DIMENSIONS or is_tag(name) for name in names)
    if not known or len(set(names)) != len(names) or len(names) > NAMES_MAX:
        raise invalid_parameter(parameter, text, [f"1 to {NAMES_MAX} of", *DIMENSIONS, "tag.NAME"])
    return names
