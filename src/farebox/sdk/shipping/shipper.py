"""Send what the spool holds: in batches, again until it is acknowledged, in one background thread a process.

Every event has its id from the start and the collector counts each once, so whatever is not known to have
arrived is sent again.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from farebox.clock import now_ns
from farebox.journal.quarantine import copy_records
from farebox.journal.segments import is_alive
from farebox.sdk import faults
from farebox.sdk.shipping.collector_client import BatchRefusedError, CollectorError, Verdict, shown
from farebox.sdk.shipping.program_figures import FigureFiles
from farebox.sdk.shipping.spool import Spool, program_of
from farebox.sdk.shipping.unsent_events import Unsent, UnsentEvents

BACKOFF_S = 1.0
BACKOFF_MAX_S = 60.0
_CLOSE_S = 0.5
_TAKEN_OVER_MAX = 32
"""Folders of dead writers that are open at once."""
_REFUSED_KEPT_MAX = 1_000
REFUSED = "refused"
"""Where events are kept that a collector has refused for good."""


class Sender(Protocol):
    """What takes events to a collector."""

    def send(self, events: Sequence[bytes]) -> list[Verdict]: ...
    def close(self) -> None: ...
    def leave_to_parent(self) -> None: ...


class Pace(NamedTuple):
    """When and how much is sent."""

    flush_interval_s: float = 5.0
    batch_size: int = 100
    age_s_max: float = 30 * 86_400.0


class RefusedEventsError(Exception):
    """A collector has refused events for good: they make no sense to it, or contradict what it has."""

    code = "events_refused"


class Shipper:
    """Everything of this process that goes to one collector. `step` does the work; nothing here raises."""

    def __init__(
        self,
        spool: Spool,
        sender: Sender,
        *,
        source: str,
        pace: Pace | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        clock_ns: Callable[[], int] = now_ns,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.spool = spool
        self.pace = pace or Pace()
        self._sender = sender
        self._source = source
        self._monotonic = monotonic
        self._clock_ns = clock_ns
        self._jitter = jitter
        self._own: UnsentEvents | None = None
        self._last_acknowledged = 0
        self._left: dict[Path, UnsentEvents] = {}
        """Of writers that are dead."""
        self._done: set[Path] = set()
        """Of which everything was sent, and that could not be removed."""
        self._batch: list[Unsent] = []
        self._of: list[UnsentEvents] = []
        """Whose events are in the batch."""
        self._split = 0
        """How many of the batch go at a time; 0 for all."""
        self.failures = 0
        """Attempts that failed since the last one that did not."""
        self._not_before = 0.0
        self._figures = FigureFiles(spool.root.parent, source, spool.collector, clock_ns)
        self._working = threading.Lock()
        self.accepted = 0
        self.duplicates = 0
        self.refused = 0
        """Events that the collector has refused for good: invalid ones, and conflicts."""
        self.trouble: str | None = None
        """Why nothing is sent at present."""

    def follow(self, folder: Path) -> None:
        """Send what this process writes into `folder`, too."""
        with self._working:
            self._own = self._unsent(folder)

    @property
    def acknowledged(self) -> int:
        """This process's last record up to which everything was acknowledged."""
        own = self._own
        return self._last_acknowledged if own is None else own.acknowledged

    @property
    def begun(self) -> int:
        """How many calls of this process have begun and not ended, as far as was read."""
        own = self._own
        return 0 if own is None else own.begun

    @property
    def is_waiting_out(self) -> bool:
        """Whether the last attempt failed and the next one is not due."""
        return self.failures > 0 and self._monotonic() < self._not_before

    def step(self, *, now: bool = False, own_only: bool = False) -> float:
        """Send a batch where there is one and it is due; return how many seconds later to call again.

        `now`: also where the last attempt failed a moment ago. `own_only`: nothing of other writers.
        """
        with self._working:
            try:
                return self._step(now, own_only)
            except Exception as error:
                faults.report(error, "sending to the collector")
                return self._back_off(0.0)

    def leave_to_parent(self) -> None:
        """In a child of a fork: close what was inherited, and change nothing."""
        self.spool.leave_to_parent()
        with contextlib.suppress(OSError):
            self._sender.leave_to_parent()

    def close(self) -> None:
        """Remove what was acknowledged whole, once the writer has released it; stop for good.

        Where a batch of other writers is under way and the collector hangs, that is left to the next process.
        """
        if not self._working.acquire(timeout=_CLOSE_S):
            return
        try:
            if self._own is not None:
                self._last_acknowledged = self._own.acknowledged  # somebody may wait for it still
                self._own.close()
                self._own.remove_if_done()
                self._own = None
            for unsent in self._left.values():
                unsent.close()
            self._left.clear()
            self._batch, self._of = [], []
            self.spool.close()
            self._sender.close()
        finally:
            self._working.release()

    # -- one at a time --

    def _step(self, now: bool, own_only: bool) -> float:
        wait_s = self._not_before - self._monotonic()
        if self.failures and wait_s > 0 and not now:
            return wait_s
        self.spool.count_if_due()
        if not self._batch:
            self._collect(own_only)
            if not self._batch:
                return self.pace.flush_interval_s
        size = self._split or len(self._batch)
        sending = self._batch[:size]
        try:
            verdicts = self._sender.send([each.body for each in sending])
        except BatchRefusedError as error:
            if len(sending) > 1:
                self._split = len(sending) // 2
                return 0.0
            verdicts = [Verdict("invalid", None, str(error))]
        except CollectorError as error:
            self.trouble = str(error)
            self._figures.write(self.spool.program, shown(self.trouble))
            faults.report(error, "sending to the collector")
            return self._back_off(error.retry_after_s)
        self.failures, self.trouble = 0, None
        self._judge(sending, verdicts)
        self._figures.write(self.spool.program)
        del self._batch[:size]
        if self._batch:
            return 0.0
        self._split = 0
        for unsent in self._of:
            self._confirm(unsent)
        full = len(sending) >= self.pace.batch_size
        return 0.0 if full or self._left else self.pace.flush_interval_s

    def _collect(self, own_only: bool) -> None:
        self._of = []
        if self._own is not None:
            self._take_from(self._own)
        if own_only:
            return
        if len(self._batch) < self.pace.batch_size:
            self._take_over()
            for unsent in list(self._left.values()):
                if len(self._batch) >= self.pace.batch_size:
                    break
                self._take_from(unsent)

    def _take_from(self, unsent: UnsentEvents) -> None:
        found = unsent.take(self.pace.batch_size - len(self._batch))
        if found:
            self._batch += found
            self._of.append(unsent)
        else:
            self._confirm(unsent)  # what it holds makes no event, and need not be read again

    def _confirm(self, unsent: UnsentEvents) -> None:
        if unsent.confirm() and self._left.pop(unsent.folder, None) is not None and unsent.folder.exists():
            self._done.add(unsent.folder)

    def _take_over(self) -> None:
        """Open what dead writers have left."""
        room = _TAKEN_OVER_MAX - len(self._left)
        if room <= 0:
            return
        own = self._own.folder if self._own is not None else None
        for folder in self.spool.leftovers():
            if folder == own or folder in self._left or folder in self._done:
                continue
            if not _is_dead(folder):
                continue
            self._left[folder] = self._unsent(folder)
            room -= 1
            if not room:
                return

    def _unsent(self, folder: Path) -> UnsentEvents:
        return UnsentEvents(
            folder,
            self.spool.sent_path(folder),
            source=self._source,
            age_ns_max=int(self.pace.age_s_max * 1_000_000_000),
            clock_ns=self._clock_ns,
        )

    def _judge(self, sent: Sequence[Unsent], verdicts: Sequence[Verdict]) -> None:
        for unsent, verdict in zip(sent, verdicts, strict=True):
            self._figures.count(program_of(unsent.writer), verdict.status)
            if verdict.status == "accepted":
                self.accepted += 1
            elif verdict.status == "duplicate":
                self.duplicates += 1
            else:
                self.refused += 1
                where = f" ({shown(verdict.field)})" if verdict.field else ""
                why = f"{verdict.status}{where}: {shown(verdict.reason or '') or 'no reason given'}"
                faults.report(RefusedEventsError(f"the collector refused an event: {why}"), "sending events")
                if unsent.entry is not None and self.refused <= _REFUSED_KEPT_MAX:
                    copy_records(unsent.writer, [unsent.entry], self.spool.root.parent / REFUSED)

    def _back_off(self, at_least_s: float) -> float:
        """Return how long to wait: twice as long with each failure, and by chance up to half of it less."""
        self.failures += 1
        longest_s = min(BACKOFF_S * 2 ** min(self.failures - 1, 16), BACKOFF_MAX_S)
        delay_s = max(longest_s * (0.5 + self._jitter() / 2), at_least_s)
        self._not_before = self._monotonic() + delay_s
        return delay_s


def _is_dead(folder: Path) -> bool:
    try:
        return not is_alive(folder)
    except OSError:
        return False
