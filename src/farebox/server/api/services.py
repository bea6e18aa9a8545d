"""What handlers work with: the home, the ledger, the control database, and a few things that are told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from farebox.clock import now_ns
from farebox.home import Home
from farebox.pricing.price_copy import PriceCopy
from farebox.server.api.coverage.coverage import Covers
from farebox.server.api.pulse import Pulse
from farebox.server.api.queries import Ledger

if TYPE_CHECKING:
    from farebox.config import Config
    from farebox.control.database import ControlDatabase
    from farebox.pricing.book import PriceBook
    from farebox.pricing.price_watch import PriceWatch


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
        config: Config | None = None,
        description: Callable[[], bytes] = bytes,
    ) -> None:
        """`config` is what the process was started with, `description` the OpenAPI document."""
        self.home = home
        self.ledger = ledger
        self.clock = clock
        self.typed = typed
        self.key_labels = key_labels
        self.prices = prices
        self.cover = Covers(home)
        self.pulse = Pulse(ledger)
        self.config = config
        self.description = description
        self._control_database: ControlDatabase | None = None
        self._no_control: ControlDatabase | None = None
        self._price_watch: PriceWatch | None = None
        self._price_lock = threading.Lock()

    def book(self) -> PriceBook:
        """Return the prices in force.

        Raises:
            FindingsError: They were never valid since the server began.
        """
        with self._price_lock:  # whoever asks while another thread reads the files waits for them
            if self._price_watch is None:
                from farebox.pricing.price_watch import PriceWatch

                self._price_watch = PriceWatch(self.home.path, self._named(), self.home.cache)
            return self._price_watch.current()

    def _named(self) -> Path | None:
        return Path(self.config.named) if self.config is not None and self.config.named else None

    def read_book(self) -> PriceBook:
        """Return the prices that the files say now.

        Raises:
            FindingsError: With everything that is wrong with them.
        """
        from farebox.pricing import load_book

        config = self.configuration()
        return load_book(
            config.pricing,
            self.home.cache,
            contracts=config.contracts,
            directory=config.directory_pricing,
            state=self.home.path,
        )

    def configuration(self) -> Config:
        """Return what the files of the configuration say now.

        Raises:
            FindingsError: With everything that is wrong with them.
        """
        from farebox.config import load_config

        flags = self.config.flags if self.config is not None else {}
        return load_config(self.home, self._named(), flags=flags)

    def control(self) -> ControlDatabase | None:
        """Return the control database, opened once; None where there is none yet."""
        if self._control_database is None and self.home.control.exists():
            from farebox.control.database import open_control

            self._control_database = open_control(self.home)
        return self._control_database

    def no_control(self) -> ControlDatabase:
        """Return an empty control database, which is read where the home has none."""
        if self._no_control is None:
            from farebox.control.empty_control import EmptyControl

            self._no_control = EmptyControl(self.home)
        return self._no_control
