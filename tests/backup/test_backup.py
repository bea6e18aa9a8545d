"""A backup is what there was at one row, taken while everything runs, and restored whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from calls import OnePriceBook, sums_of
from kept_homes import DAILY, FINGERPRINT, STOPPED, nothing_told
from ledger_writers import Spawned

from farebox.backup import creation, restoration
from farebox.backup.figures import Figures, figures_of, read_figures
from farebox.backup.manifest import NAME, Manifest
from farebox.budgets.counters import Counters
from farebox.cli.backup import backup as backup_command
from farebox.cli.backup import restore as restore_command
from farebox.cli.options import Place
from farebox.config import Config, KeyConfig
from farebox.errors import BackupError, UsageError
from farebox.histories.agents.positions import Positions, reading, save
from farebox.home import Home
from farebox.ledger import ledger_process
from farebox.ledger.calls import LedgerReader
from farebox.ledger.database import open_writer
from farebox.ledger.proof.verification import verify
from farebox.snapshot import read_snapshot


def backup(home: Home, target: Path, *, certificates: bool = False) -> Manifest:
    return creation.create(home, target, configuration=None, certificates=certificates, told=nothing_told)


def restore(source: Path, home: Home, *, replace: bool = False) -> restoration.Restored:
    return restoration.restore(source, home, replace=replace, told=nothing_told)


def rows_of(home: Home) -> list[object]:
    return list(LedgerReader(home).export())


def test_a_restored_home_has_the_record_the_names_and_the_configuration(home: Home, tmp_path: Path) -> None:
    manifest = backup(home, tmp_path / "backup")
    assert manifest.figures == figures_of(home) and manifest.figures.calls == 60
    elsewhere = Home(tmp_path / "elsewhere")
    assert restore(tmp_path / "backup", elsewhere).figures == manifest.figures
    assert rows_of(elsewhere) == rows_of(home)
    assert sums_of(elsewhere) == sums_of(home)
    assert verify(elsewhere, manifest.figures.checkpoint).ok
    assert (read_snapshot(elsewhere).budgets, read_snapshot(elsewhere).stops) == ((DAILY,), (STOPPED,))
    keys = read_snapshot(elsewhere).keys()
    assert keys["f" * 16] == KeyConfig(label="backend", customer="acme")
    assert keys[FINGERPRINT].label == "ours"
    assert elsewhere.secret() == home.secret(), "keys have the fingerprints they had"
    assert (elsewhere.path / "prices.d" / "own.yaml").is_file()
    for path in (elsewhere.path, *elsewhere.path.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_counters_of_budgets_are_not_copied_but_made_from_the_record(home: Home, tmp_path: Path) -> None:
    Counters(home).close()
    backup(home, tmp_path / "backup")
    assert not (tmp_path / "backup" / "budgets").exists()


def test_how_far_logs_were_read_is_not_copied_since_the_record_may_not_be_as_far(
    home: Home, tmp_path: Path
) -> None:
    with reading(home):
        save(home, Positions())
    backup(home, tmp_path / "backup")
    assert not (tmp_path / "backup" / "imports").exists()


def test_private_keys_of_interception_come_along_only_when_asked_for(home: Home, tmp_path: Path) -> None:
    without, with_them = tmp_path / "without", tmp_path / "with"
    backup(home, without)
    assert not list(without.rglob("*.pem"))
    backup(home, with_them, certificates=True)
    assert (with_them / "ca" / "key.pem").read_text() == "PRIVATE"


def test_a_configuration_from_elsewhere_is_kept_and_told(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "work" / "farebox.yaml"
    file.parent.mkdir()
    file.write_text("listen: 127.0.0.1:0\n")
    told = creation.create(
        home, tmp_path / "backup", configuration=str(file), certificates=False, told=nothing_told
    )
    assert told.configuration == str(file)
    restored = restore(tmp_path / "backup", Home(tmp_path / "elsewhere"))
    assert restored.configuration == str(file)
    assert (tmp_path / "elsewhere" / "outside" / "farebox.yaml").read_text() == file.read_text()


def test_a_home_without_a_record_is_backed_up_too(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")
    home.prepare()
    home.config.write_text("durability: power\n")
    assert backup(home, tmp_path / "backup").figures == Figures()
    restore(tmp_path / "backup", Home(tmp_path / "elsewhere"))
    assert (tmp_path / "elsewhere" / "farebox.yaml").is_file()


@pytest.mark.parametrize("place", ["in the home", "in use", "a file"])
def test_a_backup_goes_to_a_new_directory_only(home: Home, tmp_path: Path, place: str) -> None:
    target = tmp_path / "target"
    if place == "in the home":
        target = home.path / "backup"
    elif place == "in use":
        target.mkdir()
        (target / "mine").write_text("")
    else:
        target.write_text("")
    with pytest.raises(UsageError, match=r"state directory itself|is not empty"):
        backup(home, target)


def test_backups_taken_while_calls_are_written_have_all_that_had_ended(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer and the ledger at full speed: each backup verifies, its totals are the record's at its row,
    and what was acknowledged before it began is in it, in the record or in the journal beside it."""
    monkeypatch.setattr(ledger_process, "load_book", lambda *_, **__: OnePriceBook())
    ledger = Spawned("ledger", str(home.path))
    writer = Spawned("write", str(home.path), "50")
    taken: list[tuple[Path, Manifest, list[str]]] = []
    try:
        writer.wait_for_output()
        for number in range(2):
            rows = LedgerReader(home).last_seq()
            while LedgerReader(home).last_seq() < rows + 1_500:
                time.sleep(0.01)
            acknowledged = [line.split()[0] for line in writer.printed.split("\n")[:-1]]
            target = tmp_path / f"backup-{number}"
            taken.append((target, backup(home, target), acknowledged))
    finally:
        writer.kill()
        assert ledger.terminate() == 0
    for target, manifest, acknowledged in taken:
        assert figures_at(home, manifest.figures.seq) == manifest.figures
        elsewhere = Home(tmp_path / f"restored-{target.name}")
        assert restore(target, elsewhere).figures == manifest.figures
        assert verify(elsewhere, manifest.figures.checkpoint).ok
        ledger_process.catch_up(elsewhere, Config())  # what the journals held beyond the record
        rows = {row.event_id.replace("-", "") for row in LedgerReader(elsewhere).export()}
        assert rows >= set(acknowledged) and len(acknowledged) > 1_000
        report = verify(elsewhere, manifest.figures.checkpoint)
        assert report.ok, report.problems
        health = LedgerReader(elsewhere).health()
        assert (health.gaps, health.torn_tails, health.lost_records, health.in_flight) == (0, 0, 0, 0)


