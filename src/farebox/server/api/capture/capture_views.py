"""What captures calls, whether anything is missing, and how much room it takes, in the API's shape."""

from __future__ import annotations

import msgspec

from farebox.server.api.coverage.coverage_views import Coverage
from farebox.server.api.spending.spend_views import Text
from farebox.server.api.status.status_views import Process, Unmetered


class CaptureSource(msgspec.Struct, kw_only=True):
    """A writer: the proxy, an SDK in a program, an importer, a sender of events."""

    source: str
    calls: int
    """Ever."""
    first_at: str
    last_at: str
    """When its last call ended."""
    calls_last_minutes: int
    """In the last five minutes."""


class Losses(msgspec.Struct, kw_only=True):
    """What is known to be missing, ever. All of it is zero where everything was recorded."""

    lost_records: int
    lost_calls: int
    gaps: int
    """Damaged places in journals."""
    gap_records: int
    undecodable: int
    """Records that could not be understood."""


class Sizes(msgspec.Struct, kw_only=True):
    """Bytes on disk."""

    ledger_bytes: int
    replica_bytes: int
    journal_bytes: int
    pending_bytes: int
    """Of the journals, and of the spool: not in the ledger yet."""
    free_bytes: int
    """Left on that disk."""


class AddedLatency(msgspec.Struct, kw_only=True):
    """Time that the proxy itself took, of its newest calls."""

    calls: int
    """How many it is of."""
    p50_us: int | None
    p99_us: int | None


class Capture(msgspec.Struct, kw_only=True):
    """`GET /api/v1/capture`."""

    at: str
    processes: list[Process]
    recording: str
    """`ok`, `degraded`, `lost`, `silent` or `off`: whether the running proxy records."""
    recording_words: str | None
    in_flight: int
    writers: int
    """Journals that are being written, or not wholly read."""
    sources: list[CaptureSource]
    """The one that was seen last first."""
    window_minutes: int
    losses: Losses
    added: AddedLatency
    sizes: Sizes
    unmetered: list[Unmetered]
    coverage: Coverage


class Checked(msgspec.Struct, kw_only=True):
    """One thing that was checked."""

    name: str
    ok: bool
    detail: Text
    fix: str | None
    """The one thing to do, where it failed."""


class Diagnosis(msgspec.Struct, kw_only=True):
    """`GET /api/v1/doctor`: what `farebox doctor` finds, clients left out."""

    ok: bool
    at: str
    findings: list[Checked]
    """Those that failed first."""
    command: str
    """What tries every client of this machine, too."""
