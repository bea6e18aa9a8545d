# ruff: noqa: S608 - statements here are put together from this file's own constants
"""The audit: every change is in it with its rows before and after, and every edit of it is found."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import insert
from tests.control_kills import killed_at

from farebox.config import KeyConfig
from farebox.control import audit, keys, schema, tokens
from farebox.control.audit.audited_tables import AUDITED, NOT_AUDITED
from farebox.control.audit.change_capture import UNKNOWN
from farebox.control.audit.entries import Entry, Filter, entries
from farebox.control.audit.erasure import erase_value
from farebox.control.audit.mentions import Personal, naming_rows
from farebox.control.audit.verification import AuditReport, verify_audit
from farebox.control.database import ControlDatabase, open_control
from farebox.control.key_changes import forget_key, label_key
from farebox.control.publish import change
from farebox.control.token_changes import create_token, revoke_token
from farebox.home import Home

LONG = bool(os.environ.get("FAREBOX_LONG"))
FINGERPRINT = "0123456789abcdef"
ACME = KeyConfig(label="backend", customer="acme")
ANN = Personal("user", "ann@example.com")


def log(home: Home, asked: Filter | None = None) -> list[Entry]:
    with ControlDatabase(home).reading() as connection:
        return entries(connection, asked)[::-1]


def checked(home: Home) -> AuditReport:
    with ControlDatabase(home).reading() as connection:
        return verify_audit(connection)


@cache
def made(folder: Path) -> bytes:
    """Return a control database with a log of ten entries: names, a token, and a name that is gone."""
    home = Home(folder / "made")
    home.prepare()
    database = open_control(home)
    for each in range(8):
        said = KeyConfig(label=f"key {each}", customer="acme")
        label_key(home, f"{each:016x}", said, "uid:1", 1_000 + each, database)
    create_token(home, "laptop", "read", "uid:1", 2_000, database=database)
    forget_key(home, f"{0:016x}", "token:1", 3_000, database)
    return home.control.read_bytes()


@pytest.fixture
def filled(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    home.control.touch(0o600)
    home.control.write_bytes(made(tmp_path_factory.getbasetemp()))
    return home


def test_an_entry_has_the_rows_before_and_after(home: Home) -> None:
    label_key(home, FINGERPRINT, ACME, "uid:1000", 1)
    label_key(home, FINGERPRINT, KeyConfig(label="jobs", customer="acme"), "token:7", 2)
    forget_key(home, FINGERPRINT, "uid:1000", 3)
    first, second, third = (each.rows() for each in log(home))
    assert [(row.kind, row.name, row.before, row.after) for row in first] == [
        ("key", FINGERPRINT, None, {"label": "backend", "binding": {"customer": "acme"}})
    ]
    assert (second[0].before or {})["label"] == "backend"
    assert (second[0].after or {})["label"] == "jobs"
    assert third[0].after is None
    assert [each.actor for each in log(home)] == ["uid:1000", "token:7", "uid:1000"]
    assert checked(home).problems == []


def test_every_table_is_followed_or_says_why_not() -> None:
    assert {*AUDITED} | {*NOT_AUDITED} == {*schema.metadata.tables}
    assert not {*AUDITED} & {*NOT_AUDITED}


def test_no_secret_is_in_it(home: Home) -> None:
    made, secret = create_token(home, "laptop", "client", "uid:1", 1, binding={"customer": "acme"})
    url = "https://hooks.example.com:8443/services/T0/very-secret?key=abc"
    with change(home) as connection:
        said = json.dumps({"url": url, "secret": {"env": "HOOK_SECRET"}})
        row = {"name": "slack", "commanded": said, "state": "active", "last_position": 0, "created_at": 1}
        connection.execute(insert(schema.outbox_receiver).values(row))
        audit.note(connection, 2, "uid:1", "receiver.add", "slack")
    revoke_token(home, made.id, "uid:1", 3, "")
    with sqlite3.connect(home.control) as raw:
        text = "\n".join(str(row) for row in raw.execute("SELECT * FROM audit"))
        (hash,) = raw.execute("SELECT hash FROM token").fetchone()
    assert secret not in text and hash not in text and "very-secret" not in text and "key=" not in text
    assert "https://hooks.example.com:8443/[hidden]" in text


def test_a_change_of_what_is_hidden_is_seen_as_one(home: Home) -> None:
    with change(home) as connection:
        row = {"name": "r", "commanded": '{"url":"https://a.example/1"}', "state": "active"}
        connection.execute(insert(schema.outbox_receiver).values(row | {"last_position": 0, "created_at": 1}))
    with change(home) as connection:
        receiver = schema.outbox_receiver
        connection.execute(receiver.update().values(commanded='{"url":"https://a.example/2"}'))
    assert (log(home)[-1].rows()[0].after or {})["changed"] == ["commanded"]
    assert checked(home).problems == []


def test_a_change_that_nobody_noted_is_in_it_all_the_same(home: Home) -> None:
    with open_control(home).writing() as connection:
        keys.label(connection, FINGERPRINT, ACME, 1)
    (only,) = log(home)
    assert (only.actor, only.action, only.subject) == (UNKNOWN, "key.add", FINGERPRINT)


def test_changes_go_to_the_note_about_them(home: Home) -> None:
    with change(home) as connection:
        keys.label(connection, "a" * 16, ACME, 1)
        keys.label(connection, "b" * 16, ACME, 1)
        audit.note(connection, 1, "uid:1", "key.label", "a" * 16)
        audit.note(connection, 1, "uid:1", "key.label", "b" * 16)
    assert [[row.name for row in each.rows()] for each in log(home)] == [["a" * 16], ["b" * 16]]


def test_what_changes_nothing_has_no_rows(home: Home) -> None:
    for moment in (1, 2):
        label_key(home, FINGERPRINT, ACME, "uid:1", moment)
    with change(home) as connection:
        keys.forget(connection, FINGERPRINT)
        keys.label(connection, FINGERPRINT, ACME, 9)
    assert [len(each.rows()) for each in log(home)] == [1, 0]


def test_a_block_that_raises_leaves_no_entry(home: Home) -> None:
    with pytest.raises(RuntimeError), change(home) as connection:
        keys.label(connection, FINGERPRINT, ACME, 1)
        audit.note(connection, 1, "uid:1", "key.label", FINGERPRINT)
        raise RuntimeError
    assert log(home) == []


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        (Filter(actor="token:1"), [10]),
        (Filter(kind="token"), [9]),
        (Filter(name=f"{3:016x}"), [4]),
        (Filter(name="laptop"), []),
        (Filter(since_ns=1_006, until_ns=2_001), [7, 8, 9]),
        (Filter(kind="key", before=3), [1, 2]),
        (Filter(name="%"), []),
    ],
)
def test_entries_are_found_by(filled: Home, asked: Filter, numbers: list[int]) -> None:
    assert [each.number for each in log(filled, asked)] == numbers


def test_the_database_refuses_to_edit_an_entry(filled: Home) -> None:
    with sqlite3.connect(filled.control) as raw:
        for statement in (
            "UPDATE audit SET actor = 'uid:0'",
            "UPDATE audit SET subject = 'x', detail = '', changes = '', salt = ''",
            "DELETE FROM audit",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="audit is append-only"):
                raw.execute(statement)


# -- edits by somebody who has the file --


def edited(home: Home, *statements: str) -> AuditReport:
    with sqlite3.connect(home.control) as raw:
        for (name,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            raw.execute(statement)
    raw.close()
    return checked(home)


@pytest.mark.parametrize(
    ("statement", "what", "number"),
    [
        ("UPDATE audit SET actor = 'uid:0' WHERE number = 4", "entry", 4),
        ("UPDATE audit SET changes = replace(changes, 'key 4', 'key 5') WHERE number = 5", "entry", 5),
        ("UPDATE audit SET at = at + 1 WHERE number = 1", "entry", 1),
        ("DELETE FROM audit WHERE number = 6", "entry", 6),
        ("DELETE FROM audit WHERE number > 8", "end", 9),
        ("DELETE FROM audit", "end", 1),
        ("UPDATE audit SET subject='', detail='', changes='', salt='' WHERE number = 3", "entry", 3),
        ("UPDATE key_label SET label = 'mine' WHERE fingerprint = '0000000000000002'", "key", 3),
        ("DELETE FROM token", "token", 9),
    ],
)
def test_an_edit_is_found_with_its_place(filled: Home, statement: str, what: str, number: int) -> None:
    assert checked(filled).problems == []
    first = edited(filled, statement).problems[0]
    assert (first.what, first.number) == (what, number)


def test_a_row_that_was_slipped_in_is_named(filled: Home) -> None:
    report = edited(filled, "INSERT INTO key_label VALUES ('f000000000000000', 'x', '{}', 1)")
    assert [(each.what, each.name) for each in report.problems] == [("key", "f000000000000000")]


def test_entries_that_were_cut_off_are_missed_after_others_have_followed(filled: Home) -> None:
    edited(filled, "DELETE FROM audit WHERE number > 8")
    label_key(filled, FINGERPRINT, ACME, "uid:1", 9_000)
    report = checked(filled)
    assert (report.problems[0].what, report.problems[0].number) == ("entry", 9)


def test_random_mutations_of_the_log_are_found_where_they_are(filled: Home, tmp_path: Path) -> None:
    """Any value of any entry; without one, nothing is found."""
    whole = tmp_path / "whole.db"
    shutil.copy(filled.control, whole)
    chance = random.Random(18)
    columns = [column.name for column in schema.audit.columns if column.name != "number"]
    for turn in range(1_000 if LONG else 50):
        shutil.copy(whole, filled.control)
        number, column = chance.randrange(1, 11), chance.choice(columns)
        with sqlite3.connect(filled.control) as raw:
            raw.execute("DROP TRIGGER audit_no_update")
            (old,) = raw.execute(f"SELECT {column} FROM audit WHERE number = ?", (number,)).fetchone()
            raw.execute(f"UPDATE audit SET {column} = ? WHERE number = ?", (mutated(old, chance), number))
        raw.close()
        report = checked(filled)
        assert report.problems, f"turn {turn}: {column} of {number}"
        assert report.problems[0].number == number, f"turn {turn}: {column} of {number}"
    for _ in range(100 if LONG else 5):
        shutil.copy(whole, filled.control)
        assert checked(filled).problems == []


def mutated(value: object, chance: random.Random) -> object:
    if isinstance(value, int):
        return value ^ 1 << chance.randrange(40)
    text = str(value)
    at = chance.randrange(len(text)) if text else 0
    kind = chance.randrange(3)
    if kind == 0 or not text:
        return f"{text[:at]}0{text[at:]}"
    if kind == 1:
        return text[:at] + text[at + 1 :]
    return text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]


# -- kills, old homes, erasure --


def test_a_kill_at_any_step_leaves_a_change_with_its_entry_or_neither(home: Home) -> None:
    label_key(home, FINGERPRINT, ACME, "uid:1", 1)
    before = home.control.read_bytes()
    lived, moment, seen = False, 0, set[tuple[str, int]]()
    while not lived:
        for path in home.path.glob("control.db*"):
            path.unlink()
        home.control.touch(0o600)
        home.control.write_bytes(before)
        lived = killed_at(moment, lambda: label_key(home, FINGERPRINT, KeyConfig(label="jobs"), "uid:1", 2))
        with sqlite3.connect(home.control) as raw:  # a hot journal is rolled back here
            (label,) = raw.execute("SELECT label FROM key_label").fetchone()
            (number,) = raw.execute("SELECT count(*) FROM audit").fetchone()
        raw.close()
        seen.add((label, number))
        assert checked(home).problems == [], f"killed at step {moment}"
        moment += 1 if LONG else 9
    assert seen == {("backend", 1), ("jobs", 2)}
    assert moment > 10


def test_the_log_of_an_old_home_begins_with_what_is_there_and_says_so(home: Home) -> None:
    database = ControlDatabase(home)
    with database.filling("0008") as connection:
        keys.label(connection, FINGERPRINT, ACME, 1)
        tokens.create(connection, "laptop", "read", 1, expires_at=None, binding={})
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        raw.execute("INSERT INTO audit VALUES ('i-1', 5, 'uid:1', 'key.label', ?, '{}')", (FINGERPRINT,))
    first, earlier, found = log(home)
    assert (first.action, first.details()) == ("audit.begin", {"earlier_entries": 1})
    assert (earlier.id, earlier.at, earlier.actor, earlier.subject) == ("i-1", 5, "uid:1", FINGERPRINT)
    assert (found.action, {row.name for row in found.rows()}) >= ("audit.begin", set())
    assert {row.kind for row in found.rows()} == {"key", "token"}
    report = checked(home)
    assert (report.problems, report.earlier_entries) == ([], 1)
    label_key(home, FINGERPRINT, KeyConfig(label="jobs"), "uid:1", 9)
    assert checked(home).problems == []
    changed = edited(home, "UPDATE audit SET actor = 'uid:0' WHERE number = 2")
    assert changed.problems[0].number == 2


def test_a_new_home_begins_with_an_empty_log(home: Home) -> None:
    open_control(home)
    assert log(home) == []
    assert checked(home).problems == []


def test_what_was_erased_is_nowhere_and_the_chain_holds(home: Home) -> None:
    label_key(home, FINGERPRINT, KeyConfig(label="old", user="ann@example.com"), "uid:1", 1)
    label_key(home, "b" * 16, ACME, "uid:1", 2)
    label_key(home, FINGERPRINT, KeyConfig(label="old"), "uid:1", 3)
    with change(home) as connection:
        assert erase_value(connection, ANN, "uid:1", 4) == [1, 3]
    assert b"ann@example.com" not in home.control.read_bytes()
    report = checked(home)
    assert (report.problems, report.erased) == ([], 2)
    assert [(each.actor, each.at) for each in log(home)][:3] == [("uid:1", 1), ("uid:1", 2), ("uid:1", 3)]
    forget_key(home, FINGERPRINT, "uid:1", 5)
    assert checked(home).problems == []


def test_what_only_looks_alike_is_not_erased_and_what_is_declared_has_to_go_first(home: Home) -> None:
    label_key(home, FINGERPRINT, KeyConfig(label="jobs", user="ann"), "uid:1", 1)
    label_key(home, "b" * 16, KeyConfig(label="ann", customer="ann"), "uid:1", 2)
    ann = Personal("user", "ann")
    with change(home) as connection:
        assert naming_rows(connection, ann) == {"key": 1}
        assert erase_value(connection, ann, "uid:1", 3) == []
    forget_key(home, FINGERPRINT, "uid:1", 4)
    with change(home) as connection:
        assert erase_value(connection, ann, "uid:1", 5) == [1, 3]
    assert [each.is_erased for each in log(home)] == [True, False, True, False]
    assert checked(home).problems == []
