"""`farebox run -- CMD`: meter one command and say what it spent. Nothing else is changed.

A running Farebox is used; without one, or where the user's own base URLs need upstreams of
their own, the command gets a proxy to itself that ends with it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from farebox import clock
from farebox.cli.environment import custom_headers, label_headers, plan
from farebox.cli.exits import say
from farebox.cli.options import Place
from farebox.cli.private_proxy import PrivateProxy
from farebox.cli.receipt import print_run_receipt
from farebox.cli.running import running
from farebox.errors import UsageError

NOT_FOUND, NOT_EXECUTABLE = 127, 126
_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def run(
    *command: Annotated[str, Parameter(help="The command with its arguments.", allow_leading_hyphen=True)],
    place: Place | None = None,
    app: Annotated[str | None, Parameter(help="Name to show it under; the program's own by default.")] = None,
    session: Annotated[str | None, Parameter(help="Session to count it under; a new one by default.")] = None,
    quiet: Annotated[bool, Parameter(help="Say nothing at the end.", negative="")] = False,
) -> int:
    """Run one command metered and print what it spent; its exit status is passed on."""
    if not command:
        raise UsageError("name the command: farebox run -- python app.py")
    from farebox import catalog

    chosen = place or Place()
    home = chosen.state()
    config = chosen.configuration(home)
    known = catalog.load(config.providers)
    proxy = running(home, "proxy")
    own = str(proxy.address) if proxy is not None and proxy.address is not None else None
    plans = plan(known, os.environ, own)
    for note in plans.notes:
        say(note)
    name = app or os.environ.get("FAREBOX_APP") or app_name(list(command))
    session = session or os.environ.get("FAREBOX_SESSION") or f"run-{clock.uuid7().hex()[:16]}"
    labels = label_headers(os.environ, session=session, app=name)
    environment = {**os.environ, **custom_headers(known, os.environ, labels)}
    environment |= {"FAREBOX_SESSION": session, "FAREBOX_APP": name}
    started_ns = clock.now_ns()
    private = None if own is not None and not plans.upstreams else PrivateProxy(home, config, plans.upstreams)
    address = own or ""
    if private is not None:
        private.start(environment)
        address = private.address
    environment |= {variable: f"http://{address}{path}" for variable, path in plans.variables.items()}
    try:
        status = _run_to_end(list(command), environment, private)
    finally:
        if private is not None:
            private.stop()
    if not quiet:
        print_run_receipt(home, config, session, started_ns)
    return status


def app_name(command: list[str]) -> str:
    """Return what a command is called: the script for an interpreter, else the program."""
    program = Path(command[0]).name
    if program.startswith(("python", "node", "bun", "deno", "ruby", "php", "uv", "npx", "bash", "sh")):
        arguments = command[1:]
        for index, word in enumerate(arguments):
            if word == "-m" and index + 1 < len(arguments):
                return arguments[index + 1]
            if word.startswith("-"):
                if word == "-c":
                    break
                continue
            if word not in ("run", "tool"):
                return Path(word).stem or program
    return program


def _run_to_end(command: list[str], environment: dict[str, str], private: PrivateProxy | None) -> int:
    """Run the command in our own terminal and group; return its status, 128 + n for a signal."""
    program = shutil.which(command[0], path=environment.get("PATH"))
    if program is None:
        exists = Path(command[0]).exists()
        say(f"{command[0]}: {'not executable' if exists else 'command not found'}")
        return NOT_EXECUTABLE if exists else NOT_FOUND
    sys.stdout.flush()
    previous = {number: signal.getsignal(number) for number in (*_FORWARDED, signal.SIGINT, signal.SIGQUIT)}
    # The terminal sends these to the whole group: the command decides what they mean, we stay
    # to count. Set before the fork: a handler is reset in the child by exec, "ignore" would not be.
    for number in (signal.SIGINT, signal.SIGQUIT):
        if previous[number] != signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)
    try:
        # Python ignores SIGPIPE; the command is started as a shell would start it.
        child = os.posix_spawn(program, command, environment, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ])
        for number in _FORWARDED:
            if previous[number] != signal.SIG_IGN:
                signal.signal(number, lambda received, _frame: _forward(child, received))
        return _wait(child, private)
    except OSError as error:
        say(f"{command[0]}: {error.strerror}")
        return NOT_EXECUTABLE
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _forward(child: int, number: int) -> None:
    try:
        os.kill(child, number)
    except ProcessLookupError:
        return


def _wait(child: int, private: PrivateProxy | None) -> int:
    while True:
        pid, raw = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(raw)
            return 128 - code if code < 0 else code
        if private is not None and pid == private.pid:
            private.revive()
