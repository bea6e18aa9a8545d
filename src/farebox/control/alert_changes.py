"""Set, remove and snooze alerts: for commands and the API alike.

Each is one transaction with its entry in the audit, and is published before it returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from farebox.alerts.alert import Alert, Snooze
from farebox.alerts.references import Known, missing, references_of
from farebox.budgets.budget import COMMAND
from farebox.errors import UsageError
from farebox.home import Home
from farebox.snapshot import Snapshot, read_snapshot

if TYPE_CHECKING:
    from farebox.control.database import ControlDatabase

ALERTS_MAX = 2_000
SNOOZES_MAX = 10_000


def set_alerts(
    home: Home, said: Sequence[Alert], actor: str, now_ns: int, database: ControlDatabase | None = None
) -> None:
    """Set alerts, all of them or none.

    Raises:
        UsageError: The home's file names one of them, one names what there is not, or there are too many.
        ControlError: They cannot be written.
    """
    from farebox.control import alerts, audit
    from farebox.control.publish import change

    published = read_snapshot(home)
    for each in said:
        refuse_name_of_file(published, each.name)
    with change(home, database) as connection:
        there = known_in_file(published) | alerts.known(connection, file_too=True)
        findings = missing((each for one in said for each in references_of(one)), there)
        if findings:
            raise UsageError("\n".join(map(str, findings)))
        for each in said:
            kept = msgspec.structs.replace(each, origin=COMMAND)
            before = alerts.put(connection, kept, now_ns)
            detail = {"now": msgspec.to_builtins(kept), "before": before and msgspec.to_builtins(before)}
            audit.note(connection, now_ns, actor, "alert.set", each.name, detail)
        if len(alerts.alerts(connection)) > ALERTS_MAX:
            raise UsageError(f"there are {ALERTS_MAX:,} alerts; remove some first")


def remove_alert(
    home: Home, name: str, actor: str, now_ns: int, database: ControlDatabase | None = None
) -> None:
    """Take an alert away.

    Raises:
        UsageError: There is none, or the home's file names it.
        ControlError: It cannot be written.
    """
    from farebox.control import alerts, audit
    from farebox.control.publish import change

    published = read_snapshot(home)
    with change(home, database) as connection:
        if not alerts.remove(connection, name):
            refuse_name_of_file(published, name)
            raise UsageError(unknown_alert(published, name))
        audit.note(connection, now_ns, actor, "alert.remove", name)


def snooze_alert(home: Home, said: Snooze, now_ns: int, database: ControlDatabase | None = None) -> None:
    """Tell nobody of an alert for a time; it is evaluated all the same.

    Raises:
        UsageError: There is none of that name, or there are too many snoozes.
        ControlError: It cannot be written.
    """
    from farebox.control import alerts, audit
    from farebox.control.publish import change

    published = read_snapshot(home)
    if all(each.name != said.alert for each in published.alerts):
        raise UsageError(unknown_alert(published, said.alert))
    with change(home, database) as connection:
        alerts.snooze(connection, said, now_ns)
        if len(alerts.snoozes(connection)) > SNOOZES_MAX:
            raise UsageError(f"there are {SNOOZES_MAX:,} snoozes; end some first")
        detail = {"value": said.value, "until": said.until_ns, "reason": said.reason}
        audit.note(connection, now_ns, said.by, "alert.snooze", said.alert, detail)


def unsnooze_alert(
    home: Home,
    name: str,
    value: str | None,
    actor: str,
    now_ns: int,
    database: ControlDatabase | None = None,
) -> int:
    """Tell of an alert again, of one value or of all; return how many snoozes that ended.

    Raises:
        ControlError: It cannot be written.
    """
    from farebox.control import alerts, audit
    from farebox.control.publish import change

    with change(home, database) as connection:
        ended = alerts.unsnooze(connection, name, value)
        if ended:
            audit.note(connection, now_ns, actor, "alert.unsnooze", name, {"value": value or ""})
    return ended


def known_here(home: Home) -> Known:
    """Return everything that alerts can name, of commands and of the home's file as it was published."""
    there = known_in_file(read_snapshot(home))
    if not home.control.exists():
        return there
    from farebox.control.alerts import known
    from farebox.control.database import open_control

    with open_control(home).reading() as connection:
        return there | known(connection, file_too=True)


def known_to_commands(home: Home) -> Known:
    """Return what `control.db` has that alerts can name; nothing where there is none."""
    if not home.control.exists():
        return Known()
    from farebox.control.alerts import known
    from farebox.control.database import open_control

    with open_control(home).reading() as connection:
        return known(connection)


def known_in_file(published: Snapshot) -> Known:
    """Return the budgets of the home's file; its channels and customers are in `control.db`."""
    return Known(budgets={each.name: each.mode for each in published.budgets if each.origin != COMMAND})


def refuse_name_of_file(published: Snapshot, name: str) -> None:
    """Raise `UsageError` for an alert that the home's file names: no command rewrites YAML."""
    for each in published.alerts:
        if each.name == name and each.origin != COMMAND:
            raise UsageError(f"{name} is in {each.origin}: change it there, or choose another name")


def unknown_alert(published: Snapshot, name: str) -> str:
    """Return what to say of a name that no alert has."""
    from farebox.nearest import did_you_mean

    names = [each.name for each in published.alerts]
    there = f"there are: {', '.join(names[:20])}" if names else "none is set"
    return f"there is no alert {name!r}; {there}{did_you_mean(name, names)}"
