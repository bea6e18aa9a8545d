"""`imports/` in the home: how far each log was read, and the lock of whoever reads them."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Generator
from pathlib import Path

import msgspec

from farebox.errors import UsageError
from farebox.histories.lines import Position, shown
from farebox.home import Home, check_private, write_private
from farebox.money import INT64_MAX

FILES, ROWS = "#files", "#rows"
"""Behind the path of what is read as a folder, or as a database."""


class Positions(msgspec.Struct, kw_only=True):
    """Of each agent, by its name, the position in each of its files."""

    version: int = 1
    agents: dict[str, dict[str, Position]] = {}

    def of(self, agent: str) -> dict[str, Position]:
        """Return an agent's positions, to be changed in place."""
        return self.agents.setdefault(agent, {})


def is_offered(home: Home) -> bool:
    """Tell whether to offer an import: none was made into this state directory, and none was declined."""
    return not any((_folder(home) / name).exists() for name in ("agents.json", "declined"))


def decline(home: Home) -> None:
    """Offer no import again."""
    _folder(home).mkdir(mode=0o700, parents=True, exist_ok=True)
    if is_offered(home):
        write_private(_folder(home) / "declined", b"")


def load(home: Home) -> Positions:
    """Return how far logs were read; nothing where that is not known, since calls are told by their ids."""
    try:
        return msgspec.json.decode((_folder(home) / "agents.json").read_bytes(), type=Positions)
    except (OSError, msgspec.MsgspecError):
        return Positions()


def save(home: Home, positions: Positions) -> None:
    """Keep how far logs were read, in one step. Files that are gone are forgotten."""
    for known in positions.agents.values():
        for path in [path for path, position in known.items() if not _is_worth_keeping(path, position)]:
            del known[path]
    folder = _folder(home)
    temporary = folder / f".agents.json.{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    write_private(temporary, msgspec.json.encode(positions), durable=True)
    temporary.replace(folder / "agents.json")


@contextlib.contextmanager
def reading(home: Home) -> Generator[None]:
    """Be the only one who reads logs into a state directory.

    Raises:
        UsageError: Another process does.
    """
    folder = _folder(home)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_private(folder)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"another `farebox import agents` is reading into {home.path}; wait for it, or stop it"
            ) from None
        yield
    finally:
        os.close(descriptor)


def _is_worth_keeping(path: str, position: Position) -> bool:
    """Tell whether a position can be found again. What has none is read again, and known by its ids."""
    file = Path(path.removesuffix(FILES).removesuffix(ROWS))
    return shown(path) == path and abs(position.mtime_ns) <= INT64_MAX and file.exists()


def _folder(home: Home) -> Path:
    return home.path / "imports"
