"""Exit statuses and the one line a failure prints, with what to do about it."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper

from farebox.errors import (
    BackupError,
    CallNotFoundError,
    ConfigError,
    ControlDamagedError,
    ControlSchemaError,
    ControlUnwritableError,
    FareboxError,
    FindingsError,
    InvoiceError,
    JournalError,
    LedgerDamagedError,
    LedgerError,
    LedgerLockedError,
    LedgerSchemaError,
    LedgerTooOldError,
    LedgerUnwritableError,
    PortInUseError,
    PriceNotFoundError,
    StateDirectoryError,
    StateDirectoryUnusableError,
    UsageError,
)
from farebox.nearest import did_you_mean
from farebox.plain_text import visible

OK = 0
ANSWER_IS_NO = 1
"""The command worked and its answer is no: spend over `--fail-over`, no such call or invoice."""
CANNOT_TELL = 3
"""Neither yes nor no: there are calls without a price, or records known to be missing."""
USAGE = 64
DATA = 65
UNAVAILABLE = 69
INTERNAL = 70
UNWRITABLE = 73
LOCKED = 75
REFUSED = 77
CONFIG = 78
INTERRUPTED = 130

MEANINGS = {
    OK: "done",
    ANSWER_IS_NO: "the answer is no: more was spent than `--fail-over`, no such call, no such price, "
    "no such invoice, an invoice that is not issued, not ready, not running",
    CANNOT_TELL: "it cannot be told: calls without a price (`--fail-over`) or records known to be missing "
    "(`--fail-over`, `verify`)",
    USAGE: "the command line is wrong: an unknown flag, a customer, plan or budget that there is not",
    DATA: "data is damaged: `verify` found something, `ledger.db` or `control.db` is not this Farebox's, a "
    "backup is damaged, a price or catalog file is wrong",
    UNAVAILABLE: "something needed is not there: no server, no free port, an unreadable ledger, "
    "a package of `farebox[standard]`",
    INTERNAL: "a defect in Farebox",
    UNWRITABLE: "the state directory cannot be written: it is a file, read-only, or its disk is full",
    LOCKED: "another Farebox holds this state directory",
    REFUSED: "the state directory is not private to this user",
    CONFIG: "`farebox.yaml` is wrong",
    INTERRUPTED: "interrupted with Ctrl-C",
}
"""Every status a command can end with; `run` ends with the status of the command it ran."""

_STATUS: tuple[tuple[type[FareboxError], int], ...] = (
    (ConfigError, CONFIG),
    (FindingsError, DATA),
    (CallNotFoundError, ANSWER_IS_NO),
    (PriceNotFoundError, ANSWER_IS_NO),
    (InvoiceError, ANSWER_IS_NO),
    (LedgerLockedError, LOCKED),
    (LedgerSchemaError, DATA),
    (LedgerTooOldError, DATA),
    (LedgerDamagedError, DATA),
    (LedgerUnwritableError, UNWRITABLE),
    (LedgerError, UNAVAILABLE),
    (BackupError, DATA),
    (ControlSchemaError, DATA),
    (ControlDamagedError, DATA),
    (ControlUnwritableError, UNWRITABLE),
    (JournalError, UNWRITABLE),
    (StateDirectoryError, REFUSED),
    (StateDirectoryUnusableError, UNWRITABLE),
    (PortInUseError, UNAVAILABLE),
    (UsageError, USAGE),
)


class AlreadyRunningError(FareboxError):
    """A second `farebox up` for the same state directory."""

    code = "already_running"


def status_of(error: FareboxError) -> int:
    """Return the exit status that stands for `error`."""
    if isinstance(error, AlreadyRunningError):
        return LOCKED
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status
    return UNAVAILABLE


def guarded(command: Callable[[], int]) -> int:
    """Run `command`; turn what it raises into one line on standard error and a status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks "≥" shows "?" and no traceback
    try:
        status = command()
        sys.stdout.flush()
    except FareboxError as error:
        say(str(error))
        return status_of(error)
    except BrokenPipeError:  # the reader (`head`, say) has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        return _refused_by_the_system(error)
    except ModuleNotFoundError as error:
        return _not_installed(error)
    except Exception as error:
        return _unexpected(error)
    return status


def say(message: str) -> None:
    """Print `message` on standard error, after the program's name; names in it may be anybody's words."""
    lines = map(visible, message.split("\n"))
    print("farebox:", "\n".join(lines), file=sys.stderr)


def _refused_by_the_system(error: OSError) -> int:
    """Say which file the system refuses and why: that is no bug of Farebox."""
    if error.filename is None and error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO):
        return _unexpected(error)
    where = f"{error.filename} cannot be used: " if error.filename is not None else ""
    say(f"{where}{error.strerror}")
    return UNWRITABLE


def _not_installed(error: ModuleNotFoundError) -> int:
    """Say what to type where a part of Farebox is not installed."""
    from farebox.installation import missing_part

    words = missing_part(error)
    if words is None:
        return _unexpected(error)
    say(words)
    return UNAVAILABLE


def _sub_commands() -> list[str]:
    """Return the commands beneath the one that was typed."""
    from cyclopts import App

    from farebox.cli.app import app

    found: list[str] = []
    chosen: App = app
    for word in sys.argv[1:]:
        if word.startswith("-") or word not in list(chosen):
            break
        chosen = chosen[word]
        found = [name for name in chosen if not name.startswith("-")]
    return found


def _unexpected(error: Exception) -> int:
    if "cyclopts" in sys.modules:
        from cyclopts import CycloptsError, UnusedCliTokensError

        if isinstance(error, CycloptsError):
            from farebox.program import command

            words = " ".join(str(error).split())
            if isinstance(error, UnusedCliTokensError):
                unused = list(error.unused_tokens or ())
                hint = did_you_mean(unused[0], _sub_commands()) if unused else ""
                words = f"nothing of this command is called {' '.join(unused)!r}{hint or '.'}"
            say(f"{words} See: {command('help')}")
            return USAGE
    if os.environ.get("FAREBOX_DEBUG"):
        import traceback

        traceback.print_exception(error)
    say(f"internal error: {type(error).__name__}: {error} (FAREBOX_DEBUG=1 shows where)")
    return INTERNAL
