"""`farebox budget list` and `show`: what is spent, reserved and left, and when it resets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from cyclopts import Parameter

from farebox.cli.access import open_ledger, open_questions
from farebox.cli.exits import OK, say
from farebox.cli.options import AsJson, Place
from farebox.cli.publication import publish_home
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import BOLD, DIM, RED, Column, clean, count, paint, table
from farebox.clock import now_ns
from farebox.errors import LedgerError
from farebox.home import Home
from farebox.money import display_usd
from farebox.program import command
from farebox.server.api.limits.budget_views import (
    VALUES_SHOWN,
    BudgetFigures,
    Budgets,
    BudgetState,
    budgets_view,
)

VALUES_OF_ONE = 20

Name = Annotated[str, Parameter(help="The budget's name.")]


class BudgetsAnswer(msgspec.Struct, kw_only=True):
    """`farebox budget list --json` and `farebox budget show NAME --json`."""

    schema: str = "farebox.budgets/1"
    budgets: list[BudgetState]
    problems: list[str]
    """Why `farebox.yaml` is not in force, or figures are missing, a sentence each."""


def list_budgets(*, place: Place | None = None, as_json: AsJson = False) -> int:
    """List the budgets: limit, spent, reserved, left, and when each resets.

    The figures are those that calls are let pass by.
    """
    chosen = place or Place()
    found = read_budgets(chosen, chosen.state_to_read())
    if as_json:
        print_json(BudgetsAnswer(budgets=found.budgets, problems=found.problems))
        return OK
    for each in found.problems:
        say(clean(each))
    if not found.budgets:
        print("No budget is set. Set one, for all calls of this machine or for some:")
        print(f"  {command('budget set daily --limit 25 --period day')}")
        print(f"  {command('budget set per-session --each session --limit 2 --period session')}")
        return OK
    print(render(found.budgets))
    for word in _coverage(found.budgets):
        print(word)
    return OK


def show(name: Name, /, *, place: Place | None = None, as_json: AsJson = False) -> int:
    """Show one budget: its settings, its figures, and who spent most of it."""
    chosen = place or Place()
    found = read_budgets(chosen, chosen.state_to_read(), name=name, values_max=VALUES_OF_ONE)
    if as_json:
        print_json(BudgetsAnswer(budgets=found.budgets, problems=found.problems))
        return OK
    for each in found.problems:
        say(clean(each))
    print(settings(found.budgets[0]))
    print(render(found.budgets))
    for word in _coverage(found.budgets):
        print(word)
    return OK


def read_budgets(
    place: Place, home: Home, *, name: str | None = None, values_max: int = VALUES_SHOWN
) -> Budgets:
    """Return budgets with their figures, the file's as it is now and the record up to date."""
    publish_home(home)
    try:
        open_ledger(place, whatever_the_file_says=True)[1].close()
        with open_questions(home) as questions:
            return budgets_view(home, now_ns(), questions, name=name, values_max=values_max)
    except LedgerError as error:  # the counters are there without it
        found = budgets_view(home, now_ns(), name=name, values_max=values_max)
        found.problems.append(str(error))
        return found


def render(budgets: list[BudgetState]) -> str:
    """Return the budgets as a table; below one with `each`, the values that spent most."""
    columns = [
        Column("budget"),
        Column("for", drop=1, width_min=12),
        Column("limit", right=True),
        Column("spent", right=True),
        Column("reserved", right=True, drop=3),
        Column("left", right=True),
        Column("resets", drop=2, width_min=16),
    ]
    rows: list[list[str]] = []
    for each in budgets:
        unit = " price" if each.measure == "price" else ""
        figures = each.figures
        rows.append(
            [
                each.name + (" (soft)" if each.mode == "soft" else ""),
                whose(each),
                dollars(each.limit_pico) + unit,
                *_cells(figures, unknown="" if each.each else "?"),
                resets(each),
            ]
        )
        rows += [[f"  {clean(v.value)}", "", "", *_cells(v.figures), ""] for v in each.values]
        if each.more_values:
            rows.append([f"  and {each.more_values:,} more", "", "", "", "", "", ""])
    return table(columns, rows)


