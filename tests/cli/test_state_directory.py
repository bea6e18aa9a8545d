"""A state directory or a ledger that cannot be used is one plain sentence, and a status of its own."""

from __future__ import annotations

import json
import shlex
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "ledger"))

from calls import done

from farebox.cli.exits import CANNOT_TELL, DATA, OK, UNWRITABLE, guarded
from farebox.cli.main import _dispatch
from farebox.errors import LedgerDamagedError, LedgerTooOldError
from farebox.home import Home
from farebox.journal import records
from farebox.journal.writer import JournalWriter
from farebox.ledger.database import open_reader, open_writer
from mounts import fill, make_read_only, small_disk

ASKING = (
    "status",
    "today",
    "week",
    "month",
    "by model",
    "tail",
    "export",
    "verify",
    "rerate",
    "prices check",
)
WRITING = ("up --detach", "open --no-browser", "keys label 0123456789abcdef me", "ca install")
FINGERPRINT = "0123456789abcdef"


@pytest.fixture
def place(away_from_home: Path) -> Path:
    return away_from_home


class Said:
    """What one command printed, and its status."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Asking:
    return Asking(capsys)


class Asking:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, command: str) -> Said:
        self._capsys.readouterr()
        status = guarded(lambda: _dispatch(shlex.split(command)))
        captured = self._capsys.readouterr()
        return Said(status, captured.out, captured.err)


def record_a_call(home: Home) -> None:
    writer = JournalWriter(home.journal, segment_bytes=2 << 20)
    writer.append(records.DONE, records.encode(done()))
    writer.close()


def check_one_sentence(said: Said, status: int, *words: str) -> None:
    assert said.status == status, (said.out, said.err)
    assert "internal error" not in said.err and "Traceback" not in said.err
    assert len(said.err.strip().splitlines()) == 1, said.err
    for word in words:
        assert word in said.err


@pytest.mark.parametrize("command", [*ASKING, *WRITING])
def test_a_home_that_is_a_file_is_told_in_one_sentence(place: Path, say: Asking, command: str) -> None:
    place.write_text("mine")
    check_one_sentence(say(command), UNWRITABLE, "is a file")
    assert place.read_text() == "mine"


@pytest.mark.parametrize("command", [*ASKING, "up --detach"])
def test_bytes_that_are_no_ledger_are_told_in_one_sentence(place: Path, say: Asking, command: str) -> None:
    Home(place).prepare()
    (place / "ledger.db").write_bytes(b"garbage" * 1000)
    (place / "ledger.db").chmod(0o600)
    said = say(command)
    assert "damaged" in said.out + said.err
    assert said.status == DATA and "internal error" not in said.err
    if command not in ("status", "prices check"):
        check_one_sentence(said, DATA, "damaged")


@pytest.mark.parametrize("command", ["today", "up --detach"])
def test_another_programs_database_is_no_older_and_no_newer_ledger(
    place: Path, say: Asking, command: str
) -> None:
    Home(place).prepare()
    foreign(place, "CREATE TABLE bookmark (url)", version=99)
    check_one_sentence(say(command), DATA, "another program")
    with pytest.raises(LedgerDamagedError):
        open_writer(Home(place))


@pytest.mark.parametrize("command", ["today", "up --detach"])
def test_a_ledger_from_before_the_first_release_is_older_not_newer(
    place: Path, say: Asking, command: str
) -> None:
    Home(place).prepare()
    foreign(place, "CREATE TABLE applied (writer); CREATE TABLE mark (id)", version=1)
    check_one_sentence(say(command), DATA, "before the first release")
    with pytest.raises(LedgerTooOldError) as raised:
        open_reader(Home(place))
    assert raised.value.code == "ledger_schema_older"


def foreign(place: Path, statements: str, version: int) -> None:
    connection = sqlite3.connect(place / "ledger.db")
    connection.executescript(f"{statements}; PRAGMA user_version = {version:d};")
    connection.close()
    (place / "ledger.db").chmod(0o600)


def test_doctor_names_what_is_wrong_and_ends_with_its_status(place: Path, say: Asking) -> None:
    place.write_text("mine")
    said = say("doctor --no-clients")
    assert said.status == UNWRITABLE and "is a file" in said.out
    place.unlink()
    Home(place).prepare()
    (place / "ledger.db").write_bytes(b"garbage" * 1000)
    (place / "ledger.db").chmod(0o600)
    said = say("doctor --no-clients")
    assert said.status == DATA and "damaged" in said.out


@pytest.fixture
def read_only(place: Path) -> Iterator[Home]:
    """A home with one applied call and one that waits, on a disk that has become read-only."""
    with small_disk(place, "64m"):
        home = Home(place)
        home.prepare()
        record_a_call(home)
        assert guarded(lambda: _dispatch(["today"])) == OK
        record_a_call(home)
        make_read_only(place)
        yield home


@pytest.mark.usefixtures("read_only")
def test_who_only_asks_is_told_what_a_read_only_home_holds_and_lacks(say: Asking) -> None:
    for command in ("today", "week", "month", "by model"):
        said = say(command)
        assert said.status == OK and "≥" in said.out, said.out + said.err
        assert "1 call is in the journals and not in the ledger" in said.out
    for command in ("tail --json", "export"):
        said = say(command)
        assert said.status == OK and len(said.out.splitlines()) == 1
        assert "1 call is in the journals and not in the ledger" in said.err
    assert say("verify").status == CANNOT_TELL
    status = json.loads(say("status --json").out)
    assert status["calls"] == 1 and status["coverage"]["pending"]["calls"] == 1
    assert say("doctor --no-clients").status == UNWRITABLE


@pytest.mark.usefixtures("read_only")
@pytest.mark.parametrize("command", [each for each in WRITING if not each.startswith("open")])
def test_who_must_write_into_a_read_only_home_is_told_in_one_sentence(say: Asking, command: str) -> None:
    check_one_sentence(say(command), UNWRITABLE, "ead-only")


def test_a_full_disk_refuses_a_start_with_what_is_free_and_needed(place: Path, say: Asking) -> None:
    with small_disk(place):
        Home(place).prepare()
        fill(place, leave=1 << 20)
        check_one_sentence(say("up --detach"), UNWRITABLE, "nothing can be recorded", "4,096 are needed")
        assert not (place / "run" / "supervisor.json").exists()


def test_a_disk_too_full_for_the_ledger_makes_every_total_a_lower_bound(place: Path, say: Asking) -> None:
    with small_disk(place):
        home = Home(place)
        home.prepare()
        record_a_call(home)
        assert json.loads(say("today --since all --json").out)["totals"]["complete"] is True
        writer = JournalWriter(home.journal, segment_bytes=2 << 20)
        for _ in range(600):
            writer.append(records.DONE, records.encode(done()))
        writer.close()
        hog = fill(place)
        found = json.loads(say("today --since all --json").out)
        assert found["totals"]["calls"] == 1 and found["totals"]["complete"] is False
        assert found["coverage"]["pending"]["calls"] == 600
        assert "disk is full" in found["coverage"]["ledger_trouble"]
        verified = say("verify")
        assert verified.status == CANNOT_TELL and "600 calls are in the journals" in verified.out
        hog.unlink()
        found = json.loads(say("today --since all --json").out)
        assert found["totals"]["calls"] == 601 and found["totals"]["complete"] is True
