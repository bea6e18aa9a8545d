"""What came in one turn of the loop is handed out in order, and nobody's failure is another's."""

from __future__ import annotations

import asyncio
from typing import Any

from farebox.proxy.sockets.read_batch import ReadBatch, running_batch


class Transport:
    aborted = False
    reads = True

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


class Connection:
    def __init__(self, name: str, log: list[tuple[str, bytes]]) -> None:
        self.name = name
        self.log = log
        self.transport: Any = Transport()
        self.reading_paused = False

    def received(self, data: bytes) -> None:
        if data == b"broken":
            raise RuntimeError("no")
        self.log.append((self.name, data))


def test_bytes_are_handed_out_in_the_order_they_came() -> None:
    log: list[tuple[str, bytes]] = []

    async def main() -> None:
        batch = running_batch()
        assert batch is running_batch()
        one, two = Connection("one", log), Connection("two", log)
        batch.add(one, b"1")
        batch.add(two, b"2")
        batch.add(one, b"3")
        assert log == []
        await asyncio.sleep(0)
        assert log == [("one", b"1"), ("two", b"2"), ("one", b"3")]
        batch.add(two, b"4")
        await asyncio.sleep(0)
        assert log[3:] == [("two", b"4")]

    asyncio.run(main())


def test_before_an_end_everything_is_handed_out_once() -> None:
    log: list[tuple[str, bytes]] = []

    async def main() -> None:
        batch = ReadBatch(asyncio.get_running_loop())
        batch.add(Connection("one", log), b"last")
        batch.run()
        assert log == [("one", b"last")]
        await asyncio.sleep(0)
        assert log == [("one", b"last")]

    asyncio.run(main())


def test_much_at_once_is_handed_out_before_more_is_read() -> None:
    log: list[tuple[str, bytes]] = []

    async def main() -> None:
        batch = ReadBatch(asyncio.get_running_loop())
        batch.add(Connection("one", log), b"small")
        batch.add(Connection("two", log), b"x" * 100_000)
        assert [name for name, _ in log] == ["one", "two"]

    asyncio.run(main())


def test_a_connection_that_fails_is_lost_alone() -> None:
    log: list[tuple[str, bytes]] = []
    errors: list[Any] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: errors.append(context["exception"]))
        batch = ReadBatch(loop)
        bad, good = Connection("bad", log), Connection("good", log)
        batch.add(bad, b"broken")
        batch.add(good, b"fine")
        await asyncio.sleep(0)
        assert log == [("good", b"fine")]
        assert bad.transport.aborted and not good.transport.aborted
        assert len(errors) == 1

    asyncio.run(main())


def test_one_that_comes_alone_is_served_at_once_and_never_overtakes() -> None:
    log: list[tuple[str, bytes]] = []

    async def main() -> None:
        batch = ReadBatch(asyncio.get_running_loop())
        one = Connection("one", log)
        batch.add(one, b"0")
        await asyncio.sleep(0)
        served = 0
        while len(log) == served + 1:
            served += 1
            batch.add(one, b"%d" % served)
        assert served > 1  # now and then one waits, to see whether it is still alone
        batch.add(one, b"next")
        assert len(log) == served
        await asyncio.sleep(0)
        assert log == [("one", b"%d" % number) for number in range(served + 1)] + [("one", b"next")]

    asyncio.run(main())


def test_a_full_read_is_followed_by_everybody_elses_turn() -> None:
    """libuv would go on reading from the same socket, and nobody else would be served."""
    log: list[tuple[str, bytes]] = []

    async def main() -> None:
        batch = ReadBatch(asyncio.get_running_loop())
        large, stalled = Connection("large", log), Connection("stalled", log)
        batch.add(large, bytes(256_000))
        assert log == [("large", bytes(256_000))]
        assert not large.transport.reads
        await asyncio.sleep(0)
        assert large.transport.reads
        batch.add(stalled, bytes(256_000))
        stalled.reading_paused = True  # its exchange said so meanwhile
        await asyncio.sleep(0)
        assert not stalled.transport.reads

    asyncio.run(main())
