"""`farebox alerts simulate`: what alerts would have said of the calls that are in the record."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from farebox.alerts.alert import Alert
from farebox.cli.access import open_ledger
from farebox.cli.alerts.alert_history import events_table
from farebox.cli.alerts.definition_flags import DefinitionFlags, KindFlags, definition
from farebox.cli.call_flags import CallFlags
from farebox.cli.exits import OK
from farebox.cli.options import AsJson, PeriodFlags, Place
from farebox.cli.publication import publish_home
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import clean, count
from farebox.clock import now_ns
from farebox.errors import ConfigError, Finding, UsageError
from farebox.ledger.alerting.simulation import simulate as simulated
from farebox.program import command
from farebox.server.api.alerts.alert_views import AlertSimulation, simulation_view
from farebox.snapshot import read_snapshot

DEFAULT_SINCE = "30d"
_PRINTED = 50


class AlertSimulationAnswer(msgspec.Struct, kw_only=True):
    """`farebox alerts simulate --json`."""

    schema: str = "farebox.alert-simulation/1"
    simulation: AlertSimulation


def simulate(
    name: Annotated[
        str | None,
        Parameter(
            help="The alert's name; all of them without. With flags, it is simulated as they change it."
        ),
    ] = None,
    /,
    *,
    file: Annotated[
        Path | None, Parameter(help="Take them from this file's `alerts:` instead, before it is in force.")
    ] = None,
    kinds: KindFlags | None = None,
    flags: DefinitionFlags | None = None,
    where: CallFlags | None = None,
    period: PeriodFlags | None = None,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """Show what alerts would have told: those that are set, of a file, or one that the flags say.

    Of the last 30 days unless `--since` says otherwise. It is the same evaluation with the record's own time
    for a clock. Of wallets, prices, missing records and unmetered clients the record says nothing: each of
    those alerts is named.
    """
    chosen = place or Place()
    home = chosen.state_to_read()
    publish_home(home)
    published = read_snapshot(home).alerts
    alerts = _chosen(name, file, kinds, flags, where, published)
    if not alerts:
        print(f"No alert is set. Simulate one:  {command('alerts simulate --anomaly cost', home)}")
        return OK
    now = now_ns()
    span = (period or PeriodFlags()).period(DEFAULT_SINCE, now)
    since, until = span.since_ns or 0, span.until_ns or now + 1
    open_ledger(chosen, whatever_the_file_says=True)[1].close()
    found = simulation_view(alerts, since, until, simulated(home, alerts, since, until, _show_progress))
    if as_json:
        print_json(AlertSimulationAnswer(simulation=found))
        return OK
    if found.events:
        print(events_table(found.events[:_PRINTED], span.zone, told=False))
        if len(found.events) > _PRINTED:
            print(f"and {len(found.events) - _PRINTED:,} more (--json has them)")
    fired = sum(each.state == "firing" for each in found.events)
    simulated_ones = len(alerts) - len(found.cannot)
    print(
        f"{count(simulated_ones, 'alert')} would have fired {count(fired, 'time')} "
        f"from {found.since[:10]} to {found.until[:10]}."
    )
    for each in found.cannot:
        print(f"{clean(each.alert)} is not simulated: {clean(each.why)}.")
    return OK


def _chosen(
    name: str | None,
    file: Path | None,
    kinds: KindFlags | None,
    flags: DefinitionFlags | None,
    where: CallFlags | None,
    published: tuple[Alert, ...],
) -> list[Alert]:
    known = _of_file(file) if file is not None else published
    before = next((each for each in known if each.name == name), None)
    if kinds is not None or flags is not None or where is not None:
        return [definition(name or "simulated", kinds, flags, where, before)]
    if name is None:
        return list(known)
    if before is not None:
        return [before]
    from farebox.nearest import did_you_mean

    names = [each.name for each in known]
    there = f"there are: {', '.join(names[:20])}" if names else "none is set"
    raise UsageError(f"there is no alert {name!r}; {there}{did_you_mean(name, names)}; flags say one")


def _of_file(file: Path) -> tuple[Alert, ...]:
    from farebox import yamltext
    from farebox.alerts.definition import read_alerts

    findings: list[Finding] = []
    try:
        root, findings = yamltext.read(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}") from None
    section = root.get("alerts") if root is not None else None
    found = read_alerts(section or root, findings, []) if root is not None else ()
    if findings:
        raise ConfigError(findings)
    return found


def _show_progress(done: int, of: int) -> None:
    """Show on a terminal how far it is."""
    if sys.stderr.isatty() and of > 50_000:
        end = "\n" if done >= of else "\r"
        print(f"reading the record: {done:,} of {of:,} rows", end=end, file=sys.stderr)
