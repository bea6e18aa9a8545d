"""The tree of commands. Each is imported when it is used, and only then."""

from __future__ import annotations

from cyclopts import App

from farebox import __version__
from farebox.cli.options import AsJson, PeriodFlags, Place
from farebox.errors import UsageError
from farebox.nearest import did_you_mean
from farebox.program import command

_COMMANDS = {
    "up": "farebox.cli.daemon.up:up",
    "run": "farebox.cli.run.run_command:run",
    "status": "farebox.cli.daemon.status:status",
    "service": "farebox.cli.service:app",
    "health": "farebox.cli.daemon.health:health",
    "open": "farebox.cli.daemon.status:open_dashboard",
    "restart": "farebox.cli.daemon.up:restart",
    "stop": "farebox.cli.daemon.up:stop",
    "today": "farebox.cli.reports.summary:today",
    "week": "farebox.cli.reports.summary:week",
    "month": "farebox.cli.reports.summary:month",
    "by": "farebox.cli.reports.breakdown:by",
    "tail": "farebox.cli.reports.calls:tail",
    "explain": "farebox.cli.reports.calls:explain",
    "statusline": "farebox.cli.statusline:statusline",
    "top": "farebox.cli.top.top_command:top",
    "session": "farebox.cli.reports.session:session",
    "export": "farebox.cli.reports.export:export",
    "import": "farebox.cli.imports:app",
    "verify": "farebox.cli.reports.verify:verify",
    "audit": "farebox.cli.audit:app",
    "backup": "farebox.cli.backup:backup",
    "restore": "farebox.cli.backup:restore",
    "budget": "farebox.cli.budgets:app",
    "alerts": "farebox.cli.alerts:app",
    "stop-session": "farebox.cli.stops:stop_session",
    "stops": "farebox.cli.stops:app",
    "invoices": "farebox.cli.invoices:app",
    "margin": "farebox.cli.margins:margin",
    "customers": "farebox.cli.plans.customers:app",
    "plans": "farebox.cli.plans.plans:app",
    "subscriptions": "farebox.cli.plans.subscriptions:app",
    "simulate": "farebox.cli.simulation:simulate",
    "wallets": "farebox.cli.wallets:app",
    "coupons": "farebox.cli.coupons:app",
    "add-ons": "farebox.cli.coupons:add_ons_app",
    "payees": "farebox.cli.payees:app",
    "journal": "farebox.cli.money_journal:app",
    "prices": "farebox.cli.prices:app",
    "rerate": "farebox.cli.reports.rerate:rerate",
    "keys": "farebox.cli.keys:app",
    "tokens": "farebox.cli.tokens:app",
    "portal": "farebox.cli.portal:app",
    "outbox": "farebox.cli.outbox:app",
    "exports": "farebox.cli.exports:app",
    "privacy": "farebox.cli.privacy:app",
    "config": "farebox.cli.config:app",
    "ca": "farebox.cli.ca:app",
    "doctor": "farebox.cli.doctor.doctor_command:doctor",
    "demo": "farebox.cli.demo:demo",
    "completion": "farebox.cli.completion:completion",
}

_WORDS_FOR_FLAGS = ("help", "version")
"""Words that people type instead of a flag, see `main` and `as_help_flag`."""

