"""Ask questions without blocking the event loop.

Two threads: questions about many calls wait for each other, so that a burst of them cannot take the
whole machine; what is read from the record itself, a receipt or the newest calls, never waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol, TypeVar

from farebox.analytics.query import Reply, Request
from farebox.analytics.questions import Questions
from farebox.ledger.append.in_flight import InFlight
from farebox.ledger.call_row import CallRow
from farebox.ledger.feed import Batch
from farebox.ledger.losses.backlog import Backlog
from farebox.ledger.losses.health import LedgerHealth
from farebox.ledger.outcomes import Kind, OutcomeRow

T = TypeVar("T")


class Reader(Protocol):
    """The part of `farebox.ledger.calls.LedgerReader` that the server uses."""

    def newest(self, limit: int, before_seq: int | None = None) -> list[CallRow]: ...
    def after(self, seq: int, limit: int) -> list[CallRow]: ...
    def rows_after(self, seq: int, limit: int, *, with_details: bool = False) -> Batch: ...
    def by_seq(self, seqs: Sequence[int]) -> list[CallRow]: ...
    def call(self, event_id: str) -> CallRow: ...
    def last_seq(self) -> int: ...
    def health(self) -> LedgerHealth: ...
    def backlog(self) -> Backlog: ...
    def in_flight(self, limit: int) -> list[InFlight]: ...
    def each_result(
        self, kind: Kind, since_ns: int, until_ns: int, take: Callable[[OutcomeRow], None]
    ) -> None: ...
    @property
    def trouble(self) -> str | None: ...


class Sources(NamedTuple):
    """The source of a report's figures, and of what they do not cover."""

    questions: Questions
    reader: Reader


class Ledger:
    """The ledger as this server sees it: coroutines around the record and the questions."""

    def __init__(self, reader: Reader, questions: Questions) -> None:
        self._sources = Sources(questions, reader)
        self._asking = ThreadPoolExecutor(max_workers=1, thread_name_prefix="questions")
        self._reading = ThreadPoolExecutor(max_workers=1, thread_name_prefix="record")

    async def ask(self, question: Callable[[Sources], T]) -> T:
        """Return what `question` returns. Cancelled before its turn, it is never asked."""
        return await asyncio.get_running_loop().run_in_executor(self._asking, question, self._sources)

    async def read(self, reading: Callable[[Reader], T]) -> T:
        """Return what is read from the record, whatever questions are waiting or running."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, reading, self._sources.reader)

    def close(self) -> None:
        for threads in (self._asking, self._reading):
            threads.shutdown(wait=False, cancel_futures=True)
        self._sources.questions.close()


class Turns:
    """Asks each question in its turn, from another thread: a screen waits for one of them, never for all."""

    def __init__(self, ledger: Ledger, loop: asyncio.AbstractEventLoop) -> None:
        self._ledger = ledger
        self._loop = loop

    def reply(self, request: Request, /) -> Reply:
        asked = self._ledger.ask(lambda sources: sources.questions.reply(request))
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()

    def close(self) -> None:
        """Leave the server's questions open."""
