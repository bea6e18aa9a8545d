"""Everything that is kept, as one stream of JSON lines that any program can read: `farebox export --all`.

    {"schema": "farebox.everything/1", "figures": {…}, "control_schema": "0001", …}
    {"table": "call", "row": {"seq": 1, "event_id": "<base64>", …}}
    …
    {"table": "control.key_label", "row": {…}}
    {"end": {"lines": 12345, "sha256": "…"}}

A row has the columns of its table (`ledger/schema.sql`, `control/schema.py`); binary values are base64,
whole numbers may have 64 bits. Receipts are in `block.detail` as the record keeps them, so that its chain
still holds; in plain JSON they are what `farebox export` writes. Without its end a stream is not whole.
"""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import msgspec

import farebox
from farebox.backup.figures import Figures, read_figures
from farebox.clock import iso, now_ns
from farebox.errors import BackupError, UsageError
from farebox.home import Home
from farebox.ledger.database import SCHEMA_VERSION, Connection, open_reader

SCHEMA = "farebox.everything/1"
CONTROL = "control."
"""Before the names of tables of the control database."""

LEFT_OUT = ("applied", "pending")
"""Places in this home's journals, and calls that have not ended: nothing to another home."""

_LINE_BYTES_MAX = 64 << 20
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ROWS_TOLD = 5_000
CHUNK_BYTES_MAX = 8 << 20
"""Of rows that are held at once: compressed, lines of many megabytes cost a stream next to nothing."""

Told = Callable[[str, int, int], None]
Line = tuple[str, dict[str, Any]]
"""A table's name and one of its rows, binary values as bytes where the record has them."""

Sized = tuple[str, dict[str, Any], int]
"""Likewise, with the bytes of its line."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line."""

    schema: str = SCHEMA
    created_at: str
    farebox: str
    ledger_schema: int
    control_schema: str | None
    """None: there is no control database."""
    figures: Figures


class End(msgspec.Struct, frozen=True):
    """The last line's content."""

    lines: int
    sha256: str
    """Of every byte before this line, before compression."""


class _Row(msgspec.Struct, frozen=True, omit_defaults=True):
    table: str | None = None
    row: dict[str, str | int | float | None] = {}
    end: End | None = None


UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What damaged JSON raises: the second is bytes that are no UTF-8."""

_encode = msgspec.json.Encoder().encode
_decode_row = msgspec.json.Decoder(_Row).decode


def write_file(home: Home, file: Path, told: Told) -> Head:
    """Write all of `home` to `file`, compressed where its name ends in `.zst`; whole, or not at all."""
    file = file.expanduser().absolute()
    if not file.parent.is_dir():
        raise UsageError(f"{file} cannot be written: there is no directory {file.parent}")
    partial = file.with_name(f".{file.name}.partial-{os.getpid()}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as raw:
            with _compressed(raw) if file.suffix == ".zst" else contextlib.nullcontext(raw) as out:
                head = _write(home, out, told)
            raw.flush()
            os.fsync(raw.fileno())
        partial.replace(file)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return head


def _write(home: Home, out: IO[bytes], told: Told) -> Head:
    from farebox.control import transfer

    digest, lines = sha256(), 0

    def put(line: object) -> None:
        nonlocal lines
        content = _encode(line) + b"\n"
        digest.update(content)
        out.write(content)
        lines += 1

    with transfer.dumped(home) as control:
        connection = open_reader(home)
        try:
            with connection if connection is not None else contextlib.nullcontext():
                figures = read_figures(connection) if connection is not None else Figures()
                head = Head(
                    created_at=iso(now_ns()),
                    farebox=farebox.__version__,
                    ledger_schema=SCHEMA_VERSION,
                    control_schema=control.revision if control is not None else None,
                    figures=figures,
                )
                put(head)
                if connection is not None:
                    for table, row in _record_rows(connection, figures, told):
                        put(_Row(table, row))
        finally:
            if connection is not None:
                connection.close()
        if control is not None:
            for table, row in control.rows:
                put(_Row(CONTROL + table, row))
    out.write(_encode(_Row(end=End(lines, digest.hexdigest()))) + b"\n")
    return head


def _record_rows(connection: Connection, figures: Figures, told: Told) -> Iterator[Line]:
    done = 0
    for table in record_tables(connection):
        # A name of our own schema, as SQLite says it.
        cursor = connection.execute(f'SELECT * FROM "{table}" ORDER BY 1')  # noqa: S608
        columns = list(columns_of(connection, table))
        for values in cursor:
            row = dict(zip(columns, values, strict=True))
            for name, value in row.items():
                if isinstance(value, bytes):
                    row[name] = base64.b64encode(value).decode()
            yield table, row
            if table == "call":
                done += 1
                if done % _ROWS_TOLD == 0 or done == figures.seq:
                    told("writing", done, figures.seq)


def record_tables(connection: Connection) -> list[str]:
    """Return the tables of a record that go with it wherever it goes."""
    names = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' "
        "ORDER BY rowid"
    )
    return [name for (name,) in names if name not in LEFT_OUT]


def columns_of(connection: Connection, table: str) -> dict[str, str]:
    """Return a table's columns and their types."""
    found = connection.execute("SELECT name, type FROM pragma_table_info(?) ORDER BY cid", (table,))
    return dict(found)


