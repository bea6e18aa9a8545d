"""Sums of alerts: kept in part in memory, and always what was added."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import defaultdict
from pathlib import Path
from typing import Any

import apsw
import pytest

from farebox.alerts.alert import Alert
from farebox.budgets.budget import Period
from farebox.ledger.alerting import sums as sums_module
from farebox.ledger.alerting.counting import Counting
from farebox.ledger.alerting.row_groups import COLUMNS, MINUTE_NS, Group, latency_class
from farebox.ledger.alerting.series import watched
from farebox.ledger.alerting.sums import Sums
from farebox.ledger.alerting.sums_file import SumsFile
from farebox.ledger.feed import CLASS_COLUMNS, Attribution

HOUR = 3_600 * 10**9
NOW = 20_600 * 24 * HOUR
SERIES, VALUES, PARTS = (1, 2, 3), ("", "a", "b", "c"), 40


@pytest.mark.parametrize("seed", range(6))
def test_sums_are_what_was_added_however_often_they_are_written_and_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(sums_module, "CELLS_MAX", 30)
    (kept, *_) = watched([Alert(name="x", kind="spend", subject="cost", period=Period("hour"))], {})
    (series,) = kept.series
    chance = random.Random(seed)
    file = SumsFile(tmp_path / "sums")
    sums = Sums(file)
    wanted: dict[tuple[int, str, int], tuple[int, ...]] = {}
    dropped = 0
    for step in range(3_000):
        key = chance.choice(SERIES), chance.choice(VALUES), chance.randrange(PARTS) * HOUR
        amounts = tuple(chance.randrange(-5, 2**70) for _ in range(3))
        before = wanted.get(key)
        assert sums.add(*key, amounts) is (before is None)
        wanted[key] = amounts if before is None else tuple(map(sum, zip(before, amounts, strict=True)))
        if step % 97 == 0:
            file.write((step, None, 0), (), sums.changed(), ())
            cells = sums.cells
            sums.written(dict.fromkeys(SERIES, 0))
            dropped += cells - sums.cells
            assert not list(sums.changed())
        number, value, start = chance.choice(SERIES), chance.choice(VALUES), chance.randrange(PARTS) * HOUR
        assert sums.at(number, value, start) == wanted.get((number, value, start))
        if step % 13 == 0:
            parts = {at: cell for (a, b, at), cell in wanted.items() if (a, b) == (number, value)}
            since = {at: cell for at, cell in parts.items() if at >= start}
            assert sums.parts(number, value, start) == since
            total = tuple(map(sum, zip((0, 0, 0), *since.values(), strict=True)))
            assert sums.of(number, series, value, start, PARTS * HOUR) == total
    assert dropped > 0
    file.close()


def test_a_sum_that_grows_does_not_load_what_was_before(tmp_path: Path) -> None:
    file = SumsFile(tmp_path / "sums")
    sums = Sums(file)
    for part in range(1_000):
        sums.add(1, "", part * HOUR, (1, 0, 1))
    file.write((1, None, 0), (), sums.changed(), ())
    fresh = Sums(file)
    fresh.add(1, "", 999 * HOUR, (1, 0, 1))
    assert fresh.cells == 1
    assert fresh.at(1, "", 999 * HOUR) == (2, 0, 2)
    file.close()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 42, 43])
def test_a_response_time_is_of_the_class_of_the_steps_it_has_reached(count: int) -> None:
    steps = tuple(sorted(random.Random(count).sample(range(1, 10_000), count)))
    times = sorted({0, 10_000, *steps, *(step - 1 for step in steps), *(step + 1 for step in steps)})
    connection: Any = apsw.Connection(":memory:")
    for time in times:
        statement = f"SELECT {latency_class(steps)} FROM (SELECT {time:d} AS total_us)"  # noqa: S608
        assert connection.execute(statement).fetchone() == (bisect_right(steps, time),)
    connection.close()


class _Feed:
    """Programs a to d: each of them one attribution, and calls of one class."""

    def classes(self, numbers: set[int]) -> dict[int, tuple[str, ...]]:
        return {number: ("",) * len(CLASS_COLUMNS) for number in numbers}

    def attributions(self, numbers: set[int]) -> dict[int, Attribution]:
        return {
            number: Attribution(False, {"app": "abcd"[number % 4], "customer": f"c{number}"}, {})
            for number in numbers
        }


ALERTS = (
    Alert(name="all", kind="spend", subject="cost", at=(1,), period=Period("day")),
    Alert(name="hour", kind="usage", subject="calls", at=(1,), period=Period("hour"), where={"app": ("a",)}),
    Alert(name="each", kind="spend", subject="price", at=(1,), period=Period("ever"), each="customer"),
    Alert(name="app", kind="usage", subject="input_tokens", at=(1,), period=Period("day"), each="app"),
    Alert(name="errors", kind="errors", at=(1,), over_s=600, where={"app": ("a", "b")}),
    Alert(name="rise", kind="rise", subject="cost", at=(1,), over_s=3_600, each="app"),
    Alert(name="silent", kind="no_data", over_s=3_600, each="customer"),
)


@pytest.mark.parametrize("seed", range(4))
def test_groups_that_are_added_together_come_to_what_each_comes_to(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    series = list(dict.fromkeys(each for rule in watched(ALERTS, {}) for each in rule.series))
    columns = (*range(5), COLUMNS.index("input_tokens"))
    groups = [
        Group(minute, minute + chance.randrange(MINUTE_NS), 1, chance.randrange(12), 0, sums)
        for minute in sorted(NOW - chance.randrange(200) * MINUTE_NS for _ in range(400))
        for sums in [tuple(chance.randrange(1, 2**66) for _ in columns)]
    ]

    def added(pieces: list[list[Group]]) -> tuple[dict[tuple[int, str, int], tuple[int, ...]], set[object]]:
        sums = Sums(SumsFile(None))
        counting = Counting(series, range(len(series)), columns, _Feed())  # type: ignore[arg-type]
        changed: dict[object, int] = {}
        for piece in pieces:
            counting.add(sums, piece, (), NOW, changed)  # type: ignore[arg-type]
        cells = {(each.series, each.value, each.start_ns): tuple(each.sums) for each in sums.changed()}
        return cells, {(*touched, at) for touched, at in changed.items()}  # type: ignore[misc]

    wanted: dict[tuple[int, str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for group in groups:
        app, customer = "abcd"[group.attribution % 4], f"c{group.attribution}"
        for number, kept in enumerate(series):
            name, values = kept.filter.where[0] if kept.filter.where else ("app", tuple("abcd"))
            start = kept.span.start_of(group.minute_ns)
            if app not in values or name != "app" or start < kept.span.first_ns(NOW):
                continue
            value = {None: "", "app": app, "customer": customer}[kept.filter.each]
            cell = wanted[number, value, start]
            if kept.span.kind == "last":
                cell[:2] = cell[0] + group.sums[0], max(cell[1], group.last_ns)
                continue
            for at, column in enumerate(kept.columns):
                cell[at] += group.sums[columns.index(column)]
    expected = {
        key: tuple(cell[: 2 if series[key[0]].span.kind == "last" else series[key[0]].width])
        for key, cell in wanted.items()
    }
    together, changed = added([groups])
    assert together == expected
    assert added([[group] for group in groups]) == (together, changed)
