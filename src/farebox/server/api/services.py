"""What handlers work with: the home, the ledger, the control database, and a few things that are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from farebox.clock import now_ns
from farebox.home import Home
from farebox.pricing.price_copy import PriceCopy
from farebox.server.api.coverage.coverage import Covers
from farebox.server.api.pulse import Pulse
from farebox.server.api.queries import Ledger

if TYPE_CHECKING:
    from farebox.control.database import ControlDatabase


Typed = Callable[[str], str]
"""How a Farebox command is typed here: `open` becomes `.venv/bin/farebox open`."""


def plainly(words: str) -> str:
    """Return the command as it is typed where `farebox` is on the PATH and its home is the usual one."""
    return f"farebox {words}"


class Services:
    """One for all groups of routes."""

    def __init__(
        self,
        home: Home,
        ledger: Ledger,
        clock: Callable[[], int] = now_ns,
        typed: Typed = plainly,
        key_labels: Callable[[], dict[str, str]] = dict,
        prices: Callable[[], PriceCopy] = PriceCopy,
    ) -> None:
        self.home = home
        self.ledger = ledger
        self.clock = clock
        self.typed = typed
        self.key_labels = key_labels
        self.prices = prices
        self.cover = Covers(home)
        self.pulse = Pulse(ledger)
        self._control_database: ControlDatabase | None = None

    def control(self) -> ControlDatabase | None:
        """Return the control database, opened once; None where there is none yet."""
        if self._control_database is None and self.home.control.exists():
            from farebox.control.database import open_control

            self._control_database = open_control(self.home)
        return self._control_database
