"""Set and remove budgets, stop calls and let them pass again: for commands and the API alike.

Each is one transaction with its entry in the audit, and is published before it returns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from farebox.budgets.budget import COMMAND, Budget, Stop
from farebox.control import audit, budgets
from farebox.control.publish import change
from farebox.errors import UsageError
from farebox.home import Home
from farebox.snapshot import Snapshot, read_snapshot

if TYPE_CHECKING:
    from farebox.control.database import ControlDatabase

BUDGETS_MAX = 1_000
STOPS_MAX = 10_000
REASON_MAX = 200


def set_budget(
    home: Home, said: Budget, actor: str, now_ns: int, database: ControlDatabase | None = None
) -> Budget | None:
    """Set a budget and return the one of its name that was there before.

    Raises:
        UsageError: The home's file names it, or there are too many.
        ControlError: It cannot be written.
    """
    refuse_name_of_file(read_snapshot(home), said.name)
    kept = msgspec.structs.replace(said, origin=COMMAND)
    with change(home, database) as connection:
        before = budgets.put(connection, kept, now_ns)
        if before is None and len(budgets.budgets(connection)) > BUDGETS_MAX:
            raise UsageError(f"there are {BUDGETS_MAX:,} budgets; remove one first")
        detail = {"now": msgspec.to_builtins(kept), "before": before and msgspec.to_builtins(before)}
        audit.note(connection, now_ns, actor, "budget.set", said.name, detail)
    return before


def remove_budget(
    home: Home, name: str, actor: str, now_ns: int, database: ControlDatabase | None = None
) -> None:
    """Take a budget away.

    Raises:
        UsageError: There is none, the home's file names it, or an alert watches it.
        ControlError: It cannot be written.
    """
    published = read_snapshot(home)
    _refuse_watched(published, name)
    with change(home, database) as connection:
        if not budgets.remove(connection, name):
            refuse_name_of_file(published, name)
            raise UsageError(unknown_budget(published, name))
        audit.note(connection, now_ns, actor, "budget.remove", name)


def stop_calls(home: Home, said: Stop, now_ns: int, database: ControlDatabase | None = None) -> bool:
    """Refuse the calls of a session, a key or a process; return False where they were refused already.

    Raises:
        UsageError: There are too many stops.
        ControlError: It cannot be written.
    """
    with change(home, database) as connection:
        is_new = budgets.stop(connection, said)
        if is_new and len(budgets.stops(connection)) > STOPS_MAX:
            raise UsageError(f"there are {STOPS_MAX:,} stops; lift some first")
        detail = {"dimension": said.dimension, "reason": said.reason}
        audit.note(connection, now_ns, said.by, "stop.set", said.value, detail)
    return is_new


def lift_stop(
    home: Home,
    dimension: str,
    value: str,
    actor: str,
    now_ns: int,
    database: ControlDatabase | None = None,
) -> bool:
    """Let calls pass again; return whether they were refused.

    Raises:
        ControlError: It cannot be written.
    """
    with change(home, database) as connection:
        lifted = budgets.lift(connection, dimension, value)
        if lifted:
            audit.note(connection, now_ns, actor, "stop.lift", value, {"dimension": dimension})
    return lifted


def refuse_name_of_file(published: Snapshot, name: str) -> None:
    """Raise `UsageError` for a budget that the home's file names: no command rewrites YAML."""
    for each in published.budgets:
        if each.name == name and each.origin != COMMAND:
            raise UsageError(f"{name} is in {each.origin}: change it there, or choose another name")


def _refuse_watched(published: Snapshot, name: str) -> None:
    """Raise `UsageError` for a budget that alerts watch: without it they would watch nothing."""
    watching = [each for each in published.alerts if each.kind == "budget" and each.subject == name]
    if watching:
        first = watching[0]
        where = "type " + f"`farebox alerts remove {first.name}`" if first.origin == COMMAND else first.origin
        raise UsageError(f"the alert {first.name} watches {name}: remove that first ({where})")


def unknown_budget(published: Snapshot, name: str) -> str:
    """Return what to say of a name that no budget has."""
    from farebox.nearest import did_you_mean

    names = [each.name for each in published.budgets]
    there = f"there are: {', '.join(names[:20])}" if names else "none is set"
    return f"there is no budget {name!r}; {there}{did_you_mean(name, names)}"
