"""Hand exchanges that ended without usage to the estimator, off the event loop.

The loop only puts an exchange into a short queue. A thread starts the estimator when there is something
for it and writes into its pipe; what does not fit into the queue is left out, and the ledger then makes
do with how many bytes passed.
"""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

    from farebox.wire.sample import Unmeasured

WAITING_MAX = 64
"""At 64 KiB each: four megabytes at the worst."""

log = logging.getLogger("farebox.proxy")


class Estimates:
    """What the proxy knows of the estimator."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._waiting: Queue[Unmeasured | None] = Queue(WAITING_MAX)
        self._thread: threading.Thread | None = None
        self.left_out = 0
        """Exchanges nobody had time for."""

    def offer(self, unmeasured: Unmeasured) -> None:
        """Have an exchange estimated; never waits."""
        try:
            self._waiting.put_nowait(unmeasured)
        except Full:
            self.left_out += 1
            return
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="farebox-estimates", daemon=True)
            self._thread.start()

    def close(self, timeout_s: float = 2.0) -> None:
        """Let the estimator finish what it was given."""
        thread = self._thread
        if thread is None or not thread.is_alive():
            return
        try:
            self._waiting.put_nowait(None)
        except Full:
            return
        thread.join(timeout_s)

    def _run(self) -> None:
        """Feed an estimator until there is nothing to do for a while."""
        from farebox.estimating.estimator_process import IDLE_S, frame

        process: subprocess.Popen[bytes] | None = None
        try:
            while True:
                try:
                    unmeasured = self._waiting.get(timeout=IDLE_S)
                except Empty:
                    return
                if unmeasured is None:
                    return
                if process is None or process.poll() is not None:
                    process = self._start()
                assert process.stdin is not None  # noqa: S101 - asked for above
                process.stdin.write(frame(unmeasured))
                process.stdin.flush()
        except OSError as error:
            log.warning("estimates are left to the ledger: %s", error)
        finally:
            if process is not None:
                self._end(process)

    def _start(self) -> subprocess.Popen[bytes]:
        import subprocess

        return subprocess.Popen(
            [sys.executable, "-m", "farebox.estimating", str(self._journal)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # the Ctrl-C is for others
            close_fds=True,
        )

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        try:
            if process.stdin is not None:
                process.stdin.close()  # its end: it counts what is left and leaves
        except OSError:
            pass  # it has left already
        process.wait()
