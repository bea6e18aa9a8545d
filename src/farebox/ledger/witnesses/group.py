"""The witnesses of one call, as far as they are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farebox.ledger.witnesses.sighting import are_apart, certainty

if TYPE_CHECKING:
    from collections.abc import Iterable

    from farebox.ledger.witnesses.sighting import Sighting


class Group:
    """Witnesses of one call, of each kind at most one."""

    __slots__ = ("call", "kinds", "members")

    def __init__(self, call: int) -> None:
        self.call = call
        """The call's number, 0 while it has none."""
        self.members: list[Sighting] = []
        self.kinds: frozenset[str] = frozenset()

    def cores(self) -> dict[int, list[Sighting]]:
        """Return its witnesses by core."""
        found: dict[int, list[Sighting]] = {}
        for each in self.members:
            found.setdefault(each.core, []).append(each)
        return found


def unite_by_ids(group: Group) -> None:
    """Give members that ids join one core, that of the oldest."""
    for place, one in enumerate(group.members):
        for other in group.members[:place]:
            if one.core != other.core and certainty(one.facts, other.facts):
                core, left = sorted((one.core, other.core))
                for each in group.members:
                    each.core = core if each.core == left else each.core


def can_be_one(some: Iterable[Sighting], others: Iterable[Sighting]) -> bool:
    """Tell whether nothing shows that two sets of witnesses are of different calls."""
    return not any(are_apart(one.facts, other.facts) for one in some for other in others)
