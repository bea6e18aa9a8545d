"""The one lock of a home's counters: `flock`, which ends with the process that holds it.

It is never waited for on the request path: whoever does not get it within microseconds comes back later.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from pathlib import Path

_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_SPIN_S = 0.0002
_PAUSE_S = 0.0005


class FileLock:
    """A lock between processes, and between the threads of this one."""

    def __init__(self, path: Path) -> None:
        """Open its file, which is made if it is not there.

        Raises:
            OSError: It cannot be made.
        """
        self._path = path
        self._descriptor = os.open(path, _OPEN, 0o600)
        self._threads = threading.Lock()

    def acquire(self, patience_s: float = 0.0) -> bool:
        """Take it; False where somebody else has it for longer than `patience_s`.

        Without patience it is tried for a fraction of a millisecond, giving way to whoever may hold it.
        """
        now = time.monotonic()
        spin_until, until = now + _SPIN_S, now + patience_s
        while True:
            if self._threads.acquire(blocking=False):
                try:
                    if self._descriptor < 0:
                        self._descriptor = os.open(self._path, _OPEN, 0o600)
                    fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True
                except BlockingIOError:
                    self._threads.release()
                except BaseException:
                    self._threads.release()
                    raise
            now = time.monotonic()
            if now < spin_until:
                os.sched_yield()
            elif now >= until:
                return False
            else:
                time.sleep(_PAUSE_S)

    def release(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self._threads.release()

    def leave_to_parent(self) -> None:
        """In a child of a fork: have a lock of our own. The parent's would last as long as we do."""
        self._threads = threading.Lock()
        self.close()

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class LifeLock:
    """Held by a participant for its life, so that others can tell whether it has ended."""

    def __init__(self, path: Path) -> None:
        """Make the file and take the lock.

        Raises:
            OSError: There is no room, or it is there already.
        """
        self.path = path
        self._descriptor = os.open(path, _OPEN | os.O_EXCL, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Let others know; in a child of a fork it changes nothing for the parent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def remove(self) -> None:
        """Take its name away, once nobody needs to know."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def is_held(path: Path) -> bool:
    """Tell whether the process that made a life lock still runs.

    Raises:
        OSError: It cannot be told now.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
