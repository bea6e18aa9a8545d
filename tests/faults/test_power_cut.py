"""Power cuts (F-03): ext4 on a loop device is shut down in the middle of everything.

The ioctl throws away all that was not synced, journal of the file system included, as a power
cut does. Needs root and loop devices; the number of rounds is FAREBOX_POWER_ROUNDS.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_writers import Spawned
from test_ledger_kill import acknowledged, compare, settle

from farebox.home import Home
from farebox.ledger.calls import LedgerReader

ROUNDS = int(os.environ.get("FAREBOX_POWER_ROUNDS", "2"))
EXT4_IOC_SHUTDOWN = 0x8004587D
GOING_DOWN_WITHOUT_FLUSHING = 2


class LoopDisk:
    """A file with an ext4 in it that can lose its power."""

    def __init__(self, folder: Path) -> None:
        self._image = folder / "disk.img"
        self.mount_point = folder / "mnt"
        self.mount_point.mkdir()
        with self._image.open("wb") as file:
            file.truncate(192 << 20)
        run("mkfs.ext4", "-q", "-F", str(self._image))

    def mount(self) -> None:
        run("mount", "-o", "loop", str(self._image), str(self.mount_point))

    def cut(self) -> None:
        descriptor = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", GOING_DOWN_WITHOUT_FLUSHING))
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        for _ in range(100):
            if not os.path.ismount(self.mount_point):
                return
            subprocess.run(["umount", str(self.mount_point)], capture_output=True, check=False)
            time.sleep(0.05)
        run("umount", "-l", str(self.mount_point))


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[LoopDisk]:
    if os.geteuid() != 0:
        pytest.skip("a power cut needs root, to mount a loop device")
    if not shutil.which("mkfs.ext4"):
        pytest.skip("a power cut needs mkfs.ext4")
    made = LoopDisk(tmp_path)
    try:
        made.mount()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"a loop device cannot be mounted here: {error.stderr.decode().strip()}")
    try:
        yield made
    finally:
        made.unmount()


def power_round(disk: LoopDisk, home: Home, seconds: float, *options: str) -> dict[str, int]:
    """Write under power mode, cut the power, bring the disk back; return what was acknowledged."""
    ledger = Spawned("ledger", str(home.path))
    writer = Spawned("power", str(home.path), *options)
    writer.wait_for_output()
    time.sleep(seconds)
    # Only what was acknowledged before the cut counts. A machine without power acknowledges
    # nothing, whereas here an fsync that runs into the shutdown can still return success: its
    # transaction is aborted and gone by the time it looks (`jbd2_complete_transaction`).
    before_the_cut = writer.printed
    disk.cut()
    writer.kill()
    ledger.kill()
    disk.unmount()
    disk.mount()
    return acknowledged(before_the_cut)


def fresh_home(disk: LoopDisk) -> Home:
    home = Home(disk.mount_point / "home")
    home.prepare()
    os.sync()
    return home


def test_a_power_cut_takes_nothing_that_was_acknowledged(disk: LoopDisk) -> None:
    rng = random.Random(21)
    home = fresh_home(disk)
    seen: dict[str, int] = {}
    for _ in range(ROUNDS):
        seen |= power_round(disk, home, rng.random() * 0.6)
    settle(home)
    assert len(seen) > ROUNDS
    compare(home, seen)
    assert len(list(LedgerReader(home).export())) >= len(seen)


def test_a_writer_that_does_not_sync_is_caught(disk: LoopDisk) -> None:
    """The negative control: `no-fsync` must lose acknowledged rows."""
    home = fresh_home(disk)
    seen: dict[str, int] = {}
    for _ in range(5):
        seen |= power_round(disk, home, 0.3, "no-fsync")
        settle(home)
        try:
            compare(home, seen)
        except AssertionError:
            return
    pytest.fail("a writer that never syncs lost nothing: the cut is not one")