def settings(found: BudgetState) -> str:
    """Return a budget's settings as sentences."""
    lines = [headline(found), f"  {found.mode}: {clean(found.overshoot)}"]
    if found.exempt:
        lines.append(f"  exempt: {clean(', '.join(found.exempt))}")
    if found.mode == "hard":
        ceiling = f" of {display_usd(_pico(found.ceiling_usd))}" if found.ceiling_usd else ""
        lines.append(f"  a call waits up to {found.wait} for room; reserve: {found.reserve}")
        lines.append(
            f"  streams at the limit: {found.stream}; calls without a price: {found.unpriced}{ceiling}"
        )
    lines.append(f"  resets {resets(found)}; set by {clean(found.origin)}")
    return "\n".join(lines)


def headline(found: BudgetState) -> str:
    """Return what a budget is: `acme-daily: $25.00 of cost a day, customer acme`."""
    measure = "charged" if found.measure == "price" else "of cost"
    name = paint(clean(found.name), BOLD)
    return f"{name}: {dollars(found.limit_pico)} {measure} {_per(found)}, {clean(whose(found))}"


def whose(found: BudgetState) -> str:
    """Return in words which calls a budget is for."""
    words = [
        f"{key} {' or '.join(value or '(none)' for value in values)}" for key, values in found.where.items()
    ]
    said = ", ".join(words) or "all calls"
    return f"each {found.each}" + (f" of {said}" if words else "") if found.each else said


def resets(found: BudgetState) -> str:
    """Return when a budget counts anew, on the clock of its zone."""
    if found.resets_at is None:
        return "little by little" if found.period.startswith("rolling") else "never"
    moment = datetime.fromisoformat(found.resets_at)
    zone = UTC if found.timezone == "UTC" else ZoneInfo(found.timezone)
    left = moment - datetime.now(UTC)
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M} {found.timezone}, in {_duration(left)}"


def dollars(pico: str) -> str:
    """Return an amount for people; a negative one as it is."""
    return display_usd(int(pico))


def _per(found: BudgetState) -> str:
    if found.period == "ever":
        return "in all"
    if found.period == "session":
        return "a session"
    return f"in any {found.period.removeprefix('rolling ')}" if " " in found.period else f"a {found.period}"


def _cells(figures: BudgetFigures | None, unknown: str = "?") -> list[str]:
    """Return spent, reserved and left."""
    if figures is None:
        return [unknown, unknown, unknown]
    if figures.opening:
        return ["opening", "…", "…"]
    left = dollars(figures.left_pico)
    if int(figures.left_pico) <= 0:
        left = paint(left, RED)
    if figures.waiting:
        left += f" ({figures.waiting} waiting)"
    return [dollars(figures.spent_pico), dollars(figures.reserved_pico), left]


def _coverage(budgets: list[BudgetState]) -> list[str]:
    """Return what figures do not cover, and by how much a hard budget may be passed."""
    words = [
        f"{clean(each.name)}: {count(each.unpriced_calls, 'call')} unpriced, counted at the most they can be"
        for each in budgets
        if each.unpriced_calls
    ]
    words += [
        f"{clean(each.name)} {clean(each.overshoot)}"
        for each in budgets
        if each.mode == "hard" and not each.overshoot.startswith("holds")
    ]
    return [paint(word, DIM) for word in words]


def _duration(left: timedelta) -> str:
    minutes = max(0, int(left.total_seconds()) // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days}d {hours}h"
    return f"{hours}h {minutes % 60}m" if hours else f"{minutes}m"


def _pico(usd: str | None) -> int:
    from farebox.money import pico_from_usd

    return pico_from_usd(usd or 0)
