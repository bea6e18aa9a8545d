"""Measure the proxy beside nginx: rate, processor time, latency, streams, memory, idling.

Every function measures one thing and returns a dict; `measure` runs them all. Rates are taken with
the server alone on one core and the load on the others, so a second core is needed for fair ones.
"""

from __future__ import annotations

import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tools.bench.load import (
    BODY,
    PATH,
    ROOT,
    Server,
    farebox,
    free_port,
    mock_upstream,
    nginx,
    pss_mb,
    wrk,
)

STREAM = {"x-mock-events": "300"}
BIG = 10_000_000


def rates(upstream: int, seconds: float) -> dict[str, Any]:
    """Requests/s and µs of processor time per request at 32 connections, then streams/s."""
    found: dict[str, dict[str, float]] = {}
    streams: dict[str, dict[str, float]] = {}
    for start in (nginx, farebox):
        with start(upstream) as server:
            wrk(server, seconds=1)
            found[server.name] = wrk(server, seconds=seconds)
            streams[server.name] = wrk(server, seconds=seconds, headers=STREAM)
    return {
        "rps": {**_beside(found, "rps"), "ratio": _ratio(found, "rps")},
        "cpu_us": round(found["farebox"]["cpu_us"], 1),
        "cpu_us_nginx": round(found["nginx"]["cpu_us"], 1),
        "sse": {
            **_beside(streams, "rps"),
            "ratio": _ratio(streams, "rps"),
            "cpu_us": round(streams["farebox"]["cpu_us"], 1),
            "cpu_us_nginx": round(streams["nginx"]["cpu_us"], 1),
        },
    }


def with_budget(upstream: int, seconds: float, rounds: int = 5) -> dict[str, Any]:
    """Requests/s and processor time with one hard budget that covers every call, beside none at all.

    Both run at once and are loaded in turn, so that what else the machine does meets both alike.
    """
    from tools.bench.budgets import home_with

    rates: dict[str, list[float]] = {"without": [], "with": []}
    times: dict[str, list[float]] = {"without": [], "with": []}
    with contextlib.ExitStack() as stack:
        servers = {
            "without": stack.enter_context(farebox(upstream)),
            "with": stack.enter_context(farebox(upstream, prepare=lambda home: home_with(home, 1))),
        }
        for server in servers.values():
            wrk(server, seconds=1)
        for _ in range(rounds):
            for name, server in servers.items():
                found = wrk(server, seconds=seconds / rounds)
                rates[name].append(found["rps"])
                times[name].append(found["cpu_us"])
    medians = {name: statistics.median(found) for name, found in rates.items()}
    return {
        "with_budget": {
            "ratio": round(medians["with"] / medians["without"], 3),
            "cpu_us": round(statistics.median(times["with"]), 1),
            "cpu_us_without": round(statistics.median(times["without"]), 1),
        }
    }


def _beside(found: dict[str, dict[str, float]], key: str) -> dict[str, int]:
    return {name: round(values[key]) for name, values in found.items()}


def _ratio(found: dict[str, dict[str, float]], key: str) -> float:
    return round(found["farebox"][key] / found["nginx"][key], 3)


def latency(upstream: int, seconds: float) -> dict[str, Any]:
    """Microseconds a call takes longer through the proxy, one at a time."""
    direct = wrk(Server("direct", os.getpid(), upstream), connections=1, seconds=seconds)
    with farebox(upstream) as server:
        wrk(server, connections=1, seconds=1)
        through = wrk(server, connections=1, seconds=seconds)
    with farebox(upstream, durability="power") as server:
        wrk(server, connections=1, seconds=1)
        power = wrk(server, connections=1, seconds=seconds)
    with nginx(upstream) as server:
        plain = wrk(server, connections=1, seconds=seconds)
    return {
        "added_us": {
            "p50": round(through["p50_us"] - direct["p50_us"]),
            "p99": round(through["p99_us"] - direct["p99_us"]),
            "power_p50": round(power["p50_us"] - direct["p50_us"]),
            "nginx_p50": round(plain["p50_us"] - direct["p50_us"]),
            "nginx_p99": round(plain["p99_us"] - direct["p99_us"]),
        }
    }


def first_byte(upstream: int, streams: int = 30) -> float:
    """Return by how many ms the first event of a stream paced at 1 ms comes later than directly."""
    headers = "x-mock-events: 50\r\nx-mock-pace-ms: 1\r\n"
    direct: list[float] = []
    through: list[float] = []
    with farebox(upstream) as server:
        for _ in range(streams):
            direct.append(_first_event(upstream, headers))
            through.append(_first_event(server.port, headers))
    return round((statistics.median(through) - statistics.median(direct)) * 1000, 3)


def _first_event(port: int, headers: str) -> float:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        request = _request(port, headers)
        started = time.perf_counter()
        connection.sendall(request)
        data = connection.recv(65536)
        while b"data: " not in data:
            data += connection.recv(65536)
        took = time.perf_counter() - started
        while not data.endswith(b"0\r\n\r\n"):
            data = data[-8:] + connection.recv(65536)
        return took


def _request(port: int, headers: str, body: bytes = BODY.encode()) -> bytes:
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"{headers}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def beside_big_bodies(upstream: int, seconds: float) -> dict[str, Any]:
    """Latency of small calls in ms while 10 MB requests and 10 MB responses pass, and without.

    The upstream and the load are kept busy by the large ones, too: what the proxy adds is the
    difference to the same load without it, and nginx shows what a proxy cannot avoid.
    """
    found: dict[str, dict[str, float]] = {
        "direct": _beside_big(Server("direct", os.getpid(), upstream), seconds)
    }
    for start in (nginx, farebox):
        with start(upstream) as server:
            found[server.name] = _beside_big(server, seconds)
    direct = found["direct"]["p99_beside"]
    return {
        **found,
        "added_p99": round(found["farebox"]["p99_beside"] - direct, 3),
        "nginx_added_p99": round(found["nginx"]["p99_beside"] - direct, 3),
    }


