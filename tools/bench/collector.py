"""Measure the collector: events a second through POST /v1/events, acknowledged after the journal's sync,
and spans a second through POST /v1/traces.

Eight senders post lists of 100 events, as the SDK does, to a server in a process of its own; every response
is read and every event must have been accepted. The reference does the least that could be called the same,
in the same run on the same disk: parse each body with Python's `json`, append it to one file, sync.

    python -m tools.bench.collector [--json] [--seconds N]
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from farebox.clock import now_ns, uuid7, uuid_text
from farebox.home import Home
from farebox.journal.records import Done
from farebox.recording.event_schema import Event
from farebox.recording.event_spelling import event_of_done
from farebox.recording.events import encode_event
from farebox.server.access.sessions import load_token
from farebox.wire.facts import Extraction, Part
from tools.bench.span_bodies import SpanBodies

SENDERS = 8
BATCH = 100
_MODELS = ("gpt-4o", "gpt-4o-mini", "o3", "gpt-5")


def measure(seconds: float = 6.0) -> dict[str, Any]:
    """Return events a second, with and without a ledger process beside it, and a reference's."""
    # What is not on a disk is not synced: /tmp may be memory.
    with tempfile.TemporaryDirectory(prefix="farebox-bench-", dir=Path.home()) as folder:
        alone, p50_ms, p99_ms = _collected(Path(folder) / "alone", seconds, with_ledger=False)
        packed, _, _ = _collected(Path(folder) / "packed", seconds, with_ledger=False, packed=True)
        beside, _, _ = _collected(Path(folder) / "beside", seconds, with_ledger=True)
        spans, _, _ = _collected(Path(folder) / "spans", seconds, with_ledger=False, bodies=SpanBodies(BATCH))
        reference = _reference(Path(folder), seconds / 2)
    return {
        "events_s": round(alone),
        "gzip_events_s": round(packed),
        "beside_ledger_events_s": round(beside),
        "otlp_spans_s": round(spans),
        "ack_p50_ms": round(p50_ms, 1),
        "ack_p99_ms": round(p99_ms, 1),
        "reference_events_s": round(reference),
        "of_reference": round(alone / reference, 3),
    }


def _events(number: int) -> list[Event]:
    """Return events as the SDK sends them."""
    found: list[Event] = []
    for each in range(BATCH):
        at = now_ns()
        model = _MODELS[each % len(_MODELS)]
        part = Part(
            provider="openai",
            request_model=model,
            response_model=model,
            quantities={"input_uncached": 900 + each, "cache_read": 100, "output_text": 50 + each},
        )
        extraction = Extraction(
            parts=(part,),
            completeness="final",
            response_id=f"chatcmpl-{number}-{each}",
            request_model=model,
            response_model=model,
            raw_usage='{"prompt_tokens":1000,"completion_tokens":50,"total_tokens":1050}',
        )
        attribution = {"customer": f"customer-{each}", "agent": "planner", "session": f"session-{number}"}
        done = Done(
            event_id=uuid7(at),
            source="sdk:0badcafe:app.py",
            witness="sdk",
            occurred_at_ns=at,
            provider="openai",
            surface="openai.chat",
            path="/v1/chat/completions",
            host="api.openai.com",
            key_fingerprint="0123456789abcdef",
            attribution=attribution,
            attribution_from=dict.fromkeys(attribution, "sdk:attribute"),
            ended_at_ns=at + 800_000_000,
            outcome="completed",
            status=200,
            request_bytes=4_000,
            response_bytes=1_000,
            first_byte_us=300_000,
            total_us=800_000,
            extraction=extraction,
        )
        found.append(event_of_done(done))
    return found


class _Bodies:
    """Lists of events with new ids, encoded beforehand but for the ids."""

    path, content_type = "/v1/events", "application/json"

    def __init__(self, packed: bool) -> None:
        self._packed = packed
        self._texts = [encode_event(_events(number)) for number in range(16)]
        self._ids = [[each["id"].encode() for each in json.loads(text)] for text in self._texts]
        self._next = itertools.count()

    def accepted(self, answer: bytes) -> int:
        """Return how many events a response calls accepted."""
        found: int = msgspec.json.decode(answer)["accepted"]
        return found

    def next(self) -> bytes:
        """Return a body nobody has sent."""
        number = next(self._next)
        text = self._texts[number % 16]
        for known in self._ids[number % 16]:
            text = text.replace(known, uuid_text(uuid7()).encode(), 1)
        return gzip.compress(text, 1) if self._packed else text


def _collected(
    folder: Path,
    seconds: float,
    *,
    with_ledger: bool,
    packed: bool = False,
    bodies: _Bodies | SpanBodies | None = None,
) -> tuple[float, float, float]:
    home = Home(folder)
    home.prepare()
    token = load_token(home)
    programs = ["farebox.server", *(["farebox.ledger"] if with_ledger else [])]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", name, "--home", str(home.path)]
            + (["--listen", "127.0.0.1:0"] if name == "farebox.server" else []),
            stderr=subprocess.DEVNULL,
        )
        for name in programs
    ]
    try:
        port = _port(home)
        bodies = bodies or _Bodies(packed)
        made = [[bodies.next() for _ in range(60)] for _ in range(SENDERS)]
        head = (
            f"POST {bodies.path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {token}\r\n"
            f"content-type: {bodies.content_type}\r\n"
            f"{'content-encoding: gzip' if packed else 'x-plain: 1'}\r\n"
        ).encode()
        took: list[float] = []
        accepted = [0] * SENDERS
        until = time.perf_counter() + seconds

        def send(sender: int) -> None:
            with socket.create_connection(("127.0.0.1", port)) as connection:
                lines = connection.makefile("rb")
                for body in made[sender]:
                    if time.perf_counter() > until:
                        return
                    began = time.perf_counter()
                    connection.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
                    answer = _response(lines)
                    took.append(time.perf_counter() - began)
                    accepted[sender] += bodies.accepted(answer)

        began = time.perf_counter()
        threads = [threading.Thread(target=send, args=(sender,)) for sender in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        passed = time.perf_counter() - began
        if sum(accepted) != BATCH * len(took):
            raise RuntimeError(f"{sum(accepted)} of {BATCH * len(took)} events were accepted")
        took.sort()
        return sum(accepted) / passed, took[len(took) // 2] * 1e3, took[len(took) * 99 // 100] * 1e3
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def _port(home: Home) -> int:
    while True:
        try:
            return json.loads((home.run / "server.json").read_bytes())["port"]
        except (OSError, ValueError):
            time.sleep(0.05)


def _response(lines: Any) -> bytes:
    status = lines.readline()
    length = 0
    while (line := lines.readline()) != b"\r\n":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    body: bytes = lines.read(length)
    if b" 202 " not in status and b" 200 " not in status:
        raise RuntimeError(f"{status!r} {body[:200]!r}")
    return body


def _reference(folder: Path, seconds: float) -> float:
    texts = [encode_event(_events(number)) for number in range(16)]
    descriptor = os.open(folder / "reference", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        text = texts[done % 16]
        json.loads(text)
        os.write(descriptor, text)
        os.fsync(descriptor)
        done += 1
    os.close(descriptor)
    return done * BATCH / (time.perf_counter() - began)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    found = measure(options.seconds)
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:28} {value:,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
