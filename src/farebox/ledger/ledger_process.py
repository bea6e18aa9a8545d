"""The ledger process: hold the lock, follow the journals, stop cleanly."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import logging
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import apsw
import msgspec

from farebox.clock import iso, now_ns
from farebox.config.exposure import is_exposed
from farebox.errors import (
    FareboxError,
    LedgerDamagedError,
    LedgerError,
    LedgerLockedError,
    LedgerSchemaError,
    LedgerTooOldError,
    LedgerUnwritableError,
    StateDirectoryUnusableError,
)
from farebox.home import Home, announce
from farebox.ingest.spool import LocalSpool
from farebox.journal.folders import stored_ends
from farebox.journal.progress import ProgressNote
from farebox.journal.wake import Sleeper, Waker
from farebox.ledger.alerts_in_force import AlertsInForce
from farebox.ledger.append.applier import Applier
from farebox.ledger.calls import LedgerReader
from farebox.ledger.charging.following import TermsFollower
from farebox.ledger.charging.published import published_terms
from farebox.ledger.database import Connection, ledger_error, open_writer
from farebox.ledger.follow import BATCH_RECORDS, Follower
from farebox.ledger.proof.signed_checkpoint import Sign
from farebox.ledger.spending.recorded_spending import RecordedSpending
from farebox.pricing import load_book
from farebox.pricing.price_watch import PriceWatch
from farebox.signing_key import sign
from farebox.snapshot import SnapshotReader

if TYPE_CHECKING:
    from farebox.budgets.budget import Budget
    from farebox.config import Config
    from farebox.ledger.append.dictionaries import PersonalRow

EXIT_LOCKED = 75
EXIT_FAILED = 70
EXIT_DAMAGED = 65
EXIT_UNWRITABLE = 73

_LOOK_EVERY_S = 0.5
"""How long to sleep without being woken: a writer that stores something wakes us, unless it cannot."""
_LOOK_EVERY_UNWOKEN_S = 0.1
_GATHER_S = 0.02
"""How long to wait for more records once there are some, so that they share a transaction."""
_PRICES_EVERY_S = 0.25

_RETRY_S = 0.5
_LOG_EVERY_S = 60.0
_LOCK_TRIES, _LOCK_PAUSE_S = 10, 0.02
log = logging.getLogger("farebox.ledger")


def main(home: Home, config: Config) -> int:
    """Run until SIGTERM or SIGINT; return the exit status: 75 when another one runs."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    stop = threading.Event()
    waker = Waker(home.journal)

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()
        waker.wake()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    try:
        home.prepare()
        with locked(home):
            _run(home, config, stop)
    except LedgerLockedError as error:
        log.error("%s", error)
        return EXIT_LOCKED
    except FareboxError as error:
        log.error("%s: %s", error.code, error)
        return _status_of(error)
    except (apsw.Error, OSError) as error:
        refused = ledger_error(home, error)
        log.error("%s: %s", refused.code, refused)
        return _status_of(refused)
    finally:
        waker.close()
    return 0


def _status_of(error: FareboxError) -> int:
    """Return an exit status that tells the supervisor whether a restart can help."""
    if isinstance(error, (LedgerDamagedError, LedgerSchemaError, LedgerTooOldError)):
        return EXIT_DAMAGED
    if isinstance(error, (LedgerUnwritableError, StateDirectoryUnusableError)):
        return EXIT_UNWRITABLE
    return EXIT_FAILED


def settle_memory() -> None:
    """Keep the garbage collector from walking a batch's thousands of records again and again. They hold
    no cycles and are freed with the batch.
    """
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def catch_up(home: Home, config: Config) -> int:
    """Apply what is pending and return the number of records; 0 where a ledger process runs.

    Raises:
        LedgerUnwritableError: The state directory cannot be written. Nothing is lost.
        LedgerError: Nothing can be rated, or this is not a ledger we can write.
    """
    try:
        home.prepare()
        with locked(home):
            connection = open_writer(home)
            spool = LocalSpool(home, config.providers, LedgerReader(home))
            try:
                spool.take()
                book = load_book(
                    config.pricing,
                    home.cache,
                    contracts=config.contracts,
                    directory=config.directory_pricing,
                    state=home.path,
                )
                applier = Applier(connection, book, before_erasing=_forgetting(home), sign=_signing(home))
                terms = TermsFollower(connection, applier, published_terms(home, config), now_ns)
                terms.run()
                follower = Follower(home, applier)
                ends = stored_ends(home.journal)  # traffic may go on for ever, a command must end
                done = 0
                while count := follower.step():
                    done += count
                    if not follower.is_behind(ends):
                        break
                snapshot = SnapshotReader(home)
                spending = _spending(home, config, connection, follower, snapshot)
                spending.open_all()
                spending.close()
                follower.close()
                return done
            finally:
                spool.close()
                connection.close()
    except LedgerLockedError:
        return 0
    except (apsw.Error, OSError, StateDirectoryUnusableError) as error:
        raise ledger_error(home, error) from error


@contextlib.contextmanager
def locked(home: Home) -> Generator[None]:
    """Hold the ledger's lock.

    Raises:
        LedgerLockedError: Another process holds it.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(home.ledger_lock, flags, 0o600)
    try:
        if not _try_lock(descriptor):
            raise LedgerLockedError(f"another process writes {home.ledger}")
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    """Take the lock, waiting out a process that only checks it, which takes microseconds."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            time.sleep(_LOCK_PAUSE_S)
    return False


