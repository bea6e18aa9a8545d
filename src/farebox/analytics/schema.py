"""The replica's tables, made from the declared dimensions."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from farebox.analytics.dimensions import DIMENSIONS, RETRY, TAG, VERIFIED, Dimension
from farebox.ledger.cost_classes import CLASSES, COSTS
from farebox.ledger.feed import CLASS_COLUMNS, ROW_COLUMNS, Attribution, Batch

STORAGE_VERSION = "v1.2.0"
"""Written by DuckDB 2.0 it is read by 1.3; the versions after it are not (tried)."""

FORMAT = 6
"""Of these tables: a replica of another one is made again."""

_SQL_TYPE = {"text": "VARCHAR", "number": "SMALLINT", "flag": "BOOLEAN"}
_ROW_TYPE = {"event_id": "BLOB", "sign": "TINYINT", "revision": "INTEGER", "parent_step": "VARCHAR"}
_NOT_COPIED = ("source", "call_class", "attribution", "step")
"""Columns of a row that are a number of something else, or a dimension."""

ROW = [name for name in ROW_COLUMNS if name not in _NOT_COPIED]
_STORED = [each for each in DIMENSIONS.values() if not each.expression]
_OF_CLASS = [each for each in _STORED if each.origin == "class"]
_OF_ATTRIBUTION = [each for each in _STORED if each.origin == "attribution"]

COLUMNS: dict[str, str] = {
    **{name: _ROW_TYPE.get(name, "BIGINT") for name in ROW},
    "reversed_by": "BIGINT",
    **dict.fromkeys(COSTS, "BIGINT"),
    **{each.name: _SQL_TYPE[each.kind] for each in _STORED},
    "billable": "BOOLEAN",
    "tags": "MAP(VARCHAR, VARCHAR)",
}
"""Column to type of `calls`: a row of the record with everything it refers to in it."""

COMPARED = {**{name: name for name in ROW}, "cost_classes_pico": " + ".join(CLASSES[:-1])}
"""What `farebox verify` can have added up, and its SQL. The classes of a cost have to add up to it."""

_DECLARED = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
CREATE = f"""
CREATE TABLE calls ({_DECLARED});
CREATE TABLE model_pair (model VARCHAR, request_model VARCHAR);
CREATE TABLE cursor (format INTEGER, seq BIGINT, event_id BLOB, first_event_id BLOB, erasure BIGINT);
INSERT INTO cursor VALUES ({FORMAT:d}, 0, NULL, NULL, 0);
"""  # noqa: S608 - identifiers are declared ones


ROW_TYPES = {**dict.fromkeys(ROW_COLUMNS, "BIGINT"), **_ROW_TYPE, "step": "VARCHAR"}
_PARTS: dict[str, dict[str, str]] = {
    "r": {
        **{name: ROW_TYPES[name] for name in ROW_COLUMNS},
        **dict.fromkeys(COSTS, "BIGINT"),
        RETRY: _SQL_TYPE["flag"],
    },
    "s": {"id": "BIGINT", "name": "VARCHAR"},
    "c": {"id": "BIGINT", **{each.name: _SQL_TYPE[each.kind] for each in _OF_CLASS}, "billable": "BOOLEAN"},
    "a": {
        "id": "BIGINT",
        **{each.name: _SQL_TYPE[each.kind] for each in _OF_ATTRIBUTION},
        "names": "VARCHAR[]",
        "values": "VARCHAR[]",
    },
}
"""What a batch consists of, by alias: rows, sources, classes, attributions."""


def insertion(batch: Batch) -> tuple[str, list[object]]:
    """Return the statement that appends a batch, and its parameters: a list for each column.

    The join runs inside the engine, so that values shared by many calls are passed once a batch; a column
    with one value is passed as that value.
    """
    columns = columns_of(batch)
    constant = tuple(column.count(column[0]) == len(column) for column in columns[: len(_PARTS["r"])])
    values: list[object] = [
        column[0] if index < len(constant) and constant[index] else column
        for index, column in enumerate(columns)
    ]
    return _insert(constant), values


@functools.cache
def _insert(constant: tuple[bool, ...]) -> str:
    number = 0
    parts: list[str] = []
    for alias, columns in _PARTS.items():
        terms: list[str] = []
        for name, kind in columns.items():
            number += 1
            one = number <= len(constant) and constant[number - 1]
            terms.append(
                f'${number:d}::{kind} AS "{name}"' if one else f'unnest(${number:d}::{kind}[]) AS "{name}"'
            )
        parts.append(f"(SELECT {', '.join(terms)}) AS {alias}")
    alias_of = {"row": "r", "detail": "r", "class": "c", "attribution": "a"}
    select = [
        *(f'r."{name}"' for name in ROW),
        "NULL",
        *(f'r."{name}"' for name in COSTS),
        *(
            "s.name" if each.origin == "source" else f'{alias_of[each.origin]}."{each.name}"'
            for each in _STORED
        ),
        "c.billable",
        'map(a."names", a."values")',
    ]
    rows, sources, classes, attributions = parts
    return (
        f"INSERT INTO calls SELECT {', '.join(select)} FROM {rows} "  # noqa: S608
        f"JOIN {sources} ON s.id = r.source JOIN {classes} ON c.id = r.call_class "
        f"JOIN {attributions} ON a.id = r.attribution"
    )


REVERSE = (
    "UPDATE calls SET reversed_by = r.seq FROM "
    "(SELECT unnest($1::BIGINT[]) AS reverses, unnest($2::BIGINT[]) AS seq) AS r "
    "WHERE calls.seq = r.reverses"
)


def columns_of(batch: Batch) -> list[list[object]]:
    """Return a batch as lists, one for each column of its parts."""
    picked = [_class_index(each) for each in _OF_CLASS] + [CLASS_COLUMNS.index("billable")]
    classes = [(number, *(values[index] for index in picked)) for number, values in batch.classes.items()]
    owners = [_owner(number, owner) for number, owner in batch.attributions.items()]
    return [
        *_columns(batch.rows),
        *_columns(batch.costs),
        list(batch.retries),
        list(batch.sources),
        list(batch.sources.values()),
        *_columns(classes),
        *_columns(owners),
    ]


def tags_of(fields: Mapping[str, str]) -> dict[str, str]:
    """Return an attribution's tags, and what else of it is no dimension."""
    return {
        name.removeprefix(TAG).lower(): value
        for name, value in fields.items()
        if name.startswith(TAG) or name not in DIMENSIONS
    }


def _owner(number: int, owner: Attribution) -> tuple[object, ...]:
    fields, tags = owner.fields, tags_of(owner.fields)
    return (
        number,
        *(owner.verified if each.name == VERIFIED else fields.get(each.name) for each in _OF_ATTRIBUTION),
        list(tags),
        list(tags.values()),
    )


def _class_index(each: Dimension) -> int:
    return CLASS_COLUMNS.index(each.field or each.name)


def _columns(rows: object) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]  # type: ignore[call-overload]
