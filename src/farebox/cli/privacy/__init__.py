"""`farebox privacy`: what is kept of persons, handed out, erased, and forgotten after a time."""

from __future__ import annotations

from cyclopts import App

app = App(
    name="privacy",
    help="See, hand out and erase what names a person: a user, a customer, a session, a task, a tag.",
)
_COMMANDS = {
    "report": ("privacy_report:report", "Show what is stored where and until when; of one person, where."),
    "export": ("privacy_export:export", "Write everything that is kept of one person as JSON."),
    "erase": ("privacy_erase:erase", "Erase values that name a person from everything that is kept."),
    "retention": ("privacy_retention:retention", "Erase values that no call has had for some time."),
}
for _name, (_target, _help) in _COMMANDS.items():
    app.command(f"farebox.cli.privacy.{_target}", name=_name, help=_help)
