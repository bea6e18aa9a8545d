"""Measure what an application pays for Farebox before its first call, and a status bar for its line.

Imports are the median of fresh processes, less that of a process which imports nothing. A status line is
measured in turns with `python -c pass`, as processor time, of which other programs take nothing: the least of
many, for chance only adds to it. `installed` is the script that the installer made: pip before 25 has it
import `re` first.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROCESSES = 15
TURNS = 60
METERING = "import farebox.catalog as c, farebox.home, farebox.journal.writer, farebox.wire.meter; c.load({})"
"""What metering a call in one's own process takes: the journal, the meter, the compiled catalog."""


def measure() -> dict[str, dict[str, float]]:
    """Return milliseconds for `import farebox` and for all that metering needs."""
    bare = _milliseconds("pass")
    found = {"farebox": "import farebox", "metering": METERING}
    return {
        "import_ms": {name: round(_milliseconds(code) - bare, 1) for name, code in found.items()},
        "status_line": _status_line(),
    }


def _status_line() -> dict[str, float]:
    """Return processor milliseconds of a bare interpreter and of a line, and how many times as much it is."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "farebox"
        script.write_text(
            f"#!{sys.executable}\nimport sys\nfrom farebox.cli.main import main\nsys.exit(main())\n"
        )
        script.chmod(0o755)
        home = str(Path(folder) / "home")
        commands = {
            "bare": [sys.executable, "-c", "pass"],
            "line": [str(script), "statusline", "--home", home],
            "installed": [str(Path(sys.executable).with_name("farebox")), "statusline", "--home", home],
        }
        least = dict.fromkeys(commands, float("inf"))
        for _ in range(TURNS):
            for name, command in commands.items():
                least[name] = min(least[name], _processor_ms(command))
    found = {f"{name}_ms": round(spent, 1) for name, spent in least.items()}
    return found | {
        "of_bare": round(least["line"] / least["bare"], 2),
        "installed_of_bare": round(least["installed"] / least["bare"], 2),
    }


def _processor_ms(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def _milliseconds(code: str) -> float:
    taken: list[float] = []
    for _ in range(PROCESSES):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)
