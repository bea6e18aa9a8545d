"""Running sums: those in use in memory, all of them in the file behind it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from operator import add as _sum

from farebox.ledger.alerting.series import Series
from farebox.ledger.alerting.sums_file import StoredCell, SumsFile

CELLS_MAX = 30_000
"""Kept in memory; a cell is some hundred bytes."""
_NEVER = sys.maxsize


Cell = tuple[int, ...]


def amount_of(cell: Sequence[int]) -> int:
    """Return what a sum comes to, what a budget holds for unknown costs included: of calls, where it is of
    nothing else.
    """
    return sum(cell[2:]) if len(cell) > 2 else cell[0]


class _Track:
    """The sums of one value of one series."""

    __slots__ = ("cells", "changed_ns", "from_ns")

    def __init__(self, cells: dict[int, Cell], from_ns: int) -> None:
        self.cells = cells
        self.from_ns = from_ns
        """From this part of time on, what is not in `cells` is nothing."""
        self.changed_ns = _NEVER
        """From this part of time on, cells may not be in the file as they are."""


class Sums:
    """Sums by series (its number), value and part of time."""

    def __init__(self, file: SumsFile) -> None:
        self._file = file
        self._tracks: dict[tuple[int, str], _Track] = {}
        self._changed: dict[tuple[int, str], _Track] = {}
        self.cells = 0
        """How many are in memory."""

    @property
    def is_crowded(self) -> bool:
        """Whether it is time to write them, so that memory is free."""
        return self.cells > CELLS_MAX

    def add(self, series: int, value: str, start_ns: int, amounts: Sequence[int]) -> bool:
        """Add to the sums of one part of time; return whether there were none of it yet."""
        track, cell = self._opened(series, value, start_ns)
        track.cells[start_ns] = tuple(amounts) if cell is None else tuple(map(_sum, cell, amounts))
        return cell is None

    def note(self, series: int, value: str, start_ns: int, calls: int, last_ns: int) -> None:
        """Add calls, and note when the last of them occurred."""
        track, cell = self._opened(series, value, start_ns)
        before = cell or (0, 0)
        track.cells[start_ns] = before[0] + calls, max(before[1], last_ns)

    def of(self, series: int, kept: Series, value: str, from_ns: int, until_ns: int) -> Cell:
        """Return the sums of the parts that begin in `[from_ns, until_ns)`."""
        key = series, value
        track = self._tracks.get(key)
        if track is None or from_ns < track.from_ns:
            track = self._load(key, from_ns)
        found = [cell for start, cell in track.cells.items() if from_ns <= start < until_ns]
        if not found:
            return (0,) * kept.width
        return found[0] if len(found) == 1 else tuple([sum(each) for each in zip(*found, strict=True)])

    def at(self, series: int, value: str, start_ns: int) -> Cell | None:
        """Return the sums of one part of time; None where there are none."""
        track = self._tracks.get((series, value))
        if track is not None:
            cell = track.cells.get(start_ns)
            if cell is not None or start_ns >= track.from_ns:
                return cell
        return self._file.cell(series, value, start_ns)

    def parts(self, series: int, value: str, from_ns: int) -> dict[int, Cell]:
        """Return the sums of each part from a moment on."""
        found = dict(self._file.cells(series, value, from_ns))
        track = self._changed.get((series, value))
        if track is not None:
            since_ns = max(track.changed_ns, from_ns)
            found.update((start, cell) for start, cell in track.cells.items() if start >= since_ns)
        return found

    def values(self, series: int) -> dict[str, Cell]:
        """Return the sums of every value of a series that has one part of time."""
        found = dict(self._file.values(series))
        for key, track in self._changed.items():
            if key[0] == series:
                found[key[1]] = track.cells[0]
        return found

    def changed(self) -> Iterable[StoredCell]:
        """Yield what is not in the file yet."""
        for key, track in self._changed.items():
            for start, cell in track.cells.items():
                if start >= track.changed_ns:
                    yield StoredCell(*key, start, cell)

    def written(self, needed: Mapping[int, int]) -> None:
        """Note that the file has everything; forget what is not used. `needed`: series, and from when on."""
        used, self._changed = self._changed, {}
        for track in used.values():
            track.changed_ns = _NEVER
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
        if self.cells > CELLS_MAX // 2:
            # Those first that nothing was added to since they were written last.
            for key in sorted(self._tracks, key=used.__contains__):
                if self.cells <= CELLS_MAX // 2:
                    break
                self._drop(key)

    def forget(self, series: int) -> None:
        """Forget a series, in the file as well."""
        for key in [key for key in self._tracks if key[0] == series]:
            self._changed.pop(key, None)
            self._drop(key)
        self._file.drop(series)

    def _opened(self, series: int, value: str, start_ns: int) -> tuple[_Track, Cell | None]:
        """Return what a cell that is about to change is of, and what it is now."""
        key = series, value
        track = self._tracks.get(key)
        if track is None:  # what was before is loaded where it is asked for
            track = self._load(key, start_ns)
        if start_ns < track.changed_ns:
            if track.changed_ns == _NEVER:
                self._changed[key] = track
            track.changed_ns = start_ns
        cell = track.cells.get(start_ns)
        if cell is None:
            if start_ns < track.from_ns:
                cell = self._file.cell(series, value, start_ns)
            self.cells += 1
        return track, cell

    def _load(self, key: tuple[int, str], from_ns: int) -> _Track:
        cells = dict(self._file.cells(*key, from_ns))
        track = self._tracks.get(key)
        if track is None:
            track = self._tracks[key] = _Track(cells, from_ns)
        else:
            self.cells -= len(track.cells)
            cells.update(track.cells)
            track.cells, track.from_ns = cells, from_ns
        self.cells += len(cells)
        return track

    def _drop(self, key: tuple[int, str]) -> None:
        self.cells -= len(self._tracks.pop(key).cells)
