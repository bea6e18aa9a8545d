"""The shapes of `/api/v1/status`: what runs, whether it records, and what to paste."""

from __future__ import annotations

import msgspec


class Process(msgspec.Struct, kw_only=True):
    """One of Farebox's processes, according to its file in `run/` and the system."""

    name: str
    state: str
    """`up`, or `down` where nothing is running."""
    address: str | None
    started_at: str | None


class LedgerStatus(msgspec.Struct, kw_only=True):
    """The ledger's condition. `state` is `ok`, `behind`, `degraded`, `empty` or `unavailable`."""

    state: str
    message: str
    last_seq: int
    facts: dict[str, str]


class Hint(msgspec.Struct, kw_only=True):
    """One thing to paste that makes a first call appear."""

    title: str
    command: str


class Unmetered(msgspec.Struct, kw_only=True):
    """A program whose connections to a provider's host were tunnelled: its calls are in no sum."""

    host: str
    program: str
    """Program and script, or its own name for itself; empty where unknown."""
    reason: str
    message: str
    connections: int
    last_at: str
    retry_at: str | None
    """When interception is tried again by itself."""


class Status(msgspec.Struct, kw_only=True):
    """`GET /api/v1/status`."""

    version: str
    api: str
    now: str
    tz: str
    home: str
    processes: list[Process]
    proxy_url: str | None
    ledger: LedgerStatus
    unmetered: list[Unmetered]
    hints: list[Hint]
    key_labels: dict[str, str]
    """The name of each API key that has one, by fingerprint."""
    start: str
    """The command that starts what is not running."""
    demo: bool = False
    """Everything here is made up (`farebox demo`)."""


class Session(msgspec.Struct, kw_only=True):
    """`GET /api/v1/session`: who asks."""

    role: str
    """`admin` may change things, `read` may look."""
