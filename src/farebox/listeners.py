"""Which loopback ports of this user a Farebox listens on, whatever home it has.

Each listening proxy holds a lock on a file of its own in a directory that only this user can write.
The lock dies with its holder, so a file left behind means nothing, and no other user, no
upstream and no web page can claim to be a Farebox.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from pathlib import Path

_PROBED = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def announce(port: int, home: Path | None = None) -> int | None:
    """Announce that this process serves `port` until it ends; return what holds the lock, None where no
    file can be made. `home`: whose record its calls go into."""
    folder = _folder(make=True)
    if folder is None:
        return None
    with contextlib.suppress(OSError):
        _sweep(folder)
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        descriptor = os.open(folder / f"{port}-{os.getpid()}", flags, 0o600)
        os.ftruncate(descriptor, 0)  # a process of the same number may have left something
        if home is not None:
            os.write(descriptor, os.fsencode(home.resolve()))
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return descriptor
    return None


def is_farebox(port: int) -> bool:
    """Return whether a Farebox of this user, other than this process, serves `port` on loopback."""
    return home_of(port) is not None


def home_of(port: int) -> str | None:
    """Return the home of the Farebox that serves `port` on loopback, empty where it does not say; None
    where no other process of this user is one."""
    folder = _folder(make=False)
    if folder is None:
        return None
    own = str(os.getpid())
    with contextlib.suppress(OSError):
        for file in folder.glob(f"{port}-*"):
            if file.name.partition("-")[2] != own and _is_held(file):
                return os.fsdecode(file.read_bytes())
    return None


def _is_held(file: Path) -> bool:
    try:
        descriptor = os.open(file, _PROBED)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _sweep(folder: Path) -> None:
    """Remove what ended processes have left."""
    for file in folder.iterdir():
        if not _is_held(file):
            file.unlink(missing_ok=True)


def _folder(*, make: bool) -> Path | None:
    """Return the directory, None where there is none that this user alone can write."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime) / "farebox" if runtime else Path(tempfile.gettempdir()) / f"farebox-{os.getuid()}"
    try:
        if make:
            folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if private else None
