"""Measure the ledger: rows a second from the journal to the committed row, decoding and rating included.

Journals are written beforehand in chunks, so that neither writing them nor the disk they need counts.
Traffic is made up twice: of 25 programs, each with its own model, key, agent and customers, as real traffic
is; and with every dimension drawn by itself (40 models, 200 keys, 5,000 customers, a long tail).

    python -m tools.bench.ledger --rows 200000
"""

from __future__ import annotations

import argparse
import bisect
import itertools
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from farebox.home import Home
from farebox.journal import records
from farebox.journal.records import Done, Intent
from farebox.journal.writer import JournalWriter
from farebox.ledger.append.applier import Applier
from farebox.ledger.database import open_writer
from farebox.ledger.follow import Follower
from farebox.ledger.ledger_process import settle_memory
from farebox.pricing import load_book
from farebox.wire.facts import Extraction, Part

CHUNK_ROWS = 100_000
PROGRAMS = 25
DENSE_ROWS = 5_000_000
DAYS = 30
DAY_NS = 86_400 * 10**9
START_NS = 20_544 * DAY_NS
_MODELS = [
    ("openai", "openai.chat", model)
    for model in (
        "gpt-4o",
        "gpt-4o-mini",
        "gpt-4.1",
        "gpt-4.1-mini",
        "gpt-4.1-nano",
        "o3",
        "o4-mini",
        "gpt-5",
    )
] + [
    ("anthropic", "anthropic.messages", model)
    for model in ("claude-sonnet-4-5", "claude-opus-4-1", "claude-haiku-4-5", "claude-3-5-haiku-latest")
]


class Zipf:
    """Draw from `count` names, the n-th 1/n times as often as the first."""

    def __init__(self, rng: random.Random, count: int, name: Callable[[int], str]) -> None:
        self._rng = rng
        self._names = [name(number) for number in range(count)]
        self._weights = list(itertools.accumulate(1 / rank for rank in range(1, count + 1)))

    def draw(self) -> str:
        """Return one name."""
        return self._names[bisect.bisect(self._weights, self._rng.random() * self._weights[-1])]


