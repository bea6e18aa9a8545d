"""What came of the last look for a newer list, and when the next one is due.

Loads nothing of the price book: the server asks this every few seconds.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Literal

import msgspec

from farebox.clock import now_ns
from farebox.home import check_private, replace_private
from farebox.price_lists.updates_folder import folder_of, updating

if TYPE_CHECKING:
    from farebox.config import Config
    from farebox.config.configuration import PricesConfig
    from farebox.home import Home

JITTER = 0.1
"""By how much of the interval looks are spread, so that many installations do not ask at once."""
RETRY_FIRST_S = 300
_NS = 10**9

State = Literal["taken", "unchanged", "held", "partly_held", "failed"]


class LastLook(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the last look: `prices.updates/last.json`."""

    schema: str = "farebox.price-look/1"
    at_ns: int
    next_at_ns: int
    source: str
    state: State
    words: str
    """One sentence for people."""
    failures: int = 0
    """Looks in a row that failed."""
    reached_at_ns: int = 0
    """When a list was last fetched and checked, whatever came of it."""
    taken_at_ns: int = 0
    """When a list was last taken over by itself."""
    taken: str = ""
    """What that changed, in words."""
    etag: str | None = None
    """Of the last list that was fetched whole."""
    sha256: str | None = None
    refused: list[str] = []
    """Digests of lists that a person rejected; they are not held again."""


def last_look(home: Home) -> LastLook | None:
    """Return what came of the last look, None where there was none."""
    path = folder_of(home) / "last.json"
    try:
        check_private(path)
        return msgspec.json.decode(path.read_bytes(), type=LastLook)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return None


def is_due(last: LastLook | None, prices: PricesConfig, at_ns: int) -> bool:
    """Return whether it is time to look, by what is configured now."""
    if prices.update == "off":
        return False
    if last is None or last.source != prices.source or last.at_ns > at_ns:
        return True
    latest = last.at_ns + int(prices.every_s * (1 + JITTER)) * _NS
    return at_ns >= min(last.next_at_ns, latest)


def note_failure(home: Home, config: Config, why: str) -> LastLook:
    """Note a look that did not end by itself."""
    with updating(home):
        last = last_look(home)
        if last is not None and last.source != config.prices.source:
            last = None
        found = failed(config.prices, last, now_ns(), why)
        note(home, found)
        return found


def ended(
    prices: PricesConfig,
    last: LastLook | None,
    moment: int,
    state: State,
    words: str,
    *,
    etag: str | None = None,
    sha256: str | None = None,
) -> LastLook:
    pause = prices.every_s * (1 + JITTER * random.random())  # noqa: S311  # to spread, not to hide
    return LastLook(
        at_ns=moment,
        next_at_ns=moment + int(pause * _NS),
        source=prices.source,
        state=state,
        words=words,
        reached_at_ns=moment,
        taken_at_ns=last.taken_at_ns if last is not None else 0,
        taken=last.taken if last is not None else "",
        etag=etag or (last.etag if last is not None and sha256 is None else None),
        sha256=sha256 or (last.sha256 if last is not None else None),
        refused=last.refused if last is not None else [],
    )


def failed(prices: PricesConfig, last: LastLook | None, moment: int, why: str) -> LastLook:
    failures = 1 if last is None else last.failures + 1
    pause = min(prices.every_s, RETRY_FIRST_S * 2 ** min(failures - 1, 12))
    spread = 1 + JITTER * random.random()  # noqa: S311  # to spread, not to hide
    known = last or LastLook(at_ns=0, next_at_ns=0, source=prices.source, state="failed", words="")
    return msgspec.structs.replace(
        known,
        at_ns=moment,
        next_at_ns=moment + int(pause * spread * _NS),
        state="failed",
        words=why,
        failures=failures,
    )


def note(home: Home, found: LastLook) -> None:
    replace_private(folder_of(home) / "last.json", msgspec.json.encode(found), durable=True)
