"""Post the expiry of grants while the server runs: balances and messages do not wait for an invoice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from farebox.clock import now_ns
from farebox.errors import FareboxError
from farebox.home import Home
from farebox.standard_error import tell

if TYPE_CHECKING:
    from farebox.control.database import ControlDatabase

LOOK_EVERY_S = 60.0


class WalletExpiry:
    """Looks once a minute; writes only where the time of a grant has come since the last look."""

    def __init__(self, home: Home, clock: Callable[[], int] = now_ns) -> None:
        self._home = home
        self._clock = clock
        self._looked_ns = 0
        self._database: ControlDatabase | None = None
        self._told = ""
        self._stopped = threading.Event()

    def start(self) -> None:
        """Do it in a thread: another process may hold the database for seconds."""
        threading.Thread(target=self._run, name="wallet-expiry", daemon=True).start()

    def close(self) -> None:
        self._stopped.set()

    def look(self) -> int:
        """Return how many grants expired; what fails is said once, and tried again at the next look."""
        if not self._home.control.exists():
            return 0
        from farebox.billing.wallets.changes import expire_due
        from farebox.billing.wallets.moves import expires_between
        from farebox.control.database import open_control

        now = self._clock()
        try:
            if self._database is None:
                self._database = open_control(self._home)
            with self._database.reading() as connection:
                due = expires_between(connection, self._looked_ns, now)
            expired = expire_due(self._home, "server", now, self._database) if due else []
        except FareboxError as error:
            self._database = None
            if str(error) != self._told:
                self._told = str(error)
                tell(f"farebox: wallets: {error}")
            return 0
        self._told, self._looked_ns = "", now
        return len(expired)

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            self.look()
