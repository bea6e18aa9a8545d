"""A real disk that stalls: ext4 on a loop device whose own file lies on a frozen ext4. Needs root."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "journal"))

from following import payloads, until

from farebox.journal.files import DiskFiles
from farebox.journal.writer import JournalWriter

RECORDS = 20_000
SAFETY_S = 60


class StallingDisk:
    """Writes to `folder` hang while the disk under it is frozen."""

    def __init__(self, root: Path) -> None:
        self._under = root / "under"
        self.folder = root / "disk"
        self._mounted: list[Path] = []
        self._mount(root / "under.img", self._under, 640 << 20)
        self._mount(self._under / "disk.img", self.folder, 480 << 20)

    def _mount(self, image: Path, mount_point: Path, size: int) -> None:
        mount_point.mkdir()
        with image.open("wb") as file:
            file.truncate(size)
        _run("mkfs.ext4", "-q", "-F", str(image))
        _run("mount", "-o", "loop", str(image), str(mount_point))
        self._mounted.append(mount_point)

    def freeze(self) -> None:
        _run("fsfreeze", "--freeze", str(self._under))

    def thaw(self) -> None:
        subprocess.run(["fsfreeze", "--unfreeze", str(self._under)], capture_output=True, check=False)

    def remove(self) -> None:
        self.thaw()
        for mount_point in reversed(self._mounted):
            _run("umount", "-l", str(mount_point))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[StallingDisk]:
    if os.geteuid() != 0:
        pytest.skip("a stalling disk needs root, to mount loop devices")
    made = StallingDisk.__new__(StallingDisk)
    try:
        made.__init__(tmp_path)
    except (OSError, subprocess.CalledProcessError) as error:
        made.remove()
        pytest.skip(f"loop devices cannot be mounted here: {error}")
    try:
        yield made
    finally:
        made.remove()


@pytest.mark.parametrize("mapped", [True, False], ids=["shared memory", "pwrite"])
def test_appending_goes_on_while_the_disk_hangs_and_nothing_is_lost(disk: StallingDisk, mapped: bool) -> None:
    writer = JournalWriter(disk.folder / "journal", files=DiskFiles(mapped=mapped))
    position = writer.append(3, b"before")
    until(lambda: writer.health.durable >= position, "the first sync")
    disk.freeze()
    thawed = threading.Event()
    # Should an append hang after all, the disk comes back and the test says so.
    safety = threading.Timer(SAFETY_S, lambda: (thawed.set(), disk.thaw()))
    safety.start()
    sent = [b"%d" % number * 40 for number in range(RECORDS)]
    for payload in sent:
        position = writer.append(3, payload)
    hung = thawed.is_set()
    stuck = writer.health
    disk.thaw()
    safety.cancel()
    assert not hung, "an append waited for the disk"
    assert stuck.durable < position, "the disk did not hang: the test has tested nothing"
    until(lambda: writer.health.durable >= position, "everything durable")
    assert writer.health.state == "ok" and writer.health.lost_records == 0
    writer.close()
    assert payloads(writer.folder) == [b"before", *sent]
