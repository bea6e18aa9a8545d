"""`farebox run -- CMD`: meter one command and say what it spent. Nothing else is changed.

The command gets a proxy of its own, which ends with it. That way every call is counted under this run,
even from clients that cannot send a header, and the user's own base URLs can become upstreams. The
journal is shared: a running dashboard shows the calls live.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from farebox import clock
from farebox.cli.daemon.running import running
from farebox.cli.exits import UNWRITABLE, say
from farebox.cli.options import Place
from farebox.cli.publication import open_budgets, publish_home
from farebox.cli.reports.receipt import print_run_receipt
from farebox.cli.run.command_process import NeverStartedError, run_to_end, serve_what_is_left
from farebox.cli.run.environment import custom_headers, direct, labels_of, plan, redirections
from farebox.cli.run.interception import PASSWORD_VARIABLE, Interception, proxy_of_the_users
from farebox.cli.run.private_proxy import PrivateProxy
from farebox.config import ProviderConfig
from farebox.errors import (
    CertificateError,
    FareboxError,
    StateDirectoryError,
    StateDirectoryUnusableError,
    UsageError,
)
from farebox.home import Home
from farebox.program import command as command_line


def run(
    *command: Annotated[str, Parameter(help="The command with its arguments.", allow_leading_hyphen=True)],
    place: Place | None = None,
    app: Annotated[str | None, Parameter(help="Name to show it under; the program's own by default.")] = None,
    session: Annotated[str | None, Parameter(help="Session to count it under; a new one by default.")] = None,
    quiet: Annotated[bool, Parameter(help="Do not print what it cost.", negative="")] = False,
    intercept: Annotated[
        bool, Parameter(help="Also meter calls that ignore base URLs, by intercepting them.")
    ] = True,
    must_record: Annotated[
        bool, Parameter(help="Fail where not everything can be recorded.", negative="")
    ] = False,
    linger: Annotated[
        float | None,
        Parameter(
            help="How many seconds to serve processes that outlive the command; until they end by default."
        ),
    ] = None,
) -> int:
    """Run one command metered and print what it spent; its exit status is passed on."""
    if not command:
        raise UsageError(f"name the command to run: {command_line('run -- python app.py')}")
    from farebox import catalog

    chosen = place or Place()
    try:
        home = chosen.state()
        home.check_room()
    except (StateDirectoryError, StateDirectoryUnusableError) as error:
        if must_record:
            raise
        return _unmetered(list(command), error)
    config = chosen.configuration(home)
    publish_home(home)
    open_budgets(home, config)
    known = catalog.load(config.providers)
    daemon = running(home, "proxy")
    theirs = proxy_of_the_users(os.environ) if intercept else None
    intercept = intercept and theirs is None
    address = str(daemon.address) if daemon is not None else None
    plans = plan(known, os.environ, address, interception=intercept)
    for note in (*redirections(config), *plans.notes):
        say(note)
    if theirs is not None:
        say(f"{theirs} is yours and stays: only calls to a base URL are metered")
    program = app or os.environ.get("FAREBOX_APP") or app_name(list(command))
    session = session or os.environ.get("FAREBOX_SESSION") or f"run-{clock.uuid7().hex()[:16]}"
    labels = labels_of(os.environ, session=session, app=program)
    environment = {**os.environ, **custom_headers(known, os.environ, labels), **direct(os.environ)}
    environment["FAREBOX_SESSION"] = session  # a run inside this one counts under the same session
    started_ns = clock.now_ns()
    own = _interception(home, {**config.providers, **plans.upstreams}) if intercept else None
    proxy = PrivateProxy(home, config, plans.upstreams, own.authority.folder if own is not None else None)
    environment |= {name: f"http://{proxy.address}{path}" for name, path in plans.variables.items()}
    told = {f"FAREBOX_{label.upper()}": value for label, value in labels.items()}
    if own is not None:
        environment |= own.variables(proxy.address, proxy.folder)
        told[PASSWORD_VARIABLE] = own.password
    proxy.start({**os.environ, **told})
    try:
        status = run_to_end(list(command), environment, proxy.ended)
        serve_what_is_left(lambda: proxy.pid, proxy.ended, linger)
    except NeverStartedError as error:
        say(str(error))
        return error.status
    finally:
        recorded = proxy.recording()
        proxy.stop()
    if not quiet:
        print_run_receipt(home, config, session, started_ns, recorded)
    if must_record and recorded.state != "ok":
        say(f"not everything was recorded: {recorded.words or 'the proxy has ended'}")
        return status or UNWRITABLE
    return status


def _unmetered(command: list[str], why: FareboxError) -> int:
    """Run the command without a proxy: that calls cannot be recorded must not keep it from running."""
    say(f"{why}. The command runs, and nothing of it is recorded.")
    try:
        status = run_to_end(command, dict(os.environ), lambda _pid: None)
    except NeverStartedError as error:
        say(str(error))
        return error.status
    say("nothing of this run was recorded: what it spent is not known")
    return status


def _interception(home: Home, providers: dict[str, ProviderConfig]) -> Interception | None:
    """Return what a run needs for interception, None where that is not possible: base URLs still work."""
    from farebox import catalog

    try:
        return Interception(home, catalog.load(providers), os.environ)
    except CertificateError as error:
        say(f"{error}; only calls to a base URL are metered")
        return None


def app_name(command: list[str]) -> str:
    """Return what a command is called: the script for an interpreter, else the program."""
    from farebox.proxy.caller.command_line import read_command_line

    found = read_command_line(command)
    if not found.script:
        return found.program
    return found.script if found.flag == "-m" else Path(found.script).stem
