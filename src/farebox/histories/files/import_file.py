"""Import one exported file, and compare what it states with what our prices make of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec

from farebox.catalog import Catalog
from farebox.errors import UsageError
from farebox.histories.bulk_writer import BulkWriter
from farebox.histories.files import helicone, langfuse, litellm, plain
from farebox.histories.files.rows import Row, rows
from farebox.histories.files.values import RowError, number
from farebox.histories.progress import Reading, Told
from farebox.histories.told_call import ToldCall
from farebox.home import Home
from farebox.journal.records import Done
from farebox.wire.facts import INPUT_LEAVES, OUTPUT_LEAVES

Format = Literal["csv", "jsonl", "helicone", "langfuse", "litellm"]
FORMATS: tuple[Format, ...] = ("csv", "jsonl", "helicone", "langfuse", "litellm")

Price = Callable[[Done], int | None]
"""A call to its cost in pico-dollars by our prices; None where it has none."""

_MODELS_MAX = 10_000
_COLUMNS_MAX, _COLUMN_CHARACTERS_MAX = 1_000, 64


class ModelTotals(msgspec.Struct, kw_only=True):
    """What a file states of one model, and what our prices make of it."""

    provider: str
    model: str
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    stated_usd: Decimal | None = None
    """What the file says it cost; None where it says nothing."""
    priced_usd: Decimal | None = Decimal(0)
    """By our prices; None where a call has none."""

    @property
    def difference_usd(self) -> Decimal | None:
        """Ours less theirs, where both are known."""
        if self.stated_usd is None or self.priced_usd is None:
            return None
        return self.priced_usd - self.stated_usd


class FileReading(msgspec.Struct, kw_only=True):
    """What an import of a file came to."""

    reading: Reading
    rows: int = 0
    """Rows in the file."""
    passed_over: int = 0
    """Rows that are of no call of a model: spans, events."""
    models: list[ModelTotals] = []
    """Of all calls of the file, those that were known included."""
    unknown_columns: list[str] = []
    left_out_usd: Decimal = Decimal(0)
    """What the file states for rows that could not be imported, as far as it can be read."""


def import_file(
    home: Home,
    catalog: Catalog,
    path: Path,
    format: Format,
    price: Price,
    *,
    provider: str | None = None,
    dry_run: bool = False,
    told: Told | None = None,
) -> FileReading:
    """Import the calls of a file.

    `provider`: of rows that do not say whose model it is.

    Raises:
        UsageError: The file cannot be read.
        JournalError: Not everything could be written; import the file again.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    found = FileReading(reading=Reading(history=format, files=1))
    reading, size = found.reading, path.stat().st_size

    def read(count: int) -> None:
        reading.read_bytes += count
        if told is not None and reading.read_bytes & 0xFF < count:
            told(reading, reading.read_bytes, size)

    call, columns = _reader(format)
    totals = _Totals(price)
    unknown: dict[str, None] = {}
    writer = BulkWriter(home, catalog, reading, witness="import", dry_run=dry_run)
    try:
        for where, row, wrong in rows(path, read):
            found.rows += 1
            if row is None:
                reading.miss(wrong, where)
                continue
            for name in _names(format, row):
                if not _is_known(name, columns) and len(unknown) < _COLUMNS_MAX:
                    unknown[name[:_COLUMN_CHARACTERS_MAX]] = None
            try:
                made = call(row, provider)
            except RowError as error:
                reading.miss(str(error), where)
                found.left_out_usd += _stated(format, row)
                continue
            if made is None:
                found.passed_over += 1
                continue
            done = writer.told(made)
            if done is None:
                found.left_out_usd += made.stated_usd or 0
                continue
            totals.add(made, done)
            writer.take(made)
        writer.flush()
    finally:
        writer.close()
    found.models = totals.models()
    found.unknown_columns = sorted(unknown)
    return found


class _Totals:
    def __init__(self, price: Price) -> None:
        self._price = price
        self._by: dict[tuple[str, str], ModelTotals] = {}

    def add(self, call: ToldCall, done: Done) -> None:
        """Count a call of the file."""
        key = call.provider, call.model
        if key not in self._by and len(self._by) >= _MODELS_MAX:
            key = "", "others"
        sums = self._by.setdefault(key, ModelTotals(provider=key[0], model=key[1]))
        sums.calls += 1
        for part in done.extraction.parts:
            sums.input_tokens += part.total(INPUT_LEAVES)
            sums.output_tokens += part.total(OUTPUT_LEAVES)
        if call.stated_usd is not None:
            sums.stated_usd = (sums.stated_usd or Decimal(0)) + call.stated_usd
        if sums.priced_usd is not None:
            pico = self._price(done)
            sums.priced_usd = None if pico is None else sums.priced_usd + Decimal(pico).scaleb(-12)

    def models(self) -> list[ModelTotals]:
        """Return the sums, those of the largest money first."""
        return sorted(
            self._by.values(), key=lambda each: (-(each.stated_usd or each.priced_usd or 0), each.model)
        )


def _reader(
    format: Format,
) -> tuple[Callable[[Row, str | None], ToldCall | None], frozenset[str]]:
    if format == "helicone":
        return helicone.call, helicone.COLUMNS
    if format == "langfuse":
        return langfuse.call, langfuse.COLUMNS
    if format == "litellm":
        return litellm.call, litellm.COLUMNS
    return plain.Plain().call, plain.COLUMNS


def _names(format: Format, row: Row) -> Mapping[str, object]:
    return langfuse.snake(row) if format == "langfuse" else row


def _stated(format: Format, row: Row) -> Decimal:
    """Return what a row says that its call cost, 0 where that cannot be read."""
    try:
        if format == "langfuse":
            return langfuse.stated(langfuse.snake(row)) or Decimal(0)
        return number(row, "costUSD", *plain.COST) or Decimal(0)
    except RowError:
        return Decimal(0)


def _is_known(name: str, columns: frozenset[str]) -> bool:
    return name in columns or name.startswith("tag.")
