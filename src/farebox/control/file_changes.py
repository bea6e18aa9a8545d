"""Change files of the home: price files, the signing key. Each change is in the audit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from farebox.control.audit import note
from farebox.control.audit.home_files import take_over_keys, take_over_prices
from farebox.control.publish import change
from farebox.home import Home
from farebox.signing_key import replace_key

Result = TypeVar("Result")


def change_prices(
    home: Home, actor: str, action: str, subject: str, now_ns: int, write: Callable[[], Result]
) -> Result:
    """Change price files with `write`, and note in the audit who did; return its result.

    Raises:
        ControlError: It cannot be noted; what has changed in files is noted at the next publication.
    """
    with change(home) as connection:
        result = write()
        take_over_prices(connection, home)
        note(connection, now_ns, actor, action, subject)
    return result


def replace_signing_key(home: Home, actor: str, now_ns: int) -> None:
    """Replace the key that checkpoints are signed with, and note in the audit who did.

    Raises:
        ControlError: It cannot be noted; the new key is noted at the next publication all the same.
        StateDirectoryError: The key's file cannot be used.
    """
    with change(home) as connection:
        old, fresh = replace_key(home, now_ns)
        take_over_keys(connection, home)
        note(connection, now_ns, actor, "signing_key.replace", fresh.public, {"old": old.public})
