"""A Farebox in one network and its clients in another, joined by one cable: run inside `unshare -rn`.

    python tests/e2e/other_network.py FOLDER

Starts proxy and dashboard on an address that is not loopback, asks them from the other network in every way
that a client may and may not, and prints what came of it as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "proxy")]

from proxy_harness import MockUpstream, Reply, Request, certificate, mock  # noqa: E402

SERVER, CLIENT, NAME = "10.99.0.1", "10.99.0.2", "farebox.example.com"
PROXY, DASHBOARD = 3273, 3274
CALL = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}

CLIENT_PROGRAM = r"""
import http.client, json, socket, ssl, sys, time
said = json.loads(sys.argv[1])
def connect():
    connection = http.client.HTTPConnection(said["address"], said["port"], timeout=20)
    if said.get("roots"):
        context = ssl.create_default_context(cafile=said["roots"])
        raw = socket.create_connection((said["address"], said["port"]), timeout=20)
        connection.sock = context.wrap_socket(raw, server_hostname=said["name"])
    return connection
def ask(connection):
    headers = {"Host": f"{said['name']}:{said['port']}", **said["headers"]}
    body = json.dumps(said["body"]) if said.get("body") is not None else None
    connection.request("POST" if body else "GET", said["path"], body, headers)
    response = connection.getresponse()
    return {"status": response.status, "body": response.read().decode("utf-8", "replace"),
            "headers": {name.lower(): value for name, value in response.getheaders()}}
try:
    connection = connect()
    found = ask(connection)
    if said.get("again"):
        print(json.dumps(found), flush=True)
        sys.stdin.readline()
        started = time.monotonic()
        while found["status"] == 200 and time.monotonic() - started < 20:
            time.sleep(0.1)
            found = ask(connection)
        found["after_s"] = time.monotonic() - started
except Exception as error:
    found = {"error": type(error).__name__}
