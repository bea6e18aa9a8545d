"""`farebox alerts test`: whether an alert's channels receive it."""

from __future__ import annotations

import msgspec

from farebox.budgets.budget import COMMAND
from farebox.cli.alerts.alert_list import Name
from farebox.cli.exits import ANSWER_IS_NO, OK
from farebox.cli.options import AsJson, Place
from farebox.cli.outbox.receivers import trial_words, try_receiver
from farebox.cli.publication import publish_home
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import clean
from farebox.clock import now_ns
from farebox.control.outbox.trial import TrialOutcome
from farebox.errors import UsageError
from farebox.home import Home
from farebox.program import command
from farebox.server.api.alerts.alert_views import AlertView, alerts_view
from farebox.snapshot import read_snapshot


class TrialAnswer(msgspec.Struct, kw_only=True):
    """`farebox alerts test NAME --json`."""

    schema: str = "farebox.alert-test/1"
    alert: str
    channels: list[TrialOutcome]


def test(name: Name, /, *, place: Place | None = None, as_json: AsJson = False) -> int:
    """Send each channel of an alert what it would be told, with made-up figures, and say how it was received.

    PagerDuty opens an incident for it and resolves it at once.
    """
    home = (place or Place()).state()
    publish_home(home)
    view = alerts_view(home, now_ns(), name=name)
    found = view.alerts[0]
    if not found.to:
        raise UsageError(f"{name} names no channel, so nobody is told; {_how_to_name_one(found, home)}")
    there = [each for each in found.to if each in view.channels]
    if not there:
        raise UsageError(f"{name}: {'; '.join(found.problems)}")
    (alert,) = (each for each in read_snapshot(home).alerts if each.name == name)
    outcomes = [try_receiver(home, each, alert) for each in there]
    if as_json:
        print_json(TrialAnswer(alert=name, channels=outcomes))
    else:
        for each in outcomes:
            print(trial_words(each))
        for problem in found.problems:
            print(f"{clean(name)}: {clean(problem)}")
    has_arrived = all(each.outcome in ("arrived", "waits") for each in outcomes)
    return OK if has_arrived and not found.problems else ANSWER_IS_NO


def _how_to_name_one(found: AlertView, home: Home) -> str:
    if found.origin != COMMAND:
        return f"name one in `to`, in {found.origin}"
    return f"name one: {command(f'alerts set {found.name} --to CHANNEL', home)}"
