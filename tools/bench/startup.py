"""Measure what an application pays for Farebox before its first call: the time that imports take.

Each is the median of fresh processes, less that of a process which imports nothing.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

PROCESSES = 15
METERING = "import farebox.catalog as c, farebox.home, farebox.journal.writer, farebox.wire.meter; c.load({})"
"""What metering a call in one's own process takes: the journal, the meter, the compiled catalog."""


def measure() -> dict[str, dict[str, float]]:
    """Return milliseconds for `import farebox` and for all that metering needs."""
    bare = _milliseconds("pass")
    found = {"farebox": "import farebox", "metering": METERING}
    return {"import_ms": {name: round(_milliseconds(code) - bare, 1) for name, code in found.items()}}


def _milliseconds(code: str) -> float:
    taken: list[float] = []
    for _ in range(PROCESSES):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)
