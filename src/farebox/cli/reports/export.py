"""`farebox export`: every call as JSON lines or CSV, streamed, in a documented schema.

The schema is `farebox.ledger.call_row.CallRow`, version `farebox.call/1`; docs/reference/export.md
is made of it. In CSV a text that a spreadsheet would run as a formula is made harmless.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import msgspec
from cyclopts import Parameter

from farebox.cli.access import open_ledger, open_questions, say_what_is_missing
from farebox.cli.exits import OK
from farebox.cli.options import Filters, PeriodFlags, Place, selection_of
from farebox.errors import UsageError
from farebox.ledger.call_row import CallRow
from farebox.spreadsheets import cell, inert
from farebox.wire.facts import LEAVES

if TYPE_CHECKING:
    from farebox.analytics.questions import Selection
    from farebox.home import Home

Format = Literal["jsonl", "csv", "focus", "focus-parquet"]

NESTED = (
    "quantities",
    "attribution",
    "attribution_from",
    "price_ids",
    "price_sources",
    "flags",
    "parts",
    "estimate",
    "corrections",
)
"""Fields that hold more than one value: in CSV, quantities get a column a leaf, the others hold JSON."""


def export(
    *,
    place: Place | None = None,
    period: PeriodFlags | None = None,
    filters: Filters | None = None,
    format: Annotated[
        Format,
        Parameter(
            help="Calls as JSON lines or as CSV for spreadsheets; or costs by day in FOCUS' columns, CSV or "
            "Parquet."
        ),
    ] = "jsonl",
    everything: Annotated[
        Path | None,
        Parameter(
            name="--all",
            help="Write all that is kept to this file instead, for `restore --export`: calls with all "
            "revisions, marks, names of keys, tokens as hashes. Compressed where the name ends in .zst.",
        ),
    ] = None,
) -> int:
    """Write every call to standard output, oldest first."""
    if everything is not None:
        return _export_everything(everything, place or Place(), period, filters, format)
    chosen = (period or PeriodFlags()).period()
    home, ledger = open_ledger(place or Place())
    say_what_is_missing(home, ledger)
    narrowed = selection_of(chosen, filters)
    if format in ("focus", "focus-parquet"):
        return _export_focus(home, narrowed, format)
    speak_utf8()
    write = write_csv if format == "csv" else write_jsonl
    if narrowed.is_everything:
        write(ledger.export(), sys.stdout)
        return OK
    with open_questions(home) as questions:
        write(ledger.export(questions.every_call(narrowed)), sys.stdout)
    return OK


def _export_focus(home: Home, narrowed: Selection, format: Format) -> int:
    from farebox.cli.reports.focus_export import write_focus_csv, write_focus_parquet
    from farebox.exports.focus import focus_rows

    if format == "focus-parquet" and sys.stdout.isatty():
        raise UsageError("a Parquet file is not for the screen: write it to a file, with > costs.parquet")
    with open_questions(home) as questions:
        rows = focus_rows(questions, narrowed)
        if format == "focus":
            speak_utf8()
            write_focus_csv(rows)
        else:
            write_focus_parquet(rows)
    return OK


def _export_everything(
    file: Path, place: Place, period: PeriodFlags | None, filters: Filters | None, format: Format
) -> int:
    if format != "jsonl" or period not in (None, PeriodFlags()) or filters not in (None, Filters()):
        raise UsageError("--all writes everything: it takes no period, no filter and no --format")
    from farebox.backup.portable_stream import write_file
    from farebox.cli.backup import figures_line, show_progress
    from farebox.program import command

    home, ledger = open_ledger(place)
    say_what_is_missing(home, ledger)
    head = write_file(home, file, show_progress)
    print(f"{file}: {figures_line(head.figures)}")
    print(f"Configuration, prices and the secret of fingerprints are not in it: {command('backup')}")
    return OK


def speak_utf8() -> None:
    """Write the schema's encoding and line ends, whatever the terminal's are."""
    out: object = sys.stdout
    if isinstance(out, TextIOWrapper):
        out.reconfigure(encoding="utf-8", newline="")


def write_jsonl(rows: Iterator[CallRow], out: TextIO) -> None:
    """Write one JSON object a line, decimals as text."""
    encode = msgspec.json.Encoder(decimal_format="string").encode
    for row in rows:
        out.write(encode(row).decode() + "\n")


def print_calls(rows: Iterable[CallRow]) -> None:
    """Print calls as CSV."""
    speak_utf8()
    write_csv(iter(rows), sys.stdout)


def csv_columns() -> list[str]:
    """Return the header of the CSV: the schema's fields, `quantities` as one column a leaf."""
    columns: list[str] = []
    for name in CallRow.__struct_fields__:
        if name == "quantities":
            columns += [f"quantity_{leaf}" for leaf in LEAVES]
        else:
            columns.append(name)
    return columns


def write_csv(rows: Iterator[CallRow], out: TextIO) -> None:
    """Write the rows as RFC 4180 CSV with a header."""
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(csv_columns())
    for row in rows:
        cells: list[str] = []
        for name in CallRow.__struct_fields__:
            value: Any = getattr(row, name)
            if name == "quantities":
                cells += [cell(value.get(leaf)) for leaf in LEAVES]
            elif name in NESTED:
                cells.append(inert(msgspec.json.encode(value).decode()))
            else:
                cells.append(cell(value))
        writer.writerow(cells)
