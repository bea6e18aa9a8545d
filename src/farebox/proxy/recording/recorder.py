"""Where every attempt of one proxy is written down: the journal, and what is kept beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from farebox.journal import records
from farebox.journal.health import JournalHealth
from farebox.proxy.admission.routed_request import RoutedRequest
from farebox.proxy.recording.estimates import Estimates
from farebox.recording.adopted_ids import AdoptedIds
from farebox.recording.guarded_meter import GuardedMeter, MakeMeter
from farebox.recording.logical_calls import LogicalCalls
from farebox.wire.meter import Meter


class Journal(Protocol):
    """What the proxy asks of a journal (`farebox.journal.writer.JournalWriter`)."""

    @property
    def source(self) -> str: ...
    @property
    def health(self) -> JournalHealth: ...
    def append(self, record_type: int, payload: bytes) -> int: ...
    def when_durable(self, position: int, callback: Callable[[], None]) -> None: ...
    def close(self) -> None: ...


class NoJournal:
    """Stands in where no journal can be written: traffic goes on and what is missing is counted."""

    source = "proxy:unrecorded"

    def __init__(self, reason: str) -> None:
        self.health = JournalHealth(state="lost", reason=reason)

    def append(self, record_type: int, payload: bytes) -> int:
        self.health.lost_records += 1
        self.health.lost_bytes += len(payload)
        if record_type == records.DONE:
            self.health.lost_exchanges += 1
        return 0

    def when_durable(self, position: int, callback: Callable[[], None]) -> None:
        self.health.released_unsynced += 1
        callback()

    def close(self) -> None:
        return


class Recorder:
    """One proxy's."""

    def __init__(self, journal: Journal, make_meter: MakeMeter = Meter, *, power: bool = False) -> None:
        """`power`: the end of a response waits until its record survives a power cut."""
        self.journal = journal
        self.append: Callable[[int, bytes], int] = journal.append
        self.waits_for_disk = power
        self.calls = LogicalCalls()
        self.estimates: Estimates | None = None
        """Where calls go that nobody stated the usage of; None where nobody estimates."""
        self.everyday = make_meter is Meter
        """Whether everyday exchanges may do without a meter of their own."""
        self.ids = AdoptedIds()
        self._make_meter = make_meter

    @property
    def source(self) -> str:
        """What records call this writer."""
        return self.journal.source

    def meter(self, routed: RoutedRequest) -> GuardedMeter:
        """Return a new meter for a request."""
        target = routed.target
        return GuardedMeter(
            self._make_meter, target.endpoint, target.path, routed.query, routed.meter_headers
        )
