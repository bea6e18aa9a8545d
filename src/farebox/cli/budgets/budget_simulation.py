"""`farebox budget simulate`: what a budget would have blocked, when, whom, and what that would have saved."""

from __future__ import annotations

import sys
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from farebox.budgets.budget import Budget
from farebox.cli.access import open_ledger
from farebox.cli.budgets.budget_list import dollars, headline
from farebox.cli.budgets.definition_flags import DefinitionFlags, WhereFlags, definition
from farebox.cli.exits import OK
from farebox.cli.options import AsJson, PeriodFlags, Place
from farebox.cli.publication import publish_home
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import Column, clean, count, table
from farebox.clock import now_ns
from farebox.config import is_exposed, read_layers
from farebox.errors import ConfigError, Finding, UsageError
from farebox.ledger.spending.simulation import Simulation
from farebox.ledger.spending.simulation import simulate as simulated
from farebox.server.api.limits.budget_views import BudgetSimulation, simulation_view, state_of
from farebox.snapshot import read_snapshot
from farebox.time_expressions import zone_named

DEFAULT_SINCE = "30d"
_WINDOWS_PRINTED = 20
_WHOM_PRINTED = 10


class SimulationAnswer(msgspec.Struct, kw_only=True):
    """`farebox budget simulate --json`."""

    schema: str = "farebox.budget-simulation/1"
    simulation: BudgetSimulation


def simulate(
    name: Annotated[
        str | None, Parameter(help="The budget's name. With flags, it is simulated as they change it.")
    ] = None,
    /,
    *,
    file: Annotated[
        Path | None, Parameter(help="Take it from this file's `budgets:` instead, before it is in force.")
    ] = None,
    limits: DefinitionFlags | None = None,
    where: WhereFlags | None = None,
    period: PeriodFlags | None = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Show what a budget would have blocked: a set one, one of a file, or one that the flags say.

    Of the last 30 days unless `--since` says otherwise; times are in the budget's zone. Calls are taken in
    the order they began, each by what it really cost. Near its limit a budget in force holds back a little
    more, since what a call costs is not known before it ends.
    """
    chosen = place or Place()
    home = chosen.state_to_read()
    publish_home(home)
    budget = _chosen(name, file, limits, where, read_snapshot(home).budgets)
    now = now_ns()
    span = (period or PeriodFlags()).period(DEFAULT_SINCE, now)
    since, until = span.since_ns or 0, span.until_ns or now + 1
    open_ledger(chosen, whatever_the_file_says=True)[1].close()
    config = read_layers(home, chosen.config, prices=False).config
    outcome = simulated(
        home,
        budget,
        since,
        until,
        stated_customers=not is_exposed(config.listen, config),
        told=_show_progress,
    )
    answer = simulation_view(budget, since, until, outcome)
    if as_json:
        print_json(SimulationAnswer(simulation=answer))
    else:
        shown_in = span.zone if period is not None and period.tz else zone_named(budget.timezone)
        print(render(answer, budget, shown_in))
    return OK


def render(found: BudgetSimulation, budget: Budget, zone: tzinfo) -> str:
    """Return the simulation as the terminal shows it."""
    span = f"{_day(found.since, zone) if found.since else 'the beginning'} to {_day(found.until, zone)}"
    lines = [f"{headline(state_of(budget, now_ns()))}; {span}"]
    if not found.calls:
        lines.append("It is for no call of that time.")
        return "\n".join(lines)
    lines.append(f"{count(found.calls, 'call')}, {dollars(found.spent_pico)}")
    if found.unpriced_calls:
        lines.append(
            f"{count(found.unpriced_calls, 'call')} of them unpriced, counted at what is known of them"
        )
    if not found.blocked_calls:
        lines.append("It would have blocked nothing.")
        return "\n".join(lines)
    soft = ", were it not soft" if budget.mode == "soft" else ""
    lines.append(
        f"It would have blocked {count(found.blocked_calls, 'call')} and saved {dollars(found.saved_pico)}"
        f"{soft}."
    )
    lines.append("")
    lines.append(_windows(found, zone))
    if found.whom and any(each.whom for each in found.whom):
        lines += ["", _whom(found)]
    return "\n".join(lines)


def _windows(found: BudgetSimulation, zone: tzinfo) -> str:
    columns = [
        Column("first blocked"),
        Column("last blocked", drop=2),
        Column("of", drop=1, width_min=10),
        Column("calls", right=True),
        Column("saved", right=True),
        Column("spent anyway", right=True, drop=3),
    ]
    rows = [
        [
            _minute(each.first, zone),
            _minute(each.last, zone),
            clean(each.value or ""),
            f"{each.calls:,}",
            dollars(each.saved_pico),
            dollars(each.passed_pico),
        ]
        for each in found.windows[:_WINDOWS_PRINTED]
    ]
    if all(not row[2] for row in rows):
        columns.pop(2)
        rows = [[*row[:2], *row[3:]] for row in rows]
    text = table(columns, rows)
    left_out = len(found.windows) + found.more_windows - len(rows)
    return f"{text}\nand {count(left_out, 'window')} more (--json has them)" if left_out > 0 else text


def _whom(found: BudgetSimulation) -> str:
    columns = [Column("whose calls", width_min=20), Column("calls", right=True), Column("saved", right=True)]
    rows = [
        [
            clean(", ".join(f"{name} {value}" for name, value in each.whom.items()) or "nobody is stated"),
            f"{each.calls:,}",
            dollars(each.saved_pico),
        ]
        for each in found.whom[:_WHOM_PRINTED]
    ]
    return table(columns, rows)


def _chosen(
    name: str | None,
    file: Path | None,
    limits: DefinitionFlags | None,
    where: WhereFlags | None,
    published: tuple[Budget, ...],
) -> Budget:
    known = _of_file(file) if file is not None else published
    names = [each.name for each in known]
    if name is None and file is not None and len(known) == 1:
        name = names[0]
    before = next((each for each in known if each.name == name), None)
    if limits is not None or where is not None:
        return definition(name or "simulated", where, limits, before)
    if before is not None:
        return before
    there = f"there are: {', '.join(names[:20])}" if names else "none is set"
    if name is None:
        raise UsageError(f"name a budget ({there}), or say one: --limit 25 --period day --customer acme")
    from farebox.nearest import did_you_mean

    raise UsageError(
        f"there is no budget {name!r}; {there}{did_you_mean(name, names)}; flags say one that is not set yet"
    )


def _of_file(file: Path) -> tuple[Budget, ...]:
    from farebox import yamltext
    from farebox.budgets.definition import read_budgets

    findings: list[Finding] = []
    try:
        root, findings = yamltext.read(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}") from None
    section = root.get("budgets") if root is not None else None
    found = read_budgets(section or root, findings) if root is not None else ()
    if findings:
        raise ConfigError(findings)
    return found


def _show_progress(found: Simulation) -> None:
    """Show on a terminal how far it is."""
    whole, done = found.last_seq - found.first_seq, found.seq - found.first_seq
    if sys.stderr.isatty() and whole > 50_000:
        end = "\n" if found.is_read else "\r"
        print(f"reading the record: {done:,} of {whole:,} rows", end=end, file=sys.stderr)


def _day(moment: str, zone: tzinfo) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(zone):%Y-%m-%d}"


def _minute(moment: str, zone: tzinfo) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(zone):%Y-%m-%d %H:%M}"
