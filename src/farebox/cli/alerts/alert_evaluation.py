"""Whether alerts are evaluated just now: a command that looks at the record evaluates none."""

from __future__ import annotations

from farebox.cli.daemon.running import running
from farebox.home import Home
from farebox.program import command


def not_evaluated(home: Home) -> str | None:
    """Return what to do where nothing evaluates alerts, None where the ledger process does."""
    if running(home, "ledger") is not None:
        return None
    return (
        "Alerts are not evaluated now: Farebox does that while it runs, then of what came meanwhile, too.\n"
        f"Start it:  {command('up', home)}"
    )
