"""`control.db` under several writers, and in every state in which it cannot be used."""

from __future__ import annotations

import os
import random
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select

sys.path.insert(0, str(Path(__file__).parent.parent))

from farebox.config import KeyConfig
from farebox.control import audit, database, keys, schema
from farebox.control.database import open_control
from farebox.control.publish import change, publish
from farebox.errors import (
    ControlDamagedError,
    ControlError,
    ControlSchemaError,
    FareboxError,
    StateDirectoryError,
)
from farebox.home import Home
from farebox.snapshot import SnapshotReader

FINGERPRINT = "0123456789abcdef"
BACKEND = KeyConfig(label="backend", customer="acme")


def test_the_file_is_private_and_has_a_rollback_journal(home: Home) -> None:
    opened = open_control(home)
    assert home.control.stat().st_mode & 0o777 == 0o600
    with opened.reading() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "delete", "synchronous": 2, "foreign_keys": 1}
    home.control.chmod(0o644)
    with pytest.raises(StateDirectoryError, match="chmod 600"):
        open_control(home)


def test_a_block_that_raises_changes_nothing(home: Home) -> None:
    with pytest.raises(RuntimeError), change(home) as connection:
        keys.label(connection, FINGERPRINT, BACKEND, 1)
        raise RuntimeError
    with open_control(home).reading() as connection:
        assert keys.labels(connection) == {}


def test_a_key_is_named_anew_and_forgotten(home: Home) -> None:
    with change(home) as connection:
        keys.label(connection, FINGERPRINT, KeyConfig(label="old", user="ann"), 1)
        keys.label(connection, FINGERPRINT, BACKEND, 2)
        audit.note(connection, 2, "uid:1", "key.label", FINGERPRINT, {"label": "backend"})
        assert keys.labels(connection) == {FINGERPRINT: BACKEND}
        assert keys.forget(connection, FINGERPRINT) == BACKEND
        assert keys.forget(connection, FINGERPRINT) is None
    with open_control(home).reading() as connection:
        assert keys.labels(connection) == {}
        row = connection.execute(select(schema.audit)).one()
        assert (row.actor, row.action, row.subject) == ("uid:1", "key.label", FINGERPRINT)


