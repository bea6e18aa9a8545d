"""The replica is derived: whatever happens to its file, it is made again from the record, and said."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import pytest
from ledgers import START, Record

from farebox.analytics import replica as replicas
from farebox.analytics.builder import Builder
from farebox.analytics.checks import compare
from farebox.analytics.dialects.duckdb import DuckDB
from farebox.analytics.engine import Engine
from farebox.analytics.local import LocalAsker
from farebox.analytics.query import Ask, Question
from farebox.analytics.questions import Questions, Selection
from farebox.errors import QuestionError, ReplicaBuildingError, ReplicaBusyError
from farebox.home import Home

CALLS = 5_000


@pytest.fixture
def file(record: Record) -> Path:
    """A replica of some calls."""
    record.append(
        {"occurred_at": START + number, "user": f"u{number}", "cost_pico": 7} for number in range(CALLS)
    )
    assert _calls(record.home) == CALLS
    return record.home.path / "analytics.duckdb"


def _calls(home: Home) -> int:
    questions = Questions(LocalAsker(home))
    try:
        return questions.totals(Selection())[0].calls
    finally:
        questions.close()


def test_the_file_is_private(file: Path) -> None:
    assert file.stat().st_mode & 0o777 == 0o600


def test_its_log_is_private_whenever_it_is_made_and_other_files_are_as_the_user_wants(home: Home) -> None:
    home.prepare()
    before = os.umask(0o022)
    try:
        replica = replicas.Replica.of(home)
        for number in range(2):
            with replica.transaction() as execute:
                execute(f"CREATE TABLE again_{number} (value INTEGER)", ())
            modes = {path.name: path.stat().st_mode & 0o777 for path in home.path.glob("analytics.duckdb*")}
            assert modes == {"analytics.duckdb": 0o600, "analytics.duckdb.wal": 0o600}
            replica.rows("CHECKPOINT")
            assert not (home.path / "analytics.duckdb.wal").exists(), "the next one is made anew"
        replica.close()
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_a_truncated_file_is_made_again(
    file: Path, record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    os.truncate(file, file.stat().st_size // 2)
    assert _calls(record.home) == CALLS
    assert "analytics.duckdb is made again from the ledger" in capsys.readouterr().err


def test_a_file_with_flipped_bytes_is_made_again(
    file: Path, record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(file.read_bytes())
    for place in range(12_000, len(content), 4_001):
        content[place] ^= 0xFF
    file.write_bytes(content)
    assert _calls(record.home) == CALLS
    assert "analytics.duckdb is made again" in capsys.readouterr().err


def test_a_file_of_something_else_is_made_again(file: Path, record: Record) -> None:
    file.write_bytes(b"not a database" * 1000)
    assert _calls(record.home) == CALLS


def test_a_file_of_a_newer_duckdb_is_made_again(file: Path, record: Record) -> None:
    content = bytearray(file.read_bytes())
    assert content[8:12] == b"DUCK"
    content[12:20] = (9_999).to_bytes(8, "little")
    file.write_bytes(content)
    assert _calls(record.home) == CALLS


def test_a_replica_of_another_record_is_made_again(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Record(Home(tmp_path / "other"))
    other.seq = 10  # its events have other ids
    other.append({"occurred_at": START} for _ in range(3))
    file.rename(other.home.path / "analytics.duckdb")
    assert _calls(other.home) == 3
    assert "it belongs to another record" in capsys.readouterr().err
    other.close()


def test_a_replica_of_other_tables_is_made_again(
    file: Path, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = replicas.schema.FORMAT
    monkeypatch.setattr(replicas.schema, "FORMAT", old + 1)
    monkeypatch.setattr(
        replicas.schema, "CREATE", replicas.schema.CREATE.replace(f"VALUES ({old}", f"VALUES ({old + 1}")
    )
    assert _calls(record.home) == CALLS


def test_verify_finds_a_tampered_replica_and_makes_it_again(file: Path, record: Record) -> None:
    replica = replicas.Replica(file)
    replica.rows("UPDATE calls SET cost_pico = cost_pico + 1 WHERE seq = 77")
    replica.close()
    questions = Questions(LocalAsker(record.home))
    assert questions.totals(Selection())[0].cost_pico == 7 * CALLS + 1
    found = compare(record.home, questions)
    assert (found.different, found.repaired, found.rows) == ([1], True, CALLS)
    assert questions.totals(Selection())[0].cost_pico == 7 * CALLS
    assert compare(record.home, questions).different == []
    questions.close()


def test_verify_finds_classes_of_a_cost_that_do_not_add_up_to_it(file: Path, record: Record) -> None:
    replica = replicas.Replica(file)
    replica.rows("UPDATE calls SET other_cost_pico = other_cost_pico - 1 WHERE seq = 77")
    replica.close()
    questions = Questions(LocalAsker(record.home))
    found = compare(record.home, questions)
    assert (found.different, found.repaired) == ([1], True)
    questions.close()


def test_rows_that_were_taken_out_of_the_replica_are_found(file: Path, record: Record) -> None:
    replica = replicas.Replica(file)
    replica.rows("DELETE FROM calls WHERE seq > 4000")
    replica.close()
    questions = Questions(LocalAsker(record.home))
    assert compare(record.home, questions).repaired
    assert questions.totals(Selection())[0].calls == CALLS
    questions.close()


def test_a_second_process_answers_from_memory(file: Path, record: Record) -> None:
    owner = Engine(record.home)
    try:
        assert _calls(record.home) == CALLS
    finally:
        owner.close()


def test_of_a_large_record_a_second_process_says_who_has_the_file(
    file: Path, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farebox.analytics.engine.IN_MEMORY_ROWS_MAX", 10)
    owner = Engine(record.home)
    try:
        with pytest.raises(ReplicaBusyError, match=f"process {os.getpid()} is answering"):
            _calls(record.home)
    finally:
        owner.close()


def test_a_second_process_waits_for_the_first_to_finish(file: Path, record: Record) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    holder = context.Process(target=_hold, args=(str(record.home.path), ready))
    holder.start()
    assert ready.wait(30)
    engine = Engine(record.home)  # alone would be another engine: this one has the file
    engine.close()
    holder.join()


def _hold(home: str, ready: object) -> None:
    engine = Engine(Home(Path(home)))
    ready.set()  # type: ignore[attr-defined]
    time.sleep(0.3)
    engine.close()


def test_a_home_that_cannot_be_written_is_answered_from_memory(
    file: Path, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr(replicas.Lock, "acquire", refused)
    assert _calls(record.home) == CALLS


def test_a_question_during_a_long_rebuild_says_how_far_it_is(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record.append({"occurred_at": START + number} for number in range(300))
    monkeypatch.setattr("farebox.analytics.replicator.Replicator.step.__defaults__", (100,))
    asker = LocalAsker(record.home, seconds=0.0)
    with pytest.raises(ReplicaBuildingError, match="100 of 300 rows"):
        asker.reply(Ask(questions=[]))
    with pytest.raises(ReplicaBuildingError, match="200 of 300 rows"):
        asker.reply(Ask(questions=[]))
    assert asker.reply(Ask(questions=[])).seq == 300
    asker.close()


def test_corrections_of_one_call_are_followed_one_by_one(record: Record) -> None:
    (first,) = record.append([{"occurred_at": START, "cost_pico": 1}])
    asker = LocalAsker(record.home)
    questions = Questions(asker)
    for cost in (5, 9, 4):
        record.correct(first, cost_pico=cost)
        assert questions.totals(Selection())[0].cost_pico == cost
        assert questions.calls(Selection(), 10) == [first]
    assert asker.engine is not None
    questions.close()


def test_a_question_that_needs_more_memory_gets_some_and_gives_it_back(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicas, "MEMORY", "1MB")
    replica = replicas.Replica(file)
    large = "SELECT len(list(n)) FROM (SELECT unnest(range(1000000)) AS n)"
    assert replica.rows(large) == [(1_000_000,)]
    assert replica.rows("SELECT current_setting('memory_limit')") in ([("976.5 KiB",)], [("1.0 MB",)])
    monkeypatch.setattr(replicas, "MEMORY_MOST", "1MB")
    with pytest.raises(QuestionError, match="ask for a shorter period"):
        replica.rows(large)
    replica.close()


def _erase(record: Record, user: str) -> None:
    with record.connection:
        record.connection.execute("UPDATE personal SET value = NULL, salt = NULL WHERE value = ?", (user,))
        record.connection.execute(
            "INSERT INTO mark (recorded_at, writer, kind, detail, hash) VALUES (0, 'w', 'erased', '{}', x'')"
        )


def test_a_replica_that_is_open_forgets_a_value_that_is_erased(
    file: Path, record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "wilhelmina.featherstonehaugh@example.com"
    record.append([{"occurred_at": START, "user": name, "cost_pico": 5}])
    questions = Questions(LocalAsker(record.home, owner=True))
    chosen = Selection(where={"user": [name]})
    assert questions.totals(chosen)[0].cost_pico == 5
    total = questions.totals(Selection())[0]
    questions.close()
    assert name.encode() in file.read_bytes()

    questions = Questions(LocalAsker(record.home, owner=True))
    questions.last_seq()
    _erase(record, name)
    assert questions.totals(Selection())[0] == total
    assert questions.totals(chosen)[0].calls == 0
    users = [group.keys["user"] for group in questions.breakdown(Selection(), ["user"]).groups]
    assert sum(user is not None and user.startswith("(erased ") for user in users) == 1
    record.append([{"occurred_at": START, "user": "later"}])
    assert questions.totals(Selection())[0].calls == CALLS + 2
    questions.close()
    assert name.encode() not in file.read_bytes()
    said = capsys.readouterr().err
    assert said.count("made again from the ledger: personal values were erased from it") == 1
    assert _calls(record.home) == CALLS + 2
    assert capsys.readouterr().err == "", "it is made again once"


def test_what_a_killed_question_had_spilled_goes_when_the_replica_is_opened(
    file: Path, record: Record
) -> None:
    spilled = record.home.path / "analytics.spilled"
    spilled.mkdir()
    (spilled / "duckdb_temp_block-1.block").write_bytes(b"alice")
    assert _calls(record.home) == CALLS
    assert not spilled.exists()


def test_percentiles_of_more_groups_than_memory_holds_are_found_by_sorting(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    record.append([{"occurred_at": START}])
    engine = Engine(record.home)
    engine.catch_up()
    engine.close()
    replica = replicas.Replica.of(record.home)
    replica.rows(
        'INSERT INTO calls (seq, call_seq, sign, occurred_at, "session", total_us, first_byte_us) '
        "SELECT n, n, 1, $1 + n, 's' || (n % 20000), n * 7919 % 1000003, n % 1000 FROM range(2, 400000) t(n)",
        [START],
    )
    replica.close()
    asked = Question(
        by=["session"], measures=["calls", "total_p50_us", "first_byte_p99_us"], order="total_p95_us", limit=9
    )
    engine = Engine(record.home)
    expected = engine.answer(asked)
    engine.close()
    for name in ("MEMORY", "MEMORY_MOST"):
        monkeypatch.setattr(replicas, name, "24MB")
    replica = replicas.Replica.of(record.home)
    with pytest.raises(QuestionError, match="more than 24MB"):
        replica.rows(*Builder(DuckDB()).question(asked))
    replica.close()
    engine = Engine(record.home)
    assert engine.answer(asked) == expected
    assert (len(expected.rows), expected.groups) == (9, 20_001)
    engine.close()
