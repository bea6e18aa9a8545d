"""`farebox by model,app,…`: the same money, broken down."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from farebox.cli import answers
from farebox.cli.access import open_ledger
from farebox.cli.exits import OK
from farebox.cli.options import AsJson, Filters, PeriodFlags, Place, ledger_filter
from farebox.cli.screen import BOLD, count, money, paint
from farebox.cli.summary import groups_table, warning_lines
from farebox.config import did_you_mean, key_labels
from farebox.errors import UsageError
from farebox.ledger.filter import DIMENSIONS
from farebox.server.coverage import coverage


def by(
    dimensions: Annotated[str, Parameter(help=f"One or more of {', '.join(DIMENSIONS)}, with commas.")],
    /,
    *,
    place: Place | None = None,
    period: PeriodFlags | None = None,
    filters: Filters | None = None,
    limit: Annotated[int, Parameter(help="How many groups at most.")] = 50,
    as_json: AsJson = False,
) -> int:
    """Break the spend down, highest cost first; without `--since`, since the first of the month."""
    names = checked_dimensions(dimensions)
    chosen = (period or PeriodFlags()).period("month")
    chosen_place = place or Place()
    home, ledger = open_ledger(chosen_place)
    narrowed = ledger_filter(chosen, filters)
    totals = ledger.totals(narrowed)
    groups = ledger.breakdown(narrowed, by=names, limit=limit)
    found = coverage(home, ledger, chosen.since_ns, chosen.until_ns)
    if as_json:
        answers.print_json(
            answers.BreakdownAnswer(
                period=answers.period_answer(chosen),
                by=names,
                totals=answers.totals(totals, found),
                groups=[answers.group_answer(group, found) for group in groups],
                coverage=found,
            )
        )
        return OK
    print(
        f"{chosen.label} ({chosen.zone_name})  {paint(money(totals, covered=found.complete), BOLD)}"
        f" · {count(totals.calls, 'call')}"
    )
    for line in warning_lines(found):
        print(line)
    if groups:
        named = key_labels(chosen_place.configuration(home).keys) if "key" in names else {}
        print(f"\n{groups_table(names, groups, named)}")
    if len(groups) == limit:
        print(f"\nThe first {limit}; --limit shows more.")
    return OK


def checked_dimensions(text: str) -> list[str]:
    """Return the dimensions named in `text`, each once.

    Raises:
        UsageError: One of them is not a dimension.
    """
    names = list(dict.fromkeys(name.strip().replace("-", "_") for name in text.split(",") if name.strip()))
    for name in names:
        if name not in DIMENSIONS:
            hint = did_you_mean(name, list(DIMENSIONS))
            raise UsageError(f"there is no dimension {name!r}; there are {', '.join(DIMENSIONS)}{hint}")
    if not names:
        raise UsageError(f"name a dimension: {', '.join(DIMENSIONS)}")
    return names
