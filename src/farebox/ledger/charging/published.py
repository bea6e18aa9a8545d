"""Read what is published of customers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from farebox.charges.customer_terms import CustomerTerms
from farebox.config.exposure import is_exposed
from farebox.snapshot import SnapshotReader

if TYPE_CHECKING:
    from farebox.config import Config
    from farebox.home import Home
    from farebox.snapshot import Snapshot


def published_terms(home: Home, config: Config) -> Callable[[], CustomerTerms]:
    """Return what reads what is published of customers: the same object while nothing has changed."""
    snapshot = SnapshotReader(home)
    exposed = is_exposed(config.listen, config)
    made = _terms_of(snapshot.current, verified_only=exposed)

    def current() -> CustomerTerms:
        nonlocal made
        if snapshot.renew():
            now = _terms_of(snapshot.current, verified_only=exposed)
            if now.digest != made.digest:
                made = now
        return made

    return current


def _terms_of(snapshot: Snapshot, *, verified_only: bool) -> CustomerTerms:
    return CustomerTerms(
        snapshot.identities,
        snapshot.customers,
        snapshot.plans,
        snapshot.subscriptions,
        verified_only=verified_only,
    )
