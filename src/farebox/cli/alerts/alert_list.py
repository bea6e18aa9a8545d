"""`farebox alerts list` and `show`: what is watched, who is told, and what fires now."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter

from farebox.cli.alerts.alert_evaluation import not_evaluated
from farebox.cli.exits import OK, say
from farebox.cli.options import AsJson, Place
from farebox.cli.publication import publish_home
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import BOLD, DIM, RED, Column, clean, count, paint, table
from farebox.clock import now_ns
from farebox.home import Home
from farebox.program import command
from farebox.server.api.alerts.alert_views import Alerts, AlertView, alerts_view
from farebox.yamltext import written

Name = Annotated[str, Parameter(help="The alert's name.")]
_FIRING_PRINTED = 20


class AlertsAnswer(msgspec.Struct, kw_only=True):
    """`farebox alerts list --json`, and `show NAME --json` and `set NAME --json` with one alert."""

    schema: str = "farebox.alerts/1"
    alerts: list[AlertView]
    channels: list[str]
    """Who can be told."""
    problems: list[str]
    """Why `farebox.yaml` is not in force."""


def list_alerts(*, place: Place | None = None, as_json: AsJson = False) -> int:
    """List the alerts: what each watches, of whose calls, who is told, and what fires now."""
    home = (place or Place()).state_to_read()
    publish_home(home)
    found = alerts_view(home, now_ns())
    if as_json:
        print_json(answer(found))
        return OK
    _say_problems(found)
    print(render(found) if found.alerts else _nothing_set(found, home))
    if found.alerts and (idle := not_evaluated(home)) is not None:
        print(idle)
    return OK


def show(name: Name, /, *, place: Place | None = None, as_json: AsJson = False) -> int:
    """Show one alert: its settings as they are written, and what fires now."""
    home = (place or Place()).state_to_read()
    publish_home(home)
    found = alerts_view(home, now_ns(), name=name)
    if as_json:
        print_json(answer(found))
        return OK
    _say_problems(found)
    print(details(found.alerts[0]))
    return OK


def answer(found: Alerts) -> AlertsAnswer:
    """Return alerts as `--json` prints them."""
    return AlertsAnswer(alerts=found.alerts, channels=found.channels, problems=found.problems)


def render(found: Alerts) -> str:
    """Return the alerts as a table, and below it what needs attention."""
    columns = [
        Column("alert"),
        Column("watches", width_min=20),
        Column("of", drop=2, width_min=12),
        Column("to", drop=1, width_min=8),
        Column("now"),
    ]
    rows = [
        [
            clean(each.name),
            clean(each.watches),
            clean(each.whose),
            clean(", ".join(each.to)) or "–",
            _now(each),
        ]
        for each in found.alerts
    ]
    lines = [table(columns, rows)]
    lines += [
        f"{paint('!', RED)} {clean(each.name)}: {clean(problem)}"
        for each in found.alerts
        for problem in each.problems
    ]
    untold = [each.name for each in found.alerts if not each.to]
    if untold:
        lines.append(
            paint(f"{count(len(untold), 'alert')} in the history only: no channel is named in `to`.", DIM)
        )
    return "\n".join(lines)


def details(found: AlertView) -> str:
    """Return one alert: a headline, its settings as YAML, and what fires."""
    whose = f", {clean(found.whose)}" if found.whose else ""
    lines = [f"{paint(clean(found.name), BOLD)}: {clean(found.watches)}{whose}"]
    settings = {key: value for key, value in found.definition.items() if value not in (None, [], {})}
    lines += [f"  {line}" for line in written(settings).splitlines()]
    lines.append(f"  set by {clean(found.origin)}")
    lines += [f"{paint('!', RED)} {clean(problem)}" for problem in found.problems]
    lines += [_snoozed(each.until, each.value, each.reason) for each in found.snoozes]
    lines += [
        f"firing since {each.since[:16]}Z: {clean(each.words)}" for each in found.firing[:_FIRING_PRINTED]
    ]
    more = len(found.firing) + found.more_firing - _FIRING_PRINTED
    if more > 0:
        lines.append(f"and {more:,} more")
    if not found.firing:
        lines.append("nothing fires now")
    return "\n".join(lines)


def _now(found: AlertView) -> str:
    firing = len(found.firing) + found.more_firing
    words = paint(f"firing ({firing})" if firing > 1 else "firing", RED) if firing else "quiet"
    if any(each.value is None for each in found.snoozes):
        words += f", snoozed until {found.snoozes[0].until[:16]}Z"
    elif found.snoozes:
        words += f", {count(len(found.snoozes), 'value')} snoozed"
    return words


def _snoozed(until: str, value: str | None, reason: str) -> str:
    why = f" ({clean(reason)})" if reason else ""
    return f"snoozed{f' for {clean(value)}' if value else ''} until {until[:16]}Z{why}"


def _say_problems(found: Alerts) -> None:
    for each in found.problems:
        say(clean(each))


def _nothing_set(found: Alerts, home: Home) -> str:
    """Return what to do where no alert is set."""
    lines = ["No alert is set. Set those that most people want, or one of your own:"]
    to = f" --to {found.channels[0]}" if found.channels else ""
    lines.append(f"  {command(f'alerts set --defaults{to}', home)}")
    lines.append(f"  {command(f'alerts set big-day --spend 100 --period day{to}', home)}")
    if not found.channels:
        lines.append(f"To be told, name a channel under `channels:` in {clean(home.config)}.")
    return "\n".join(lines)
