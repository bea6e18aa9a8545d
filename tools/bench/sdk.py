"""What the SDK adds to a program: time a call and a streamed event, memory, import time, `record()` a second.

    python -m tools.bench.sdk [--json] [--calls N]

The same loop of openai calls runs in turn without and with the SDK, in one process against a mock in
another, and the medians are compared. Where lago-agent-sdk or langfuse are installed beside it, they are
measured in the same run.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).resolve().parents[1]
KEY = "sk-bench-0123456789abcdef"
ASK: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
EVENTS = 2_000
_TURN = 25


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--part", choices=("memory", "memory-without"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(_memory(with_sdk=options.part == "memory"))
        return 0
    found = measure(options.calls)
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:36} {value}")
    return 0


def measure(calls: int) -> dict[str, Any]:
    """Return every figure of this page."""
    with tempfile.TemporaryDirectory(prefix="farebox-bench-") as folder, _Mock() as url:
        _prepare(Path(folder), url)
        found: dict[str, Any] = {"import_ms": _import_ms()}
        found |= _added(url, calls)
        found["memory_kib"] = _added_memory(url)
        found["records_per_second"] = _records()
    return found


def _prepare(folder: Path, url: str) -> None:
    home = folder / "home"
    home.mkdir(mode=0o700)
    (home / "farebox.yaml").write_text(f"providers:\n  openai: {{upstream: '{url}'}}\n", encoding="utf-8")
    os.environ["FAREBOX_HOME"] = str(home)
    os.environ["BENCH_URL"] = url


class _Mock:
    """The mock upstream in a process of its own."""

    def __enter__(self) -> str:
        self._child = subprocess.Popen(
            [sys.executable, str(TOOLS / "upstream.py"), "--port", "0"], stdout=subprocess.PIPE, text=True
        )
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        return f"http://127.0.0.1:{line.rsplit(':', 1)[1].split()[0].strip('/')}"

    def __exit__(self, *_: object) -> None:
        self._child.terminate()
        self._child.wait()


def _import_ms() -> float:
    """Return what `import farebox` takes, the interpreter's own start apart; the best of nine."""

    def took(code: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - began

    pairs = [(took("pass"), took("import farebox")) for _ in range(9)]
    return round((min(pair[1] for pair in pairs) - min(pair[0] for pair in pairs)) * 1000, 1)


def _client(url: str) -> Any:
    import openai

    return openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0)


def _added(url: str, calls: int) -> dict[str, Any]:
    import farebox

    client = _client(url)

    def call() -> None:
        client.chat.completions.create(**ASK)

    streaming = {"extra_headers": {"x-mock-events": str(EVENTS)}}

    def stream() -> None:
        for _ in client.chat.completions.create(**ASK, stream=True, **streaming):
            pass

    plain, metered, plain_cpu, metered_cpu = _in_turns(call, calls)
    streamed = _in_turns(stream, 40, turn=2)
    farebox.uninstrument()
    return {
        "call_us_p50_without": round(plain, 1),
        "call_us_p50_with": round(metered, 1),
        "call_added_us": round(metered - plain, 1),
        "call_added_processor_us": round(metered_cpu - plain_cpu, 1),
        "event_added_us": round((streamed[1] - streamed[0]) / EVENTS, 3),
        "event_added_processor_us": round((streamed[3] - streamed[2]) / EVENTS, 3),
    }


def _in_turns(work: Callable[[], None], count: int, turn: int = _TURN) -> tuple[float, ...]:
    """Return medians in microseconds: time without and with the SDK, processor time without and with it."""
    import farebox

    took: tuple[list[int], list[int]] = ([], [])
    spent: tuple[list[int], list[int]] = ([], [])
    for on in (False, True):  # both warm
        farebox.instrument() if on else farebox.uninstrument()
        for _ in range(turn):
            work()
    clock, processor = time.perf_counter_ns, time.thread_time_ns
    for number in range(2 * count // turn):
        on = bool(number % 2)
        farebox.instrument() if on else farebox.uninstrument()
        for _ in range(turn):
            began, busy = clock(), processor()
            work()
            took[on].append(clock() - began)
            spent[on].append(processor() - busy)
    return tuple(statistics.median(each) / 1000 for each in (*took, *spent))


def _added_memory(url: str) -> int:
    def of(part: str) -> int:
        command = [sys.executable, "-m", "tools.bench.sdk", "--part", part]
        done = subprocess.run(command, cwd=TOOLS.parent, capture_output=True, text=True, check=True)
        return int(done.stdout.split()[-1])

    return min(of("memory") for _ in range(3)) - min(of("memory-without") for _ in range(3))


def _memory(*, with_sdk: bool) -> int:
    """Return this program's PSS in KiB after a thousand calls."""
    import httpx2  # noqa: F401 - what the program has loaded anyway

    if with_sdk:
        import farebox

        farebox.instrument()
    client = _client(os.environ["BENCH_URL"])
    for _ in range(1_000):
        client.chat.completions.create(**ASK)
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("Pss:")))


def _records() -> int:
    import farebox

    usage = {"input_uncached": 900, "cache_read": 100, "output_text": 50}
    best = 0.0
    for _ in range(3):
        began = time.process_time()
        for _ in range(20_000):
            farebox.record(provider="openai", model="gpt-4o", usage=usage)
        best = max(best, 20_000 / (time.process_time() - began))
    farebox.shutdown()
    return round(best)


if __name__ == "__main__":
    sys.exit(main())
