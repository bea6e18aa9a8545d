"""What the connections of one proxy have in common while it runs: its clock, its limits, its counts.

The service sets the clock; connections count themselves here; `/health` shows the counts.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from farebox.proxy.held_bodies import HeldBodies
from farebox.proxy.limits import Limits

if TYPE_CHECKING:
    from farebox.proxy.admission.budget_gate import BudgetGate


class Served(Protocol):
    """A client's connection, whatever is spoken on it."""

    since: float

    def sweep(self, now: float) -> None: ...
    def cut_off(self) -> None: ...


class ServiceState:
    """One proxy's."""

    loop: asyncio.AbstractEventLoop
    """Set when the service begins to listen."""

    def __init__(self, limits: Limits, clients_max: int) -> None:
        self.limits = limits
        self.clients_max = clients_max
        self.clients: set[Served] = set()
        self.held_bodies = HeldBodies(limits.held_total)
        self.tick = 0.0
        """The loop's clock in seconds, read once a sweep: limits in time need no more."""
        self.draining = False
        self.in_flight = 0
        """Exchanges, streams and sockets under way."""
        self.refused = 0
        """Requests refused before they were routed to a provider."""
        self.passed = False
        """Whether something has come since the last sweep."""
        self.gate: BudgetGate | None = None
        """What lets calls pass or not; None without budgets and stops, and then nothing of them is loaded."""
        self.own_ports: frozenset[int] = frozenset()
        """Farebox's own listeners, where no upstream may be."""
