"""One look for a newer list: fetch it, check it, take over what passes, hold the rest for review.

    python -m farebox.price_lists --home DIR      one look, in a process of its own

A list of megabytes is compared in that process, so that the server stays small; whatever goes wrong in it,
the prices in force stay.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Literal

import msgspec

from farebox.clock import now_ns
from farebox.errors import PriceFileError
from farebox.home import check_private, replace_private
from farebox.price_lists.candidate import Candidate, candidate_of, digest_problem, without
from farebox.price_lists.fetching import Fetched, obtain
from farebox.price_lists.held_list import HeldList, held_list, hold, release
from farebox.price_lists.takeover import digests, folder_of, take_over, updating
from farebox.pricing import load_book

if TYPE_CHECKING:
    from farebox.config import Config
    from farebox.config.configuration import PricesConfig
    from farebox.home import Home
    from farebox.pricing.book import PriceBook
    from farebox.pricing.sources.price_comparison import Change
    from farebox.pricing.sources.price_updates import PriceUpdates

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
    except (OSError, msgspec.MsgspecError):
        return None


def is_due(last: LastLook | None, prices: PricesConfig, at_ns: int) -> bool:
    """Return whether it is time to look, by what is configured now."""
    if prices.update == "off":
        return False
    if last is None or last.source != prices.source or last.at_ns > at_ns:
        return True
    latest = last.at_ns + int(prices.every_s * (1 + JITTER)) * _NS
    return at_ns >= min(last.next_at_ns, latest)


def look(home: Home, config: Config, *, at_ns: int | None = None) -> LastLook:
    """Look for a newer list once and note what came of it.

    What is wrong with a list, a server or a network is noted, too: nothing is raised for it.
    """
    moment = now_ns() if at_ns is None else at_ns
    with updating(home):
        last = last_look(home)
        if last is not None and last.source != config.prices.source:
            last = None
        try:
            found = _look(home, config, last, moment)
        except PriceFileError as error:
            found = _failed(config.prices, last, moment, "; ".join(str(each) for each in error.findings[:3]))
        _note(home, found)
        return found


def note_failure(home: Home, config: Config, why: str) -> LastLook:
    """Note a look that did not end by itself."""
    with updating(home):
        last = last_look(home)
        if last is not None and last.source != config.prices.source:
            last = None
        found = _failed(config.prices, last, now_ns(), why)
        _note(home, found)
        return found


def held_candidate(home: Home, config: Config, held: HeldList) -> tuple[Candidate, PriceUpdates | None]:
    """Return what a held list would change now, and what was appended before it.

    Raises:
        PriceFileError: The list is wrong.
    """
    book = _book(home, config)
    fetched = Fetched(held.content, held.etag, held.modified)
    return candidate_of(book, held.source, fetched, now_ns(), digests(home)), book.updates


def reject(home: Home) -> HeldList | None:
    """Let go of the held list and do not hold it again; None where there was none."""
    with updating(home):
        held, last = held_list(home), last_look(home)
        release(home)
        if held is not None and last is not None:
            _note(home, msgspec.structs.replace(last, refused=[*last.refused[-20:], held.sha256]))
        return held


def counted(changes: tuple[Change, ...] | list[Change]) -> str:
    """Return how much changes, in words: `3 prices changed, 2 new models`."""
    kinds = {"moved": "price", "new price": "new price", "new model": "new model", "removed": "model"}
    words: list[str] = []
    for kind, noun in kinds.items():
        number = sum(change.kind == kind for change in changes)
        if number:
            verb = {"moved": " changed", "removed": " gone"}.get(kind, "")
            words.append(f"{number:,} {noun}{'s' if number != 1 else ''}{verb}")
    return ", ".join(words) or "no price differs"


def _look(home: Home, config: Config, last: LastLook | None, moment: int) -> LastLook:
    prices = config.prices
    fetched = obtain(prices.source, last.etag if last is not None else None)
    if fetched is None:
        return _ended(prices, last, moment, "unchanged", "the list has not changed")
    if prices.sha256 is not None:
        wrong = digest_problem(fetched, prices.sha256, prices.source)
        if wrong is not None:
            raise PriceFileError([wrong])
    book = _book(home, config)
    candidate = candidate_of(book, prices.source, fetched, moment, digests(home))
    seen = {"etag": fetched.etag, "sha256": candidate.sha256}
    if not candidate.changes:
        release(home)
        return _ended(prices, last, moment, "unchanged", "no price differs", **seen)
    if last is not None and candidate.sha256 in last.refused:
        return _ended(prices, last, moment, "unchanged", "the list is one that was rejected", **seen)
    reasons = [doubt.words for doubt in candidate.doubts]
    if prices.update == "review" or any(doubt.about == "list" for doubt in candidate.doubts):
        hold(home, _held(candidate, fetched, reasons, len(candidate.changes)))
        return _ended(prices, last, moment, "held", f"{counted(candidate.changes)}: wait for review", **seen)
    doubted = {(doubt.provider, doubt.model) for doubt in candidate.doubts}
    passing = without(candidate.comparison, doubted)
    left = len(candidate.changes) - len(passing.changes)
    if not passing.appended:
        hold(home, _held(candidate, fetched, reasons, left))
        return _ended(prices, last, moment, "held", f"{counted(candidate.changes)}: wait for review", **seen)
    if left:
        hold(home, _held(candidate, fetched, reasons, left))
    take_over(home, book.updates, candidate, passing)
    if not left:
        release(home)
    words = counted(passing.changes)
    ended = _ended(
        prices,
        last,
        moment,
        "partly_held" if left else "taken",
        words + (f"; {left} more wait for review" if left else ""),
        **seen,
    )
    return msgspec.structs.replace(ended, taken_at_ns=moment, taken=words)


def _book(home: Home, config: Config) -> PriceBook:
    return load_book(
        config.pricing,
        home.cache,
        contracts=config.contracts,
        directory=config.directory_pricing,
        state=home.path,
    )


def _held(candidate: Candidate, fetched: Fetched, reasons: list[str], changes: int) -> HeldList:
    return HeldList(
        source=candidate.source,
        sha256=candidate.sha256,
        fetched_at=candidate.seen,
        etag=candidate.etag,
        modified=candidate.modified,
        reasons=reasons,
        changes=changes,
        content=fetched.content,
    )


def _ended(
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


def _failed(prices: PricesConfig, last: LastLook | None, moment: int, why: str) -> LastLook:
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


def _note(home: Home, found: LastLook) -> None:
    replace_private(folder_of(home) / "last.json", msgspec.json.encode(found), durable=True)
