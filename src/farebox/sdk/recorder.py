"""Where this process's attempts are written down: a journal folder of its own, opened by its first record."""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import sys
import threading
import time
from pathlib import Path

from farebox.clock import now_ns
from farebox.errors import JournalError
from farebox.home import Home
from farebox.journal.direct_writer import BEGINNINGS, DirectWriter
from farebox.journal.health import Losses
from farebox.journal.records import MARK, Mark, encode
from farebox.recording.logical_calls import LogicalCalls
from farebox.sdk import faults

_AGAIN_S = 30.0
"""How long after a failure it is tried again to open a journal."""
_PROGRAM = re.compile(r"[^\w.-]+", re.ASCII)


class ProcessRecorder:
    """One process's, for one home: local mode."""

    estimates = None
    """What nobody stated is estimated by the ledger, from how many bytes passed."""

    def __init__(self, home: Home, *, power: bool) -> None:
        self.home = home
        self.calls = LogicalCalls()
        self.source = source()
        self.is_power = power
        self._unrecorded = Losses()
        """Records that no journal could be opened for; the first one that can be says so."""
        self._pid = os.getpid()
        self._writer: DirectWriter | None = None
        self._opening = threading.Lock()
        self._again_at = 0.0
        self._is_full = False
        """Records wait in memory, or are lost, because the disk refuses them."""

    def append(self, record_type: int, payload: bytes) -> int:
        """Store a record; 0 where it cannot be stored. Never raises."""
        writer = self._writer or self._open()
        if writer is None:
            self._lose(record_type, payload)
            return 0
        seq = writer.append(record_type, payload)
        if writer.has_waiting is not self._is_full:
            self._tell_full(writer)
        return seq

    def writer_id(self) -> str:
        """Return the name of this process's journal, which is opened; empty where it cannot be."""
        writer = self._writer or self._open()
        return "" if writer is None else writer.writer_id

    def flush(self, timeout: float) -> bool:
        """Return once everything recorded survives a power cut; False where something does not.

        The disk is not waited for with a limit: `timeout` is for what goes over a network.
        """
        return self._writer.flush() if self._writer is not None else not self._unrecorded

    def successor(self) -> ProcessRecorder:
        """Return the one of a child of a fork."""
        return ProcessRecorder(self.home, power=self.is_power)

    def close(self) -> None:
        """End the journal; a later record opens another one."""
        with self._opening:
            writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def leave_to_parent(self) -> None:
        """In a child of a fork: give up what is the parent's."""
        if self._writer is not None:
            self._writer.leave_to_parent()

    def _open(self) -> DirectWriter | None:
        if self._pid != os.getpid() or time.monotonic() < self._again_at:
            return None
        with self._opening:
            if self._writer is None:
                try:
                    self.home.prepare()
                    self._writer = self._make_writer()
                except Exception as error:
                    self._again_at = time.monotonic() + _AGAIN_S
                    faults.report(error, "opening the journal")
                else:
                    self._tell_unrecorded(self._writer)
            return self._writer

    def _make_writer(self) -> DirectWriter:
        writer = DirectWriter(self.home.journal, source=self.source, power=self.is_power)
        atexit.register(writer.close)
        return writer

    def _lose(self, record_type: int, payload: bytes) -> None:
        if self._pid == os.getpid():
            self._unrecorded.add(len(payload), is_exchange=record_type not in BEGINNINGS)

    def _tell_full(self, writer: DirectWriter) -> None:
        """Say that the disk refuses records, once each time that begins."""
        self._is_full = writer.has_waiting
        if self._is_full:
            reason = writer.health.reason or "the disk refuses it"
            message = f"{reason}: records wait in memory, and beyond 4 MiB they are lost and counted"
            faults.report(JournalError(message), "storing records")

    def _tell_unrecorded(self, writer: DirectWriter) -> None:
        if self._unrecorded:
            mark = Mark(at_ns=now_ns(), kind="lost", detail=self._unrecorded.detail())
            self._unrecorded = Losses()
            writer.append(MARK, encode(mark))


def source() -> str:
    """Return what records call their writer: one name for every process of a program on a machine."""
    return f"sdk:{_machine()}:{program_name()}"


def program_name() -> str:
    """Return the program's name: `app.py`, `package` for `-m package`, `python` for neither."""
    arguments = getattr(sys, "argv", None) or [""]
    path = Path(arguments[0] or "")
    name = path.parent.name if path.name == "__main__.py" else path.name
    return _PROGRAM.sub("_", name)[:40] if name not in ("", "-c", "-m") else "python"


def _machine() -> str:
    named = os.uname().nodename
    for place in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            named += Path(place).read_text(encoding="ascii").strip()
            break
        except (OSError, ValueError):
            continue
    return hashlib.blake2b(named.encode(), digest_size=4).hexdigest()
