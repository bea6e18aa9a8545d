"""The billing desk of a home as the server uses it: in a thread of its own, one piece of work at a time.

Its questions are asked one by one between those of screens, so that a screen waits for one and never for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from farebox.analytics.questions import Questions
from farebox.config import is_exposed, load_config
from farebox.server.api.queries import Turns

if TYPE_CHECKING:
    from farebox.billing.invoices.run import Desk
    from farebox.server.api.services import Services

T = TypeVar("T")


class ServedDesk:
    """Whoever has work for the desk waits for it, and nothing else does."""

    def __init__(self, services: Services, thread: str) -> None:
        self._services = services
        self._working = ThreadPoolExecutor(max_workers=1, thread_name_prefix=thread)

    async def do(self, work: Callable[[Desk], T], *, writes: bool = False) -> T:
        """Return what a piece of work at the desk comes to; work that `writes` creates what is missing."""
        loop = asyncio.get_running_loop()
        questions = Questions(Turns(self._services.ledger, loop))
        return await loop.run_in_executor(self._working, lambda: work(self._desk(questions, writes)))

    def close(self) -> None:
        """Take no more work."""
        self._working.shutdown(wait=False, cancel_futures=True)

    def _desk(self, questions: Questions, writes: bool) -> Desk:
        from farebox.billing.invoices.run import Desk
        from farebox.billing.usage.record_usage import RecordUsage
        from farebox.control.database import open_control

        home = self._services.home
        config = load_config(home, prices=False)
        return Desk(
            home,
            self._services.control() or (open_control(home) if writes else self._services.no_control()),
            RecordUsage(home, questions),
            questions=questions,
            verified=is_exposed(config.listen, config),
        )
