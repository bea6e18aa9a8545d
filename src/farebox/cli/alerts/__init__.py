"""`farebox alerts`: what somebody is told, and when."""

from __future__ import annotations

from cyclopts import App

from farebox.cli.alerts.alert_list import list_alerts

app = App(name="alerts", help="Be told when it happens: spend, jumps, what is new, failing or missing.")
app.default(list_alerts)
_COMMANDS = {
    "list": ("alert_list:list_alerts", "List the alerts: what each watches, who is told, what fires now."),
    "show": ("alert_list:show", "Show one alert, its settings, and what fires now."),
    "set": ("alert_setting:set_alert", "Set an alert, or change what you name of one."),
    "remove": ("alert_setting:remove", "Take an alert away."),
    "test": ("alert_trial:test", "Send a test to an alert's channels, and say how it was received."),
    "snooze": ("alert_snooze:snooze", "Tell nobody of an alert for a time."),
    "unsnooze": ("alert_snooze:unsnooze", "Tell of an alert again."),
    "history": ("alert_history:history", "List what alerts had to say, the newest first."),
    "simulate": ("alert_simulation:simulate", "Show what would have been told of the last 30 days."),
}
for _name, (_target, _help) in _COMMANDS.items():
    app.command(f"farebox.cli.alerts.{_target}", name=_name, help=_help)
