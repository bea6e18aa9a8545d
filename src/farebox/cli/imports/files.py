"""`farebox import csv FILE` and other formats: exported calls, compared with what the file states."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from farebox.cli.access import open_ledger
from farebox.cli.exits import OK
from farebox.cli.imports.answers import ImportedHistory, ProgressLine, imported, render
from farebox.cli.options import AsJson, Place
from farebox.cli.reports import json_shapes
from farebox.cli.screen import Column, clean, count, table
from farebox.journal.records import Done

if TYPE_CHECKING:
    from farebox.config import Config
    from farebox.histories.files.import_file import FileReading, Format, ModelTotals, Price
    from farebox.home import Home

_MODELS_SHOWN = 20


class ModelAnswer(msgspec.Struct, kw_only=True):
    """What a file states of a model's calls, and what they come to by our prices."""

    provider: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    stated_usd: Decimal | None
    priced_usd: Decimal | None
    difference_usd: Decimal | None


class FileAnswer(msgspec.Struct, kw_only=True):
    """`farebox import csv FILE --json`, and those of the other formats."""

    schema: str = "farebox.import-file/1"
    dry_run: bool
    file: str
    rows: int
    passed_over: int
    left_out_usd: Decimal
    unknown_columns: list[str]
    imported: ImportedHistory
    models: list[ModelAnswer]


_File = Annotated[Path, Parameter(help="The exported file: JSON lines, a JSON list, or CSV.")]
_Provider = Annotated[str | None, Parameter(help="Whose models it is about, where rows do not say it.")]
_DryRun = Annotated[
    bool, Parameter(negative="", help="Only show what would be imported, and what is not understood.")
]


def csv(
    file: _File, /, *, place: Place | None = None, provider: _Provider = None, dry_run: _DryRun = False,
    as_json: AsJson = False,
) -> int:  # fmt: skip
    """Import a table of calls, as `farebox export --format csv` writes it or made by hand."""
    return _import("csv", file, place, provider, dry_run, as_json)


def jsonl(
    file: _File, /, *, place: Place | None = None, provider: _Provider = None, dry_run: _DryRun = False,
    as_json: AsJson = False,
) -> int:  # fmt: skip
    """Import JSON lines, as `farebox export` writes them or made by hand."""
    return _import("jsonl", file, place, provider, dry_run, as_json)


def helicone(
    file: _File, /, *, place: Place | None = None, provider: _Provider = None, dry_run: _DryRun = False,
    as_json: AsJson = False,
) -> int:  # fmt: skip
    """Import what `npx @helicone/export` wrote, or Helicone's API returned."""
    return _import("helicone", file, place, provider, dry_run, as_json)


def langfuse(
    file: _File, /, *, place: Place | None = None, provider: _Provider = None, dry_run: _DryRun = False,
    as_json: AsJson = False,
) -> int:  # fmt: skip
    """Import observations exported from Langfuse."""
    return _import("langfuse", file, place, provider, dry_run, as_json)


def litellm(
    file: _File, /, *, place: Place | None = None, provider: _Provider = None, dry_run: _DryRun = False,
    as_json: AsJson = False,
) -> int:  # fmt: skip
    """Import LiteLLM's spend logs."""
    return _import("litellm", file, place, provider, dry_run, as_json)


def _import(
    format: Format, file: Path, place: Place | None, provider: str | None, dry_run: bool, as_json: bool
) -> int:
    from farebox.catalog import load
    from farebox.histories.files.import_file import import_file

    place = place or Place()
    home = place.state()
    config = place.configuration(home)
    open_ledger(place)
    line = ProgressLine()
    try:
        found = import_file(
            home,
            load(config.providers),
            file,
            format,
            _price(home, config),
            provider=provider,
            dry_run=dry_run,
            told=line.told,
        )
        if not dry_run:
            line.show("adding to the record …")
            open_ledger(place)
    finally:
        line.end()
    if as_json:
        json_shapes.print_json(_answer(file, found, dry_run))
    else:
        print(_render(found, dry_run))
    return OK


def _price(home: Home, config: Config) -> Price:
    """Return how calls are priced: by the prices of this home, without contracts and plans."""
    from farebox.pricing import load_book

    book = load_book(config.pricing, home.cache, directory=config.directory_pricing, state=home.path)

    def price(done: Done) -> int | None:
        found = done.extraction
        total = 0
        for part in found.parts:
            rated = book.rate(
                part,
                occurred_at_ns=done.occurred_at_ns,
                completeness=found.completeness,
                billable=found.billable,
            )
            if rated.cost_pico is None or rated.cost_state == "unpriced":
                return None
            total += rated.cost_pico
        return total

    return price


def _answer(file: Path, found: FileReading, dry_run: bool) -> FileAnswer:
    return FileAnswer(
        dry_run=dry_run,
        file=str(file),
        rows=found.rows,
        passed_over=found.passed_over,
        left_out_usd=found.left_out_usd,
        unknown_columns=found.unknown_columns,
        imported=imported(found.reading),
        models=[
            ModelAnswer(
                provider=each.provider,
                model=each.model,
                calls=each.calls,
                input_tokens=each.input_tokens,
                output_tokens=each.output_tokens,
                stated_usd=each.stated_usd,
                priced_usd=each.priced_usd,
                difference_usd=each.difference_usd,
            )
            for each in found.models
        ],
    )


def _render(found: FileReading, dry_run: bool) -> str:
    lines = [render([found.reading], dry_run=dry_run)]
    if found.passed_over:
        lines.append(f"{count(found.passed_over, 'row')} passed over: of no call of a model")
    if found.unknown_columns:
        lines.append(f"columns left out, not understood: {clean(', '.join(found.unknown_columns))}")
    if found.left_out_usd:
        lines.append(f"rows that are not understood state {_usd(found.left_out_usd)}")
    if found.models:
        lines += ["", _table(found.models)]
    return "\n".join(lines)


def _table(models: list[ModelTotals]) -> str:
    columns = [
        Column("model"),
        Column("calls", right=True),
        Column("in", right=True, drop=2),
        Column("out", right=True, drop=1),
        Column("stated", right=True),
        Column("by our prices", right=True),
        Column("difference", right=True),
    ]
    rows = [
        [
            f"{each.provider}/{each.model}",
            f"{each.calls:,}",
            f"{each.input_tokens:,}",
            f"{each.output_tokens:,}",
            _usd(each.stated_usd),
            "no price" if each.priced_usd is None else _usd(each.priced_usd),
            _usd(each.difference_usd),
        ]
        for each in models[:_MODELS_SHOWN]
    ]
    stated = [each.stated_usd for each in models if each.stated_usd is not None]
    priced = [each.priced_usd for each in models if each.priced_usd is not None]
    rows.append(
        [
            "total",
            f"{sum(each.calls for each in models):,}",
            f"{sum(each.input_tokens for each in models):,}",
            f"{sum(each.output_tokens for each in models):,}",
            _usd(sum(stated, start=Decimal(0)) if stated else None),
            f"{'≥ ' if len(priced) < len(models) else ''}{_usd(sum(priced, start=Decimal(0)))}",
            "",
        ]
    )
    text = table(columns, rows)
    if len(models) > _MODELS_SHOWN:
        text += f"\nand {len(models) - _MODELS_SHOWN:,} more models, in the total; --json has all of them"
    return text


def _usd(amount: Decimal | None) -> str:
    return "–" if amount is None else f"{'-' if amount < 0 else ''}${abs(amount):,.4f}"
