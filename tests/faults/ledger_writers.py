"""Processes to be killed: one that journals exchanges, and one that is the ledger.

`python ledger_writers.py write HOME STREAMS [ack-early]` appends intents and ends, and prints the id
of each exchange once its end is in the journal: the ones a client has seen ended.
`python ledger_writers.py power HOME [no-fsync]` does the same with `durability: power`: an id is
printed when the sync thread says that its end is durable.
`python ledger_writers.py ledger HOME` is the ledger process with a price book of one price.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "ledger"))


class Spawned:
    """This file as a process of its own, its output read as it comes."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), *arguments], stdout=subprocess.PIPE, text=True
        )
        self._printed: list[str] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stdout
        self._printed.extend(self._process.stdout)

    @property
    def printed(self) -> str:
        """What it has printed so far."""
        return "".join(self._printed)

    def wait_for_output(self) -> None:
        """Wait for the first line: a start can take any time."""
        while not self._printed:
            assert self._process.poll() is None, "it ended without a word"
            time.sleep(0.001)

    def kill(self) -> str:
        """`kill -9` it and return all that it had printed."""
        self._process.kill()
        self.wait()
        return self.printed

    def terminate(self) -> int:
        """Ask it to end and return its exit status."""
        self._process.terminate()
        return self.wait()

    def wait(self) -> int:
        """Return its exit status when it has ended."""
        status = self._process.wait(timeout=120)
        self._reading.join()
        if self._process.stdout:
            self._process.stdout.close()
        return status


def write(home_path: str, streams: int, *, ack_early: bool) -> None:
    from calls import NOON, done, intent_of

    from farebox.clock import uuid7
    from farebox.home import Home
    from farebox.journal import records
    from farebox.journal.writer import JournalWriter

    home = Home(Path(home_path))
    writer = JournalWriter(home.journal, segment_bytes=16 << 20)
    open_streams = []
    told: list[bytes] = []
    for number in itertools.count():
        exchange = done(
            NOON + number * 1_000_000, event_id=uuid7(), source=writer.source, input_tokens=number
        )
        writer.append(records.INTENT, records.encode(intent_of(exchange)))
        open_streams.append(exchange)
        if number % 20 == 19:
            time.sleep(0.001)
        if len(open_streams) >= streams:
            ended = open_streams.pop(0)
            line = f"{ended.event_id.hex()} {ended.extraction.parts[0].input_tokens}\n".encode()
            if ack_early:
                os.write(1, line)
            else:
                told.append(line)
            writer.append(records.DONE, records.encode(ended))
            # On a machine under load a writer can outrun the making of segments. Records then wait in
            # memory, its health says so, and nothing is promised for them: they are not acknowledged.
            if told and not writer.health.waiting_records:
                os.write(1, b"".join(told))
                told.clear()


def write_durably(home_path: str, *, no_fsync: bool) -> None:
    from calls import NOON, done, intent_of

    from farebox.clock import uuid7
    from farebox.home import Home
    from farebox.journal import records
    from farebox.journal.files import DiskFiles, MappedFile
    from farebox.journal.writer import JournalWriter

    class UnsyncedFiles(DiskFiles):
        def create(self, path: Path, size: int) -> MappedFile:
            file = super().create(path, size)
            file.sync = lambda: None  # type: ignore[method-assign]
            return file  # type: ignore[return-value]

    files = UnsyncedFiles() if no_fsync else DiskFiles()
    writer = JournalWriter(Home(Path(home_path)).journal, segment_bytes=2 << 20, files=files)
    number = 0
    while True:
        for _ in range(8):
            number += 1
            exchange = done(
                NOON + number * 1_000_000, event_id=uuid7(), source=writer.source, input_tokens=number
            )
            writer.append(records.INTENT, records.encode(intent_of(exchange)))
            position = writer.append(records.DONE, records.encode(exchange))
            line = f"{exchange.event_id.hex()} {number}\n".encode()
            writer.when_durable(position, lambda line=line: os.write(1, line))
        time.sleep(0.002)


def ledger(home_path: str) -> None:
    from calls import OnePriceBook

    from farebox.config import Config
    from farebox.home import Home
    from farebox.ledger import ledger_process

    ledger_process.load_book = lambda *_: OnePriceBook()  # type: ignore[assignment]
    sys.exit(ledger_process.main(Home(Path(home_path)), Config()))


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(sys.argv[2], int(sys.argv[3]), ack_early="ack-early" in sys.argv)
    elif sys.argv[1] == "power":
        write_durably(sys.argv[2], no_fsync="no-fsync" in sys.argv)
    else:
        ledger(sys.argv[2])
