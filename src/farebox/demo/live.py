"""Go on making calls up after the thirty days, as they would come: begun, in flight, over."""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Callable

from farebox.clock import now_ns
from farebox.demo.conversations import Conversations
from farebox.demo.exchanges import MS, Call, Said, done_of, intent_of, partial_of, result_of
from farebox.home import Home
from farebox.journal.direct_writer import DirectWriter
from farebox.journal.records import DONE, INTENT, OUTCOME, PARTIAL, SCORE, encode

CONVERSATION_EVERY_S = 4
_LOOK_EVERY_S = 0.2
_PARTIAL_AFTER_NS = 1_500 * MS
"""A call that takes longer says in between what it has used."""

Event = tuple[int, int, int, Call | Said]
"""When, which of those of one moment, the record's type, and what of."""


class LiveCalls:
    """Writes to one home's journal until it is told to end."""

    def __init__(
        self,
        home: Home,
        seed: int,
        *,
        clock: Callable[[], int] = now_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._rng = random.Random(seed)  # noqa: S311  # made-up data
        self._conversations = Conversations(self._rng, clock())
        self._writer = DirectWriter(home.journal, source="demo", kind="demo")
        self._events: list[Event] = []
        self._number = 0
        self._next_ns = clock()
        self._running: dict[bytes, Call] = {}
        self.calls = 0
        """How many have ended."""

    def run(self, until_ns: int | None = None) -> None:
        """Make calls until a moment, or for ever."""
        while until_ns is None or self._clock() < until_ns:
            self.step()
            self._sleep(_LOOK_EVERY_S)

    def step(self) -> None:
        """Write down what has happened by now, and begin what is due."""
        now = self._clock()
        while self._next_ns <= now:
            for work in self._conversations.begun_at(self._next_ns):
                self._expect(work)
            self._next_ns += int(self._rng.expovariate(1 / CONVERSATION_EVERY_S) * 10**9) + MS
        while self._events and self._events[0][0] <= now:
            _, _, record_type, work = heapq.heappop(self._events)
            self._write(record_type, work)

    def close(self) -> None:
        """End what is in flight, as if whoever asked had left, and release the journal."""
        for call in self._running.values():
            call.took_ns = max(self._clock() - call.began_ns, MS)
            call.is_cut = call.status < 400
            self._writer.append(DONE, encode(done_of(call)))
        self._running.clear()
        self._writer.close()

    def _expect(self, work: Call | Said) -> None:
        if isinstance(work, Said):
            self._at(work.ended_ns, SCORE if work.is_score else OUTCOME, work)
            return
        self._at(work.began_ns, INTENT, work)
        if work.streamed and work.took_ns > _PARTIAL_AFTER_NS:
            self._at(work.began_ns + work.first_byte_ns, PARTIAL, work)
        self._at(work.ended_ns, DONE, work)

    def _at(self, moment_ns: int, record_type: int, work: Call | Said) -> None:
        self._number += 1
        heapq.heappush(self._events, (moment_ns, self._number, record_type, work))

    def _write(self, record_type: int, work: Call | Said) -> None:
        if isinstance(work, Said):
            self._writer.append(record_type, encode(result_of(work)))
        elif record_type == INTENT:
            self._running[work.id] = work
            self._writer.append(INTENT, encode(intent_of(work)))
        elif record_type == PARTIAL:
            self._writer.append(PARTIAL, encode(partial_of(work)))
        else:
            del self._running[work.id]
            self.calls += 1
            self._writer.append(DONE, encode(done_of(work)))
