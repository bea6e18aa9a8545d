"""The rows of an exported file, one after another: CSV, JSON lines, or a JSON list."""

from __future__ import annotations

import csv
import io
import mmap
import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from farebox.errors import UsageError
from farebox.histories.lines import LINE_BYTES_MAX, UNREADABLE, open_file

Row = dict[str, Any]
"""Names to values. In CSV all of them are text; numbers with a point are `Decimal`s, never floats."""

_SPACE = b" \t\r\n\xef\xbb\xbf"
_DELIMITERS = ",;\t"
_TOO_LONG = "longer than 16 MiB"
_NO_TEXT = (
    (b"\xff\xfe", "UTF-16, not UTF-8: save it as UTF-8"),
    (b"\xfe\xff", "UTF-16, not UTF-8: save it as UTF-8"),
    (b"\x1f\x8b", "compressed: unpack it first"),
    (b"PK\x03\x04", "a ZIP archive or a spreadsheet: unpack it, or save it as CSV"),
    (b"BZh", "compressed: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed: unpack it first"),
    (b"\xfd7zXZ", "compressed: unpack it first"),
    (b"PAR1", "Parquet: export JSON lines or CSV"),
)
"""How files begin that have rows, but no text."""

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
        with open_file(path) as file:
            begin = file.read(4096)
            head = begin.lstrip(_SPACE)
            file.seek(0)
            wrong = next((words for start, words in _NO_TEXT if begin.startswith(start)), None)
            if wrong is None and not head and os.fstat(file.fileno()).st_size > len(begin):
                wrong = "it begins with nothing but space"
            if wrong is not None:
                yield "file", None, wrong
            elif not head:
                return
            elif head[:1] == b"[" or (head[:1] == b"{" and b'"data"' in head[:64] and _is_wrapped(file)):
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
    except UNREADABLE:
        return True  # one object over several lines
    return not file.read(1) or msgspec.json.decode(line).get("data").__class__ is list


def _listed(file: Any, read: Callable[[int], None]) -> Iterator[tuple[str, Row | None, str]]:
    # Never closed by hand: pieces of it may still be in use, and it is let go of with the last of them.
    content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = next(at for at, byte in enumerate(content[:4096]) if byte not in _SPACE)
    whole = memoryview(content)[start:]
    try:
        items = _decode_list(whole) if content[start] == ord("[") else _decode_wrapped(whole).data
    except UNREADABLE as error:
        yield "file", None, f"not a JSON list: {str(error)[:80]}"
        return
    for number, item in enumerate(items, 1):
        read(len(memoryview(item)))
        yield _decoded(f"item {number}", item)


def _lines(file: Any, read: Callable[[int], None]) -> Iterator[tuple[str, Row | None, str]]:
    number = 0
    while line := file.readline(LINE_BYTES_MAX):
        number += 1
        read(len(line))
        if _is_cut(line, b"\n"):
            for size in _passed_over(file, b"\n"):
                read(size)
            yield f"line {number}", None, _TOO_LONG
        elif line.strip(_SPACE):
            yield _decoded(f"line {number}", line)


def _is_cut(line: Any, end: Any) -> bool:
    return len(line) >= LINE_BYTES_MAX and not line.endswith(end)


def _passed_over(file: Any, end: Any) -> Iterator[int]:
    """Go to the end of a line; yield how much is passed over."""
    while piece := file.readline(LINE_BYTES_MAX):
        yield len(piece)
        if piece.endswith(end):
            return


def _decoded(where: str, text: Any) -> tuple[str, Row | None, str]:
    try:
        return where, _decode_object(bytes(text).strip(_SPACE)), ""
    except UNREADABLE as error:
        return where, None, f"not a JSON object: {str(error)[:80]}"


def _table(file: Any, read: Callable[[int], None]) -> Iterator[tuple[str, Row | None, str]]:
    csv.field_size_limit(LINE_BYTES_MAX)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    too_long: list[int] = []
    try:
        head = text.readline(LINE_BYTES_MAX)
        delimiter = max(_DELIMITERS, key=head.count)
        text.seek(0)
        yield from _records(csv.reader(_short_lines(text, too_long), delimiter=delimiter), read)
        for number in too_long:
            yield f"line {number}", None, _TOO_LONG
    finally:
        text.detach()  # the file is closed by whoever opened it


def _short_lines(text: Any, too_long: list[int]) -> Iterator[str]:
    """Yield the lines of a table; one without an end is empty, and its number noted."""
    number = 0
    while line := text.readline(LINE_BYTES_MAX):
        number += 1
        if _is_cut(line, ("\n", "\r")):
            too_long.append(number)
            for _ in _passed_over(text, ("\n", "\r")):
                pass
            line = "\n"
        yield line


def _records(reader: Any, read: Callable[[int], None]) -> Iterator[tuple[str, Row | None, str]]:
    try:
        first: list[str] | None = next(reader, None)
    except csv.Error as error:
        yield "line 1", None, str(error)
        return
    names = [name.strip() for name in first or ()]
    if not _is_text(names):
        yield "line 1", None, "not UTF-8"
        return
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
        if not _is_text(values):
            yield where, None, "not UTF-8"
            continue
        if len(values) != len(names):
            yield where, None, f"{len(values)} values for {len(names)} columns"
            continue
        yield where, {name: value for name, value in zip(names, values, strict=True) if value != ""}, ""


def _is_text(values: list[str]) -> bool:
    try:
        "".join(values).encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8 were read as surrogates
        return False
    return True
