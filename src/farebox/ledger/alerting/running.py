"""Follow the record with the sums of alerts, and know which of them have changed.

Sums of a new alert are made from the record in pieces, while those of the others go on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from farebox.ledger.alerting.counting import Counting, Touched, Trail
from farebox.ledger.alerting.detail_figures import DetailFigures
from farebox.ledger.alerting.open_figures import OpenFigures
from farebox.ledger.alerting.row_groups import COLUMNS, FROM_DETAIL, Group, RowGroups
from farebox.ledger.alerting.series import Series, Watched
from farebox.ledger.alerting.sums import Sums
from farebox.ledger.alerting.sums_file import StoredSeries, SumsFile
from farebox.ledger.append.dictionaries import is_erased_name

if TYPE_CHECKING:
    from farebox.ledger.database import Connection
    from farebox.ledger.feed import Feed

_CLOCK_MAY_DIFFER_NS = 3_600 * 10**9
"""A call may be recorded by another clock than the one that says when it began."""
_FIRST_ROW = "SELECT first_seq FROM block WHERE recorded_at >= ? ORDER BY first_seq LIMIT 1"
_LAST_OF_BLOCK = "SELECT last_seq FROM block WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1"
_VALUES_AT_ONCE = 500
_FIRST = "", -(1 << 62)


class Running:
    """For one open record. Any method may raise `apsw.Error` of the file of sums."""

    def __init__(self, connection: Connection, feed: Feed, file: SumsFile) -> None:
        self._connection = connection
        self._feed = feed
        self._file = file
        self._groups = RowGroups(connection, feed)
        self._details = DetailFigures(connection)
        self._left_open = OpenFigures(connection)
        self.sums = Sums(file)
        self.seq = file.position()[0]
        """The row up to which sums are whole."""
        self.touched: dict[Touched, int] = {}
        """What has changed, and when the last call of it occurred."""
        self._stored: dict[Series, StoredSeries] = {}
        self._open: list[Series] = []
        self._counting = Counting((), (), (), feed)
        self._opening: _Opening | None = None
        self._unseen: list[tuple[Series, tuple[str, int]]] = []
        """Series that were opened, and up to where their values have been looked at."""
        self.wants_write = False
        """Whether sums that are whole now have to be written before their values can be looked at."""
        self._columns: frozenset[str] = frozenset()

    def use(self, watched: Iterable[Watched], now_ns: int, changed: Collection[Series] = ()) -> None:
        """Keep the sums of these from now on. Values of those `changed` are touched: they mean others now."""
        wanted = list(dict.fromkeys(series for each in watched for series in each.series))
        known = {each.key: each for each in self._file.series()}
        highest = max((each.number for each in known.values()), default=0)
        stored: dict[Series, StoredSeries] = {}
        for series in wanted:
            found = self._stored.get(series) or known.get(series.key)
            if found is None:
                highest += 1
                found = StoredSeries(highest, series.key, now_ns, False, False, -1)
            is_other = series in changed and found.is_open and series.span.kind not in ("known", "last")
            stored[series] = found._replace(is_seen=False) if is_other else found
        self._stored = stored
        numbers = {each.number for each in stored.values()}
        self._opening = None
        self.touched = {each: at for each, at in self.touched.items() if each.series in numbers}
        looked_at = {each[0]: each for each in self._unseen if each[0] not in changed}
        self._unseen = [
            looked_at.get(series, (series, _FIRST))
            for series, found in stored.items()
            if found.is_open and not found.is_seen
        ]
        self._look_at_open()
        self.write(now_ns)

    def number(self, series: Series) -> int:
        """Return the number of a series in the sums."""
        return self._stored[series].number

    def made_ns(self, series: Series) -> int:
        """Return since when a series is kept."""
        return self._stored[series].made_ns

    def is_open(self, series: Series) -> bool:
        """Return whether the sums of a series are whole."""
        found = self._stored.get(series)
        return found is not None and found.is_open

    @property
    def is_opening(self) -> bool:
        """Whether sums are being made from the record."""
        return any(not each.is_open for each in self._stored.values()) or bool(self._unseen)

    def add(self, upto: int, now_ns: int) -> None:
        """Add the rows that follow `seq`, up to one of them. Nothing is evaluated by it."""
        if self._open:
            self.take(self.read(upto), now_ns)
        self.seq = upto

    def read(self, upto: int, after: int | None = None) -> list[Group]:
        """Return the groups of the rows that follow `seq`, or another row, in the order of time."""
        first = self.seq if after is None else after
        groups = self._groups.of(first, upto)
        if self._columns:
            columns = self._groups.columns
            found = self._details.of(first, upto, self._columns)
            found += self._left_open.of(first, upto, self._columns)
            groups += [each._replace(sums=[each.sums[column] for column in columns]) for each in found]
            groups.sort(key=attrgetter("minute_ns"))
        return groups

    def take(self, groups: Collection[Group], now_ns: int) -> None:
        """Add groups to the sums that are whole."""
        self._counting.add(self.sums, groups, self._groups.steps, now_ns, self.touched)

    def open(self, rows: int, now_ns: int) -> Mapping[Touched, Trail]:
        """Read the next rows for series that are being made; return what they added to which sums.

        What is whole then is among `touched` bit by bit.
        """
        opening = self._opening
        if opening is None:
            opening = self._opening = self._next_opening(now_ns)
        if opening is None:
            self._look_at_unseen(now_ns)
            return {}
        trails: dict[Touched, Trail] = {}
        if opening.seq < self.seq:
            upto = min(opening.seq + rows, self.seq)
            upto = self.whole(upto, self.seq)
            groups = self.read(upto, opening.seq)
            opening.counting.add(self.sums, groups, self._groups.steps, now_ns, {}, trails)
            opening.seq = upto
            for series in opening.series:
                self._stored[series] = self._stored[series]._replace(seq=upto)
        if opening.seq >= self.seq:
            for series in opening.series:
                is_seen = series.span.kind in ("known", "last")
                self._stored[series] = self._stored[series]._replace(is_open=True, is_seen=is_seen, seq=0)
                if not is_seen:
                    self._unseen.append((series, _FIRST))
            self._opening = None
            self.wants_write = bool(self._unseen)
            self._look_at_open()
        return trails

    def write(self, now_ns: int, erasure: int | None = None, *, drop_outdated: bool = False) -> None:
        """Write everything to the file. Only where nothing that was touched waits to be evaluated."""
        event_id = self._feed.event_id(self.seq)
        if erasure is None:
            erasure = self._file.position()[2]
        outdated = [
            (stored.number, series.span.first_ns(now_ns))
            for series, stored in self._stored.items()
            if series.span.kind in ("period", "parts")
        ]
        self._file.write(
            (self.seq, event_id, erasure),
            self._stored.values(),
            self.sums.changed(),
            outdated if drop_outdated else (),
        )
        self.wants_write = False
        needed = {stored.number: series.span.first_ns(now_ns) for series, stored in self._stored.items()}
        self.sums.written(needed)

    def whole(self, seq: int, last_seq: int) -> int:
        """Return the last row of the block that a row is of: corrections are not divided."""
        found = self._connection.execute(_LAST_OF_BLOCK, (seq,)).fetchone()
        return min(max(seq, found[0] if found is not None else seq), last_seq)

    # -- details --

    def _look_at_open(self) -> None:
        columns = {column for series in self._stored for column in series.columns}
        self._groups.use(columns, {step for series in self._stored for step in series.steps})
        self._columns = FROM_DETAIL.intersection(COLUMNS[column] for column in columns)
        self._open = [series for series, stored in self._stored.items() if stored.is_open]
        self._counting = self._counting_of(self._open)

    def _counting_of(self, series: Sequence[Series]) -> Counting:
        numbers = [self._stored[each].number for each in series]
        return Counting(series, numbers, self._groups.columns, self._feed)

    def _next_opening(self, now_ns: int) -> _Opening | None:
        waiting = [series for series, stored in self._stored.items() if not stored.is_open]
        if not waiting:
            return None
        seqs = {self._stored[series].seq for series in waiting}
        if len(seqs) > 1 or -1 in seqs:
            for series in waiting:
                self.sums.forget(self._stored[series].number)
            seq = min(self.row_before(series.span.read_from_ns(now_ns)) for series in waiting)
        else:
            (seq,) = seqs
        return _Opening(waiting, self._counting_of(waiting), seq)

    def row_before(self, start_ns: int) -> int:
        """Return a row behind which all are that occurred from a moment on."""
        if start_ns <= 0:
            return 0
        row = self._connection.execute(_FIRST_ROW, (start_ns - _CLOCK_MAY_DIFFER_NS,)).fetchone()
        return min(row[0] - 1, self.seq) if row else self.seq

    def _look_at_unseen(self, now_ns: int) -> None:
        if not self._unseen or self.wants_write:
            return
        series, after = self._unseen[0]
        if series not in self._stored:
            self._unseen.pop(0)
            return
        is_period = series.span.kind == "period"
        found = self._file.fresh(self.number(series), series.span.first_ns(now_ns), after, _VALUES_AT_ONCE)
        for value, start in found:
            if not is_erased_name(value):
                self.touched.setdefault(Touched(self.number(series), value, start if is_period else 0), 0)
        if len(found) < _VALUES_AT_ONCE:
            self._stored[series] = self._stored[series]._replace(is_seen=True)
            self._unseen.pop(0)
        else:
            self._unseen[0] = series, found[-1]


class _Opening:
    """Series that are being made from the record, and how far that is."""

    def __init__(self, series: list[Series], counting: Counting, seq: int) -> None:
        self.series = series
        self.counting = counting
        self.seq = seq
