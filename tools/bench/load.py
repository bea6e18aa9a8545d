"""The load of the benchmarks: wrk, nginx, a mock upstream, Farebox, each pinned to a core."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
PATH = "/openai/v1/chat/completions"
BODY = json.dumps(
    {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say something about fares. " * 8}]}
)
HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "User-Agent": "OpenAI/Python 1.99.0",
    "Authorization": "Bearer sk-bench-000000000000000000000000000000000000000000000000",
    "X-Stainless-Lang": "python",
    "X-Stainless-Runtime": "CPython",
    "x-stainless-retry-count": "0",
}
"""About what a provider's Python client sends."""

_NGINX = """\
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 10000000;
  client_max_body_size 0;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream mock {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 10000000; }}
  server {{
    listen 127.0.0.1:{port};
    location /openai/ {{
      proxy_pass http://mock/;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_request_buffering off;
    }}
  }}
}}
"""

_SCRIPT = """\
wrk.method = "POST"
wrk.body = [==[{body}]==]
{headers}
done = function(summary, latency, requests)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status
  io.write(string.format('RESULT {{"requests":%d,"us":%d,"failed":%d,"p50":%d,"p99":%d}}\\n',
    summary.requests, summary.duration, failed, latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass
class Server:
    """A process under test."""

    name: str
    pid: int
    port: int

    def cpu_s(self) -> float:
        """Return the processor time of the process and its children, in seconds."""
        return sum(cpu_s(pid) for pid in family(self.pid))

    def pss_mb(self) -> float:
        return sum(pss_mb(pid) for pid in family(self.pid))


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += family(int(child))
    return found


def cpu_s(pid: int) -> float:
    """Return the processor time of one process, in seconds."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pss_mb(pid: int) -> float:
    """Return the proportional set size of one process in MB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cores() -> tuple[str, str]:
    """Return the core for the server under test and those for everything else."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) == 1:
        return str(available[0]), str(available[0])
    return str(available[0]), ",".join(map(str, available[1:]))


@contextlib.contextmanager
def running(
    command: list[str], *, core: str, ready: int, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command on a core until the block ends; enter once `ready` accepts connections."""
    process = subprocess.Popen(["taskset", "-c", core, *command], **options)
    try:
        deadline = time.monotonic() + 15
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", ready), 1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start")
            time.sleep(0.02)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def mock_upstream() -> Iterator[int]:
    port = free_port()
    command = [sys.executable, str(ROOT / "tools" / "upstream.py"), "--port", str(port)]
    with running(command, core=cores()[1], ready=port, stdout=subprocess.DEVNULL):
        yield port


@contextlib.contextmanager
def nginx(upstream: int) -> Iterator[Server]:
    binary = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(binary).exists():
        raise RuntimeError("nginx is not installed: apt-get install -y nginx-light")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="farebox-bench-") as folder:
        config = Path(folder) / "nginx.conf"
        config.write_text(_NGINX.format(folder=folder, upstream=upstream, port=port))
        command = [binary, "-c", str(config), "-e", f"{folder}/error.log"]
        with running(command, core=cores()[0], ready=port) as process:
            yield Server("nginx", process.pid, port)


@contextlib.contextmanager
def farebox(
    upstream: int, *, durability: str = "process", prepare: Callable[[Path], None] | None = None
) -> Iterator[Server]:
    """Run the proxy with its journal on, on a core of its own; `prepare` makes its home ready."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="farebox-bench-") as folder:
        config = Path(folder) / "farebox.yaml"
        config.write_text(
            f"listen: 127.0.0.1:{port}\ndurability: {durability}\n"
            f'providers:\n  openai: {{upstream: "http://127.0.0.1:{upstream}"}}\n'
        )
        if prepare is not None:
            prepare(Path(folder) / "home")
        command = [sys.executable, "-m", "farebox.proxy", "--home", f"{folder}/home", "--config", str(config)]
        with running(command, core=cores()[0], ready=port) as process:
            yield Server("farebox", process.pid, port)


def wrk(
    server: Server, *, connections: int = 32, seconds: float = 5, headers: dict[str, str] | None = None
) -> dict[str, float]:
    """Load a server and return requests/s, processor time per request and latencies in µs."""
    binary = shutil.which("wrk")
    if binary is None:
        raise RuntimeError("wrk is not installed: apt-get install -y wrk")
    lines = "\n".join(
        f'wrk.headers["{name}"] = "{value}"' for name, value in {**HEADERS, **(headers or {})}.items()
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT.format(body=BODY, headers=lines))
        script.flush()
        before = server.cpu_s()
        output = subprocess.run(
            ["taskset", "-c", cores()[1], binary, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s",
             "-s", script.name, f"http://127.0.0.1:{server.port}{PATH}"],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        used = server.cpu_s() - before
    result = json.loads(output.partition("RESULT ")[2])
    if result["failed"]:
        raise RuntimeError(f"{server.name}: {result['failed']} requests failed")
    return {
        "rps": result["requests"] * 1e6 / result["us"],
        "cpu_us": used * 1e6 / max(1, result["requests"]),
        "p50_us": result["p50"],
        "p99_us": result["p99"],
    }
