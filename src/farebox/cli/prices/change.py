"""`farebox prices set` and `import`: write prices into `prices.d/`, never into `farebox.yaml`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from farebox.cli.exits import DATA, OK, say
from farebox.cli.options import Place
from farebox.cli.prices.opening import open_book
from farebox.cli.screen import clean, count
from farebox.clock import iso, now_ns
from farebox.errors import PriceFileError, UsageError
from farebox.pricing.price_batches import Batch, normalised, read_batch, suspicion
from farebox.pricing.sources.price_folder import entries_of, folder_of, write_prices
from farebox.program import command

if TYPE_CHECKING:
    from farebox.home import Home
    from farebox.pricing.book import PriceBook

EVER = "ever"


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
    start = iso(now_ns())[:10] if since is None else since
    entry: dict[str, Any] = {} if start == EVER else {"effective_from": start}
    if when:
        entry["when"] = dict(_pair(text) for text in when)
    for name, usd in (_pair(text) for text in rates):
        entry[name if "_per_" in name else f"{name}_per_{per}"] = usd
    if markup is not None:
        entry["markup"] = markup
    if not rates and markup is None:
        example = command("prices set my-model input=2.50 output=10 --per 1m")
        raise UsageError(f"name at least one rate, for example: {example}")
    path = folder_of(home.path) / "set.yaml"
    entries = entries_of(path)
    same = [
        old
        for old in entries.get(model, [])
        if (old.get("effective_from"), old.get("when")) != (entry.get("effective_from"), entry.get("when"))
    ]
    entries[model] = [*same, entry]
    book = _write(chosen, path, entries, "Prices set by `farebox prices set`.")
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
    book = _write(chosen, path, known, f"Imported by `farebox prices import {file.name}`.")
    print(f"{count(len(entries), 'model')} imported into {path}")
    _tell(home, book)
    return OK


def _tell(home: Home, book: PriceBook) -> None:
    """Say what the new prices are for: calls to come, and on request those without a price."""
    from farebox.cli.reports.rerate import would_rerate

    print("It holds for calls from now on; calls that have a price keep it.")
    more = would_rerate(home, book)
    if more is not None:
        print(more)


def _write(place: Place, path: Path, entries: dict[str, list[dict[str, Any]]], comment: str) -> PriceBook:
    """Write a price file, or restore the old one if the prices would be invalid with it; return the prices.

    Raises:
        FindingsError: With everything that is wrong; the file is as it was.
    """
    before = path.read_bytes() if path.is_file() else None
    write_prices(path, entries, comment)
    try:
        return open_book(place)[1]
    except BaseException:
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)
        raise


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name or not value:
        raise UsageError(f"{text!r} is not name=value, as in input=2.50")
    return name, value
