"""What a thousand alerts cost the ledger process, beside one without any: rows a second, and memory.

Two homes with the same calls and budgets are appended to in turn by real ledger processes: one has no alerts,
one has a thousand of every kind that rows decide. Both have read their prices and alerts when the calls come.

    python -m tools.bench.alerts --rows 1000000
"""

from __future__ import annotations

import argparse
import contextlib
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from farebox.alerts.alert import Alert, Kind
from farebox.budgets.budget import Budget, Period
from farebox.clock import now_ns, uuid7
from farebox.control.publish import change
from farebox.home import Home, replace_private
from farebox.journal import records
from farebox.journal.writer import JournalWriter
from farebox.ledger.database import open_reader
from farebox.snapshot import Snapshot, encode
from tools.bench import ledger
from tools.bench.ledger import DAY_NS, DENSE_ROWS, Traffic

RULES = 1_000
BASE_ROWS, CHUNK_ROWS, ROUNDS = 300_000, 60_000, 3
_HOUR = 3_600
_STEP_NS = 30 * DAY_NS // DENSE_ROWS


def rules(count: int) -> tuple[list[Alert], list[Budget]]:
    """Return alerts of every kind that rows decide, each for some of the calls, and budgets of theirs."""
    budgets = [
        Budget(
            name=f"budget-{number}",
            where={"agent": (f"agent-{number}",)},
            limit_pico=10**15,
            period=Period("day"),
        )
        for number in range(25)
    ]
    whose: list[dict[str, tuple[str, ...]]] = [
        {},
        *({"agent": (f"agent-{number}",)} for number in range(25)),
        *({"app": (f"app-{number}",)} for number in range(25)),
        *({"project": (f"project-{number}",)} for number in range(7)),
        *({"tag.feature": (f"feature-{number}",)} for number in range(5)),
        *({"customer": (f"customer-{number % 25}-{number}",)} for number in range(200)),
    ]
    kinds: list[tuple[Kind, dict[str, Any]]] = [
        ("spend", {"subject": "cost", "at": (10**18,), "period": Period("day")}),
        ("spend", {"subject": "price", "at": (10**18,), "period": Period("month")}),
        ("usage", {"subject": "calls", "at": (10**9,), "period": Period("hour")}),
        ("rise", {"subject": "cost", "at": (10**9,), "over_s": _HOUR, "least": 20}),
        ("anomaly", {"subject": "cost", "least": 20, "amount_min": 10**18}),
        ("errors", {"at": (500_000,), "over_s": 600, "least": 20}),
        ("latency", {"subject": "p95", "at": (60_000_000,), "over_s": 600, "least": 20}),
        ("cache_hits", {"subject": "below", "at": (1,), "over_s": _HOUR, "least": 20}),
        ("unpriced", {"over_s": DAY_NS // 10**9}),
        ("no_data", {"over_s": 30 * 86_400}),
        ("margin", {"subject": "below", "at": (-(10**9),), "period": Period("day")}),
    ]
    alerts = [
        Alert(name=f"a{number}", kind=kind, where=whose[number % len(whose)], **more)
        for number in range(count - 27)
        for kind, more in [kinds[number % len(kinds)]]
    ]
    alerts += [
        Alert(name=f"b{number}", kind="budget", subject=f"budget-{number}", at=(10**6,))
        for number in range(25)
    ]
    alerts += [
        Alert(name="each", kind="spend", subject="cost", each="customer", at=(10**18,), period=Period("day")),
        Alert(name="models", kind="new", subject="model"),
    ]
    return alerts, budgets


class _Home:
    """A home, its made-up calls, and a ledger process at a time."""

    def __init__(self, path: Path, base_rows: int) -> None:
        self.home = Home(path)
        self.home.prepare()
        with change(self.home):
            pass
        # The base ends where the measured calls begin, and these end now.
        self.traffic = Traffic(DENSE_ROWS)
        self.traffic.start_at(now_ns() - (base_rows + ROUNDS * CHUNK_ROWS) * _STEP_NS)

    def publish(self, alerts: list[Alert], budgets: list[Budget]) -> None:
        replace_private(self.home.snapshot, encode(Snapshot(alerts=tuple(alerts), budgets=tuple(budgets))))

    def write(self, rows: int) -> Path:
        """Write calls into a journal beside the home's, and return its folder."""
        beside = self.home.path / "beside"
        beside.mkdir(mode=0o700, exist_ok=True)
        writer = JournalWriter(beside, kind="bench")
        for _ in range(rows):
            intent, end = self.traffic.exchange(writer.source)
            writer.append(records.INTENT, intent)
            writer.append(records.DONE, end)
        writer.close()
        (folder,) = [each for each in beside.iterdir() if each.is_dir()]
        return folder

    def last_seq(self) -> int:
        connection = open_reader(self.home)
        if connection is None:
            return 0
        try:
            return connection.execute("SELECT coalesce(max(seq), 0) FROM call").fetchone()[0]
        finally:
            connection.close()

    @contextlib.contextmanager
    def process(self) -> Generator[int]:
        command = [sys.executable, "-m", "farebox.ledger", "--home", str(self.home.path)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as started:
            try:
                yield started.pid
            finally:
                started.send_signal(signal.SIGTERM)
                started.wait(120)

    def append(self, rows: int) -> tuple[float, float, float]:
        """Append so many rows; return seconds and processor seconds of it, and the most memory in MB."""
        before = self.last_seq()
        folder = self.write(rows)
        with self.process() as pid:
            _until_idle(pid)  # it has read its prices and its alerts
            began, began_cpu = time.perf_counter(), _cpu(pid)
            folder.rename(self.home.journal / folder.name)
            _until(lambda: self.last_seq() >= before + rows)
            seconds = time.perf_counter() - began
            _until_idle(pid)  # what alerts do after the last commit counts as well
            return seconds, _cpu(pid) - began_cpu, _memory(pid)


def measure(
    base_rows: int = BASE_ROWS, chunk_rows: int = CHUNK_ROWS, folder: Path | None = None
) -> dict[str, Any]:
    """Return rates and memory without alerts and with a thousand."""
    root = Path(tempfile.mkdtemp(prefix="farebox-bench-", dir=folder))
    try:
        plain = _Home(root / "plain", base_rows)
        ledger.fill(plain.home, base_rows, traffic=plain.traffic)
        shutil.copytree(plain.home.path, root / "watched")
        watched = _Home(root / "watched", base_rows)
        watched.traffic = plain.traffic
        alerts, budgets = rules(RULES)
        plain.publish([], budgets)  # what budgets cost is not what alerts cost
        watched.publish(alerts, budgets)
        opening = _opened(watched)
        figures: dict[str, list[tuple[float, float, float]]] = {"none": [], "1,000": []}
        for _ in range(ROUNDS):
            figures["none"].append(plain.append(chunk_rows))
            figures["1,000"].append(watched.append(chunk_rows))
        found: dict[str, Any] = {"rows before": base_rows, "made from the record in s": round(opening, 1)}
        for name, each in figures.items():
            seconds, cpu, memory = (
                min(a for a, _, _ in each),
                min(b for _, b, _ in each),
                max(c for *_, c in each),
            )
            found[f"{name} alerts"] = {
                "rows_s": round(chunk_rows / seconds),
                "cpu_us_per_row": round(cpu / chunk_rows * 1e6, 1),
                "memory_mb": round(memory, 1),
            }
        return found
    finally:
        shutil.rmtree(root, ignore_errors=True)


def delivered(news: int = 30, rate: int = 500) -> dict[str, Any]:
    """Return how long news takes from a call's end in the journal to the webhook, beside other calls.

    Each alert tells a channel of its own, for what follows in one channel within a minute is held.
    """
    came: dict[str, float] = {}

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            came.setdefault(self.path, time.perf_counter())
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    root = Path(tempfile.mkdtemp(prefix="farebox-bench-"))
    home = Home(root / "home")
    home.prepare()
    try:
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as receiver:
            threading.Thread(target=receiver.serve_forever, daemon=True).start()
            _write_news(home, news, receiver.server_address[1])
            with contextlib.ExitStack() as running:
                for module in ("farebox.server", "farebox.ledger"):
                    listen = ["--listen", "127.0.0.1:0"] if module == "farebox.server" else []
                    command = [sys.executable, "-m", module, "--home", str(home.path), *listen]
                    process = running.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
                    running.callback(process.send_signal, signal.SIGTERM)
                _until(lambda: home.snapshot.exists() and (home.path / "alerts.sums").exists())
                time.sleep(5)
                sent = _send_news(home, news, rate)
                with contextlib.suppress(TimeoutError):
                    _until(lambda: len(came) == news, 30)
            receiver.shutdown()
    finally:
        shutil.rmtree(root, ignore_errors=True)
    took = sorted(came[path] - at for path, at in sent.items() if path in came)
    slowest = took[min(len(took) * 99 // 100, len(took) - 1)]
    return {
        "arrived": f"{len(took)} of {news}",
        "calls_s": rate,
        "p50_s": round(took[len(took) // 2], 2),
        "p99_s": round(slowest, 2),
    }


def _write_news(home: Home, news: int, port: int) -> None:
    signing = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    channels = [
        f'  c{number}: {{webhook: "http://127.0.0.1:{port}/{number}", secret: "{signing}"}}'
        for number in range(news)
    ]
    alerts = [
        f"  - {{name: a{number}, where: {{app: news-{number}}}, "
        f'usage: calls, at: ["1"], period: day, to: [c{number}]}}'
        for number in range(news)
    ]
    home.config.write_text("\n".join(["channels:", *channels, "alerts:", *alerts, ""]))
    home.config.chmod(0o600)


def _send_news(home: Home, news: int, rate: int) -> dict[str, float]:
    """Journal calls steadily, and every second one that is news; return when each of these had ended."""
    traffic = Traffic(DENSE_ROWS)
    writer = JournalWriter(home.journal, kind="bench")
    sent: dict[str, float] = {}
    began = time.perf_counter()
    calls = 0
    while len(sent) < news:
        passed = time.perf_counter() - began
        while calls < passed * rate:
            traffic.start_at(now_ns())
            intent, end = traffic.exchange(writer.source)
            writer.append(records.INTENT, intent)
            writer.append(records.DONE, end)
            calls += 1
        if passed >= len(sent) + 1:
            number = len(sent)
            ended = records.Done(
                event_id=uuid7(),
                source=writer.source,
                occurred_at_ns=now_ns(),
                provider="openai",
                surface="openai.chat",
                attribution={"app": f"news-{number}"},
                ended_at_ns=now_ns(),
                outcome="completed",
                status=200,
            )
            writer.append(records.DONE, records.encode(ended))
            sent[f"/{number}"] = time.perf_counter()
        time.sleep(0.005)
    writer.close()
    return sent


def _opened(home: _Home) -> float:
    """Let the sums of all alerts be made from the record; return the processor seconds it took."""
    import sqlite3

    def is_open() -> bool:
        file = home.home.path / "alerts.sums"
        if not file.exists():
            return False
        try:
            with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as opened:
                found = opened.execute("SELECT min(is_open AND is_seen), count(*) FROM series").fetchone()
                return bool(found[0]) and found[1] > 1
        except sqlite3.Error:
            return False

    with home.process() as pid:
        _until(is_open, 900)
        return _cpu(pid)


def _until(condition: Callable[[], bool], seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the ledger did not get there")
        time.sleep(0.02)


def _until_idle(pid: int) -> None:
    used = -1.0
    while (now := _cpu(pid)) - used > 0.02 or now < 0.3:
        used = now
        time.sleep(1)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Print the figures, as one JSON object with `--json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=BASE_ROWS)
    parser.add_argument("--chunk", type=int, default=CHUNK_ROWS)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = {**measure(arguments.rows, arguments.chunk, arguments.folder), "to the webhook": delivered()}
    json.dump(figures, sys.stdout, indent=None if arguments.json else 2)
    print()


if __name__ == "__main__":
    main()
