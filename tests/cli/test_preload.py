"""What `farebox run` puts before a program of Python or Node: one change, nothing else, no failure."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from farebox.cli.run.interception import PRELOAD

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


NODE = {
    "https": "require('node:https').get('https://api.openai.com/').on('error', () => {})",
    "fetch": "fetch('https://api.openai.com/').catch(() => {})",
    "http2": "require('node:http2').connect('https://api.openai.com').on('error', () => {})",
    "tls": "require('node:tls').connect(443, 'api.openai.com').on('error', () => {})",
    "a named import": "import('node:tls').then(({ connect }) => connect({ host: 'api.openai.com' })"
    ".on('error', () => {}))",
}
LEFT_ALONE = {
    "another host": ("https://127.0.0.1:1/", {}, ""),
    "NO_PROXY": ("https://api.openai.com/", {"NO_PROXY": "localhost, .openai.com"}, ""),
    "its own roots": ("https://api.openai.com/", {}, "ca: 'mine', "),
    "no run": ("https://api.openai.com/", {"FAREBOX_PROXY": ""}, ""),
}
LOOKUP = "lookup: (host, options, done) => done(new Error('direct'))"


def node(program: str, **variables: str) -> tuple[list[str], str]:
    """Run a program under the preload; return what the proxy was asked for and what was said."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("no Node here")
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:

        def refuse() -> None:
            while True:
                try:
                    connection, _ = proxy.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(65536).decode().partition("\r\n")[0])
                    connection.sendall(b"HTTP/1.1 503 No\r\n\r\n")

        threading.Thread(target=refuse, daemon=True).start()
        environment = {
            "PATH": os.environ["PATH"],
            "FAREBOX_PROXY": f"http://farebox:word@127.0.0.1:{proxy.getsockname()[1]}",
            "FAREBOX_HOSTS": "api.openai.com,*.openai.azure.com",
            "NODE_OPTIONS": f"--require {PRELOAD / 'node.cjs'}",
            **variables,
        }
        command = [found, "-e", program]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        proxy.shutdown(socket.SHUT_RDWR)
    return asked, done.stdout + done.stderr


@pytest.mark.parametrize("way", NODE)
def test_whatever_speaks_tls_in_node_goes_through_the_proxy(way: str) -> None:
    asked, said = node(NODE[way])
    assert asked == ["CONNECT api.openai.com:443 HTTP/1.1"], said


@pytest.mark.parametrize("why", LEFT_ALONE)
def test_what_is_not_ours_to_meter_in_node_goes_as_it_would(why: str) -> None:
    url, variables, options = LEFT_ALONE[why]
    program = (
        f"require('node:https').get('{url}', {{ {options}{LOOKUP} }})"
        ".on('error', (error) => console.log(error.message))"
    )
    asked, said = node(program, **variables)
    assert asked == []
    assert said.strip()
