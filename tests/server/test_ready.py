"""Whether the dashboard is live and ready, as anybody may ask."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator

import pytest
from served import Site

from farebox.errors import LedgerDamagedError
from farebox.home import ROOM_BYTES, Home
from farebox.journal.progress import ProgressNote
from farebox.ledger.calls import LedgerReader
from farebox.ledger.losses.backlog import Backlog
from farebox.server.api.status.ready import RecentReadiness


@pytest.fixture
def ledger_lock(home: Home) -> Iterator[int]:
    """What says that a ledger process runs."""
    descriptor = os.open(home.ledger_lock, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield descriptor
    os.close(descriptor)


def reasons(home: Home, reader: LedgerReader | None = None) -> list[str]:
    return list(RecentReadiness(home)(reader or LedgerReader(home)).reasons)


def test_nobody_needs_a_token_to_ask(site: Site) -> None:
    live, ready = site.ask("/health/live"), site.ask("/health/ready")
    assert (live.status, live.json()) == (200, {"live": True})
    assert ready.status in (200, 503)
    assert set(ready.json()) == {"ready", "reasons"}
    assert site.ask("/health").status == 401


@pytest.mark.usefixtures("ledger_lock")
def test_it_is_ready_while_a_ledger_process_keeps_up(home: Home) -> None:
    assert reasons(home) == []


def test_it_is_not_ready_without_a_ledger_process(home: Home) -> None:
    assert reasons(home) == ["ledger_stopped"]


@pytest.mark.usefixtures("ledger_lock")
def test_it_is_not_ready_while_the_ledger_process_cannot_write_and_names_no_path(home: Home) -> None:
    note = ProgressNote(home.journal)
    note.say(f"{home.ledger}: database or disk is full")
    assert reasons(home) == ["ledger_behind"]
    note.close()
    assert reasons(home) == []


@pytest.mark.usefixtures("ledger_lock")
def test_it_is_not_ready_while_calls_wait_for_the_ledger(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = LedgerReader(home)
    monkeypatch.setattr(reader, "backlog", lambda: Backlog(calls=3, late=True))
    assert reasons(home, reader) == ["ledger_behind"]


@pytest.mark.usefixtures("ledger_lock")
def test_it_is_not_ready_where_the_ledger_cannot_be_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = LedgerReader(home)

    def damaged() -> None:
        raise LedgerDamagedError(str(home.ledger))

    monkeypatch.setattr(reader, "health", damaged)
    assert reasons(home, reader) == ["ledger_unreadable"]


@pytest.mark.usefixtures("ledger_lock")
def test_it_is_not_ready_on_a_full_disk(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "free_bytes", lambda: ROOM_BYTES - 1)
    assert reasons(home) == ["disk_full"]


def test_asking_often_looks_once(home: Home) -> None:
    asked = RecentReadiness(home)
    looked: list[None] = []

    class Counted(LedgerReader):
        def health(self):  # type: ignore[no-untyped-def]
            looked.append(None)
            return super().health()

    reader = Counted(home)
    for _ in range(50):
        asked(reader)
    assert len(looked) == 1
