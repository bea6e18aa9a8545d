"""A backlog that another process prepares is the same ledger as one that was read alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from calls import NOON, OnePriceBook, done, intent_of

from farebox.home import Home
from farebox.journal import records
from farebox.journal.writer import JournalWriter
from farebox.ledger import follow, verify
from farebox.ledger.ahead import Ahead, Message
from farebox.ledger.apply import Applier
from farebox.ledger.database import open_writer
from farebox.ledger.follow import Follower
from farebox.ledger.preparing import Prepared
from farebox.ledger.reader import Filter, LedgerReader
from farebox.pricing import load_book


@pytest.fixture(autouse=True)
def every_backlog_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "AHEAD_BYTES", 1)
    monkeypatch.setattr(follow, "TRANSACTION_RECORDS", 1_000)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A backlog with calls of every kind: plain ones, fetches, cut-off ones, beginnings without an end."""
    home = Home(tmp_path / "written")
    home.prepare()
    writer = JournalWriter(home.journal)
    for number in range(4_000):
        exchange = done(
            NOON + number * 60_000_000_000,
            source=writer.source,
            model=("gpt-4o", "o3", "unheard-of")[number % 3],
            response_id=f"r{number}",
            attribution={"customer": f"c{number % 7}"},
            input_tokens=number,
        )
        writer.append(records.INTENT, records.encode(intent_of(exchange)))
        if number == 2_300:
            fetched = msgspec.structs.replace(exchange, method="GET", event_id=b"f" * 16)
            writer.append(records.DONE, records.encode(fetched))
        if number % 100 != 99:
            writer.append(records.DONE, records.encode(exchange))
    writer.close()
    return home.journal


class Watched(Ahead):
    """Counts what was prepared, and dies when told."""

    taken = 0
    dies_after = 1 << 30

    def take(self) -> Message | None:
        found = super().take()
        Watched.taken += isinstance(found, Prepared)
        if Watched.taken == Watched.dies_after:
            self._process.kill()
        return found


@pytest.fixture
def watched() -> Iterator[type[Watched]]:
    Watched.taken, Watched.dies_after = 0, 1 << 30
    yield Watched


def apply_all(home: Home, journal: Path, ahead: Any, book: Any = None) -> list[dict[str, Any]]:
    home.prepare()
    shutil.copytree(journal, home.journal, dirs_exist_ok=True)
    connection = open_writer(home)
    applier = Applier(connection, book or load_book(None, home.cache))
    follower = Follower(home, applier, ahead=ahead and partial(ahead, home, ""))
    while follower.step():
        pass
    follower.close()
    rows = [msgspec.to_builtins(row) for row in LedgerReader(home).export(Filter())]
    for row in rows:
        del row["recorded_at"]
    assert verify(home).ok
    assert not any(home.journal.iterdir())
    connection.close()
    return rows


@pytest.mark.parametrize("dies_after", [1, 3, 1 << 30])
def test_a_prepared_backlog_makes_the_same_rows(
    tmp_path: Path, journal: Path, watched: type[Watched], dies_after: int
) -> None:
    alone = apply_all(Home(tmp_path / "alone"), journal, None)
    watched.dies_after = dies_after
    together = apply_all(Home(tmp_path / "together"), journal, watched)
    assert watched.taken > 0, "nothing was prepared"
    assert together == alone and len(alone) == 4_001


def test_what_was_rated_by_other_prices_is_rated_again(
    tmp_path: Path, journal: Path, watched: type[Watched]
) -> None:
    rows = apply_all(Home(tmp_path / "home"), journal, watched, OnePriceBook())
    assert watched.taken > 0
    assert {part["snapshot"] for row in rows for part in row["parts"]} <= {"book-1", ""}


def test_a_process_that_cannot_be_started_is_done_without(tmp_path: Path, journal: Path) -> None:
    def fail(*_: Any) -> Ahead:
        raise OSError("no more processes")

    assert len(apply_all(Home(tmp_path / "home"), journal, fail)) == 4_001
