"""Turn a question into SQL: one relation `calls`, every value a bound parameter.

Identifiers come from the declared dimensions and measures only. What differs between engines is the
dialect's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any, NamedTuple

from farebox.analytics.dialects import Dialect
from farebox.analytics.dimensions import (
    CALL_ORDERS,
    MEASURES,
    TAG,
    Dimension,
    Measure,
    check_measures,
    dimension,
)
from farebox.analytics.query import AskCalls, AskSorted, AskTags, Question
from farebox.analytics.zones import Offsets
from farebox.errors import UsageError

SECOND_NS = 10**9
HOUR_NS = 3_600 * SECOND_NS
DAY_NS = 24 * HOUR_NS
BUCKET_NS = {
    "second": SECOND_NS,
    "minute": 60 * SECOND_NS,
    "hour": HOUR_NS,
    "day": DAY_NS,
    "week": 7 * DAY_NS,
    "hour_of_week": HOUR_NS,
}
_MONDAY_NS = 3 * DAY_NS
"""1 January 1970 was a Thursday: so much later than a Monday."""

_STATUS_CLASS = re.compile(r"([1-5])xx", re.IGNORECASE)


class Statement(NamedTuple):
    """SQL and its parameters, in order."""

    sql: str
    parameters: list[Any]


class Builder:
    """Puts one statement together."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._parameters: list[Any] = []
        self._by_rank = False

    def question(
        self,
        asked: Question,
        offsets: Offsets | None = None,
        models: Sequence[str] = (),
        *,
        by_rank: bool = False,
    ) -> Statement:
        """Return the statement whose rows are bucket (if any), keys, measures, number of rows in all.

        `models` are the names under which models of the wanted families responded. With `by_rank` percentiles
        are found by sorting, which takes longer and can be done on the disk; the engine's own hold all
        values in memory.

        Raises:
            UsageError: There is no such dimension, measure or value.
        """
        check_measures(asked.measures)
        check_measures([asked.order])
        newest = _newest(asked.as_of_seq)
        columns: list[str] = []
        if asked.bucket is not None:
            columns.append(self._bucket(asked.bucket, offsets or Offsets.of(UTC, 0, 0)))
        columns += [self._column(dimension(name)) for name in asked.by]
        keys = [str(index + 1) for index in range(len(columns))]
        where = self._conditions(asked, models)
        source = f"calls WHERE {where}" if where else "calls"
        if by_rank:
            columns, source = self._ranked(columns, [*asked.measures, asked.order], newest, source)
        self._by_rank = by_rank
        measured = [self._measure(MEASURES[name], newest) for name in asked.measures]
        select = [*columns, *measured, self._dialect.group_count()]
        sql = f"SELECT {', '.join(select)} FROM {source}"  # noqa: S608 - identifiers are declared ones
        if keys:
            # Calls that were corrected out of a group leave it empty.
            sql += f" GROUP BY {', '.join(keys)} HAVING sum(sign) > 0"
            sql += f" ORDER BY {', '.join(self._order(asked, newest, keys))}"
        if asked.limit is not None:
            sql += f" LIMIT {asked.limit:d}"
        if asked.offset:
            sql += f" OFFSET {asked.offset:d}"
        return Statement(sql, self._parameters)

    def values(self, name: str, asked: Question, limit: int) -> Statement:
        """Return the statement that lists values of a dimension, most calls first."""
        column = self._column(dimension(name))
        where = self._conditions(asked, ())
        some = f"{column} IS NOT NULL" + (f" AND {where}" if where else "")
        sql = (
            f"SELECT {column} FROM calls WHERE {some} "  # noqa: S608 - identifiers are declared ones
            f"GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {limit:d}"
        )
        return Statement(sql, self._parameters)

    def exists(self, name: str, value: str) -> Statement:
        """Return the statement that returns a row if some call has this value."""
        where = self._wanted(dimension(name), [value])
        return Statement(f"SELECT 1 FROM calls WHERE {where} LIMIT 1", self._parameters)  # noqa: S608

    def calls(self, asked: AskCalls, models: Sequence[str] = ()) -> Statement:
        """Return the statement that lists the numbers of calls as they are now, by their first rows."""
        terms = [_newest(asked.question.as_of_seq), self._conditions(asked.question, models)]
        if asked.before_seq is not None:
            terms.append(f"call_seq < {asked.before_seq:d}")
        if asked.after_seq is not None:
            terms.append(f"call_seq > {asked.after_seq:d}")
        where = " AND ".join(term for term in terms if term)
        order = "DESC" if asked.after_seq is None else "ASC"
        sql = f"SELECT call_seq FROM calls WHERE {where} ORDER BY 1 {order} LIMIT {asked.limit:d}"  # noqa: S608
        return Statement(sql, self._parameters)

    def sorted_calls(self, asked: AskSorted, models: Sequence[str] = ()) -> Statement:
        """Return the statement that lists places of calls as they are now, first in their order.

        Raises:
            UsageError: There is no such order.
        """
        expression = CALL_ORDERS.get(asked.order)
        if expression is None:
            raise UsageError(f"there is no order {asked.order!r}; there are {', '.join(CALL_ORDERS)}")
        terms = [_newest(asked.question.as_of_seq), self._conditions(asked.question, models)]
        if asked.after is not None:
            sign, (value, seq) = ">" if asked.ascending else "<", (asked.after.value, asked.after.seq)
            terms.append(
                f"({expression} {sign} {value:d} OR {expression} = {value:d} AND call_seq {sign} {seq:d})"
            )
        where = " AND ".join(term for term in terms if term)
        way = "ASC" if asked.ascending else "DESC"
        sql = (
            f"SELECT {expression}, call_seq FROM calls WHERE {where} "  # noqa: S608 - identifiers are declared ones
            f"ORDER BY 1 {way}, 2 {way} LIMIT {asked.limit:d}"
        )
        return Statement(sql, self._parameters)

    def tags(self, asked: AskTags, models: Sequence[str] = ()) -> Statement:
        """Return the statement that lists the values of tags that contain a text, most calls first."""
        terms = [_newest(asked.question.as_of_seq), self._conditions(asked.question, models)]
        where = " AND ".join(term for term in terms if term)
        name, value, source = self._dialect.tag_entries(where)
        sql = f"SELECT {name}, {value}, count(*) FROM {source}"  # noqa: S608 - identifiers are declared ones
        if asked.contains:
            wanted = self._bind(asked.contains.lower())
            sql += f" WHERE contains(lower({value}), {wanted}) OR contains({name}, {wanted})"
        return Statement(f"{sql} GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT {asked.limit:d}", self._parameters)

    def _bind(self, value: Any) -> str:
        self._parameters.append(value)
        return self._dialect.placeholder(len(self._parameters))

    def _column(self, of: Dimension) -> str:
        if of.name.startswith(TAG):
            return self._dialect.tag(self._bind(of.name[len(TAG) :].lower()))
        return of.column

    def _measure(self, measure: Measure, newest: str) -> str:
        if measure.kind == "sum":
            return self._dialect.exact_sum(measure.column, measure.condition)
        if measure.kind == "ratio":
            divided, divisor = (
                self._measure(MEASURES[name], newest) for name in (measure.column, measure.divisor)
            )
            return self._dialect.ratio(f"{divided} * {measure.factor:d}", divisor)
        if measure.kind in ("least", "most"):
            extreme = "min" if measure.kind == "least" else "max"
            return f"{extreme}(CASE WHEN {newest} THEN {measure.column} END)"
        if measure.kind == "distinct":
            return self._dialect.distinct(f'"{measure.column}"', newest)
        if self._by_rank:
            percent = round(measure.fraction * 100)
            rank = self._dialect.floor_divided(f"newest_calls * {percent:d} + 99", 100)
            return f"max(CASE WHEN {newest} AND {measure.column}_rank = {rank} THEN {measure.column} END)"
        fractions = [each.fraction for each in MEASURES.values() if each.column == measure.column]
        which = fractions.index(measure.fraction)
        return self._dialect.percentile(measure.column, fractions, which, newest)

    def _ranked(
        self, columns: Sequence[str], measures: Sequence[str], newest: str, source: str
    ) -> tuple[list[str], str]:
        """Return the columns of keys, and a source in which every value has its rank within its group."""
        ranked = dict.fromkeys(MEASURES[name].column for name in measures if is_percentile(name))
        names = [f"key_{number:d}" for number in range(len(columns))]
        group = ", ".join([*columns, newest])
        added = [
            *(f"{column} AS {name}" for column, name in zip(columns, names, strict=True)),
            *(f"row_number() OVER (PARTITION BY {group} ORDER BY {each}) AS {each}_rank" for each in ranked),
            f"count(*) OVER (PARTITION BY {group}) AS newest_calls",
        ]
        return names, f"(SELECT *, {', '.join(added)} FROM {source}) AS ranked"  # noqa: S608

    def _order(self, asked: Question, newest: str, keys: Sequence[str]) -> list[str]:
        if asked.bucket is not None:
            return [self._dialect.nulls_last(key, descending=False) for key in keys]
        terms = [self._measure(MEASURES[asked.order], newest)]
        if asked.unpriced_first:
            unpriced = self._measure(MEASURES["unpriced_calls"], newest)
            terms.insert(0, f"CASE WHEN {unpriced} > 0 THEN 1 ELSE 0 END")
        if asked.order != "calls":
            terms.append(self._measure(MEASURES["calls"], newest))
        return [
            *(self._dialect.nulls_last(term, descending=not asked.ascending) for term in terms),
            *(self._dialect.nulls_last(key, descending=False) for key in keys),
        ]

    def _conditions(self, asked: Question, models: Sequence[str]) -> str:
        terms: list[str] = []
        if asked.since_ns is not None:
            terms.append(f"occurred_at >= {asked.since_ns:d}")
        if asked.until_ns is not None:
            terms.append(f"occurred_at < {asked.until_ns:d}")
        if asked.as_of_seq is not None:
            terms.append(f"seq <= {asked.as_of_seq:d}")
        for name, values in asked.where.items():
            wanted = self._wanted(dimension(name), values)
            if name == "model" and asked.families:
                requested = self._wanted(dimension("request_model"), [value for value in values if value])
                responded = self._wanted(dimension("model"), list(models))
                wanted = f"({wanted} OR {requested} OR {responded})"
            terms.append(wanted)
        for filters in asked.unless:
            matched = " AND ".join(self._wanted(dimension(name), values) for name, values in filters.items())
            # A dimension without a value makes a filter NULL, which is no match.
            terms.append(f"CASE WHEN {matched} THEN 1 ELSE 0 END = 0" if matched else "1 = 0")
        return " AND ".join(terms)

    def _wanted(self, of: Dimension, values: Sequence[str]) -> str:
        column = self._column(of)
        terms: list[str] = []
        exact: list[Any] = []
        for value in values:
            first = status_class(of.name, value)
            if value == "":
                terms.append(f"{column} IS NULL")
            elif first is not None:
                terms.append(f"{column} BETWEEN {first}00 AND {first}99")
            else:
                exact.append(_typed(of, value))
        if len(exact) == 1:
            terms.append(f"{column} = {self._bind(exact[0])}")
        elif exact:
            terms.append(f"{column} IN ({', '.join(self._bind(value) for value in exact)})")
        return f"({' OR '.join(terms)})" if terms else "1 = 0"

    def _bucket(self, bucket: str, offsets: Offsets) -> str:
        width = BUCKET_NS[bucket]
        offset = offsets.sql("occurred_at")
        local = f"occurred_at + {offset}"
        if bucket == "week":
            return f"{self._dialect.floor_divided(f'{local} + {_MONDAY_NS}', width)} * {width} - {_MONDAY_NS}"
        if bucket == "hour_of_week":
            return f"{self._dialect.floor_divided(f'{local} + {_MONDAY_NS}', width)} % 168"
        start = f"{self._dialect.floor_divided(local, width)} * {width}"
        # Hours are told apart where the clock is set back; a day is one of the calendar.
        return start if bucket == "day" else f"{start} - {offset}"


