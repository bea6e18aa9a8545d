"""Recorded provider traffic, metered in the program that receives it: exact on every one of HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_recording_of_http_is_metered_exactly_and_once(recordings: Path) -> None:
    command = [sys.executable, "tools/replay.py", str(recordings), "--via", "sdk", "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    found = json.loads(done.stdout)
    rows = found["rows"]
    assert rows["expected"] > 0 and rows["missing"] == rows["duplicate"] == 0
    assert found["usage"]["exact"] == found["usage"]["of"] > 0
    assert found["not_billable"]["free"] == found["not_billable"]["of"]
