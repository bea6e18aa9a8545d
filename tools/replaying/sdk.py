"""Send recordings from a program that the SDK meters, and read the exported rows.

The mock responds with the recorded bytes; httpx, requests and aiohttp send in turn. The configuration says
that each provider is found below a path of its own at the mock, as it would for a gateway. With a collector,
the rows are those of another home, to which the SDK has sent what it recorded.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from farebox.catalog import Catalog
from replaying import live
from replaying.recordings import Recording
from upstream import MockUpstream


def replay(
    catalog: Catalog, recordings: Sequence[Recording], seed: int, *, collector: bool = False
) -> dict[int, list[dict[str, Any]]]:
    """Return the exported rows of each recording of HTTP, by its place in `recordings`."""
    import farebox
    from farebox.sdk.faults import counts

    names = [live.name_of(catalog, recording) for recording in recordings]
    numbers = [number for number, recording in enumerate(recordings) if recording.plain_http]
    answers = live.answers(recordings, seed)
    with (
        tempfile.TemporaryDirectory(prefix="farebox-replay-") as folder,
        MockUpstream(answers, keep_requests=False) as serving,
    ):
        home = Path(folder) / "home"
        home.mkdir(mode=0o700)
        config = home / "farebox.yaml"
        lines = ["providers:"]
        for name, spoken in sorted({names[number] for number in numbers}, key=lambda pair: pair[0]):
            speaks = f", speaks: {spoken}" if spoken else ""
            lines.append(f'  {name}: {{upstream: "{serving.url}/{name}"{speaks}}}')
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        os.environ["FAREBOX_HOME"] = str(home)
        farebox.configure(home=home)
        collecting = _Collector(Path(folder), lines) if collector else None
        if collecting is not None:
            farebox.configure(collector=collecting.url, token=collecting.token)
        farebox.instrument()
        try:
            for turn, send in enumerate((_with_httpx, _with_requests, _with_aiohttp)):
                send(serving.url, recordings, numbers[turn::3], names)
            if not farebox.flush(timeout=120):
                print("not everything was acknowledged", file=sys.stderr)
        finally:
            farebox.shutdown()
        if counts:
            print(f"the SDK reported {dict(counts)}", file=sys.stderr)
        if collecting is None:
            return live.settled(home, config, len(numbers))
        try:
            return live.settled(collecting.home, collecting.home / "farebox.yaml", len(numbers))
        finally:
            collecting.stop()


class _Collector:
    """A Farebox with a home of its own."""

    def __init__(self, folder: Path, lines: Sequence[str]) -> None:
        self.home = folder / "collector"
        self.home.mkdir(mode=0o700)
        port, proxy_port = _free_ports(2)
        own = [f"listen: 127.0.0.1:{proxy_port}", f"dashboard: 127.0.0.1:{port}"]
        (self.home / "farebox.yaml").write_text("\n".join([*own, *lines]) + "\n", encoding="utf-8")
        self.url = f"http://127.0.0.1:{port}"
        self._run("up", "--detach")
        self.token: str = json.loads(self._run("tokens", "create", "replay", "--scope", "ingest", "--json"))[
            "secret"
        ]

    def stop(self) -> None:
        self._run("stop")

    def _run(self, *words: str) -> str:
        command = [sys.executable, "-m", "farebox.cli", *words]
        environment = {**os.environ, "FAREBOX_HOME": str(self.home)}
        return subprocess.run(
            command, env=environment, cwd=self.home, stdout=subprocess.PIPE, text=True, check=True
        ).stdout


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for each in held:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def _requests_of(
    url: str, recordings: Sequence[Recording], numbers: Sequence[int], names: Sequence[tuple[str, str | None]]
) -> list[tuple[Recording, str, dict[str, str], bytes | None]]:
    found: list[tuple[Recording, str, dict[str, str], bytes | None]] = []
    for number in numbers:
        recording = recordings[number]
        headers = live.request_headers(recording, number)
        found.append(
            (recording, f"{url}/{names[number][0]}{recording.path}", headers, recording.request_body or None)
        )
    return found


def _compare(recording: Recording, status: int, received: bytes) -> None:
    if status != recording.status or received != recording.response_body:
        print(
            f"{recording.id}: sent {recording.status} with {len(recording.response_body)} bytes, "
            f"the client received {status} with {len(received)}",
            file=sys.stderr,
        )


def _with_httpx(url: str, *what: Any) -> None:
    import httpx

    with httpx.Client(timeout=30, trust_env=False) as client:
        for recording, target, headers, body in _requests_of(url, *what):
            with client.stream(recording.method, target, headers=headers, content=body) as response:
                received = b"".join(response.iter_raw())
            _compare(recording, response.status_code, received)


def _with_requests(url: str, *what: Any) -> None:
    import requests

    with requests.Session() as session:
        session.trust_env = False
        for recording, target, headers, body in _requests_of(url, *what):
            response = session.request(
                recording.method, target, headers=headers, data=body, timeout=30, allow_redirects=False
            )
            _compare(recording, response.status_code, response.content)


def _with_aiohttp(url: str, *what: Any) -> None:
    import aiohttp
    from yarl import URL

    async def send() -> None:
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
            for recording, target, headers, body in _requests_of(url, *what):
                place = URL(target, encoded=True)
                async with session.request(
                    recording.method, place, headers=headers, data=body, allow_redirects=False
                ) as response:
                    _compare(recording, response.status, await response.read())

    asyncio.run(send())
