"""What is pushed to open browsers, and that nothing is asked while nobody listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
from fake_ledger import FakeLedger, call, whole
from served import MINUTE, NOW

from farebox.analytics.query import Reply, Request
from farebox.analytics.questions import Questions
from farebox.server.api.calls.live import stream
from farebox.server.api.filters import Selection, Window
from farebox.server.api.pulse import POLL_S, Pulse
from farebox.server.api.queries import Ledger

Event = tuple[str, Any]


def selected(where: dict[str, list[str]] | None) -> Selection:
    window = Window(since_ns=None, until_ns=NOW + 1, since_word="all", open_ended=True)
    return Selection(window=window, tz="UTC", where=where or {})


class Counting(FakeLedger):
    """Counts how often it was asked for its last row, and questions about many calls."""

    def __init__(self) -> None:
        super().__init__([call(1, NOW - 5 * MINUTE)])
        self.asked = 0
        self.questions = 0

    def reply(self, request: Request) -> Reply:
        self.questions += 1
        return super().reply(request)

    def last_seq(self) -> int:
        self.asked += 1
        return super().last_seq()


def read(block: bytes) -> Event:
    fields = dict(line.split(": ", 1) for line in block.decode().strip().split("\n"))
    return fields["event"], msgspec.json.decode(fields["data"])


async def next_of(events: AsyncIterator[bytes], *names: str) -> Event:
    """Return the next event of these names, others passed over."""
    while True:
        event = read(await asyncio.wait_for(anext(events), 10))
        if event[0] in names:
            return event


def listening(
    rows: FakeLedger,
    act: Callable[[AsyncIterator[bytes], Pulse], Awaitable[None]],
    where: dict[str, list[str]] | None = None,
    resume_after: int | None = None,
) -> None:
    async def run() -> None:
        ledger = Ledger(rows, Questions(rows))
        pulse = Pulse(ledger)
        events = stream(ledger, pulse, selected(where), resume_after, lambda: NOW, whole)
        try:
            await act(events, pulse)
        finally:
            await events.aclose()  # type: ignore[attr-defined]
            ledger.close()

    asyncio.run(run())


def test_a_new_call_is_pushed_with_its_minute_and_the_figures() -> None:
    rows = FakeLedger([call(1, NOW - 5 * MINUTE)])

    async def act(events: AsyncIterator[bytes], pulse: Pulse) -> None:
        assert await next_of(events, "hello") == ("hello", {"last_seq": 1, "at_ms": NOW // 10**6})
        before = (await next_of(events, "figures"))[1]
        rows.rows.append(call(2, NOW - MINUTE // 4))
        news = (await next_of(events, "calls"))[1]
        assert [row["seq"] for row in news["calls"]] == [2]
        assert (news["skipped"], news["last_seq"]) == (0, 2)
        minutes = (await next_of(events, "minutes"))[1]
        assert minutes["calls"] == [1]
        assert minutes["cost_pico"] == [str(rows.rows[1].cost_pico)]
        after = (await next_of(events, "figures"))[1]
        assert after["today"]["calls"] == before["today"]["calls"] + 1
        assert after["last_minute"]["cost_pico"] == str(rows.rows[1].cost_pico)

    listening(rows, act)


def test_calls_that_end_late_change_the_minute_they_began_in() -> None:
    rows = FakeLedger([call(1, NOW - 30 * MINUTE)])

    async def act(events: AsyncIterator[bytes], pulse: Pulse) -> None:
        await next_of(events, "figures")
        rows.rows.append(call(2, NOW - 30 * MINUTE))
        minutes = (await next_of(events, "minutes"))[1]
        assert minutes["calls"] == [2], "the whole minute, not the difference"
        assert minutes["starts_ms"] == [(NOW - 30 * MINUTE) // MINUTE * MINUTE // 10**6]

    listening(rows, act)


def test_only_calls_that_match_the_filters_are_pushed() -> None:
    rows = FakeLedger([call(1, NOW - 5 * MINUTE)])

    async def act(events: AsyncIterator[bytes], pulse: Pulse) -> None:
        await next_of(events, "figures")
        rows.rows.append(call(2, NOW, app="other"))
        rows.rows.append(call(3, NOW, app="mine"))
        assert [row["seq"] for row in (await next_of(events, "calls"))[1]["calls"]] == [3]

    listening(rows, act, where={"app": ["mine"]})


def test_a_browser_that_comes_back_gets_what_it_missed() -> None:
    rows = FakeLedger([call(seq, NOW - MINUTE) for seq in range(1, 6)])

    async def act(events: AsyncIterator[bytes], pulse: Pulse) -> None:
        assert [row["seq"] for row in (await next_of(events, "calls"))[1]["calls"]] == [4, 5]
        assert (await next_of(events, "minutes"))[1]["calls"] == [5]

    listening(rows, act, resume_after=3)


def test_a_flood_is_cut_to_the_newest_calls_and_says_so() -> None:
    rows = FakeLedger([call(1, NOW - MINUTE)])

    async def act(events: AsyncIterator[bytes], pulse: Pulse) -> None:
        await next_of(events, "figures")
        rows.rows.extend(call(seq, NOW - MINUTE) for seq in range(2, 1002))
        news = (await next_of(events, "calls"))[1]
        assert [row["seq"] for row in news["calls"]] == list(range(802, 1002))
        assert (news["skipped"], news["last_seq"]) == (800, 1001)
        assert sum((await next_of(events, "minutes"))[1]["calls"]) == 1001

    listening(rows, act)


def test_a_stream_asks_the_replica_once_and_goes_on_by_the_newest_rows() -> None:
    rows = Counting()

    async def act(events: AsyncIterator[bytes], pulse: Pulse) -> None:
        await next_of(events, "figures")
        assert rows.questions == 1
        for seq in range(2, 6):
            rows.rows.append(call(seq, NOW - MINUTE // 4))
            assert (await next_of(events, "calls"))[1]["last_seq"] == seq
            figures = (await next_of(events, "figures"))[1]
            assert (figures["last_seq"], figures["last_minute"]["calls"]) == (seq, seq - 1)
        assert rows.questions == 1

    listening(rows, act)


def test_closing_ends_every_stream_at_once() -> None:
    async def act(events: AsyncIterator[bytes], pulse: Pulse) -> None:
        await next_of(events, "figures")
        waiting = asyncio.ensure_future(anext(events, None))
        await asyncio.sleep(0)
        pulse.close()
        assert await asyncio.wait_for(waiting, 10) is None

    listening(FakeLedger([call(1, NOW)]), act)


def test_the_ledger_is_left_alone_while_nobody_listens() -> None:
    rows = Counting()

    async def run() -> None:
        ledger = Ledger(rows, Questions(rows))
        pulse = Pulse(ledger)
        events = stream(ledger, pulse, selected(None), None, lambda: NOW, whole)
        await next_of(events, "figures")
        await events.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        asked = rows.asked
        await asyncio.sleep(3 * POLL_S)
        assert rows.asked == asked
        ledger.close()

    asyncio.run(run())
