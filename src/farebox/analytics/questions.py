"""The entrance: every question about many calls is put to `Questions`.

Where the answer comes from differs: an engine in this process, the server's worker, or a server that
runs already. All of them take a `Request` and give a `Reply`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from farebox.analytics.dimensions import SUMS
from farebox.analytics.query import (
    Answer,
    Ask,
    AskCalls,
    AskSorted,
    AskTags,
    AskUnknown,
    Breakdown,
    Bucket,
    Failure,
    Group,
    Measures,
    Place,
    Point,
    Question,
    Reply,
    Request,
    Row,
    TagValue,
    UnknownValue,
)
from farebox.errors import (
    FareboxError,
    LedgerError,
    QuestionError,
    ReplicaBuildingError,
    ReplicaBusyError,
    UsageError,
)

_ERRORS: dict[str, type[FareboxError]] = {
    each.code: each
    for each in (UsageError, QuestionError, ReplicaBusyError, ReplicaBuildingError, LedgerError)
}

_AT_A_TIME = 20_000


class Asker(Protocol):
    """Anything that answers requests."""

    def reply(self, request: Request, /) -> Reply: ...
    def close(self) -> None: ...


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls a question is about; see `Question`."""

    since_ns: int | None = None
    until_ns: int | None = None
    where: Mapping[str, Sequence[str]] = {}
    families: bool = False
    as_of_seq: int | None = None
    unless: Sequence[Mapping[str, Sequence[str]]] = ()

    @property
    def is_everything(self) -> bool:
        """There are no filters."""
        return (
            not self.where
            and self.since_ns is None
            and self.until_ns is None
            and self.as_of_seq is None
            and not self.unless
        )

    def question(
        self,
        *,
        by: Sequence[str] = (),
        bucket: Bucket | None = None,
        tz: str = "UTC",
        measures: Sequence[str] = SUMS,
        order: str = "cost_pico",
        unpriced_first: bool = False,
        ascending: bool = False,
        limit: int | None = None,
        offset: int = 0,
        with_models: bool = False,
    ) -> Question:
        """Return a question about these calls."""
        return Question(
            since_ns=self.since_ns,
            until_ns=self.until_ns,
            where={name: list(values) for name, values in self.where.items()},
            families=self.families,
            with_models=with_models,
            as_of_seq=self.as_of_seq,
            unless=[{name: list(values) for name, values in each.items()} for each in self.unless],
            by=list(by),
            bucket=bucket,
            tz=tz,
            measures=list(measures),
            order=order,
            unpriced_first=unpriced_first,
            ascending=ascending,
            limit=limit,
            offset=offset,
        )


