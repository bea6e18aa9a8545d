"""`farebox prices show` and `list`: which prices are known, since when and from where."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Annotated

import msgspec
from cyclopts import Parameter

from farebox.cli.exits import ANSWER_IS_NO, OK
from farebox.cli.options import AsJson, PeriodFlags, Place
from farebox.cli.prices.opening import open_book
from farebox.cli.reports import json_shapes
from farebox.cli.screen import BOLD, Column, clean, paint, table
from farebox.errors import PriceNotFoundError
from farebox.nearest import nearest
from farebox.pricing.book import PriceBook, PriceLine
from farebox.program import command

MILLION = 1_000_000
CLOSE_MAX = 3


class PricesAnswer(msgspec.Struct, kw_only=True):
    """`farebox prices show --json`."""

    schema: str = "farebox.prices/1"
    model: str
    prices: list[PriceLine]


def show(
    model: Annotated[str, Parameter(help="The model's id, for example gpt-4o, or provider/model.")],
    /,
    *,
    place: Place | None = None,
    provider: Annotated[str | None, Parameter(help="Only this provider's prices.")] = None,
    at: Annotated[str | None, Parameter(help="In force at this moment; now by default.")] = None,
    history: Annotated[bool, Parameter(help="All prices, past ones included.", negative="")] = False,
    as_json: AsJson = False,
) -> int:
    """Show the prices in force for a model, each with its id, date and source."""
    _, book = open_book(place or Place())
    at_ns = None if history else PeriodFlags(since=at).period("now").since_ns
    lines = find(book, provider, model, at_ns)
    if as_json:
        json_shapes.print_json(PricesAnswer(model=model, prices=lines))
    else:
        print(render(lines))
    return OK


def list_prices(
    pattern: Annotated[
        str, Parameter(help="Models or provider/model, for example gpt-5* or openai/*.")
    ] = "*",
    /,
    *,
    place: Place | None = None,
    provider: Annotated[str | None, Parameter(help="Only this provider's prices.")] = None,
    source: Annotated[
        str | None, Parameter(help="Only prices from this source, for example litellm.")
    ] = None,
    unit: Annotated[str | None, Parameter(help="Only this unit, for example input.")] = None,
    at: Annotated[str | None, Parameter(help="In force at this moment; now by default.")] = None,
    as_json: AsJson = False,
) -> int:
    """List the prices in force, one line for each unit of each model."""
    _, book = open_book(place or Place())
    at_ns = PeriodFlags(since=at).period("now").since_ns
    lines = [
        line
        for line in every_price(book, provider, pattern.lower(), at_ns)
        if source in (None, line.price_source) and unit in (None, line.unit)
    ]
    if as_json:
        json_shapes.print_json(PricesAnswer(model=pattern, prices=lines))
    else:
        columns = [
            Column("model", width_max=70, width_min=16),
            Column("unit", width_min=12),
            Column("US dollars", right=True),
            Column("when", width_min=12),
            Column("valid from", drop=3),
            Column("source", drop=1),
        ]
        cells = [
            [f"{line.provider}/{line.model}".lstrip("/"), *_cells(line)[:4], line.price_source]
            for line in lines
        ]
        print(table(columns, cells))
    return OK if lines else ANSWER_IS_NO


def every_price(
    book: PriceBook, provider: str | None, pattern: str, at_ns: int | None
) -> Iterator[PriceLine]:
    """Yield the prices of every model whose name or `provider/name` fits a pattern."""
    for name in [provider] if provider is not None else book.providers():
        for model in book.models(name):
            if fnmatchcase(model, pattern) or fnmatchcase(f"{name}/{model}", pattern):
                yield from (line for line in book.find(name, model, at_ns) if line.model == model)
    for line in book.user_lines(at_ns):
        if fnmatchcase(line.model.lower(), pattern):
            yield line


def find(book: PriceBook, provider: str | None, model: str, at_ns: int | None) -> list[PriceLine]:
    """Return the prices of `model`, which may be written `provider/model`.

    Raises:
        PriceNotFoundError: No source has a price for it.
    """
    lines = book.find(provider, model, at_ns)
    if not lines and provider is None and "/" in model:
        first, _, rest = model.partition("/")
        if first in book.providers():
            lines = book.find(first, rest, at_ns)
    if not lines:
        near = close_models(book, provider, model)
        meant = f" Did you mean {', '.join(near)}?" if near else ""
        typed = command(f"prices set {shlex.quote(clean(model))} input=2.50 output=10")
        raise PriceNotFoundError(
            f"no price is known for {clean(model)!r}.{meant} Calls with it are recorded as unpriced. "
            f"Set a price:  {typed}"
        )
    return lines


def close_models(book: PriceBook, provider: str | None, model: str) -> list[str]:
    """Return the models with a price whose names are most like `model`, the likeliest first."""
    written = model.strip().lower()
    prefix, slash, rest = written.partition("/")
    if provider is None and slash and prefix in book.providers():
        return [f"{prefix}/{name}" for name in close_models(book, prefix, rest)]
    names = [provider] if provider is not None else book.providers()
    known = [model for name in names for model in book.models(name)]
    if not set("/:") & set(written):
        known = [name for name in known if not set("/:") & set(name)]  # names of resellers and of fine-tunes
    known += [line.model.lower() for line in book.user_lines()]
    return [clean(name) for name in nearest(written, set(known), most=CLOSE_MAX)]


def render(lines: list[PriceLine]) -> str:
    """Return prices as tables, one a provider and model."""
    shown: list[str] = []
    for key in dict.fromkeys((line.provider, line.model) for line in lines):
        group = [line for line in lines if (line.provider, line.model) == key]
        columns = [
            Column("unit"),
            Column("US dollars", right=True),
            Column("when", width_min=24),
            Column("valid from", drop=2),
            Column("source", drop=3, width_max=60),
            Column("price id", drop=4, width_max=90),
        ]
        shown.append(paint("/".join(part for part in key if part), BOLD))
        shown.append(table(columns, [_cells(line) for line in group]))
    return "\n".join(shown)


def _cells(line: PriceLine) -> list[str]:
    conditions = [f"{name} {value}" for name, value in line.when.items()]
    if line.above_input_tokens is not None:
        conditions.append(f"over {line.above_input_tokens:,} input tokens")
    return [
        line.unit,
        quoted(line.unit_price_usd),
        ", ".join(conditions) or "always",
        line.effective_from or "the beginning",
        _origin(line),
        line.price_id,
    ]


def _origin(line: PriceLine) -> str:
    """Return where a price is from, once: sources mostly begin with the name of their kind."""
    if line.source == line.price_source or line.source.startswith(
        (f"{line.price_source} ", f"{line.price_source}:")
    ):
        return line.source
    return f"{line.price_source}: {line.source}" if line.source else line.price_source


def quoted(unit_price: Decimal) -> str:
    """Return a unit price as people compare them: per million units where one costs a fraction of a cent."""
    if unit_price and unit_price < Decimal("0.001"):
        return f"{(unit_price * MILLION).normalize():f} per 1M"
    return f"{unit_price.normalize():f} each"
