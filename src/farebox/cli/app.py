"""The tree of commands. Each is imported when it is used, and only then."""

from __future__ import annotations

from cyclopts import App

from farebox import __version__
from farebox.cli.options import AsJson, PeriodFlags, Place
from farebox.config import did_you_mean
from farebox.errors import UsageError

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
    "rerate": "farebox.cli.rerate:rerate",
    "keys": "farebox.cli.keys:app",
    "ca": "farebox.cli.ca:app",
    "doctor": "farebox.cli.doctor:doctor",
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
    "rerate": "Show what the prices in force make of unpriced calls; correct them with --apply.",
    "prices": "Look at prices, check them, set, import and update them.",
    "keys": "Name API keys by their fingerprints, and say whose they are.",
    "ca": "Make, install and remove the certificates that interception needs.",
    "doctor": "Try every client of this machine and look for what is amiss.",
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
def _default(
    *, place: Place | None = None, period: PeriodFlags | None = None, as_json: AsJson = False
) -> int:
    """Show today's spend and what to type next."""
    from farebox.cli import summary

    if as_json:
        return summary.today(place=place, period=period, as_json=True)
    return summary.overview(place or Place(), period or PeriodFlags())


def check_command(arguments: list[str]) -> None:
    """Raise `UsageError` with a suggestion for a first word that is no command."""
    if arguments and not arguments[0].startswith("-") and arguments[0] not in _COMMANDS:
        hint = did_you_mean(arguments[0], list(_COMMANDS))
        raise UsageError(f"there is no command {arguments[0]!r}{hint}; see: farebox --help")


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
