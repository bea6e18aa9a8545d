"""The process that owns the replica while a server runs.

It is started for the first question and ends when none has come for a while, so that an idle Farebox
stays small. Between questions it follows the record, so that the next one finds little left to copy.
One JSON object a line each way: sums can have more than 64 bits, which MessagePack cannot carry.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time

import msgspec

from farebox.analytics.local import LocalAsker
from farebox.analytics.query import Reply, Request
from farebox.analytics.questions import reply_of
from farebox.errors import FareboxError, QuestionError
from farebox.home import Home
from farebox.readable import is_readable

IDLE_SECONDS = 60.0
CATCH_UP_SECONDS = 10.0
"""How long a question waits for a replica that is being built."""

POLL_SECONDS = 0.5
BEHIND_ROWS = 2_000
"""It follows the record without being asked once it is this many rows behind."""

_CHUNK = 1 << 16
_decode_request = msgspec.json.Decoder(Request).decode
_decode_reply = msgspec.json.Decoder(Reply).decode


def serve(home: Home, source: int = 0, target: int = 1) -> int:
    """Answer requests until the pipe ends or nobody has asked for a while."""
    asker = LocalAsker(home, seconds=CATCH_UP_SECONDS, owner=True)
    asked_at = time.monotonic()
    waiting, pending = b"", False
    try:
        while time.monotonic() - asked_at < IDLE_SECONDS:
            if not is_readable(source, 0 if pending else POLL_SECONDS):
                pending = _follow(asker)
                continue
            chunk = os.read(source, _CHUNK)
            if not chunk:
                break
            *lines, waiting = (waiting + chunk).split(b"\n")
            for line in lines:
                request = _decode_request(line)
                reply = reply_of(lambda request=request: asker.reply(request))
                _write(target, msgspec.json.encode(reply) + b"\n")
                pending = _follow(asker)
            asked_at = time.monotonic()
    finally:
        asker.close()
    return 0


def _write(target: int, line: bytes) -> None:
    while line:
        line = line[os.write(target, line) :]


def _follow(asker: LocalAsker) -> bool:
    """Copy a batch where the replica is far behind; tell whether there is more."""
    engine = asker.engine
    if engine is None or engine.behind() < BEHIND_ROWS:
        return False
    try:
        return not engine.step().done
    except FareboxError:
        return False  # the next question meets the same error and reports it


class Worker:
    """The server's side of the pipe. Threads may share it; questions wait for each other."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The worker's process id, None while there is none."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def reply(self, request: Request) -> Reply:
        """Return the worker's reply; starts a worker if there is none.

        Raises:
            QuestionError: It ended twice without a reply.
        """
        line = msgspec.json.encode(request) + b"\n"
        with self._turn:
            # It may be ending at this moment, or have been killed: the next one goes on from its cursor.
            for _ in range(2):
                reply = self._exchange(line)
                if reply is not None:
                    return reply
                self._end()
        raise QuestionError("the process that answers questions ended; the server's log says why")

    def _exchange(self, line: bytes) -> Reply | None:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            self._process = self._start()
        process = self._process
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(line)
            process.stdin.flush()
            reply = process.stdout.readline()
        except OSError:
            return None
        return _decode_reply(reply) if reply.endswith(b"\n") else None

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "farebox.analytics", str(self._home.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            process.wait(2.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        """End the worker."""
        with self._turn:
            self._end()
