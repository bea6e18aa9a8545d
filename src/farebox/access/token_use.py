"""When each token was last used, written down by each process at most once a minute.

The proxy opens no database, so every process keeps a small file in `run/`, and whoever lists tokens reads
them all.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import msgspec

from farebox.clock import now_ns
from farebox.errors import StateDirectoryError
from farebox.home import Home, replace_private

WRITTEN_EVERY_S = 60.0

_Uses = dict[str, int]


class TokenUse:
    """One process's notes."""

    def __init__(self, home: Home, name: str) -> None:
        """`name` is the process's: `proxy`, `server`."""
        self._path = home.run / f"token-use.{name}.json"
        self._used: _Uses = {}
        self._written: _Uses = {}
        self._stopped = threading.Event()

    def note(self, token_id: str) -> None:
        """Note that a token has let a request pass. Only tokens in force come here, so they are few."""
        self._used[token_id] = now_ns()

    def start(self) -> None:
        threading.Thread(target=self._run, name="token-use", daemon=True).start()

    def close(self) -> None:
        """Write what has not been written."""
        self._stopped.set()
        self.write()

    def write(self) -> None:
        """Write the notes, over what an earlier process of this name has left; a full disk keeps none."""
        used = dict(self._used)
        if used == self._written:
            return
        with contextlib.suppress(OSError, StateDirectoryError):
            kept = _read(self._path)
            for token_id, moment in used.items():
                kept[token_id] = max(moment, kept.get(token_id, 0))
            replace_private(self._path, msgspec.json.encode(kept))
            self._written = used

    def _run(self) -> None:
        while not self._stopped.wait(WRITTEN_EVERY_S):
            self.write()


def last_uses(home: Home) -> dict[str, int]:
    """Return when each token was last used, nanoseconds since 1970, up to a minute late."""
    found: _Uses = {}
    for path in home.run.glob("token-use.*.json"):
        for token_id, moment in _read(path).items():
            found[token_id] = max(moment, found.get(token_id, 0))
    return found


def _read(path: Path) -> _Uses:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Uses)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return {}
