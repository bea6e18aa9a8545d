"""Every client makes its calls through `farebox run --`, unchanged, to providers by their real names.

The clients are installed once, outside the clone, in a folder named after their lock file. What was
run and seen is in docs/reference/clients.md.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from farebox_process import Shell
from providers import Providers
from proxy_harness import certificate, server_tls
from tests.client_environments import CACHE, installed, python_with, run

MATRIX = Path(__file__).resolve().parent / "matrix"
KEYS = {
    "OPENAI_API_KEY": "sk-matrix-openai",
    "ANTHROPIC_API_KEY": "sk-matrix-anthropic",
    "GEMINI_API_KEY": "matrix-gemini",
    "MISTRAL_API_KEY": "matrix-mistral",
    "AWS_ACCESS_KEY_ID": "AKIAMATRIX",
    "AWS_SECRET_ACCESS_KEY": "matrix-aws-secret",
    "AWS_EC2_METADATA_DISABLED": "true",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}

CHAT, CHAT_STREAM = ("openai.chat", False, 1203, 1024, 187), ("openai.chat", True, 1203, 1024, 187)
RESPONSES = ("openai.responses", False, 2000, 500, 100)
MESSAGES = ("anthropic.messages", False, 1400, 1000, 50)
MESSAGES_STREAM = ("anthropic.messages", True, 1400, 1000, 50)
GEMINI = ("google.generateContent", False, 1000, 400, 90)
GEMINI_STREAM = ("google.streamGenerateContent", True, 1000, 400, 90)
MISTRAL, MISTRAL_STREAM = ("mistral.chat", False, 20, 0, 10), ("mistral.chat", True, 20, 0, 10)
CONVERSE, CONVERSE_STREAM = (
    ("bedrock.converse", False, 30, 0, 12),
    ("bedrock.converse-stream", True, 30, 0, 12),
)
"""Surface, streamed, and the tokens that the mock states: input, of which cached, output."""

PYTHON = {
    "openai": [CHAT, CHAT_STREAM, RESPONSES],
    "openai_async": [CHAT, CHAT_STREAM],
    "openai_own_url": [CHAT, CHAT_STREAM],
    "anthropic": [MESSAGES, MESSAGES_STREAM],
    "google_genai": [GEMINI, GEMINI_STREAM],
    "mistralai": [MISTRAL, MISTRAL_STREAM],
    "litellm": [CHAT, CHAT_STREAM, MESSAGES, MESSAGES_STREAM],
    "litellm_async": [MESSAGES, MESSAGES_STREAM],
    "requests": [CHAT, CHAT_STREAM],
    "aiohttp": [CHAT, CHAT_STREAM],
    "boto3": [CONVERSE, CONVERSE_STREAM],
}
ALIKE = ("openai_async", "openai_own_url", "litellm_async")
"""Clients that take seconds to load and whose like are in each run: these are in `make test-long`."""
LONG = bool(os.environ.get("FAREBOX_LONG"))
NODE = {
    "fetch": [CHAT, CHAT_STREAM],
    "https": [CHAT, CHAT_STREAM],
    "undici": [CHAT, CHAT_STREAM],
    "openai": [CHAT, CHAT_STREAM, RESPONSES],
    "anthropic": [MESSAGES, MESSAGES_STREAM],
    "google": [GEMINI, GEMINI_STREAM],
    "vercel": [CHAT, CHAT_STREAM, MESSAGES, MESSAGES_STREAM],
}


@pytest.fixture(scope="session")
def python_clients() -> Path:
    return python_with(MATRIX / "requirements.lock")


@pytest.fixture(scope="session")
def node_clients() -> Path:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        pytest.skip("no Node here")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version[1:].partition(".")[0]) < 20:
        pytest.skip(f"Node {version.strip()} is older than 20")

    def install(folder: Path) -> None:
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(MATRIX / name, folder)
        environment = {**os.environ, "npm_config_cache": str(CACHE / "npm")}
        run("npm", "ci", "--silent", "--ignore-scripts", cwd=folder, env=environment)

    return installed("node", MATRIX / "package-lock.json", install) / "node_modules"


@pytest.fixture
def providers(tmp_path: Path) -> Iterator[Providers]:
    made = Providers(tmp_path / "providers")
    with made.mock:
        yield made


@pytest.fixture
def shell(tmp_path: Path, providers: Providers) -> Shell:
    return Shell(tmp_path, providers.configuration())


def check(
    shell: Shell, providers: Providers, expected: list[tuple[str, bool, int, int, int]], command: str,
    *arguments: str | Path,
) -> str:  # fmt: skip
    """Run a client; every call has one row with exact usage and the process that made it."""
    done = shell.farebox("run", "--session", "s1", "--", *arguments, **KEYS)
    rows = shell.rows()
    found = [
        (
            row["surface"],
            row["streamed"],
            row["input_tokens"],
            row["cache_read_input_tokens"],
            row["output_tokens"],
        )
        for row in rows
    ]
    assert found == expected, done.stdout + done.stderr
    assert len(providers.mock.requests) == len(rows)
    for request in providers.mock.requests:
        assert request.path.startswith(("/v1/", "/v1beta/", "/model/")), (
            request.path
        )  # as the provider has it
    for row in rows:
        assert (row["outcome"], row["status"], row["completeness"]) == ("completed", 200, "final")
        attribution = row["attribution"]
        assert attribution["process.command"] == command, attribution
        assert int(attribution["process.pid"]) > 1
        assert attribution["process.cwd"] == str(shell.folder)
        assert attribution["session"] == "s1"
    for file in shell.home.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert not [key for key in KEYS.values() if len(key) > 5 and key.encode() in content], file
    return done.stdout


@pytest.mark.parametrize("name", [name for name in PYTHON if LONG or name not in ALIKE])
def test_python(name: str, shell: Shell, providers: Providers, python_clients: Path) -> None:
    program = MATRIX / "clients.py"
    said = check(shell, providers, PYTHON[name], "python clients.py", python_clients, program, name)
    assert "hello" in said or "word" in said
    if name == "boto3":
        (signed,) = [json.loads(line[7:]) for line in said.splitlines() if line.startswith("SIGNED ")]
        for headers, request in zip(signed, providers.mock.requests, strict=True):
            url = headers.pop(":url")
            assert url.endswith(request.target.decode())
            assert f"//{request.header('host')}/" in url  # the signature covers it
            for header, value in headers.items():
                assert request.header(header) == value


@pytest.mark.parametrize("name", NODE)
def test_node(name: str, shell: Shell, providers: Providers, node_clients: Path) -> None:
    (shell.folder / "node_modules").symlink_to(node_clients)
    program = shutil.copy(MATRIX / "clients.mjs", shell.folder)
    said = check(shell, providers, NODE[name], "node clients.mjs", "node", program, name)
    assert "hello" in said or "word" in said


@contextlib.contextmanager
def realtime(**options: Any) -> Iterator[int]:
    """A provider of realtime sessions on loopback: one answer a session."""
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.server import ServerConnection, serve

    usage = {"total_tokens": 15, "input_tokens": 10, "output_tokens": 5}

    def converse(connection: ServerConnection) -> None:
        connection.send(json.dumps({"type": "session.created", "session": {"model": "gpt-realtime"}}))
        connection.recv()
        answer: dict[str, Any] = {"id": "resp_1", "status": "in_progress"}
        connection.send(json.dumps({"type": "response.created", "response": answer}))
        answer = {"id": "resp_1", "status": "completed", "usage": usage}
        connection.send(json.dumps({"type": "response.done", "response": answer}))
        with contextlib.suppress(ConnectionClosed):
            connection.recv()

    with serve(converse, "127.0.0.1", 0, **options) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.socket.getsockname()[1]
        server.shutdown()


def check_session(shell: Shell, command: str, name: str, *arguments: str | Path) -> None:
    """Run a realtime client; its turn and its session are rows."""
    done = shell.farebox("run", "--session", "s1", "--", *arguments, name, **KEYS)
    assert done.stdout.split()[-1] == "response.done", done.stderr
    turn, session = shell.rows()
    assert (turn["surface"], turn["input_tokens"], turn["output_tokens"]) == ("openai.realtime_ws", 10, 5)
    assert turn["attribution"]["process.command"] == command
    assert session["outcome"] == turn["outcome"] == "completed"


@pytest.mark.parametrize("language", ["python", "node"])
def test_a_realtime_client_that_makes_wss_of_the_base_url_works_and_is_metered(
    language: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    clients: Path = request.getfixturevalue(f"{language}_clients")
    with realtime() as port:
        shell = Shell(tmp_path, f"providers:\n  openai:\n    upstream: http://127.0.0.1:{port}\n")
        program, command = MATRIX / "clients.py", clients
        if language == "node":
            (shell.folder / "node_modules").symlink_to(clients)
            program, command = Path(shutil.copy(MATRIX / "clients.mjs", shell.folder)), Path("node")
        check_session(shell, f"{language} {program.name}", "openai_realtime", command, program)


@contextlib.contextmanager
def realtime_host(folder: Path) -> Iterator[Shell]:
    """A provider of realtime sessions under its real name, with programs that name it themselves."""
    place = folder / "providers"
    place.mkdir()
    ca_file, cert, key = certificate(place, "api.openai.com")
    with realtime(ssl=server_tls(cert, key)) as port:
        addresses = f"{{api.openai.com: '127.0.0.1:{port}'}}"
        shell = Shell(folder, f"interception:\n  ca_file: {ca_file}\n  addresses: {addresses}\n")
        shutil.copy(MATRIX / "clients.mjs", shell.folder)
        yield shell


def test_a_websocket_of_ws_whose_host_is_in_the_program_is_metered(
    tmp_path: Path, node_clients: Path
) -> None:
    with realtime_host(tmp_path) as shell:
        (shell.folder / "node_modules").symlink_to(node_clients)
        check_session(shell, "node clients.mjs", "ws", "node", "clients.mjs")


def test_a_websocket_of_buns_whose_host_is_in_the_program_is_metered(tmp_path: Path) -> None:
    if shutil.which("bun") is None:
        pytest.skip("no Bun here")
    with realtime_host(tmp_path) as shell:
        check_session(shell, "bun clients.mjs", "websocket", "bun", "clients.mjs")


def test_curl(shell: Shell, providers: Providers) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl here")
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    script = shell.folder / "calls.sh"
    url = "https://api.openai.com/v1/chat/completions"
    line = f"exec curl -sN -H 'Content-Type: application/json' {url} -d"
    script.write_text(f"({line} '{json.dumps(body)}'); {line} '{json.dumps({**body, 'stream': True})}'\n")
    said = check(shell, providers, [CHAT, CHAT_STREAM], "curl", "sh", script)
    assert "[DONE]" in said


def test_java(shell: Shell, providers: Providers) -> None:
    java = shutil.which("java")
    if java is None:
        pytest.skip("no Java here")
    program = shutil.copy(MATRIX / "Client.java", shell.folder)
    said = check(shell, providers, [CHAT, CHAT_STREAM], "java Client.java", "java", program)
    assert "[DONE]" in said
