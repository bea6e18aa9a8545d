"""Measure the proxy while thousands of slow streams are open: failures, memory, fresh requests.

`python -m tools.bench.streams --port N --streams M` is the client: it opens the streams, says how many
answered and how many have failed so far whenever it is asked by a line, and ends with its input.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
from typing import Any

from tools.bench.load import BODY, PATH, ROOT, cores, farebox, mock_upstream, pss_mb, wrk

COUNTS = (1_000, 9_000)
PACE_MS = 5_000
EVENTS = 100
_AT_ONCE = 100
_SPARE = 1_000
"""Descriptors for everything that is not one of the streams."""


def measure(seconds: float) -> dict[str, Any]:
    """Return what was seen for each number of streams that the system has descriptors for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    found: dict[str, Any] = {}
    try:
        with mock_upstream() as upstream:
            for count in COUNTS:
                if hard != resource.RLIM_INFINITY and hard < 2 * count + _SPARE:
                    found[f"{count}"] = f"not run: {hard} descriptors"
                    continue
                with farebox(upstream) as server:
                    wrk(server, connections=1, seconds=1)
                    idle = wrk(server, connections=1, seconds=seconds)
                    found[f"{count}"] = _beside(server.port, server.pid, count, idle["p99_us"], seconds)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return {"slow_streams": found}


def _beside(port: int, pid: int, count: int, idle_p99_us: float, seconds: float) -> dict[str, Any]:
    from tools.bench.load import Server

    client = subprocess.Popen(
        ["taskset", "-c", cores()[1], sys.executable, "-m", "tools.bench.streams",
         "--port", str(port), "--streams", str(count)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert client.stdin is not None and client.stdout is not None
    try:
        opened = int(client.stdout.readline())
        busy = wrk(Server("farebox", pid, port), connections=1, seconds=seconds)
        memory = pss_mb(pid)
        client.stdin.write("failed?\n")
        client.stdin.flush()
        failed = int(client.stdout.readline())
    finally:
        client.kill()
        client.wait()
        client.stdin.close()
        client.stdout.close()
    return {
        "open": opened,
        "failed": failed,
        "pss_mb": round(memory, 1),
        "p99_us_idle": round(idle_p99_us),
        "p99_us": round(busy["p99_us"]),
    }


async def _hold(port: int, count: int) -> None:
    opened = failed = 0
    gate = asyncio.Semaphore(_AT_ONCE)
    request = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"x-mock-events: {EVENTS}\r\nx-mock-pace-ms: {PACE_MS}\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}"
    ).encode()

    async def stream() -> None:
        nonlocal opened, failed
        try:
            async with gate:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                failed += 1
                return
            opened += 1
            while await reader.read(65536):
                pass
            failed += 1  # none of them ends as long as we look
        except OSError:
            failed += 1

    tasks = [asyncio.create_task(stream()) for _ in range(count)]
    while opened + failed < count:  # noqa: ASYNC110  # looking now and then is simpler than an event
        await asyncio.sleep(0.05)
    print(opened, flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(failed, flush=True)
    for task in tasks:
        task.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--streams", type=int, required=True)
    options = parser.parse_args()
    try:
        import uvloop
    except ImportError:
        asyncio.run(_hold(options.port, options.streams))
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_hold(options.port, options.streams))


if __name__ == "__main__":
    main()
