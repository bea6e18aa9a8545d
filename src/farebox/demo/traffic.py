"""Thirty days of calls, in the order in which they end: by the hour, the day of the week, and chance.

The same seed, number of calls and end make the same calls.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from datetime import UTC, datetime

from farebox.demo.conversations import Conversations
from farebox.demo.exchanges import Call, Work

DAYS = 30
HOUR_NS = 3_600 * 10**9
SPAN_NS = DAYS * 24 * HOUR_NS

_OF_THE_DAY = (3, 2, 2, 2, 2, 3, 5, 9, 14, 18, 21, 22, 20, 21, 24, 25, 24, 21, 17, 13, 10, 8, 6, 4)
"""How much work there is in each hour of a weekday, UTC."""
_AT_WEEKENDS = 0.35
_GROWTH = 0.5
"""By how much more there is at the end than at the beginning."""


class Traffic:
    """`calls` calls before `until_ns`, and what came of them."""

    def __init__(self, calls: int, seed: int, until_ns: int) -> None:
        self.since_ns = until_ns - SPAN_NS
        self.until_ns = until_ns
        self._calls = calls
        self._rng = random.Random(seed)  # noqa: S311  # made-up data, which a seed has to repeat
        self._work = Conversations(self._rng, until_ns)
        self._waiting: list[tuple[int, int, Work]] = []
        self._made = 0

    def __iter__(self) -> Iterator[Work]:
        """Yield everything, oldest end first."""
        hours = list(range(self.since_ns, self.until_ns, HOUR_NS))
        weights = [self._weight(start) for start in hours]
        whole, passed, number = sum(weights), 0.0, 0
        for start, weight in zip(hours, weights, strict=True):
            passed += weight
            wanted = round(self._calls * passed / whole)
            end = min(start + HOUR_NS, self.until_ns)
            while self._made < wanted:
                for work in self._conversation(start, end):
                    number += 1
                    heapq.heappush(self._waiting, (work.ended_ns, number, work))
            yield from self._until(end)
        yield from self._until(self.until_ns)

    def _conversation(self, start: int, end: int) -> list[Work]:
        """Return what begins within an hour: as many calls as are still wanted, and none after the end."""
        kept: list[Work] = []
        at = start + self._rng.randrange(end - start)
        for work in self._work.begun_at(at):
            if work.ended_ns >= self.until_ns or self._made == self._calls:
                break
            self._made += isinstance(work, Call)
            kept.append(work)
        return kept

    def _until(self, end: int) -> Iterator[Work]:
        while self._waiting and self._waiting[0][0] < end:
            yield heapq.heappop(self._waiting)[2]

    def _weight(self, start: int) -> float:
        moment = datetime.fromtimestamp(start // 10**9, UTC)
        share = (start - self.since_ns) / SPAN_NS
        weight = _OF_THE_DAY[moment.hour] * (1 + _GROWTH * share)
        return weight * (_AT_WEEKENDS if moment.weekday() >= 5 else 1.0) * min(self.until_ns - start, HOUR_NS)
