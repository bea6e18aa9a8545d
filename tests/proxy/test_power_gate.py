"""What waits for its record is released in order, once, and only when that record is durable."""

from __future__ import annotations

import asyncio

from proxy_harness import MemoryJournal

from farebox.proxy.recording.power_gate import PowerGate


def test_bytes_wait_for_the_last_record_they_were_closed_for() -> None:
    async def scenario() -> None:
        journal, released = MemoryJournal(), list[bytes]()
        journal.hold = True
        gate = PowerGate(journal, released.append)
        gate.close(1)
        gate.hold(b"a")
        gate.close(2)
        gate.hold(b"b")
        first, second = journal.waiting
        first()
        await asyncio.sleep(0)
        assert gate.closed and released == []
        second()
        await asyncio.sleep(0)
        assert not gate.closed and released == [b"ab"]
        first()
        await asyncio.sleep(0)
        assert released == [b"ab"]

    asyncio.run(scenario())


def test_a_dropped_gate_releases_nothing() -> None:
    async def scenario() -> None:
        journal, released = MemoryJournal(), list[bytes]()
        journal.hold = True
        gate = PowerGate(journal, released.append)
        gate.close(1)
        gate.hold(b"a")
        gate.drop()
        journal.release()
        await asyncio.sleep(0)
        assert released == []

    asyncio.run(scenario())
