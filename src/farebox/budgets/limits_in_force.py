"""Follow what is published: whether there are budgets or stops, and what they and the prices say.

Reading prices and opening counters takes long, so it is done in a thread, and only where something is
limited. A proxy without budgets loads none of this.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farebox.budgets.call_limits import CallLimits
    from farebox.budgets.counters import Counters, Participant
    from farebox.catalog import Catalog
    from farebox.catalog.shape import RequestLimitsData
    from farebox.home import Home
    from farebox.pricing.price_watch import PriceWatch
    from farebox.snapshot import Snapshot, SnapshotReader
    from farebox.wire.request_limits import LimitKeys

log = logging.getLogger("farebox.budgets")

_EVERY_S = 0.5


class LimitsInForce:
    """One process's. `current` and the thread of `follow` open files; nothing else does."""

    def __init__(
        self,
        home: Home,
        published: SnapshotReader,
        catalog: Catalog,
        *,
        writer_id: str,
        config_file: Path | None = None,
        trusts_stated: bool = True,
    ) -> None:
        """`writer_id` is the journal's, empty where there is none: then nothing can be held."""
        self._home = home
        self._published = published
        self._catalog = catalog
        self._writer_id = writer_id
        self._config_file = config_file
        self._trusts_stated = trusts_stated
        self._seen: tuple[Snapshot, str] | None = None
        self._limits: CallLimits | None = None
        self._watch: PriceWatch | None = None
        self._counters: Counters | None = None
        self._participant: Participant | None = None
        self._keys: LimitKeys | None = None
        self._stopped = threading.Event()

    @property
    def keys(self) -> LimitKeys:
        """What of a request decides what it can cost."""
        if self._keys is None:
            from farebox.wire.request_limits import LimitKeys

            self._keys = LimitKeys(self._rules())
        return self._keys

    def current(self) -> CallLimits | None:
        """Return what is in force: the same object while nothing has changed, None without a limit."""
        snapshot = self._published.current
        if not snapshot.budgets and not snapshot.stops:
            self._seen = self._limits = None
            return None
        book = self._prices().current()
        if self._participant is None and self._writer_id:
            self._participant = self._joined()
        missing = self._participant is None and bool(self._writer_id)
        if self._seen is None or self._seen != (snapshot, book.digest) or missing:
            from farebox.budgets.call_limits import CallLimits
            from farebox.budgets.worst_case import WorstCases
            from farebox.charges.customer_terms import CustomerTerms
            from farebox.pricing.model_limits import load_limits

            terms = CustomerTerms(
                snapshot.identities,
                snapshot.customers,
                snapshot.plans,
                snapshot.subscriptions,
                verified_only=not self._trusts_stated,
            )
            before = None if self._limits is None else self._limits.worst_cases
            limits = CallLimits(
                snapshot.limits,
                self._participant,
                WorstCases(book, self._rules(), load_limits(), before, terms),
                book,
                shares=None if self._limits is None else self._limits.shares,
                trusts_stated=self._trusts_stated,
                terms=terms,
            )
            self._limits, self._seen = limits, (snapshot, book.digest)
        return self._limits

    def follow(self, tell: Callable[[CallLimits | None], None]) -> None:
        """Call `tell`, in a thread, with what is in force whenever that changes, until `close`."""
        threading.Thread(target=self._follow, args=(tell,), name="budgets", daemon=True).start()

    def close(self) -> None:
        """Leave the counters; after the last call has ended."""
        self._stopped.set()
        if self._participant is not None:
            self._participant.close()
        if self._counters is not None:
            self._counters.close()

    # Details.

    def _follow(self, tell: Callable[[CallLimits | None], None]) -> None:
        known = self._limits
        while not self._stopped.wait(_EVERY_S):
            try:
                found = self.current()
            except Exception as error:
                log.warning("the budgets before stay in force: %s", error)
                continue
            if found is not known:
                known = found
                tell(found)

    def _rules(self) -> RequestLimitsData:
        rules = self._catalog.request_limits
        if rules is None:
            raise ValueError("the catalog does not say what bounds a call")
        return rules

    def _prices(self) -> PriceWatch:
        if self._watch is None:
            from farebox.pricing.price_watch import PriceWatch

            self._watch = PriceWatch(self._home.path, self._config_file, self._home.cache)
        return self._watch

    def _joined(self) -> Participant | None:
        from farebox.budgets.counters import Counters, CountersError

        try:
            if self._counters is None:
                self._counters = Counters(self._home)
            return self._counters.join(self._writer_id)
        except CountersError as error:
            log.warning("hard budgets refuse every call: %s", error)
            return None