def _run(home: Home, config: Config, stop: threading.Event) -> None:
    connection = open_writer(home)
    run_file = home.run / "ledger.json"
    sleeper = Sleeper(home.journal)
    note = ProgressNote(home.journal)
    try:
        watch = PriceWatch(home.path, Path(config.named) if config.named else None, home.cache)
        applier = Applier(connection, watch.current(), before_erasing=_forgetting(home), sign=_signing(home))
        terms = TermsFollower(connection, applier, published_terms(home, config), now_ns)
        follower = Follower(home, applier)
        about = {"pid": os.getpid(), "started_at": iso(now_ns()), "ledger": str(home.ledger)}
        announce(run_file, msgspec.json.encode(about))
        settle_memory()
        snapshot = SnapshotReader(home)
        spending = _spending(home, config, connection, follower, snapshot)
        alerts = _alerts(home, config, connection, snapshot, lambda: watch.current().digest)
        spool = LocalSpool(home, config.providers, LedgerReader(home))
        _Following(home, follower, applier, stop, watch, sleeper, note, spending, alerts, terms, spool).run()
        spool.close()
        spending.close()
        alerts.close()
        follower.close()
        note.close()
    finally:
        sleeper.close()
        run_file.unlink(missing_ok=True)
        connection.close()


def _signing(home: Home) -> Sign:
    """Return what signs checkpoints with the home's key."""
    return lambda text: sign(home, text, now_ns())


def _forgetting(home: Home) -> Callable[[Sequence[PersonalRow]], None]:
    def forget(values: Sequence[PersonalRow]) -> None:
        from farebox.ledger.alerting.forgetting import forget_in_alerts

        forget_in_alerts(home, values)

    return forget


def _spending(
    home: Home, config: Config, connection: Connection, follower: Follower, snapshot: SnapshotReader
) -> RecordedSpending:
    def budgets() -> tuple[Budget, ...]:
        snapshot.renew()
        return snapshot.current.budgets

    exposed = is_exposed(config.listen, config)
    return RecordedSpending(home, connection, follower, budgets, others_reach_us=exposed)


def _alerts(
    home: Home,
    config: Config,
    connection: Connection,
    snapshot: SnapshotReader,
    prices: Callable[[], str],
) -> AlertsInForce:
    exposed = is_exposed(config.listen, config)
    return AlertsInForce(home, connection, snapshot, prices, others_reach_us=exposed)


class _Following:
    """The process's loop, and the progress it reports."""

    def __init__(
        self,
        home: Home,
        follower: Follower,
        applier: Applier,
        stop: threading.Event,
        watch: PriceWatch,
        sleeper: Sleeper,
        note: ProgressNote,
        spending: RecordedSpending,
        alerts: AlertsInForce,
        terms: TermsFollower,
        spool: LocalSpool,
    ) -> None:
        self._home = home
        self._file = home.ledger.stat().st_ino
        self._follower = follower
        self._applier = applier
        self._stop = stop
        self._watch = watch
        self._sleeper = sleeper
        self._note = note
        self._spending = spending
        self._alerts = alerts
        self._terms = terms
        self._spool = spool
        self._told: tuple[str, float] = ("", 0.0)

    def run(self) -> None:
        """Follow the journals until told to stop and nothing is left that can be applied.

        Raises:
            LedgerError: The ledger's file is not there any more.
        """
        sleeper = self._sleeper
        look_every_s = _LOOK_EVERY_S if sleeper.is_listening else _LOOK_EVERY_UNWOKEN_S
        prices_at = 0.0
        while True:
            stopping, now = self._stop.is_set(), time.monotonic()
            try:
                if now >= prices_at:
                    self._check_file()
                    self._applier.use(self._watch.current())
                    self._spool.take()
                    prices_at = now + _PRICES_EVERY_S
                restating = self._terms.step()
                busy = self._follower.step()
                counting = self._spending.step(is_idle=not busy)
                watching = self._alerts.step(is_idle=busy < BATCH_RECORDS)
                self._applier.checkpoint_if_due()
                self._note.say(None)
            except (apsw.Error, OSError, LedgerError) as error:
                self._tell(error)
                if stopping or self._stop.wait(_RETRY_S):
                    return
                prices_at = 0.0
                continue
            if (
                busy >= BATCH_RECORDS
                or counting
                or restating
                or (watching and not stopping)
                or (busy and stopping)
            ):
                continue
            if stopping:
                return
            if busy:
                self._stop.wait(_GATHER_S)
            else:
                sleeper.sleep(min(look_every_s, self._alerts.due_in_s()))

    def _check_file(self) -> None:
        try:
            if self._home.ledger.stat().st_ino == self._file:
                return
        except FileNotFoundError:
            pass
        raise _RemovedError(f"{self._home.ledger} was removed while it was in use; starting again")

    def _tell(self, error: Exception) -> None:
        """Log from time to time why nothing can be appended, and note it in `run/ledger.progress`."""
        if isinstance(error, _RemovedError):
            raise error
        why = str(ledger_error(self._home, error))
        self._note.say(why)
        now = time.monotonic()
        if why != self._told[0] or now - self._told[1] >= _LOG_EVERY_S:
            log.error("%s; the journal keeps everything", why)
            self._told = why, now


class _RemovedError(LedgerError):
    """The ledger's file was removed while it was open: rows appended to it would be lost."""
