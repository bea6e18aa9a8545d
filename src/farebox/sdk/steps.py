"""Steps of a framework's run, agents, tools and chains, and which of them the running code belongs to.

A framework keeps that in context variables of its own, and each integration reads its framework's. Nothing
is set and put back for it, which could go wrong in streams that are read piece by piece, tasks that are
cancelled and generators that are forgotten.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from farebox.recording.attribution_merge import Attribution, merged
from farebox.sdk import faults

_numbers = itertools.count(1)


class Step:
    """One step, and what is said of the calls inside it."""

    __slots__ = ("_laid_over", "number", "path", "said")

    def __init__(self, said: Attribution, path: tuple[str, ...] = ()) -> None:
        self.said = said
        """What was said around it where it began, and what it says itself on top."""
        self.path = path
        """The steps from the outermost to this one."""
        self.number = next(_numbers)
        """Of two steps around the same code, the one that began later is the inner one."""
        self._laid_over: tuple[Attribution, Attribution] | None = None

    def over(self, held: Attribution) -> Attribution:
        """Return what is said inside it where `held` is said by blocks that are further out."""
        known = self._laid_over
        if known is None or known[0] is not held:
            known = self._laid_over = held, merged(held, self.said)
        return known[1]


Finder = Callable[[], Step | None]

finders: list[Finder] = []
"""One for each framework that is attached: returns the step that the running code belongs to there."""


def innermost() -> Step | None:
    """Return the step that the running code belongs to; None outside of all of them."""
    found: Step | None = None
    for find in finders:
        try:
            step = find()
        except Exception as error:
            faults.report(error, "asking a framework for its step")
            continue
        if step is not None and (found is None or step.number > found.number):
            found = step
    return found
