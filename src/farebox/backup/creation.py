"""Take a backup: record, control database, configuration, and what the journals hold beyond the record.

Everything may run meanwhile. The record is copied as of one row: a transaction holds that state while its
pages are copied, and neither the ledger nor anybody else waits for it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import apsw

import farebox
from farebox.backup.figures import Figures, figures_of, read_figures
from farebox.backup.journal_tail import JournalTail
from farebox.backup.manifest import Manifest, stored_file, write_manifest
from farebox.backup.placement import partial_copy, private_folder, sync_tree
from farebox.clock import iso, now_ns
from farebox.errors import BackupError, UsageError
from farebox.home import Home
from farebox.ledger.database import Connection, ledger_error, open_reader
from farebox.ledger.losses import health
from farebox.ledger.proof.verification import verify

OUTSIDE = "outside"
"""Where a configuration file is put that is not in the state directory."""

CERTIFICATES = "ca"
_DERIVED = ("run", "cache", "budgets", "imports", "journal", CERTIFICATES)
"""Folders that say what runs now, can be made again, or are copied in a way of their own. How far logs were
read (`imports`) might be farther than the copy of the record: after a restore they are read again."""
_DERIVED_FILES = ("ledger.db", "control.db", "analytics.", "snapshot.json")
_PAGES_AT_A_TIME = 512
_TRIES = 5

Told = Callable[[str, int, int], None]
"""Is told what is being copied or checked, how much is done, and of how much."""


def create(
    home: Home, target: Path, *, configuration: str | None, certificates: bool, told: Told
) -> Manifest:
    """Make a verified backup of `home` in the new or empty directory `target`.

    Raises:
        UsageError: `target` is in use, or inside the state directory.
        BackupError: What was copied does not verify. Nothing is left behind.
        FareboxError: The record or the control database cannot be read.
    """
    target = target.expanduser().absolute()
    if target.resolve().is_relative_to(home.path.resolve()):
        raise UsageError(f"{target} is in the state directory itself; name a directory outside of it")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is not empty; name a new directory for each backup")
    with partial_copy(target) as partial:
        copy = Home(partial)
        copied = _copy_control(home, copy)
        copied += _copy_record(home, copy, told)
        copied += _copy_files(home, copy, certificates=certificates)
        outside = _copy_outside(home, copy, configuration)
        figures = _verified(copy, told)
        files = [stored_file(partial, file) for file in sorted({*copied, *outside})]
        manifest = Manifest(
            created_at=iso(now_ns()),
            farebox=farebox.__version__,
            home=str(home.path),
            configuration=configuration if outside else None,
            certificates=certificates,
            figures=figures,
            files=files,
        )
        sync_tree(partial)
        write_manifest(partial, manifest)
    return manifest


def check_record(copy: Home, told: Told) -> Figures:
    """Recompute a copy's chain and return its figures.

    Raises:
        BackupError: It is not what was recorded.
    """
    told("checking the record", 0, 1)
    report = verify(copy)
    if report.problems:
        first = report.problems[0]
        raise BackupError(f"the record does not verify: {first.what}: {first.detail}; see farebox verify")
    figures = figures_of(copy)
    for suffix in ("-wal", "-shm"):  # of reading it: a copy has everything in the file itself
        copy.ledger.with_name(copy.ledger.name + suffix).unlink(missing_ok=True)
    told("checking the record", 1, 1)
    return figures


def _verified(copy: Home, told: Told) -> Figures:
    if copy.control.exists():
        from farebox.control.database import open_control

        open_control(copy).check()
    return check_record(copy, told)


def _copy_control(home: Home, copy: Home) -> list[Path]:
    """Copy the control database, before the record: rows that it speaks of must be in the copy, too."""
    if not home.control.exists():
        return []
    from farebox.control.database import open_control

    copy.control.touch(0o600)
    with closing(sqlite3.connect(copy.control)) as target:
        open_control(home).copy_into(target)
    return [copy.control]


def _copy_record(home: Home, copy: Home, told: Told) -> list[Path]:
    copy.journal.mkdir(mode=0o700)
    tail = JournalTail(home.journal)
    try:
        for left in range(_TRIES, 0, -1):
            source = open_reader(home)
            if source is None:
                return tail.copy(copy.journal, {})
            with closing(source), source:
                known = health.read(source)  # from this first statement on, it sees one state
                applied = known.applied if known else {}
                tail.look()
                if not tail.covers(applied) and left > 1:
                    continue  # the ledger went on between the two: take both anew
                expected = read_figures(source)
                _copy_pages(home, source, copy, told)
                made = tail.copy(copy.journal, applied)
            if figures_of(copy) != expected:
                raise BackupError("the copy of the record has other totals than the record; try again")
            return [copy.ledger, *made]
        raise AssertionError
    finally:
        tail.close()


def _copy_pages(home: Home, source: Connection, copy: Home, told: Told) -> None:
    copy.ledger.touch(0o600)
    target: Any = apsw.Connection(str(copy.ledger))
    try:
        target.execute("PRAGMA synchronous = OFF")  # synced below, with everything else
        with target.backup("main", cast("apsw.Connection", source), "main") as pages:
            while not pages.done:
                pages.step(_PAGES_AT_A_TIME)
                told("copying the record", pages.page_count - pages.remaining, pages.page_count)
    except apsw.Error as error:
        raise ledger_error(home, error) from error
    finally:
        target.close()


def _copy_files(home: Home, copy: Home, *, certificates: bool) -> list[Path]:
    """Copy all else that is not derived: configuration, prices, the secret of fingerprints, quarantine."""
    made: list[Path] = []
    for folder, folders, names in os.walk(home.path):
        here = Path(folder)
        if here == home.path:
            folders[:] = [
                name for name in folders if name not in _DERIVED or (certificates and name == CERTIFICATES)
            ]
            names = [
                name for name in names if not name.startswith(_DERIVED_FILES) and not name.endswith(".lock")
            ]
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = here / name
            if name.startswith(".") or not file.is_file() or file.is_symlink():
                continue  # being written at this moment, or none of ours
            made.append(_copy_file(file, copy.path / file.relative_to(home.path)))
    return made


def _copy_outside(home: Home, copy: Home, configuration: str | None) -> list[Path]:
    if configuration is None or Path(configuration).parent == home.path:
        return []
    return [_copy_file(Path(configuration), copy.path / OUTSIDE / Path(configuration).name)]


def _copy_file(source: Path, target: Path) -> Path:
    private_folder(target.parent)
    shutil.copyfile(source, target)
    target.chmod(0o600)
    return target
