"""A list as a file: CSV, a JSON array or Parquet, streamed page by page.

Amounts stay the text that they are in JSON. In CSV a text that a spreadsheet would run as a formula is made
harmless. Parquet is written by a process of its own, so that DuckDB is never loaded into the server.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from starlette.responses import StreamingResponse

from farebox.analytics.parquet import ParquetProcess
from farebox.server.api.lists.columns import cells
from farebox.server.api.lists.rows import Column, Format
from farebox.spreadsheets import cell

MEDIA: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
}
_TYPES = {"text": "VARCHAR", "json": "VARCHAR", "number": "BIGINT", "flag": "BOOLEAN"}
_PIECE_ROWS = 500
"""How many rows are put into a file's format at a time: other requests have their turns in between."""


class Export(NamedTuple):
    """What is to be written."""

    name: str
    """What the rows are: the file's name begins with it."""
    columns: Sequence[Column]
    pages: AsyncIterator[Sequence[Any]]


async def export_response(export: Export, format: Format, now_ns: int) -> StreamingResponse:
    """Return the response that streams an export. What fails before its first bytes fails the request."""
    pieces = {"csv": _csv, "json": _json, "parquet": _parquet}[format](export)
    first = await anext(pieces)
    day = datetime.fromtimestamp(now_ns // 10**9, UTC).date()
    return StreamingResponse(
        _from(first, pieces),
        media_type=MEDIA[format],
        headers={
            "cache-control": "no-store",
            "content-disposition": f'attachment; filename="farebox-{export.name}-{day}.{format}"',
        },
    )


async def _from(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece


async def _csv(export: Export) -> AsyncIterator[bytes]:
    yield _lines([[column.name for column in export.columns]])
    async for rows in _pieces(export.pages):
        yield _lines([cell(value) for value in cells(row, export.columns)] for row in rows)


def _lines(rows: Iterator[list[str]] | list[list[str]]) -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue().encode()


async def _json(export: Export) -> AsyncIterator[bytes]:
    before = b"["
    async for rows in _pieces(export.pages):
        yield b"".join(piece for row in rows for piece in (_separator(before, row is rows[0]), _row(row)))
        before = b","
    yield b"]\n" if before == b"," else b"[]\n"


def _separator(before: bytes, is_first: bool) -> bytes:
    return (before if is_first else b",") + b"\n"


def _row(row: Any) -> bytes:
    return msgspec.json.encode(row)


async def _parquet(export: Export) -> AsyncIterator[bytes]:
    columns = {column.name: _TYPES[column.kind] for column in export.columns}
    names = list(columns)

    async def lines() -> AsyncIterator[bytes]:
        async for rows in _pieces(export.pages):
            yield b"".join(
                msgspec.json.encode(dict(zip(names, cells(row, export.columns), strict=True))) + b"\n"
                for row in rows
            )

    async for piece in ParquetProcess(columns).stream(lines()):
        yield piece


async def _pieces(pages: AsyncIterator[Sequence[Any]]) -> AsyncIterator[Sequence[Any]]:
    async for page in pages:
        for start in range(0, len(page), _PIECE_ROWS):
            yield page[start : start + _PIECE_ROWS]
            await asyncio.sleep(0)
