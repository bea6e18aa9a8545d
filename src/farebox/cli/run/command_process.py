"""The command of `farebox run` as a process: start it as a shell would, wait for it, and look after what
outlives it.

On Linux this process becomes the reaper of the command's orphaned descendants, so that a server it put
into the background is known and can be served until it ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from farebox.cli.exits import say

NOT_FOUND, NOT_EXECUTABLE = 127, 126
_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_EVERY_S = 0.1
_PR_SET_CHILD_SUBREAPER = 36

Ended = Callable[[int], None]
"""Called with the pid of every other child that ended."""


class NeverStartedError(Exception):
    """There is no such program, or it cannot be run: it made no calls, so there is no receipt."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def run_to_end(command: list[str], environment: dict[str, str], ended: Ended) -> int:
    """Run the command in our own terminal and group; return its status, 128 + n for a signal.

    Raises:
        NeverStartedError: The program cannot be run.
    """
    program = shutil.which(command[0], path=environment.get("PATH"))
    if program is None:
        exists = Path(command[0]).exists()
        if exists:
            raise NeverStartedError(f"{command[0]}: not executable", NOT_EXECUTABLE)
        raise NeverStartedError(f"{command[0]}: command not found", NOT_FOUND)
    sys.stdout.flush()
    adopt_orphans()
    previous = {number: signal.getsignal(number) for number in (*_FORWARDED, signal.SIGINT, signal.SIGQUIT)}
    forwarder = _Forwarder()
    # Set before the command starts, so that no signal falls between; a handler is reset in the
    # command by exec. The terminal sends INT and QUIT to the whole group: the command decides what they
    # mean, and this process stays. Signals that were ignored before stay ignored.
    for number, handler in previous.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, forwarder.take if number in _FORWARDED else _stay)
    try:
        # Python ignores SIGPIPE; the command is started as a shell would start it.
        child = os.posix_spawn(program, command, environment, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ])
        forwarder.deliver_to(child)
        return _wait(child, ended)
    except OSError as error:
        raise NeverStartedError(f"{command[0]}: {error.strerror}", NOT_EXECUTABLE) from None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def serve_what_is_left(own: Callable[[], int], ended: Ended, seconds: float | None) -> None:
    """Say which processes outlive the command, and return when they have ended.

    Or after `seconds`, or at a Ctrl-C. `own` is the pid of a child that is not the command's.
    """
    left = _others(own, ended)
    if not left:
        return
    names = ", ".join(f"{_name(pid)} (pid {pid})" for pid in left[:5])
    names += f" and {len(left) - 5} more" if len(left) > 5 else ""
    if seconds is not None and seconds <= 0:
        say(f"the command has ended and left running: {names}; their calls fail from here on")
        return
    how_long = "until they end" if seconds is None else f"for {seconds:g} s"
    deadline = None if seconds is None else time.monotonic() + seconds
    previous = {number: signal.getsignal(number) for number in _ENDING}
    asked: list[int] = []
    for number in _ENDING:
        signal.signal(number, lambda number, _frame: asked.append(number))
    say(f"the command has ended and left running: {names}; served {how_long}, or until Ctrl-C")
    try:
        while (left := _others(own, ended)) and not asked:
            if deadline is not None and time.monotonic() > deadline:
                break
            time.sleep(_LOOK_EVERY_S)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if left:
        names = ", ".join(f"{_name(pid)} (pid {pid})" for pid in left[:5])
        say(f"still running: {names}; their calls fail from here on")


def adopt_orphans() -> None:
    """Have the command's orphaned descendants become children of this process, where the system can."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _others(own: Callable[[], int], ended: Ended) -> list[int]:
    """Return the living children except `own`; none where the system does not tell. A child that has just
    ended may have left children that are not listed yet, so the list is final only once it contains no
    ended child.
    """
    while True:
        living, has_ended = _look_for_children(own())
        if not has_ended:
            return living
        _reap(ended)


def _look_for_children(own: int) -> tuple[list[int], bool]:
    found: list[int] = []
    has_ended = False
    me = os.getpid()
    try:
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    except OSError:
        return found, False
    for pid in pids:
        try:
            state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
        except (OSError, ValueError):  # it has just ended
            continue
        if int(parent) == me and state in "ZX":
            has_ended = True
        elif int(parent) == me and pid != own:
            found.append(pid)
    return sorted(found), has_ended


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "a process"


def _reap(ended: Ended) -> None:
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        ended(pid)


class _Forwarder:
    """Pass signals on to the command, those from before its start included."""

    def __init__(self) -> None:
        self._child = 0
        self._early: list[int] = []

    def take(self, number: int, _frame: FrameType | None) -> None:
        if self._child:
            _forward(self._child, number)
        else:
            self._early.append(number)

    def deliver_to(self, child: int) -> None:
        self._child = child
        for number in self._early:
            _forward(child, number)


def _stay(_number: int, _frame: FrameType | None) -> None:
    return


def _forward(child: int, number: int) -> None:
    try:
        os.kill(child, number)
    except ProcessLookupError:
        return


def _wait(child: int, ended: Ended) -> int:
    while True:
        pid, raw = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(raw)
            return 128 - code if code < 0 else code
        ended(pid)
