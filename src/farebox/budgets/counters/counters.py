"""The counters of a home, opened by whoever lets calls pass or shows figures."""

from __future__ import annotations

import time

from farebox.budgets.counters.account import Account
from farebox.budgets.counters.figures import Figures, figures_of
from farebox.budgets.counters.file.mapped_file import Wrap
from farebox.budgets.counters.file.shared_file import SharedFile
from farebox.budgets.counters.participants.participant import Participant
from farebox.home import Home
from farebox.money import PicoUsd


class Counters:
    """One process's view of them."""

    def __init__(self, home: Home, *, wrap: Wrap | None = None) -> None:
        """Open or make the file; `wrap` lets tests watch every store.

        Raises:
            CountersNewerError: A newer Farebox wrote it.
            CountersError: It cannot be opened or made, or a process that stands still has its lock.
        """
        self._shared = SharedFile(home.budgets, wrap)

    def join(self, writer_id: str) -> Participant:
        """Take part, as the process that writes the journal of `writer_id`.

        Raises:
            CountersError: There is no room for one more.
        """
        return Participant(self._shared, writer_id)

    def figures(self, account: Account, limit: PicoUsd, now_ns: int | None = None) -> Figures:
        """Return an account's figures at `now_ns`; takes no lock."""
        self._shared.follow()
        return figures_of(self._shared.file, account, limit, time.time_ns() if now_ns is None else now_ns)

    def close(self) -> None:
        """Close the file. Participants are closed by themselves, before."""
        self._shared.close()
