"""`farebox up`, `stop` and `restart`: the daemon's life."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from farebox.cli.daemon.ports import bind, holder
from farebox.cli.daemon.running import Running, alive, running
from farebox.cli.exits import OK, UNAVAILABLE, AlreadyRunningError, say
from farebox.cli.options import Place
from farebox.cli.publication import publish_home
from farebox.cli.run.environment import redirections
from farebox.cli.setting_flags import SettingFlags
from farebox.config import Address, Config
from farebox.errors import LedgerError
from farebox.home import Home
from farebox.journal.progress import progress_path
from farebox.program import command

STOP_SECONDS = 45


def up(
    *,
    place: Place | None = None,
    detach: Annotated[
        bool, Parameter(help="Run in the background; `farebox stop` ends it.", negative="")
    ] = False,
    settings: SettingFlags | None = None,
) -> int:
    """Start the proxy, the ledger and the dashboard, and keep them running."""
    chosen = place or Place()
    home = chosen.state()
    home.check_room()
    lock = take_lock(home)
    config = chosen.configuration(home, (settings or SettingFlags()).given())
    check_catalog(config)
    check_ledger(home)
    publish_home(home)
    for note in redirections(config):
        say(note)
    listener = bind(config.listen)
    port: int = listener.getsockname()[1]
    _report_if_moved("proxy", config.listen, port)
    server = bind(config.dashboard, taken=frozenset((port,)))
    dashboard = Address(config.dashboard.host, server.getsockname()[1])
    _report_if_moved("dashboard", config.dashboard, dashboard.port)
    server.close()  # the server process binds it; nothing was ever accepted here
    os.set_inheritable(listener.fileno(), True)
    os.set_inheritable(lock, True)
    arguments = [
        *(sys.executable, "-P", "-m", "farebox.cli.daemon.supervisor"),
        *(str(home.path), config.named or "-", str(listener.fileno()), str(lock), str(dashboard)),
        "-" if detach or os.environ.get("FAREBOX_DETACHED") else "banner",
        *(f"{key}={text}" for key, text in config.flags.items()),
    ]
    for name in ("proxy", "ledger", "server"):
        (home.run / f"{name}.json").unlink(missing_ok=True)  # of a run that was killed
    progress_path(home.journal).unlink(missing_ok=True)
    sys.stdout.flush()
    if not detach:
        os.execv(sys.executable, arguments)
    return _detached(home, arguments)


def stop(*, place: Place | None = None) -> int:
    """Stop what `farebox up` started, after requests in flight have ended."""
    home = (place or Place()).state_to_read()
    supervisor, proxy = running(home, "supervisor"), running(home, "proxy")
    if supervisor is None:
        say("nothing is running")
        return OK
    os.kill(supervisor.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        if not alive(supervisor.pid) or not (home.run / "supervisor.json").exists():
            print("Stopped.")
            for line in _not_kept(home, proxy):
                say(line)
            return OK
        time.sleep(0.05)
    say(f"pid {supervisor.pid} has not stopped after {STOP_SECONDS} s")
    return UNAVAILABLE


def _not_kept(home: Home, proxy: Running | None) -> list[str]:
    """Return which records of the proxy's run are lost, and which are not in the ledger yet."""
    from farebox.ledger.calls import LedgerReader
    from farebox.server.api.coverage.coverage import coverage, warnings
    from farebox.time_expressions import ns_of

    if proxy is None or not proxy.started_at:
        return []
    try:
        return warnings(coverage(home, LedgerReader(home), ns_of(datetime.fromisoformat(proxy.started_at))))
    except LedgerError as error:
        return [str(error)]


def restart(*, place: Place | None = None) -> int:
    """Start a new proxy; the old one finishes its requests, and none fails."""
    home = (place or Place()).state()
    supervisor, before = running(home, "supervisor"), running(home, "proxy")
    if supervisor is None:
        say(f"nothing is running; type: {command('up', home)}")
        return UNAVAILABLE
    os.kill(supervisor.pid, signal.SIGHUP)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        now = running(home, "proxy")
        if now is not None and (before is None or now.pid != before.pid):
            print(f"A new proxy (pid {now.pid}) has taken over on {now.address}.")
            return OK
        time.sleep(0.05)
    say("the new proxy did not start; the old one keeps running")
    return UNAVAILABLE


def take_lock(home: Home) -> int:
    """Return the locked descriptor that says "one Farebox a state directory".

    Raises:
        AlreadyRunningError: Another one holds it.
    """
    descriptor = os.open(home.run / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise AlreadyRunningError(_running_words(home)) from None
    return descriptor


def check_catalog(config: Config) -> None:
    """Load catalog and prices once, so that mistakes in them are reported before anything starts."""
    from farebox import catalog, pricing

    catalog.load(config.providers)
    pricing.load_book(config.pricing, directory=config.directory_pricing)


def check_ledger(home: Home) -> None:
    """Open the ledger once, so that one that cannot be used is reported at once.

    Raises:
        LedgerError: It is damaged, another program's, or another Farebox's.
    """
    from farebox.ledger.database import open_reader

    connection = open_reader(home)
    if connection is not None:
        connection.close()


def _running_words(home: Home) -> str:
    proxy, server = running(home, "proxy"), running(home, "server")
    where = f" (proxy {proxy.address})" if proxy else ""
    look = command("open" if server else "status", home)
    return f"Farebox is already running for {home.path}{where}; type: {look}, or {command('stop', home)}"


def _report_if_moved(what: str, wanted: Address, port: int) -> None:
    if wanted.port not in (0, port):
        say(f"port {wanted.port} is in use by {holder(wanted.port)}; the {what} listens on {port} instead")


def _detached(home: Home, arguments: list[str]) -> int:
    log = os.open(home.run / "farebox.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.environ["FAREBOX_DETACHED"] = "1"
        nothing = os.open(os.devnull, os.O_RDONLY)
        for target, source in ((0, nothing), (1, log), (2, log)):
            os.dup2(source, target)
        os.execv(sys.executable, arguments)
    os.close(log)
    ended = _wait_for(home, pid)
    if ended is not None:
        say(f"it did not start; see {home.run / 'farebox.log'}. It said last:")
        print(_last_line(home.run / "farebox.log"), file=sys.stderr)  # it names the process
        return ended or UNAVAILABLE
    from farebox.cli.daemon.banner import show

    show(home, detached=True)
    return OK


def _wait_for(home: Home, pid: int, seconds: float = 20) -> int | None:
    """Return None once proxy, ledger and server are up under the supervisor `pid`, else its exit status."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return max(os.waitstatus_to_exitcode(status), 0)
        if all(running(home, name) for name in ("proxy", "ledger", "server")):
            return None
        time.sleep(0.02)
    return UNAVAILABLE


def _last_line(log: Path) -> str:
    try:
        return log.read_text(errors="replace").rstrip().rpartition("\n")[2][-500:]
    except OSError as error:
        return f"{log} cannot be read: {error.strerror}"
