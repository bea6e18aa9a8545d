"""Which rows of a response are a list: what identifies one, how many a page has, an export's columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Literal, NamedTuple, TypeVar, get_args

import msgspec

from farebox.server.api.parameters import Choice, Count, Parameter, Text

Format = Literal["csv", "json", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
PAGE_SIZE = 500
PAGE_SIZE_MAX = 1_000

Shown = TypeVar("Shown", bound=msgspec.Struct)

CURSOR = Text(name="cursor", about="Where to go on: the `next_cursor` of a response to the same request.")
FORMAT: Choice[Format] = Choice(
    name="format",
    about="All rows as a file instead of a page: CSV, a JSON array, or Parquet.",
    words=FORMATS,
)


class Column(NamedTuple):
    """A column of an export."""

    name: str
    kind: Literal["text", "number", "flag", "json"]
    of: Callable[[Any], Any]
    """The value of a row."""


class Rows(msgspec.Struct, frozen=True):
    """The list in a response."""

    field: str
    """Which field of the response it is."""
    key: tuple[str, ...] = ()
    """Fields that identify a row; none where the handler makes the pages by itself."""
    size: int = PAGE_SIZE
    size_max: int = PAGE_SIZE_MAX
    export_size: int = 2_000
    """How many rows an export asks a handler for at a time that makes pages by itself."""
    columns: Callable[[Any], Sequence[Column]] | None = None
    """The columns of a response's rows; None: those of the row's struct."""

    def parameters(self) -> tuple[Parameter, ...]:
        """Return the parameters that every list has."""
        return (self.limit, CURSOR, FORMAT)

    @property
    def limit(self) -> Count:
        """How many rows a page has; of an export, how many at most."""
        about = "How many rows a page has; with `format`, how many the file has at most."
        return Count(name="limit", about=about, low=1, high=self.size_max, default=self.size)


FILE: Choice[Format] = Choice(
    name="format", about="The figures as a file: CSV, a JSON array, or Parquet.", words=FORMATS
)

Record = dict[str, str | int | bool | None]
"""A row of a file by the names of its columns."""


class Table(msgspec.Struct, frozen=True):
    """How a response without pages is a file: all of its figures, a row each."""

    columns: Callable[[Any], Mapping[str, Literal["text", "number", "flag"]]]
    """The columns of a response, by name."""
    rows: Callable[[Any], Sequence[Record]]


class Paged(NamedTuple, Generic[Shown]):
    """A page that the handler has made, and where the next one begins."""

    shown: Shown
    next: Sequence[int | str | None] | None
