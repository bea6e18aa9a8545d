"""Publish what the home's file says now: nobody else does where nothing runs."""

from __future__ import annotations

from farebox.cli.exits import say
from farebox.errors import ControlError, ControlUnwritableError
from farebox.home import Home


def publish_file(home: Home) -> None:
    """Publish the file and `control.db`; where that fails, what was published last is shown."""
    if not (home.config.is_file() or home.control.exists() or home.snapshot.exists()):
        return
    from farebox.control.publish import publish

    try:
        publish(home)
    except ControlUnwritableError:
        return  # a read-only home
    except ControlError as error:
        say(str(error))
