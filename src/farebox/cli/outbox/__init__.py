"""`farebox outbox`: messages to others, and who receives them."""

from __future__ import annotations

from cyclopts import App

from farebox.cli.outbox.messages import outbox

app = App(name="outbox", help="See what others are told, retry what failed; name receivers of webhooks.")
app.default(outbox)
_COMMANDS = {
    "show": ("messages:show", "Show one message: what it says, and how each attempt ended."),
    "retry": ("messages:retry", "Send again what was given up, or waits, now."),
    "cancel": ("messages:cancel", "Give up a message that is waiting or dead."),
    "receivers": ("receivers:app", "Name who receives messages; test, resume, remove them."),
}
for _name, (_target, _help) in _COMMANDS.items():
    app.command(f"farebox.cli.outbox.{_target}", name=_name, help=_help)
