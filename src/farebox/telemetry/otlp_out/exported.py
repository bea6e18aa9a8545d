"""How far the record is sent to an OTLP endpoint, in a file that outlives the process: `run/otlp.json`."""

from __future__ import annotations

import contextlib

import msgspec

from farebox.errors import StateDirectoryError
from farebox.home import Home, replace_private


class Exported(msgspec.Struct, kw_only=True):
    """`run/otlp.json`: how far the record is sent, and what was not."""

    endpoint: str
    seq: int = 0
    sent: int = 0
    """Calls."""
    refused: int = 0
    """Calls that the endpoint would not take."""
    passed_over: int = 0
    """Rows that were beyond the backlog."""
    failing: str | None = None
    """Why nothing can be sent now."""
    failing_since: str | None = None


def read_exported(home: Home) -> Exported | None:
    """Return how far the record of a home is sent, None where it is sent nowhere."""
    try:
        return msgspec.json.decode((home.run / "otlp.json").read_bytes(), type=Exported)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return None


def write_exported(home: Home, state: Exported) -> None:
    """Note it; where it cannot be written, a restart sends some of it again."""
    with contextlib.suppress(OSError, StateDirectoryError):
        replace_private(home.run / "otlp.json", msgspec.json.encode(state))