print(json.dumps(found), flush=True)
"""


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


@contextlib.contextmanager
def other_network() -> Iterator[int]:
    """Lay a cable to a second network; yield the id of a process in it."""
    run("ip", "link", "set", "lo", "up")
    with subprocess.Popen(["unshare", "-n", "sleep", "600"]) as there:
        try:
            own = Path("/proc/self/ns/net").readlink()
            while Path(f"/proc/{there.pid}/ns/net").readlink() == own:
                time.sleep(0.01)
            run("ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", str(there.pid))
            run("ip", "address", "add", f"{SERVER}/24", "dev", "here")
            run("ip", "link", "set", "here", "up")
            inside = ("nsenter", "-t", str(there.pid), "-n", "ip")
            run(*inside, "address", "add", f"{CLIENT}/24", "dev", "there")
            run(*inside, "link", "set", "there", "up")
            yield there.pid
        finally:
            there.kill()


class World:
    def __init__(self, folder: Path, network: int, upstream: MockUpstream) -> None:
        self.folder = folder
        self.network = network
        self.home = folder / "home"
        self.home.mkdir(mode=0o700)
        (folder / "right").mkdir()
        (folder / "wrong").mkdir()
        self.roots, cert, key = certificate(folder / "right", NAME)
        self.wrong_roots, _, _ = certificate(folder / "wrong", NAME)
        key.chmod(0o600)
        (self.home / "farebox.yaml").write_text(
            f"listen: {SERVER}:{PROXY}\ndashboard: {SERVER}:{DASHBOARD}\n"
            f"tls: {{certificate: {cert}, key: {key}}}\npublic_url: https://{NAME}:{DASHBOARD}\n"
            f'providers: {{openai: {{upstream: "{upstream.url}"}}}}\n'
        )
        self.environment = {**os.environ, "FAREBOX_HOME": str(self.home)}

    def command(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "farebox.cli", *words],
            env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def token(self, name: str, scope: str, *more: str) -> str:
        said = self.command("tokens", "create", name, "--scope", scope, *more, "--json")
        return str(json.loads(said)["secret"])

    def start(self, module: str, announced: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--home", str(self.home)],
            env=self.environment, cwd=self.folder, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while not (self.home / "run" / announced).exists():
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return process

    def ask(self, **said: Any) -> dict[str, Any]:
        with self.client(**said) as client:
            out, _ = client.communicate(timeout=60)
        return dict(json.loads(out.splitlines()[-1]))

    def client(self, **said: Any) -> subprocess.Popen[str]:
        usual = {"address": SERVER, "port": PROXY, "name": NAME, "headers": {}, "roots": str(self.roots)}
        return subprocess.Popen(
            [
                *("nsenter", "-t", str(self.network), "-n", sys.executable, "-c", CLIENT_PROGRAM),
                json.dumps({**usual, **said}),
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def call(self, token: str | None, **said: Any) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", **said.pop("headers", {})}
        if token is not None:
            headers["x-farebox-token"] = token
        return self.ask(path="/openai/v1/chat/completions", body=CALL, headers=headers, **said)

    def page(self, path: str, **headers: str) -> dict[str, Any]:
        return self.ask(port=DASHBOARD, path=path, headers=headers)


def answer(request: Request) -> Reply:
    return mock.json_reply(mock.chat_answer("hello"))


def refused_start(world: World) -> dict[str, Any]:
    """Start the proxy while no client token exists."""
    done = subprocess.run(
        [sys.executable, "-m", "farebox.proxy", "--home", str(world.home)],
        env=world.environment, cwd=world.folder, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return {"status": done.returncode, "error": done.stderr}


def told(world: World, upstream: MockUpstream) -> dict[str, Any]:
    found: dict[str, Any] = {"without any token": refused_start(world)}
    good = world.token("backend", "client", "--customer", "acme")
    read = world.token("reader", "read")
    gone = world.token("gone", "client")
    world.command("tokens", "revoke", "gone")
    proxy, server = world.start("farebox.proxy", "proxy.json"), world.start("farebox.server", "server.json")
    try:
        found["no token"] = world.call(None)
        found["revoked"] = world.call(gone)
        found["other scope"] = world.call(read)
        found["made up"] = world.call("fbx_client_" + "a" * 43)
        found["plain HTTP"] = world.call(good, roots=None)
        found["wrong certificate"] = world.call(good, roots=str(world.wrong_roots))
        found["wrong name"] = world.call(good, name="other.example.com")
        found["health"] = world.ask(path="/health", headers={})
        found["forwarded before"] = len(upstream.requests)
        found["recorded before"] = len(world.command("export", "--format", "jsonl").splitlines())
        found["good"] = world.call(good, headers={"x-farebox-customer": "other", "x-farebox-user": "anna"})
        found["status as the owner sees it"] = json.loads(world.command("status", "--json"))["recording"][
            "state"
        ]

        found["dashboard: nobody"] = world.page("/api/v1/summary")
        found["dashboard: read"] = world.page("/api/v1/summary", authorization=f"Bearer {read}")
        found["dashboard: client"] = world.page("/api/v1/summary", authorization=f"Bearer {good}")
        found["dashboard: other host"] = world.page("/", Host="evil.example.com")
        link = world.command("open", "--no-browser").strip()
        found["link"] = link.partition("?")[0]
        entered = world.page(link[link.index("/?") :])
        found["dashboard: link"] = entered
        cookie = entered["headers"].get("set-cookie", "").partition(";")[0]
        own = f"https://{NAME}:{DASHBOARD}"
        found["dashboard: session"] = world.page("/api/v1/summary", cookie=cookie, origin=own)
        found["dashboard: other origin"] = world.page("/api/v1/summary", cookie=cookie, origin="https://evil")

        with world.client(
            path="/openai/v1/chat/completions",
            body=CALL,
            headers={"Content-Type": "application/json", "x-farebox-token": good},
            again=True,
        ) as kept:
            assert kept.stdout is not None and kept.stdin is not None
            found["kept connection"] = json.loads(kept.stdout.readline())
            world.command("tokens", "revoke", "backend")
            kept.stdin.write("\n")
            kept.stdin.flush()
            found["kept connection, revoked"] = json.loads(kept.stdout.readline())
        sent = [request.raw_head.decode("latin-1") for request in upstream.requests]
        found["token went upstream"] = any("fbx_" in head for head in sent)
    finally:
        for process in (proxy, server):
            process.send_signal(signal.SIGTERM)
        found["errors"] = [process.communicate(timeout=60)[1] for process in (proxy, server)]
    found["calls"] = [json.loads(line) for line in world.command("export", "--format", "jsonl").splitlines()]
    with contextlib.closing(sqlite3.connect(world.home / "ledger.db")) as ledger:
        found["verified"] = [bool(row[0]) for row in ledger.execute("SELECT verified FROM attribution")]
    found["last used"] = json.loads(world.command("tokens", "list", "--all", "--json"))["tokens"]
    found["files with a secret"] = [
        str(file)
        for file in world.home.rglob("*")
        if file.is_file() and any(secret.encode() in file.read_bytes() for secret in (good, read, gone))
    ]
    return found


def main(folder: Path) -> None:
    with other_network() as network, MockUpstream(answer) as upstream:
        print(json.dumps(told(World(folder, network, upstream), upstream)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