def _beside_big(server: Server, seconds: float) -> dict[str, float]:
    alone = _small_calls(server.port, seconds)
    stop = threading.Event()
    big_body = b'{"model": "gpt-4o", "messages": "' + b"A" * BIG + b'"}'
    requests = (_request(server.port, "", big_body), _request(server.port, f"x-mock-bytes: {BIG}\r\n"))
    threads = [threading.Thread(target=_repeat, args=(server.port, request, stop)) for request in requests]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    beside = _small_calls(server.port, seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return {"p99_alone": round(alone * 1000, 3), "p99_beside": round(beside * 1000, 3)}


def _small_calls(port: int, seconds: float) -> float:
    """Return the 99th percentile of small calls from a process of its own, in seconds."""
    program = (
        "import socket, sys, time\n"
        f"request = {_request(port, '')!r}\n"
        f"connection = socket.create_connection(('127.0.0.1', {port}))\n"
        "times = []\n"
        f"end = time.perf_counter() + {seconds}\n"
        "while time.perf_counter() < end:\n"
        "    started = time.perf_counter()\n"
        "    connection.sendall(request)\n"
        "    data = connection.recv(65536)\n"
        "    while not data.endswith(b'}'):\n"
        "        data += connection.recv(65536)\n"
        "    times.append(time.perf_counter() - started)\n"
        "    time.sleep(0.001)\n"
        "print(sorted(times)[int(len(times) * 0.99)])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return float(done.stdout)


def _repeat(port: int, request: bytes, stop: threading.Event) -> None:
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        while not stop.is_set():
            connection.sendall(request)
            head, _, rest = _until(connection, b"\r\n\r\n").partition(b"\r\n\r\n")
            left = int(head.lower().partition(b"content-length:")[2].split()[0]) - len(rest)
            while left > 0:
                left -= len(connection.recv(1 << 20))


def _until(connection: socket.socket, marker: bytes) -> bytes:
    data = b""
    while marker not in data:
        piece = connection.recv(65536)
        if not piece:
            raise EOFError(data[:200])
        data += piece
    return data


def memory(upstream: int, requests: int) -> dict[str, Any]:
    """MB of all processes after so many requests, and what they use while nothing happens."""
    with whole(upstream) as (processes, port):
        proxy = Server("farebox", processes["proxy"], port)
        done = 0
        while done < requests:
            done += int(wrk(proxy, seconds=4)["rps"] * 4)
        time.sleep(3)
        sizes = {name: pss_mb(pid) for name, pid in processes.items()}
        before = {
            name: Server(name, pid, 0).cpu_s() for name, pid in processes.items() if name != "supervisor"
        }
        idle_s = 8.0
        time.sleep(idle_s)
        used = {name: Server(name, processes[name], 0).cpu_s() - start for name, start in before.items()}
    return {
        "pss_mb": {
            "proxy": round(sizes["proxy"], 1),
            "all": round(sum(sizes.values()), 1),
            "each": {name: round(size, 1) for name, size in sizes.items()},
        },
        "idle_cpu_pct": round(sum(used.values()) / idle_s * 100, 2),
        "idle_cpu_pct_each": {name: round(one / idle_s * 100, 2) for name, one in used.items()},
    }


@contextlib.contextmanager
def whole(upstream: int) -> Iterator[tuple[dict[str, int], int]]:
    """Run `farebox up`: every process, with pid by name and the proxy's port."""
    import json

    with tempfile.TemporaryDirectory(prefix="farebox-bench-") as folder:
        home = Path(folder) / "home"
        config = Path(folder) / "farebox.yaml"
        config.write_text(
            f"listen: 127.0.0.1:{free_port()}\ndashboard: 127.0.0.1:{free_port()}\n"
            f'providers:\n  openai: {{upstream: "http://127.0.0.1:{upstream}"}}\n'
        )
        environment = {**os.environ, "FAREBOX_HOME": str(home), "FAREBOX_CONFIG": str(config)}
        command = [sys.executable, "-m", "farebox.cli", "up"]
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            names = ("proxy", "ledger", "server")
            files = [home / "run" / f"{name}.json" for name in names]
            deadline = time.monotonic() + 60
            while not all(file.exists() for file in files):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("farebox up did not start")
                time.sleep(0.1)
            said = {name: json.loads(file.read_bytes()) for name, file in zip(names, files, strict=True)}
            pids = {name: int(said[name]["pid"]) for name in names}
            yield {**pids, "supervisor": process.pid}, int(said["proxy"]["port"])
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def measure(
    seconds: float = 5, requests: int = 200_000, *, tell: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Return everything the proxy is judged by."""
    found: dict[str, Any] = {}
    with mock_upstream() as upstream:
        tell("rates beside nginx")
        found.update(rates(upstream, seconds))
        tell("rate with one budget")
        found.update(with_budget(upstream, seconds))
        tell("added latency")
        found.update(latency(upstream, seconds))
        tell("first byte of a stream")
        found["sse"]["ttfb_ms"] = first_byte(upstream)
        tell("10 MB bodies beside small calls")
        found["beside_big_ms"] = beside_big_bodies(upstream, seconds)
        tell(f"memory after {requests} requests, idling")
        found.update(memory(upstream, requests))
    return found
