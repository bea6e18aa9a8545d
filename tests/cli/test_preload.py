"""What `farebox run` puts before a Python program: one change to aiohttp, nothing else, no failure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from farebox.cli.interception import PRELOAD

FAKE = """
class ClientSession:
    def __init__(self, base_url=None):
        self._base_url = base_url

    async def _request(self, method, url, *, proxy=None):
        return proxy
"""
ASK = (
    "import asyncio, sys; from aiohttp.client import ClientSession; _, url, own, base = sys.argv; "
    "print(asyncio.run(ClientSession(base or None)._request('GET', url, proxy=own or None)))"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package = tmp_path / "aiohttp"
    package.mkdir()
    (package / "__init__.py").write_text("from aiohttp.client import ClientSession\n")
    (package / "client.py").write_text(FAKE)
    return tmp_path


def run(folder: Path, program: str, *arguments: str, **environment: str) -> str:
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{PRELOAD / 'python'}:{folder}",
        "FAREBOX_PROXY": "http://p:1",
        "HTTPS_PROXY": "http://farebox:word@127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
        **environment,
    }
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("url", "own", "base", "expected"),
    [
        ("https://api.openai.com/v1", "", "", "http://farebox:word@127.0.0.1:9"),
        ("wss://api.openai.com/v1", "", "", "http://farebox:word@127.0.0.1:9"),
        ("/v1/models", "", "https://api.openai.com", "http://farebox:word@127.0.0.1:9"),
        ("https://api.openai.com/v1", "http://mine:1", "", "http://mine:1"),
        ("https://127.0.0.1:8443/v1", "", "", "None"),
        ("http://plain.example/", "", "", "None"),
    ],
)
def test_aiohttp_finds_the_proxy_where_none_was_chosen(
    folder: Path, url: str, own: str, base: str, expected: str
) -> None:
    assert run(folder, ASK, url, own, base) == expected


def test_without_a_run_nothing_is_changed(folder: Path) -> None:
    assert run(folder, ASK, "https://api.openai.com/v1", "", "", FAREBOX_PROXY="") == "None"


def test_the_sitecustomize_it_hides_is_run(folder: Path) -> None:
    (folder / "sitecustomize.py").write_text("import builtins\nbuiltins.hidden = 'seen'\n")
    assert run(folder, "print(hidden)") == "seen"


def test_one_that_fails_stops_nothing(folder: Path) -> None:
    (folder / "sitecustomize.py").write_text("raise RuntimeError('theirs')\n")
    assert run(folder, "print('goes on')") == "goes on"


def test_a_program_loads_nothing_more_for_it(folder: Path) -> None:
    program = "import sys; print(sorted(set(sys.modules) & {'asyncio', 'urllib.request', 'aiohttp', 'ssl'}))"
    assert run(folder, program) == "[]"
