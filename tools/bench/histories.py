"""Measure the import of agents' logs: a gigabyte of Claude Code's transcripts, as large as they are.

The transcripts are made up: sessions of a few hundred turns, of each response one to three lines, long
results of tools between them, a tenth of the sessions resumed so that their lines stand twice. Time and
memory are those of `farebox import agents` as a process, until its calls are in the record.

    python -m tools.bench.histories [--json] [--mib N]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from farebox.clock import iso

_NOON = 1_780_000_000_000_000_000
_SECOND = 10**9
_MODELS = ("claude-sonnet-4-5-20250929", "claude-opus-4-1-20250805", "claude-haiku-4-5-20251001")


def measure(mib: int = 1024) -> dict[str, Any]:
    """Return what importing so many MiB of logs takes: seconds, peak memory in MB (10⁶ bytes), calls."""
    with tempfile.TemporaryDirectory(prefix="farebox-bench-", dir=Path.home()) as folder:
        user = Path(folder, "user")
        calls = write_transcripts(user / ".claude" / "projects" / "-src-shop", mib << 20)
        first = _imported(Path(folder, "home"), user)
        again = _imported(Path(folder, "home"), user)
    assert first["calls"] == calls, (first, calls)
    assert again["calls"] == 0, again
    return {
        "mib": mib,
        "calls": calls,
        "seconds": first["seconds"],
        "processor_seconds": first["processor_seconds"],
        "peak_mb": first["peak_mb"],
        "again_seconds": again["seconds"],
    }


def write_transcripts(folder: Path, size: int) -> int:
    """Write transcripts of a size in all and return how many calls they tell."""
    folder.mkdir(parents=True)
    chance = random.Random(1)
    text = "".join(chance.choices("abcdefghij klmnop\\n", k=20_000))
    written = calls = session = 0
    while written < size:
        lines: list[str] = []
        for _ in range(chance.randrange(50, 400)):
            calls += 1
            lines += _turn(chance, calls, session, text)
        content = "".join(lines)
        for name in (f"s{session}", f"r{session}") if chance.random() < 0.1 else (f"s{session}",):
            path = folder / f"{name}.jsonl"
            path.write_text(content, encoding="utf-8")
            os.utime(path, ns=(_NOON, _NOON))
            written += len(content)
        session += 1
    return calls


def _turn(chance: random.Random, number: int, session: int, text: str) -> list[str]:
    at = iso(_NOON + number * 20 * _SECOND)
    common = {"sessionId": f"s{session}", "cwd": "/src/shop", "gitBranch": "main", "version": "2.0.14"}
    result = {"type": "tool_result", "content": text[: chance.randrange(200, 15_000)]}
    lines = [{**common, "type": "user", "timestamp": at, "message": {"role": "user", "content": [result]}}]
    blocks = chance.randrange(1, 4)
    model = chance.choice(_MODELS)
    for block in range(blocks):
        is_last = block == blocks - 1
        message = {
            "id": f"msg_01{number:022d}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": text[: chance.randrange(100, 2_500)]}],
            "stop_reason": "tool_use" if is_last else None,
            "usage": {
                "input_tokens": 4,
                "cache_creation_input_tokens": 1_200 + number % 900,
                "cache_read_input_tokens": 40_000,
                "cache_creation": {"ephemeral_5m_input_tokens": 1_200 + number % 900},
                "output_tokens": 500 if is_last else 2,
                "service_tier": "standard",
            },
        }
        more = {"requestId": f"req_{number:022d}", "uuid": f"{number}-{block}", "timestamp": at}
        lines.append({**common, "type": "assistant", "message": message, **more})
    return [json.dumps(each, separators=(",", ":")) + "\n" for each in lines]


def _imported(home: Path, user: Path) -> dict[str, Any]:
    """Run one import and return how long it took, the most memory it held, and what it found."""
    code = (
        "import resource, sys\n"
        "from farebox.cli.main import main\n"
        "status = main()\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)\n"
        "raise SystemExit(status)\n"
    )
    command = [sys.executable, "-c", code, "import", "agents", "--json", "--home", str(home)]
    began = time.perf_counter()
    ran = subprocess.run(
        command, env={**os.environ, "HOME": str(user)}, capture_output=True, check=True, text=True
    )
    seconds = time.perf_counter() - began
    found = json.loads(ran.stdout)["histories"]
    return {
        "seconds": round(seconds, 1),
        "processor_seconds": round(float(ran.stderr.split()[-2]), 1),
        "peak_mb": round(int(ran.stderr.split()[-1]) * 1024 / 1e6, 1),
        "calls": sum(each["calls"] for each in found),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.histories")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--mib", type=int, default=1024, help="how much is imported")
    options = parser.parse_args()
    found = measure(options.mib)
    if options.json:
        print(json.dumps(found))
    else:
        print("\n".join(f"{name:16} {value}" for name, value in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
