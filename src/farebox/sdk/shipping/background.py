"""The one thread that sends in the background. It never keeps a program from ending."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from farebox.sdk import faults
from farebox.sdk.shipping.shipper import Shipper


class Background:
    """Runs a shipper's steps, when they are due or somebody asks."""

    def __init__(
        self, shipper: Shipper, before_step: Callable[[], None], after_step: Callable[[], None]
    ) -> None:
        self._shipper = shipper
        self._before_step = before_step
        self._after_step = after_step
        self._wanted = threading.Event()
        self._urgent = False
        self._ended = False
        self._progress = threading.Condition(threading.Lock())
        self._steps = 0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread. Where there can be none, events wait for `flush()`, or for the next process."""
        thread = threading.Thread(target=self._run, name="farebox", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # at the interpreter's end, in a subinterpreter, too many threads
            faults.report(error, "starting to send in the background")
        else:
            self._thread = thread

    def wake(self, *, urgent: bool = False) -> None:
        """Have it look now; `urgent`: also send now, where the last attempt has failed."""
        self._urgent = self._urgent or urgent
        self._wanted.set()

    def send_upto(self, seq: int, seconds: float, *, once: bool = False) -> bool:
        """Return once everything up to a record is acknowledged; False where that takes longer.

        `once`: also False with the first attempt that fails.
        """
        deadline = time.monotonic() + seconds
        failures = self._shipper.failures
        self.wake(urgent=True)
        while self._shipper.acknowledged < seq:
            left = deadline - time.monotonic()
            if left <= 0 or (once and self._shipper.failures > failures):
                return False
            if self._thread is not None and self._thread.is_alive():
                self._wait_for_step(left)
                continue
            delay_s = self._shipper.step(now=True)
            if self._shipper.failures > failures:
                failures = self._shipper.failures
                if once:
                    return False
                time.sleep(min(delay_s, max(deadline - time.monotonic(), 0.0)))
        return True

    def end(self) -> None:
        """Have the thread end with the step that is under way."""
        self._ended = True
        self._wanted.set()

    def _wait_for_step(self, seconds: float) -> None:
        with self._progress:
            steps = self._steps
            self._progress.wait_for(lambda: self._steps != steps, min(seconds, 0.5))

    def _run(self) -> None:
        delay_s = self._shipper.pace.flush_interval_s
        while not self._ended:
            self._wanted.wait(delay_s)
            self._wanted.clear()
            if self._ended:
                return
            urgent, self._urgent = self._urgent, False
            self._before_step()
            delay_s = self._shipper.step(now=urgent)
            with self._progress:
                self._steps += 1
                self._progress.notify_all()
            self._after_step()
