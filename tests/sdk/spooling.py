"""A spool and its shipper on a clock that tests move: no thread, no network."""

from __future__ import annotations

from pathlib import Path

from collectors import FakeCollector

from farebox.clock import uuid7
from farebox.journal.direct_writer import DirectWriter
from farebox.journal.records import DONE, INTENT, OUTCOME, PARTIAL, Done, Intent, Partial, Result, encode
from farebox.sdk.shipping.shipper import Pace, Shipper
from farebox.sdk.shipping.spool import Spool
from farebox.wire.facts import Extraction, Part

SOURCE = "sdk:test:program"
URL = "https://collector.example"
TOKEN = "fbi_test"
BEGAN_NS = 4_000_000_000_000_000_000
"""Of a test's clock: segments, made by the real one, look older than anything in them."""
PER_CALL = 110


class Clock:
    """Monotonic seconds, and nanoseconds since 1970, that move together."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now_ns(self) -> int:
        return BEGAN_NS + int(self.seconds * 1_000_000_000)


class Spooling:
    """One program's."""

    def __init__(
        self, home: Path, collector: FakeCollector, *, token: str = TOKEN, source: str = SOURCE,
        bytes_max: int = 64 << 20, pace: Pace | None = None, clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self.home = home
        self.collector = collector
        self.clock = clock or Clock()
        self.source = source
        self.spool = Spool(home, URL, token, source, bytes_max, self.clock.monotonic)
        self.writer = self.new_writer()
        self.shipper = Shipper(
            self.spool,
            collector,
            source=source,
            pace=pace,
            monotonic=self.clock.monotonic,
            clock_ns=self.clock.now_ns,
            jitter=lambda: 1.0,
        )
        self.shipper.follow(self.writer.folder)

    def new_writer(self, **options: object) -> DirectWriter:
        """Return a writer of a process of this program."""
        return DirectWriter(
            self.spool.journal,
            source=self.source,
            kind=self.spool.program,
            wakes=False,
            files=self.spool.files(False),
            segment_bytes=self.spool.segment_bytes,
            **options,  # type: ignore[arg-type]
        )

    def origin(self, customer: str = "acme", event_id: bytes | None = None) -> dict[str, object]:
        return {
            "event_id": event_id or uuid7(self.clock.now_ns()),
            "source": self.source,
            "witness": "sdk",
            "occurred_at_ns": self.clock.now_ns(),
            "provider": "openai",
            "surface": "openai.chat",
            "attribution": {"customer": customer},
        }

    def call(self, customer: str = "acme", *, writer: DirectWriter | None = None, ends: bool = True) -> bytes:
        """Write down a call; return its id."""
        origin, writer = self.origin(customer), writer or self.writer
        writer.append(INTENT, encode(Intent(**origin)))  # type: ignore[arg-type]
        if ends:
            writer.append(DONE, encode(self.done(origin)))
        return origin["event_id"]  # type: ignore[return-value]

    def partial(self, event_id: bytes, writer: DirectWriter | None = None) -> None:
        """Write down what a call has used so far."""
        found = Partial(event_id=event_id, at_ns=self.clock.now_ns(), extraction=_used("partial"))
        (writer or self.writer).append(PARTIAL, encode(found))

    def done(self, origin: dict[str, object]) -> Done:
        return Done(
            **origin,  # type: ignore[arg-type]
            ended_at_ns=self.clock.now_ns(),
            outcome="completed",
            status=200,
            extraction=_used("final"),
        )

    def outcome(self, name: str) -> None:
        """Write down an outcome."""
        result = Result(
            event_id=uuid7(self.clock.now_ns()),
            source=self.source,
            occurred_at_ns=self.clock.now_ns(),
            name=name,
            value="40.00",
        )
        self.writer.append(OUTCOME, encode(result))

    def step(self, *, now: bool = False) -> float:
        self.writer.store_waiting()
        return self.shipper.step(now=now)

    def send_all(self) -> None:
        """Step until nothing is left, as time passes."""
        for _ in range(10_000):
            self.clock.seconds += self.step()
            if self.shipper.acknowledged >= self.writer.last_seq and not self.shipper.failures:
                return
        raise AssertionError("it never ends")

    def pass_time(self, seconds: float) -> int:
        """Let time pass, with the steps that fall into it; return how many attempts there were."""
        until, attempts = self.clock.seconds + seconds, 0
        while True:
            delay_s = self.step()
            attempts += 1
            if self.clock.seconds + delay_s >= until:
                self.clock.seconds = until
                return attempts
            self.clock.seconds += max(delay_s, 0.001)

    def close(self) -> None:
        self.writer.close()
        self.shipper.close()


def _used(completeness: str) -> Extraction:
    part = Part(
        provider="openai",
        request_model="gpt-4o",
        response_model="gpt-4o",
        quantities={"input_uncached": 100, "output_text": 10},
    )
    return Extraction(parts=(part,), completeness=completeness)  # type: ignore[arg-type]
