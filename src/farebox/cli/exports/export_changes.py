"""Changes of exports as a person at the command line makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farebox.home import Home

if TYPE_CHECKING:
    from farebox.exports.changes import ExportChanges


def changes(home: Home, now_ns: int) -> ExportChanges:
    """Return what changes exports in the name of whoever typed the command."""
    from farebox.control import audit
    from farebox.exports.changes import ExportChanges

    return ExportChanges(home, audit.command_line(), now_ns)
