"""Sums of the record as counters that never fall, within a number of series.

The record is corrected: an estimate by a measurement, two witnesses by one call, a customer by another.
Prometheus takes a counter that falls for one that began anew, and would count all of it again. So a series
stays at the highest value it had, over restarts as well, until the record has caught up.

Each set of provider, model and customer is a series while there is room; all further ones together are one
series, `other`. A series that was named keeps its name as long as the record knows it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

import msgspec

from farebox.errors import StateDirectoryError
from farebox.home import Home, replace_private

SERIES_MAX = 1_000
OTHER = ("other", "other", "other")

Key = tuple[str, str, str]
"""Provider, model, customer; empty where a call has none."""
Values = list[int]
"""Sums, in one order for all series."""


class _Kept(msgspec.Struct):
    """`run/metrics.json`: what was shown last."""

    seq: int = 0
    """The row of the record that it was shown as of."""
    measures: list[str] = []
    series: list[tuple[Key, Values]] = []


class Counters:
    """What was shown of each series. For one thread."""

    def __init__(self, home: Home, measures: Sequence[str], series_max: int = SERIES_MAX) -> None:
        self._file = home.run / "metrics.json"
        self._measures = list(measures)
        self._series_max = series_max
        self._seq = 0
        self._shown: dict[Key, Values] = {}
        self._read()

    def show(self, seq: int, sums: Mapping[Key, Values], total: Values) -> dict[Key, Values]:
        """Return the counters as of a row of the record, by series; what has no name of its own is `OTHER`.

        `sums` are in the order in which series are to get names, and `total` is of all calls.
        """
        if seq < self._seq:  # another record, or an older copy of it: counters begin anew
            self._shown.clear()
        named = {key for key in self._shown if key in sums and key != OTHER}
        for key in sums:
            if len(named) >= self._series_max:
                break
            if key != OTHER:  # calls of a customer, model and provider of these names are among the others
                named.add(key)
        rest = list(total)
        found: dict[Key, Values] = {}
        for key, values in sums.items():
            if key in named:
                found[key] = values
                rest = [left - value for left, value in zip(rest, values, strict=True)]
        if OTHER in self._shown or any(rest):
            found[OTHER] = rest
        for key, values in found.items():
            before = self._shown.get(key)
            if before is not None:
                found[key] = [max(pair) for pair in zip(before, values, strict=True)]
            else:
                found[key] = [max(value, 0) for value in values]
        if found != self._shown or seq != self._seq:
            self._seq, self._shown = seq, found
            self._write()
        return found

    def _read(self) -> None:
        with contextlib.suppress(OSError, msgspec.MsgspecError, ValueError, RecursionError):
            kept = msgspec.json.decode(self._file.read_bytes(), type=_Kept)
            if kept.measures == self._measures:
                self._seq, self._shown = kept.seq, dict(kept.series)

    def _write(self) -> None:
        kept = _Kept(self._seq, self._measures, list(self._shown.items()))
        with contextlib.suppress(OSError, StateDirectoryError):  # shown all the same; a restart may then fall
            replace_private(self._file, msgspec.json.encode(kept))
