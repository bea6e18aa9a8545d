"""What runs, whether it records, and what to paste to see a first call."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from farebox import __version__
from farebox.clock import iso, now_ns
from farebox.config import Address
from farebox.errors import FareboxError
from farebox.home import Home
from farebox.ledger.losses.health import LedgerHealth
from farebox.server.api.coverage.coverage import coverage
from farebox.server.api.coverage.recording import Recording, Unmetered, recording
from farebox.server.api.queries import Reader
from farebox.server.api.services import Typed, plainly
from farebox.server.api.status import status_views as views
from farebox.time_expressions import system_zone_name

API_VERSION = "1"


class _Run(msgspec.Struct):
    pid: int
    host: str | None = None
    port: int | None = None
    url: str = ""
    started_at: str | None = None


def status(reader: Reader, home: Home, typed: Typed, key_labels: dict[str, str]) -> views.Status:
    processes = [process(home, name) for name in ("proxy", "ledger", "server")]
    proxy = processes[0]
    proxy_url = url_of(home, "proxy") if proxy.state == "up" and proxy.address else None
    recorded = recording(home)
    return views.Status(
        version=__version__,
        api=API_VERSION,
        now=iso(now_ns()),
        tz=system_zone_name(),
        home=_short(home.path),
        processes=processes,
        proxy_url=proxy_url,
        ledger=ledger_status(reader, home, recorded, typed),
        unmetered=[unmetered(entry) for entry in recorded.unmetered],
        hints=hints(proxy_url, typed),
        key_labels=key_labels,
        start=typed("up"),
        demo=home.is_demo,
    )


def unmetered(found: Unmetered) -> views.Unmetered:
    return views.Unmetered(
        host=found.host,
        program=found.command or found.client,
        reason=found.reason,
        message=f"{found.words[:1].upper()}{found.words[1:]}.",
        connections=found.connections,
        last_at=iso(found.last_at * 10**9),
        retry_at=iso(found.retry_at * 10**9) if found.retry_at else None,
    )


def url_of(home: Home, name: str) -> str | None:
    """Return what clients of a process that lives are pointed at."""
    with contextlib.suppress(OSError, msgspec.MsgspecError, ValueError, RecursionError):
        run = msgspec.json.decode((home.run / f"{name}.json").read_bytes(), type=_Run)
        return run.url or f"http://{Address(run.host or '', run.port or 0)}"
    return None


def process(home: Home, name: str) -> views.Process:
    """Return what `run/<name>.json` says, and whether that process lives."""
    try:
        run = msgspec.json.decode((home.run / f"{name}.json").read_bytes(), type=_Run)
        os.kill(run.pid, 0)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return views.Process(name=name, state="down", address=None, started_at=None)
    address = f"{run.host}:{run.port}" if run.host and run.port else None
    return views.Process(name=name, state="up", address=address, started_at=run.started_at)


def ledger_status(reader: Reader, home: Home, proxy: Recording, typed: Typed = plainly) -> views.LedgerStatus:
    """Return the state of recording, from the proxy to the ledger: a word, a sentence, figures."""
    try:
        last_seq = reader.last_seq()
        health = reader.health()
        found = coverage(home, reader, proxy=proxy)
    except FareboxError as error:
        return views.LedgerStatus(state="unavailable", message=str(error), last_seq=0, facts={})
    state, message = "ok", "Every recorded call is in the ledger."
    if proxy.words is not None:
        words = proxy.words[:1].upper() + proxy.words[1:]
        state = "degraded"
        message = f"{words}. {'' if proxy.complete else 'Totals are too low. '}Type: {typed('status')}"
    elif health.lost_records:
        lost = (
            f"{health.lost_exchanges} calls could not be recorded"
            if health.lost_exchanges
            else "Records were lost"
        )
        state, message = "degraded", f"{lost}: totals are too low. Type: {typed('verify')}"
    elif not health.complete:
        state, message = "degraded", f"Part of a journal could not be read. Type: {typed('verify')}"
    elif found.pending.late and health.running:
        state = "degraded"
        why = f" ({found.ledger_trouble})" if found.ledger_trouble else ""
        message = (
            f"{found.pending.calls} recorded calls are not in the ledger yet{why}: totals are too low. "
            f"Type: {typed('status')}"
        )
    elif found.ledger_trouble is not None:
        state = "degraded"
        message = f"{found.ledger_trouble[:1].upper()}{found.ledger_trouble[1:]}. Type: {typed('status')}"
    elif found.pending.late:
        state, message = "behind", "Calls are recorded and wait for the ledger process to be priced."
    elif last_seq == 0:
        state, message = "empty", "No call has been recorded yet."
    return views.LedgerStatus(state=state, message=message, last_seq=last_seq, facts=_facts(health))


def _facts(health: LedgerHealth) -> dict[str, str]:
    plain = msgspec.structs.asdict(health)
    return {name: str(value) for name, value in plain.items() if value is not None}


def hints(proxy_url: str | None, typed: Typed = plainly) -> list[views.Hint]:
    """Return commands that make a first call, for the address the proxy really has."""
    run = views.Hint(title="Meter one program, nothing else changes", command=typed("run -- python app.py"))
    if proxy_url is None:
        return [views.Hint(title="Start the proxy", command=typed("up")), run]
    call = (
        f"curl {proxy_url}/openai/v1/chat/completions \\\n"
        '  -H "Authorization: Bearer $OPENAI_API_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        '  -d \'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]}\''
    )
    return [
        run,
        views.Hint(
            title="Point a client here yourself", command=f"export OPENAI_BASE_URL={proxy_url}/openai/v1"
        ),
        views.Hint(title="Or make one call by hand", command=call),
    ]


def _short(path: Path) -> str:
    """Return a path as people write it, with `~` for their own home."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except ValueError:
        return str(path)
