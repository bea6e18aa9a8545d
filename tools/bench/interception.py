"""Measure interception beside mitmproxy: both terminate TLS and speak TLS to one mock.

mitmproxy comes from PyPI into a virtual environment of its own, outside the clone. The server under
test has one core, everything else the others; processor time a request does not depend on that.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from farebox.certificates import authority
from farebox.certificates.making import Signer
from tools.bench.load import ROOT, Server, cores, free_port, pss_mb, running

HOST = "api.openai.com"
STREAMS = 1_000
_ADDON = """\
from mitmproxy import http

class Places:
    def server_connect(self, data):
        data.server.address = ("127.0.0.1", {port})

    def responseheaders(self, flow: http.HTTPFlow):
        flow.response.stream = True

addons = [Places()]
"""


class Bench:
    """The mock and what it is signed by."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        made = authority.make(folder / "mock", (HOST,))
        self.ca = made.root
        self.leaf = folder / "leaf.pem"
        self.leaf.write_bytes(Signer(made).leaf(HOST))
        self.port = free_port()

    @contextlib.contextmanager
    def mock(self) -> Iterator[None]:
        command = [sys.executable, str(ROOT / "tools" / "upstream.py"), "--port", str(self.port)]
        command += ["--tls", str(self.leaf)]
        with running(command, core=cores()[1], ready=self.port, stdout=subprocess.DEVNULL):
            yield

    @contextlib.contextmanager
    def farebox(self) -> Iterator[tuple[Server, Path]]:
        """Run the proxy with its journal on; yield it and the root its clients trust."""
        port = free_port()
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            folder = Path(name)
            made = authority.make(folder / "ca", (HOST,))
            config = folder / "farebox.yaml"
            config.write_text(
                f"listen: 127.0.0.1:{port}\n"
                f"interception: {{ca_file: {self.ca}, addresses: {{{HOST}: 127.0.0.1:{self.port}}}}}\n"
            )
            command = [sys.executable, "-m", "farebox.proxy", "--home", f"{folder}/home"]
            command += ["--config", str(config), "--authority", str(made.folder)]
            with running(command, core=cores()[0], ready=port) as process:
                yield Server("farebox", process.pid, port), made.root

    @contextlib.contextmanager
    def mitmproxy(self, program: str) -> Iterator[tuple[Server, Path]]:
        port = free_port()
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            folder = Path(name)
            (folder / "places.py").write_text(_ADDON.format(port=self.port))
            command = [
                program,
                "-q",
                "-p",
                str(port),
                "--listen-host",
                "127.0.0.1",
                "-s",
                f"{folder}/places.py",
            ]
            for option in (
                f"confdir={folder}",
                f"ssl_verify_upstream_trusted_ca={self.ca}",
                "http2=false",
                "connection_strategy=lazy",
            ):
                command += ["--set", option]
            with running(command, core=cores()[0], ready=port) as process:
                yield Server("mitmproxy", process.pid, port), folder / "mitmproxy-ca-cert.pem"

    def load(self, where: tuple[str, int], ca: Path, *more: str) -> dict[str, Any]:
        way, port = where
        done = subprocess.run(
            ["taskset", "-c", cores()[1], sys.executable, "-m", "tools.bench.tls_load", f"--{way}", str(port),
             "--ca", str(ca), *more],
            cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return json.loads(done.stdout.splitlines()[-1])


def mitmdump() -> str | None:
    """Return mitmproxy's program, installed where it is missing; None where that cannot be done."""
    cache = Path(os.environ.get("FAREBOX_BUILD_CACHE", "~/.cache/farebox-build")).expanduser()
    folder = cache / "mitmproxy"
    program = folder / "bin" / "mitmdump"
    if not program.exists():
        uv = shutil.which("uv")
        make = [uv, "venv", "-q", str(folder)] if uv else [sys.executable, "-m", "venv", str(folder)]
        pip = [uv, "pip", "install", "-q", "-p"] if uv else []
        install = [*pip, f"{folder}/bin/python"] if uv else [f"{folder}/bin/pip", "install", "-q"]
        try:
            subprocess.run(make, check=True)
            subprocess.run([*install, "mitmproxy"], check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
    return str(program)


def measure(seconds: float, *, tell: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Return everything interception is judged by."""
    found: dict[str, Any] = {}
    program = mitmdump()
    with tempfile.TemporaryDirectory(prefix="farebox-bench-") as folder:
        bench = Bench(Path(folder))
        with bench.mock():
            direct = bench.load(
                ("direct", bench.port), bench.ca, "--connections", "1", "--seconds", str(seconds)
            )
            paced = ("--header", "x-mock-events: 30", "--header", "x-mock-pace-ms: 1")
            first = bench.load(("direct", bench.port), bench.ca, "--first", "20", *paced)["first_ms"]
            with bench.farebox() as (server, root):
                tell("interception")
                found["farebox"] = _one(bench, server, root, seconds, direct)
                through = bench.load(("proxy", server.port), root, "--first", "20", *paced)["first_ms"]
                found["ttfb_added_ms"] = round(through - first, 3)
            with bench.farebox() as (server, root):
                tell(f"{STREAMS} open streams")
                found["streams_mb"] = round(_streams(bench, server, root), 1)
            if program is not None:
                with bench.mitmproxy(program) as (server, root):
                    tell("mitmproxy")
                    found["mitmproxy"] = _one(bench, server, root, seconds, direct)
    if "mitmproxy" in found:
        ours, theirs = found["farebox"], found["mitmproxy"]
        found["ratio"] = round(ours["rps"] / theirs["rps"], 1)
        found["cpu_ratio"] = round(theirs["cpu_us"] / ours["cpu_us"], 1)
        found["latency_ratio"] = round(ours["added_p50_us"] / theirs["added_p50_us"], 3)
    return {"interception": found}


def _one(bench: Bench, server: Server, root: Path, seconds: float, direct: dict[str, Any]) -> dict[str, Any]:
    where = ("proxy", server.port)
    bench.load(where, root, "--connections", "4", "--seconds", "0.5")
    before = server.cpu_s()
    busy = bench.load(where, root, "--seconds", str(seconds))
    used = server.cpu_s() - before
    alone = bench.load(where, root, "--connections", "1", "--seconds", str(seconds))
    return {
        "rps": round(busy["rps"]),
        "cpu_us": round(used * 1e6 / busy["requests"], 1),
        "added_p50_us": round(alone["p50_us"] - direct["p50_us"]),
        "added_p99_us": round(alone["p99_us"] - direct["p99_us"]),
        "pss_mb": round(server.pss_mb(), 1),
    }


def _streams(bench: Bench, server: Server, root: Path) -> float:
    """Return the proxy's memory while so many streams are open, in MB."""
    options = ["--proxy", str(server.port), "--ca", str(root), "--streams", str(STREAMS)]
    options += ["--header", "x-mock-events: 400", "--header", "x-mock-pace-ms: 500"]
    client = subprocess.Popen(
        ["taskset", "-c", cores()[1], sys.executable, "-m", "tools.bench.tls_load", *options],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert client.stdout is not None and client.stdin is not None
    try:
        if client.stdout.readline().strip() != "open":
            raise RuntimeError("the streams were not opened")
        time.sleep(2)
        return pss_mb(server.pid)  # without the issuer, which ends by itself
    finally:
        client.kill()
        client.wait()
        client.stdin.close()
        client.stdout.close()
