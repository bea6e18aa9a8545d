"""`farebox status` and `farebox open`: what runs, whether it is well, and the way in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from cyclopts import Parameter

from farebox import __version__
from farebox.analytics.query import Measures
from farebox.analytics.questions import Selection
from farebox.cli.access import open_ledger, open_questions
from farebox.cli.daemon.running import NAMES, running
from farebox.cli.exits import OK, status_of
from farebox.cli.options import AsJson, Place
from farebox.cli.reports import json_shapes
from farebox.cli.screen import BOLD, GREEN, RED, YELLOW, clean, count, money, paint
from farebox.clock import iso, now_ns
from farebox.config import find_file, read_layers
from farebox.config.layers import Layers
from farebox.errors import LedgerError
from farebox.home import Home
from farebox.ingest.figures import read_figures
from farebox.ledger.call_row import CallRow
from farebox.ledger.losses.coverage import Missing
from farebox.price_lists.news import news
from farebox.program import command
from farebox.sdk.shipping.spool_status import ProgramSpool, spools
from farebox.server.api.coverage.coverage import Coverage, coverage, warnings
from farebox.server.api.coverage.recording import Recording, recording
from farebox.server.api.outbox.outbox_views import OutboxFigures, outbox_figures
from farebox.snapshot import read_snapshot
from farebox.telemetry.otlp_out.exported import Exported, read_exported


def status(*, place: Place | None = None, as_json: AsJson = False) -> int:
    """Show what is running, where, and what needs attention."""
    chosen = place or Place()
    home = chosen.state_to_read()
    totals, latest, found = Measures(), list[CallRow](), None
    health: dict[str, int | float | str | bool | None] = {}
    refused: dict[str, tuple[int, int]] = {}
    unread: LedgerError | None = None
    try:
        _, ledger = open_ledger(chosen, whatever_the_file_says=True)
        latest = ledger.newest(1)
        health = msgspec.to_builtins(ledger.health())
        refused = ledger.refused_by()
        found = coverage(home, ledger)
        with open_questions(home) as questions:
            (totals,) = questions.totals(Selection())
    except LedgerError as error:  # what runs is known without the ledger
        unread = error
    in_use, elsewhere = configuration(home, chosen)
    layers = read_layers(home, chosen.config)
    published = read_snapshot(home)
    answer = json_shapes.StatusAnswer(
        version=__version__,
        home=str(home.path),
        config=in_use,
        config_here=elsewhere,
        config_mistakes=mistakes(home, layers),
        published_problems=list(published.problems),
        stops=len(published.stops),
        prices=news(home, layers.config.prices, now_ns()),
        processes=processes(home),
        calls=totals.calls,
        last_call_at=latest[0].occurred_at if latest else None,
        health=health,
        recording=found.recording if found else recording(home),
        coverage=found,
        ledger_error=str(unread) if unread else None,
        outbox=outbox_figures(home),
        collector=collected(home),
        spool_refused=[
            json_shapes.SpoolRefusal(source=source, records=records, calls=calls)
            for source, (records, calls) in refused.items()
        ],
        spools=spools(home.path),
        otlp_export=read_exported(home),
    )
    if as_json:
        json_shapes.print_json(answer)
    else:
        print(render(answer, totals))
    return status_of(unread) if unread else OK


def collected(home: Home) -> json_shapes.CollectorAnswer | None:
    """Return what became of the events that were sent here, None where there were none."""
    figures = read_figures(home)
    if figures is None:
        return None
    total = figures.total()
    return json_shapes.CollectorAnswer(
        since=iso(figures.since),
        last_at=iso(total.last_at),
        accepted=total.accepted,
        duplicate=total.duplicate,
        conflict=total.conflict,
        invalid=total.invalid,
        senders=figures.senders,
        otlp=figures.otlp,
    )


def configuration(home: Home, place: Place) -> tuple[str | None, str | None]:
    """Return the configuration file in use, and the one that `up` would read here where it is another.

    A running Farebox keeps the file it was started with, whatever directory this command is run in.
    """
    here = find_file(home, place.config)
    would_be = str(here) if here else None
    proxy = running(home, "proxy")
    if proxy is None or isinstance(proxy.config, msgspec.UnsetType):
        return would_be, None
    return proxy.config, None if proxy.config == would_be else would_be


def mistakes(home: Home, layers: Layers) -> int:
    """Return how many mistakes the named file has, or the state directory's own."""
    own = layers.config.named or str(home.config)
    return sum(finding.file == own for finding in layers.findings)


