"""What the SDKs of other languages add to a call and to an event of a stream; what is missing is said."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tools.upstream import BenchAnswers, MockUpstream

_SDK = Path(__file__).resolve().parents[2] / "sdk"


def measure(calls: int) -> dict[str, Any]:
    """Return microseconds by language: `call_p50_us`, `call_p99_us`, `event_us`; or why there are none."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="farebox-bench-") as folder:
        home = Path(folder) / "home"
        home.mkdir(mode=0o700)
        node, go = shutil.which("node"), shutil.which("go")
        commands: dict[str, list[str] | None] = {"node": None, "go": None}
        if node is not None:
            commands["node"] = [node, str(_SDK / "node" / "test" / "bench.js")]
        if go is not None:
            program = str(Path(folder) / "bench")
            subprocess.run([go, "build", "-o", program, "./internal/bench"], cwd=_SDK / "go", check=True)
            commands["go"] = [program]
        environment = {**os.environ, "FAREBOX_HOME": str(home), "FAREBOX_COLLECTOR": ""}
        for language, command in commands.items():
            if command is None:
                found[language] = f"{language} is not installed"
                continue
            with MockUpstream(BenchAnswers(), keep_requests=False) as serving:
                told = subprocess.run(
                    [*command, serving.url, str(calls)],
                    env=environment,
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                )
            found[language] = {name: round(value, 1) for name, value in json.loads(told.stdout).items()}
    return found
