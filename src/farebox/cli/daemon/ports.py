"""Listening sockets: bind the wanted port, or the next free one and say which process has the wanted one."""

from __future__ import annotations

import socket
from pathlib import Path

from farebox.config import Address
from farebox.errors import PortInUseError

TRIES = 100
BACKLOG = 1024


def bind(wanted: Address, taken: frozenset[int] = frozenset()) -> socket.socket:
    """Return a listening socket on `wanted` or on the next free port after it.

    Raises:
        PortInUseError: Not one of the next hundred ports is free.
    """
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    last = wanted.port if wanted.port == 0 else min(wanted.port + TRIES, 65_535)
    error: OSError | None = None
    for port in range(wanted.port, last + 1):
        if port in taken and port:
            continue
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((wanted.host, port))
            listener.listen(BACKLOG)
        except OSError as problem:
            listener.close()
            error = problem
            continue
        return listener
    raise PortInUseError(f"no free port from {wanted.port} to {last} on {wanted.host}: {error}")


def holder(port: int) -> str:
    """Return which process listens on `port`: `pid 812 (nginx -g daemon off;)`, where the system tells.

    Another Farebox is named by its home, which is what tells two of them apart.
    """
    try:
        inodes = {
            fields[9]
            for table in ("tcp", "tcp6")
            for fields in _rows(Path("/proc/net") / table)
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port
        }
        sockets = {f"socket:[{inode}]" for inode in inodes}
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and sockets and _holds(process, sockets):
                words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
                home = _home_of(words)
                if home is not None:
                    return f"the Farebox of {home} (pid {process.name})"
                return f"pid {process.name} ({' '.join(words).strip()[:80]})"
    except (OSError, IndexError, ValueError):
        pass
    return "another process"


def _home_of(words: list[str]) -> str | None:
    """Return the home on the command line of one of our own processes, None for any other program."""
    module = next((at for at, word in enumerate(words) if word.startswith("farebox.")), None)
    if module is None or "-m" not in words[:module]:
        return None
    rest = words[module + 1 :]
    if words[module] == "farebox.cli.daemon.supervisor":
        return rest[0] if rest else None
    return rest[rest.index("--home") + 1] if "--home" in rest[:-1] else None


def _rows(table: Path) -> list[list[str]]:
    try:
        return [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []


def _holds(process: Path, sockets: set[str]) -> bool:
    try:
        return any(str(entry.readlink()) in sockets for entry in (process / "fd").iterdir())
    except OSError:  # another user's process, or one that has just ended
        return False
