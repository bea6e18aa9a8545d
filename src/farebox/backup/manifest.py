"""What a backup contains, with a checksum for each file: `manifest.json`, written last."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path, PurePosixPath

import msgspec

from farebox.backup.figures import Figures
from farebox.errors import BackupError
from farebox.home import write_private

FORMAT = "farebox.backup/1"
NAME = "manifest.json"
_CHUNK = 1 << 20


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a backup."""

    path: str
    """Below the backup's directory, with `/`."""
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`manifest.json`, and `farebox backup --json`."""

    schema: str = FORMAT
    created_at: str
    farebox: str
    """The version that made it."""
    home: str
    """The state directory it was taken of."""
    configuration: str | None
    """The configuration file in force, where that is not in the state directory: it is in `outside/`."""
    certificates: bool
    """Whether the authorities of interception are in it, with their private keys."""
    figures: Figures
    """The record at the backup's moment."""
    files: list[StoredFile]


def stored_file(root: Path, file: Path) -> StoredFile:
    """Return a file of a backup with its checksum."""
    digest, size = sha256(), 0
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return StoredFile(path=file.relative_to(root).as_posix(), bytes=size, sha256=digest.hexdigest())


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Write the manifest and wait until it is durable."""
    write_private(root / NAME, msgspec.json.format(msgspec.json.encode(manifest)), durable=True)
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_manifest(root: Path) -> Manifest:
    """Return the manifest of a backup.

    Raises:
        BackupError: There is none, or one that cannot be used.
    """
    file = root / NAME
    try:
        manifest = msgspec.json.decode(file.read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise BackupError(f"{root} is no backup: it has no {NAME}") from None
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BackupError(f"{file} cannot be read: {error}") from None
    if manifest.schema != FORMAT:
        raise BackupError(
            f"{file}: schema: found {manifest.schema}, expected {FORMAT}; use the Farebox that made it"
        )
    for stored in manifest.files:
        path = PurePosixPath(stored.path)
        if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in stored.path:
            raise BackupError(f"{file}: files: {stored.path!r} leads out of the backup")
    return manifest
