"""The rows of an exported file, one after another: CSV, JSON lines, or a JSON list."""

from __future__ import annotations

import csv
import io
import mmap
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from farebox.errors import UsageError

Row = dict[str, Any]
"""Names to values. In CSV all of them are text; numbers with a point are `Decimal`s, never floats."""

_FIELD_BYTES_MAX = 64 << 20
_SPACE = b" \t\r\n\xef\xbb\xbf"
_DELIMITERS = ",;\t"

_decode_object = msgspec.json.Decoder(Row, float_hook=Decimal).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class _Wrapped(msgspec.Struct):
    """What APIs return lists in."""

    data: list[msgspec.Raw]


_decode_wrapped = msgspec.json.Decoder(_Wrapped).decode


def rows(path: Path, read: Callable[[int], None]) -> Iterator[tuple[str, Row | None, str]]:
    """Yield where each row stands, the row (None where it is none), and what is wrong with it.

    `read` is told how many bytes were read, again and again.

    Raises:
        UsageError: The file cannot be read, or is nothing that has rows.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096).lstrip(_SPACE)
            file.seek(0)
            if not head:
                return
            if head[:1] == b"[" or (head[:1] == b"{" and b'"data"' in head[:64] and _is_wrapped(file)):
                yield from _listed(file, read)
            elif head[:1] == b"{":
                yield from _lines(file, read)
            else:
                yield from _table(file, read)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None


def _is_wrapped(file: Any) -> bool:
    line = file.readline(1 << 20)
    file.seek(0)
    try:
        _decode_object(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return True  # one object over several lines
    return not file.read(1) or msgspec.json.decode(line).get("data").__class__ is list


def _listed(file: Any, read: Callable[[int], None]) -> Iterator[tuple[str, Row | None, str]]:
    # Never closed by hand: pieces of it may still be in use, and it is let go of with the last of them.
    content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = next(at for at, byte in enumerate(content[:4096]) if byte not in _SPACE)
    whole = memoryview(content)[start:]
    try:
        items = _decode_list(whole) if content[start] == ord("[") else _decode_wrapped(whole).data
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        yield "file", None, f"not a JSON list: {str(error)[:80]}"
        return
    for number, item in enumerate(items, 1):
        read(len(memoryview(item)))
        yield _decoded(f"item {number}", item)


def _lines(file: Any, read: Callable[[int], None]) -> Iterator[tuple[str, Row | None, str]]:
    for number, line in enumerate(file, 1):
        read(len(line))
        if line.strip(_SPACE):
            yield _decoded(f"line {number}", line)


def _decoded(where: str, text: Any) -> tuple[str, Row | None, str]:
    try:
        return where, _decode_object(bytes(text).strip(_SPACE)), ""
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return where, None, f"not a JSON object: {str(error)[:80]}"


def _table(file: Any, read: Callable[[int], None]) -> Iterator[tuple[str, Row | None, str]]:
    csv.field_size_limit(_FIELD_BYTES_MAX)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
    try:
        head = text.readline()
        delimiter = max(_DELIMITERS, key=head.count)
        text.seek(0)
        yield from _records(csv.reader(text, delimiter=delimiter), read)
    finally:
        text.detach()  # the file is closed by whoever opened it


def _records(reader: Any, read: Callable[[int], None]) -> Iterator[tuple[str, Row | None, str]]:
    first: list[str] | None = next(reader, None)
    names = [name.strip() for name in first or ()]
    if len(names) < 2 or len(set(names)) < len(names):
        yield "line 1", None, "no row of different column names"
        return
    while True:
        where = f"line {reader.line_num + 1}"
        try:
            values: list[str] | None = next(reader, None)
        except csv.Error as error:
            yield where, None, str(error)
            continue
        if values is None:
            return
        read(sum(map(len, values)) + len(values))
        if not any(values):
            continue
        if len(values) != len(names):
            yield where, None, f"{len(values)} values for {len(names)} columns"
            continue
        yield where, {name: value for name, value in zip(names, values, strict=True) if value != ""}, ""