class Traffic:
    """Made-up exchanges, evenly over the days; of `PROGRAMS` programs unless `independent`."""

    def __init__(self, rows: int, seed: int = 1, *, independent: bool = False) -> None:
        self._independent = independent
        self._rng = random.Random(seed)
        # As dense as five million calls in thirty days, however few there are.
        self._step_ns = DAYS * DAY_NS // max(rows, DENSE_ROWS)
        self._start_ns = START_NS
        self._number = 0
        self._models = Zipf(self._rng, 40, str)
        self._keys = Zipf(self._rng, 200, lambda number: f"{number:016x}")
        self._customers = Zipf(self._rng, 5_000, lambda number: f"customer-{number}")
        self._agents = Zipf(self._rng, 30, lambda number: f"agent-{number}")
        self._projects = Zipf(self._rng, 20, lambda number: f"project-{number}")

    def start_at(self, moment_ns: int) -> None:
        """Have the first call begin at a moment."""
        self._start_ns = moment_ns

    def _whose(self, program: int | None) -> tuple[str, dict[str, str]]:
        """Return a call's key and its attribution."""
        rng = self._rng
        if program is None:
            return self._keys.draw(), {
                "customer": self._customers.draw(),
                "agent": self._agents.draw(),
                "project": self._projects.draw(),
                "session": f"session-{self._number // 40}",
                "app": "api" if rng.random() < 0.8 else "batch",
            }
        key = f"{program:016x}"
        session = self._number // (40 * PROGRAMS)
        return key, {
            "customer": f"customer-{program}-{session % 200}",
            "agent": f"agent-{program}",
            "project": f"project-{program % 7}",
            "session": f"session-{program}-{session}",
            "app": f"app-{program}",
            "tag.feature": f"feature-{program % 5}",
        }

    def exchange(self, source: str) -> tuple[bytes, bytes]:
        """Return an encoded intent and the encoded end of it."""
        rng = self._rng
        self._number += 1
        at = self._start_ns + self._number * self._step_ns
        program = None if self._independent else rng.randrange(PROGRAMS)
        choice = int(self._models.draw()) if program is None else program % 40
        provider, surface, model = _MODELS[choice % len(_MODELS)]
        served = model if choice < len(_MODELS) else f"{model}-{choice}"
        event_id = (at // 10**6).to_bytes(6, "big") + b"\x70" + rng.randbytes(9)
        key, attribution = self._whose(program)
        prompt, cached, answer = rng.randrange(20, 4_000), rng.randrange(0, 2_000), rng.randrange(1, 900)
        origin = {
            "event_id": event_id,
            "source": source,
            "occurred_at_ns": at,
            "provider": provider,
            "surface": surface,
            "path": "/v1/chat/completions",
            "host": "api.openai.com",
            "key_fingerprint": key,
            "attribution": attribution,
            "attribution_from": {name: f"header:x-farebox-{name}" for name in attribution},
        }
        part = Part(
            provider=provider,
            request_model=model,
            response_model=served,
            quantities={"input_uncached": prompt, "cache_read": cached, "output_text": answer},
        )
        usage = (
            f'{{"prompt_tokens":{prompt + cached},"completion_tokens":{answer},"total_tokens":'
            f'{prompt + cached + answer},"prompt_tokens_details":{{"cached_tokens":{cached}}}}}'
        )
        failed = rng.random() < 0.01
        extraction = Extraction(
            parts=() if failed else (part,),
            completeness="none" if failed else "final",
            billable=not failed,
            not_billable_because="error_response" if failed else None,
            response_id=None if failed else f"chatcmpl-{event_id.hex()[12:]}",
            request_model=model,
            response_model=None if failed else served,
            raw_usage=None if failed else usage,
        )
        done = Done(
            **origin,
            ended_at_ns=at + 800_000_000,
            outcome="completed",
            status=429 if failed else 200,
            request_bytes=4 * prompt,
            response_bytes=1_000,
            first_byte_us=300_000,
            total_us=800_000,
            added_us=60,
            extraction=extraction,
        )
        return records.encode(Intent(**origin)), records.encode(done)


def measure(rows: int = 200_000, folder: Path | None = None) -> dict[str, object]:
    """Return rows a second and microseconds of processor time a row, for both kinds of traffic."""
    found: dict[str, object] = {"rows": rows}
    for kind, independent in (("programs", False), ("independent", True)):
        root = Path(tempfile.mkdtemp(prefix="farebox-bench-", dir=folder))
        try:
            home = Home(root / "home")
            home.prepare()
            seconds, cpu = fill(home, rows, independent=independent)
            found[kind] = {
                "ledger_rows_s": round(rows / seconds),
                "cpu_us_per_row": round(cpu / rows * 1e6, 1),
                "bytes_per_row": round(home.ledger.stat().st_size / rows),
            }
        finally:
            shutil.rmtree(root, ignore_errors=True)
    return found


def fill(
    home: Home, rows: int, *, independent: bool = False, traffic: Traffic | None = None
) -> tuple[float, float]:
    """Append made-up calls to a home's ledger; return seconds and processor seconds of appending."""
    settle_memory()
    traffic = traffic or Traffic(rows, independent=independent)
    connection = open_writer(home)
    applier = Applier(connection, load_book(None, home.cache))
    seconds = cpu = 0.0
    done = 0
    while done < rows:
        count = min(CHUNK_ROWS, rows - done)
        writer = JournalWriter(home.journal, kind="bench")
        for _ in range(count):
            intent, end = traffic.exchange(writer.source)
            writer.append(records.INTENT, intent)
            writer.append(records.DONE, end)
        writer.close()
        follower = Follower(home, applier)
        began, began_cpu = time.perf_counter(), time.process_time()
        while follower.step():
            pass
        follower.close()
        seconds += time.perf_counter() - began
        cpu += time.process_time() - began_cpu
        done += count
    connection.close()
    return seconds, cpu


def main() -> None:
    """Print the figures, as one JSON object with `--json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure(arguments.rows, arguments.folder)
    json.dump(figures, sys.stdout, indent=None if arguments.json else 2)
    print()


if __name__ == "__main__":
    main()
