"""The columns of an export, made from the struct of its rows: nested structs become columns of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import msgspec
from msgspec import inspect as shapes

from farebox.server.api.lists.rows import Column

Kind = Literal["text", "number", "flag", "json"]


def columns_of(
    row: type[msgspec.Struct], of: Callable[[Any], Any] = lambda row: row, *, prefix: str = ""
) -> list[Column]:
    """Return the columns of a struct; `of` takes the struct out of a row, which may have none."""
    shape = shapes.type_info(row)
    assert isinstance(shape, shapes.StructType)  # noqa: S101 - what a struct's shape is
    return [column for field in shape.fields for column in _columns(field, of, prefix)]


def _columns(field: shapes.Field, of: Callable[[Any], Any], prefix: str) -> Iterator[Column]:
    def value(row: Any) -> Any:
        holder = of(row)
        return None if holder is None else getattr(holder, field.name)

    name, shape = f"{prefix}{field.encode_name}", _not_none(field.type)
    if isinstance(shape, shapes.StructType):
        yield from columns_of(shape.cls, value, prefix=f"{name}_")
        return
    kind = _KINDS.get(type(shape), "json")

    def json(row: Any) -> str | None:
        return _json(value(row))

    yield Column(name, kind, json if kind == "json" else value)


_KINDS: dict[type[shapes.Type], Kind] = {
    shapes.StrType: "text",
    shapes.LiteralType: "text",
    shapes.DateType: "text",
    shapes.DecimalType: "text",
    shapes.IntType: "number",
    shapes.BoolType: "flag",
}


def _not_none(shape: shapes.Type) -> shapes.Type:
    if isinstance(shape, shapes.UnionType):
        others = [each for each in shape.types if not isinstance(each, shapes.NoneType)]
        if len(others) == 1:
            return others[0]
    return shape


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def cells(row: Any, columns: Sequence[Column]) -> list[Any]:
    """Return the values of a row."""
    return [column.of(row) for column in columns]
