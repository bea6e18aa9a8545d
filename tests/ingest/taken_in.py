"""An intake over a real home, and what it makes of bodies."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from farebox.catalog import load
from farebox.clock import now_ns
from farebox.config import Config
from farebox.home import Home
from farebox.ingest.intake import Acknowledged, Intake
from farebox.ingest.limits import IngestLimits
from farebox.ingest.trust import Sender
from farebox.ingest.verdicts import Verdict
from farebox.journal.files import DiskFiles, SegmentFile
from farebox.ledger import catch_up
from farebox.ledger.calls import LedgerReader
from farebox.recording.events import moment_text

SENDER = Sender("tok1")
_numbers = itertools.count()


def event(**fields: Any) -> dict[str, Any]:
    """Return an event as a person writes it, with an id of its own."""
    base = {
        "id": f"e-{next(_numbers)}",
        "source": "shop",
        "time": moment_text(now_ns()),
        "provider": "openai",
        "model": "gpt-4o",
        "customer": "acme",
        "usage": {"input_uncached": 900, "output_text": 50},
    }
    return {name: value for name, value in {**base, **fields}.items() if value is not None}


class Disk(DiskFiles):
    """A disk whose syncs fail while it is told so."""

    def __init__(self) -> None:
        super().__init__(mapped=False)
        self.fails = False
        self.syncs = 0

    def create(self, path: Path, size: int) -> SegmentFile:
        file = super().create(path, size)
        sync = file.sync

        def sync_or_fail() -> None:
            if self.fails:
                raise OSError(28, "No space left on device")
            self.syncs += 1
            sync()

        file.sync = sync_or_fail  # type: ignore[method-assign]
        return file


class Door:
    """Sends bodies to an intake, as one process."""

    def __init__(self, home: Home, limits: IngestLimits | None = None) -> None:
        self.home = home
        self.disk = Disk()
        self.intake = Intake(home, load, LedgerReader(home), limits, files=self.disk)

    def take(
        self,
        body: bytes,
        content_type: str | None = "application/json",
        sender: Sender = SENDER,
        headers: Mapping[str, str] | None = None,
    ) -> Acknowledged:
        given = [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
        if content_type is not None:
            given.append((b"content-type", content_type.encode()))
        return asyncio.run(self.intake.take(given, body, sender))

    def send(self, *events: Any, sender: Sender = SENDER) -> list[Verdict]:
        """Send events as a JSON array and return what becomes of each."""
        return self.take(msgspec.json.encode(list(events)), sender=sender).receipt.items

    def close(self) -> None:
        self.intake.close()


def statuses(verdicts: list[Verdict]) -> list[str]:
    return [each.status for each in verdicts]


def applied(home: Home) -> LedgerReader:
    """Return the record once it has everything that the journals hold."""
    catch_up(home, Config())
    return LedgerReader(home)
