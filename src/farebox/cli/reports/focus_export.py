"""`farebox export --format focus` and `focus-parquet`: costs in FOCUS' columns."""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import AsyncIterator, Iterable

import msgspec

from farebox.exports.focus import COLUMNS, PARQUET
from farebox.spreadsheets import inert


def write_focus_csv(rows: Iterable[dict[str, str | None]]) -> None:
    """Write rows as RFC 4180 CSV with a header; what there is not is empty."""
    writer = csv.writer(sys.stdout, lineterminator="\r\n")
    writer.writerow([each.name for each in COLUMNS])
    for row in rows:
        writer.writerow([inert(row[each.name] or "") for each in COLUMNS])


def write_focus_parquet(rows: Iterable[dict[str, str | None]]) -> None:
    """Write rows as a Parquet file, decimals as decimals."""
    asyncio.run(_write(rows))


async def _write(rows: Iterable[dict[str, str | None]]) -> None:
    from farebox.analytics.parquet import ParquetProcess

    async def lines() -> AsyncIterator[bytes]:
        for row in rows:
            yield msgspec.json.encode(row) + b"\n"

    async for piece in ParquetProcess(PARQUET).stream(lines()):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
