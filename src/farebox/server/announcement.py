"""Where a listener of the server is found: what it writes into `run/` while it listens."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class Run(msgspec.Struct):
    """`run/server.json` or `run/portal.json`."""

    pid: int
    host: str
    port: int
    started_at: str
    url: str
    """Where a browser finds it."""
    secure: bool = False
    """Whether the port speaks TLS."""


def retract(file: Path) -> None:
    """Remove our announcement, unless another process has put its own there."""
    try:
        if msgspec.json.decode(file.read_bytes(), type=Run).pid == os.getpid():
            file.unlink()
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        pass
