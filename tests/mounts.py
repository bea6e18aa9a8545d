"""Real disks of a few MiB, for tests that need one that is full or read-only. Needs root."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(mount_point: Path, size: str = "8m") -> Iterator[Path]:
    """Mount a tmpfs of `size` at `mount_point`; skip the test where that cannot be done."""
    if os.geteuid() != 0:
        pytest.skip(f"a disk of {size} needs root, to mount a tmpfs")
    mount_point.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(mount_point)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield mount_point
    finally:
        subprocess.run(["umount", "-l", str(mount_point)], check=True)


def make_read_only(mount_point: Path) -> None:
    """Take away the right to write."""
    subprocess.run(["mount", "-o", "remount,ro", str(mount_point)], check=True, capture_output=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """Fill a disk but for `leave` bytes; return the file that does."""
    hog = disk / "hog"
    with hog.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    if leave:
        with hog.open("r+b") as file:
            file.truncate(max(hog.stat().st_size - leave, 0))
    return hog
