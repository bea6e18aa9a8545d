"""`farebox health`: ask proxy and dashboard whether they live and are ready, for scripts and containers.

Costs two requests on loopback and opens no ledger, so that it can be asked every few seconds.
"""

from __future__ import annotations

import http.client
from typing import Annotated

import msgspec
from cyclopts import Parameter

from farebox.cli.daemon.running import Running, running
from farebox.cli.exits import ANSWER_IS_NO, OK, UNAVAILABLE
from farebox.cli.options import AsJson, Place
from farebox.cli.reports import json_shapes
from farebox.cli.screen import GREEN, RED, YELLOW, clean, paint
from farebox.readiness import LIVE, READY, Readiness
from farebox.server.api.coverage.recording import ask
from farebox.snapshot import read_snapshot

ANSWER_SECONDS = 3.0


def health(
    *,
    place: Place | None = None,
    live: Annotated[
        bool, Parameter(help="Ask only whether they respond, not whether all is recorded.", negative="")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Ask the proxy and the dashboard whether they are well; 1 means no, 69 that one does not run."""
    home = (place or Place()).state_to_read()
    found = [_asked(name, running(home, name), live=live) for name in ("proxy", "server")]
    notes = [] if live else [f"{each}; what was in force stays" for each in read_snapshot(home).problems]
    answer = json_shapes.HealthAnswer(well=all(each.well for each in found), processes=found, notes=notes)
    if as_json:
        json_shapes.print_json(answer)
    else:
        for each in found:
            print(_line(each))
        for note in notes:
            print(f"{paint('!', YELLOW)} {clean(note)}")
    if not all(each.live for each in found):
        return UNAVAILABLE
    return OK if answer.well else ANSWER_IS_NO


def _asked(name: str, process: Running | None, *, live: bool) -> json_shapes.ProcessHealth:
    silent = json_shapes.ProcessHealth(name=name, live=False, ready=None, reasons=[], well=False)
    if process is None or not process.port:
        return silent
    path = LIVE if live else READY
    try:
        status, body = ask(process.host, process.port, path, ANSWER_SECONDS, secure=process.secure)
        if live:
            return msgspec.structs.replace(silent, live=status == 200, well=status == 200)
        found = msgspec.json.decode(body, type=Readiness)
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        return silent
    return msgspec.structs.replace(
        silent, live=True, ready=found.ready, reasons=list(found.reasons), well=found.ready
    )


def _line(found: json_shapes.ProcessHealth) -> str:
    if not found.live:
        return f"{paint('●', RED)} {found.name} does not respond"
    if found.ready is None:
        return f"{paint('●', GREEN)} {found.name} is live"
    if found.ready:
        return f"{paint('●', GREEN)} {found.name} is ready"
    return f"{paint('●', YELLOW)} {found.name} is not ready: {', '.join(found.reasons)}"
