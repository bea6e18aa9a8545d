"""Events that programs of this machine left in the home's `spool/`: taken in by who appends to the record.

    spool/<name>.part       one process writes it, a line an event
    spool/<name>.ndjson     finished, by renaming: read, written to a journal, then removed
    spool/refused/          events that make no sense, or contradict what is known, with the reason

A name ends in `-<pid>`. A file whose process died is finished by us: a process appends to no file that is
older than half a minute, so one that is a minute old is nobody's. What is read twice after a crash is
recorded once: an event is known by its id.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from farebox.errors import FareboxError, JournalError
from farebox.home import Home
from farebox.ingest.limits import IngestLimits

if TYPE_CHECKING:
    from farebox.config import ProviderConfig
    from farebox.ingest.collector import Collector, Record, Taken
    from farebox.journal.direct_writer import DirectWriter

FOLDER = "spool"
REFUSED = "refused"
_FINISHED, _OPEN = ".ndjson", ".part"
_DEAD_AFTER_S = 60.0
_READ_BYTES = 4 << 20
_PID = re.compile(r"-(\d{1,10})\.part")
_log = logging.getLogger("farebox.ingest")


def waiting_bytes(home: Home) -> int:
    """Return how many bytes of finished files wait in the spool."""
    size = 0
    with contextlib.suppress(OSError), os.scandir(home.path / FOLDER) as entries:
        for entry in entries:
            if entry.name.endswith(_FINISHED):
                with contextlib.suppress(OSError):
                    size += entry.stat(follow_symlinks=False).st_size
    return size


def refused_events(home: Home) -> int:
    """Return how many events of the spool were refused and are kept."""
    count = 0
    for path in (home.path / FOLDER / REFUSED).glob(f"*{_FINISHED}"):
        with contextlib.suppress(OSError):
            count += path.read_bytes().count(b"\n")
    return count


class LocalSpool:
    """One home's, for the process that holds the ledger's lock: nobody else takes files from it."""

    def __init__(self, home: Home, providers: Mapping[str, ProviderConfig], record: Record) -> None:
        self._home = home
        self._folder = home.path / FOLDER
        self._providers = providers
        self._record = record
        self._writer: DirectWriter | None = None
        self._collector: Collector | None = None
        self._told = ""

    def take(self) -> int:
        """Write what finished files hold to a journal and remove them; return how many events that were.

        A file stays while its events are not durable. Never raises: what cannot be read is logged and left.
        """
        try:
            names = os.listdir(self._folder)  # noqa: PTH208 - asked twice a second
        except OSError:
            return 0
        taken = 0
        for name in sorted(names):
            path = self._folder / name
            try:
                if name.endswith(_OPEN):
                    path = self._finished(path)
                if path is not None and path.name.endswith(_FINISHED):
                    taken += self._take(path)
            except (OSError, FareboxError) as error:
                self._tell(f"{self._folder / name} cannot be taken in: {error}")
            except Exception:  # a bug of ours: the record goes on without this file
                self._tell(f"unexpected failure with {self._folder / name}", traceback=True)
        return taken

    def _tell(self, trouble: str, *, traceback: bool = False) -> None:
        """Log what keeps a file from being taken in, once while it stays so."""
        if trouble != self._told:
            self._told = trouble
            _log.warning("%s", trouble, exc_info=traceback)

    def close(self) -> None:
        """End the journal."""
        if self._writer is not None:
            self._writer.close()
            self._writer = self._collector = None

    def _finished(self, path: Path) -> Path | None:
        """Finish the file of a process that died; None where it may still be written."""
        pid = _PID.search(path.name)
        if time.time() - path.lstat().st_mtime < _DEAD_AFTER_S or (pid and _is_alive(int(pid[1]))):
            return None
        finished = path.with_suffix(_FINISHED)
        path.rename(finished)
        return finished

    def _take(self, path: Path) -> int:
        from farebox.ingest.bodies import Items
        from farebox.ingest.trust import LOCAL

        collector = self._collector or self._open()
        writer = self._writer
        assert writer is not None, "a collector has a journal"  # noqa: S101 - states an invariant
        taken = 0
        rest = b""
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError("it is no file")
            while True:
                piece = file.read(_READ_BYTES)
                *lines, rest = (rest + piece).split(b"\n")
                if not piece:
                    lines, rest = [rest], b""
                texts = [line for line in lines if line.strip()]
                if texts:
                    taken += len(texts)
                    self._keep_refused(path, texts, collector.take(Items(texts), LOCAL))
                if not piece:
                    break
        if not writer.flush():
            raise JournalError("there is no room for what it holds; it stays until there is")
        path.unlink(missing_ok=True)
        return taken

    def _keep_refused(self, path: Path, texts: Sequence[bytes], taken: Taken) -> None:
        refused: list[bytes] = []
        for text, verdict in zip(texts, taken.verdicts, strict=True):
            if verdict.status in ("invalid", "conflict"):
                where = f"{verdict.field}: " if verdict.field else ""
                _log.warning("an event of %s is not recorded: %s%s", path.name, where, verdict.reason)
                refused.append(
                    msgspec.json.encode({"verdict": verdict, "event": text.decode("utf-8", "replace")})
                )
        if refused:
            folder = self._folder / REFUSED
            folder.mkdir(mode=0o700, exist_ok=True)
            with os.fdopen(
                os.open(folder / path.name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab"
            ) as kept:
                kept.write(b"\n".join(refused) + b"\n")

    def _open(self) -> Collector:
        from farebox.catalog import load
        from farebox.ingest.collector import WRITER, Collector
        from farebox.ingest.event_reading import EventReader
        from farebox.ingest.intake import events_of_earlier
        from farebox.journal.direct_writer import DirectWriter

        earlier = events_of_earlier(self._home, self._record)
        self._writer = DirectWriter(self._home.journal, source=WRITER, kind=WRITER, wakes=False)
        reader = EventReader(load(self._providers), IngestLimits(), self._home.secret())
        self._collector = Collector(reader, self._record, self._writer, earlier)
        return self._collector


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
