"""The tree of commands. Each is imported when it is used, and only then."""

from __future__ import annotations

from cyclopts import App

from farebox import __version__

_COMMANDS = {
    "up": "farebox.cli.up:up",
    "run": "farebox.cli.run:run",
    "status": "farebox.cli.status:status",
    "open": "farebox.cli.status:open_dashboard",
    "restart": "farebox.cli.up:restart",
    "stop": "farebox.cli.up:stop",
    "today": "farebox.cli.summary:today",
    "week": "farebox.cli.summary:week",
    "month": "farebox.cli.summary:month",
    "by": "farebox.cli.breakdown:by",
    "tail": "farebox.cli.calls:tail",
    "explain": "farebox.cli.calls:explain",
    "export": "farebox.cli.export:export",
    "verify": "farebox.cli.verify:verify",
    "prices": "farebox.cli.prices:app",
    "completion": "farebox.cli.completion:completion",
}

_HELP = {
    "up": "Start the proxy, the ledger and the dashboard, and keep them running.",
    "run": "Run one command metered, and print what it spent.",
    "status": "Show what is running, where, and whether anything is amiss.",
    "open": "Print (and open) a one-time link to the dashboard.",
    "restart": "Hand over to a fresh proxy without failing a request.",
    "stop": "Stop what `farebox up` started.",
    "today": "What was spent today.",
    "week": "What was spent since Monday.",
    "month": "What was spent since the first of the month.",
    "by": "Break the spend down: `farebox by model,app`.",
    "tail": "List the latest calls; `-f` follows them live.",
    "explain": "Print a call's receipt: quantity × unit price = amount, line by line.",
    "export": "Write every call as JSON lines or CSV.",
    "verify": "Check that the ledger is complete and unedited.",
    "prices": "Look at prices.",
    "completion": "Print or install completion for bash, zsh or fish.",
}

app = App(
    name="farebox",
    help="Meters every LLM call, prices it exactly, and bills for it.",
    version=__version__,
    version_flags=["--version"],
    help_format="plaintext",
)
for _name, _target in _COMMANDS.items():
    app.command(_target, name=_name, help=_HELP[_name])


@app.default
def _default() -> int:
    """Show today's spend and what to type next."""
    from farebox.cli.options import PeriodFlags, Place
    from farebox.cli.summary import overview

    return overview(Place(), PeriodFlags())


RUN_OPTIONS_WITH_VALUE = frozenset(("--home", "--config", "--app", "--session", "--tag"))


def with_command_separator(arguments: list[str]) -> list[str]:
    """Return `arguments` with `--` before the command of `farebox run`, where it was left out.

    Everything from the command's own name on belongs to the command, options included.
    """
    if not arguments or arguments[0] != "run":
        return arguments
    index = 1
    while index < len(arguments):
        word = arguments[index]
        if word in ("--", "--help", "-h"):
            return arguments
        if not word.startswith("-"):
            return [*arguments[:index], "--", *arguments[index:]]
        index += 2 if word in RUN_OPTIONS_WITH_VALUE else 1
    return arguments
