"""Rows × columns × a measure in the API's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from farebox.analytics import pivot as pivots
from farebox.analytics.dimensions import DIMENSIONS, MEASURES, is_tag, unit_of
from farebox.server.api.coverage.coverage_views import Coverage
from farebox.server.api.errors import invalid_parameter
from farebox.server.api.filters import Selection, read_choice, read_count
from farebox.server.api.lists.rows import FILE, Record
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
ROWS_EXPORTED, COLUMNS_EXPORTED = 5_000, 200
"""How many a file has at most."""
REST = "everything else"


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
    rows_max, columns_max = (ROWS_EXPORTED, COLUMNS_EXPORTED) if FILE.name in query else (ROWS, COLUMNS)
    return pivots.Asked(
        selection=selection.asked,
        rows=rows,
        columns=columns,
        measure=read_choice(query, "measure", tuple(MEASURES), "cost_pico"),
        ascending=read_choice(query, "order", ORDERS, "desc") == "asc",
        rows_max=read_count(query, "limit", low=1, high=ROWS_MAX, default=rows_max) or rows_max,
        columns_max=read_count(query, "columns_limit", low=1, high=COLUMNS_MAX, default=columns_max)
        or columns_max,
    )


def pivot_columns(found: Pivot) -> dict[str, Literal["text", "number", "flag"]]:
    """Return the columns of a table as a file: its rows' dimensions, then a figure each."""
    kind = "text" if found.unit == "pico" else "number"
    names = [*dict.fromkeys(_figure_names(found))]
    return {
        **dict.fromkeys(found.rows, "text"),
        "calls": "number",
        "at_least": "flag",
        **dict.fromkeys(names, kind),
    }


def pivot_records(found: Pivot) -> list[Record]:
    """Return the rows of a table as a file, everything else last."""
    names, text = _figure_names(found), found.unit == "pico"
    return [
        {
            **dict(zip(found.rows, line.keys or [REST] * len(found.rows), strict=True)),
            "calls": line.total.calls,
            "at_least": line.total.at_least or any(cell.at_least for cell in line.cells),
            **{
                name: cell.value if text or cell.value is None else int(cell.value)
                for name, cell in zip(names, (line.total, *line.cells), strict=True)
            },
        }
        for line in found.lines
    ]


def _figure_names(found: Pivot) -> list[str]:
    """Return a name for each figure of a line: no value of a dimension makes two alike."""
    heads = [", ".join("none" if key is None else key for key in keys) for keys in found.column_keys]
    names = [
        found.measure,
        *(f"{found.measure} {head}" for head in [*heads, *([REST] if found.rest_columns else [])]),
    ]
    return [name if names.index(name) == at else f"{name} ({at})" for at, name in enumerate(names)]


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
