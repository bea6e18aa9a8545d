"""The list that waits for a person: `prices.updates/held.json`, one file, replaced in one step."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from farebox.home import check_private, replace_private
from farebox.price_lists.updates_folder import folder_of

if TYPE_CHECKING:
    from farebox.home import Home


class HeldList(msgspec.Struct, frozen=True, kw_only=True):
    """A list as it was fetched, and why it is not in force."""

    schema: str = "farebox.held-prices/1"
    source: str
    sha256: str
    fetched_at: str
    etag: str | None
    modified: str | None
    reasons: list[str]
    """What speaks against it; nothing where it only waits to be accepted."""
    changes: int
    """How many changes it would make."""
    content: bytes


def held_list(home: Home) -> HeldList | None:
    """Return the list that waits; None where there is none, or it is damaged: it is fetched again."""
    path = _path(home)
    try:
        check_private(path)
        found = msgspec.json.decode(path.read_bytes(), type=HeldList)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return found if hashlib.sha256(found.content).hexdigest() == found.sha256 else None


def hold(home: Home, found: HeldList) -> None:
    """Keep a list for review, instead of the one that waited before."""
    replace_private(_path(home), msgspec.json.encode(found), durable=True)


def release(home: Home) -> None:
    """Let go of the list that waits."""
    _path(home).unlink(missing_ok=True)


def _path(home: Home) -> Path:
    return folder_of(home) / "held.json"
