"""Sum calls in memory, by hour and by every table that is written with them.

Nothing here looks into the ledger: who prepares a backlog does it in another process. Values are
the calls' own; which of them are counted as `(other)` is decided when the sums are written (totals.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from farebox.ledger import kinds
from farebox.ledger.blocks import CALL_AT
from farebox.ledger.entries import COLUMN
from farebox.ledger.kinds import KIND, Kind, Kinds
from farebox.ledger.measures import bytes_of, lanes, merge, traits
from farebox.ledger.tables import ALL, HOUR_NS, MINUTE_NS, NUMBER, OPEN

_OCCURRED, _KIND = CALL_AT["occurred_at"], CALL_AT["kind"]
_MONEY = CALL_AT["cost_pico"], CALL_AT["charge_pico"]
_TOKENS = slice(CALL_AT["input_tokens"], CALL_AT["reasoning_output_tokens"] + 1)
_NAMED = {name: CALL_AT[name] for name in OPEN}
_STATUS, _STATE = kinds.AT["status"], kinds.AT["cost_state"]
_PROVIDER, _MODEL = kinds.AT["provider"], kinds.AT["model"]

_KIND_OF_ROW = [COLUMN[name] for name in KIND]
_PLAIN_OF_ROW = [COLUMN.get(name, -1) for name in CALL_AT]
_SEQ_OF_ROW = COLUMN["seq"]

_ROWS_MAX = 4_000
"""How many sums one part holds: it bounds memory while they are written."""

Sums = dict[Any, int]
Entry = list[int]
"""Sums, first and last sequence number."""


class Part(NamedTuple):
    """Sums of one table on one day; `marshal` can take it to another process."""

    table: str
    day: int
    keys: list[list[Any]]
    """The columns of the key: texts, and for `cell` the number of the calls' kind."""
    sums: bytes
    """As `measures.bytes_of`."""
    spans: tuple[list[int], list[int]] | None
    """First and last call of each sum, where the table has them."""


_OfKind = tuple[Entry, Sums]
"""A kind's own sums, and its model's by minute."""


class _Hour:
    """One hour's sums."""

    __slots__ = ("all", "by_model", "of_kind", "open")

    def __init__(self, first: int) -> None:
        self.all: Entry = [0, first, first]
        self.of_kind: dict[int, _OfKind] = {}
        self.open: dict[str, dict[Any, Entry]] = {name: {} for name in OPEN}
        self.by_model: dict[tuple[Any, ...], Sums] = {}

    def add(
        self,
        columns: Sequence[Sequence[Any]],
        seqs: Sequence[int],
        amounts: Sequence[int],
        listed: Sequence[Kind],
    ) -> None:
        """Add calls of this hour, given as the columns of `CALL`."""
        everything = self.all
        everything[0] += sum(amounts)
        everything[2] = seqs[-1]
        for name, entries in self.open.items():
            values = columns[_NAMED[name]]
            if values[0] == values[-1] and values.count(values[0]) == len(values):
                merge(entries, values[0], (sum(amounts), seqs[0], seqs[-1]))
                continue
            for value, amount, seq in zip(values, amounts, seqs, strict=True):
                entry = entries.get(value)
                if entry is None:
                    entries[value] = [amount, seq, seq]
                else:
                    entry[0] += amount
                    entry[2] = seq
        of_kind = self.of_kind
        for kind, moment, amount, seq in zip(columns[_KIND], columns[_OCCURRED], amounts, seqs, strict=True):
            found = of_kind.get(kind)
            if found is None:
                found = of_kind[kind] = self._begin(listed[int(kind)], seq)
            entry, minutes = found
            entry[0] += amount
            entry[2] = seq
            minute = moment // MINUTE_NS
            minutes[minute] = minutes.get(minute, 0) + amount

    def move(self, kind: int, listed: Sequence[Kind], amount: int, seq: int) -> None:
        """Add to a kind what another one of the same model and key lost."""
        found = self.of_kind.get(kind)
        if found is None:
            found = self.of_kind[kind] = self._begin(listed[kind], seq)
        found[0][0] += amount
        found[0][2] = max(found[0][2], seq)

    def _begin(self, kind: Kind, seq: int) -> _OfKind:
        return [0, seq, seq], self.by_model.setdefault((kind[_PROVIDER], kind[_MODEL]), {})


