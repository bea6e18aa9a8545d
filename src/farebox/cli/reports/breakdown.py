"""`farebox by model,app,…`: spend, broken down."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, get_args

from cyclopts import Parameter

from farebox.analytics.dimensions import DIMENSIONS, MEASURES, SUMS, check_measures, dimension
from farebox.analytics.query import Bucket
from farebox.cli.access import open_ledger, open_questions
from farebox.cli.options import (
    AsCsv,
    AsJson,
    Filters,
    PeriodFlags,
    Place,
    check_one_format,
    selection_of,
)
from farebox.cli.reports import json_shapes
from farebox.cli.reports.group_csv import print_groups
from farebox.cli.reports.summary import FailOver, groups_table, limit_of, notes, verdict, warning_lines
from farebox.cli.screen import BOLD, count, money, paint
from farebox.config import key_labels
from farebox.errors import UsageError
from farebox.server.api.coverage.coverage import coverage
from farebox.snapshot import read_snapshot
from farebox.time_expressions import zone_named

BUCKETS: tuple[Bucket, ...] = get_args(Bucket)
LIMIT = 50
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_OTHERS = ", ".join(name for name in MEASURES if name not in SUMS)


def by(
    dimensions: Annotated[
        str,
        Parameter(
            help=f"One or more of {', '.join(DIMENSIONS)}, tag.NAME, and one of {', '.join(BUCKETS)}, "
            "with commas."
        ),
    ],
    /,
    *,
    place: Place | None = None,
    period: PeriodFlags | None = None,
    filters: Filters | None = None,
    limit: Annotated[
        int | None, Parameter(help=f"How many groups at most; {LIMIT} without it, all with --json and --csv.")
    ] = None,
    also: Annotated[list[str] | None, Parameter(help=f"Another measure: {_OTHERS}.", negative="")] = None,
    order: Annotated[str, Parameter(help="The measure that comes highest first.")] = "cost_pico",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    fail_over: FailOver = None,
) -> int:
    """Break the spend down, calls without a cost first; without `--since`, since the first of the month."""
    check_one_format(as_json=as_json, as_csv=as_csv)
    most = limit_of(fail_over)
    names = checked_dimensions(dimensions)
    bucket: Bucket | None = next((each for each in BUCKETS if each in names), None)
    measures = list(dict.fromkeys(name for name in (*(also or []), order) if name not in SUMS))
    check_measures([*measures, order])
    chosen = (period or PeriodFlags()).period("month")
    chosen_place = place or Place()
    home, ledger = open_ledger(chosen_place)
    narrowed = selection_of(chosen, filters)
    with open_questions(home) as questions:
        sums = questions.breakdown(
            narrowed,
            [name for name in names if name != bucket],
            bucket=bucket,
            tz=chosen.zone_name,
            limit=limit if limit is not None or as_json or as_csv else LIMIT,
            also=measures,
            order=order,
            unpriced_first=order == "cost_pico",
            with_models=True,
        )
        unknown = questions.unknown(narrowed)
    found = coverage(home, ledger, chosen.since_ns, chosen.until_ns)
    if as_json:
        json_shapes.print_json(json_shapes.breakdown_answer(chosen, names, sums, found, unknown))
        return verdict(sums.total, found, most, unknown)
    if as_csv:
        print_groups(names, sums, measures)
        return verdict(sums.total, found, most, unknown)
    print(
        f"{chosen.label} ({chosen.zone_name})  {paint(money(sums.total, covered=found.complete), BOLD)}"
        f" · {count(sums.total.calls, 'call')}"
    )
    for line in (*notes(sums, unknown), *warning_lines(found)):
        print(line)
    if sums.groups:
        keys = read_snapshot(home).keys(chosen_place.configuration(home).keys) if "key" in names else {}
        labels = key_labels(keys)

        def shown(name: str, value: str) -> str:
            return bucket_text(bucket, value, chosen.zone_name) if name == bucket else value

        print(f"\n{groups_table(names, sums, measures, shown, labels)}")
    return verdict(sums.total, found, most, unknown)


def checked_dimensions(text: str) -> list[str]:
    """Return the dimensions named in `text`, each once; one of them may be a bucket of time.

    Raises:
        UsageError: One of them does not exist.
    """
    names: list[str] = []
    for written in text.split(","):
        name = written.strip()
        if not name.startswith("tag."):
            name = name.replace("-", "_")
        if name and name not in BUCKETS:
            dimension(name)
        if name and name not in names:
            names.append(name)
    if not names:
        raise UsageError(f"name a dimension: {', '.join(DIMENSIONS)} or tag.NAME")
    if sum(name in BUCKETS for name in names) > 1:
        raise UsageError(f"only one of {', '.join(BUCKETS)} at a time")
    return names


def bucket_text(bucket: str | None, value: str, zone: str) -> str:
    """Return where a bucket starts as people write it."""
    if bucket == "hour_of_week":
        return f"{_WEEKDAYS[int(value) // 24]} {int(value) % 24:02d}:00"
    start = datetime.fromtimestamp(int(value) // 10**9, UTC).astimezone(zone_named(zone))
    return f"{start:%Y-%m-%d}" if bucket in ("day", "week") else f"{start:%Y-%m-%d %H:%M}"
