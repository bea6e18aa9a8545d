"""Which file system a path lies on, and what that allows.

Shared memory of a file is only safe where preallocated blocks stay where they are, and
SQLite's WAL only where locks and shared memory work, which network file systems do not give.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_STABLE_BLOCKS = frozenset({"ext2", "ext3", "ext4", "xfs", "tmpfs"})
"""Here a store into a preallocated block cannot run out of space."""

_NETWORK = frozenset(
    {
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.glusterfs",
        "fuse.sshfs", "lustre", "gpfs", "ocfs2", "gfs2", "ncpfs", "fuse.s3fs", "fuse.rclone", "davfs",
    }
)  # fmt: skip


def filesystem_of(path: Path) -> str:
    """Return the type of the file system that holds `path`, `unknown` where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return "unknown"
    existing = path.absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    wanted = os.path.realpath(existing)
    best, found = -1, "unknown"
    try:
        lines = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return "unknown"
    for line in lines:
        left, _, right = line.partition(" - ")
        mount_point = _unescape(left.split(" ")[4])
        inside = wanted == mount_point or wanted.startswith(mount_point.rstrip("/") + "/")
        if inside and len(mount_point) >= best:
            best, found = len(mount_point), right.split(" ")[0]
    return found


def is_network(path: Path) -> bool:
    """Tell whether `path` lies on a network file system."""
    return filesystem_of(path) in _NETWORK


def can_map(path: Path) -> bool:
    """Tell whether a preallocated file there may be written through shared memory."""
    return filesystem_of(path) in _STABLE_BLOCKS


def _unescape(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
