"""Name API keys and bind their calls: for commands and the API alike. Each has its entry in the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from farebox.config import KeyConfig
from farebox.control import audit, keys
from farebox.control.publish import change
from farebox.home import Home

if TYPE_CHECKING:
    from farebox.control.database import ControlDatabase


def label_key(
    home: Home,
    fingerprint: str,
    key: KeyConfig,
    actor: str,
    now_ns: int,
    database: ControlDatabase | None = None,
) -> None:
    """Say what a key is called and whose calls are made with it.

    Raises:
        ControlError: It cannot be written.
    """
    with change(home, database) as connection:
        keys.label(connection, fingerprint, key, now_ns)
        audit.note(connection, now_ns, actor, "key.label", fingerprint, msgspec.to_builtins(key))


def forget_key(
    home: Home, fingerprint: str, actor: str, now_ns: int, database: ControlDatabase | None = None
) -> KeyConfig | None:
    """Take a key's name away and return what was said of it; None: nothing was, and nothing changed.

    Raises:
        ControlError: It cannot be written.
    """
    with change(home, database) as connection:
        gone = keys.forget(connection, fingerprint)
        if gone is not None:
            audit.note(connection, now_ns, actor, "key.forget", fingerprint)
    return gone
