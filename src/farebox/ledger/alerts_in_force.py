"""Evaluate alerts beside the ledger process's own work. Nothing of it is loaded before there are any."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from farebox.clock import now_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from farebox.home import Home
    from farebox.ledger.alerting.alerting import Alerting
    from farebox.ledger.database import Connection
    from farebox.snapshot import SnapshotReader

_LOOK_EVERY_S = 0.5
_AFTER_A_DEFECT_S = 60.0
log = logging.getLogger("farebox.ledger")


class AlertsInForce:
    """Those of the published snapshot."""

    def __init__(
        self,
        home: Home,
        connection: Connection,
        snapshot: SnapshotReader,
        prices: Callable[[], str],
        *,
        others_reach_us: bool,
    ) -> None:
        """`prices` returns the digest of the prices in force."""
        self._home = home
        self._connection = connection
        self._snapshot = snapshot
        self._prices = prices
        self._others_reach_us = others_reach_us
        self._alerting: Alerting | None = None
        self._look_at = 0.0

    def step(self, *, is_idle: bool) -> bool:
        """Evaluate what is new; return whether there is more to do at once.

        `is_idle`: just now nothing waited in the journals for long.
        """
        if self._alerting is None:
            now = time.monotonic()
            if now < self._look_at:
                return False
            self._look_at = now + _LOOK_EVERY_S
            self._snapshot.renew()
            if not self._snapshot.current.alerts:
                return False
            self._alerting = self._made()
        try:
            return self._alerting.step(is_idle=is_idle)
        except Exception:  # a defect of alerts must not keep calls from being appended
            log.exception("alerts are not evaluated for a minute: this is a defect of Farebox")
            self._alerting = None
            self._look_at = time.monotonic() + _AFTER_A_DEFECT_S
            return False

    def due_in_s(self) -> float:
        """Return after which time there is something to do even where no call comes."""
        return _LOOK_EVERY_S if self._alerting is None else self._alerting.due_in_s()

    def close(self) -> None:
        if self._alerting is not None:
            self._alerting.close()

    def _made(self) -> Alerting:
        from farebox.ledger.alerting.alerting import Alerting, Rules
        from farebox.ledger.alerting.outside_facts import OutsideFacts

        def rules() -> Rules:
            self._snapshot.renew()
            found = self._snapshot.current
            return Rules(found.alerts, found.budgets, found.snoozes)

        facts = OutsideFacts(self._home, self._prices, now_ns)
        return Alerting(self._home, self._connection, rules, facts, others_reach_us=self._others_reach_us)
