"""Open what a command needs: the record, brought up to date with the journals where possible, and the
replica that answers questions."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from farebox.access.own_listener import connect_to
from farebox.cli.daemon.running import Running, running
from farebox.cli.exits import say
from farebox.cli.options import Place
from farebox.errors import ConfigError, LedgerUnwritableError
from farebox.home import Home

if TYPE_CHECKING:
    from farebox.analytics.query import Reply, Request
    from farebox.analytics.questions import Asker, Questions
    from farebox.analytics.replicator import Progress
    from farebox.ledger.calls import LedgerReader

PATIENCE_SECONDS = 2.0
"""A working ledger process is behind by milliseconds; a command does not wait long for one that is stuck."""

DEMO = "DEMO DATA"
SAID_OF: set[Path] = set()
_CONNECT_SECONDS = 1.0
_REPLY_SECONDS = 120.0
_REPLY_BYTES_MAX = 256 << 20
_PAUSE_SECONDS = 0.5


def open_ledger(
    place: Place, patience_s: float = PATIENCE_SECONDS, *, whatever_the_file_says: bool = False
) -> tuple[Home, LedgerReader]:
    """Return the state directory and its record, up to date whether or not a daemon runs.

    Where it cannot be brought up to date, it is returned as it is, and says why. So it is while the
    configuration is wrong, for commands that say what is wrong themselves (`whatever_the_file_says`).

    Raises:
        ConfigError: The configuration is wrong.
    """
    from farebox.ledger import catch_up
    from farebox.ledger.calls import LedgerReader

    home = place.state_to_read()
    say_if_demo(home)
    ledger = LedgerReader(home)
    health = ledger.health()
    if not health.running and not health.journal_bytes_pending and home.ledger.exists():
        return home, ledger  # importing what applies and rates would take longer than this command does
    try:
        catch_up(home, place.configuration(home))
    except ConfigError:
        if not whatever_the_file_says:
            raise
        if not health.running:
            ledger.trouble = "calls are not applied to the ledger while the configuration is wrong"
    except LedgerUnwritableError as error:
        ledger.trouble = str(error)
        return home, ledger
    _await_process(ledger, patience_s)
    return home, ledger


def say_if_demo(home: Home) -> None:
    """Say on standard error that a demo's figures are made up, once a command."""
    if home.is_demo and home.path not in SAID_OF:
        SAID_OF.add(home.path)
        say(f"{DEMO}: everything in {home.path} is made up")


def say_what_is_missing(home: Home, ledger: LedgerReader) -> None:
    """Say on standard error what a list of calls lacks: standard output has the calls only."""
    from farebox.server.api.coverage.coverage import coverage, warnings

    for line in warnings(coverage(home, ledger)):
        say(f"{line}: not in this list")


def _await_process(ledger: LedgerReader, seconds: float) -> None:
    """Wait until a running ledger process has applied what had ended when this was called."""
    deadline = time.monotonic() + seconds
    health = ledger.health()
    while health.running and health.journal_bytes_pending and time.monotonic() < deadline:
        pending = ledger.backlog()
        if not pending.calls or pending.late:  # nothing that changes a sum, or no use waiting
            return
        time.sleep(0.02)
        health = ledger.health()


def open_questions(home: Home) -> Questions:
    """Return what reaches the replica: the running server, which owns it, else this process."""
    from farebox.analytics.local import LocalAsker
    from farebox.analytics.questions import Questions

    asker: Asker = LocalAsker(home, told=show_progress)
    server = running(home, "server")
    if server is not None and server.port:
        asker = ServerAsker(home, server, asker)
    return Questions(asker)


def show_progress(progress: Progress) -> None:
    """Show the progress of a replica being built, on a terminal."""
    if sys.stderr.isatty():
        end = "\n" if progress.done else "\r"
        print(f"copying the ledger: {progress.seq:,} of {progress.last_seq:,} rows", end=end, file=sys.stderr)


class ServerAsker:
    """Asks the server of this state directory; opens the replica itself once that cannot be reached."""

    def __init__(self, home: Home, server: Running, instead: Asker) -> None:
        self._home = home
        self._server = server
        self._instead = instead
        self._unreachable = False

    def close(self) -> None:
        self._instead.close()

    def reply(self, request: Request) -> Reply:
        """Return the server's reply, waiting while it builds its replica.

        Raises:
            FareboxError: It cannot be answered.
        """
        from http.client import HTTPException

        from farebox.analytics.query import Failure, Reply

        while not self._unreachable:
            try:
                status, body = self._get(request)
            except (OSError, HTTPException):
                self._unreachable = True
                break
            if status == 200:
                return msgspec.json.decode(body, type=Reply)
            if status in (401, 404, 421, 429):  # of another state directory, or of an older Farebox
                self._unreachable = True
                break
            failure = msgspec.json.decode(body, type=Failure)
            if failure.code != "replica_building":
                return Reply(failure=failure)
            if sys.stderr.isatty():
                print(failure.message, file=sys.stderr)
            time.sleep(_PAUSE_SECONDS)
        return self._instead.reply(request)

    def _get(self, request: Request) -> tuple[int, bytes]:
        token = (self._home.run / "dashboard.token").read_text(encoding="ascii").strip()
        server = self._server
        connection = connect_to(server.host, server.port, secure=server.secure, seconds=_CONNECT_SECONDS)
        try:
            connection.connect()
            connection.sock.settimeout(_REPLY_SECONDS)
            target = f"/api/v1/questions?request={quote(msgspec.json.encode(request))}"
            connection.request("GET", target, headers={"authorization": f"Bearer {token}"})
            response = connection.getresponse()
            return response.status, response.read(_REPLY_BYTES_MAX)
        finally:
            connection.close()
