"""Try each client runtime of this machine the way `farebox run` would use it, at no cost.

A mock provider on loopback responds under a provider's real name, behind a proxy started only for this. A
client passes when its request, made with nothing but the variables of a run, arrives.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import NamedTuple

from farebox.certificates import authority
from farebox.cli.doctor.doctor_command import Check
from farebox.cli.run.environment import direct, plan
from farebox.cli.run.interception import PASSWORD_VARIABLE, Interception
from farebox.cli.run.private_proxy import PrivateProxy
from farebox.cli.screen import clean
from farebox.config import Config, InterceptionConfig
from farebox.home import Home, write_private

HOST = "api.openai.com"
_HOSTS = (HOST, "api.anthropic.com", "generativelanguage.googleapis.com")
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n" + (
    b'{"object":"list","data":[]}'
)
_REQUEST_MAX = 1 << 20


class Client(NamedTuple):
    """One runtime: how it is tried, and what to do when its request does not arrive."""

    program: str
    arguments: tuple[str, ...]
    fix: str
    files: Mapping[str, str] = {}
    environment: Mapping[str, str] = {}
    seconds: float = 20.0


_URL = f"https://{HOST}/v1/models?canary="
_PYTHON = f"import urllib.request as u; u.urlopen('{_URL}python', timeout=15).read()"
_NODE = f"fetch('{_URL}node').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"
_JAVA = f"""\
public class Canary {{
  public static void main(String[] arguments) throws Exception {{
    new java.net.URL("{_URL}java").openStream().readAllBytes();
  }}
}}
"""
_GO = f"""\
package main

import ("net/http"; "os")

