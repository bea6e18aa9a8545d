"""Push events to open browsers: new calls, changed minutes, the header's figures.

The ledger is asked for its last sequence number four times a second while a browser is connected, and
never otherwise. A stream asks the replica once, when it begins; from then on it adds up the record's
newest rows, so that an open browser does not keep the worker. Server-sent events, so a dropped connection
resumes where it stopped: the browser names the last sequence number it has seen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import msgspec

from farebox.analytics.live_sums import MINUTE_NS, LiveSums
from farebox.errors import FareboxError
from farebox.server.api.calls.call_views import CallBrief, brief
from farebox.server.api.errors import from_farebox
from farebox.server.api.filters import Selection
from farebox.server.api.pulse import POLL_S, Pulse
from farebox.server.api.queries import Ledger, Reader, Sources
from farebox.server.api.spending import reports
from farebox.server.api.spending.spend_views import Now, Text

FIGURES_S = 1.0
IDLE_FIGURES_S = 5.0
BATCH_MAX = 200
RESUMED_ROWS_MAX = 100_000
"""A browser that missed more begins anew: it asks for everything then anyway."""
ROWS_MAX = 5_000
"""How many rows a stream looks at in one turn; then others have theirs."""
MINUTES_BACK_MAX = 120


class LiveCalls(msgspec.Struct, kw_only=True):
    """Event `calls`: calls appended since the event before, oldest first."""

    calls: list[CallBrief]
    skipped: int
    """How many calls were left out because they came too fast; the next request for the list has them."""
    last_seq: int


class LiveMinutes(msgspec.Struct, kw_only=True):
    """Event `minutes`: the whole values of every minute that changed."""

    starts_ms: list[int]
    cost_pico: list[Text]
    calls: list[int]
    unpriced_calls: list[int]
    last_seq: int


async def stream(
    ledger: Ledger,
    pulse: Pulse,
    selection: Selection,
    resume_after: int | None,
    clock: Callable[[], int],
    cover: reports.Cover,
    may_stay: Callable[[], bool] = lambda: True,
) -> AsyncIterator[bytes]:
    """Yield server-sent events until the browser leaves, the server stops, or who asked may ask no more."""
    async with pulse:
        try:
            last = await ledger.read(lambda reader: reader.last_seq())
            yield _event("hello", Hello(last_seq=last, at_ms=clock() // 10**6), None)
            if resume_after is not None and not 0 <= last - resume_after <= RESUMED_ROWS_MAX:
                resume_after = None
            live = await ledger.ask(lambda sources: _begin(sources, selection, resume_after, clock()))
            figures_at = 0.0
            moving = True
            while not pulse.closing and may_stay():
                due = figures_at + (FIGURES_S if moving else IDLE_FIGURES_S)
                if time.monotonic() >= due:
                    figures = await ledger.read(lambda reader: _now(reader, live, selection, clock(), cover))
                    yield _event("figures", figures, None)
                    figures_at, moving = time.monotonic(), False
                    continue
                if not await pulse.beyond(live.seq, max(due - time.monotonic(), 0.01)):
                    continue
                if not may_stay():
                    break
                for event in await ledger.read(lambda reader: _news(reader, live, clock())):
                    yield event
                moving = True
                await asyncio.sleep(POLL_S)
        except FareboxError as error:
            yield _event("failed", from_farebox(error).body, None)


class Hello(msgspec.Struct, kw_only=True):
    """Event `hello`: where the stream starts, and the server's clock."""

    last_seq: int
    at_ms: int


def _begin(sources: Sources, selection: Selection, resume_after: int | None, now: int) -> LiveSums:
    """Ask for the sums that new rows are added to: of now, or as they were when the browser left."""
    live = LiveSums(selection.calls(None, None), resume_after)
    live.begin(*sources.questions.answers(*live.base_questions(_kept_since(selection, now), now)))
    return live


def _now(reader: Reader, live: LiveSums, selection: Selection, now: int, cover: reports.Cover) -> Now:
    spans = reports.spans_now(selection, now)
    live.forget(_kept_since(selection, now), now)
    *by_minute, by_second = spans
    measures = [*(live.since_minute(*span) for span in by_minute), live.since_second(*by_second)]
    return reports.now_view(measures, cover(reader, *spans.today), now, live.seq)


def _news(reader: Reader, live: LiveSums, now: int) -> list[bytes]:
    """Take in the next rows and return the events that they make."""
    news = live.add(reader.rows_after(live.seq, ROWS_MAX, with_details=live.with_details))
    if not news.minutes:
        return []
    shown = news.calls[-BATCH_MAX:]
    calls = LiveCalls(
        calls=[brief(row) for row in reader.by_seq(shown)],
        skipped=len(news.calls) - len(shown),
        last_seq=live.seq,
    )
    starts = [start for start in news.minutes if start >= _first_minute(now)]
    sums = [live.minute(start) for start in starts]
    minutes = LiveMinutes(
        starts_ms=[start // 10**6 for start in starts],
        cost_pico=[str(each.cost_pico) for each in sums],
        calls=[each.calls for each in sums],
        unpriced_calls=[each.unpriced_calls for each in sums],
        last_seq=live.seq,
    )
    return [_event("calls", calls, live.seq), _event("minutes", minutes, live.seq)]


def _kept_since(selection: Selection, now: int) -> int:
    return min(reports.spans_now(selection, now).yesterday_so_far[0], _first_minute(now))


def _first_minute(now: int) -> int:
    return now - now % MINUTE_NS - MINUTES_BACK_MAX * MINUTE_NS


def _event(name: str, data: object, event_id: int | None) -> bytes:
    head = b"" if event_id is None else b"id: %d\n" % event_id
    return b"%bevent: %b\ndata: %b\n\n" % (head, name.encode(), msgspec.json.encode(data))
