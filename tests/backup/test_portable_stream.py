"""Everything in one stream and back: the same record, receipts and names, or nothing at all."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import zstandard
from calls import MINUTE, NOON, TestLedger, done, sums_of
from kept_homes import DAILY, STOPPED, nothing_told
from sqlalchemy import insert
from test_backup import killed_at
from tests.billing.made_invoices import LATER

from farebox import yamltext
from farebox.backup import rebuild
from farebox.backup.figures import figures_of
from farebox.backup.portable_stream import CHUNK_BYTES_MAX, write_file
from farebox.backup.rebuild import restore_export
from farebox.billing.journal.verification import verify as verify_journal
from farebox.billing.wallets import moves
from farebox.cli.backup import restore as restore_command
from farebox.cli.options import PeriodFlags, Place
from farebox.cli.reports.export import export as export_command
from farebox.cli.reports.receipt import call_receipt
from farebox.clock import uuid7
from farebox.config import KeyConfig
from farebox.control import schema
from farebox.control.audit.verification import verify_audit
from farebox.control.database import open_control
from farebox.control.publish import change
from farebox.control.upgrade import MIGRATIONS, newest_in
from farebox.errors import BackupError, UsageError
from farebox.home import Home
from farebox.journal import records
from farebox.journal.reader import Batch, Position
from farebox.journal.records import Done, Estimate, Rerate, Result
from farebox.ledger.calls import LedgerReader
from farebox.ledger.proof.verification import verify
from farebox.pricing import load_book
from farebox.snapshot import read_snapshot
from farebox.wire.facts import Extraction, Part

TABLES = (
    "source", "call_class", "personal", "attribution", "call", "block", "witness", "outcome", "score",
    "mark", "chain_end", "checkpoint", "retrieval", "waiting_estimate", "plan_period",
    "known_terms", "terms_walk", "calibration",
)  # fmt: skip

LONG = bool(os.environ.get("FAREBOX_LONG"))
"""Kill at every step; otherwise at some."""


@pytest.fixture
def full(home: Home) -> Home:
    """A home whose record has corrections, an estimate, calls without a price, marks and witnesses."""
    ledger = TestLedger(home)
    ledger.append(
        *(done(NOON + number * MINUTE, model="gpt-4o", response_id=f"x-{number}") for number in range(9))
    )
    ledger.append(done(NOON, source="sdk:here", witness="sdk", model="gpt-4o", response_id="x-0"))
    unknown = silent()
    ledger.append(unknown)
    estimate = Estimate(
        event_id=unknown.event_id, source=unknown.source, at_ns=NOON, method="tokenizer:o200k_base",
        input=(100, 120, 140), output=(5, 10, None),
    )  # fmt: skip
    entry = (1, records.ESTIMATE, records.encode(estimate))
    ledger.applier.apply("estimator-1", [Batch([entry], [], Position(1, 9_000, 2), False)])
    pricing, _ = yamltext.parse("unheard-of: {input_per_1m: 10, output_per_1m: 20}", "farebox.yaml")
    prices = load_book(pricing)
    ledger.applier.use(prices)
    asked = Rerate(at_ns=NOON, seqs=[4, 11, 18], snapshot=prices.digest, priced_too=False)
    entry = (1, records.RERATE, records.encode(asked))
    ledger.applier.apply("rerate-1", [Batch([entry], [], Position(1, 2_000, 2), False)])
    results = [
        (seq, kind, records.encode(Result(
            name=name, value=value, event_id=uuid7(NOON), source="sdk:here", occurred_at_ns=NOON,
            attribution={"task": "t-1"}, attribution_from={"task": "sdk:event"},
        )))
        for seq, kind, name, value in (
            (1, records.OUTCOME, "sold", "40.00"), (2, records.SCORE, "good", "0.92"),
        )
    ]  # fmt: skip
    ledger.applier.apply("sdk-1", [Batch(results, [], Position(1, 2_000, 3), False)])
    ledger.applier.checkpoint_if_due()
    for table in ("witness", "outcome", "score"):
        assert list(ledger.connection.execute(f"SELECT count(*) FROM {table}")) == [(1,)]  # noqa: S608
    ledger.connection.close()
    return home


def silent() -> Done:
    """Return an exchange of which nobody stated the usage."""
    ended = done(NOON, request_bytes=4_500, response_bytes=1_300)
    part = Part(provider="openai", request_model="gpt-4o", response_model="gpt-4o")
    ended.extraction = Extraction(
        parts=(part,), completeness="none", reason="no_usage_in_response", request_model="gpt-4o",
        response_model="gpt-4o", lacks=("input", "output"),
    )  # fmt: skip
    return ended


def contents(home: Home) -> dict[str, list[tuple[object, ...]]]:
    connection = sqlite3.connect(home.ledger)
    found = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}  # noqa: S608
    connection.close()
    return found


@pytest.mark.parametrize("name", ["all.ndjson", "all.ndjson.zst"])
def test_a_rebuilt_home_has_the_same_rows_receipts_and_totals(full: Home, tmp_path: Path, name: str) -> None:
    head = write_file(full, tmp_path / name, nothing_told)
    rebuilt = Home(tmp_path / "elsewhere")
    restored = restore_export(tmp_path / name, rebuilt, replace=False, told=nothing_told)
    assert restored.figures == head.figures == figures_of(full)
    assert contents(rebuilt) == contents(full)
    assert sums_of(rebuilt) == sums_of(full)
    calls = list(LedgerReader(full).export())
    assert {call.cost_state for call in calls} >= {"priced", "unpriced"}
    assert any(call.estimate is not None for call in calls)
    assert any(call.corrections for call in calls) and any(call.attribution for call in calls)
    again = list(LedgerReader(rebuilt).export())
    assert again == calls
    assert [call_receipt(call) for call in again] == [call_receipt(call) for call in calls]
    report = verify(rebuilt, head.figures.checkpoint)
    assert report.ok, report.problems
    assert read_snapshot(rebuilt).labelled == {"f" * 16: KeyConfig(label="backend", customer="acme")}
    assert (read_snapshot(rebuilt).budgets, read_snapshot(rebuilt).stops) == ((DAILY,), (STOPPED,))
    assert (tmp_path / name).stat().st_mode & 0o077 == 0


def test_the_rebuilt_home_goes_on(full: Home, tmp_path: Path) -> None:
    """What comes after a restore is appended to the same chain."""
    write_file(full, tmp_path / "all.zst", nothing_told)
    rebuilt = Home(tmp_path / "elsewhere")
    restore_export(tmp_path / "all.zst", rebuilt, replace=False, told=nothing_told)
    ledger = TestLedger(rebuilt)
    ledger.append(done(NOON, attribution={"user": "user 1"}))
    ledger.connection.close()
    assert verify(rebuilt, figures_of(full).checkpoint).ok


def test_control_tables_come_along_and_no_secret_does(full: Home, tmp_path: Path) -> None:
    token = {
        "id": "t1", "scope": "client", "name": "laptop", "hash": "a" * 64, "binding": "{}", "created_at": 1,
    }  # fmt: skip
    receiver = {"name": "ops", "state": "active", "last_position": 1, "created_at": 1}
    message = {"id": "m1", "kind": "alert", "payload": "{}", "created_at": 1, "cause": "a"}
    delivery = {"message": "m1", "receiver": "ops", "position": 1, "state": "pending", "attempts": 0}
    with change(full) as connection:
        for table, row in (
            (schema.token, token), (schema.outbox_receiver, receiver), (schema.outbox_message, message),
            (schema.outbox_delivery, delivery),
        ):  # fmt: skip
            connection.execute(insert(table).values(row))
    file = tmp_path / "all.ndjson"
    write_file(full, file, nothing_told)
    text = file.read_bytes()
    for secret in (full.secret(), full.secret().hex().encode(), base64.b64encode(full.secret()), b"PRIVATE"):
        assert secret not in text
    rebuilt = Home(tmp_path / "elsewhere")
    restore_export(file, rebuilt, replace=False, told=nothing_told)
    for table in schema.metadata.sorted_tables:
        with open_control(full).reading() as one, open_control(rebuilt).reading() as other:
            was, now = one.execute(table.select()).all(), other.execute(table.select()).all()
            if table.name == "audit":  # goes on with what the files say, of which there are none here
                now = now[: len(was)]
            if table.name not in ("file_definition", "seal"):
                assert was == now, table.name
    with open_control(rebuilt).reading() as connection:
        assert verify_audit(connection).problems == []
    assert read_snapshot(rebuilt).tokens.keys() == {"a" * 64}


def test_the_journal_of_money_comes_along_whole_and_goes_on(full: Home, tmp_path: Path) -> None:
    write_file(full, tmp_path / "all.zst", nothing_told)
    rebuilt = Home(tmp_path / "elsewhere")
    restore_export(tmp_path / "all.zst", rebuilt, replace=False, told=nothing_told)
    with open_control(full).reading() as one, open_control(rebuilt).reading() as other:
        before, after = verify_journal(one), verify_journal(other)
    assert before.holds and before.transactions == 4
    assert msgspec.to_builtins(after) == msgspec.to_builtins(before)
    with change(rebuilt) as connection:
        moves.grant(connection, "acme", "USD", 1, at_ns=LATER, actor="uid:0")
        assert verify_journal(connection).faults == []
    with (
        sqlite3.connect(rebuilt.control) as raw,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        raw.execute("DELETE FROM journal_entry")
    raw.close()


def lines_of(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines(keepends=True)


NEWEST = b'"%s"' % newest_in(MIGRATIONS).encode()
Change = Callable[[list[bytes]], list[bytes]]


WRONG: list[tuple[Change, str]] = [
    (lambda lines: lines[:-1], "it ends too early"),
    (lambda lines: [*lines[:-1], lines[-1][:-1]], "it ends too early"),
    (lambda lines: [*lines[:9], *lines[10:]], "not those that were written"),
    (
        lambda lines: [line.replace(b'"revision":0', b'"revision":8') for line in lines],
        "not those that were written",
    ),
    (lambda lines: [lines[0], b"{nonsense\n", *lines[1:]], r":2: it is damaged"),
    (lambda lines: [b"hello\n"], r":1: it is not what"),
    (lambda lines: [], r":1: it ends too early"),
    (lambda lines: [lines[0].replace(b"everything/1", b"everything/2"), *lines[1:]], "schema: found farebox"),
    (
        lambda lines: [lines[0].replace(b'"ledger_schema":', b'"ledger_schema":9'), *lines[1:]],
        "ledger_schema: found 9",
    ),
    (lambda lines: [lines[0].replace(NEWEST, b'"9999"'), *lines[1:]], "control_schema: found 9999"),
    (lambda lines: [lines[0], b'{"table":"sqlite_schema","row":{"a":1}}\n'], "found sqlite_schema, which"),
    (lambda lines: [lines[0], b'{"table":"call","row":{"x":1}}\n', *lines[1:]], r"call\.x: a column that"),
    (
        lambda lines: [lines[0], b'{"table":"call","row":{"event_id":"??"}}\n', *lines[1:]],
        r"call\.event_id: found '\?\?'",
    ),
    (lambda lines: [lines[0], b'{"table":"control.x","row":{}}\n', *lines[1:]], r"control\.x"),
]


@pytest.mark.parametrize(("change_lines", "says"), WRONG)
def test_a_stream_that_is_not_whole_is_named_and_leaves_nothing(
    full: Home, tmp_path: Path, change_lines: Change, says: str
) -> None:
    file = tmp_path / "all.ndjson"
    write_file(full, file, nothing_told)
    file.write_bytes(b"".join(change_lines(lines_of(file))))
    with pytest.raises(BackupError, match=says):
        restore_export(file, Home(tmp_path / "elsewhere"), replace=False, told=nothing_told)
    assert not list(tmp_path.glob("*elsewhere*"))


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.999])
def test_a_compressed_stream_that_was_cut_or_damaged_is_named(full: Home, tmp_path: Path, cut: float) -> None:
    file = tmp_path / "all.zst"
    write_file(full, file, nothing_told)
    content = file.read_bytes()
    at = int(len(content) * cut)
    for wrong in (content[:at], content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]):
        file.write_bytes(wrong)
        with pytest.raises(BackupError, match=r"all\.zst"):
            restore_export(file, Home(tmp_path / "elsewhere"), replace=False, told=nothing_told)
        assert not list(tmp_path.glob("*elsewhere*"))


def test_a_writing_or_reading_killed_at_any_step_leaves_nothing_half_there(
    full: Home, tmp_path: Path
) -> None:
    file = tmp_path / "all.zst"
    moment = 0
    while not killed_at(moment, lambda: write_file(full, file, nothing_told)):
        assert not file.exists() or zstandard.ZstdDecompressor().stream_reader(file.read_bytes()).readall()
        moment += 1 if LONG else 9
    wanted, elsewhere = figures_of(full), Home(tmp_path / "elsewhere")
    moment = 0
    while not killed_at(moment, lambda: restore_export(file, elsewhere, replace=False, told=nothing_told)):
        if elsewhere.path.exists():
            assert figures_of(elsewhere) == wanted
            break
        moment += 1 if LONG else 15
    assert moment > 20 and figures_of(elsewhere) == wanted


def test_the_commands_export_and_rebuild(
    full: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "all.ndjson.zst"
    assert export_command(everything=file) == 0
    assert "calls, $" in capsys.readouterr().out
    place = Place(home=tmp_path / "elsewhere")
    assert restore_command(export=file, place=place, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["figures"]["calls"] == figures_of(full).calls
    with pytest.raises(UsageError, match="takes no period"):
        export_command(everything=file, period=PeriodFlags(since="7d"))
    with pytest.raises(UsageError, match="name the directory"):
        restore_command(place=place)


def test_any_program_can_read_it(full: Home, tmp_path: Path) -> None:
    """Nothing but a JSON parser: the total is that of the record."""
    file = tmp_path / "all.ndjson"
    head = write_file(full, file, nothing_told)
    program = (
        "import json, sys\ntotal = 0\nfor line in open(sys.argv[1]):\n    each = json.loads(line)\n"
        "    if each.get('table') == 'call':\n        total += each['row']['cost_pico'] or 0\nprint(total)"
    )
    found = subprocess.run(
        [sys.executable, "-I", "-c", program, file], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == head.figures.cost_pico


def test_a_bomb_of_small_files_and_huge_rows_is_read_a_few_megabytes_at_a_time(
    full: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tmp_path / "all.ndjson"
    write_file(full, plain, nothing_told)
    huge = b'{"table":"mark","row":{"detail":"%b"}}\n' % (b"x" * 100_000)
    bomb = tmp_path / "bomb.zst"
    bomb.write_bytes(zstandard.compress(lines_of(plain)[0] + huge * 1_000))
    assert bomb.stat().st_size < 50_000
    most = 0

    def insert(_: object, rows: list[dict[str, object]]) -> None:
        nonlocal most
        most = max(most, sum(len(str(row)) for row in rows))

    monkeypatch.setattr(rebuild._Loader, "insert", insert)
    with pytest.raises(BackupError, match="it ends too early"):
        restore_export(bomb, Home(tmp_path / "elsewhere"), replace=False, told=nothing_told)
    assert 0 < most <= CHUNK_BYTES_MAX + 200_000


HOSTILE = [
    b'{"table":"call","row":{"seq":' + b"[" * 100_000 + b"\n",
    b'{"table":"call","row":{"seq":[1]}}\n',
    b'{"table":"\xff","row":{}}\n',
    b'{"table":"call","row":{"seq":99999999999999999999}}\n',
    b'{"table":"call","row":{"seq":1e400}}\n',
    b'{"table":"control.token","row":{"id":"a","created_at":99999999999999999999}}\n',
    b'{"table":"control.alembic_version","row":{"version_num":"0000"}}\n',
    b'{"table":"control.seal","row":{"name":"published","sha256":""}}\n',
    b"\xff\n",
]


@pytest.mark.parametrize("line", HOSTILE)
@pytest.mark.parametrize("at", [0, 1])
def test_a_hostile_line_is_named_and_leaves_nothing(full: Home, tmp_path: Path, line: bytes, at: int) -> None:
    file = tmp_path / "all.ndjson"
    write_file(full, file, nothing_told)
    file.write_bytes(b"".join([lines_of(file)[0], line] if at else [line]))
    with pytest.raises(BackupError):
        restore_export(file, Home(tmp_path / "elsewhere"), replace=False, told=nothing_told)
    assert not list(tmp_path.glob("*elsewhere*"))


@pytest.mark.parametrize("revision", ["", "0000", "head", "base", "-1", "../0001"])
def test_a_schema_that_there_has_never_been_is_named(full: Home, tmp_path: Path, revision: str) -> None:
    file = tmp_path / "all.ndjson"
    write_file(full, file, nothing_told)
    first, *rest = lines_of(file)
    file.write_bytes(b"".join([first.replace(NEWEST, f'"{revision}"'.encode()), *rest]))
    with pytest.raises(BackupError, match="control_schema"):
        restore_export(file, Home(tmp_path / "elsewhere"), replace=False, told=nothing_told)
