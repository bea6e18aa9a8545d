"""The collector of one process: its journal, opened by the first event, and what waits for its syncs.

One thread judges bodies; the journal's own thread syncs for all requests that wait at that moment. A sender
is told something once the records it depends on survive a power cut, and not before.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from farebox.errors import FareboxError, JournalError
from farebox.home import Home
from farebox.ingest.figures import WRITTEN_EVERY_S, FigureFile
from farebox.ingest.limits import IngestLimits
from farebox.ingest.refused_body import BodyRefusedError
from farebox.ingest.verdicts import Receipt, receipt
from farebox.journal import records
from farebox.journal.files import Files
from farebox.journal.folders import Position
from farebox.journal.reader import JournalReader

if TYPE_CHECKING:
    from farebox.catalog import Catalog
    from farebox.ingest.bodies import Headers, Items
    from farebox.ingest.collector import Collector, Record
    from farebox.ingest.trust import Sender
    from farebox.ingest.unapplied_events import Key
    from farebox.journal.writer import JournalWriter

SEGMENT_BYTES = 16 << 20
SYNC_S_MAX = 30.0
"""How long a sender waits for a disk before it is told to come again."""
HELD_BYTES_MAX = 64 << 20
"""Bodies that are read or wait to be judged, of all senders together."""
_AT_ONCE = 4096


class Acknowledged(NamedTuple):
    """What a sender is told, and whether it sent one event by itself."""

    receipt: Receipt
    is_single: bool


class Intake:
    """Takes bodies in for one home."""

    def __init__(
        self,
        home: Home,
        catalog: Callable[[], Catalog],
        record: Record,
        limits: IngestLimits | None = None,
        *,
        files: Files | None = None,
    ) -> None:
        """`catalog` is loaded with the first event: most servers are never sent any."""
        self.limits = limits or IngestLimits()
        self.catalog = catalog
        self._home = home
        self._record = record
        self._files = files
        self._figures = FigureFile(home)
        self._judging = ThreadPoolExecutor(max_workers=1, thread_name_prefix="collector")
        self._writer: JournalWriter | None = None
        self._collector: Collector | None = None
        self._held = 0
        self._noting: asyncio.TimerHandle | None = None

    @contextlib.contextmanager
    def room(self, size: int) -> Generator[None]:
        """Hold room for a body while it is received and judged.

        Raises:
            BodyRefusedError: There is none now.
        """
        if self._held + size > HELD_BYTES_MAX:
            raise BodyRefusedError(503, "collector_busy", "Too much is on its way; send this again later.")
        self._held += size
        try:
            yield
        finally:
            self._held -= size

    async def take(self, headers: Headers, body: bytes, sender: Sender) -> Acknowledged:
        """Return what became of a body's events, once what is accepted is durable.

        Raises:
            BodyRefusedError: None of it can be read.
            JournalError: It cannot be made durable now. Sent again it is recorded once all the same.
        """
        from farebox.ingest.bodies import read_body

        return await self.take_items(partial(read_body, headers, body, self.limits), sender)

    async def take_items(self, read: Callable[[], Items], sender: Sender) -> Acknowledged:
        """Return what became of the items that `read` finds, in the judging thread; see `take`."""
        loop = asyncio.get_running_loop()
        acknowledged, position = await loop.run_in_executor(self._judging, self._judge, read, sender)
        if position:
            await self._durable(position)
        if self._noting is None:
            self._noting = loop.call_later(WRITTEN_EVERY_S, self._note)
        return acknowledged

    def close(self) -> None:
        """Sync and close the journal."""
        self._judging.shutdown(wait=True)
        self._figures.write()
        if self._writer is not None:
            self._writer.close()

    def _note(self) -> None:
        """Have the figures written that no later body would have written."""
        self._noting = None
        with contextlib.suppress(RuntimeError):  # closed
            self._judging.submit(self._figures.write)

    def _judge(self, read: Callable[[], Items], sender: Sender) -> tuple[Acknowledged, int]:
        items = read()
        self._figures.count_others(items.others)
        if items.others and not items.texts:
            return Acknowledged(receipt([], self.limits), is_single=False), 0
        collector = self._collector or self._open()
        taken = collector.take(items, sender)
        told = receipt(taken.verdicts, self.limits)
        self._figures.count(sender.name, told)
        return Acknowledged(told, items.is_single), taken.position

    def _open(self) -> Collector:
        """Open the journal. Only the judging thread comes here."""
        from farebox.ingest.collector import WRITER, Collector
        from farebox.ingest.event_reading import EventReader
        from farebox.journal.writer import JournalWriter

        self._home.prepare()
        earlier = events_of_earlier(self._home, self._record)
        self._writer = JournalWriter(
            self._home.journal, kind=WRITER, files=self._files, segment_bytes=SEGMENT_BYTES
        )
        reader = EventReader(self.catalog(), self.limits, self._home.secret())
        self._collector = Collector(reader, self._record, self._writer, earlier)
        return self._collector

    async def _durable(self, position: int) -> None:
        """Return once a record survives a power cut.

        Raises:
            JournalError: Nothing makes it so for now.
        """
        writer = self._writer
        assert writer is not None, "a position is a journal's"  # noqa: S101 - states an invariant
        loop = asyncio.get_running_loop()
        synced: asyncio.Future[None] = loop.create_future()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(lambda: synced.done() or synced.set_result(None))

        writer.when_durable(position, tell)
        try:
            await asyncio.wait_for(synced, SYNC_S_MAX)
        except TimeoutError:
            raise JournalError("the disk does not respond; send this again later") from None
        health = writer.health
        if health.durable < position:
            raise JournalError(
                f"the journal cannot be written: {health.reason or 'closing'}; send this again later"
            )


def events_of_earlier(home: Home, record: Record) -> Iterator[tuple[str, int, Key, bytes]]:
    """Return the events that journals of collectors hold now and the record may not have."""
    from farebox.ingest.collector import WRITER

    folders = sorted(home.journal.glob(f"{WRITER}-*"))
    applied: Mapping[str, int] = {}
    with contextlib.suppress(FareboxError):  # then events that are in the record are accepted once more
        applied = record.applied(WRITER)
    return _earlier(folders, applied)


def _earlier(folders: Sequence[Path], applied: Mapping[str, int]) -> Iterator[tuple[str, int, Key, bytes]]:
    """Yield the events that journals of earlier collectors hold and the record may not have."""
    for folder in folders:
        journal = JournalReader(folder, Position())
        with contextlib.closing(journal):
            while entries := journal.read(_AT_ONCE).entries:
                for seq, kind, payload in entries:
                    found = _identity(kind, payload) if seq >= applied.get(folder.name, 0) else None
                    if found is not None:
                        yield folder.name, seq, *found


def _identity(kind: int, payload: bytes) -> tuple[Key, bytes] | None:
    """Return which event a record of a collector is, and the digest of its content."""
    if kind == records.MARK:
        detail = records.decode_mark(payload).detail
        if "event_id" not in detail:
            return None
        key = bytes.fromhex(str(detail["event_id"])), str(detail["source"])
        return key, bytes.fromhex(str(detail["payload_sha256"]))
    if kind not in (records.DONE, records.OUTCOME, records.SCORE):
        return None
    found = records.decode_done(payload) if kind == records.DONE else records.decode_result(payload)
    return (found.event_id, found.source), found.payload_sha256 or b""
