"""Find out which program opened each connection, beside the traffic and never in its way.

One thread asks the system, for all connections that came in the meantime at once, and takes pauses:
a storm of connections must not become a storm of questions. What it finds out is on the records of
the connection's exchanges from then on.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from farebox.proxy.caller import process_info
from farebox.proxy.caller.socket_owner import ClientProcess, Ends, processes_of

if TYPE_CHECKING:
    import asyncio

    from farebox.recording.attribution_merge import Attribution

_REMEMBERED = 512
_FRESH_S = 10.0
"""How long a process's description is used: branches change, programs do not."""
_PAUSE = 3.0
"""Pause this many times as long as the last look took: at most a quarter of one core."""
_PAUSE_MAX_S = 1.0

Known = tuple["Attribution | None", ClientProcess | None]
"""What a connection's calls are attributed to, and its process where that is our own user's."""
Tell = Callable[["Attribution | None", ClientProcess | None], None]
Find = Callable[[Sequence[Ends], Sequence[int]], Mapping[Ends, int]]


class ProcessLookup:
    """One proxy's thread for such questions."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, given: Attribution, find: Find = processes_of
    ) -> None:
        """`given`: what is known of every connection anyway; it comes before what a process says."""
        self._loop = loop
        self._given = given
        self._find = find
        self._asked: queue.SimpleQueue[tuple[Ends, Tell] | None] = queue.SimpleQueue()
        self._known: OrderedDict[int, tuple[float, str, Known]] = OrderedDict()
        self._thread = threading.Thread(target=self._run, name="processes", daemon=True)
        self._thread.start()

    def look_up(self, transport: asyncio.BaseTransport, tell: Tell) -> None:
        """Find out who opened a connection; `tell` is called on the loop, also where nobody knows."""
        theirs, ours = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if theirs and ours:
            self._asked.put(((tuple(theirs[:2]), tuple(ours[:2])), tell))

    def close(self) -> None:
        """Let the thread end by itself: it may be in the middle of a pause."""
        self._asked.put(None)

    def _run(self) -> None:
        while True:
            batch = self._next_batch()
            if not batch:
                return
            started = time.monotonic()
            self._answer(batch)
            time.sleep(min((time.monotonic() - started) * _PAUSE, _PAUSE_MAX_S))

    def _next_batch(self) -> list[tuple[Ends, Tell]]:
        """Wait for questions; return all there are, none at the end."""
        batch: list[tuple[Ends, Tell]] = []
        while not batch or not self._asked.empty():
            entry = self._asked.get()
            if entry is None:
                return []
            batch.append(entry)
        return batch

    def _answer(self, batch: list[tuple[Ends, Tell]]) -> None:
        try:
            likely = list(reversed(self._known))[:8]
            found = self._find([ends for ends, _ in batch], likely)
            told = [(tell, self._of(found[ends]) if ends in found else (None, None)) for ends, tell in batch]
        except Exception:
            return  # nobody's traffic hangs on it; the rows say less
        try:
            self._loop.call_soon_threadsafe(_tell, told, batch)
        except RuntimeError:
            return  # the proxy has stopped meanwhile

    def _of(self, pid: int) -> Known:
        """Return what connections of a process are attributed to, below what requests say, and who it is."""
        now, birth = time.monotonic(), process_info.started(pid)
        known = self._known.get(pid)
        if known is not None and known[1] == birth and now - known[0] < _FRESH_S:
            self._known.move_to_end(pid)
            return known[2]
        facts = process_info.describe(pid)
        attribution: dict[str, str] = dict(facts)
        sources: dict[str, str] = {}
        command, repository = facts.get("process.command"), facts.get("git.repository")
        if command:
            attribution["app"], sources["app"] = process_info.app_of(command), "process:command"
        if repository:
            attribution["project"] = repository.rpartition("/")[2]
            sources["project"] = "git:repository"
        if "git.branch" in facts:
            attribution["branch"], sources["branch"] = facts["git.branch"], "git:branch"
        for name, value in process_info.labels(pid).items():
            attribution[name], sources[name] = value, f"env:FAREBOX_{name.upper()}"
        attribution.update(self._given[0])
        sources.update(self._given[1])
        if len(self._known) >= _REMEMBERED:
            self._known.popitem(last=False)
        told = (attribution, sources), process_info.client_process(pid, facts)
        self._known[pid] = now, birth, told
        self._known.move_to_end(pid)
        return told


def _tell(told: list[tuple[Tell, Known]], batch: list[tuple[Ends, Tell]]) -> None:
    for tell, (attribution, process) in told:
        tell(attribution, process)
    # The thread keeps these lists until it is asked again, and must not keep the connections.
    told.clear()
    batch.clear()
