"""Running sums: those in use in memory, all of them in the file behind it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from farebox.ledger.alerting.series import Series
from farebox.ledger.alerting.sums_file import StoredCell, SumsFile

CELLS_MAX = 40_000
"""Kept in memory; a cell is some hundred bytes."""


class _Track:
    """The sums of one value of one series."""

    __slots__ = ("cells", "dirty", "from_ns")

    def __init__(self, cells: dict[int, list[int]], from_ns: int) -> None:
        self.cells = cells
        self.from_ns = from_ns
        """From this part of time on, what is not in `cells` is nothing."""
        self.dirty: set[int] = set()


class Sums:
    """Sums by series (its number), value and part of time."""

    def __init__(self, file: SumsFile) -> None:
        self._file = file
        self._tracks: OrderedDict[tuple[int, str], _Track] = OrderedDict()
        self._dirty: set[tuple[int, str]] = set()
        self.cells = 0
        """How many are in memory."""

    @property
    def is_crowded(self) -> bool:
        """Whether it is time to write them, so that memory is free."""
        return self.cells > CELLS_MAX

    def add(
        self,
        series: int,
        kept: Series,
        value: str,
        start_ns: int,
        first_ns: int,
        amounts: Sequence[int],
        last_ns: int = 0,
    ) -> bool:
        """Add to the sums of one part of time; return whether there were none of it yet.

        `first_ns`: the earliest part that is needed of the series.
        """
        key = series, value
        track = self._tracks.get(key)
        if track is None:
            track = self._load(key, first_ns)
        cell = track.cells.get(start_ns)
        is_new = False
        if cell is None:
            cell = None if start_ns >= track.from_ns else self._file.cell(series, value, start_ns)
            if cell is None:
                is_new = True
                cell = [0] * (2 if kept.span.kind == "last" else kept.width)
            track.cells[start_ns] = cell
            self.cells += 1
        if kept.span.kind == "last":
            cell[0] += amounts[0]
            cell[1] = max(cell[1], last_ns)
        else:
            for at, amount in enumerate(amounts):
                cell[at] += amount
        track.dirty.add(start_ns)
        self._dirty.add(key)
        return is_new

    def of(self, series: int, kept: Series, value: str, from_ns: int, until_ns: int) -> list[int]:
        """Return the sums of the parts that begin in `[from_ns, until_ns)`."""
        key = series, value
        track = self._tracks.get(key)
        if track is None or from_ns < track.from_ns:
            track = self._load(key, from_ns)
        found = [cell for start, cell in track.cells.items() if from_ns <= start < until_ns]
        if not found:
            return [0] * kept.width
        return found[0] if len(found) == 1 else [sum(each) for each in zip(*found, strict=True)]

    def at(self, series: int, value: str, start_ns: int) -> list[int] | None:
        """Return the sums of one part of time; None where there are none."""
        track = self._tracks.get((series, value))
        if track is not None:
            cell = track.cells.get(start_ns)
            if cell is not None or start_ns >= track.from_ns:
                return cell
        return self._file.cell(series, value, start_ns)

    def parts(self, series: int, value: str, from_ns: int) -> dict[int, list[int]]:
        """Return the sums of each part from a moment on."""
        found = dict(self._file.cells(series, value, from_ns))
        track = self._tracks.get((series, value))
        if track is not None:
            found.update((start, track.cells[start]) for start in track.dirty)
        return found

    def values(self, series: int) -> dict[str, list[int]]:
        """Return the sums of every value of a series that has one part of time."""
        found = dict(self._file.values(series))
        for key in self._dirty:
            if key[0] == series:
                found[key[1]] = self._tracks[key].cells[0]
        return found

    def changed(self) -> Iterable[StoredCell]:
        """Yield what is not in the file yet."""
        for key in self._dirty:
            track = self._tracks[key]
            for start in track.dirty:
                yield StoredCell(*key, start, track.cells[start])

    def written(self, needed: dict[int, int]) -> None:
        """Note that the file has everything; forget what is not used. `needed`: series, and from when on."""
        for key in self._dirty:
            self._tracks[key].dirty.clear()
        self._dirty.clear()
        for key in list(self._tracks):
            first_ns = needed.get(key[0])
            if first_ns is None:
                self._drop(key)
                continue
            track = self._tracks[key]
            for start in [start for start in track.cells if start < first_ns]:
                del track.cells[start]
                self.cells -= 1
            track.from_ns = max(track.from_ns, first_ns)
        while self.cells > CELLS_MAX // 2 and self._tracks:
            self._drop(next(iter(self._tracks)))

    def forget(self, series: int) -> None:
        """Forget a series, in the file as well."""
        for key in [key for key in self._tracks if key[0] == series]:
            self._dirty.discard(key)
            self._drop(key)
        self._file.drop(series)

    def _load(self, key: tuple[int, str], from_ns: int) -> _Track:
        before = self._tracks.pop(key, None)
        cells = dict(self._file.cells(*key, from_ns))
        track = _Track(cells, from_ns)
        if before is not None:
            cells.update(before.cells)
            track.dirty = before.dirty
            self.cells -= len(before.cells)
        self.cells += len(cells)
        self._tracks[key] = track
        return track

    def _drop(self, key: tuple[int, str]) -> None:
        self.cells -= len(self._tracks.pop(key).cells)
