"""The line that `farebox statusline` prints: the server keeps it in a file, and this reads it.

A terminal asks for it every second or so, so nothing is loaded here but what an interpreter has loaded when
it starts. The file has a head, the day's figures, and a line a session; the server renews it while it is
asked for.
"""

from __future__ import annotations

import os
import sys
import time

FILE = "status.line"
ASKED = "status.asked"
"""Touched whenever a line is asked for."""
ASKED_FOR_S = 300
"""How long the server goes on after that."""
OLD_S = 30
"""The server renews the file more often than this while it is asked for."""
VERSION = "1"
_SAID_WITHIN_MS = 200
_SAID_BYTES_MAX = 1 << 20
_FIFO, _SOCKET, _KIND = 0o010000, 0o140000, 0o170000
NOT_RUNNING = "farebox: not running"
NO_FIGURES = "farebox: no figures yet"


class Figures:
    """What the file says."""

    __slots__ = ("amount", "clock", "day_ends_s", "per_hour", "pid", "sessions", "stamp", "written_s")

    def __init__(
        self,
        *,
        pid: int,
        written_s: int,
        day_ends_s: int,
        clock: str,
        stamp: str,
        amount: str,
        per_hour: str,
        sessions: dict[str, str],
    ) -> None:
        self.pid = pid
        """Of the server that wrote it."""
        self.written_s = written_s
        self.day_ends_s = day_ends_s
        self.clock, self.stamp = clock, stamp
        """When it was written, for people: `14:02`, and with the day: `Nov 28 14:02`."""
        self.amount = amount
        """What was spent on that day."""
        self.per_hour = per_hour
        """What was spent in the hour before, empty where nothing was."""
        self.sessions = sessions
        """What sessions of that day have cost in all."""


def encode(figures: Figures) -> bytes:
    """Return the file's content."""
    head = (VERSION, figures.pid, figures.written_s, figures.day_ends_s, figures.clock, figures.stamp)
    lines = ["\t".join(map(str, head)), f"{figures.amount}\t{figures.per_hour}"]
    lines += [f"{_flat(session)}\t{amount}" for session, amount in figures.sessions.items()]
    return ("\n".join(lines) + "\n").encode()


def decode(content: bytes) -> Figures | None:
    """Return what a file says, None where it is damaged or of another version."""
    try:
        head, sums, *sessions = content.decode().rstrip("\n").split("\n")
        version, pid, written, day_ends, clock, stamp = head.split("\t")
        amount, per_hour = sums.split("\t")
        if version != VERSION:
            return None
        return Figures(
            pid=int(pid),
            written_s=int(written),
            day_ends_s=int(day_ends),
            clock=clock,
            stamp=stamp,
            amount=amount,
            per_hour=per_hour,
            sessions=dict(each.rsplit("\t", 1) for each in sessions),
        )
    except ValueError:
        return None


def words(found: Figures | None, session: str | None, now_s: float, *, server_runs: bool) -> str:
    """Return the line. Figures that are not of now say of when they are."""
    if found is None:
        return NO_FIGURES if server_runs else NOT_RUNNING
    parts: list[str] = []
    of_session = found.sessions.get(_flat(session)) if session else None
    if of_session is not None:
        parts.append(f"{of_session} session")
    if not server_runs or not -OLD_S < now_s - found.written_s <= OLD_S or now_s >= found.day_ends_s:
        parts.append(f"{found.amount} by {found.clock if now_s < found.day_ends_s else found.stamp}")
        if not server_runs:
            parts.append(NOT_RUNNING)
        return " · ".join(parts)
    parts.append(f"{found.amount} today")
    if found.per_hour:
        parts.append(f"{found.per_hour}/h")
    return " · ".join(parts)


def line(home: str, session: str | None) -> str:
    """Return the line of a state directory, and note that it was asked for."""
    run = f"{home}/run"
    try:
        with open(f"{run}/{FILE}", "rb") as file:  # noqa: PTH123  # pathlib would take most of the time
            found = decode(file.read())
    except OSError:
        found = None
    _note_asked(f"{run}/{ASKED}")
    pid = found.pid if found is not None else _pid_of(f"{run}/server.json")
    return words(found, session, time.time(), server_runs=_lives(pid))


def default_home() -> str:
    """Return the state directory that is used where no flag names one; as `farebox.home.locate` does."""
    named = os.environ.get("FAREBOX_HOME")
    if named:
        return os.path.abspath(os.path.expanduser(named))  # noqa: PTH100, PTH111
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Application Support/farebox")  # noqa: PTH111
    data = os.environ.get("XDG_DATA_HOME", "").strip() or os.path.expanduser("~/.local/share")  # noqa: PTH111
    return f"{data}/farebox"


def home_of(arguments: list[str]) -> str | None:
    """Return the state directory where the arguments say nothing else, None where they do."""
    if not arguments:
        return default_home()
    if len(arguments) == 2 and arguments[0] == "--home":
        return os.path.abspath(os.path.expanduser(arguments[1]))  # noqa: PTH100, PTH111
    return None


def said_session() -> str | None:
    """Return the session that whoever draws the line names on standard input, as Claude Code does."""
    kind = os.fstat(0).st_mode & _KIND
    if kind not in (_FIFO, _SOCKET):
        return None
    from select import POLLIN, poll

    waiting = poll()
    waiting.register(0, POLLIN)
    said = b""
    while len(said) < _SAID_BYTES_MAX and waiting.poll(_SAID_WITHIN_MS):
        piece = os.read(0, 65_536)
        if not piece:
            break
        said += piece
    # Reading JSON would take longer than everything else here: ids have no quotes in them.
    _, found, rest = said.partition(b'"session_id"')
    value = rest.partition(b'"')[2].partition(b'"')[0]
    return value.decode(errors="replace") if found and value else None


def show(home: str) -> int:
    """Print the line."""
    try:
        session = said_session()
    except OSError:  # there is no standard input
        session = None
    try:
        os.write(1, f"{line(home, session)}\n".encode())
    except BrokenPipeError:
        return 0
    return 0


def show_and_end(home: str) -> None:
    """Print the line, and end the process as it is: taking an interpreter apart takes as long as all else."""
    os._exit(show(home))


def _flat(text: str) -> str:
    return " ".join(text.split())


def _note_asked(path: str) -> None:
    try:
        os.utime(path)
    except FileNotFoundError:
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        except OSError:
            return
    except OSError:
        return


def _pid_of(path: str) -> int:
    """Return the pid that a process announced, 0 where there is none."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            digits = file.read(4096).partition(b'"pid":')[2].lstrip()
    except OSError:
        return 0
    number = digits.partition(b",")[0].partition(b"}")[0].strip()
    return int(number) if number.isdigit() else 0


def _lives(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
