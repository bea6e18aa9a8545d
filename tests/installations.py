"""Empty environments into which the wheel and a lock are installed, as a user's machine gets them.

What a lock names is fetched once, checked against its hashes, and kept in the build cache; installing it
asks no registry.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("FAREBOX_BUILD_CACHE", Path.home() / ".cache" / "farebox-build"))
_PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")
_LOCKED = ("--no-deps", "--require-hashes")


class Installation:
    """One environment: its interpreter, its `farebox`, what was installed into it."""

    def __init__(self, folder: Path, wheel: Path, lock: str) -> None:
        venv.create(folder, with_pip=True, symlinks=True)
        self.python = folder / "bin" / "python"
        self.farebox = folder / "bin" / "farebox"
        self.site = Path(
            self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip()
        )
        came_with = set(self.site.iterdir())
        wheels = _wheels(ROOT / lock)
        self.run(
            *_PIP, "install", "--no-index", "--find-links", str(wheels), *_LOCKED, "-r", str(ROOT / lock)
        )
        self.packages = sorted(
            each.name.partition("-")[0] for each in set(self.site.glob("*.dist-info")) - came_with
        )
        self.bytes = sum(_size(each) for each in set(self.site.iterdir()) - came_with)
        """Of the packages, bytecode included, without Farebox."""
        self.run(*_PIP, "install", "--no-index", "--no-deps", str(wheel))
        self.own_bytes = _size(self.site / "farebox")

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the interpreter; a failure fails the test with what it said."""
        done = self.try_to_run(*arguments, **variables)
        assert done.returncode == 0, done.stderr
        return done

    def try_to_run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.python), *arguments],
            capture_output=True, text=True, timeout=240, env=environment(**variables),
        )  # fmt: skip


def environment(**variables: str) -> dict[str, str]:
    """Return what a user's shell has, without anything of this test run."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TMPDIR", "HOME")}
    return {**kept, **variables}


def build_wheel(folder: Path) -> Path:
    """Build Farebox's wheel into an empty folder."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


def _wheels(lock: Path) -> Path:
    """Return the folder with everything that a lock names, fetching it once; skip where that fails."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    folder = CACHE / "wheels" / f"{version}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if folder.is_dir():
        return folder
    partial = folder.with_name(f"{folder.name}.{os.getpid()}")
    command = [
        sys.executable, *_PIP, "--cache-dir", str(CACHE / "pip"), "download", *_LOCKED,
        "--only-binary", ":all:", "-r", str(lock), "-d", str(partial),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        shutil.rmtree(partial, ignore_errors=True)
        pytest.skip(f"what {lock.name} names cannot be fetched here: {done.stderr[-300:]}")
    partial.replace(folder)
    return folder


def _size(path: Path) -> int:
    return sum(
        file.stat().st_size for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()
    )
