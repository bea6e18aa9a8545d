"""Keep the published snapshot true while the server runs.

Whoever changes `control.db` publishes it. What remains is done here: a process that was killed between the
two, the first start after a restore, an edit of the home's `farebox.yaml`, and a snapshot that was damaged.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from farebox.errors import FareboxError
from farebox.home import Home
from farebox.standard_error import tell

if TYPE_CHECKING:
    from farebox.control.database import ControlDatabase

LOOK_EVERY_S = 2.0


class Publication:
    """Publishes at the start, and whenever one of the files has changed."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._seen: tuple[object, ...] | None = None
        self._told = ""
        self._database: ControlDatabase | None = None
        """Opened once: opening reads and checks the whole file, and the outbox changes it all the time."""
        self._stopped = threading.Event()

    def start(self) -> None:
        """Do it in a thread: another process may hold the database for seconds."""
        threading.Thread(target=self._run, name="publication", daemon=True).start()

    def close(self) -> None:
        self._stopped.set()

    def renew(self) -> None:
        """Publish if a file has changed; say on standard error, once, why that fails."""
        watched = (
            self._home.control,
            self._home.config,
            self._home.path / "prices.d",
            self._home.path / "prices",
        )
        seen = tuple(map(_stamp, watched))
        if (*seen, _stamp(self._home.snapshot)) == self._seen:
            return
        from farebox.control.publish import publish

        try:
            if self._database is None and self._home.control.exists():
                from farebox.control.database import open_control

                self._database = open_control(self._home)
            publish(self._home, self._database)
        except FareboxError as error:
            self._database = None
            self._say(str(error))
            return  # and try again: what was in the way may pass without a change of the files
        self._told = ""
        self._seen = (*seen, _stamp(self._home.snapshot))

    def _say(self, words: str) -> None:
        if words != self._told:
            tell(f"farebox server: {words}")
        self._told = words

    def _run(self) -> None:
        while True:
            try:
                self.renew()
            except Exception as error:  # a defect here must not end publishing for good
                self._say(f"names, tokens and budgets are not published: {type(error).__name__}: {error}")
            if self._stopped.wait(LOOK_EVERY_S):
                return


def _stamp(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
