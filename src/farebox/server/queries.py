"""Ask the ledger without holding up the event loop.

Two threads: reports wait for each other, so that a burst of them cannot take the whole machine;
what is live, a receipt or a page of calls never waits for a report.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from farebox.ledger.backlog import Backlog
from farebox.ledger.filter import Filter
from farebox.ledger.health import LedgerHealth
from farebox.ledger.rows import CallRow, Group, Measures, Point

T = TypeVar("T")


class Reader(Protocol):
    """What this server needs of `farebox.ledger.reader.LedgerReader`."""

    def totals(self, which: Filter, /) -> Measures: ...
    def breakdown(self, which: Filter, /, by: Sequence[str], limit: int) -> list[Group]: ...
    def series(self, which: Filter, /, bucket_s: int, by: str | None) -> list[Point]: ...
    def calls(
        self,
        which: Filter,
        /,
        limit: int,
        before_seq: int | None = None,
        after_seq: int | None = None,
    ) -> list[CallRow]: ...
    def call(self, call_id: str, /) -> CallRow: ...
    def last_seq(self) -> int: ...
    def health(self) -> LedgerHealth: ...
    def backlog(self) -> Backlog: ...
    @property
    def trouble(self) -> str | None: ...


class Ledger:
    """The ledger as this server sees it: coroutines around a reader in threads of its own."""

    def __init__(self, open_reader: Callable[[], Reader]) -> None:
        self._open_reader = open_reader
        self._reader: Reader | None = None
        self._reports = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reports")
        self._live = ThreadPoolExecutor(max_workers=1, thread_name_prefix="live")

    async def ask(self, question: Callable[[Reader], T]) -> T:
        """Return what `question` returns. Cancelled before its turn, it is never asked."""
        return await asyncio.get_running_loop().run_in_executor(self._reports, self._ask, question)

    async def ask_soon(self, question: Callable[[Reader], T]) -> T:
        """Return the answer to a quick question, whatever long ones are waiting or running."""
        return await asyncio.get_running_loop().run_in_executor(self._live, self._ask, question)

    def _ask(self, question: Callable[[Reader], T]) -> T:
        if self._reader is None:
            self._reader = self._open_reader()
        return question(self._reader)

    def close(self) -> None:
        for threads in (self._reports, self._live):
            threads.shutdown(wait=False, cancel_futures=True)


def calls_filter(
    since_ns: int | None, until_ns: int | None, where: Mapping[str, str | Sequence[str]]
) -> Filter:
    """Return the ledger's filter for a half-open span and dimension values."""
    return Filter(since_ns=since_ns, until_ns=until_ns, where=where)
