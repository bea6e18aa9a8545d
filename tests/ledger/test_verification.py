# ruff: noqa: S608 - statements here are put together from this file's own constants
from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import apsw
import pytest
from calls import DAY, HOUR, NOON, TestLedger, batch, done

from farebox.errors import UsageError
from farebox.home import Home
from farebox.journal.records import Mark
from farebox.ledger import verify
from farebox.ledger.append.blocks import CALL, block_link
from farebox.ledger.append.dictionaries import CALL_CLASS
from farebox.ledger.database import open_writer
from farebox.ledger.proof.block_check import SELECT, check_block
from farebox.ledger.proof.chain import Checkpoint


@pytest.fixture
def grown(tmp_path: Path) -> Home:
    """A ledger of sixty calls over three days, with marks and a checkpoint, closed."""
    now = [NOON]
    ledger = TestLedger(Home(tmp_path / "grown"), clock=lambda: now[0])
    for number in range(20):
        at = NOON + number * 3 * HOUR
        attribution = {"customer": f"c{number % 4}", "project": "p"}
        exchanges: list[Any] = [done(at + offset, attribution=attribution) for offset in range(3)]
        mark = Mark(at_ns=at, kind="clock_jump", detail={"nanoseconds": 1})
        ledger.applier.apply("proxy-test", [batch(*exchanges, mark)])
        now[0] += 2 * 60_000_000_000
        if number == 12:
            ledger.applier.checkpoint_if_due()
    ledger.connection.close()
    return ledger.home


def edit(home: Home, *statements: tuple[str, tuple[Any, ...]]) -> None:
    """Change the ledger as somebody who owns the file can: triggers off, change, triggers on."""
    connection = apsw.Connection(str(home.ledger))
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    with connection:
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement, parameters in statements:
            connection.execute(statement, parameters)
        for _, sql in triggers:
            connection.execute(sql)
    connection.close()


def copy_of(home: Home, to: Path) -> Home:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(home.path, to)
    return Home(to)


def test_an_untouched_ledger_verifies_again_and_again(grown: Home) -> None:
    report = verify(grown)
    assert report.ok, report.problems
    assert (report.rows, report.marks) == (60, 20)
    assert verify(grown, report.checkpoint).ok


def test_a_home_without_a_ledger_verifies_unless_a_checkpoint_says_there_was_one(home: Home) -> None:
    assert verify(home).ok
    assert not verify(home, f"5:{'ab' * 32}").ok


def test_a_checkpoint_that_is_none_is_refused(grown: Home) -> None:
    for text in ("5", "x:y", "5:abcd"):
        with pytest.raises(UsageError, match="no checkpoint"):
            verify(grown, text)


CLASS_COLUMNS = [f"call_class.{name}" for name in ("digest", *CALL_CLASS)]
BLOCK_COLUMNS = [f"block.{name}" for name in ("last_seq", "recorded_at", "detail", "hash")]
DICTIONARIES = ["source.name", "attribution.digest", "attribution.fields", "attribution.verified"]
COLUMNS = [f"call.{name}" for name in CALL] + CLASS_COLUMNS + BLOCK_COLUMNS + DICTIONARIES
ROW_OF = {
    "call": "seq = ?",
    "call_class": "id = (SELECT call_class FROM call WHERE seq = ?)",
    "attribution": "id = (SELECT attribution FROM call WHERE seq = ?)",
    "source": "id = (SELECT source FROM call WHERE seq = ?)",
    "block": "first_seq = (SELECT max(first_seq) FROM block WHERE first_seq <= ?)",
}
"""Which row of a table has something of a call."""


