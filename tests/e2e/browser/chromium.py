"""A browser before a Farebox, for walks through its screens: `run.mjs` drives it, a walk a module."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from farebox_process import Shell

from farebox.home import Home
from farebox.server.access.links import mint_link
from farebox.server.api.status.status import url_of

HERE = Path(__file__).resolve().parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PACKAGES = HERE.parents[2] / "dashboard" / "node_modules"

NEEDED = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
    pytest.mark.skipif(
        not (PACKAGES / "playwright-core").is_dir(), reason="no npm packages here: make dashboard"
    ),
]
"""Marks of tests that open a browser."""


class Walks:
    """Walks in one browser, each when it is asked for."""

    def __init__(self, setting: dict[str, Any]) -> None:
        command = ["node", str(HERE / "run.mjs"), json.dumps(setting)]
        self._browser = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True)

    def __enter__(self) -> Walks:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._browser.communicate(timeout=30)  # without more names it ends
        except subprocess.TimeoutExpired:
            self._browser.kill()
            self._browser.communicate()

    def check(self, walk: str) -> None:
        """Fail where a walk fails or finds something to complain about."""
        report = self._report(walk)
        assert report["failed"] is None, (report["failed"], report["complaints"], report["shots"])
        assert not report["complaints"], "\n".join(report["complaints"])

    def _report(self, walk: str) -> dict[str, Any]:
        assert self._browser.stdin and self._browser.stdout
        print(walk, file=self._browser.stdin, flush=True)
        found: dict[str, Any] = {}
        while found.get("name") != walk:  # one whose test was stopped may still have come before
            line = self._browser.stdout.readline()
            assert line, f"the browser ended before {walk} did: see above"
            found = json.loads(line)
        return found


@contextmanager
def browsing(
    folder: Path, configuration: str, fill: Callable[[Home], None], **setting: Any
) -> Iterator[tuple[Walks, Home]]:
    """Open a browser before a Farebox of its own, whose home was filled before it started.

    `setting` is what walks are told.
    """
    shell = Shell(folder, configuration)
    home = Home(shell.home)
    home.prepare()
    fill(home)
    shots = os.environ.get("FAREBOX_SCREENSHOTS")
    if shots:
        Path(shots).mkdir(parents=True, exist_ok=True)
    shell.farebox("up", "--detach")
    try:
        told = {
            "link": mint_link(home),
            "portal": url_of(home, "portal"),
            "chromium": CHROMIUM,
            "shots": shots and str(Path(shots).resolve()),
            "scratch": str(folder),
            "farebox": shell.environment["FAREBOX_HOME"],
            **setting,
        }
        with Walks(told) as walks:
            yield walks, home
    finally:
        shell.farebox("stop")
