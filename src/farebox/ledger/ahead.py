"""Prepare a backlog in a process of its own, ahead of the one that writes it.

    python -m farebox.ledger.ahead HOME CONFIG WRITER SEGMENT OFFSET SEQ

It reads the journal from a position on and writes what it prepared to standard output, until it
meets something it leaves to the ledger. Nothing depends on it: where it is slow, wrong or dead,
the ledger reads the journal itself.
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
from farebox.ledger.preparing import Prepared, prepare
from farebox.pricing.watching import PriceWatch

BATCH_RECORDS = 500
"""What is decoded at a time: it bounds memory."""

_SIZE = struct.Struct("<I")
_PIPE_BYTES = 1 << 20
_QUEUE_BYTES = 12 << 20
"""What is kept ready while the ledger is busy with a transaction: a whole one of the next."""
_PATIENCE_S = 10.0
_SET_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", 1031)


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

    def take(self, start: Position) -> Prepared | None:
        """Return what follows `start`; None where it has nothing that fits. Then it is of no use any more."""
        if not select.select([self._pipe], [], [], _PATIENCE_S)[0]:
            return None
        head = self._pipe.read(_SIZE.size)
        if len(head) < _SIZE.size:
            return None
        (size,) = _SIZE.unpack(head)
        data = self._pipe.read(size)
        if len(data) < size:
            return None
        prepared = Prepared(*marshal.loads(data))  # noqa: S302 - from our own child
        return prepared if prepared.start == tuple(start) else None

    def close(self) -> None:
        """End it."""
        self._pipe.close()
        self._process.kill()
        self._process.wait()


def main(arguments: list[str]) -> None:
    """Prepare until there is something to leave to the ledger, or nobody reads any more."""
    home, config_file, writer, *position = arguments
    place = Home(Path(home))
    watch = PriceWatch(place.path, Path(config_file) if config_file else None, place.cache)
    book = watch.current()
    if book.has_contracts:
        return
    reader = JournalReader(place.journal / writer, Position(*map(int, position)))
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    output = sys.stdout.fileno()
    os.set_blocking(output, False)
    waiting: deque[memoryview] = deque()
    waiting_bytes, more = 0, True
    while more or waiting:
        if more and waiting_bytes < _QUEUE_BYTES:
            segment, offset, seq = reader.position
            prepared = prepare(reader.read(BATCH_RECORDS), book, (segment, offset, seq))
            more = prepared is not None
            if prepared is not None:
                data = marshal.dumps(tuple(prepared))
                waiting.append(memoryview(_SIZE.pack(len(data)) + data))
                waiting_bytes += len(data)
        else:
            select.select([], [output], [])
        while waiting:
            try:
                written = os.write(output, waiting[0])
            except BlockingIOError:
                break
            waiting_bytes -= written
            rest = waiting.popleft()[written:]
            if rest:
                waiting.appendleft(rest)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main(sys.argv[1:])