def chunked(rows: Iterable[Sized], number: int) -> Iterator[list[dict[str, Any]]]:
    """Yield rows in lists of at most `number`, and of few megabytes."""
    chunk: list[dict[str, Any]] = []
    held = 0
    for _, row, size in rows:
        chunk.append(row)
        held += size
        if len(chunk) == number or held > CHUNK_BYTES_MAX:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk


@contextlib.contextmanager
def opened(file: Path) -> Generator[tuple[Head, Iterator[Sized]]]:
    """Return a stream's head and its rows. Reading them to the end checks that all of it is there.

    Raises:
        BackupError: It is none, of a newer Farebox, damaged, or cut short: with the line.
    """
    try:
        raw = file.open("rb")
    except OSError as error:
        raise BackupError(f"{file} cannot be read: {error.strerror}") from None
    with raw:
        compressed = raw.peek(4)[:4] == _ZSTD_MAGIC
        with _decompressed(raw) if compressed else contextlib.nullcontext(raw) as stream:
            reader = _Reader(file, stream)
            yield reader.head(), reader.rows()


class _Reader:
    def __init__(self, file: Path, stream: IO[bytes]) -> None:
        self._file = file
        self._stream = stream
        self._digest = sha256()
        self._lines = 0

    def head(self) -> Head:
        line = self._next()
        try:
            head = msgspec.json.decode(line, type=Head)
        except UNREADABLE as error:
            raise self._wrong(f"it is not what `farebox export --all` writes ({error})") from None
        if head.schema != SCHEMA:
            raise self._wrong(
                f"schema: found {head.schema}, expected {SCHEMA}; use the Farebox that wrote it"
            )
        if head.ledger_schema > SCHEMA_VERSION:
            raise self._wrong(
                f"ledger_schema: found {head.ledger_schema}, this Farebox knows {SCHEMA_VERSION}; use the "
                "Farebox that wrote it, or a newer one"
            )
        return head

    def rows(self) -> Iterator[Sized]:
        while True:
            before = self._digest.hexdigest()
            lines = self._lines
            try:
                line = self._next()
                row = _decode_row(line)
            except UNREADABLE as error:
                raise self._wrong(f"it is damaged ({error})") from None
            if row.end is not None:
                if row.end != End(lines, before):
                    raise self._wrong("the lines before it are not those that were written")
                return
            if row.table is None:
                raise self._wrong("table: found nothing, expected a table's name")
            yield row.table, row.row, len(line)

    def wrong(self, why: str) -> BackupError:
        """Return what is wrong with the line that was read last."""
        return self._wrong(why)

    def _next(self) -> bytes:
        try:
            line = self._stream.readline(_LINE_BYTES_MAX)
        except Exception as error:  # zstandard's, of a damaged stream
            raise self._wrong(f"it cannot be read ({error})") from None
        if not line.endswith(b"\n"):
            raise self._wrong("it ends too early: it was cut short, or its writing was interrupted")
        self._digest.update(line)
        self._lines += 1
        return line

    def _wrong(self, why: str) -> BackupError:
        return BackupError(f"{self._file}:{self._lines or 1}: {why}")


def _compressed(raw: IO[bytes]) -> Any:
    import zstandard

    return zstandard.ZstdCompressor(level=6, write_checksum=True).stream_writer(raw, closefd=False)


@contextlib.contextmanager
def _decompressed(raw: IO[bytes]) -> Generator[IO[bytes]]:
    import io

    import zstandard

    with zstandard.ZstdDecompressor().stream_reader(raw, closefd=False) as stream:
        yield io.BufferedReader(stream)  # type: ignore[arg-type] - a raw stream in all but its type
