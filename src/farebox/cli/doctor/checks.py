"""What `farebox doctor` looks at besides clients: ports, files, certificates, journals, prices, pins."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from farebox.cli.doctor.doctor_command import Check
from farebox.errors import (
    FareboxError,
    StateDirectoryError,
    StateDirectoryUnusableError,
)
from farebox.home import check_private
from farebox.program import command

if TYPE_CHECKING:
    from farebox.cli.options import Place
    from farebox.config import Address, Config
    from farebox.home import Home

STATE, LEDGER = "state directory", "ledger"
"""Checks whose failure gives `doctor` an exit status of its own."""
CLOCK_AHEAD_S = 5
_EARLIEST = 1_767_225_600
"""2026-01-01: a clock before that is wrong."""


def check_installation(place: Place) -> list[Check]:
    """Return every check, in the order they are shown."""
    try:
        home = place.state_to_read()
        check_private(home.path)
    except StateDirectoryError as error:
        return [Check(STATE, False, str(error), "make it yours alone: chmod 700, your own files")]
    except (StateDirectoryUnusableError, OSError) as error:
        return [Check(STATE, False, str(error), "name a directory of your own with --home or FAREBOX_HOME")]
    checks = [check_permissions(home), check_room(home)]
    try:
        config = place.configuration(home)
    except FareboxError as error:
        return [*checks, Check("configuration", False, str(error), "correct the file at the line named")]
    checks.append(Check("configuration", True, config.file or "none: defaults"))
    checks += check_ports(home, config)
    checks.append(check_authority(place, home))
    checks += check_ledger(place)
    checks += check_control(home)
    checks += check_outbox(home)
    checks += check_spool(home)
    checks.append(check_recording(home))
    checks.append(check_prices(home, config))
    checks += check_pins(home)
    return checks


def check_room(home: Home) -> Check:
    """Check that records can be stored here."""
    try:
        home.check_room()
    except StateDirectoryUnusableError as error:
        return Check(
            STATE, False, str(error), "make room, or make it writable: nothing is recorded until then"
        )
    return Check(STATE, True, "records can be kept there")


def check_prices(home: Home, config: Config) -> Check:
    """Say how old the prices are, and whether a list waits or cannot be fetched."""
    from farebox.price_lists.held_list import held_list
    from farebox.price_lists.last_look import last_look
    from farebox.price_lists.news import news
    from farebox.pricing.sources.price_updates import newest

    updates = newest(home.path)
    since = f"the list of {updates.origin.fetched_at[:10]}" if updates else "those of this release"
    last, waits = last_look(home), held_list(home) is not None
    told = news(home, config.prices, time.time_ns())
    late = config.prices.update != "off" and last is not None and last.failures > 0
    detail = f"{since}; {'; '.join(told) or f'updates are {config.prices.update}'}"
    fix = command("prices review") if waits else command("prices update")
    return Check("prices", not (waits or late), detail, fix)


def check_permissions(home: Home) -> Check:
    """Check that no other user can read a file of the state directory."""
    loose: list[Path] = []
    for folder, folders, files in os.walk(home.path):
        for name in (*folders, *files):
            path = Path(folder) / name
            try:
                check_private(path)
            except StateDirectoryError:
                loose.append(path)
            except FileNotFoundError:
                continue
    if loose:
        return Check("permissions", False, f"others can read {loose[0]}", f"chmod -R go= {home.path}")
    return Check("permissions", True, f"{home.path} is yours alone")


def check_ports(home: Home, config: Config) -> list[Check]:
    """Check which processes hold the ports of the proxy and the dashboard."""
    from farebox.cli.daemon.running import running

    checks: list[Check] = []
    for title, name, wanted in (("proxy", "proxy", config.listen), ("dashboard", "server", config.dashboard)):
        process = running(home, name)
        if process is not None and process.address is not None:
            checks.append(Check(f"{title} port", True, f"{process.address}, pid {process.pid}"))
            continue
        checks.append(_check_free(f"{title} port", wanted))
    return checks


def _check_free(name: str, wanted: Address) -> Check:
    from farebox.cli.daemon.ports import holder

    if wanted.port == 0:
        return Check(name, True, "any free one")
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((wanted.host, wanted.port))
        except OSError:
            fix = f"end it, or choose another port in farebox.yaml; {command('up')} takes the next free one"
            return Check(name, False, f"{wanted} is in use by {holder(wanted.port)}", fix)
    return Check(name, True, f"{wanted} is free")


def check_authority(place: Place, home: Home) -> Check:
    """Check that the installed authority, if any, is complete, covers all hosts and is not about to
    expire."""
    from farebox.certificates import authority

    try:
        found = authority.installed(home)
    except StateDirectoryError as error:
        return Check("certificates", False, str(error), command("ca rotate"))
    if found is None:
        return Check("certificates", True, "none installed; `run` needs none")
    days = found.seconds_left // 86_400
    if days < 30:
        return Check("certificates", False, f"the authority expires in {days} days", command("ca rotate"))
    from farebox import catalog
    from farebox.cli.run.interception import permitted_names

    names = permitted_names(catalog.load(place.configuration(home).providers), os.environ)
    missing = [name for name in names if not found.covers(name)]
    if missing:
        detail = f"{len(missing)} hosts are not covered and not metered ({missing[0]})"
        return Check("certificates", False, detail, command("ca rotate"))
    return Check("certificates", True, f"{found.facts.name}, good for {days} days")


def check_control(home: Home) -> list[Check]:
    """Check the control database, where there is one, and that what it says is published."""
    from farebox.snapshot import SnapshotReader

    title = "control database"
    if home.control.exists():
        from farebox.control.database import open_control

        try:
            open_control(home).check()
        except FareboxError as error:
            return [Check(title, False, str(error), "calls are metered meanwhile")]
    problem = SnapshotReader(home).problem
    if problem is not None:
        return [Check(title, False, problem, f"it is published again by {command('up')}")]
    return [Check(title, True, "whole" if home.control.exists() else "none: no name or token was set")]


def check_outbox(home: Home) -> list[Check]:
    """Check that messages arrive, where anybody is told anything: no dead letter, no stopped receiver."""
    from farebox.cli.daemon.status import outbox_words
    from farebox.server.api.outbox.outbox_views import outbox_figures

    found = outbox_figures(home)
    if found is None:
        return []
    words = outbox_words(found)
    if words:
        return [Check("outbox", False, "; ".join(words), "see why, correct it, then resume it or send again")]
    return [Check("outbox", True, f"{found.pending} waiting, none given up")]


def check_spool(home: Home) -> list[Check]:
    """Name events that programs left in the spool and that could not be recorded."""
    from farebox.ingest.spool import FOLDER, REFUSED, refused_events

    count = refused_events(home)
    if not count:
        return []
    folder = home.path / FOLDER / REFUSED
    detail = f"{count:,} events of programs make no sense, or contradict what is recorded"
    return [
        Check(
            "spool",
            False,
            detail,
            f"each stands with its reason in {folder}; remove it once you have seen them",
        )
    ]


def check_ledger(place: Place) -> list[Check]:
    """Check what the journals and the ledger report: lag, losses, the clock, prices."""
    from farebox.analytics.questions import Selection
    from farebox.cli.access import open_ledger, open_questions
    from farebox.server.api.coverage.coverage import coverage

    try:
        home, ledger = open_ledger(place)
        health = ledger.health()
        with open_questions(home) as questions:
            (totals,) = questions.totals(Selection())
        found = coverage(home, ledger)
    except FareboxError as error:
        return [Check(LEDGER, False, str(error), command("verify"))]
    pending = found.pending
    lag = Check("journal lag", not pending.late and found.ledger_trouble is None)
    lag.detail = f"{pending.calls:,} calls not applied"
    if found.ledger_trouble is not None:
        lag.detail += f": {found.ledger_trouble}"
    lag.fix = f"{command('stop')}, then {command('up')}, once this is fixed"
    lost = health.lost_records + health.gap_records + health.undecodable
    losses = Check("lost events", lost == 0, f"{lost:,}", f"{command('verify')} says which, and when")
    unpriced = Check("unpriced calls", totals.unpriced_calls == 0, f"{totals.unpriced_calls:,}")
    unpriced.fix = f"{command('prices unpriced')} lists them; {command('prices set')} gives a model a price"
    now = time.time()
    last = (health.last_recorded_at_ns or 0) / 1e9
    clock = Check("clock", now > _EARLIEST and last <= now + CLOCK_AHEAD_S)
    clock.detail = "later than every recorded call" if clock.ok else "it is behind the last recorded call"
    clock.fix = "set the clock, or let it be set: timedatectl set-ntp true"
    return [lag, losses, unpriced, clock]


def check_recording(home: Home) -> Check:
    """Ask the running proxy whether it records."""
    from farebox.server.api.coverage.recording import recording

    found = recording(home)
    fix = f"{command('restart')}, once the disk has room and the folder can be written"
    if found.words is not None:
        return Check("recording", False, found.words, fix)
    return Check("recording", True, "no proxy runs" if found.state == "off" else "every call")


def check_pins(home: Home) -> list[Check]:
    """Name the clients that accept no certificate but the provider's, and what to do instead."""
    from farebox.proxy.intercept.pinning_clients import read_pins
    from farebox.server.api.coverage.recording import recording

    pins = read_pins(home.run / "pinned")
    # The proxy knows what it has tunnelled and why; the pins say what it will tunnel.
    tunnelled = [found for found in recording(home).unmetered if not found.reason.startswith("pinned:")]
    if not pins and not tunnelled:
        return [Check("pinned clients", True, "none")]
    checks = [
        Check("unmetered calls", found.reason == "excepted", found.words, _fix(found.reason))
        for found in tunnelled
    ]
    for pin in {(pin.host, pin.command or pin.client): pin for pin in pins}.values():
        who = pin.command or pin.client or "a client without a name"
        detail = f"{who} accepts only {pin.host}'s own certificate ({pin.reason}); its calls are not metered"
        fix = (
            "give it a base URL of the proxy instead, or let it trust the bundle of "
            f"{command('ca show')}; "
            f"{command('doctor --retry')} has it tried again"
        )
        checks.append(Check("pinned client", False, detail, fix))
    return checks


def _fix(reason: str) -> str | None:
    if reason == "no_authority":
        return f"{command('ca install')}, or run the program with {command('run')}"
    if reason == "excepted":
        return None
    if reason.startswith("direct"):
        return f"start it with {command('run')}, or give it a base URL of the proxy"
    return f"{command('ca rotate')}: the authority is from before this host was known, or damaged"
