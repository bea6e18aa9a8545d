"""The routes of capture: every source of calls, what is missing, and what the doctor says."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from pathlib import Path

import msgspec
from starlette.requests import Request

from farebox.analytics.questions import Selection as Calls
from farebox.clock import iso
from farebox.server.api.capture.capture_views import (
    AddedLatency,
    Capture,
    CaptureSource,
    Checked,
    Diagnosis,
    Losses,
    Sizes,
)
from farebox.server.api.coverage.recording import recording
from farebox.server.api.errors import ApiError
from farebox.server.api.method_routes import MethodRoutes, route
from farebox.server.api.queries import Reader, Sources
from farebox.server.api.services import Services
from farebox.server.api.status.status import process, unmetered

WINDOW_MINUTES = 5
NEWEST = 500
DOCTOR_SECONDS = 30.0
DOCTOR_EVERY_S = 10.0
_NAMES = ("proxy", "ledger", "server")


class _Check(msgspec.Struct):
    name: str
    ok: bool
    detail: str = ""
    fix: str | None = None


class _Doctor(msgspec.Struct):
    installation: list[_Check]


class CaptureRoutes(MethodRoutes):
    """Whether every call is seen."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._diagnosis: tuple[float, Diagnosis] | None = None
        self._diagnosing = asyncio.Lock()

    @route("GET", "/api/v1/capture")
    async def capture(self, request: Request) -> Capture:
        """Every source of calls, and what is known to be missing."""
        now = self._clock()
        found, sizes = await asyncio.gather(
            self._ledger.ask(lambda sources: self._sources(sources, now)),
            asyncio.to_thread(self._sizes),
        )
        proxy = await asyncio.to_thread(lambda: recording(self._home))
        return await self._ledger.read(
            lambda reader: Capture(
                at=iso(now),
                processes=[process(self._home, name) for name in _NAMES],
                recording=proxy.state,
                recording_words=proxy.words,
                in_flight=reader.health().in_flight,
                writers=reader.health().writers,
                sources=found,
                window_minutes=WINDOW_MINUTES,
                losses=_losses(reader),
                added=_added(reader),
                sizes=msgspec.structs.replace(sizes, pending_bytes=reader.health().journal_bytes_pending),
                unmetered=[unmetered(each) for each in proxy.unmetered],
                coverage=self._services.cover(reader),
            )
        )

    @route("GET", "/api/v1/doctor", refusals=("doctor_failed",))
    async def doctor(self, request: Request) -> Diagnosis:
        """What `farebox doctor` says of this installation, at most ten seconds old."""
        async with self._diagnosing:
            known = self._diagnosis
            if known is None or time.monotonic() - known[0] > DOCTOR_EVERY_S:
                found = await asyncio.to_thread(self._diagnose)
                known = self._diagnosis = time.monotonic(), found
        return known[1]

    def _sources(self, sources: Sources, now: int) -> list[CaptureSource]:
        ever, lately = sources.questions.answers(
            Calls().question(
                by=["source"], measures=["calls", "first_at_ns", "last_end_ns"], order="last_end_ns"
            ),
            Calls(since_ns=now - WINDOW_MINUTES * 60 * 10**9).question(
                by=["source"], measures=["calls"], order="calls"
            ),
        )
        counts = {row.keys[0]: row.values[0] or 0 for row in lately.rows}
        return [
            CaptureSource(
                source=row.keys[0] or "",
                calls=row.values[0] or 0,
                first_at=iso(row.values[1] or 0),
                last_at=iso(row.values[2] or 0),
                calls_last_minutes=counts.get(row.keys[0], 0),
            )
            for row in ever.rows
        ]

    def _sizes(self) -> Sizes:
        home = self._home
        free = 0
        with contextlib.suppress(OSError):
            free = home.free_bytes()
        return Sizes(
            ledger_bytes=sum(map(_size, home.path.glob("ledger.db*"))),
            replica_bytes=sum(map(_size, home.path.glob("analytics.duckdb*"))),
            journal_bytes=sum(map(_size, home.journal.rglob("*"))),
            pending_bytes=0,
            free_bytes=free,
        )

    def _diagnose(self) -> Diagnosis:
        config = self._services.config
        named = ["--config", config.named] if config is not None and config.named else []
        typed = [sys.executable, "-m", "farebox.cli", "doctor", "--no-clients", "--json"]
        typed += ["--home", str(self._home.path), *named]
        try:
            done = subprocess.run(typed, capture_output=True, timeout=DOCTOR_SECONDS, check=False)
            found = msgspec.json.decode(done.stdout, type=_Doctor)
        except (OSError, subprocess.TimeoutExpired, msgspec.DecodeError) as error:
            raise ApiError(503, "doctor_failed", f"`farebox doctor` did not finish: {error}.") from error
        checks = sorted(found.installation, key=lambda each: each.ok)
        return Diagnosis(
            ok=all(each.ok for each in checks),
            at=iso(self._clock()),
            findings=[
                Checked(name=each.name, ok=each.ok, detail=each.detail, fix=None if each.ok else each.fix)
                for each in checks
            ],
            command=self._services.typed("doctor"),
        )


def _losses(reader: Reader) -> Losses:
    health = reader.health()
    return Losses(
        lost_records=health.lost_records,
        lost_calls=health.lost_exchanges,
        gaps=health.gaps,
        gap_records=health.gap_records,
        undecodable=health.undecodable,
    )


def _added(reader: Reader) -> AddedLatency:
    took = sorted(row.added_us for row in reader.newest(NEWEST) if row.witness == "proxy")

    def at(percent: int) -> int | None:
        return took[max(-(-percent * len(took) // 100) - 1, 0)] if took else None

    return AddedLatency(calls=len(took), p50_us=at(50), p99_us=at(99))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:  # it has just gone
        return 0
