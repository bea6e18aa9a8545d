"""Find out which witnesses are of one call, whichever comes first.

Ids make cores, fingerprints put cores together to a call. What a fingerprint joined comes apart again when
a witness with an id says otherwise. Where many look alike, each call gets one witness of a kind: if the
one that fits is taken, the taker is moved to another call that it fits as well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from heapq import nsmallest

from farebox.ledger.witnesses.group import Group, can_be_one
from farebox.ledger.witnesses.sighting import (
    BOUND_EVENT,
    EVENT_ID,
    Facts,
    Sighting,
    are_elsewhere,
    are_of_two_customers,
    certainty,
    look_alike,
    share_process,
)
from farebox.ledger.witnesses.sightings import Sightings

_LOOKED_AT_MAX, _NEAREST = 500, 32
"""How many calls are looked at to make room for one witness, and how many from each of them."""


class Matching:
    """Places witnesses, one after another."""

    def __init__(self, sightings: Sightings) -> None:
        self._sightings = sightings
        self.touched: dict[Group, None] = {}
        """Groups whose members are not what they were."""

    def place(self, facts: Facts) -> Sighting:
        """Return a new witness, in the group of its call."""
        new = self._sightings.add(facts)
        self.touched[new.group] = None
        waiting, placed = [new], [new]
        while waiting:
            each = waiting.pop()
            outcasts = self._join_by_ids(each)
            waiting += outcasts
            placed += outcasts
            placed += self._expel(each)
        for each in placed:
            self._join_alike(each)
        return new

    # -- ids --

    def _join_by_ids(self, new: Sighting) -> list[Sighting]:
        """Join a witness with those that ids say are of its call; return who had to make room."""
        facts = new.facts
        said = [
            (certain, each)
            for each in {*self._sightings.of_event(facts.event_id), *self._sightings.of_ids(facts)}
            if each is not new and (certain := certainty(facts, each.facts))
        ]
        said.sort(
            key=lambda item: (
                item[1].facts.proof == BOUND_EVENT,  # whoever speaks for itself only comes last
                -item[0],
                abs(item[1].facts.occurred_at - facts.occurred_at),
                item[1].number,
            )
        )
        outcasts: list[Sighting] = []
        for certain, each in said:
            if each.core == new.core:
                continue
            core, own = _core_of(each), _core_of(new)
            rivals = [one for one in core if one.facts.kind in {other.facts.kind for other in own}]
            rest = [one for one in core if one not in rivals]
            if certain < EVENT_ID and any(are_elsewhere(facts, one.facts) for one in rest):
                continue
            strangers = [
                one for one in rest if any(are_of_two_customers(one.facts, other.facts) for other in own)
            ]
            if strangers:
                if each in strangers or any(one.facts.proof == BOUND_EVENT for one in own):
                    continue
                if any(one.facts.proof != BOUND_EVENT for one in strangers):
                    continue
                rest = [one for one in rest if one not in strangers]
            if rivals:
                if len(own) > 1 or each in rivals or certain <= _certainty_in(rivals[0], rest):
                    continue
                self._part(rivals)
                outcasts += rivals
            if strangers:
                self._part(strangers)
                outcasts += strangers
            self._unite([*rest, *own])
        return outcasts

    def _unite(self, some: Sequence[Sighting]) -> None:
        """Make cores one, in the group of the oldest witness."""
        core = min(each.core for each in some)
        for each in some:
            each.core = core
        self._move(some, min(some, key=lambda each: each.number).group)

    def _part(self, some: Sequence[Sighting]) -> None:
        """Take witnesses out of core and group."""
        for each in some:
            rest = [one for one in _core_of(each) if one is not each]
            if rest and each.core == each.number:
                for one in rest:
                    one.core = min(other.number for other in rest)
                    self._sightings.changed(one)
            each.core = each.number
            self._move([each], Group(0))

    def _expel(self, new: Sighting) -> list[Sighting]:
        """Put out of a witness's group whatever is there by its fingerprint only and cannot be; return it."""
        own = _core_of(new)
        outcasts: list[Sighting] = []
        for number, core in new.group.cores().items():
            if number != new.core and not can_be_one(core, own):
                self._move(core, Group(0))
                outcasts.append(core[0])
        return outcasts

    # -- fingerprints --

    def _join_alike(self, each: Sighting) -> None:
        """Join a witness's group with all that look like it, as far as they can be of one call."""
        while True:
            group = each.group
            found = self._alike(group.members, group.kinds, group)
            if not found:
                break
            older, younger = sorted((group, found[0]), key=_age)
            self._move(younger.members, older)
        if len(each.group.cores()) == 1:
            self._make_room(each.group.members)

    def _alike(self, some: Sequence[Sighting], without: frozenset[str], group: Group) -> list[Group]:
        """Return groups that witnesses fit into, the best first."""
        ranked: dict[Group, tuple[bool, int, int]] = {}
        for one in some:
            facts = one.facts
            for other in self._sightings.alike(one, without):
                if other.group is group or not look_alike(facts, other.facts):
                    continue
                rank = (
                    not share_process(facts, other.facts),
                    abs(facts.occurred_at - other.facts.occurred_at),
                    other.number,
                )
                ranked[other.group] = min(rank, ranked.get(other.group, rank))
        best = min(ranked, key=ranked.__getitem__, default=None)
        if best is not None and can_be_one(some, best.members):
            return [best]
        return [other for other in sorted(ranked, key=ranked.__getitem__) if can_be_one(some, other.members)]

    def _make_room(self, core: Sequence[Sighting]) -> None:
        """Put a core that fits only where its place is taken there, if the taker fits elsewhere.

        The taker's new place may be taken as well: the shortest chain of moves is looked for.
        """
        start = core[0].group
        if not any(self._sightings.has_open(one) for one in core):
            return
        came_from: dict[Group, tuple[Sequence[Sighting], Group]] = {}
        reached: deque[tuple[Sequence[Sighting], Group]] = deque([(core, start)])
        while reached and len(came_from) < _LOOKED_AT_MAX:
            moving, left = reached.popleft()
            for group, taker in self._taken(moving, came_from):
                came_from[group] = moving, left
                free = self._alike(taker, frozenset([one.facts.kind for one in taker]), group)
                free = [other for other in free if other not in came_from and other is not start]
                if free:
                    self._move(taker, free[0])
                    while group is not start:
                        moving, left = came_from[group]
                        self._move(moving, group)
                        group = left
                    return
                reached.append((taker, group))

    def _taken(
        self, core: Sequence[Sighting], known: Collection[Group]
    ) -> list[tuple[Group, Sequence[Sighting]]]:
        """Return the nearest groups that a core would fit into but for one other core, with that one."""
        kinds = frozenset([one.facts.kind for one in core])
        near: dict[Group, int] = {}
        for one in core:
            for other in self._sightings.alike(one, frozenset()):
                group = other.group
                if group in known or len(group.members) == 1 or group.kinds.isdisjoint(kinds):
                    continue
                if other.facts.kind not in kinds and look_alike(one.facts, other.facts):
                    near[group] = abs(one.facts.occurred_at - other.facts.occurred_at)
        found: list[tuple[Group, Sequence[Sighting]]] = []
        for group in nsmallest(_NEAREST, near, key=near.__getitem__):
            takers = [some for some in group.cores().values() if not can_be_one(core, some)]
            if len(takers) == 1:
                rest = [one for one in group.members if one not in takers[0]]
                if any(look_alike(one.facts, other.facts) for one in core for other in rest):
                    found.append((group, takers[0]))
        return found

    def _move(self, some: Iterable[Sighting], group: Group) -> None:
        moved = list(some)
        for each in moved:
            self.touched[each.group] = None
        self.touched[group] = None
        self._sightings.move(moved, group)


def _core_of(each: Sighting) -> list[Sighting]:
    return [one for one in each.group.members if one.core == each.core]


def _certainty_in(each: Sighting, others: Iterable[Sighting]) -> int:
    return max((certainty(each.facts, one.facts) for one in others), default=0)


def _age(group: Group) -> int:
    return min(each.number for each in group.members)
