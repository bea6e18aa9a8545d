"""Restore a backup: copied beside the state directory, verified there, and put in its place in one step."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from farebox.backup.creation import Told, check_record
from farebox.backup.figures import Figures
from farebox.backup.manifest import read_manifest, stored_file
from farebox.backup.placement import first_kept, is_alive, private_folder, put_in_place, sync_tree
from farebox.errors import BackupError, LedgerLockedError, UsageError
from farebox.home import Home

_CHUNK = 1 << 20


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was restored, and where the state directory before is now."""

    figures: Figures
    moved_to: str | None = None
    """Where the old state directory was moved to; None where there was nothing in it."""
    configuration: str | None = None
    """A configuration file that was in force and is not in the state directory, to be put back by hand."""
    certificates: bool = False


def restore(source: Path, home: Home, *, replace: bool, told: Told) -> Restored:
    """Make `home` what the backup in `source` says.

    Raises:
        UsageError: There is something in `home` and `replace` was not given, or it is in use.
        BackupError: The backup is damaged. `home` is as it was.
    """
    manifest = read_manifest(source)

    def build(copy: Home) -> Figures:
        total = sum(file.bytes for file in manifest.files)
        done = 0
        for file in manifest.files:
            target = copy.path / file.path
            try:
                private_folder(target.parent)
                _copy(source / file.path, target, file.bytes)
            except OSError as error:
                raise BackupError(f"{source / file.path} cannot be copied: {error.strerror}") from None
            if stored_file(copy.path, target) != file:
                raise BackupError(f"{source / file.path} is damaged: its checksum is another one")
            done += file.bytes
            told("copying", done, total)
        figures = check_record(copy, told)
        if figures != manifest.figures:
            raise BackupError(f"{source}: the record has other totals than the manifest says")
        return figures

    figures, moved_to = build_home(home, build, replace=replace)
    return Restored(
        figures=figures,
        moved_to=moved_to,
        configuration=manifest.configuration,
        certificates=manifest.certificates,
    )


def _copy(source: Path, target: Path, size: int) -> None:
    """Copy a file of a backup and at most a byte more than it should have: a device has no end.

    Raises:
        OSError: It is a link, or cannot be read; or `target` is there.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(source, flags), "rb") as opened, target.open("xb") as made:
        os.fchmod(made.fileno(), 0o600)
        left = size + 1
        while left and (chunk := opened.read(min(left, _CHUNK))):
            made.write(chunk)
            left -= len(chunk)


def build_home(home: Home, build: Callable[[Home], Figures], *, replace: bool) -> tuple[Figures, str | None]:
    """Build a state directory beside `home`, and let it take its place once it is whole and durable.

    Returns its figures, and where the one before was moved to.
    """
    from farebox.control.publish import publish

    with _unused(home, replace=replace):
        private_folder(home.path.parent)
        _remove_unfinished(home.path)
        made = home.path.with_name(f"{_beside(home.path)}{os.getpid()}")
        made.mkdir(mode=0o700)
        try:
            copy = Home(made)
            figures = build(copy)
            if copy.control.exists():
                from farebox.control.database import open_control

                open_control(copy).check()
            publish(copy)
            sync_tree(made)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        # From here on its name does not say that it can be removed: it may be the home before.
        made = made.rename(home.path.with_name(f".{home.path.name}.restored-{os.getpid()}"))
        try:
            moved_to = put_in_place(made, home.path)
        except BackupError:
            shutil.rmtree(made, ignore_errors=True)
            raise
    return figures, None if moved_to is None else str(moved_to)


def _beside(home: Path) -> str:
    return f".{home.name}.restoring-"


def _remove_unfinished(home: Path) -> None:
    """Remove what restores left that were killed; one that was whole may by now be the home before."""
    for left in home.parent.glob(f"{_beside(home)}*"):
        if not is_alive(left.name.removeprefix(_beside(home))):
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _unused(home: Home, *, replace: bool) -> Generator[None]:
    """Refuse a state directory that is in use or not empty; keep a ledger from starting meanwhile."""
    if not home.path.exists():
        yield
        return
    if not home.path.is_dir():
        raise UsageError(f"{home.path} is a file; name a directory with --home")
    kept = first_kept(home.path)
    if kept is not None and not replace:
        raise UsageError(
            f"{home.path} is not empty (there is {kept}); name an empty one with --home, or add --replace: "
            "what is there is moved aside, not deleted"
        )
    with ExitStack() as held:
        if home.ledger_lock.exists():
            from farebox.ledger.ledger_process import locked

            try:
                held.enter_context(locked(home))
            except LedgerLockedError:
                raise UsageError(f"{home.path} is in use; type: farebox stop") from None
        yield
