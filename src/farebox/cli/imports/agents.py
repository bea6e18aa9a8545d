"""`farebox import agents`: read what coding agents on this machine have used, and follow them."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Annotated, Literal

from cyclopts import Parameter

from farebox.cli.access import open_ledger
from farebox.cli.exits import OK
from farebox.cli.imports.answers import ProgressLine, answer, imported, render
from farebox.cli.options import AsJson, PeriodFlags, Place
from farebox.cli.reports import json_shapes
from farebox.clock import now_ns
from farebox.errors import UsageError
from farebox.program import command

_LOOK_EVERY_S = 5.0

AgentName = Literal["claude-code", "codex", "gemini-cli", "opencode"]


def agents(
    names: Annotated[
        tuple[AgentName, ...], Parameter(help="Only these; all that are found by default.")
    ] = (),
    /,
    *,
    place: Place | None = None,
    since: Annotated[
        str | None, Parameter(help="Only calls from then on: 2026-11-01, 7d, month; all by default.")
    ] = None,
    paid_by: Annotated[
        Literal["auto", "subscription", "api"],
        Parameter(help="Who pays for the calls; found out where the agent says it."),
    ] = "auto",
    follow: Annotated[
        bool, Parameter(negative="", help="Go on: import what is written from now on, every 5 s.")
    ] = False,
    dry_run: Annotated[bool, Parameter(negative="", help="Only show what would be imported.")] = False,
    decline: Annotated[
        bool, Parameter(negative="", help="Import nothing, and be offered it no more.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Import what coding agents on this machine have used, from where the last import ended.

    Imported history fires no alert and uses up no budget; what is followed as it is written counts.
    """
    from farebox.catalog import load
    from farebox.histories.agents.import_agents import AGENTS, import_agents
    from farebox.histories.agents.positions import decline as decline_import
    from farebox.histories.agents.positions import load as load_positions
    from farebox.histories.agents.positions import reading, save

    if follow and dry_run:
        raise UsageError("--follow imports, --dry-run does not: one of them")
    place = place or Place()
    home = place.state_to_read() if dry_run else place.state()
    if decline:
        decline_import(home)
        return OK
    since_ns = (PeriodFlags(since=since).period().since_ns or 0) if since else 0
    catalog = load(place.configuration(home).providers)
    chosen = [each for each in AGENTS if not names or each.name in names]
    line = ProgressLine()
    live_since = now_ns() if follow else None
    with contextlib.nullcontext() if dry_run else reading(home):
        open_ledger(place)
        positions = load_positions(home)
        while True:
            try:
                found = import_agents(
                    home,
                    catalog,
                    positions,
                    agents=chosen,
                    since_ns=since_ns,
                    paid_by=paid_by,
                    live_since_ns=live_since,
                    dry_run=dry_run,
                    told=line.told,
                )
                if not dry_run and (not follow or any(each.calls or each.files for each in found)):
                    # With --since, what was before has not been read.
                    save(home, load_positions(home) if since_ns else positions)
                    line.show("adding to the record …")
                    open_ledger(place)
            finally:
                line.end()
            if not follow:
                break
            for each in found:
                if each.calls and as_json:
                    json_shapes.print_json(imported(each))
                elif each.calls:
                    print(f"{each.history}: {each.calls:,} calls imported", flush=True)
            time.sleep(_LOOK_EVERY_S)
    if as_json:
        json_shapes.print_json(answer(found, dry_run=dry_run))
    elif not found:
        print("No logs of Claude Code, Codex, Gemini CLI or opencode were found for this user.")
    else:
        print(render(found, dry_run=dry_run))
        if not dry_run and sys.stdout.isatty():
            print(f"\nSee it: {command('by app,model --since all', home)}")
    return OK
