"""One look for a newer list: fetch it, check it, take over what passes, hold the rest for review.

    python -m farebox.price_lists --home DIR      one look, in a process of its own

A list of megabytes is compared in that process, so that the server stays small; whatever goes wrong in it,
the prices in force stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from farebox.clock import now_ns
from farebox.errors import PriceFileError
from farebox.price_lists.candidate import Candidate, candidate_of, digest_problem, without
from farebox.price_lists.fetching import Fetched, obtain
from farebox.price_lists.held_list import HeldList, held_list, hold, release
from farebox.price_lists.last_look import LastLook, ended, failed, last_look, note
from farebox.price_lists.takeover import digests, take_over
from farebox.price_lists.updates_folder import updating
from farebox.pricing import load_book

if TYPE_CHECKING:
    from farebox.config import Config
    from farebox.home import Home
    from farebox.pricing.book import PriceBook
    from farebox.pricing.sources.price_comparison import Change
    from farebox.pricing.sources.price_updates import PriceUpdates


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
            found = failed(config.prices, last, moment, "; ".join(str(each) for each in error.findings[:3]))
        note(home, found)
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
            note(home, msgspec.structs.replace(last, refused=[*last.refused[-20:], held.sha256]))
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
        return ended(prices, last, moment, "unchanged", "the list has not changed")
    if prices.sha256 is not None:
        wrong = digest_problem(fetched, prices.sha256, prices.source)
        if wrong is not None:
            raise PriceFileError([wrong])
    book = _book(home, config)
    candidate = candidate_of(book, prices.source, fetched, moment, digests(home))
    seen = {"etag": fetched.etag, "sha256": candidate.sha256}
    if not candidate.changes:
        release(home)
        return ended(prices, last, moment, "unchanged", "no price differs", **seen)
    if last is not None and candidate.sha256 in last.refused:
        return ended(prices, last, moment, "unchanged", "the list is one that was rejected", **seen)
    reasons = [doubt.words for doubt in candidate.doubts]
    if prices.update == "review" or any(doubt.about == "list" for doubt in candidate.doubts):
        hold(home, _held(candidate, fetched, reasons, len(candidate.changes)))
        return ended(
            prices, last, moment, "held", f"{counted(candidate.changes)}; the list waits for review", **seen
        )
    doubted = {(doubt.provider, doubt.model) for doubt in candidate.doubts}
    passing = without(candidate.comparison, doubted)
    left = len(candidate.changes) - len(passing.changes)
    if not passing.appended:
        hold(home, _held(candidate, fetched, reasons, left))
        return ended(
            prices, last, moment, "held", f"{counted(candidate.changes)}; the list waits for review", **seen
        )
    if left:
        hold(home, _held(candidate, fetched, reasons, left))
    take_over(home, book.updates, candidate, passing)
    if not left:
        release(home)
    words = counted(passing.changes)
    found = ended(
        prices,
        last,
        moment,
        "partly_held" if left else "taken",
        words + (f"; {left} more wait for review" if left else ""),
        **seen,
    )
    return msgspec.structs.replace(found, taken_at_ns=moment, taken=words)


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
