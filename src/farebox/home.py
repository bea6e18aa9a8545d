"""The one directory that holds Farebox's state, and its permissions.

Directories are 0700 and files 0600; anything looser is refused with what to type.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

from farebox.errors import StateDirectoryError, StateDirectoryUnusableError

SECRET_BYTES = 32
DEMO_FILE = "demo.json"
"""Labels a home whose data is made up (`farebox demo`)."""
ROOM_BYTES = 4 << 20
"""What has to be free where recording starts: the smallest segment, and as much for the ledger."""


class Home:
    """Paths inside the state directory. Creating one touches no file; `prepare` does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = path / "journal"
        """One folder a writer, see `farebox.journal`."""
        self.ledger = path / "ledger.db"
        self.ledger_lock = path / "ledger.lock"
        self.control = path / "control.db"
        self.snapshot = path / "snapshot.json"
        """What `control.db` and the configuration say, for whoever must not open a database."""
        self.run = path / "run"
        """`proxy.json`, `server.json`, `ledger.json`: pid and addresses of what runs."""
        self.cache = path / "cache"
        self.budgets = path / "budgets"
        """What is spent, settled and reserved of each limit; made from the record, see `farebox.budgets`."""
        self.config = path / "farebox.yaml"
        self.secret_file = path / "install.key"

    @property
    def is_demo(self) -> bool:
        """Whether its data is made up."""
        return (self.path / DEMO_FILE).exists()

    def prepare(self) -> None:
        """Create the directory tree and refuse one that another user owns or can read.

        Raises:
            StateDirectoryError: It is not ours alone.
            StateDirectoryUnusableError: It cannot be made.
        """
        for directory in (self.path, self.journal, self.run, self.cache):
            try:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                check_private(directory)
            except OSError as error:
                raise self.unusable(error) from error

    def check_room(self) -> None:
        """Write a file and look for the room that recording needs, before anything starts.

        Raises:
            StateDirectoryUnusableError: Nothing can be written, or too little.
        """
        probe = self.journal / f".probe.{os.getpid()}"
        try:
            write_private(probe, bytes(4096))
            free = self.free_bytes()
        except OSError as error:
            raise self.unusable(error) from error
        finally:
            with contextlib.suppress(OSError):  # where nothing can be written, there is nothing to remove
                probe.unlink(missing_ok=True)
        if free < ROOM_BYTES:
            raise StateDirectoryUnusableError(
                f"nothing can be recorded in {self.path}: {free >> 10:,} KiB are free on its disk and "
                f"{ROOM_BYTES >> 10:,} are needed; make room, or name another directory with --home"
            )

    def free_bytes(self) -> int:
        """Return how much can still be written where recording happens; may wait for the disk."""
        found = os.statvfs(self.journal)
        return found.f_bavail * found.f_frsize

    def unusable(self, error: OSError) -> StateDirectoryUnusableError:
        """Return what to tell a user when the system refuses a file of the state directory."""
        if isinstance(error, (FileExistsError, NotADirectoryError)):
            place = next((path for path in (self.path, *self.path.parents) if path.exists()), self.path)
            if not place.is_dir():
                return StateDirectoryUnusableError(
                    f"{place} is a file, so the state directory {self.path} cannot be used; "
                    "remove it, or name another directory with --home"
                )
        return StateDirectoryUnusableError(
            f"the state directory {self.path} cannot be written: {error.strerror or error}; "
            "name another one with --home"
        )

    def secret(self) -> bytes:
        """Return this installation's 32 secret bytes, made on first use.

        Raises:
            StateDirectoryError: The file is not ours alone, or holds something else.
        """
        try:
            return self._stored_secret()
        except FileNotFoundError:
            pass
        fresh = secrets.token_bytes(SECRET_BYTES)
        temporary = self.secret_file.with_name(f".install.key.{os.getpid()}")
        write_private(temporary, fresh, durable=True)
        try:
            os.link(temporary, self.secret_file)  # of two starters the first one's file is kept
        except FileExistsError:
            return self._stored_secret()
        finally:
            temporary.unlink()
        _sync_directory(self.path)  # else a power cut can lose the key, and every fingerprint changes
        return fresh

    def _stored_secret(self) -> bytes:
        check_private(self.secret_file)
        stored = self.secret_file.read_bytes()
        if len(stored) != SECRET_BYTES:
            raise StateDirectoryError(
                f"{self.secret_file} has {len(stored)} bytes instead of {SECRET_BYTES}; restore it from a "
                "backup, or remove it: a new one is made, and API keys get new fingerprints from then on"
            )
        return stored


def locate() -> Home:
    """Return the home named by `FAREBOX_HOME`, else the platform's user data directory."""
    named = os.environ.get("FAREBOX_HOME")
    if named:
        return Home(Path(named).expanduser().absolute())
    return Home(default_path())


def default_path() -> Path:
    """Return the platform's user data directory for Farebox: the home without `FAREBOX_HOME`."""
    import platformdirs

    return Path(platformdirs.user_data_dir("farebox", appauthor=False))


def check_private(path: Path) -> None:
    """Raise `StateDirectoryError` unless `path` is ours alone."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise StateDirectoryError(f"{path} is a symbolic link; Farebox keeps its state in real files")
    if status.st_uid != os.getuid():
        raise StateDirectoryError(f"{path} belongs to user {status.st_uid}, not to you ({os.getuid()})")
    if status.st_mode & 0o077:
        wanted = "700" if stat.S_ISDIR(status.st_mode) else "600"
        raise StateDirectoryError(f"{path} can be read by others; type: chmod {wanted} {path}")


def write_private(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Create `path` with mode 0600; an existing file or link there is an error.

    A `durable` one is on disk on return; its name is only once its directory is synced.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(descriptor)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def announce(path: Path, content: bytes) -> None:
    """Write a process's announcement to `run/`; on a full disk, over its predecessor's.

    Never raises: a process that cannot be found is better than one that does not start.
    """
    try:
        replace_private(path, content)
    except OSError:
        with contextlib.suppress(OSError), path.open("r+b") as file:
            file.write(content.ljust(path.stat().st_size))


def replace_private(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Replace `path` in one step with a 0600 file of that content; a `durable` one survives a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        write_private(temporary, content, durable=durable)
        temporary.replace(path)
        if durable:
            _sync_directory(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