@pytest.mark.parametrize("seed", range(200))
def test_any_change_is_found(grown: Home, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    home = copy_of(grown, tmp_path / "changed")
    seq = rng.randrange(1, 61)
    exact = True
    kind = rng.choice(
        ["edit", "edit", "edit", "delete", "insert", "swap", "personal", "mark", "checkpoint", "position"]
    )
    if kind == "edit":
        table, _, column = rng.choice(COLUMNS).partition(".")
        connection = apsw.Connection(str(home.ledger))
        where = ROW_OF[table]
        old = connection.execute(f"SELECT {column} FROM {table} WHERE {where}", (seq,)).fetchone()[0]
        if table in (
            "call_class",
            "attribution",
            "source",
        ):  # the first call that has it is the first that is wrong
            (seq,) = connection.execute(
                f"SELECT min(seq) FROM call WHERE {table} = (SELECT {table} FROM call WHERE seq = ?)", (seq,)
            ).fetchone()
        connection.close()
        if isinstance(old, int) or column == "response_key":
            new: Any = (old or 0) + rng.choice([-1, 1, 1000])
        elif isinstance(old, bytes):
            at = rng.randrange(len(old))
            new = old[:at] + bytes([old[at] ^ rng.randrange(1, 256)]) + old[at + 1 :]
        elif column == "fields":
            new = old.replace("{", '{"x":["y",null],', 1)
        else:
            new = (old or "") + "x"
        edit(home, (f"UPDATE {table} SET {column} = ? WHERE {where}", (new, seq)))
        if table == "block":
            exact = False
    elif kind == "delete":
        edit(home, ("DELETE FROM call WHERE seq = ?", (seq,)))
    elif kind == "insert":
        edit(
            home,
            ("CREATE TEMP TABLE copy AS SELECT * FROM call WHERE seq = ?", (seq,)),
            ("UPDATE copy SET seq = ?, event_id = ?", (rng.choice([0, 61, 62]), rng.randbytes(16))),
            ("INSERT INTO call SELECT * FROM copy", ()),
        )
    elif kind == "swap":
        other = seq % 60 + 1
        edit(
            home,
            ("UPDATE call SET seq = -1 WHERE seq = ?", (seq,)),
            ("UPDATE call SET seq = ? WHERE seq = ?", (seq, other)),
            ("UPDATE call SET seq = ? WHERE seq = -1", (other,)),
        )
    elif kind == "personal":
        change = rng.choice(
            [
                "UPDATE personal SET value = value || 'x' WHERE id = 2",
                "UPDATE personal SET salt = randomblob(16) WHERE id = 2",
                "UPDATE personal SET commitment = randomblob(32) WHERE id = 2",
                "DELETE FROM personal WHERE id = 2",
                "INSERT INTO personal SELECT 99, 'user', 'x', salt, commitment FROM personal WHERE id = 1",
            ]
        )
        edit(home, (change, ()))
    elif kind == "mark":
        change = rng.choice(
            [
                "UPDATE mark SET detail = '{}' WHERE id = ?",
                "DELETE FROM mark WHERE id = ?",
                "UPDATE mark SET kind = 'x' WHERE id = ?",
            ]
        )
        edit(home, (change, (rng.randrange(1, 14),)))
    elif kind == "checkpoint":
        edit(
            home,
            (
                rng.choice(
                    ["UPDATE checkpoint SET hash = randomblob(32)", "UPDATE checkpoint SET seq = seq + 1"]
                ),
                (),
            ),
        )
    else:
        column = rng.choice(["segment", "offset", "seq", "finished", "last_call"])
        edit(home, (f"UPDATE applied SET {column} = {column} + 1", ()))
    report = verify(home, verify(grown).checkpoint)
    assert not report.ok, kind
    if kind in ("edit", "delete"):
        first = seq if exact else (seq - 1) // 3 * 3 + 1
        assert report.first_bad_seq in ((seq,) if exact else range(first, first + 4))


def test_a_chain_computed_anew_is_caught_by_the_checkpoint_the_user_kept(grown: Home) -> None:
    kept = verify(grown).checkpoint
    connection = apsw.Connection(str(grown.ledger))
    blocks = connection.execute("SELECT first_seq, last_seq, recorded_at, detail FROM block").fetchall()
    calls = f"{SELECT} WHERE c.seq BETWEEN ? AND ? ORDER BY c.seq"
    commitments = dict(connection.execute("SELECT id, commitment FROM personal"))
    personal = dict(connection.execute("SELECT first_seq, last_personal FROM block"))
    previous, before = bytes(32), 0
    updates: list[tuple[str, tuple[Any, ...]]] = [("DELETE FROM checkpoint", ())]
    updates += [("DELETE FROM applied", ()), ("UPDATE call SET event_id = ? WHERE seq = 30", (b"f" * 16,))]
    for first, last, recorded_at, detail in blocks:
        rows = [list(row) for row in connection.execute(calls, (first, last))]
        for row in rows:
            row[1] = b"f" * 16 if row[0] == 30 else row[1]
        digest = check_block(first, last, [tuple(row) for row in rows], detail).digest
        named = b"".join(commitments[number] for number in range(before + 1, personal[first] + 1))
        previous, before = block_link(previous, first, last, recorded_at, named, digest), personal[first]
        updates.append(("UPDATE block SET hash = ? WHERE first_seq = ?", (previous, first)))
    connection.close()
    edit(grown, *updates)
    inside = {problem.what for problem in verify(grown).problems}
    assert "chain" not in inside, "the file agrees with itself"
    outside = verify(grown, kept)
    assert "checkpoint" in {problem.what for problem in outside.problems}


def test_rows_cut_off_the_end_are_caught_by_the_checkpoint_the_user_kept(grown: Home) -> None:
    kept = verify(grown).checkpoint
    edit(grown, ("DELETE FROM call WHERE seq > 55", ()))
    assert verify(grown, kept).first_bad_seq == 56


def test_a_missing_trigger_is_found(grown: Home) -> None:
    connection = apsw.Connection(str(grown.ledger))
    connection.execute("DROP TRIGGER call_never_updated")
    connection.close()
    assert [problem.what for problem in verify(grown).problems] == ["schema"]


def test_bytes_changed_in_the_file_never_pass_as_a_good_ledger(grown: Home, tmp_path: Path) -> None:
    rng = random.Random(3)
    whole = grown.ledger.read_bytes()
    kept = verify(grown).checkpoint
    for _ in range(40):
        home = copy_of(grown, tmp_path / "flipped")
        at = rng.randrange(100, len(whole))
        changed = bytearray(whole)
        changed[at] ^= rng.randrange(1, 256)
        home.ledger.write_bytes(changed)
        report = verify(home, kept)
        if report.ok:  # the byte lay in free space: everything a reader can see is as before
            connection = apsw.Connection(str(home.ledger))
            original = apsw.Connection(str(grown.ledger))
            everything = f"{SELECT} ORDER BY c.seq"
            assert connection.execute(everything).fetchall() == original.execute(everything).fetchall()
            connection.close()
            original.close()


def test_a_checkpoint_is_written_every_ten_thousand_rows(home: Home) -> None:
    ledger = TestLedger(home)
    ledger.append(*[done(NOON + number * DAY // 5_000) for number in range(5_000)])
    ledger.append(*[done(NOON + number * DAY // 5_000) for number in range(5_001)])
    (row,) = ledger.connection.execute("SELECT seq, hash FROM checkpoint").fetchall()
    assert row[0] == 10_001
    assert verify(home, str(Checkpoint(*row))).ok
    ledger.connection.close()


def test_a_ledger_of_the_first_schema_is_upgraded_when_it_is_opened(grown: Home) -> None:
    edit(grown, ("DROP TABLE chain_end", ()), ("PRAGMA user_version = 1", ()))
    assert not any("missing" in str(each) for each in verify(grown).problems)
    open_writer(grown).close()
    assert verify(grown).problems == []
    edit(grown, ("DELETE FROM mark WHERE id = (SELECT max(id) FROM mark)", ()))
    assert any("missing" in str(each) for each in verify(grown).problems)


def test_a_ledger_between_two_schemas_is_upgraded_when_it_is_opened(grown: Home) -> None:
    edit(grown, ("PRAGMA user_version = 1", ()))
    open_writer(grown).close()
    assert verify(grown).problems == []
