"""Write the calls of a history to a journal, in batches: looked up together, synced once at the end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from farebox.catalog import Catalog
from farebox.clock import now_ns
from farebox.errors import JournalError
from farebox.histories.progress import Reading
from farebox.histories.told_call import Teller, ToldCall
from farebox.home import Home
from farebox.journal.direct_writer import DirectWriter
from farebox.journal.records import DONE, Done, encode
from farebox.ledger.database import Connection, open_reader
from farebox.ledger.known_events import recorded_ids
from farebox.recording.invalid_event import EventInvalidError
from farebox.wire.facts import INPUT_LEAVES, OUTPUT_LEAVES

BATCH = 2_000
"""How many calls are looked up in the record at a time."""

Seen = Callable[[Done, ToldCall], None]


class BulkWriter:
    """Takes the calls of one history. Those that the record has are passed over, by their ids."""

    def __init__(
        self,
        home: Home,
        catalog: Catalog,
        reading: Reading,
        *,
        witness: str,
        since_ns: int = 0,
        live_since_ns: int | None = None,
        dry_run: bool = False,
        seen: Seen | None = None,
    ) -> None:
        """`live_since_ns`: calls from then on are no history, and count in budgets. `dry_run` writes nothing.
        `seen` is told each call that is new, as it would be recorded.
        """
        self._home = home
        self._reading = reading
        self._teller = Teller(catalog, reading.history, witness)
        self._since_ns = since_ns
        self._live_since_ns = live_since_ns
        self._dry_run = dry_run
        self._seen = seen
        self._batch: dict[bytes, ToldCall] = {}
        self._written: set[bytes] = set()
        self._writer: DirectWriter | None = None
        self._record: Connection | None = open_reader(home) if home.ledger.exists() else None

    def told(self, call: ToldCall) -> Done | None:
        """Return a call as it would be recorded; None, and counted, where it cannot be."""
        try:
            return self._teller.done(call, now_ns(), imported=True)
        except (EventInvalidError, ValueError) as error:
            self._reading.miss(str(error), call.id[:64])
            return None

    def take(self, call: ToldCall) -> None:
        """Take a call; of several with one id the first counts."""
        if call.time_ns < self._since_ns:
            self._reading.skipped += 1
            return
        try:
            key = self._teller.key(call)
        except EventInvalidError as error:
            self._reading.miss(str(error), call.id[:64])
            return
        if key in self._written or key in self._batch:
            self._reading.copies += 1
            return
        self._batch[key] = call
        if len(self._batch) >= BATCH:
            self._write()

    def flush(self) -> None:
        """Return once everything taken so far survives a power cut.

        Raises:
            JournalError: Something could not be kept; nothing should be taken for read.
        """
        self._write()
        if self._writer is not None and not (self._writer.flush() and _are_synced(self._writer.folder)):
            raise JournalError(
                f"not all calls could be written to {self._home.journal}: "
                f"{self._writer.health.reason or 'is the disk full?'}; import again once there is room"
            )

    def close(self) -> None:
        """Release the journal; what was not flushed may be lost."""
        if self._writer is not None:
            self._writer.close()
        if self._record is not None:
            self._record.close()

    def _write(self) -> None:
        batch, self._batch = self._batch, {}
        if not batch:
            return
        known: set[bytes] = set()
        if self._record is not None:
            known = recorded_ids(self._record, list(batch), self._teller.source)
        received = now_ns()
        self._written.update(batch)
        for key, call in batch.items():
            if key in known:
                self._reading.known += 1
                continue
            live = self._live_since_ns is not None and call.time_ns >= self._live_since_ns
            try:
                done = self._teller.done(call, received, imported=not live)
            except (EventInvalidError, ValueError) as error:
                self._reading.miss(str(error), call.id[:64])
                continue
            self._count(call, done)
            if not self._dry_run:
                self._append(done)

    def _append(self, done: Done) -> None:
        if self._writer is None:
            self._writer = DirectWriter(self._home.journal, source=self._teller.source, kind="import")
        self._writer.append(DONE, encode(done))
        if self._writer.has_waiting:
            self.flush()  # the disk refuses records: say so now, before more are lost

    def _count(self, call: ToldCall, done: Done) -> None:
        reading = self._reading
        reading.calls += 1
        reading.subscription += call.is_subscription
        for part in done.extraction.parts:
            reading.input_tokens += part.total(INPUT_LEAVES)
            reading.output_tokens += part.total(OUTPUT_LEAVES)
        if call.stated_usd is not None:
            reading.stated_usd += call.stated_usd
        reading.span(call.time_ns)
        if self._seen is not None:
            self._seen(done, call)


def _are_synced(folder: Path) -> bool:
    """Sync a writer's segments, those that are full already too, and their names."""
    try:
        for path in [*folder.glob("*"), folder, folder.parent]:
            with contextlib.suppress(FileNotFoundError):  # the ledger removes what it has applied
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
    except OSError:
        return False
    return True
