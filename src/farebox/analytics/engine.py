"""Answer questions in the process that owns the replica: follow the record, then ask DuckDB."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from farebox.analytics import replica as replicas
from farebox.analytics import schema
from farebox.analytics.builder import Builder, family, is_percentile, key_text, start_of
from farebox.analytics.dialects import Dialect
from farebox.analytics.dialects.duckdb import DuckDB
from farebox.analytics.dimensions import dimension
from farebox.analytics.query import (
    RANGE_ROWS,
    Answer,
    AskCalls,
    AskSorted,
    AskTags,
    Place,
    Question,
    RangeSums,
    Row,
    TagValue,
    UnknownValue,
)
from farebox.analytics.replica import DamagedReplicaError, Lock, Replica
from farebox.analytics.replicator import Progress, Replicator
from farebox.analytics.zones import Offsets
from farebox.errors import LedgerError, QuestionError, ReplicaBuildingError, ReplicaBusyError, UsageError
from farebox.home import Home
from farebox.ledger.database import Connection, open_reader
from farebox.ledger.feed import Feed
from farebox.nearest import nearest

IN_MEMORY_ROWS_MAX = 200_000
"""A process that cannot own the file copies a record of up to this many rows into memory."""

NEAREST_MAX = 3
_VALUES_LOOKED_AT = 10_000

T = TypeVar("T")


class Engine:
    """One home's record and its replica. For one thread."""

    def __init__(
        self, home: Home, said: Callable[[str], None] = lambda _: None, *, alone: bool = False
    ) -> None:
        """Open the replica; `said` is called with what had to be done to it.

        With `alone` it is in memory and nobody else's.

        Raises:
            ReplicaBusyError: Another process owns the file.
            LedgerError: There is no record yet, or it cannot be read.
        """
        connection = open_reader(home)
        if connection is None:
            raise LedgerError("there is no ledger yet")
        self._home = home
        self._said = said
        self._lock: Lock | None = None if alone else Lock(home)
        self._record: Connection = connection
        self._dialect: Dialect = DuckDB()
        try:
            if self._lock is not None:
                self._lock.acquire()
            self._replica, self._replicator = self._opened()
        except BaseException:
            self.close()
            raise

    @classmethod
    def for_reading(cls, home: Home, said: Callable[[str], None] = lambda _: None) -> Engine:
        """Open the replica, or one in memory where the file is another process's or cannot be written.

        Raises:
            ReplicaBusyError: And the record is too large to copy it into memory.
            LedgerError: There is no record yet.
        """
        try:
            return cls(home, said)
        except (ReplicaBusyError, OSError) as error:
            alone = cls(home, said, alone=True)
            if alone._feed.last_seq() <= IN_MEMORY_ROWS_MAX:
                return alone
            alone.close()
            if isinstance(error, ReplicaBusyError):
                raise
            raise ReplicaBusyError(f"analytics.duckdb cannot be opened: {error}") from error

    def _opened(self) -> tuple[Replica, Replicator]:
        self._feed = Feed(self._record)  # a new one remembers no value that was erased since
        if self._lock is None:
            replica = Replica.in_memory()
            return replica, Replicator(self._feed, replica)
        try:
            return self._tried()
        except DamagedReplicaError as error:
            self._said(f"analytics.duckdb is made again from the ledger: {error}")
            replicas.delete(self._home)
            return self._tried()

    def _tried(self) -> tuple[Replica, Replicator]:
        replica = Replica.of(self._home)
        try:
            return replica, Replicator(self._feed, replica)
        except BaseException:
            replica.close()
            raise

    def close(self) -> None:
        """Close everything and let the next process have the file."""
        if hasattr(self, "_replica"):
            self._replica.close()
        self._record.close()
        if self._lock is not None:
            self._lock.release()

    def rebuild(self, why: str) -> None:
        """Delete the replica and begin it again."""
        self._said(f"analytics.duckdb is made again from the ledger: {why}")
        self._replica.close()
        if self._lock is not None:
            replicas.delete(self._home)
        self._replica, self._replicator = self._opened()

    def step(self) -> Progress:
        """Copy one batch of the record's new rows.

        Where personal values were erased the replica begins again: DuckDB does not overwrite what it deletes.
        """
        try:
            if not self._replicator.has_erased_values():
                return self._replicator.step()
            why = "personal values were erased from it"
        except DamagedReplicaError as error:
            why = str(error)
        self.rebuild(why)
        return self._replicator.step()

    def behind(self) -> int:
        """Return how many rows of the record are not in the replica."""
        return self._feed.last_seq() - self._replicator.seq

    def catch_up(self, seconds: float | None = None, told: Callable[[Progress], None] | None = None) -> int:
        """Copy everything new and return the newest row's number.

        Raises:
            ReplicaBuildingError: That takes longer than `seconds`; asked again, it goes on from there.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        while not (progress := self.step()).done:
            if told is not None:
                told(progress)
            if deadline is not None and time.monotonic() > deadline:
                raise ReplicaBuildingError(
                    f"the replica is being built: {progress.seq:,} of {progress.last_seq:,} rows are in it"
                )
        return progress.seq

    def answer(self, asked: Question) -> Answer:
        """Answer one question from the replica as it is."""
        return self._repaired(lambda: self._answer(asked))

    def _answer(self, asked: Question) -> Answer:
        responded = self._responded(asked) if asked.families else []
        offsets = None
        if asked.bucket is not None:
            first, last = self.span()
            since = first if asked.since_ns is None else asked.since_ns
            until = last if asked.until_ns is None else asked.until_ns
            offsets = Offsets.of(ZoneInfo(asked.tz), since, until)
        width = (0 if asked.bucket is None else 1) + len(asked.by)
        found: list[Row] = []
        groups = 0
        for row in self._rows(asked, offsets, responded):
            start = None
            if offsets is not None and asked.bucket is not None:
                start = start_of(asked.bucket, row[0], offsets)
            keys = [key_text(value) for value in row[width - len(asked.by) : width]]
            found.append(Row(start, keys, list(row[width:-1])))
            groups = row[-1]
        models = self._included(asked, responded) if asked.families and asked.with_models else []
        return Answer(seq=self._replicator.seq, rows=found, groups=groups, models=models)

    def _rows(self, asked: Question, offsets: Offsets | None, responded: list[str]) -> list[Any]:
        """Return the rows of a question's statement; percentiles that need too much memory by sorting."""

        def rows(*, by_rank: bool) -> list[Any]:
            statement = Builder(self._dialect).question(asked, offsets, responded, by_rank=by_rank)
            return self._replica.rows(*statement)

        try:
            return rows(by_rank=False)
        except QuestionError:
            if not any(is_percentile(name) for name in (*asked.measures, asked.order)):
                raise
        return rows(by_rank=True)

    def span(self) -> tuple[int, int]:
        """Return the times of the first and the last call, zeros where there are none."""
        first, last = self._replica.rows("SELECT min(occurred_at), max(occurred_at) FROM calls")[0]
        return first or 0, last or 0

    def _responded(self, asked: Question) -> list[str]:
        names = [name for name in asked.where.get("model", []) if name]
        if not names:
            return []
        models = {
            row[0]: None for row in self._replica.rows("SELECT model FROM model_pair WHERE model IS NOT NULL")
        }
        return family(models, names)

    def _included(self, asked: Question, responded: list[str]) -> list[str]:
        names = asked.where.get("model", [])
        if not names:
            return []
        statement = Builder(self._dialect).question(
            Question(
                since_ns=asked.since_ns,
                until_ns=asked.until_ns,
                where=asked.where,
                families=True,
                by=["model"],
                measures=["calls"],
                as_of_seq=asked.as_of_seq,
            ),
            None,
            responded,
        )
        return sorted(row[0] for row in self._replica.rows(*statement) if row[0] and row[0] not in names)

    def calls(self, asked: AskCalls) -> list[int]:
        """Return the numbers of calls, by their first rows."""

        def listed() -> list[int]:
            question = asked.question
            responded = self._responded(question) if question.families else []
            return [row[0] for row in self._replica.rows(*Builder(self._dialect).calls(asked, responded))]

        return self._repaired(listed)

    def sorted_calls(self, asked: AskSorted) -> list[Place]:
        """Return the places of calls, first in their order."""

        def listed() -> list[Place]:
            question = asked.question
            responded = self._responded(question) if question.families else []
            statement = Builder(self._dialect).sorted_calls(asked, responded)
            return [Place(*row) for row in self._replica.rows(*statement)]

        return self._repaired(listed)

    def tags(self, asked: AskTags) -> list[TagValue]:
        """Return the values of tags, most calls first."""

        def listed() -> list[TagValue]:
            question = asked.question
            responded = self._responded(question) if question.families else []
            statement = Builder(self._dialect).tags(asked, responded)
            return [TagValue(*row) for row in self._replica.rows(*statement)]

        return self._repaired(listed)

    def unknown(self, where: dict[str, list[str]], *, families: bool) -> list[UnknownValue]:
        """Return the values of these filters that no call ever had, with the nearest ones."""
        return self._repaired(lambda: self._unknown(where, families=families))

    def _unknown(self, where: dict[str, list[str]], *, families: bool) -> list[UnknownValue]:
        return [
            UnknownValue(name=name, value=value, nearest=self._nearest(name, value))
            for name, values in where.items()
            for value in values
            if value and not self._is_known(name, value, families=families)
        ]

    def _is_known(self, name: str, value: str, *, families: bool) -> bool:
        if self._replica.rows(*Builder(self._dialect).exists(name, value)):
            return True
        if name != "model" or not families:
            return value in dimension(name).values
        asked = Question(where={"model": [value]}, families=True)
        requested = Builder(self._dialect).exists("request_model", value)
        return bool(self._responded(asked) or self._replica.rows(*requested))

    def _nearest(self, name: str, value: str) -> list[str]:
        listed = Builder(self._dialect).values(name, Question(), _VALUES_LOOKED_AT)
        values = [key_text(row[0]) or "" for row in self._replica.rows(*listed)]
        return nearest(value, values, most=NEAREST_MAX, like=0.5)

    def range_sums(self, columns: Sequence[str]) -> list[RangeSums]:
        """Return what `farebox verify` compares with the record: sums of each range of rows."""
        for name in columns:
            if name not in schema.COMPARED:
                raise UsageError(f"there is no column {name!r}")
        sums = ", ".join(f"coalesce(sum({schema.COMPARED[name]}), 0)" for name in columns)
        sql = f"SELECT seq // {RANGE_ROWS} AS part, count(*), {sums} FROM calls GROUP BY 1 ORDER BY 1"  # noqa: S608
        rows = self._repaired(lambda: self._replica.rows(sql))
        return [RangeSums(part=row[0], rows=row[1], sums=list(row[2:])) for row in rows]

    def _repaired(self, work: Callable[[], T]) -> T:
        """Do some work; where the file turns out to be damaged, make it again and do it then."""
        try:
            return work()
        except DamagedReplicaError as error:
            self.rebuild(str(error))
            self.catch_up()
            return work()