def figures_at(home: Home, seq: int) -> Figures:
    """Return the figures of a record as of one of its rows."""
    connection = sqlite3.connect(home.ledger)
    for table, column in (("call", "seq"), ("block", "last_seq")):
        connection.execute(f"CREATE TEMP VIEW {table} AS SELECT * FROM main.{table} WHERE {column} <= {seq}")  # noqa: S608
    found = read_figures(connection)  # pyright: ignore[reportArgumentType] - sqlite3's is like it
    connection.close()
    return msgspec.structs.replace(found, marks=0)


def test_what_a_ledger_applies_and_removes_during_a_backup_is_in_it(home: Home, tmp_path: Path) -> None:
    """The journal is removed while its segments are held: it can still be copied."""
    from calls import done

    from farebox.backup.journal_tail import JournalTail
    from farebox.journal import records
    from farebox.journal.writer import JournalWriter

    writer = JournalWriter(home.journal, segment_bytes=2 << 20)
    for number in range(3):
        writer.append(records.DONE, records.encode(done(input_tokens=number)))
    writer.close()
    tail = JournalTail(home.journal)
    folder = next(home.journal.iterdir())
    for file in folder.iterdir():
        file.unlink()
    copied = tmp_path / "copied" / "journal"
    copied.mkdir(parents=True)
    tail.copy(copied, {})
    tail.close()
    from farebox.journal.reader import JournalReader

    batch = JournalReader(copied / folder.name).read(10)
    assert len(batch.entries) == 3 and batch.finished and not batch.gaps


def test_a_record_that_does_not_verify_is_not_called_a_backup(home: Home, tmp_path: Path) -> None:
    with sqlite3.connect(home.ledger) as connection:
        connection.execute("DROP TRIGGER call_never_updated")
        connection.execute("UPDATE call SET cost_pico = cost_pico + 1 WHERE seq = 7")
    connection.close()
    with pytest.raises(BackupError, match=r"the record does not verify: .*call_never_updated"):
        backup(home, tmp_path / "backup")
    assert not list(tmp_path.glob("*backup*"))


