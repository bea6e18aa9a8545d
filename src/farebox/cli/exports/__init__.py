"""`farebox exports`: systems that usage is handed over to."""

from __future__ import annotations

from cyclopts import App

from farebox.cli.exports.export_list import list_exports

app = App(name="exports", help="Hand usage over to Stripe, Lago, OpenMeter, Orb or Metronome.")
app.default(list_exports)
_COMMANDS = {
    "list": ("export_list:list_exports", "List the exports, and how each is doing."),
    "status": ("export_list:status", "Show one export, and the events that need somebody."),
    "add": ("export_setting:add", "Add an export, or change it."),
    "remove": ("export_setting:remove", "Remove an export; what its receiver has stays known."),
    "pause": ("export_setting:pause", "Send nothing until it is resumed."),
    "resume": ("export_setting:resume", "Go on from where it was paused or stopped."),
    "test": ("export_events:test", "Ask the receiver whether it knows our key; no usage is sent."),
    "replay": ("export_events:replay", "Send events again that were refused or cancelled."),
    "settle": ("export_events:settle", "Say what became of events that are in doubt."),
    "reconcile": ("export_events:reconcile", "Compare what the receiver has with the record, day by day."),
}
for _name, (_target, _help) in _COMMANDS.items():
    app.command(f"farebox.cli.exports.{_target}", name=_name, help=_help)
