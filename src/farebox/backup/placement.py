"""Make a directory beside where it belongs, and put it there in one step: whole, or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Generator
from pathlib import Path

from farebox.clock import iso, now_ns
from farebox.errors import BackupError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_ALWAYS_THERE = ("run", "cache", "budgets")
"""Folders of a home in which nothing is kept."""


@contextlib.contextmanager
def partial_copy(target: Path) -> Generator[Path]:
    """Hand out a directory that becomes `target` when the block ends, and is gone when it raises."""
    private_folder(target.parent)
    for left in target.parent.glob(f".{target.name}.partial-*"):  # of a process that was killed
        if not is_alive(left.name.rpartition("-")[2]):
            shutil.rmtree(left, ignore_errors=True)
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    partial.mkdir(mode=0o700)
    try:
        yield partial
        if target.is_dir() and not any(target.iterdir()):
            partial.chmod(0o700)
        partial.rename(target)  # an empty directory is replaced
        _sync(target.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def put_in_place(made: Path, home: Path) -> Path | None:
    """Let `made` take the place of `home`; return where the one before was moved to, None where it was empty.

    On Linux and where the file system can, the two are exchanged in one step; elsewhere the old one is moved
    away first, and a kill between the two leaves it under the name that is returned.

    Raises:
        BackupError: It cannot be renamed: a mount point, for example. Both are as they were.
    """
    aside = home.with_name(f"{home.name}.before-{iso(now_ns())[:19].replace(':', '')}")
    try:
        old = _swap(made, home, aside)
    except OSError as error:
        raise BackupError(
            f"{home} cannot be replaced ({error.strerror}): it may be a mount point, or its parent cannot be "
            "written; name a directory below it with --home"
        ) from None
    _sync(home.parent)
    if old is None:
        return None
    if is_empty(old):
        shutil.rmtree(old, ignore_errors=True)
        return None
    if old != aside:
        with contextlib.suppress(OSError):  # then it keeps the name it has, which is returned
            old = old.rename(aside)
            _sync(home.parent)
    return old


def _swap(made: Path, home: Path, aside: Path) -> Path | None:
    """Rename `made` to `home`; return where the one before is now, None where there was none."""
    if not home.exists():
        made.rename(home)
        return None
    if _exchange(made, home):
        return made
    home.rename(aside)
    try:
        made.rename(home)
    except OSError:
        aside.rename(home)
        raise
    return aside


def is_empty(home: Path) -> bool:
    """Return whether a state directory has nothing in it that is worth keeping."""
    return first_kept(home) is None


def first_kept(home: Path) -> str | None:
    """Return a file in a state directory that a restore would take away, None where there is none."""
    for folder, folders, names in os.walk(home):
        if Path(folder) == home:
            folders[:] = [name for name in folders if name not in _ALWAYS_THERE]
        for name in sorted(names):
            if not name.endswith(".lock"):
                return str(Path(folder, name).relative_to(home))
    return None


def private_folder(folder: Path) -> None:
    """Make a directory and those above it that are missing, for their owner alone."""
    if not folder.is_dir():
        private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def sync_tree(root: Path) -> None:
    """Wait until every file and name below `root` is durable."""
    for folder, _, names in os.walk(root, topdown=False):
        for name in names:
            descriptor = os.open(Path(folder, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        _sync(Path(folder))


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two directories in one step; return False where this system cannot."""
    if sys.platform != "linux":
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL):
        return False
    raise OSError(code, os.strerror(code), str(other))


def is_alive(pid: str) -> bool:
    """Return whether a process with this id runs; `pid` is the end of a directory's name."""
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