def test_a_backup_with_any_file_damaged_is_refused_and_the_home_is_as_it_was(
    home: Home, tmp_path: Path
) -> None:
    source = tmp_path / "backup"
    manifest = backup(home, source)
    elsewhere = Home(tmp_path / "elsewhere")
    for stored in manifest.files:
        file = source / stored.path
        content = file.read_bytes()
        for wrong in (content[:-1] + bytes([content[-1] ^ 1]), content[: len(content) // 2], None):
            if wrong is None:
                file.unlink()
            else:
                file.write_bytes(wrong)
            with pytest.raises(BackupError, match=Path(stored.path).name):
                restore(source, elsewhere)
            assert not elsewhere.path.exists()
            assert not list(tmp_path.glob(".elsewhere*"))
        file.write_bytes(content)
    restore(source, elsewhere)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"figures": {"calls": 61}}, "other totals"),
        ({"schema": "farebox.backup/2"}, "schema: found farebox.backup/2, expected farebox.backup/1"),
        ({"files": [{"path": "../../x", "bytes": 1, "sha256": ""}]}, "files: '../../x' leads out"),
        ({"files": [{"path": "/etc/passwd", "bytes": 1, "sha256": ""}]}, "leads out"),
        (None, "manifest.json cannot be read"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_named(
    home: Home, tmp_path: Path, wrong: dict[str, object] | None, says: str
) -> None:
    source = tmp_path / "backup"
    backup(home, source)
    said = json.loads((source / NAME).read_text())
    for name, value in (wrong or {}).items():
        said[name] = {**said[name], **value} if isinstance(value, dict) else value
    (source / NAME).write_text(json.dumps(said) if wrong else "{")
    with pytest.raises(BackupError, match=says):
        restore(source, Home(tmp_path / "elsewhere"))
    assert not (tmp_path / "elsewhere").exists()


def test_a_home_with_something_in_it_is_replaced_only_when_told_and_kept_aside(
    home: Home, tmp_path: Path
) -> None:
    backup(home, tmp_path / "backup")
    before = rows_of(home)
    with pytest.raises(
        UsageError, match=r"is not empty \(there is .*\); name an empty one with --home, or add"
    ):
        restore(tmp_path / "backup", home)
    moved = restore(tmp_path / "backup", home, replace=True).moved_to
    assert moved is not None
    assert rows_of(home) == rows_of(Home(Path(moved))) == before


def test_a_home_in_which_nothing_is_kept_counts_as_empty(home: Home, tmp_path: Path) -> None:
    backup(home, tmp_path / "backup")
    prepared = Home(tmp_path / "prepared")
    prepared.prepare()
    (prepared.cache / "book").write_text("")
    Counters(prepared).close()
    assert restore(tmp_path / "backup", prepared).moved_to is None
    assert rows_of(prepared) == rows_of(home)


def test_a_home_that_is_in_use_is_not_replaced(home: Home, tmp_path: Path) -> None:
    backup(home, tmp_path / "backup")
    with ledger_process.locked(home), pytest.raises(UsageError, match="in use; type: farebox stop"):
        restore(tmp_path / "backup", home, replace=True)


def killed_at(moment: int, act: Callable[[], object]) -> bool:
    """Run `act` in a process killed (-9) at its `moment`th step on files; return whether it lived."""
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        assert not os.WIFEXITED(status) or os.waitstatus_to_exitcode(status) == 0, "it failed by itself"
        return os.WIFEXITED(status)
    left = moment

    def step(name: str, _: object) -> None:
        nonlocal left
        if name.partition(".")[0] in ("os", "open", "shutil", "ctypes", "sqlite3"):
            left -= 1
            if left == -1:
                os.kill(os.getpid(), signal.SIGKILL)

    status = 1
    try:
        sys.addaudithook(step)
        act()
        status = 0
    finally:
        os._exit(status)


def test_a_restore_killed_at_any_step_leaves_the_old_home_or_the_new_one(home: Home, tmp_path: Path) -> None:
    source = tmp_path / "backup"
    wanted = backup(home, source).figures
    writer = open_writer(home)  # the home goes on and is not what the backup says any more
    writer.execute("INSERT INTO mark VALUES (1, 1, 'w', 'gap', '{}', zeroblob(32))")
    writer.close()
    old = msgspec.structs.replace(wanted, marks=1)
    moment, lived, seen = 0, False, set[str]()
    while not lived:
        lived = killed_at(moment, lambda: restore(source, home, replace=True))
        found = figures_of(home)
        assert found in (old, wanted), f"killed at step {moment}"
        seen.add("new" if found == wanted else "old")
        if found == wanted:
            assert (home.path / "prices.d" / "own.yaml").is_file() and home.control.exists()
            aside = next(
                path
                for path in tmp_path.iterdir()
                if path != home.path
                and path.name.startswith((home.path.name, f".{home.path.name}"))
                and figures_of(Home(path)) == old
            )  # the old one is never lost
            put_back(aside, home)
        moment += 1
    assert moment > 50 and seen == {"old", "new"}
    restore(source, home, replace=True)
    assert not list(tmp_path.glob("*restoring*"))


def test_an_interruption_after_the_exchange_does_not_delete_the_old_home(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(home, tmp_path / "backup")
    before = figures_of(home)

    def interrupted(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("farebox.backup.placement._sync", interrupted)
    monkeypatch.setattr("farebox.backup.restoration.sync_tree", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        restore(tmp_path / "backup", home, replace=True)
    (aside,) = tmp_path.glob(".*restored-*")
    assert figures_of(Home(aside)) == figures_of(home) == before


@pytest.mark.parametrize("system", ["darwin", "linux"])
def test_a_system_that_cannot_exchange_two_names_moves_one_away_first(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    monkeypatch.setattr("farebox.backup.placement.sys.platform", system)
    backup(home, tmp_path / "backup")
    moved = restore(tmp_path / "backup", home, replace=True).moved_to
    assert moved is not None and figures_of(Home(Path(moved))) == figures_of(home)


def put_back(aside: Path, home: Home) -> None:
    import shutil

    shutil.rmtree(home.path)
    aside.rename(home.path)


def test_a_backup_killed_at_any_step_is_none_and_the_next_one_removes_what_is_left(
    home: Home, tmp_path: Path
) -> None:
    target = tmp_path / "backups" / "monday"
    moment, lived = 0, False
    while not lived:
        lived = killed_at(moment, lambda: backup(home, target))
        assert target.exists() == lived or (target / NAME).exists(), f"half a backup at step {moment}"
        if target.exists() and not lived:
            break  # killed after its last step
        moment += 7
    assert moment > 50
    backup(home, tmp_path / "backups" / "tuesday")
    import shutil

    shutil.rmtree(target)
    backup(home, target)
    assert sorted(path.name for path in target.parent.iterdir()) == ["monday", "tuesday"]


def test_the_commands_say_what_they_did(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert backup_command(tmp_path / "one") == 0
    said = capsys.readouterr().out
    assert "60 calls, $" in said and "as of row 60\ncheckpoint 60:" in said
    assert "--with-certificates" in said
    assert backup_command(tmp_path / "two", as_json=True) == 0
    manifest = json.loads(capsys.readouterr().out)
    assert (manifest["schema"], manifest["figures"]["calls"]) == ("farebox.backup/1", 60)
    place = Place(home=tmp_path / "elsewhere")
    assert restore_command(tmp_path / "one", place=place, as_json=True) == 0
    restored = json.loads(capsys.readouterr().out)
    assert (restored["schema"], restored["moved_to"]) == ("farebox.restore/1", None)
    assert restored["figures"] == manifest["figures"]
    with pytest.raises(UsageError, match="is not empty"):
        restore_command(tmp_path / "one", place=place)
    assert restore_command(tmp_path / "one", place=place, replace=True) == 0
    assert "What was there before is now" in capsys.readouterr().out


def test_a_target_that_cannot_be_renamed_is_told(home: Home, tmp_path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from mounts import small_disk

    backup(home, tmp_path / "backup")
    with small_disk(tmp_path / "volume") as mounted:
        with pytest.raises(BackupError, match=r"mount point.* name a directory below it with --home"):
            restore(tmp_path / "backup", Home(mounted))
        restore(tmp_path / "backup", Home(mounted / "home"))


@pytest.mark.parametrize("kind", ["link", "device", "fifo", "twice", "below itself", "nul"])
def test_a_hostile_backup_is_refused_and_reads_nothing_else(home: Home, tmp_path: Path, kind: str) -> None:
    kept, target = tmp_path / "kept", tmp_path / "elsewhere"
    creation.create(home, kept, configuration=None, certificates=False, told=nothing_told)
    manifest = json.loads((kept / "manifest.json").read_bytes())
    other = tmp_path / "other"
    other.write_bytes(b"of somebody else")
    digest = hashlib.sha256(other.read_bytes()).hexdigest()
    entry = {"path": "prices.yaml", "bytes": 16, "sha256": digest}
    place = kept / "prices.yaml"
    if kind == "link":
        place.symlink_to(other)
    elif kind == "device":
        place.symlink_to("/dev/zero")
    elif kind == "fifo":
        os.mkfifo(place)
    elif kind == "twice":
        place.write_bytes(other.read_bytes())
        manifest["files"].append(entry)
    elif kind == "below itself":
        entry["path"] = f"{manifest['files'][0]['path']}/x"
    else:
        entry["path"] = "a\0b"
    manifest["files"].append(entry)
    (kept / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BackupError):
        restoration.restore(kept, Home(target), replace=False, told=nothing_told)
    assert not target.exists()
    assert not list(tmp_path.glob(".elsewhere*"))
