"""`farebox alerts snooze` and `unsnooze`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter

from farebox.alerts.snooze_request import requested_snooze
from farebox.cli.alerts.alert_list import Name
from farebox.cli.exits import ANSWER_IS_NO, OK
from farebox.cli.options import AsJson, Place
from farebox.cli.publication import publish_home
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import clean, count
from farebox.clock import now_ns
from farebox.program import command
from farebox.server.api.alerts.alert_views import SnoozeView, alerts_view, snooze_view

Value = Annotated[
    str | None, Parameter(help="Only for this value of what the alert has `each` of; all by default.")
]


class SnoozeAnswer(msgspec.Struct, kw_only=True):
    """`farebox alerts snooze NAME --json` and `unsnooze NAME --json`: the snoozes in force afterwards."""

    schema: str = "farebox.alert-snoozes/1"
    alert: str
    snoozes: list[SnoozeView]


def snooze(
    name: Name,
    /,
    *,
    span: Annotated[str, Parameter(name="--for", help="For how long: 90m, 8h, 7d; up to 366d.")] = "24h",
    value: Value = None,
    reason: Annotated[str, Parameter(help="Why, for the others.")] = "",
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Tell nobody of an alert for a time. It is evaluated all the same, and `history` has its events."""
    from farebox.control import audit
    from farebox.control.alert_changes import snooze_alert

    home = (place or Place()).state()
    publish_home(home)
    now = now_ns()
    actor = audit.command_line()
    said = requested_snooze(name, value or "", span, reason, by=actor, now_ns=now)
    snooze_alert(home, said, now)
    if as_json:
        print_json(SnoozeAnswer(alert=name, snoozes=alerts_view(home, now, name=name).alerts[0].snoozes))
        return OK
    shown = snooze_view(said)
    of = f" for {clean(value)}" if value else ""
    print(f"Nobody is told of {clean(name)}{of} until {shown.until[:16]}Z. What happens is in the history.")
    print(f"Take it back:  {command(f'alerts unsnooze {name}', home)}")
    return OK


def unsnooze(
    name: Name, /, *, value: Value = None, place: Place | None = None, as_json: AsJson = False
) -> int:
    """Tell of an alert again, of one value or of all."""
    from farebox.control import audit
    from farebox.control.alert_changes import unsnooze_alert

    home = (place or Place()).state()
    publish_home(home)
    found = alerts_view(home, now_ns(), name=name)
    ended = unsnooze_alert(home, name, value, audit.command_line(), now_ns())
    if as_json:
        found = alerts_view(home, now_ns(), name=name)
        print_json(SnoozeAnswer(alert=name, snoozes=found.alerts[0].snoozes))
    elif ended:
        print(f"{count(ended, 'snooze')} of {clean(name)} ended; its news is told again.")
    else:
        print(f"{clean(name)} is not snoozed.")
    return OK if ended else ANSWER_IS_NO