_HELP = {
    "up": "Start the proxy, the ledger and the dashboard, and keep them running.",
    "run": "Run one command, meter its calls, and print what they cost.",
    "status": "Show what is running, where, and what needs attention.",
    "service": "Keep Farebox running after you log out: systemd on Linux, launchd on macOS.",
    "health": "Ask whether proxy and dashboard are live and ready: for scripts and containers.",
    "open": "Open the dashboard: print a one-time link and start the browser.",
    "restart": "Start a new proxy and retire the old one without failing a request.",
    "stop": "Stop everything that `up` started.",
    "today": "Show what was spent today.",
    "week": "Show what was spent since Monday.",
    "month": "Show what was spent since the first of the month.",
    "by": "Break the spend down, for example by `model,app`.",
    "tail": "List the latest calls; `-f` keeps listing new ones.",
    "session": "Show a session as a tree of agents, with its context and cache.",
    "top": "Show live what is spending now; `k` stops a session.",
    "statusline": "Print one line for a status bar: Claude Code, tmux, starship.",
    "explain": "Print a call's receipt: quantity × unit price = amount, line by line.",
    "export": "Write every call as JSON lines or CSV.",
    "import": "Import what was used before: agents' logs on this machine, and exported files.",
    "verify": "Check that the ledger is complete and unedited.",
    "audit": "See who changed what; verify and export it, with the record and invoices.",
    "backup": "Copy everything that is kept, verified, while it is in use.",
    "restore": "Make a verified backup the state directory.",
    "budget": "Limit what may be spent: by customer, session, model, tag, or in all.",
    "alerts": "Be told when it happens: spend, jumps, what is new, failing or missing.",
    "stop-session": "Refuse further calls of a session, a key or a process.",
    "stops": "List what is refused by command, and let it pass again.",
    "rerate": "Price again the calls that had no price; `--apply` corrects them.",
    "invoices": "Draft, issue, show and credit customers' invoices.",
    "simulate": "Show what past invoices would have come to by other plans, prices or models.",
    "margin": "Show revenue, provider cost and margin by customer, agent, model or outcome.",
    "customers": "See and set who is billed, and which keys, users, agents and tags are theirs.",
    "plans": "See and apply what customers are charged: plans in YAML, with versions.",
    "subscriptions": "Put customers on plans, from a day on; change and end it on another.",
    "wallets": "See, fill and empty the wallets that pay customers' invoices.",
    "coupons": "Give customers discounts, with dates and for a number of invoices.",
    "add-ons": "Charge customers for something without usage, once or every period.",
    "payees": "List who has shares of invoices and what they are owed; print statements.",
    "journal": "List and verify the double entries beneath invoices, wallets and shares.",
    "prices": "Show, check, set, import and update prices.",
    "config": "Show what is configured and where it comes from; check a file; trust a directory.",
    "tokens": "Create, list and revoke the tokens that other machines show.",
    "keys": "Give API keys names, and assign them to customers, users or projects.",
    "portal": "Give customers a link to their own usage, charges and invoices.",
    "outbox": "See what others are told, retry what failed; name receivers of webhooks.",
    "exports": "Hand usage over to Stripe, Lago, OpenMeter, Orb or Metronome.",
    "privacy": "Erase what names a person, and keep every call and sum.",
    "ca": "Create, install and remove the certificates that interception needs.",
    "doctor": "Test this installation and the clients on this machine.",
    "demo": "Fill a separate home with made-up data, to look around in.",
    "completion": "Print or install completion for bash, zsh or fish.",
}

app = App(
    name="farebox",
    help="Meters every LLM call, prices it exactly, and bills for it.",
    version=__version__,
    version_flags=["--version", "-v"],
    help_format="plaintext",
)
for _name, _target in _COMMANDS.items():
    app.command(_target, name=_name, help=_HELP[_name])


@app.default
def _default(
    *, place: Place | None = None, period: PeriodFlags | None = None, as_json: AsJson = False
) -> int:
    """Show today's spend and what to type next."""
    from farebox.cli.reports import summary

    if as_json:
        return summary.today(place=place, period=period, as_json=True)
    return summary.overview(place or Place(), period or PeriodFlags())


def as_help_flag(arguments: list[str]) -> list[str]:
    """Return `arguments` with the word `help` as the flag it stands for: `help by` is `by --help`."""
    if arguments[:1] != ["help"]:
        return arguments
    return [*(word for word in arguments[1:] if not word.startswith("-")), "--help"]


def check_command(arguments: list[str]) -> None:
    """Raise `UsageError` with a suggestion for a first word that is no command."""
    if arguments and not arguments[0].startswith("-") and arguments[0] not in _COMMANDS:
        hint = did_you_mean(arguments[0], [*_COMMANDS, *_WORDS_FOR_FLAGS])
        raise UsageError(f"there is no command {arguments[0]!r}{hint}; see: {command('help')}")


RUN_OPTIONS_WITH_VALUE = frozenset(("--home", "--config", "--app", "--session", "--tag", "--linger"))


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
