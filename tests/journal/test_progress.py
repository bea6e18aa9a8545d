"""What the ledger process says of itself, and what its silence says."""

from __future__ import annotations

from pathlib import Path

import pytest

from farebox.journal import progress
from farebox.journal.progress import STALE_NS, ProgressNote, ledger_trouble, progress_path


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "journal"


def test_a_process_that_works_is_no_trouble_and_one_that_never_ran_neither(journal: Path) -> None:
    assert ledger_trouble(journal) is None
    note = ProgressNote(journal)
    assert ledger_trouble(journal) is None
    note.close()
    assert not progress_path(journal).exists() and ledger_trouble(journal) is None


def test_what_keeps_it_from_appending_is_told_until_it_appends_again(journal: Path) -> None:
    note = ProgressNote(journal)
    note.say("the disk is full")
    assert ledger_trouble(journal) == "the disk is full"
    note.say(None)
    assert ledger_trouble(journal) is None


def test_silence_is_told(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ProgressNote(journal)
    now = progress.now_ns()
    monkeypatch.setattr(progress, "now_ns", lambda: now + 2 * STALE_NS)
    assert "stands still" in (ledger_trouble(journal) or "")


def test_a_process_that_had_no_room_for_a_word_is_told(journal: Path) -> None:
    progress_path(journal).write_bytes(b"")
    assert "disk full" in (ledger_trouble(journal) or "")
