"""What a collector costs the caller: the same calls and records in local and in remote mode, in turn.

    python -m tools.bench.remote [--json] [--calls N] [--rounds N]

Each round is a process of its own; the collector is another one. Medians of the caller's own time, the
smallest of the rounds; records a second of processor time of the recording thread and of the whole process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).resolve().parents[1]
USAGE = {"input_uncached": 900, "cache_read": 100, "output_text": 50}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--part", choices=("collector", "measure"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "collector":
        return _collect()
    if options.part == "measure":
        print(json.dumps(_measure(options.calls)))
        return 0
    found = compare(options.calls, options.rounds)
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:40} {value}")
    return 0


def compare(calls: int, rounds: int) -> dict[str, Any]:
    """Return every figure of both modes."""
    rows: dict[str, list[dict[str, float]]] = {"local": [], "remote": []}
    mock = _started([str(TOOLS / "upstream.py"), "--port", "0"])
    collector = _started(["-m", "tools.bench.remote", "--part", "collector"])
    try:
        for _ in range(rounds):
            for mode, found in rows.items():
                found.append(_round(calls, mock[1], collector[1] if mode == "remote" else ""))
    finally:
        for child, _ in (mock, collector):
            child.terminate()
            child.wait()
    best = {"call_us_p50": min, "record_us_p50": min, "record_us_p99": min}
    figures: dict[str, Any] = {}
    for name in rows["local"][0]:
        choose = best.get(name, max)
        for mode, found in rows.items():
            figures[f"{name}_{mode}"] = round(choose(each[name] for each in found), 2)
    return figures


def _started(arguments: list[str]) -> tuple[subprocess.Popen[str], str]:
    child = subprocess.Popen(
        [sys.executable, *arguments], cwd=TOOLS.parent, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    port = child.stdout.readline().rsplit(":", 1)[1].split()[0].strip("/")
    return child, f"http://127.0.0.1:{port}"


def _round(calls: int, upstream: str, collector: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="farebox-bench-") as folder:
        config = f"providers:\n  openai: {{upstream: '{upstream}'}}\n"
        Path(folder, "farebox.yaml").write_text(config, encoding="utf-8")
        environment = {
            **os.environ, "FAREBOX_HOME": folder, "FAREBOX_COLLECTOR": collector, "BENCH_URL": upstream,
        }  # fmt: skip
        command = [sys.executable, "-m", "tools.bench.remote", "--part", "measure", "--calls", str(calls)]
        done = subprocess.run(
            command, cwd=TOOLS.parent, env=environment, capture_output=True, text=True, check=True
        )
    return json.loads(done.stdout)


def _measure(calls: int) -> dict[str, float]:
    import httpx

    import farebox

    farebox.instrument()
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    took: list[int] = []
    with httpx.Client() as client:
        for number in range(calls + 100):
            began = time.perf_counter_ns()
            client.post(f"{os.environ['BENCH_URL']}/v1/chat/completions", json=body)
            if number >= 100:
                took.append(time.perf_counter_ns() - began)
    recorded: list[int] = []
    whole, own = time.process_time(), time.thread_time()
    for _ in range(20_000):
        began = time.perf_counter_ns()
        farebox.record(provider="openai", model="gpt-4o", usage=USAGE)
        recorded.append(time.perf_counter_ns() - began)
    own = time.thread_time() - own
    sent = farebox.flush(timeout=120)
    whole = time.process_time() - whole
    assert sent, "the collector acknowledged everything"
    recorded.sort()
    return {
        "call_us_p50": statistics.median(took) / 1000,
        "record_us_p50": statistics.median(recorded) / 1000,
        "record_us_p99": recorded[len(recorded) * 99 // 100] / 1000,
        "records_per_second_of_caller": 20_000 / own,
        "records_per_second_of_process": 20_000 / whole,
    }


def _collect() -> int:
    """Acknowledge whatever comes, without looking into it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = zlib.decompress(body, 31)
            count = body.count(b"\n") + 1
            answer = b'{"items":[' + b",".join([b'{"status":"accepted"}'] * count) + b"]}"
            self.send_response(202)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
