"""The SDKs of other languages, as far as their tools are there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def node() -> str:
    """Node; skips the test where it is missing or too old."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("the Node SDK needs Node 20 or newer, and there is none")
    version = subprocess.run([found, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    if int(version.removeprefix("v").partition(".")[0]) < 20:
        pytest.skip(f"the Node SDK needs Node 20 or newer, and this is {version.strip()}")
    return found


@pytest.fixture(scope="session")
def node_sender(node: str) -> Sequence[str]:
    """The program that sends calls with the Node SDK."""
    return [node, str(ROOT / "sdk" / "node" / "test" / "send.js")]


@pytest.fixture(scope="session")
def go() -> str:
    """Go; skips the test where it is missing."""
    found = shutil.which("go")
    if found is None:
        pytest.skip("the Go SDK needs Go, and there is none: install golang-go")
    return found


@pytest.fixture(scope="session")
def go_sender(go: str, tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    """The program that sends calls with the Go SDK."""
    program = tmp_path_factory.mktemp("go") / "send"
    subprocess.run([go, "build", "-o", str(program), "./internal/send"], cwd=ROOT / "sdk" / "go", check=True)
    return [str(program)]
