"""Push events to open browsers: new calls, changed minutes, the header's figures.

The ledger is asked for its last sequence number four times a second while a browser is connected, and
never otherwise. Server-sent events, so a dropped connection resumes where it stopped: the browser names
the last sequence number it has seen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import msgspec

from farebox.errors import FareboxError
from farebox.server.api import reports, views
from farebox.server.api.errors import from_farebox
from farebox.server.api.filters import Selection, instant_ns
from farebox.server.api.queries import Ledger

POLL_S = 0.25
FIGURES_S = 1.0
IDLE_FIGURES_S = 5.0
BATCH_MAX = 200
MINUTES_BACK_MAX = 120


class LiveCalls(msgspec.Struct, kw_only=True):
    """Event `calls`: calls appended since the event before, oldest first."""

    calls: list[views.CallBrief]
    skipped: int
    """About how many calls were left out because they came too fast; the next request for the list has
    them."""
    last_seq: int


class LiveMinutes(msgspec.Struct, kw_only=True):
    """Event `minutes`: the whole values of every minute that changed."""

    starts_ms: list[int]
    cost_pico: list[views.Text]
    calls: list[int]
    unpriced_calls: list[int]
    last_seq: int


class Pulse:
    """One poll of the ledger's last sequence number for all listeners."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._listeners = 0
        self.last_seq = -1
        self.closing = False

    async def __aenter__(self) -> Pulse:
        self._listeners += 1
        if self._task is None:
            self._task = asyncio.create_task(self._poll())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listeners -= 1
        if self._listeners == 0 and self._task is not None:
            self._task.cancel()
            self._task = None

    async def beyond(self, seq: int, timeout_s: float) -> bool:
        """Wait until the ledger has rows after `seq`; False when the time is up first."""
        end = time.monotonic() + timeout_s
        while not self.closing and self.last_seq <= seq:
            left = end - time.monotonic()
            if left <= 0:
                return False
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                return False
        return not self.closing

    def close(self) -> None:
        """End every stream, so that a shutdown does not wait for browsers."""
        self.closing = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _poll(self) -> None:
        while True:
            try:
                seq = await self._ledger.read(lambda reader: reader.last_seq())
            except FareboxError:
                seq = self.last_seq  # being migrated or repaired; the status route says so
            if seq != self.last_seq:
                self.last_seq = seq
                self._wake()
            await asyncio.sleep(POLL_S)


async def stream(
    ledger: Ledger,
    pulse: Pulse,
    selection: Selection,
    resume_after: int | None,
    clock: Callable[[], int],
    cover: reports.Cover,
) -> AsyncIterator[bytes]:
    """Yield server-sent events until the browser leaves or the server stops."""
    async with pulse:
        try:
            seen = await ledger.read(lambda reader: reader.last_seq())
            yield _event("hello", Hello(last_seq=seen, at_ms=clock() // 10**6), None)
            if resume_after is not None and resume_after < seen:
                seen = resume_after
            figures_at = 0.0
            moving = True
            while not pulse.closing:
                due = figures_at + (FIGURES_S if moving else IDLE_FIGURES_S)
                if time.monotonic() >= due:
                    figures = await ledger.ask(
                        lambda sources: reports.figures_now(sources, selection, clock(), cover)
                    )
                    yield _event("figures", figures, None)
                    figures_at, moving = time.monotonic(), False
                    continue
                if not await pulse.beyond(seen, max(due - time.monotonic(), 0.01)):
                    continue
                calls, minutes = await _news(ledger, selection, seen, clock())
                if calls.calls:
                    yield _event("calls", calls, calls.last_seq)
                    yield _event("minutes", minutes, calls.last_seq)
                seen, moving = max(calls.last_seq, seen), True
                await asyncio.sleep(POLL_S)
        except FareboxError as error:
            yield _event("failed", from_farebox(error).body, None)


class Hello(msgspec.Struct, kw_only=True):
    """Event `hello`: where the stream starts, and the server's clock."""

    last_seq: int
    at_ms: int


async def _news(ledger: Ledger, selection: Selection, seen: int, now: int) -> tuple[LiveCalls, LiveMinutes]:
    everything = selection.calls(None, None)
    last = await ledger.read(lambda reader: reader.last_seq())
    # One more than is shown tells whether some are left out; the first of them, since when.
    seqs = await ledger.ask(lambda each: each.questions.calls(everything, BATCH_MAX + 1, after_seq=seen))
    skipped = 0
    if len(seqs) > BATCH_MAX:
        newest = await ledger.ask(lambda each: each.questions.calls(everything, BATCH_MAX))
        skipped = max(newest[-1] - seqs[0], 0)
        seqs = newest[::-1]
    rows = await ledger.read(lambda reader: reader.by_seq(seqs))
    calls = LiveCalls(calls=[views.brief(row) for row in rows], skipped=skipped, last_seq=last)
    minute = 60 * reports.SECOND
    end = now - now % minute + minute
    earliest = min((_minute_of(row.occurred_at) for row in rows), default=end - minute)
    if skipped:
        earliest = 0
    start = max(earliest, end - MINUTES_BACK_MAX * minute)
    points = await ledger.ask(lambda each: each.questions.series(selection.calls(start, end), "minute"))
    return calls, LiveMinutes(
        starts_ms=[point.start_ns // 10**6 for point in points],
        cost_pico=[str(point.measures.cost_pico) for point in points],
        calls=[point.measures.calls for point in points],
        unpriced_calls=[point.measures.unpriced_calls for point in points],
        last_seq=last,
    )


def _minute_of(occurred_at: str) -> int:
    moment = instant_ns(occurred_at)
    return moment - moment % (60 * reports.SECOND)


def _event(name: str, data: object, event_id: int | None) -> bytes:
    head = b"" if event_id is None else b"id: %d\n" % event_id
    return b"%bevent: %b\ndata: %b\n\n" % (head, name.encode(), msgspec.json.encode(data))