func main() {{
  answer, err := http.Get("{_URL}go")
  if err != nil || answer.StatusCode != 200 {{ os.Exit(1) }}
}}
"""
_AGENT = "it may need a login or a setting of its own: see docs/guides/interception.md, Coding agents"
_KEY = "canary-not-a-key"

CLIENTS = (
    Client("python3", ("-c", _PYTHON), "start it without -I and -E, which ignore SSL_CERT_FILE"),
    Client("node", ("-e", _NODE), "update Node to 20 or newer, and do not clear NODE_OPTIONS"),
    Client("curl", ("-sSf", f"{_URL}curl"), "remove `proxy` and `cacert` from ~/.curlrc"),
    Client("go", ("run", "canary.go"), "a program with its own Transport needs Proxy: ProxyFromEnvironment",
           {"canary.go": _GO}, {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}, 90.0),
    Client("java", ("Canary.java",), "start it with JAVA_TOOL_OPTIONS, and without its own -Dhttps.proxyHost",
           {"Canary.java": _JAVA}, {}, 60.0),
    Client("claude", ("-p", "ping"), _AGENT, {},
           {"ANTHROPIC_API_KEY": _KEY, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}, 30.0),
    Client("codex", ("exec", "--skip-git-repo-check", "ping"), _AGENT, {}, {"OPENAI_API_KEY": _KEY}, 30.0),
    Client("gemini", ("-p", "ping"), _AGENT,
           {".gemini/settings.json": '{"security": {"auth": {"selectedType": "gemini-api-key"}}}'},
           {"GEMINI_API_KEY": _KEY, "GEMINI_CLI_TRUST_WORKSPACE": "true"}, 30.0),
    Client("aider", ("--message", "ping", "--no-git", "--yes-always", "--model", "gpt-4o"), _AGENT,
           {}, {"OPENAI_API_KEY": _KEY}, 60.0),
)  # fmt: skip


def try_clients(clients: tuple[Client, ...] = CLIENTS) -> list[Check]:
    """Return a check for each client that is installed here."""
    found = [client for client in clients if shutil.which(client.program)]
    if not found:
        return []
    with _canary() as (environment, seen):
        return [_try(client, environment, seen) for client in found]


def _try(client: Client, environment: Mapping[str, str], seen: list[bytes]) -> Check:
    """Run one client in an empty folder that is also its home, and see whether its request arrives."""
    before = len(seen)
    with tempfile.TemporaryDirectory(prefix="farebox-doctor-") as folder:
        for name, content in client.files.items():
            file = Path(folder) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        settings = {"HOME": folder, "CODEX_HOME": folder, "CLAUDE_CONFIG_DIR": folder}
        own = {**environment, **settings, **client.environment}
        process = subprocess.Popen(
            [client.program, *client.arguments],
            cwd=folder,
            env=own,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        said: list[bytes] = []
        reader = threading.Thread(target=_drain, args=(process, said), daemon=True)
        reader.start()
        deadline = time.monotonic() + client.seconds
        while len(seen) == before and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.05)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reader.join(2)
    if len(seen) > before:
        return Check(client.program, True, "a call arrived")
    last = clean(b"".join(said).decode("utf-8", "replace").strip().rpartition("\n")[2])
    return Check(client.program, False, f"no call arrived{f' ({last[:160]})' if last else ''}", client.fix)


def _drain(process: subprocess.Popen[bytes], said: list[bytes]) -> None:
    if process.stderr is not None:
        with process.stderr:
            said.append(process.stderr.read(65536))
            while process.stderr.read(65536):
                pass


@contextlib.contextmanager
def _canary() -> Generator[tuple[dict[str, str], list[bytes]]]:
    """Run the provider and the proxy; yield a run's environment and the requests that arrive."""
    from farebox import catalog

    with tempfile.TemporaryDirectory(prefix="farebox-doctor-") as name:
        home = Home(Path(name) / "home")
        home.prepare()
        provider = authority.make(Path(name) / "provider" / "ca", _HOSTS)
        seen: list[bytes] = []
        with _provider(provider, seen) as port:
            known = catalog.load({})
            config = Config(
                interception=InterceptionConfig(
                    addresses=dict.fromkeys(_HOSTS, f"127.0.0.1:{port}"), ca_file=str(provider.root)
                )
            )
            clean = {key: value for key, value in os.environ.items() if key not in _SETTINGS}
            own = Interception(home, known, clean)
            proxy = PrivateProxy(home, config, {}, own.authority.folder)
            environment = {**clean, **direct(clean), **own.variables(proxy.address, proxy.folder)}
            paths = plan(known, {}, interception=True).variables
            environment |= {key: f"http://{proxy.address}{path}" for key, path in paths.items()}
            proxy.start({**clean, PASSWORD_VARIABLE: own.password})
            try:
                yield environment, seen
            finally:
                proxy.stop()


_SETTINGS = frozenset(
    ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "FAREBOX_CONFIG")
)


@contextlib.contextmanager
def _provider(made: authority.Authority, seen: list[bytes]) -> Generator[int]:
    """Serve an empty response under every name of `made`; requests are added to `seen`."""
    context = _context(made)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            connection.settimeout(30)
            with context.wrap_socket(connection, server_side=True) as secured:
                data = b""
                while len(data) < _REQUEST_MAX:
                    piece = secured.recv(65536)
                    if not piece:
                        return
                    data += piece
                    if b"\r\n\r\n" in data:
                        seen.append(data)
                        data = b""
                        secured.sendall(_ANSWER)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _context(made: authority.Authority) -> ssl.SSLContext:
    """Return a TLS context with a certificate for every name of `made`."""
    asked = "".join(f"{host}\n" for host in made.facts.permitted).encode()
    command = [sys.executable, "-P", "-m", "farebox.certificates.issuer", str(made.folder)]
    rest = subprocess.run(command, input=asked, capture_output=True, check=True).stdout
    contexts: dict[str, ssl.SSLContext] = {}
    for host in made.facts.permitted:
        size, _, rest = rest.partition(b"\n")
        pem, rest = rest[: int(size)], rest[int(size) :]
        file = made.folder / f"{host}.pem"
        write_private(file, pem)
        contexts[host] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        contexts[host].load_cert_chain(file)

    def choose(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = contexts.get(name or HOST, contexts[HOST])

    chosen = contexts[HOST]
    chosen.sni_callback = choose
    return chosen
