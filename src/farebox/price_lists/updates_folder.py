"""`prices.updates/`: what is known of lists that are not in force, and the lock of who changes prices."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from farebox.home import check_private

if TYPE_CHECKING:
    from farebox.home import Home


def folder_of(home: Home) -> Path:
    """Return where a state directory keeps what is known of lists that are not in force."""
    return home.path / "prices.updates"


@contextlib.contextmanager
def updating(home: Home) -> Generator[None]:
    """Be the only one who changes the fetched prices: open the book inside, or another's rows are lost."""
    folder = folder_of(home)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_private(folder)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