def status_class(name: str, value: str) -> str | None:
    """Return the first digit of the statuses that a filter like `4xx` means, None for other values."""
    found = _STATUS_CLASS.fullmatch(value) if name == "status" else None
    return None if found is None else found[1]


def is_percentile(measure: str) -> bool:
    """Tell whether a measure is a percentile."""
    return MEASURES[measure].kind == "percentile"


def start_of(bucket: str, value: int, offsets: Offsets) -> int:
    """Return where a bucket begins, given the statement's value: days and weeks are in local time."""
    return offsets.instant(value) if bucket in ("day", "week") else value


def key_text(value: Any) -> str | None:
    """Return a key of a group as text."""
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def family(models: Mapping[str, str | None], names: Sequence[str]) -> list[str]:
    """Return which of the recorded `models` are dated versions of the models called `names`."""
    patterns = [re.compile(re.escape(name) + _VERSION) for name in names if name]
    return sorted(model for model in models if any(pattern.fullmatch(model) for pattern in patterns))


_VERSION = r"[-@:](\d{4}-\d\d-\d\d|\d{8}|\d{6}|\d{3,4}|latest)(-preview|-v\d+)?"
"""What follows a model's name in its dated versions: `-2024-08-06`, `-20250514`, `-0613`, `-001`."""


def _typed(of: Dimension, value: str) -> Any:
    if of.kind == "number":
        if not re.fullmatch(r"\d{1,3}", value):
            raise UsageError(f"{of.name} is a number or a class such as 4xx, not {value!r}")
        return int(value)
    if of.kind == "flag":
        if value.lower() not in of.values:
            raise UsageError(f"{of.name} is true or false, not {value!r}")
        return value.lower() == "true"
    return value


def _newest(as_of_seq: int | None) -> str:
    if as_of_seq is None:
        return "sign = 1 AND reversed_by IS NULL"
    return f"sign = 1 AND (reversed_by IS NULL OR reversed_by > {as_of_seq:d})"
