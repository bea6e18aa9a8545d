"""What the readers of agents' logs have in common."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple, Protocol

from farebox.histories.lines import Position
from farebox.histories.progress import Reading
from farebox.histories.told_call import Take
from farebox.money import INT64_MAX

SETTLED_NS = 600 * 10**9
"""A log that nobody has written to for so long says all it will: what it leaves open, it leaves open."""

Payer = Literal["auto", "subscription", "api"]


class Request(NamedTuple):
    """What one reading of an agent's logs is to do."""

    positions: dict[str, Position]
    """By file; changed in place as files are read."""
    take: Take
    reading: Reading
    read: Callable[[int], None]
    """Told how many bytes were read, again and again."""
    now_ns: int
    paid_by: Payer = "auto"
    since_ns: int = 0


class AgentLog(Protocol):
    """The logs of one agent on this machine."""

    name: str
    """In records: `claude-code`."""
    title: str

    def files(self) -> list[Path]:
        """Return the files there are, oldest first."""
        ...

    def read(self, request: Request, files: Iterable[Path]) -> None:
        """Hand over the calls of these files that were not read before."""
        ...


def changed(request: Request, files: Iterable[Path]) -> Iterator[tuple[Path, Position | None]]:
    """Yield the files that are not as they were when they were read last, with how far that was."""
    for path in files:
        before = request.positions.get(str(path))
        try:
            status = path.stat()
        except OSError:
            continue
        if before is not None and before.is_unchanged(status):
            continue
        if status.st_mtime_ns < request.since_ns:
            continue
        request.reading.files += 1
        yield path, before


def under_home(*names: str) -> Path:
    """Return a path below the user's home directory."""
    return Path.home().joinpath(*names)


def from_environment(name: str) -> list[Path]:
    """Return the directories that a variable names, with commas between them; none where it is not set."""
    return [Path(each.strip()).expanduser() for each in os.environ.get(name, "").split(",") if each.strip()]


def moment_ns(text: str | None) -> int:
    """Return an RFC 3339 moment in nanoseconds since 1970; 0 where it is none that records can have."""
    if not text:
        return 0
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        return 0
    if stamp.tzinfo is None:
        return 0
    moment = round(stamp.timestamp() * 1_000_000) * 1000
    return moment if 0 < moment <= INT64_MAX else 0


def project_of(folder: str | None) -> str | None:
    """Return the name of the project that works in a folder."""
    return PurePosixPath(folder.replace("\\", "/")).name or None if folder else None


_NO_NAME = re.compile(r"[^a-z0-9._-]+")


def provider_name(text: str | None, otherwise: str) -> str:
    """Return a provider's name as records have it, from one that an agent or its user gave."""
    name = _NO_NAME.sub("-", (text or "").lower()).strip("-._")[:64]
    return name or otherwise