class Questions:
    """Totals, breakdowns, series, choices. Every answer is exact and says what it covers."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    def __enter__(self) -> Questions:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, or the replica."""
        self._asker.close()

    def reply(self, request: Request) -> Reply:
        """Return the reply to a request.

        Raises:
            UsageError: There is no such dimension, measure or value.
            QuestionError: It cannot be answered now; the message says what to do.
        """
        reply = self._asker.reply(request)
        if reply.failure is not None:
            raise _ERRORS.get(reply.failure.code, QuestionError)(reply.failure.message)
        return reply

    def answers(self, *asked: Question) -> list[Answer]:
        """Return the answers to questions, all of them from one state of the record."""
        return self.reply(Ask(questions=list(asked))).answers

    def last_seq(self) -> int:
        """Return the newest row that the next answer covers at least."""
        return self.reply(Ask(questions=[])).seq

    def totals(self, *selections: Selection) -> list[Measures]:
        """Return the sums over each selection."""
        return self.covered_totals(*selections)[1]

    def covered_totals(self, *selections: Selection) -> tuple[int, list[Measures]]:
        """Return the newest row that is in the sums, and the sums over each selection."""
        reply = self.reply(Ask(questions=[each.question() for each in selections]))
        return reply.seq, [_measures(SUMS, each.rows[0].values) for each in reply.answers]

    def breakdown(
        self,
        selection: Selection,
        by: Sequence[str],
        *,
        bucket: Bucket | None = None,
        tz: str = "UTC",
        limit: int | None = None,
        also: Sequence[str] = (),
        order: str = "cost_pico",
        unpriced_first: bool = False,
        with_models: bool = False,
    ) -> Breakdown:
        """Return groups, most expensive first, and the rest of the total.

        With a `bucket`, whose start is a key of that name, oldest first. `also` are measures other than
        sums, of each group and of the total; `with_models` says which ones a family brought in.
        """
        measures = [*SUMS, *(name for name in also if name not in SUMS)]
        grouped, total = self.answers(
            selection.question(
                by=by,
                bucket=bucket,
                tz=tz,
                measures=measures,
                order=order,
                unpriced_first=unpriced_first,
                limit=limit,
            ),
            selection.question(measures=measures, with_models=with_models),
        )
        groups = [_group(by, measures, row, bucket) for row in grouped.rows]
        whole = _group((), measures, total.rows[0])
        return Breakdown(
            seq=total.seq,
            groups=groups,
            rest_groups=grouped.groups - len(groups),
            rest=difference(whole.measures, groups),
            total=whole.measures,
            others=whole.others,
            models=total.models,
        )

    def series(
        self,
        selection: Selection,
        bucket: Bucket,
        tz: str = "UTC",
        by: str | None = None,
        measures: Sequence[str] = SUMS,
    ) -> list[Point]:
        """Return the sums of each bucket that has calls, oldest first; those not asked for are zero."""
        keys = [] if by is None else [by]
        (found,) = self.answers(selection.question(by=keys, bucket=bucket, tz=tz, measures=measures))
        return [
            Point(
                start_ns=row.start_ns or 0,
                keys=dict(zip(keys, row.keys, strict=True)),
                measures=_measures(measures, row.values),
            )
            for row in found.rows
        ]

    def calls(
        self, selection: Selection, limit: int, *, before_seq: int | None = None, after_seq: int | None = None
    ) -> list[int]:
        """Return the numbers of calls, newest first, or with `after_seq` oldest first from the next on.

        A call is numbered by its first row, whatever was corrected since.
        """
        asked = AskCalls(
            question=selection.question(), limit=limit, before_seq=before_seq, after_seq=after_seq
        )
        return self.reply(asked).seqs

    def sorted_calls(
        self,
        selection: Selection,
        order: str,
        limit: int,
        *,
        ascending: bool = False,
        after: Place | None = None,
    ) -> list[Place]:
        """Return the places of calls in an order, from the one after `after` on: highest first."""
        question = selection.question()
        asked = AskSorted(question=question, order=order, ascending=ascending, limit=limit, after=after)
        return self.reply(asked).places

    def tags(self, selection: Selection, contains: str, limit: int) -> list[TagValue]:
        """Return the values of tags that contain a text, in themselves or in their name; most calls first."""
        return self.reply(AskTags(question=selection.question(), contains=contains, limit=limit)).tags

    def every_call(self, selection: Selection) -> Iterator[int]:
        """Yield the numbers of all calls there are now, oldest first."""
        last, after = self.last_seq(), 0
        while found := self.calls(selection, _AT_A_TIME, after_seq=after):
            yield from (seq for seq in found if seq <= last)
            after = found[-1]

    def unknown(self, selection: Selection) -> list[UnknownValue]:
        """Return the values of the filters that no call ever had."""
        where = {name: list(values) for name, values in selection.where.items()}
        return self.reply(AskUnknown(where=where, families=selection.families)).unknown


def reply_of(work: Callable[[], Reply]) -> Reply:
    """Return the reply, or the failure of a request as one."""
    try:
        return work()
    except FareboxError as error:
        return Reply(failure=Failure(code=error.code, message=str(error)))


def _measures(names: Sequence[str], values: Sequence[int | None]) -> Measures:
    return Measures(**{name: value or 0 for name, value in zip(names, values, strict=True)})


def _group(by: Sequence[str], measures: Sequence[str], row: Row, bucket: str | None = None) -> Group:
    values = dict(zip(measures, row.values, strict=True))
    starts: dict[str, str | None] = {} if bucket is None else {bucket: str(row.start_ns)}
    return Group(
        keys=starts | dict(zip(by, row.keys, strict=True)),
        measures=_measures(SUMS, [values[name] for name in SUMS]),
        others={name: value for name, value in values.items() if name not in SUMS},
    )


def difference(total: Measures, groups: Sequence[Group]) -> Measures:
    """Return what is left of a total beside these groups."""
    return Measures(
        **{
            name: getattr(total, name) - sum(getattr(group.measures, name) for group in groups)
            for name in SUMS
        }
    )
