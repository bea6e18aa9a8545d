"""Answer questions in this process: in the worker, and in a command where no server runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from farebox.analytics.dimensions import MEASURES, check_measures, dimension
from farebox.analytics.query import (
    Answer,
    Ask,
    AskCalls,
    AskRangeSums,
    AskSorted,
    AskTags,
    AskUnknown,
    Question,
    Reply,
    Request,
    Row,
)
from farebox.errors import LedgerError
from farebox.home import Home

if TYPE_CHECKING:
    from farebox.analytics.engine import Engine
    from farebox.analytics.replicator import Progress


class LocalAsker:
    """An engine that is opened with the first request. For one thread."""

    def __init__(
        self,
        home: Home,
        *,
        seconds: float | None = None,
        owner: bool = False,
        told: Callable[[Progress], None] | None = None,
    ) -> None:
        """With `owner` it never falls back to a replica in memory; `seconds` bounds catching up."""
        self._home = home
        self._seconds = seconds
        self._owner = owner
        self._told = told
        self._said: list[str] = []
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine | None:
        """The engine, None before the first request and where there is no record yet."""
        return self._engine

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def reply(self, request: Request) -> Reply:
        """Answer a request from the newest rows.

        Raises:
            FareboxError: It cannot be answered.
        """
        engine = self._engine or self._open()
        if engine is None:
            return _of_nothing(request)
        seq = engine.catch_up(self._seconds, self._told)
        reply = self._reply(engine, request, seq)
        reply.said.extend(self._said)
        self._said.clear()
        return reply

    def _reply(self, engine: Engine, request: Request, seq: int) -> Reply:
        match request:
            case Ask(questions=questions):
                return Reply(answers=[engine.answer(each) for each in questions], seq=seq)
            case AskCalls():
                return Reply(seqs=engine.calls(request), seq=seq)
            case AskSorted():
                return Reply(places=engine.sorted_calls(request), seq=seq)
            case AskTags():
                return Reply(tags=engine.tags(request), seq=seq)
            case AskUnknown(where=where, families=families):
                return Reply(unknown=engine.unknown(where, families=families), seq=seq)
            case AskRangeSums(columns=columns, rebuild=rebuild):
                if rebuild:
                    engine.rebuild("it was not the same as the ledger")
                    seq = engine.catch_up()
                return Reply(ranges=engine.range_sums(columns), seq=seq)

    def _open(self) -> Engine | None:
        from farebox.analytics.engine import Engine

        if not self._home.ledger.exists():
            return None
        try:
            self._engine = (Engine if self._owner else Engine.for_reading)(self._home, self._say)
        except LedgerError:
            if self._home.ledger.exists() and self._home.ledger.stat().st_size:
                raise
            return None
        return self._engine

    def _say(self, sentence: str) -> None:
        self._said.append(sentence)
        print(f"farebox: {sentence}", file=sys.stderr, flush=True)


def _of_nothing(request: Request) -> Reply:
    """Answer where there is no record yet: every result is empty."""
    if not isinstance(request, Ask):
        return Reply()
    return Reply(answers=[_nothing(each) for each in request.questions])


def _nothing(asked: Question) -> Answer:
    check_measures(asked.measures)
    for name in (*asked.by, *asked.where):
        dimension(name)
    if asked.by or asked.bucket:
        return Answer(seq=0, rows=[], groups=0)
    values: list[int | None] = [0 if MEASURES[name].kind == "sum" else None for name in asked.measures]
    return Answer(seq=0, rows=[Row(None, [], values)], groups=1)
