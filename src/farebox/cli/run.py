"""`farebox run -- CMD`: meter one command and say what it spent. Nothing else is changed.

The command gets a proxy to itself, which ends with it: only so is every call counted under this
run, also those of clients that cannot carry a header, and only so can the user's own base URLs
become upstreams. The journal is shared: a running dashboard shows the calls live.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

from cyclopts import Parameter

from farebox import clock
from farebox.cli.environment import custom_headers, direct, labels_of, plan, redirections
from farebox.cli.exits import say
from farebox.cli.interception import PASSWORD_VARIABLE, Interception, proxy_of_the_users
from farebox.cli.options import Place
from farebox.cli.private_proxy import PrivateProxy
from farebox.cli.receipt import print_run_receipt
from farebox.cli.running import running
from farebox.config import ProviderConfig
from farebox.errors import CertificateError, UsageError
from farebox.home import Home
from farebox.program import command as command_line

NOT_FOUND, NOT_EXECUTABLE = 127, 126
_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def run(
    *command: Annotated[str, Parameter(help="The command with its arguments.", allow_leading_hyphen=True)],
    place: Place | None = None,
    app: Annotated[str | None, Parameter(help="Name to show it under; the program's own by default.")] = None,
    session: Annotated[str | None, Parameter(help="Session to count it under; a new one by default.")] = None,
    quiet: Annotated[bool, Parameter(help="Do not print what it cost.", negative="")] = False,
    intercept: Annotated[
        bool, Parameter(help="Also meter calls that ignore base URLs, by intercepting them.")
    ] = True,
) -> int:
    """Run one command metered and print what it spent; its exit status is passed on."""
    if not command:
        raise UsageError(f"name the command to run: {command_line('run -- python app.py')}")
    from farebox import catalog

    chosen = place or Place()
    home = chosen.state()
    config = chosen.configuration(home)
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
        status = _run_to_end(list(command), environment, proxy)
    except _NeverStartedError as error:
        say(str(error))
        return error.status
    finally:
        recorded = proxy.recording()
        proxy.stop()
    if not quiet:
        print_run_receipt(home, config, session, started_ns, recorded)
    return status


def _interception(home: Home, providers: dict[str, ProviderConfig]) -> Interception | None:
    """Return what a run intercepts with, None where that cannot be: base URLs still work."""
    from farebox import catalog

    try:
        return Interception(home, catalog.load(providers), os.environ)
    except CertificateError as error:
        say(f"{error}; only calls to a base URL are metered")
        return None


def app_name(command: list[str]) -> str:
    """Return what a command is called: the script for an interpreter, else the program."""
    from farebox.proxy.command_line import read_command_line

    found = read_command_line(command)
    if not found.script:
        return found.program
    return found.script if found.flag == "-m" else Path(found.script).stem


def _run_to_end(command: list[str], environment: dict[str, str], proxy: PrivateProxy) -> int:
    """Run the command in our own terminal and group; return its status, 128 + n for a signal.

    Raises:
        _NeverStartedError: There is nothing to run.
    """
    program = shutil.which(command[0], path=environment.get("PATH"))
    if program is None:
        exists = Path(command[0]).exists()
        if exists:
            raise _NeverStartedError(f"{command[0]}: not executable", NOT_EXECUTABLE)
        raise _NeverStartedError(f"{command[0]}: command not found", NOT_FOUND)
    sys.stdout.flush()
    previous = {number: signal.getsignal(number) for number in (*_FORWARDED, signal.SIGINT, signal.SIGQUIT)}
    forwarder = _Forwarder()
    # Set before the command starts, so that no signal falls between; a handler is reset in the
    # command by exec. The terminal sends INT and QUIT to the whole group: the command decides
    # what they mean, we stay to count. What the user had us ignore stays ignored.
    for number, handler in previous.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, forwarder.take if number in _FORWARDED else _stay)
    try:
        # Python ignores SIGPIPE; the command is started as a shell would start it.
        child = os.posix_spawn(program, command, environment, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ])
        forwarder.deliver_to(child)
        return _wait(child, proxy)
    except OSError as error:
        raise _NeverStartedError(f"{command[0]}: {error.strerror}", NOT_EXECUTABLE) from None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class _NeverStartedError(Exception):
    """There is no such program, or it cannot be run: it made no calls, so there is no receipt."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class _Forwarder:
    """Pass signals on to the command, those that came before it was there, too."""

    def __init__(self) -> None:
        self._child = 0
        self._early: list[int] = []

    def take(self, number: int, _frame: FrameType | None) -> None:
        if self._child:
            _forward(self._child, number)
        else:
            self._early.append(number)

    def deliver_to(self, child: int) -> None:
        self._child = child
        for number in self._early:
            _forward(child, number)


def _stay(_number: int, _frame: FrameType | None) -> None:
    return


def _forward(child: int, number: int) -> None:
    try:
        os.kill(child, number)
    except ProcessLookupError:
        return


def _wait(child: int, proxy: PrivateProxy) -> int:
    while True:
        pid, raw = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(raw)
            return 128 - code if code < 0 else code
        if pid == proxy.pid:
            proxy.revive()
