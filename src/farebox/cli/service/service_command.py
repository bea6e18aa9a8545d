"""`farebox service install`, `remove` and `status`."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from farebox.cli.daemon.running import Running, running
from farebox.cli.exits import ANSWER_IS_NO, OK, UNAVAILABLE, say
from farebox.cli.options import AsJson, Place
from farebox.cli.reports import json_shapes
from farebox.cli.service.service_manager import MARKER, ServiceManager, State, manager_here, said_by, service
from farebox.config import find_file
from farebox.errors import FareboxError, StateDirectoryUnusableError, UsageError
from farebox.home import Home, replace_private
from farebox.program import command

START_SECONDS = 20

DryRun = Annotated[bool, Parameter(help="Print what would be done, and do nothing.", negative="")]


class NoServiceManagerError(FareboxError):
    """There is neither systemd nor launchd."""

    code = "service_manager_unknown"


def install(*, place: Place | None = None, dry_run: DryRun = False, as_json: AsJson = False) -> int:
    """Have it start with your session and again when it fails; safe to repeat."""
    manager, chosen = _manager(), place or Place()
    home = chosen.state()
    config = _named_config(chosen)
    chosen.configuration(home)
    text = manager.text(service(home.path, config))
    before = _written(manager)
    if before is not None and MARKER not in before:
        raise UsageError(f"{manager.path} was not written by Farebox; move it away first")
    state = manager.state() if before is not None else State()
    changed = before != text
    commands = manager.starting(loaded=state.active or (before is not None and manager.name == "launchd"))
    if dry_run:
        return _told(manager, home, _lines(commands, changed), text=text, as_json=as_json)
    if changed:
        _write(manager.path, text)
    if not manager.responds():
        return _told(
            manager, home, [f"{manager.name} does not respond here; in a session of yours, type:"],
            type_this=commands, as_json=as_json,
        )  # fmt: skip
    if not changed and state.active and state.enabled:
        return _told(manager, home, ["Nothing to do: it is installed and runs."], as_json=as_json)
    by_hand = _by_hand(home, state)
    if by_hand is not None:
        commands = commands[:-1]
    _run(commands)
    done = [f"{'Wrote' if before is None or changed else 'Kept'} {manager.path}"]
    if by_hand is not None:
        stop = command("stop", home)
        done.append(f"Farebox runs already (pid {by_hand.pid}), started by hand. To hand over, type:")
        return _told(
            manager, home, done, type_this=[shlex.split(stop), manager.starting(loaded=False)[-1]],
            as_json=as_json,
        )  # fmt: skip
    if not _has_started(home):
        say(f"it did not start within {START_SECONDS} s; see: {manager.logs}")
        return UNAVAILABLE
    done.append("It runs, and starts by itself from now on.")
    _say_which_file(home, config)
    return _told(manager, home, done, as_json=as_json)


def remove(*, place: Place | None = None, dry_run: DryRun = False, as_json: AsJson = False) -> int:
    """Stop it and take it out of the service manager; what is recorded stays."""
    manager = _manager()
    home = (place or Place()).state_to_read()
    before = _written(manager)
    if before is None:
        return _told(manager, home, ["Nothing to do: it is not installed."], as_json=as_json)
    if MARKER not in before:
        raise UsageError(f"{manager.path} was not written by Farebox; remove it yourself")
    commands = manager.stopping()
    if dry_run:
        return _told(manager, home, [*_lines(commands, False), f"rm {manager.path}"], as_json=as_json)
    reached = manager.responds()
    if reached:
        _run(commands)
    manager.path.unlink(missing_ok=True)
    if reached:
        _run(manager.after_removal())
    return _told(manager, home, [f"Removed {manager.path}; what is recorded stays."], as_json=as_json)


def status(*, place: Place | None = None, as_json: AsJson = False) -> int:
    """Show whether it is installed and runs; 1 means that it does not run."""
    manager = _manager()
    home = (place or Place()).state_to_read()
    state = manager.state()
    lines = [
        f"{manager.path} {'is there' if _written(manager) is not None else 'is not there'}",
        f"starts by itself: {'yes' if state.enabled else 'no'}",
        f"runs: yes (pid {state.pid})" if state.active else "runs: no",
    ]
    if not state.active and _by_hand(home, state) is not None:
        lines.append(f"Farebox runs, but not as a service: {command('status', home)}")
    _told(manager, home, lines, as_json=as_json)
    return OK if state.active else ANSWER_IS_NO


def _manager() -> ServiceManager:
    found = manager_here()
    if found is None:
        raise NoServiceManagerError(
            f"neither systemd nor launchd is here; let what you have run: {command('up')}"
        )
    return found


def _named_config(chosen: Place) -> Path | None:
    """Return the configuration file that was named; the working directory's is not the service's."""
    named = chosen.config or os.environ.get("FAREBOX_CONFIG")
    return Path(named).expanduser().absolute() if named else None


def _say_which_file(home: Home, config: Path | None) -> None:
    here = find_file(home, config)
    if config is None and here is not None and here != home.config:
        say(f"the service does not read {here}; to have it do so, repeat this with --config {here}")


def _written(manager: ServiceManager) -> str | None:
    try:
        return manager.path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_private(path, text.encode())
    except OSError as error:
        raise StateDirectoryUnusableError(f"{path} cannot be written: {error.strerror}") from error


def _by_hand(home: Home, state: State) -> Running | None:
    """Return the supervisor that runs without the manager: two cannot share a state directory."""
    found = running(home, "supervisor")
    return found if found is not None and found.pid != state.pid else None


def _run(commands: list[list[str]]) -> None:
    for each in commands:
        failed, said = said_by(each)
        if failed:
            raise NoServiceManagerError(f"{shlex.join(each)} ended with {failed}: {said[-300:]}")


def _has_started(home: Home) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if all(running(home, name) for name in ("supervisor", "proxy", "ledger", "server")):
            return True
        time.sleep(0.05)
    return False


def _lines(commands: list[list[str]], write: bool) -> list[str]:
    return [*(["(write the file above)"] if write else []), *map(shlex.join, commands)]


def _told(
    manager: ServiceManager,
    home: Home,
    lines: list[str],
    *,
    type_this: list[list[str]] | None = None,
    text: str | None = None,
    as_json: bool,
) -> int:
    """Print what was done, what is left to type, and how to see more."""
    left = [shlex.join(each) for each in type_this or []]
    if as_json:
        state = manager.state()
        json_shapes.print_json(
            json_shapes.ServiceAnswer(
                manager=manager.name,
                file=str(manager.path),
                installed=_written(manager) is not None,
                enabled=state.enabled,
                active=state.active,
                pid=state.pid,
                logs=manager.logs,
                home=str(home.path),
                text=text,
                done=lines,
                type_this=left,
            )
        )
        return OK
    if text is not None:
        print(f"# {manager.path}\n{text}")
    for line in [*lines, *(f"  {line}" for line in left)]:
        print(line)
    advice = manager.advice()
    if text is None and _written(manager) is not None:
        print(f"Logs:  {manager.logs}")
        if advice is not None:
            print(f"Note: {advice}")
    return OK