class RollUp:
    """The sums of one transaction."""

    def __init__(self) -> None:
        self.kinds = Kinds()
        self._hours: dict[int, _Hour] = {}
        self._traits: list[tuple[int, int, int]] = []

    def add(self, columns: Sequence[Sequence[Any]], first: int) -> None:
        """Add calls, given as the columns of `CALL` and the first one's number."""
        amounts = self._amounts(columns)
        seqs = range(first, first + len(amounts))
        self._add(columns, seqs, amounts)

    def add_rows(self, rows: Sequence[Sequence[Any]]) -> None:
        """Add calls, given as the values of `COLUMNS` and maybe more."""
        columns = self._columns(rows)
        self._add(columns, [row[_SEQ_OF_ROW] for row in rows], self._amounts(columns))

    def change(self, before: Sequence[Sequence[Any]], after: Sequence[Sequence[Any]]) -> None:
        """Take in what calls have become, as `COLUMNS`: only state and what is added up can be another."""
        old, new = self._columns(before), self._columns(after)
        was, now = self._amounts(old), self._amounts(new)
        seqs = [row[_SEQ_OF_ROW] for row in after]
        self._add(new, seqs, [b - a for a, b in zip(was, now, strict=True)])
        for moment, kind, other, amount, seq in zip(
            new[_OCCURRED], old[_KIND], new[_KIND], was, seqs, strict=True
        ):
            if kind != other:  # the difference went to the new kind; the old one loses everything
                hour = self._hours[moment // HOUR_NS]
                hour.move(kind, self.kinds.listed, -amount, seq)
                hour.move(other, self.kinds.listed, amount, seq)

    def _columns(self, rows: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
        found = list(zip(*rows, strict=True))
        columns: list[Sequence[Any]] = [found[at] if at >= 0 else () for at in _PLAIN_OF_ROW]
        of_kind = zip(*[found[at] for at in _KIND_OF_ROW], strict=True)
        columns[_KIND] = list(map(self.kinds.__getitem__, of_kind))
        return columns

    def _amounts(self, columns: Sequence[Sequence[Any]]) -> list[int]:
        known = self._traits
        for kind in self.kinds.listed[len(known) :]:
            known.append(traits(kind[_STATUS], kind[_STATE]))
        costs, charges = (columns[at] for at in _MONEY)
        tokens = zip(*columns[_TOKENS], strict=True)
        return list(map(lanes, map(known.__getitem__, columns[_KIND]), costs, charges, tokens))

    def _add(self, columns: Sequence[Sequence[Any]], seqs: Sequence[int], amounts: Sequence[int]) -> None:
        moments = columns[_OCCURRED]
        number = moments[0] // HOUR_NS
        if min(moments) // HOUR_NS == max(moments) // HOUR_NS:
            self._hour(number, seqs[0]).add(columns, seqs, amounts, self.kinds.listed)
            return
        hours: dict[int, list[int]] = {}
        for place, moment in enumerate(moments):
            hours.setdefault(moment // HOUR_NS, []).append(place)
        for number, places in hours.items():
            some = [[column[place] for place in places] if column else () for column in columns]
            numbers = [seqs[place] for place in places]
            its_amounts = [amounts[place] for place in places]
            self._hour(number, numbers[0]).add(some, numbers, its_amounts, self.kinds.listed)

    def _hour(self, number: int, first: int) -> _Hour:
        hour = self._hours.get(number)
        if hour is None:
            hour = self._hours[number] = _Hour(first)
        return hour

    @property
    def hours(self) -> list[int]:
        """The hours that have calls here."""
        return sorted(self._hours)

    def parts(self) -> Iterator[Part]:
        """Yield the sums, day by day and table by table.

        Can be asked for once: what has been handed out is dropped, so that memory stays small.
        """
        days: dict[int, list[int]] = {}
        for number in self.hours:
            days.setdefault(number // 24, []).append(number)
        for day, numbers in days.items():
            hours = [(number, self._hours.pop(number)) for number in numbers]
            yield from _spanned("hour_value", day, _values(hours))
            cells = (
                ((number, kind), found[0]) for number, hour in hours for kind, found in hour.of_kind.items()
            )
            yield from _spanned("hour_cell", day, cells)
            yield from _plain("minute_model", day, _minutes(hours))


def _values(hours: Sequence[tuple[int, _Hour]]) -> Iterator[tuple[tuple[int, int, str], Entry]]:
    """Yield sums by dimension, hour and value."""
    for number, hour in hours:
        yield (ALL, number, ""), hour.all
    for name in OPEN:
        dimension = NUMBER[name]
        for number, hour in hours:
            entries = hour.open[name]
            if None in entries and "" in entries:
                merge(entries, "", entries.pop(None))
            for value in sorted(entries, key=_text) if None in entries else sorted(entries):
                yield (dimension, number, _text(value)), entries[value]


def _minutes(hours: Sequence[tuple[int, _Hour]]) -> Sums:
    """Return sums by minute, provider and model."""
    minutes: Sums = {}
    for _, hour in hours:
        for (provider, model), by_minute in hour.by_model.items():
            model = _text(model)
            for minute, sums in by_minute.items():
                key = minute, provider, model
                minutes[key] = minutes.get(key, 0) + sums
    return minutes


def _spanned(table: str, day: int, entries: Iterable[tuple[tuple[Any, ...], Entry]]) -> Iterator[Part]:
    found = list(entries)
    for start in range(0, len(found), _ROWS_MAX):
        keys, sums = zip(*found[start : start + _ROWS_MAX], strict=True)
        totals, first, last = zip(*sums, strict=True)
        spans = list(first), list(last)
        yield Part(table, day, list(map(list, zip(*keys, strict=True))), bytes_of(totals), spans)


def _plain(table: str, day: int, sums: Sums) -> Iterator[Part]:
    keys = sorted(sums)
    for start in range(0, len(keys), _ROWS_MAX):
        some = keys[start : start + _ROWS_MAX]
        totals = [sums[key] for key in some]
        yield Part(table, day, list(map(list, zip(*some, strict=True))), bytes_of(totals), None)


def _text(value: Any) -> str:
    return "" if value is None else value