def processes(home: Home) -> list[json_shapes.ProcessAnswer]:
    """Return each process of this state directory, running or not."""
    found: list[json_shapes.ProcessAnswer] = []
    for name in NAMES:
        process = running(home, name)
        address = process.address if process else None
        found.append(
            json_shapes.ProcessAnswer(
                name=name,
                running=process is not None,
                pid=process.pid if process else None,
                address=str(address) if address else None,
            )
        )
    return found


def render(answer: json_shapes.StatusAnswer, totals: Measures) -> str:
    """Return the status as the terminal shows it."""
    lines = [f"{paint('Farebox', BOLD)} {answer.version} · {answer.home}"]
    lines.append(f"configuration: {answer.config or 'none, the defaults apply'}")
    if answer.config_here:
        lines.append(f"  not in use: {answer.config_here}")
    for process in answer.processes:
        if process.running:
            where = f" on {process.address}" if process.address else ""
            lines.append(f"{paint('●', GREEN)} {process.name}{where} (pid {process.pid})")
        else:
            lines.append(f"○ {process.name} is not running")
    seen = f", the last at {answer.last_call_at}" if answer.last_call_at else ""
    if answer.ledger_error is None:
        whole = money(totals, covered=answer.coverage is None or answer.coverage.complete)
        lines.append(f"{count(answer.calls, 'call')} recorded{seen} · {whole}")
    if answer.collector is not None:
        if answer.collector.senders:
            lines.append(collector_line(answer.collector))
        if answer.collector.otlp:
            lines.append(otlp_line(answer.collector.otlp))
    if answer.otlp_export is not None:
        lines.append(export_line(answer.otlp_export))
    lines += [spool_line(each) for each in answer.spools]
    lines += [f"{paint('!', YELLOW)} {word}" for word in troubles(answer)]
    return "\n".join(lines)


def spool_line(found: ProgramSpool) -> str:
    """Return in one line what a program of this machine has for a collector."""
    more = "" if found.counted_all else "more than "
    parts = [f"{more}{count(found.waiting, 'event')} waiting, {found.waiting_bytes:,} bytes"]
    if found.refused:
        parts.append(f"{found.refused:,} refused")
    last = "nothing acknowledged yet"
    if found.acknowledged_at is not None:
        last = f"the last acknowledged at {iso(found.acknowledged_at)}"
    return f"spool of {clean(found.program)} for {clean(found.collector)}: {', '.join(parts)} · {last}"


def collector_line(found: json_shapes.CollectorAnswer) -> str:
    """Return in one line what the collector accepted and refused."""
    parts = [f"{found.accepted:,} accepted"]
    parts += [
        f"{number:,} {what}"
        for number, what in (
            (found.duplicate, "sent again"),
            (found.conflict, "refused as conflicts"),
            (found.invalid, "refused as invalid"),
        )
        if number
    ]
    return f"collector: {', '.join(parts)} · the last at {found.last_at}"


def export_line(found: Exported) -> str:
    """Return in one line what an OTLP endpoint was sent, and what it was not."""
    parts = [f"{count(found.sent, 'call')} sent"]
    parts += [f"{found.refused:,} refused"] if found.refused else []
    parts += [f"{found.passed_over:,} passed over"] if found.passed_over else []
    parts += [f"failing since {found.failing_since}: {found.failing}"] if found.failing else []
    return f"OTLP to {clean(found.endpoint)}: {', '.join(parts)}"


