"""Add up the record's newest rows as they come, by minute and second: live figures need no replica.

What was there before is asked of the replica once; from then on each row is looked at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from farebox.analytics.builder import SECOND_NS, family, key_text, status_class
from farebox.analytics.dimensions import (
    DIMENSIONS,
    PLAN_MODEL,
    RETRY,
    SUMS,
    TAG,
    UNPRICED,
    VERIFIED,
    Dimension,
    is_error,
)
from farebox.analytics.query import Answer, Measures, Question
from farebox.analytics.questions import Selection
from farebox.analytics.schema import tags_of
from farebox.ledger.feed import CLASS_COLUMNS, ROW_COLUMNS, Batch

MINUTE_NS = 60 * SECOND_NS
_SECONDS_KEPT = 120

_ROW = {name: index for index, name in enumerate(ROW_COLUMNS)}
_CLASS = {name: index for index, name in enumerate(CLASS_COLUMNS)}
_FLAGS = {name for name, each in DIMENSIONS.items() if each.kind == "flag"}
_SUMMED = [_ROW[name] for name in SUMS if name in _ROW]
"""Sums that are columns of a row; those before them count calls."""


class News(NamedTuple):
    """What some rows were."""

    calls: list[int]
    """The numbers of calls that are new and match, in order."""
    minutes: list[int]
    """The minutes whose sums changed, by their start."""


class LiveSums:
    """The sums of chosen calls, kept up with the record. Whole minutes, and the seconds of the last two."""

    def __init__(self, chosen: Selection, as_of_seq: int | None = None) -> None:
        """With `as_of_seq` they begin as they were when that was the newest row."""
        self._chosen = msgspec.structs.replace(chosen, as_of_seq=as_of_seq)
        self._minutes: dict[int, list[int]] = {}
        self._seconds: dict[int, list[int]] = {}
        self.seq = 0
        """The newest row that is in the sums."""

    def base_questions(self, since_ns: int, now_ns: int) -> tuple[Question, Question]:
        """Return what to ask before the first row comes: sums from `since_ns` on, and of the last seconds."""
        asked = self._chosen.question
        return (
            _since(asked(bucket="minute"), since_ns),
            _since(asked(bucket="second"), now_ns - _SECONDS_KEPT * SECOND_NS),
        )

    def begin(self, minutes: Answer, seconds: Answer) -> None:
        """Take in the answers to `base_questions`, both from one state of the record."""
        self.seq = minutes.seq if self._chosen.as_of_seq is None else self._chosen.as_of_seq
        for kept, answer in ((self._minutes, minutes), (self._seconds, seconds)):
            for row in answer.rows:
                kept[row.start_ns or 0] = [value or 0 for value in row.values]

    @property
    def with_details(self) -> bool:
        """Whether the rows to add have to come with their details: what was a retry is asked for."""
        return RETRY in self._chosen.where

    def add(self, batch: Batch) -> News:
        """Add rows that follow row `seq`. A reversal at the end waits for its replacement."""
        calls: set[int] = set()
        minutes: set[int] = set()
        rows, before, matching = batch.rows, self.seq, _Matching(self._chosen, batch)
        if len(rows) > 1 and rows[-1][_ROW["sign"]] < 0:
            rows = rows[:-1]
        for at, row in enumerate(rows):
            if not matching.has(row, at):
                continue
            values = _values(row, batch.classes[row[_ROW["call_class"]]])
            moment = row[_ROW["occurred_at"]]
            minute = moment - moment % MINUTE_NS
            _add(self._minutes, minute, values)
            _add(self._seconds, moment - moment % SECOND_NS, values)
            minutes.add(minute)
            call = row[_ROW["call_seq"]]
            if row[_ROW["sign"]] < 0:
                calls.discard(call)
            elif call > before:
                calls.add(call)
        if rows:
            self.seq = rows[-1][_ROW["seq"]]
        return News(sorted(calls), sorted(minutes))

    def forget(self, since_ns: int, now_ns: int) -> None:
        """Drop minutes before `since_ns`, and seconds that are no longer wanted."""
        for kept, first in ((self._minutes, since_ns), (self._seconds, now_ns - _SECONDS_KEPT * SECOND_NS)):
            for start in [start for start in kept if start < first]:
                del kept[start]

    def minute(self, start_ns: int) -> Measures:
        """Return the sums of one minute."""
        return _measures([self._minutes.get(start_ns, [0] * len(SUMS))])

    def since_minute(self, since_ns: int, until_ns: int) -> Measures:
        """Return the sums of the minutes that begin in `[since_ns, until_ns)`."""
        return _measures([sums for start, sums in self._minutes.items() if since_ns <= start < until_ns])

    def since_second(self, since_ns: int, until_ns: int) -> Measures:
        """Return the sums of the seconds that begin in `[since_ns, until_ns)`, at most two minutes back."""
        return _measures([sums for start, sums in self._seconds.items() if since_ns <= start < until_ns])


class _Matching:
    """Tells which rows of a batch are chosen; decided once for rows that refer to the same values."""

    def __init__(self, chosen: Selection, batch: Batch) -> None:
        self._chosen = chosen
        self._batch = batch
        self._known: dict[tuple[Any, ...], bool] = {}

    def has(self, row: Sequence[Any], at: int) -> bool:
        """Tell it of row number `at` of the batch."""
        if not self._chosen.where:
            return True
        retry = bool(self._batch.retries) and self._batch.retries[at]
        key = (*(row[_ROW[name]] for name in ("call_class", "attribution", "source", "step")), retry)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = all(
                self._is_wanted(row, retry, name, values) for name, values in self._chosen.where.items()
            )
        return known

    def _is_wanted(self, row: Sequence[Any], retry: bool, name: str, wanted: Sequence[str]) -> bool:
        value = self._value(row, retry, name)
        if _is_one_of(name, value, wanted):
            return True
        if name != "model" or not self._chosen.families:
            return False
        names = [each for each in wanted if each]
        return self._value(row, retry, "request_model") in names or bool(
            value and family({value: None}, names)
        )

    def _value(self, row: Sequence[Any], retry: bool, name: str) -> str | None:
        owner = self._batch.attributions[row[_ROW["attribution"]]]
        if name.startswith(TAG):
            return tags_of(owner.fields).get(name[len(TAG) :].lower())
        dimension: Dimension = DIMENSIONS[name]
        if name == PLAN_MODEL:
            return self._value(row, retry, "request_model") or self._value(row, retry, "model")
        match dimension.origin:
            case "attribution" if name == VERIFIED:
                return key_text(owner.verified)
            case "attribution":
                return owner.fields.get(name)
            case "source":
                return self._batch.sources[row[_ROW["source"]]]
            case "row":
                return row[_ROW[name]]
            case "detail":
                return key_text(retry)
            case "class":
                value = self._batch.classes[row[_ROW["call_class"]]][_CLASS[dimension.field or name]]
                return key_text(bool(value) if dimension.kind == "flag" else value)


def _is_one_of(name: str, value: str | None, wanted: Sequence[str]) -> bool:
    for each in wanted:
        first = status_class(name, each)
        if first is not None:
            if value is not None and len(value) == 3 and value[0] == first:
                return True
        elif (value or "") == (each.lower() if name in _FLAGS else each):
            return True
    return False


def _values(row: Sequence[Any], call_class: Sequence[Any]) -> list[int]:
    """Return what a row adds to each of `SUMS`."""
    sign = row[_ROW["sign"]]
    status, outcome = call_class[_CLASS["status"]], call_class[_CLASS["outcome"]]
    state = call_class[_CLASS["cost_state"]]
    return [
        sign,
        sign if is_error(status, outcome) else 0,
        sign if state in UNPRICED else 0,
        sign if state == "estimated" else 0,
        *(row[index] or 0 for index in _SUMMED),
    ]


def _add(kept: dict[int, list[int]], start: int, values: Sequence[int]) -> None:
    known = kept.get(start)
    kept[start] = list(values) if known is None else [a + b for a, b in zip(known, values, strict=True)]


def _measures(sums: Sequence[Sequence[int]]) -> Measures:
    added = map(sum, zip(*sums, strict=True))
    return Measures(**dict(zip(SUMS, added, strict=True))) if sums else Measures()


def _since(asked: Question, since_ns: int) -> Question:
    return msgspec.structs.replace(asked, since_ns=since_ns)
