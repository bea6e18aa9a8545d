"""Rows as a Parquet file, written by a process of its own: JSON lines go in, the file comes out.

DuckDB takes tens of megabytes that stay, so neither the server nor a command loads it for a file. Nothing
is written to disk: rows of any number pass through.

`python -m farebox.analytics.parquet '{"name": "VARCHAR"}'` is that process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from typing import BinaryIO

import msgspec

from farebox.errors import QuestionError

CHUNK = 1 << 16
_NO_ROW = b"\nthese are not all rows\n"
"""Ends the writing without the file's end."""


class ParquetProcess:
    """Writes one file with these columns; each has a type of DuckDB's."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._columns = msgspec.json.encode(columns).decode()

    async def stream(self, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the file's bytes. `lines` are rows as JSON objects, a line each.

        What keeps rows from coming ends the file without its end, so that no reader takes it for a whole one,
        and is raised.

        Raises:
            QuestionError: It cannot be written.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "farebox.analytics.parquet",
            self._columns,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdin and process.stdout and process.stderr  # noqa: S101 - they are pipes
        feeding = asyncio.ensure_future(_feed(process.stdin, lines))
        saying = asyncio.ensure_future(process.stderr.read())
        try:
            while chunk := await process.stdout.read(CHUNK):
                yield chunk
            failed = await process.wait() != 0
            await feeding  # it has nobody to write to any more
            if failed:
                words = (await saying).decode(errors="replace").rpartition("\n_duckdb.")[2].split("\n")[0]
                raise QuestionError(f"the Parquet file cannot be written: {words}")
        finally:
            feeding.cancel()
            saying.cancel()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            # Or asyncio prints what they raised.
            await asyncio.gather(feeding, saying, return_exceptions=True)


async def _feed(target: asyncio.StreamWriter, lines: AsyncIterator[bytes]) -> None:
    try:
        async for piece in lines:
            target.write(piece)
            await target.drain()
    except (BrokenPipeError, ConnectionResetError):
        return  # it has ended, and says why
    except Exception:
        target.write(_NO_ROW)
        raise
    finally:
        target.close()


def write(columns: Mapping[str, str]) -> None:
    """Write standard input's rows to standard output as a Parquet file."""
    import duckdb

    connection = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "256MB"})
    said = ", ".join(f"{_quoted(name)}: {_quoted(kind)}" for name, kind in columns.items())
    # DuckDB opens what it reads and writes by name. Standard streams may be sockets, which have none.
    (rows, rows_in), (file_out, file) = os.pipe(), os.pipe()
    reading = _copying(sys.stdin.buffer, os.fdopen(rows_in, "wb"))
    writing = _copying(os.fdopen(file_out, "rb"), sys.stdout.buffer)
    try:
        rows_of = f"read_json('/dev/fd/{rows:d}', format='newline_delimited', columns={{{said}}})"
        form = "FORMAT parquet, COMPRESSION zstd"
        connection.execute(f"COPY (SELECT * FROM {rows_of}) TO '/dev/fd/{file:d}' ({form})")  # noqa: S608
    finally:
        os.close(file)
        os.close(rows)
    reading.join()
    writing.join()


def _copying(source: BinaryIO, target: BinaryIO) -> threading.Thread:
    def copy() -> None:
        with contextlib.suppress(BrokenPipeError), target:
            shutil.copyfileobj(source, target)

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    return thread


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    write(msgspec.json.decode(sys.argv[1], type=dict[str, str]))
