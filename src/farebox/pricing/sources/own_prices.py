"""Set the user's own price of a model: written to `prices.d/set.yaml`, for commands and the API alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from farebox.pricing.sources.price_folder import entries_of, folder_of, write_prices

EVER = "ever"

Loaded = TypeVar("Loaded")
"""The price book, which these modules are beneath."""


def price_entry(
    rates: Mapping[str, str],
    *,
    per: str,
    since: str,
    when: Mapping[str, str],
    markup: str | None,
) -> dict[str, Any]:
    """Return an entry of a price file: dollars by name, and from when on (`ever`: always) they apply."""
    entry: dict[str, Any] = {} if since == EVER else {"effective_from": since}
    if when:
        entry["when"] = dict(when)
    for name, usd in rates.items():
        entry[name if "_per_" in name else f"{name}_per_{per}"] = usd
    if markup is not None:
        entry["markup"] = markup
    return entry


def set_own_price(
    state: Path, model: str, entry: Mapping[str, Any], load: Callable[[], Loaded]
) -> tuple[Path, Loaded]:
    """Write an entry of a model instead of the one from the same day and for the same facts.

    Returns the file, and the prices in force then.

    Raises:
        FindingsError: With everything that is wrong with it; the file is as it was.
    """
    path = folder_of(state) / "set.yaml"
    entries = entries_of(path)
    same = [
        old
        for old in entries.get(model, [])
        if (old.get("effective_from"), old.get("when")) != (entry.get("effective_from"), entry.get("when"))
    ]
    entries[model] = [*same, dict(entry)]
    return path, replace_prices(path, entries, "Prices set by `farebox prices set`.", load)


def replace_prices(
    path: Path, entries: dict[str, list[dict[str, Any]]], comment: str, load: Callable[[], Loaded]
) -> Loaded:
    """Write a price file, or restore the old one if the prices would be invalid with it; return the prices.

    Raises:
        FindingsError: With everything that is wrong with them; the file is as it was.
    """
    before = path.read_bytes() if path.is_file() else None
    write_prices(path, entries, comment)
    try:
        return load()
    except BaseException:
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)
        raise
