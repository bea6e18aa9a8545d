"""`farebox prices review`, `accept` and `reject`: the list that the server held back."""

from __future__ import annotations

import msgspec

from farebox.cli.exits import ANSWER_IS_NO, OK
from farebox.cli.options import AsJson, Place
from farebox.cli.prices.update import render
from farebox.cli.reports import json_shapes
from farebox.cli.screen import clean
from farebox.clock import now_ns
from farebox.price_lists.held_list import held_list, release
from farebox.price_lists.look import counted, held_candidate
from farebox.price_lists.look import reject as let_go
from farebox.price_lists.takeover import take_over
from farebox.price_lists.updates_folder import updating
from farebox.pricing.sources.price_comparison import Change
from farebox.program import command


class ReviewAnswer(msgspec.Struct, kw_only=True):
    """`farebox prices review --json`; all but `held` is null or empty where no list waits."""

    schema: str = "farebox.prices-review/1"
    held: bool
    source: str | None = None
    sha256: str | None = None
    fetched_at: str | None = None
    reasons: list[str] = []
    """What speaks against the list; nothing where it only waits to be accepted."""
    changes: list[Change] = []


def review(*, place: Place | None = None, as_json: AsJson = False) -> int:
    """Show the list that waits: why, and every price before and after."""
    chosen = place or Place()
    home = chosen.state_to_read()
    held = held_list(home)
    if held is None:
        if as_json:
            json_shapes.print_json(ReviewAnswer(held=False))
        else:
            print("no price list waits for review")
        return ANSWER_IS_NO
    candidate, _ = held_candidate(home, chosen.configuration(home), held)
    reasons = [doubt.words for doubt in candidate.doubts]
    if as_json:
        json_shapes.print_json(
            ReviewAnswer(
                held=True,
                source=held.source,
                sha256=held.sha256,
                fetched_at=held.fetched_at,
                reasons=reasons,
                changes=list(candidate.changes),
            )
        )
        return OK
    print(f"{clean(held.source)}, fetched {held.fetched_at}, sha256 {held.sha256}")
    for reason in reasons:
        print(f"! {clean(reason)}")
    print(render(candidate.changes))
    print(f"Take it over: {command('prices accept', home)}   Drop it: {command('prices reject', home)}")
    return OK


def accept(*, place: Place | None = None) -> int:
    """Take over the list that waits, whatever speaks against it: look at `prices review` first.

    Prices hold from now on, or from the date that the list states; calls that have a price keep it.
    """
    chosen = place or Place()
    home = chosen.state()
    from farebox.control.audit import command_line
    from farebox.control.file_changes import change_prices

    with updating(home):
        held = held_list(home)
        if held is None:
            print("no price list waits for review")
            return ANSWER_IS_NO
        candidate, before = held_candidate(home, chosen.configuration(home), held)
        if candidate.changes:
            change_prices(
                home,
                command_line(),
                "price_list.take_over",
                candidate.source,
                now_ns(),
                lambda: take_over(home, before, candidate, candidate.comparison),
            )
        release(home)
    print(render(candidate.changes))
    print(f"in force: {counted(candidate.changes)}")
    return OK


def reject(*, place: Place | None = None) -> int:
    """Drop the list that waits. The same list is not held again; a newer one is."""
    held = let_go((place or Place()).state())
    print("no price list waits for review" if held is None else f"dropped the list of {held.fetched_at}")
    return ANSWER_IS_NO if held is None else OK
