"""Environments with clients that are not among the locked packages, installed once, outside of the clone.

Each is in a folder named after its lock file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CACHE = Path(os.environ.get("FAREBOX_BUILD_CACHE", Path.home() / ".cache" / "farebox-build")) / "test-clients"


def installed(kind: str, lock: Path, install: Callable[[Path], None]) -> Path:
    """Return the folder where a lock file's clients are, installing them once; skip where that fails.

    Processes that want the same folder wait for the one that makes it.
    """
    folder = CACHE / f"{kind}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if (folder / ".ready").is_file():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{folder.name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        return folder if (folder / ".ready").is_file() else _made(kind, folder, install)


def _made(kind: str, folder: Path, install: Callable[[Path], None]) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        install(folder)
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        shutil.rmtree(folder, ignore_errors=True)
        said = getattr(error, "stderr", b"") or b""
        pytest.skip(f"the {kind} clients cannot be installed here: {error} {said[-300:]!r}")
    (folder / ".ready").touch()
    return folder


def python_with(lock: Path, python: str | Path = sys.executable, kind: str = "python") -> Path:
    """Return a Python that has what a lock file names, and nothing else; `kind` tells it from others."""

    def install(folder: Path) -> None:
        run(python, "-m", "venv", folder)
        pip = (folder / "bin" / "python", "-m", "pip", "install", "-q", "--no-deps", "--require-hashes")
        run(*pip, "-r", lock)

    return installed(kind, lock, install) / "bin" / "python"


def run(*command: str | Path, **options: Any) -> None:
    """Run a step of an installation."""
    subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=280, **options)
