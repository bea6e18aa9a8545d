"""Prices that came after this release: fetched lists, appended to the catalog's and never edited.

The state directory keeps the last few snapshots under `prices/`; the newest counts. A snapshot holds
everything that was ever appended, so that a call is priced the same whenever it is looked at.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import msgspec

from farebox.home import check_private, replace_private
from farebox.pricing.price_rows import PricedModel, PriceRow, ProviderPrices

SNAPSHOTS_KEPT = 10
_SUFFIX = ".prices.json"


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a snapshot's last list came from."""

    source: str
    sha256: str
    fetched_at: str
    etag: str | None = None
    modified: str | None = None
    """`Last-Modified`, as the server stated it."""
    models: dict[str, int] = {}
    """How many models the list had, by provider."""


class PriceUpdates(msgspec.Struct, frozen=True, kw_only=True):
    """Rows appended to the catalog's lists, by provider."""

    schema: str = "farebox.price-updates/1"
    origin: Origin
    providers: dict[str, tuple[PricedModel, ...]] = {}
    retired: dict[str, tuple[str, ...]] = {}
    """Models whose removal was acknowledged. Their prices are kept: calls were made at them."""

    @property
    def digest(self) -> str:
        """Identifies what is appended, not where it came from: the same rows rate equally."""
        return hashlib.sha256(msgspec.json.encode(self.providers, order="sorted")).hexdigest()

    def applied(self, prices: ProviderPrices) -> ProviderPrices:
        """Return a provider's list with what was appended to it."""
        fresh = self.providers.get(prices.id)
        if not fresh:
            return prices
        models = list(prices.models)
        at = {model.id: index for index, model in enumerate(models)}
        added: list[PricedModel] = []
        for model in fresh:
            if model.id in at:
                known = models[at[model.id]]
                rows = with_rows(known.rows, model.rows)
                models[at[model.id]] = msgspec.structs.replace(known, rows=rows)
            else:
                added.append(model)
        # The first model that matches a name is the model: a new one says it more precisely.
        return msgspec.structs.replace(prices, models=(*added, *models))


_decode = msgspec.json.Decoder(PriceUpdates).decode


def with_rows(known: tuple[PriceRow, ...], fresh: tuple[PriceRow, ...]) -> tuple[PriceRow, ...]:
    """Return rows with others appended, in the order in which the last one in force counts."""
    taken = {row.id for row in known}
    joined = [*known, *(row for row in fresh if row.id not in taken)]
    groups: dict[tuple[tuple[str, str], ...], list[PriceRow]] = {}
    for row in joined:
        groups.setdefault(tuple(sorted(row.when.items())), []).append(row)
    return tuple(
        row
        for group in groups.values()
        for row in sorted(group, key=lambda row: (row.from_ns, row.window is not None))
    )


def folder_of(state: Path) -> Path:
    """Return where a state directory keeps its snapshots."""
    return state / "prices"


def snapshots(state: Path) -> list[Path]:
    """Return the snapshots there are, oldest first: their names begin with a running number."""
    return sorted(folder_of(state).glob(f"*{_SUFFIX}"))


def read_snapshot(path: Path) -> PriceUpdates:
    return _decode(path.read_bytes())


def newest(state: Path) -> PriceUpdates | None:
    """Return the snapshot in force; None where nothing was ever fetched, or no snapshot can be read."""
    for path in reversed(snapshots(state)):
        with suppress(OSError, msgspec.MsgspecError, ValueError, RecursionError):
            return read_snapshot(path)
    return None


def keep(state: Path, updates: PriceUpdates) -> Path:
    """Store a snapshot as the newest one and drop the oldest beyond `SNAPSHOTS_KEPT`."""
    folder = folder_of(state)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_private(folder)
    known = snapshots(state)
    number = int(known[-1].name.partition("-")[0]) + 1 if known else 1
    path = folder / f"{number:06d}-{updates.digest[:16]}{_SUFFIX}"
    replace_private(path, msgspec.json.encode(updates, order="sorted"), durable=True)
    for old in snapshots(state)[:-SNAPSHOTS_KEPT]:
        old.unlink(missing_ok=True)
    return path
