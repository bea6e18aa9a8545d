"""`farebox prices set` and `import`: write prices into `prices.d/`, never into `farebox.yaml`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import Parameter

from farebox.cli.exits import DATA, OK, say
from farebox.cli.options import Place
from farebox.cli.prices.opening import open_book
from farebox.cli.screen import clean, count
from farebox.clock import iso, now_ns
from farebox.errors import PriceFileError, UsageError
from farebox.pricing.price_batches import Batch, normalised, read_batch, suspicion
from farebox.pricing.sources.own_prices import price_entry, replace_prices, set_own_price
from farebox.pricing.sources.price_folder import entries_of, folder_of, write_prices
from farebox.program import command

if TYPE_CHECKING:
    from farebox.home import Home
    from farebox.pricing.book import PriceBook

Result = TypeVar("Result")


def set_price(
    model: Annotated[str, Parameter(help="A model, or provider/model, or my-llm/*.")],
    /,
    *rates: Annotated[str, Parameter(help="name=dollars, for example input=2.50 output=10 cache_read=1.25.")],
    place: Place | None = None,
    per: Annotated[str, Parameter(help="How many units a rate buys: 1m, 1k, token, call, minute.")] = "1m",
    since: Annotated[
        str | None,
        Parameter(name="--from", help="Date or time from which it applies, or `ever`; today by default."),
    ] = None,
    when: Annotated[
        list[str] | None, Parameter(help="Only for calls with this fact, for example service_tier=flex.")
    ] = None,
    markup: Annotated[str | None, Parameter(help="What the customer pays for a dollar of cost.")] = None,
) -> int:
    """Set your own price of a model, from a date on.

    It is written to `prices.d/set.yaml` in the state directory and in force at once. Calls that are
    priced already keep their price.
    """
    chosen = place or Place()
    home, _ = open_book(chosen)
    if not rates and markup is None:
        example = command("prices set my-model input=2.50 output=10 --per 1m")
        raise UsageError(f"name at least one rate, for example: {example}")
    entry = price_entry(
        dict(_pair(text) for text in rates),
        per=per,
        since=iso(now_ns())[:10] if since is None else since,
        when=dict(_pair(text) for text in when or ()),
        markup=markup,
    )
    path, book = _noted(
        home, "price.set", model, lambda: set_own_price(home.path, model, entry, lambda: open_book(chosen)[1])
    )
    shown = ", ".join(f"{clean(name)} {clean(usd)}" for name, usd in entry.items() if isinstance(usd, str))
    print(f"{clean(model)}: {shown}, in {path}")
    _tell(home, book)
    return OK


def import_file(
    file: Annotated[Path, Parameter(help="YAML, JSON or CSV: models with their prices.")],
    /,
    *,
    place: Place | None = None,
    accept: Annotated[
        bool, Parameter(negative="", help="Accept prices that are far from the known ones.")
    ] = False,
) -> int:
    """Import a file of prices, all of it or nothing.

    Every mistake is reported at once. A batch whose median price is more than 10 × away from the known
    ones probably has wrong units: it is put aside until you accept it.
    """
    chosen = place or Place()
    home, book = open_book(chosen)
    batch: Batch = read_batch(file, book.price_names)
    if batch.findings:
        raise PriceFileError(batch.findings)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", file.stem).strip("-") or "prices"
    entries = normalised(batch.pricing)
    doubt = None if accept else suspicion(book, batch, now_ns())
    if doubt is not None:
        aside = home.path / "prices.quarantine" / f"{name}.yaml"
        write_prices(aside, entries, f"Put aside by `farebox prices import {file.name}`: {doubt.why}")
        say(f"{clean(file)}: {doubt.why}")
        for example in doubt.examples:
            say(f"  {clean(example)}")
        typed = command(f"prices import {clean(file)} --accept")
        say(f"nothing was changed. If it is right: {typed}")
        return DATA
    path = folder_of(home.path) / f"import-{name}.yaml"
    known = entries_of(path)
    for model, fresh in entries.items():
        old = known.setdefault(model, [])
        starts = [(entry.get("effective_from"), entry.get("when")) for entry in fresh]
        old[:] = [entry for entry in old if (entry.get("effective_from"), entry.get("when")) not in starts]
        old.extend(fresh)
    book = _noted(
        home,
        "price.import",
        file.name,
        lambda: replace_prices(
            path, known, f"Imported by `farebox prices import {file.name}`.", lambda: open_book(chosen)[1]
        ),
    )
    print(f"{count(len(entries), 'model')} imported into {path}")
    _tell(home, book)
    return OK


def _noted(home: Home, action: str, subject: str, write: Callable[[], Result]) -> Result:
    from farebox.control.audit import command_line
    from farebox.control.file_changes import change_prices

    return change_prices(home, command_line(), action, subject, now_ns(), write)


def _tell(home: Home, book: PriceBook) -> None:
    """Say what the new prices are for: calls to come, and on request those without a price."""
    from farebox.cli.reports.rerate import would_rerate

    print("It holds for calls from now on; calls that have a price keep it.")
    more = would_rerate(home, book)
    if more is not None:
        print(more)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name or not value:
        raise UsageError(f"{text!r} is not name=value, as in input=2.50")
    return name, value