def otlp_line(found: Mapping[str, int]) -> str:
    """Return in one line what OTLP requests held, calls and what makes none."""
    calls = count(found.get("calls", 0), "call")
    others = [
        f"{number:,} {name.replace('_', ' ')}" for name, number in found.items() if name != "calls" and number
    ]
    return f"OTLP: {', '.join((calls, *others))}"


def troubles(answer: json_shapes.StatusAnswer) -> list[str]:
    """Return what the user should know, nothing where all is well."""
    told = answer.recording.words
    words: list[str] = [] if told is None else [paint(told, RED)]
    words += [clean(found.words) for found in answer.recording.unmetered]
    if answer.config_mistakes:
        words.append(
            f"{count(answer.config_mistakes, 'mistake')} in the configuration: {command('config check')}; "
            "what runs keeps what it said before"
        )
    else:
        words += [f"{clean(each)}; what was in force stays" for each in answer.published_problems]
    if answer.stops:
        words.append(f"{count(answer.stops, 'stop')} in force, whose calls are refused: {command('stops')}")
    words += [clean(told) for told in answer.prices]
    names = {process.name for process in answer.processes if process.running}
    if "supervisor" in names:
        words += [f"the {name} is down; the supervisor restarts it" for name in NAMES if name not in names]
    if answer.ledger_error is not None:
        words.append(paint(answer.ledger_error, RED))
    if answer.coverage is not None:
        words += pending_words(answer.coverage)
    for name, title in (
        ("gaps", "gap"),
        ("lost_records", "lost record"),
        ("undecodable", "unreadable record"),
    ):
        number = answer.health.get(name)
        if isinstance(number, int) and name == "lost_records":
            number -= sum(each.records for each in answer.spool_refused)
        if isinstance(number, int) and number:
            words.append(f"{count(number, title)} in the journals: {command('verify')}")
    words += [
        f"the full spool of {clean(each.source)} refused {count(each.records, 'record')}, "
        f"{count(each.calls, 'call')} among them: totals are too low"
        for each in answer.spool_refused
    ]
    for each in answer.spools:
        if each.lost:
            words.append(f"the full spool of {clean(each.program)} refused {count(each.lost, 'record')}")
        if each.trouble is not None and each.waiting:
            words.append(f"{clean(each.program)} cannot send: {clean(each.trouble)}")
    if answer.outbox is not None:
        words += outbox_words(answer.outbox)
    if not names:
        words.append(
            f"nothing is running. {command('up')} starts it; {command('run -- CMD')} works without it"
        )
    return words


def outbox_words(found: OutboxFigures) -> list[str]:
    """Return which messages did not arrive, and who is sent nothing any more."""
    words: list[str] = []
    if found.dead:
        words.append(f"{count(found.dead, 'message')} could not be delivered: {command('outbox')}")
    words += [
        f"{clean(name)} is told nothing any more, {clean(reason)}: {command('outbox receivers')}"
        for name, reason in found.stopped.items()
    ]
    return words


def pending_words(found: Coverage) -> list[str]:
    """Return why the ledger does not apply the journals, and how much it has not applied yet."""
    pending = msgspec.structs.replace(found, missing=Missing(), recording=Recording(state="off"))
    words = [paint(line, RED) for line in warnings(pending)]
    if found.ledger_trouble is not None and not any(found.ledger_trouble in word for word in words):
        words.append(paint(found.ledger_trouble, RED))
    return words


def open_dashboard(
    *,
    place: Place | None = None,
    browser: Annotated[bool, Parameter(help="Also open a browser.")] = True,
) -> int:
    """Print a one-time link to the dashboard, good for ten minutes, and open it."""
    from farebox.server.access.links import mint_link

    link = mint_link((place or Place()).state())
    print(link, flush=True)
    if browser and _has_screen():
        import webbrowser

        webbrowser.open(link)
    return OK


def _has_screen() -> bool:
    import os
    import sys

    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
