"""What `farebox import` prints, as text and as JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from farebox.cli.screen import DIM, YELLOW, Column, clean, count, paint, table
from farebox.clock import iso
from farebox.histories.progress import NotUnderstood, Reading


class ImportedHistory(msgspec.Struct, kw_only=True):
    """What one history came to. Tokens and `stated_usd` are of the new calls."""

    history: str
    files: int
    calls: int
    known: int
    copies: int
    skipped: int
    waiting: int
    subscription: int
    input_tokens: int
    output_tokens: int
    stated_usd: Decimal
    since: str | None
    until: str | None
    not_understood: list[NotUnderstood]
    notes: list[str]


class ImportAnswer(msgspec.Struct, kw_only=True):
    """`farebox import agents --json`."""

    schema: str = "farebox.import/1"
    dry_run: bool
    histories: list[ImportedHistory]


def answer(readings: Sequence[Reading], *, dry_run: bool) -> ImportAnswer:
    """Return what was read in the shape that is printed."""
    return ImportAnswer(dry_run=dry_run, histories=[imported(each) for each in readings])


def imported(reading: Reading) -> ImportedHistory:
    """Return what one reading came to."""
    return ImportedHistory(
        history=reading.history,
        files=reading.files,
        calls=reading.calls,
        known=reading.known,
        copies=reading.copies,
        skipped=reading.skipped,
        waiting=reading.waiting,
        subscription=reading.subscription,
        input_tokens=reading.input_tokens,
        output_tokens=reading.output_tokens,
        stated_usd=reading.stated_usd,
        since=None if reading.first_ns is None else iso(reading.first_ns),
        until=None if reading.last_ns is None else iso(reading.last_ns),
        not_understood=reading.not_understood,
        notes=reading.notes,
    )


def render(readings: Sequence[Reading], *, dry_run: bool) -> str:
    """Return what was read as the terminal shows it."""
    columns = [
        Column("history"),
        Column("would import" if dry_run else "imported", right=True),
        Column("in", right=True, drop=2),
        Column("out", right=True, drop=3),
        Column("known", right=True, drop=1),
        Column("first"),
        Column("last"),
    ]
    rows = [
        [
            each.history,
            f"{each.calls:,}",
            f"{each.input_tokens:,}",
            f"{each.output_tokens:,}",
            f"{each.known:,}",
            "–" if each.first_ns is None else iso(each.first_ns)[:10],
            "–" if each.last_ns is None else iso(each.last_ns)[:10],
        ]
        for each in readings
    ]
    lines = [table(columns, rows)]
    for each in readings:
        lines += [f"{clean(each.history)}: {clean(words)}" for words in _remarks(each)]
    return "\n".join(lines)


def _remarks(reading: Reading) -> list[str]:
    found = list(reading.notes)
    if reading.subscription:
        found.append(
            f"{count(reading.subscription, 'call')} paid by a subscription: shown at list value, billed 0"
        )
    if reading.waiting:
        found.append(f"{count(reading.waiting, 'call')} still being written: the next import has them")
    if reading.skipped:
        found.append(f"{count(reading.skipped, 'call')} before --since left out")
    for each in reading.not_understood:
        where = "; ".join(each.where[:2])
        found.append(f"{paint('not understood', YELLOW)}: {each.count:,} × {each.reason} ({where})")
    return found


class ProgressLine:
    """One line on a terminal that is written again and again; nothing anywhere else."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._width = 0

    def told(self, reading: Reading, read: int, total: int) -> None:
        """Show how far the reading of one history is."""
        percent = min(read * 100 // total, 100) if total else 100
        self.show(f"{reading.history}: {read >> 20:,} of {total >> 20:,} MiB ({percent} %)")

    def show(self, words: str) -> None:
        """Replace what the line says."""
        if self._is_shown:
            print(
                f"\r{paint(words.ljust(self._width), DIM, sys.stderr)}", end="", file=sys.stderr, flush=True
            )
            self._width = len(words)

    def end(self) -> None:
        """Leave an empty line."""
        if self._is_shown and self._width:
            print(f"\r{' ' * self._width}\r", end="", file=sys.stderr, flush=True)
            self._width = 0
