"""Publish what the home's file and `control.db` say now: nobody else does where no server runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from farebox.budgets.budget import COMMAND
from farebox.cli.exits import say
from farebox.errors import ControlError, ControlUnwritableError, FareboxError
from farebox.home import Home
from farebox.snapshot import Snapshot, SnapshotReader

if TYPE_CHECKING:
    from farebox.config import Config


def publish_home(home: Home) -> None:
    """Publish, unless nothing has changed since; what fails is said, and what was published last stays.

    Opening the database takes longer than most commands do.
    """
    if _is_current(home):
        return
    from farebox.control.publish import publish

    try:
        publish(home)
    except ControlUnwritableError as error:
        if os.access(home.path, os.W_OK):
            say(str(error))
    except ControlError as error:
        say(str(error))


def open_budgets(home: Home, config: Config) -> None:
    """Have what budgets count made from the record, for a proxy that starts where no ledger process does so.

    Until then calls under a hard budget wait. Where a ledger process runs, this does nothing.
    """
    if not SnapshotReader(home).current.budgets:
        return
    from farebox.ledger import catch_up

    try:
        catch_up(home, config)
    except FareboxError as error:
        say(f"what is spent of the budgets is not known: {error}")


def _is_current(home: Home) -> bool:
    sources = [when for path in (home.config, home.control) if (when := _changed_at(path)) is not None]
    try:
        published = home.snapshot.stat().st_mtime_ns
    except OSError:
        return not sources
    reader = SnapshotReader(home)
    if reader.problem or (not home.config.exists() and _has_something_of_the_file(reader.current)):
        return False  # it is damaged, or the file was removed
    return all(when < published for when in sources)


def _has_something_of_the_file(snapshot: Snapshot) -> bool:
    from_file = any(each.origin != COMMAND for each in (*snapshot.budgets, *snapshot.alerts))
    return bool(snapshot.configured or snapshot.problems or from_file or snapshot.has_terms_of_file)


def _changed_at(path: Path) -> int | None:
    """Return when a file changed. One that was moved into place keeps only the time of its content."""
    try:
        status = path.stat()
    except OSError:
        return None
    return max(status.st_mtime_ns, status.st_ctime_ns)
