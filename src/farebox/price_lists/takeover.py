"""Append what a list brings to the prices in force, in one step."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from farebox.pricing.price_rows import ProviderPrices
from farebox.pricing.sources.price_updates import Origin, PriceUpdates, keep, read_snapshot, snapshots

if TYPE_CHECKING:
    from farebox.home import Home
    from farebox.price_lists.candidate import Candidate
    from farebox.pricing.sources.price_comparison import Comparison


def take_over(home: Home, before: PriceUpdates | None, candidate: Candidate, comparison: Comparison) -> Path:
    """Append the rows of a comparison; `before` is what was appended so far. Rows are never edited.

    The new snapshot replaces nothing: it is written beside the others and renamed, so that whoever is killed
    leaves the old prices in force or the new ones.
    """
    origin = Origin(
        source=candidate.source,
        sha256=candidate.sha256,
        fetched_at=candidate.seen,
        etag=candidate.etag,
        modified=candidate.modified,
        models=candidate.models,
    )
    providers = dict(before.providers) if before is not None else {}
    fresh = PriceUpdates(origin=origin, providers=comparison.appended)
    for name in comparison.appended:
        providers[name] = fresh.applied(ProviderPrices(name, providers.get(name, ()))).models
    retired = {name: set(models) for name, models in (before.retired if before is not None else {}).items()}
    for change in comparison.removed:
        retired.setdefault(change.provider, set()).add(change.model)
    return keep(
        home.path,
        PriceUpdates(
            origin=origin,
            providers=providers,
            retired={name: tuple(sorted(models)) for name, models in retired.items()},
        ),
    )


def digests(home: Home) -> list[str]:
    """Return the digests of the lists that were taken over, oldest first."""
    found: list[str] = []
    for path in snapshots(home.path):
        with contextlib.suppress(Exception):  # one that cannot be read says nothing
            found.append(read_snapshot(path).origin.sha256)
    return found
