"""`farebox alerts set` and `remove`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from farebox.cli.alerts.alert_list import Name, answer, details
from farebox.cli.alerts.definition_flags import DefinitionFlags, KindFlags, definition
from farebox.cli.call_flags import CallFlags
from farebox.cli.confirmation import is_confirmed
from farebox.cli.exits import OK
from farebox.cli.options import AsJson, Place
from farebox.cli.publication import publish_home
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import clean, count
from farebox.clock import now_ns
from farebox.errors import UsageError
from farebox.program import command
from farebox.server.api.alerts.alert_views import alerts_view
from farebox.snapshot import read_snapshot

if TYPE_CHECKING:
    from farebox.home import Home

Yes = Annotated[bool, Parameter(name=("--yes", "-y"), help="Do not ask.", negative="")]


def set_alert(
    name: Annotated[str | None, Parameter(help="What to call it: a-z, 0-9, `-`, `_` and `.`.")] = None,
    /,
    *,
    defaults: Annotated[
        bool, Parameter(help="Set the alerts that most people want, those that are not set.", negative="")
    ] = False,
    kinds: KindFlags | None = None,
    flags: DefinitionFlags | None = None,
    where: CallFlags | None = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Set an alert. Of one that there is, what you do not name stays as it was.

    It is in force within two seconds, at the present figures: what is passed already is told once.
    """
    home = (place or Place()).state()
    publish_home(home)
    from farebox.control import audit
    from farebox.control.alert_changes import known_here, refuse_name_of_file, set_alerts

    if defaults:
        if name is not None or kinds is not None or where is not None:
            raise UsageError("--defaults sets alerts of their own; besides it, only --to is said")
        return _set_usual(home, tuple((flags or DefinitionFlags()).to or ()), as_json=as_json)
    if name is None:
        raise UsageError(f"name the alert: {command('alerts set big-day --spend 100 --period day', home)}")
    published = read_snapshot(home)
    refuse_name_of_file(published, name)
    before = next((each for each in published.alerts if each.name == name), None)
    said = definition(name, kinds, flags, where, before, known_here(home))
    set_alerts(home, [said], audit.command_line(), now_ns())
    found = alerts_view(home, now_ns(), name=name)
    if as_json:
        print_json(answer(found))
        return OK
    print(details(found.alerts[0]))
    print("It is in force within two seconds.")
    if not said.to:
        print("Nobody is told: it is in the history only. Name a channel with --to.")
    print(f"What it would have told so far:  {command(f'alerts simulate {name}', home)}")
    return OK


def remove(name: Name, /, *, yes: Yes = False, place: Place | None = None) -> int:
    """Take an alert away; its history stays."""
    home = (place or Place()).state()
    publish_home(home)
    from farebox.control import audit
    from farebox.control.alert_changes import refuse_name_of_file, remove_alert, unknown_alert

    published = read_snapshot(home)
    refuse_name_of_file(published, name)
    if all(each.name != name for each in published.alerts):
        raise UsageError(unknown_alert(published, name))
    if not yes and not is_confirmed(f"Remove {clean(name)}? Nobody is told of it any more."):
        raise UsageError(f"nothing was removed; to remove it: {command(f'alerts remove {name} --yes')}")
    remove_alert(home, name, audit.command_line(), now_ns())
    print(f"{clean(name)} is removed; its history stays.")
    return OK


def _set_usual(home: Home, to: tuple[str, ...], *, as_json: bool) -> int:
    from farebox.alerts.usual_alerts import usual_alerts
    from farebox.control import audit
    from farebox.control.alert_changes import set_alerts

    there = {each.name for each in read_snapshot(home).alerts}
    said = [each for each in usual_alerts(to) if each.name not in there]
    set_alerts(home, said, audit.command_line(), now_ns())
    found = alerts_view(home, now_ns())
    found.alerts = [each for each in found.alerts if each.name in {one.name for one in said}]
    if as_json:
        print_json(answer(found))
        return OK
    for each in found.alerts:
        print(f"{clean(each.name)}: {clean(each.watches)}")
    print(
        f"{count(len(said), 'alert')} set, in force within two seconds."
        if said
        else "All of them are set already."
    )
    if said and not to:
        print("Nobody is told: they are in the history only. Name a channel with --to.")
    return OK
