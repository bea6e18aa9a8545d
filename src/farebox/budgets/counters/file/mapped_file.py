"""The file itself: made, checked, mapped, replaced where it is of another boot or damaged.

A file is replaced as a whole, by renaming, and never cut short: whoever has the old one mapped goes on
reading it, and finds out by its state word.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from farebox.budgets.counters.file import layout
from farebox.budgets.counters.file.layout import FILE_WORDS, FIXED_WORDS, TABLES, WORD_BYTES, Table
from farebox.clock import now_ns
from farebox.errors import CountersDamagedError, CountersError, CountersNewerError

_OPEN = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FILE_BYTES = FILE_WORDS * WORD_BYTES
_AMOUNT_MAX = (1 << 63) - 1


DAMAGE = (CountersDamagedError, IndexError, ValueError)
"""What is raised where something in the file cannot be so."""


class Words(Protocol):
    """64-bit words. A store is whole for every other process: it is one store of the processor."""

    def __getitem__(self, at: int, /) -> int: ...
    def __setitem__(self, at: int, value: int, /) -> None: ...


Wrap = Callable[[Words], Words]
"""Lets tests watch every store."""


class MappedFile:
    """One file, mapped. To be made and checked while the lock is held."""

    def __init__(self, path: Path, wrap: Wrap | None = None) -> None:
        """Open the file at `path`, or make one where there is none, or none of this boot.

        Raises:
            CountersNewerError: A newer Farebox wrote it.
            CountersError: It cannot be made.
        """
        self.path = path
        self._wrap = wrap
        self._descriptor = -1
        boot = _boot()
        try:
            if self._open():
                self._map()
                found = self.words[layout.H_VERSION]
                if self.words[layout.H_MAGIC] == layout.MAGIC and found > layout.VERSION:
                    self.close()
                    raise CountersNewerError(f"{path} was written by a newer Farebox (format {found})")
                if self.words[layout.H_BOOT] == boot and self._is_sound():
                    return
            self.replace()
        except OSError as error:
            self.close()
            raise CountersError(f"budgets cannot be counted in {path}: {error.strerror or error}") from error

    @property
    def epoch(self) -> int:
        """What tells this file from any other that was ever there."""
        return self.words[layout.H_EPOCH]

    def is_current(self) -> bool:
        """Tell whether this is still the file of its name, and not one that was replaced or removed."""
        if self.words[layout.H_STATE] != layout.STATE_USED:
            return False
        try:
            there, ours = self.path.stat(), os.fstat(self._descriptor)
        except OSError:
            return False
        return there.st_ino == ours.st_ino and there.st_dev == ours.st_dev

    def column(self, table: Table, word: int, used: int | None = None) -> Sequence[int]:
        """Return one word of every record that was ever used."""
        count = self.words[table.used] if used is None else used
        return self._view[table.start + word : table.at(count) : table.record].tolist()

    def numbers(self, start: int, count: int) -> list[int]:
        """Return `count` words."""
        return self._view[start : start + count].tolist()

    def grow(self, table: Table) -> bool:
        """Have blocks for more records where few are left; False where there is no room.

        Waits for the disk, so it is called without the lock. What it did is noted under the lock.
        """
        allocated = self.words[table.allocated]
        if allocated >= table.most:
            return False
        try:
            self._allocate(table.at(allocated), table.record * table.step)
        except OSError:
            return False
        return True

    def replace(self) -> None:
        """Put a new, empty file in its place.

        Raises:
            OSError: There is no room.
        """
        self.retire()
        unborn = self.path.with_name(f".{self.path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            self._descriptor = os.open(unborn, _OPEN | os.O_CREAT | os.O_EXCL, 0o600)
            os.ftruncate(self._descriptor, _FILE_BYTES)
            self._allocate(0, FIXED_WORDS)
            for table in TABLES:
                self._allocate(table.start, table.record * table.step)
            self._map()
            for table in TABLES:
                self.words[table.allocated] = table.step
            self.words[layout.H_VERSION] = layout.VERSION
            self.words[layout.H_BOOT] = _boot()
            self.words[layout.H_EPOCH] = secrets.randbits(62) | 1
            self.words[layout.H_MADE_NS] = now_ns()
            self.words[layout.H_STATE] = layout.STATE_USED
            self.words[layout.H_MAGIC] = layout.MAGIC
            unborn.replace(self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                unborn.unlink(missing_ok=True)
            raise

    def retire(self) -> None:
        """Leave this file for good, and let everybody who has it mapped know."""
        if self._descriptor < 0:
            return
        if self._mapped:
            self.words[layout.H_STATE] = layout.STATE_REPLACED
            with contextlib.suppress(IndexError, ValueError):  # what it says of itself may be nonsense
                for table, word, value in (
                    (layout.HOLDINGS, layout.G_GRANTED, 0),
                    (layout.PARTICIPANTS, layout.P_REVOKED, secrets.randbits(62)),
                ):
                    for number in range(min(self.words[table.used], self.words[table.allocated])):
                        self.words[table.at(number) + word] = value
        self.close()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        # The mapping goes with the last reader of its words.

    def _open(self) -> bool:
        try:
            self._descriptor = os.open(self.path, _OPEN)
        except FileNotFoundError:
            return False
        return os.fstat(self._descriptor).st_size == _FILE_BYTES

    _mapped = False

    def _map(self) -> None:
        view: Any = memoryview(mmap.mmap(self._descriptor, _FILE_BYTES, flags=mmap.MAP_SHARED)).cast("q")
        self._view = view
        words = cast("Words", view)
        self.words = self._wrap(words) if self._wrap else words
        self._mapped = True

    def _allocate(self, start: int, count: int) -> None:
        """Take blocks: a store into a page without one would end the process on a full disk."""
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._descriptor, start * WORD_BYTES, count * WORD_BYTES)

    def _is_sound(self) -> bool:
        """Tell whether everything in it can be so: counts, links and amounts are within their bounds."""
        words = self.words
        if (words[layout.H_MAGIC], words[layout.H_VERSION]) != (layout.MAGIC, layout.VERSION):
            return False
        if words[layout.H_STATE] != layout.STATE_USED or words[layout.H_EPOCH] <= 0:
            return False
        if not 0 <= words[layout.H_PENDING] <= layout.PENDING_ENTRIES:
            return False
        if not 0 <= words[layout.H_REDO] <= layout.REDO_ENTRIES + 1:
            return False
        for table in TABLES:
            used, free, allocated = (words[table.used + offset] for offset in range(3))
            if not (0 <= used <= allocated <= table.most and 0 <= free <= used):
                return False
        accounts, holdings = words[layout.ACCOUNTS.used], words[layout.HOLDINGS.used]
        links = (
            (layout.ACCOUNTS, layout.A_HOLDING, holdings),
            (layout.ACCOUNTS, layout.A_NEXT, accounts),
            (layout.ACCOUNTS, layout.A_RING, words[layout.RINGS.used]),
            (layout.HOLDINGS, layout.G_ACCOUNT, accounts),
            (layout.HOLDINGS, layout.G_NEXT, holdings),
            (layout.HOLDINGS, layout.G_PARTICIPANT, words[layout.PARTICIPANTS.used]),
            (layout.HOLDINGS, layout.G_GRANTED, _AMOUNT_MAX),
            (layout.HOLDINGS, layout.G_SETTLED, _AMOUNT_MAX),
            (layout.HOLDINGS, layout.G_TAKEN, _AMOUNT_MAX),
            (layout.HOLDINGS, layout.G_FOLDED, _AMOUNT_MAX),
        )
        for table, word, most in links:
            column = self.column(table, word)
            if column and not (min(column) >= 0 and max(column) <= most):
                return False
        heads = self.numbers(layout.BUCKET, layout.BUCKETS)
        return min(heads) >= 0 and max(heads) <= accounts


def _boot() -> int:
    """Return 63 bits that are the same until this machine starts anew."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
        return int(text, 16) >> 65
    except (OSError, ValueError):
        return 1  # where it cannot be told, what is there is believed
