"""The program behind one client's connection: found out beside the traffic, perhaps after its first calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farebox.proxy.caller.socket_owner import ClientProcess
    from farebox.recording.attribution_merge import Attribution


class ConnectionCaller:
    """What is known of it so far."""

    __slots__ = ("_steps", "attribution", "known", "process", "token")

    def __init__(self, given: Attribution, *, known: bool) -> None:
        """`given` is the attribution of every connection; `known`: nothing more will be found out."""
        self.attribution = given
        """Whose calls these are, as far as the connection says."""
        self.process: ClientProcess | None = None
        """The process of our own user that has opened the connection."""
        self.token = ""
        """The hash of the client token that it was opened with (`CONNECT`), empty for none."""
        self.known = known
        self._steps: tuple[Callable[[], None], ...] = ()

    def found(self, attribution: Attribution | None, process: ClientProcess | None) -> None:
        """Take in what a look-up has found; None where it has found nothing."""
        self.attribution = attribution or self.attribution
        self.process = process or self.process
        self.known = True
        steps, self._steps = self._steps, ()
        for step in steps:
            step()

    def when_known(self, step: Callable[[], None]) -> None:
        """Call `step` once the look-up has ended, with or without a result."""
        if self.known:
            step()
        else:
            self._steps = (*self._steps, step)
