"""One-time links: how a person at the terminal becomes a signed-in browser.

A link carries a random code; a file named after the code's hash lies in `run/`. Removing that
file is what redeems the code, and a file can be removed only once, even by two at the same time.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from pathlib import Path

import msgspec

from farebox.config import Address
from farebox.errors import ServerNotRunningError
from farebox.home import Home, write_private
from farebox.program import command
from farebox.server.access.sessions import load_token

LINK_SECONDS = 600


def mint_link(home: Home) -> str:
    """Return a URL that signs one browser in, once, within ten minutes.

    Raises:
        ServerNotRunningError: No dashboard server of this state directory is listening.
    """
    address = _address(home)
    load_token(home)
    _sweep(home, time.time())
    code = secrets.token_urlsafe(24)
    write_private(_file_of(home, code), str(int(time.time()) + LINK_SECONDS).encode())
    return f"{address}/?link={code}"


def redeem(home: Home, code: str, now_s: float) -> bool:
    """Redeem a link's code and return whether it was valid."""
    path = _file_of(home, code)
    try:
        ends = path.read_bytes()
        path.unlink()
    except OSError:
        return False
    return ends.isdigit() and now_s < int(ends)


def _file_of(home: Home, code: str) -> Path:
    digest = hashlib.sha256(b"farebox link\0" + code.encode("utf-8", "replace")).hexdigest()
    return home.run / f"link.{digest[:40]}"


def _sweep(home: Home, now_s: float) -> None:
    for path in home.run.glob("link.*"):
        try:
            if path.stat().st_mtime + LINK_SECONDS < now_s:
                path.unlink()
        except FileNotFoundError:  # redeemed between the listing and here
            continue


class _Running(msgspec.Struct):
    pid: int
    host: str
    port: int
    url: str = ""
    """Where a browser finds it, where that is another place."""


def _address(home: Home) -> str:
    try:
        running = msgspec.json.decode((home.run / "server.json").read_bytes(), type=_Running)
        os.kill(running.pid, 0)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ServerNotRunningError(f"no dashboard is running here; type: {command('up', home)}") from error
    return running.url or f"http://{Address(running.host, running.port)}"
