"""The ledger process: hold the lock, follow the journals, stop cleanly."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Generator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import apsw
import msgspec

from farebox.clock import iso, now_ns
from farebox.errors import FareboxError, LedgerError, LedgerLockedError
from farebox.home import Home, replace_private
from farebox.journal.folders import stored_ends
from farebox.journal.wake import Sleeper, Waker
from farebox.ledger.append.applier import Applier
from farebox.ledger.database import open_writer
from farebox.ledger.follow import BATCH_RECORDS, Follower
from farebox.pricing import load_book
from farebox.pricing.watching import PriceWatch

if TYPE_CHECKING:
    from farebox.config import Config

EXIT_LOCKED = 75
EXIT_FAILED = 70

_LOOK_EVERY_S = 0.5
"""How long to sleep when nobody wakes us: whoever stores something does, but may be unable to."""
_LOOK_EVERY_UNWOKEN_S = 0.1
_GATHER_S = 0.02
"""How long to let records come together once there are some: rows share transactions."""
_PRICES_EVERY_S = 0.25

_RETRY_S = 0.5
_LOCK_TRIES, _LOCK_PAUSE_S = 10, 0.02
log = logging.getLogger("farebox.ledger")


def main(home: Home, config: Config) -> int:
    """Run until SIGTERM or SIGINT; return the exit status: 75 when another one runs."""
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
        return EXIT_FAILED
    finally:
        waker.close()
    return 0


def settle_memory() -> None:
    """Keep the collector from walking a batch's thousands of records again and again.

    They hold no cycles and go when the batch does.
    """
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def catch_up(home: Home, config: Config) -> int:
    """Apply what is pending and return the number of records; 0 where a ledger process runs.

    Raises:
        LedgerError: Nothing can be rated.
    """
    home.prepare()
    try:
        with locked(home):
            connection = open_writer(home)
            try:
                book = load_book(config.pricing, home.cache, contracts=config.contracts, state=home.path)
                applier = Applier(connection, book)
                follower = Follower(home, applier)
                ends = stored_ends(home.journal)  # traffic may go on for ever, a command may not
                done = 0
                while count := follower.step():
                    done += count
                    if not follower.is_behind(ends):
                        break
                follower.close()
                return done
            finally:
                connection.close()
    except LedgerLockedError:
        return 0


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
    """Take the lock; who only looks whether it is taken holds it for microseconds."""
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
    try:
        watch = PriceWatch(home.path, Path(config.file) if config.file else None, home.cache)
        applier = Applier(connection, watch.current())
        follower = Follower(home, applier)
        about = {"pid": os.getpid(), "started_at": iso(now_ns()), "ledger": str(home.ledger)}
        replace_private(run_file, msgspec.json.encode(about))
        settle_memory()
        _follow(follower, applier, stop, watch, sleeper)
        follower.close()
    finally:
        sleeper.close()
        run_file.unlink(missing_ok=True)
        connection.close()


def _follow(
    follower: Follower, applier: Applier, stop: threading.Event, watch: PriceWatch, sleeper: Sleeper
) -> None:
    look_every_s = _LOOK_EVERY_S if sleeper.is_listening else _LOOK_EVERY_UNWOKEN_S
    prices_at = 0.0
    trouble = ""
    while True:
        stopping, now = stop.is_set(), time.monotonic()
        try:
            if now >= prices_at:
                applier.use(watch.current())
                prices_at = now + _PRICES_EVERY_S
            busy = follower.step()
            applier.checkpoint_if_due()
        except (apsw.Error, OSError) as error:
            log.warning("the ledger cannot be written, the journal keeps everything: %s", error)
            if stopping or stop.wait(_RETRY_S):
                return
            continue
        except LedgerError as error:
            if str(error) != trouble:
                log.error("%s", error)
                trouble = str(error)
            if stopping or stop.wait(_RETRY_S):
                return
            prices_at = 0.0
            continue
        if busy >= BATCH_RECORDS or (busy and stopping):
            continue
        if stopping:
            return
        if busy:
            stop.wait(_GATHER_S)
        else:
            sleeper.sleep(look_every_s)
