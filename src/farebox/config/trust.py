"""Working directories whose `farebox.yaml` the user trusts, as it was when they said so.

As with direnv, the file's content is what is trusted: one that changed since, by a `git pull` for
instance, is an untrusted one again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from farebox.home import check_private, replace_private

if TYPE_CHECKING:
    from farebox.home import Home

FILE_NAME = "trusted.json"


def trusted(home: Home) -> dict[str, str]:
    """Return the trusted files: path to the SHA-256 of what was trusted; none where that cannot be read.

    Raises:
        StateDirectoryError: Others could have written the list.
    """
    path = home.path / FILE_NAME
    try:
        check_private(path)
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return {}


def is_trusted(home: Home, file: Path, content: bytes) -> bool:
    """Return whether the user trusts this file with this content."""
    return trusted(home).get(_name(file)) == digest(content)


def trust(home: Home, file: Path, content: bytes) -> None:
    """Trust a file with this content."""
    _write(home, {**trusted(home), _name(file): digest(content)})


def distrust(home: Home, file: Path) -> bool:
    """Trust a file no more; False where it was not trusted."""
    known = trusted(home)
    found = known.pop(_name(file), None)
    if found is not None:
        _write(home, known)
    return found is not None


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _name(file: Path) -> str:
    return str(file.resolve())


def _write(home: Home, known: dict[str, str]) -> None:
    replace_private(home.path / FILE_NAME, msgspec.json.encode(known, order="sorted"))