def test_many_processes_create_change_and_publish_at_once(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers and commands start at the same moment: none fails, no change is lost or left unpublished."""
    monkeypatch.setattr(database, "BUSY_S", 120.0)  # however busy the machine is
    processes, changes = 5, 4
    children: list[int] = []
    for process in range(processes):
        child = os.fork()
        if not child:
            status = 1
            try:
                for number in range(changes):
                    with change(home) as connection:
                        keys.label(connection, f"{process:08x}{number:08x}", BACKEND, number)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    reader, seen = SnapshotReader(home), 0
    while children:
        ended, status = os.waitpid(-1, os.WNOHANG)
        if ended:
            assert os.waitstatus_to_exitcode(status) == 0
            children.remove(ended)
        reader.renew()
        assert reader.problem is None, "half a snapshot was read"
        assert len(reader.current.labelled) >= seen, "an older snapshot replaced a newer one"
        seen = len(reader.current.labelled)
    with open_control(home).reading() as connection:
        assert len(keys.labels(connection)) == processes * changes
    reader.renew()
    assert len(reader.current.labelled) == processes * changes


def test_a_writer_that_holds_the_file_too_long_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0.0)
    opened = open_control(home)
    holder = sqlite3.connect(home.control, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with opened.reading() as connection:
        assert keys.labels(connection) == {}, "who only reads does not wait"
    with pytest.raises(ControlError, match="written by another process"), opened.writing():
        pass
    holder.execute("ROLLBACK")
    holder.close()
    with opened.writing():
        pass


def test_a_message_without_its_receiver_is_refused(home: Home) -> None:
    from sqlalchemy.exc import IntegrityError

    delivery = {"message": "m", "receiver": "r", "position": 1, "state": "pending", "attempts": 0}
    with pytest.raises(IntegrityError), open_control(home).writing() as connection:
        connection.execute(insert(schema.outbox_delivery).values(delivery))


def test_a_newer_schema_is_left_alone(home: Home) -> None:
    opened = open_control(home)
    with change(home) as connection:
        keys.label(connection, FINGERPRINT, BACKEND, 1)
    with sqlite3.connect(home.control) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = home.control.read_bytes()
    for use in (lambda: open_control(home), lambda: opened.writing().__enter__(), lambda: publish(home)):
        with pytest.raises(ControlSchemaError, match=r"schema 9999.* use the Farebox that wrote it"):
            use()
    assert home.control.read_bytes() == before
    assert SnapshotReader(home).current.key(FINGERPRINT) == BACKEND


@pytest.mark.parametrize("what", ["another program's", "text", "empty"])
def test_what_is_no_control_database_is_left_alone(home: Home, what: str) -> None:
    home.control.touch(0o600)
    if what == "another program's":
        with sqlite3.connect(home.control) as connection:
            connection.execute("CREATE TABLE cookies (name)")
        connection.close()
    elif what == "text":
        home.control.write_text("names: []\n" * 100)
    before = home.control.read_bytes()
    if what == "empty":  # as a process leaves it that was killed before its first transaction
        open_control(home)
        return
    with pytest.raises(ControlDamagedError, match=r"Restore it from a backup, or move it away"):
        open_control(home)
    assert home.control.read_bytes() == before


def test_a_database_that_is_suddenly_empty_takes_no_name_away(home: Home) -> None:
    with change(home) as connection:
        keys.label(connection, FINGERPRINT, BACKEND, 1)
    home.control.write_bytes(b"")
    for use in (lambda: open_control(home), lambda: publish(home)):
        with pytest.raises(ControlDamagedError, match="it is empty"):
            use()
    assert SnapshotReader(home).current.key(FINGERPRINT) == BACKEND
    home.control.unlink()  # moved away to start again, as the message says
    publish(home, open_control(home))
    assert SnapshotReader(home).current.key(FINGERPRINT) is None


def whole(home: Home) -> bytes:
    """Return a control database with a hundred rows in each table that has some."""
    with change(home) as connection:
        for number in range(100):
            moment = 1_790_000_000_000_000_000 + number
            keys.label(
                connection, f"{number:016x}", KeyConfig(label=f"key {number}", customer="acme"), moment
            )
            audit.note(connection, moment, "uid:1", "key.label", f"{number:016x}", {"label": "x" * 50})
    return home.control.read_bytes()


def damages(content: bytes, rounds: int) -> Iterator[bytes]:
    """Return copies with some bytes changed, a piece zeroed, or an end cut off."""
    chance = random.Random(11)
    for turn in range(rounds):
        wrong = bytearray(content)
        at = chance.randrange(len(wrong))
        if turn % 3 == 0:
            for _ in range(chance.choice((1, 4, 64))):
                wrong[chance.randrange(len(wrong))] ^= chance.randrange(1, 256)
        elif turn % 3 == 1:
            length = chance.choice((16, 512, 4096))
            wrong[at : at + length] = bytes(len(wrong[at : at + length]))
        else:
            del wrong[at:]
        yield bytes(wrong)


def test_random_damage_is_named_and_never_published(home: Home) -> None:
    """Whatever happens to the file: a named error, or the names that were in it; readers keep the last."""
    content = whole(home)
    wanted = SnapshotReader(home).current
    named = unnoticed = harmless = 0
    rounds = 600 if os.environ.get("FAREBOX_LONG") else 150
    for wrong in damages(content, rounds):
        for path in home.path.glob("control.db*"):
            path.unlink()
        home.control.touch(0o600)
        home.control.write_bytes(wrong)
        try:
            published = publish(home, open_control(home))
        except FareboxError as error:
            assert isinstance(error, (ControlDamagedError, ControlSchemaError)), error
            named += 1
            assert SnapshotReader(home).current == wanted
            continue
        if published == wanted:
            harmless += 1
        elif wrong:
            unnoticed += 1
        home.snapshot.unlink()
        home.control.write_bytes(content)
        publish(home)
    print(f"{named} named, {harmless} harmless, {unnoticed} values changed unnoticed")
    assert named > rounds // 2  # the more empty tables there are, the more damage does no harm
    assert unnoticed == 0
