"""Groups as CSV: the dimensions, every measure, money as decimal text."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence

from farebox.analytics.dimensions import SUMS
from farebox.analytics.query import Breakdown
from farebox.cli.reports.export import cell, speak_utf8
from farebox.money import usd_text


def print_groups(dimensions: Sequence[str], sums: Breakdown, also: Sequence[str] = ()) -> None:
    """Print a line a group, and one for what `--limit` left out, with `(others)` as its dimensions."""
    speak_utf8()
    writer = csv.writer(sys.stdout, lineterminator="\r\n")
    writer.writerow([*dimensions, *SUMS, *also, "cost_usd", "charge_usd"])
    rows = [
        ([group.keys.get(name) for name in dimensions], group.measures, group.others) for group in sums.groups
    ]
    if sums.rest_groups:
        rows.append((["(others)"] * len(dimensions), sums.rest, {}))
    for keys, measures, others in rows:
        values = [*(getattr(measures, name) for name in SUMS), *(others.get(name) for name in also)]
        money = (usd_text(measures.cost_pico), usd_text(measures.charge_pico))
        writer.writerow([*map(cell, keys), *map(cell, values), *money])
