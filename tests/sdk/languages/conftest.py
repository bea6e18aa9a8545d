"""The SDKs of other languages, as far as their tools are there."""

from __future__ import annotations

import shutil
import subprocess
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
