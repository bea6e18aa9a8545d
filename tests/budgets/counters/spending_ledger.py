"""A ledger for spenders: applies what they wrote down, and at their bound calls nobody knows the end of."""

from __future__ import annotations

from pathlib import Path

from budget_homes import NOON, account, budget

from farebox.budgets.counters import Folded, LedgerCounters, Spent
from farebox.home import Home


class _Journal:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self.holder = 0
        self.open: dict[str, int] = {}

    def read(self) -> list[int]:
        """Return what calls cost that ended since."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self.offset += len(whole)
        ended: list[int] = []
        for line in whole.decode().splitlines():
            kind, *words = line.split()
            if kind == "holder":
                self.holder = int(words[0])
            elif kind == "intent":
                self.open[words[0]] = int(words[1])
            else:
                del self.open[words[0]]
                ended.append(int(words[1]))
        return ended


class SpendingLedger:
    def __init__(self, home: Home, limit: int) -> None:
        self._home = home
        self._account = account(budget(limit=limit))
        self._journals: dict[str, _Journal] = {}
        self.counters = LedgerCounters(home)
        self.counters.recover(0)
        self.seq = 0
        self.total = 0

    def follow(self) -> None:
        """Apply what was written since the last time, and let go of the dead."""
        dead = {state.number for state in self.counters.participants() if not state.is_alive}
        for path in self._home.path.glob("*.calls"):
            self._journals.setdefault(path.name, _Journal(path))
        for journal in self._journals.values():
            self._apply(journal.read(), journal.holder)
            if journal.holder in dead:
                self._apply(list(journal.open.values()), 0)
                journal.open.clear()
                assert self.counters.remove(journal.holder)
                journal.holder = 0

    def _apply(self, amounts: list[int], holder: int) -> None:
        self.seq += 1
        self.counters.prepare(
            self.seq,
            [Spent(self._account, NOON, amount) for amount in amounts],
            [Folded(holder, self._account.key, amount) for amount in amounts] if holder else [],
        )
        self.total += sum(amounts)
        self.counters.apply()
