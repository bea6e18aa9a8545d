"""Measure questions: how fast the replica follows the record, and how long each kind of question takes.

Kinds are what the dashboard, the API and the command line ask: totals, panels, charts, choices of a filter,
two filters with every panel, tags, percentiles, distinct users, hours of the week, the most expensive
sessions. Periods end with the last call, so that none is empty. Each kind is asked with filters on every
dimension in turn, and the same SQL is run in DuckDB without anything of ours: the
ratio is one of processor time.

    python -m tools.bench.questions --rows 5000000 --independent
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from farebox.analytics.builder import Builder, Statement
from farebox.analytics.dialects.duckdb import DuckDB
from farebox.analytics.dimensions import DIMENSIONS
from farebox.analytics.engine import Engine
from farebox.analytics.query import Question
from farebox.analytics.questions import Selection
from farebox.analytics.replica import MEMORY, THREADS
from farebox.analytics.zones import Offsets
from farebox.home import Home
from farebox.time_expressions import zone_named
from tools.bench.ledger import fill

HOUR_NS = 3_600 * 10**9
DAY_NS = 24 * HOUR_NS
PANELS = ("model", "surface", "key")
ZONE = "Europe/Berlin"
_SAMPLE = 60
"""How many questions of a kind with hundreds are asked, the same ones every time."""

Kinds = dict[str, list[Question]]


def measure(rows: int, folder: Path | None = None, *, independent: bool = False) -> dict[str, Any]:
    """Return the figures over so many made-up calls."""
    root = Path(tempfile.mkdtemp(prefix="farebox-bench-", dir=folder))
    try:
        home = Home(root / "home")
        home.prepare()
        fill(home, rows, independent=independent)
        began, cpu = time.perf_counter(), time.process_time()
        engine = Engine(home)
        engine.catch_up()
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        found: dict[str, Any] = {
            "rows": rows,
            "replica_rows_s": round(rows / seconds),
            "replica_cpu_us_per_row": round(cpu / rows * 1e6, 1),
        }
        kinds = questions_over(engine)
        ours = {
            name: [_took(lambda a=asked: engine.answer(a)) for asked in some] for name, some in kinds.items()
        }
        engine.close()
        found["replica_bytes_per_row"] = round((home.path / "analytics.duckdb").stat().st_size / rows)
        bare = _bare(home, kinds)
        found["questions"] = {name: _figures(ours[name], bare[name]) for name in kinds}
        found["today_in_a_new_process_ms"] = _today(home)
        return found
    finally:
        shutil.rmtree(root, ignore_errors=True)


def questions_over(engine: Engine) -> Kinds:
    """Return the questions of every kind, over periods that have calls."""
    first, last = engine.span()
    end = last + 1
    values = {name: _most_frequent(engine, name) for name in DIMENSIONS}
    month, day, hour = (max(end - length, first) for length in (30 * DAY_NS, DAY_NS, HOUR_NS))

    def over(since: int, *filtered: str) -> Selection:
        return Selection(since_ns=since + 17, until_ns=end, where={name: [values[name]] for name in filtered})

    pairs = list(itertools.combinations(DIMENSIONS, 2))
    random.Random(1).shuffle(pairs)
    kinds: Kinds = {
        "totals": [over(since).question() for since in (month, day, hour)],
        "panels 30 d": [over(month).question(by=[by], limit=8) for by in PANELS],
        "chart hour × model 30 d": [over(month).question(by=["model"], bucket="hour", tz=ZONE)],
        "chart day 30 d": [over(month).question(bucket="day", tz=ZONE)],
        "chart minute 1 h": [over(hour).question(bucket="minute")],
        "by each dimension 30 d": [over(month).question(by=[by], limit=50) for by in DIMENSIONS],
        "by tag and model 30 d": [over(month).question(by=["tag.feature", "model"])],
        "percentiles by model 30 d": [
            over(month).question(
                by=["model"], measures=["calls", "total_p50_us", "total_p95_us", "total_p99_us"]
            )
        ],
        "users a day 30 d": [over(month).question(bucket="day", measures=["users", "sessions"])],
        "hours of the week 30 d": [over(month).question(bucket="hour_of_week", tz=ZONE)],
        "top sessions 30 d": [over(month).question(by=["session"], limit=20)],
    }
    for days, since in ((1, day), (30, month)):
        kinds[f"two filters, {days} d"] = [
            over(since, *pair).question(by=[] if by is None else [by], limit=8)
            for pair, by in itertools.islice(zip(pairs, itertools.cycle((None, *PANELS))), _SAMPLE)
        ]
        kinds[f"choices under a filter, {days} d"] = [
            over(since, first_name).question(by=[name], limit=50)
            for first_name, name in itertools.islice(pairs, _SAMPLE)
        ]
    return kinds


def _most_frequent(engine: Engine, name: str) -> str:
    """Return the value most calls have: the slowest to filter by."""
    asked = Selection().question(by=[name], measures=["calls"], order="calls", limit=1)
    (row,) = engine.answer(asked).rows
    return row.keys[0] or ""


def statement_of(asked: Question) -> Statement:
    """Return the SQL of a question."""
    offsets = Offsets.of(zone_named(asked.tz), asked.since_ns or 0, asked.until_ns or 0)
    return Builder(DuckDB()).question(asked, offsets)


def _bare(home: Home, kinds: Kinds) -> dict[str, list[Took]]:
    connection = duckdb.connect(config={"memory_limit": MEMORY, "threads": str(THREADS)})
    connection.execute(f"ATTACH '{home.path / 'analytics.duckdb'}' AS replica (READ_ONLY)")
    connection.execute("USE replica")
    with contextlib.closing(connection):
        return {
            name: [
                _took(lambda sql=sql, given=given: connection.execute(sql, given).fetchall())
                for sql, given in map(statement_of, some)
            ]
            for name, some in kinds.items()
        }


def _today(home: Home) -> float:
    """Return the milliseconds of `farebox today` in a new process, the median of five."""
    command = [sys.executable, "-m", "farebox.cli", "today", "--since", "all", "--home", str(home.path)]
    times = sorted(_took(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(5))
    return round(times[2].seconds * 1_000)


class Took(NamedTuple):
    """The shorter of two runs: whatever else the machine does only adds."""

    seconds: float
    cpu: float
    """Processor seconds of all threads: what can be compared between two runs of a busy machine."""


def _took(work: Any) -> Took:
    times: list[Took] = []
    for _ in range(2):
        began, cpu = time.perf_counter(), time.process_time()
        work()
        times.append(Took(time.perf_counter() - began, time.process_time() - cpu))
    return min(times)


def _figures(ours: Sequence[Took], bare: Sequence[Took]) -> dict[str, float]:
    return {
        "asked": len(ours),
        "median_ms": _percentile(ours, 50),
        "p90_ms": _percentile(ours, 90),
        "max_ms": _percentile(ours, 100),
        "ratio_to_bare": round(sum(each.cpu for each in ours) / max(sum(each.cpu for each in bare), 1e-9), 2),
    }


def _percentile(took: Sequence[Took], percent: int) -> float:
    ranked = sorted(each.seconds for each in took)
    return round(ranked[max((len(ranked) * percent + 99) // 100 - 1, 0)] * 1_000, 1)


def kinds_too_slow(found: dict[str, Any], limit_ms: float = 200) -> Iterator[str]:
    """Yield the kinds whose p90 is over the limit."""
    yield from (name for name, figures in found["questions"].items() if figures["p90_ms"] > limit_ms)


def main() -> None:
    """Print the figures, as one JSON object with `--json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--independent", action="store_true", help="every dimension drawn by itself")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measure(arguments.rows, arguments.folder, independent=arguments.independent)
    if arguments.json:
        json.dump(found, sys.stdout)
        print()
        return
    for name, value in found.items():
        if name != "questions":
            print(f"{name:32} {value:,}")
    for name, figures in found["questions"].items():
        print(
            f"{name:32} {figures['asked']:4} asked  median {figures['median_ms']:7.1f}  "
            f"p90 {figures['p90_ms']:7.1f}  max {figures['max_ms']:7.1f} ms  × {figures['ratio_to_bare']:.2f}"
        )
    print(f"over 200 ms: {', '.join(kinds_too_slow(found)) or 'none'}")


if __name__ == "__main__":
    main()
