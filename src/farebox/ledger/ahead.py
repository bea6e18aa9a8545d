"""Prepare a backlog in a process of its own, ahead of the one that writes it.

    python -m farebox.ledger.ahead HOME CONFIG WRITER SEGMENT OFFSET SEQ

It reads the journal from a position on and writes what it prepared to standard output: the calls of
each batch, and behind many batches their sums, which is what the ledger commits at a time. A batch that
needs a look into the ledger is left to it. Nothing depends on this process: where it is slow, wrong or
dead, the ledger reads the journal itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import marshal
import os
import select
import struct
import subprocess
import sys
from collections import deque
from pathlib import Path

from farebox.home import Home
from farebox.journal.reader import JournalReader, Position
from farebox.ledger.blocks import Block
from farebox.ledger.preparing import Finished, Left, PlainBook, Prepared, plain, prepare
from farebox.ledger.rollup import Part, RollUp
from farebox.pricing.watching import PriceWatch

BATCH_RECORDS = 500
"""What is decoded at a time: it bounds memory."""

TRANSACTION_CALLS = 24_000
"""How many calls share their sums and a commit: a few hours of dense traffic, in memory here only."""

_SIZE = struct.Struct("<I")
_PIPE_BYTES = 1 << 20
_QUEUE_BYTES = 12 << 20
"""What is kept ready while the ledger is busy: most of what is committed at a time."""
_PATIENCE_S = 10.0
_SET_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", 1031)


Message = Prepared | Part | Finished | Left
_MESSAGES: dict[str, type[Part] | type[Finished] | type[Left]] = {
    each.__name__: each for each in (Part, Finished, Left)
}
_BLOCKS = Prepared._fields.index("blocks")


class Ahead:
    """The process and its pipe, as the ledger sees them."""

    def __init__(self, home: Home, config_file: str, writer: str, position: Position) -> None:
        """Start it.

        Raises:
            OSError: That is not possible now.
        """
        self.writer = writer
        arguments = [str(home.path), config_file, writer, *map(str, position)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "farebox.ledger.ahead", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C in the terminal is for those who can end in order
        )
        if self._process.stdout is None:
            raise OSError("no pipe")
        self._pipe = self._process.stdout
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._pipe, _SET_PIPE_SIZE, _PIPE_BYTES)

    def take(self) -> Message | None:
        """Return what comes next; None where nothing does. Then it is of no use any more."""
        if not select.select([self._pipe], [], [], _PATIENCE_S)[0]:
            return None
        head = self._pipe.read(_SIZE.size)
        if len(head) < _SIZE.size:
            return None
        (size,) = _SIZE.unpack(head)
        data = self._pipe.read(size)
        if len(data) < size:
            return None
        name, *values = marshal.loads(data)  # noqa: S302 - from our own child
        if name == Prepared.__name__:
            prepared = Prepared(*values)
            return prepared._replace(blocks=[Block(*block) for block in prepared.blocks])
        return _MESSAGES[name](*values)

    def close(self) -> None:
        """End it."""
        self._pipe.close()
        self._process.kill()
        self._process.wait()


class _Output:
    """What is to be written, in order, as far as the pipe takes it."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._waiting: deque[memoryview] = deque()
        self._bytes = 0

    def put(self, message: Message) -> None:
        """Write a message, or keep it until there is room; wait where too much is kept."""
        plain = [tuple(each) if isinstance(each, tuple) else each for each in message]
        if isinstance(message, Prepared):
            plain[_BLOCKS] = [tuple(block) for block in message.blocks]
        data = marshal.dumps((type(message).__name__, *plain))
        self._waiting.append(memoryview(_SIZE.pack(len(data)) + data))
        self._bytes += len(data)
        self._write()
        while self._bytes >= _QUEUE_BYTES:
            self._wait()

    def finish(self) -> None:
        """Write everything."""
        while self._waiting:
            self._wait()

    def _wait(self) -> None:
        select.select([], [self._descriptor], [])
        self._write()

    def _write(self) -> None:
        while self._waiting:
            try:
                written = os.write(self._descriptor, self._waiting[0])
            except BlockingIOError:
                return
            self._bytes -= written
            rest = self._waiting.popleft()[written:]
            if rest:
                self._waiting.appendleft(rest)


def main(arguments: list[str]) -> None:
    """Prepare until there is nothing more, or nobody reads any more."""
    home, config_file, writer, *position = arguments
    place = Home(Path(home))
    watch = PriceWatch(place.path, Path(config_file) if config_file else None, place.cache)
    book = watch.current()
    if book.has_contracts:
        return
    reader = JournalReader(place.journal / writer, Position(*map(int, position)))
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    output = _Output(sys.stdout.fileno())
    while _prepare_some(reader, book, output):
        pass
    output.finish()


def _prepare_some(reader: JournalReader, book: PlainBook, output: _Output) -> bool:
    """Prepare what is committed at a time; tell whether there may be more."""
    rollup, calls, made = RollUp(), 0, False
    left: Left | None = None
    is_over = False
    while calls < TRANSACTION_CALLS:
        start = reader.position
        batch = reader.read(BATCH_RECORDS)
        prepared = prepare(batch, book, plain(start), rollup.kinds)
        if prepared is None:
            left = Left(plain(start), plain(batch.position))
            is_over = batch.finished or batch.position == start
            break
        for block in prepared.blocks:
            rollup.add(block.columns, calls)
            calls += block.calls
        output.put(prepared)
        made = True
    if made:
        hours = rollup.hours
        for part in rollup.parts():
            output.put(part)
        output.put(Finished(hours))
    if left is None:
        return True
    output.put(left)
    return not is_over


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main(sys.argv[1:])
