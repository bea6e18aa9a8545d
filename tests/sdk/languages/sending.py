"""One list of calls, sent by the SDKs of other languages, and what they recorded of it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from farebox.catalog import Catalog, load
from farebox.clock import now_ns
from farebox.ingest.event_reading import EventReader
from farebox.ingest.limits import IngestLimits
from farebox.ingest.trust import LOCAL
from farebox.journal.records import Done, decode_done

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools"))

from replaying import live  # noqa: E402
from replaying.recordings import Recording  # noqa: E402
from upstream import MockUpstream, Reply  # noqa: E402

CATALOG: Catalog = load()
READER = EventReader(CATALOG, IngestLimits(), b"s" * 32)
_NOT_SENT = (
    "connection",
    "content-length",
    "host",
    "expect",
    "transfer-encoding",
    "accept-encoding",
    "keep-alive",
)


LANGUAGES = ("node", "go")


def sender_of(request: pytest.FixtureRequest) -> Sequence[str]:
    """Return the program that sends with the SDK of the language that a test is run with.

    Skips the test where that language's tools are missing.
    """
    return request.getfixturevalue(f"{request.param}_sender")


@dataclass(frozen=True)
class Call:
    """What is sent to whom, and what comes back."""

    provider: str
    """As the catalog names it."""
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    reply: Reply
    response: bytes


def calls_of(recordings: Sequence[Recording], seed: int = 1) -> list[Call]:
    """Return recordings as calls; the responses are cut at random."""
    answer = live.answers(recordings, seed)
    calls: list[Call] = []
    for number, recording in enumerate(recordings):
        name, spoken = live.name_of(CATALOG, recording)
        calls.append(
            Call(
                spoken or name,
                recording.method,
                recording.path,
                live.request_headers(recording, number),
                recording.request_body,
                answer(_Numbered(number)),
                recording.response_body,
            )
        )
    return calls


class _Numbered:
    """As much of a request as `live.answers` asks for."""

    def __init__(self, number: int) -> None:
        self._number = str(number)

    def header(self, _name: str) -> str:
        return self._number


def send(command: Sequence[str], home: Path, calls: Sequence[Call]) -> dict[int, list[Done]]:
    """Send calls with a program of another language and return what it recorded of each, as records.

    Asserts that the program received every byte as it was sent.
    """
    home.mkdir(mode=0o700)
    with MockUpstream(
        lambda request: calls[int(request.header("x-call") or 0)].reply, keep_requests=False
    ) as serving:
        lines = list(_lines(serving.url, calls))
        providers = json.dumps({f"{serving.url}/{call.provider}": call.provider for call in calls})
        environment = {**os.environ, "FAREBOX_HOME": str(home), "FAREBOX_COLLECTOR": ""}
        program = subprocess.run(
            [*command, providers],
            input="".join(lines),
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            timeout=120,
            check=True,
        )
    told = {entry["number"]: entry for entry in map(json.loads, program.stdout.splitlines())}
    for number, call in enumerate(calls):
        received = told[number]["status"], told[number]["digest"]
        assert received == (call.reply.status, hashlib.sha256(call.response).hexdigest()), (number, call.path)
    return _recorded(home / "spool")


def _lines(url: str, calls: Sequence[Call]) -> Iterator[str]:
    for number, call in enumerate(calls):
        headers = {name: value for name, value in call.headers.items() if name.lower() not in _NOT_SENT}
        entry = {
            "number": number,
            "url": f"{url}/{call.provider}{call.path}",
            "method": call.method,
            "headers": {**headers, "x-call": str(number)},
            "body": base64.b64encode(call.body).decode(),
        }
        yield json.dumps(entry) + "\n"


def _recorded(spool: Path) -> dict[int, list[Done]]:
    found: dict[int, list[Done]] = {}
    for path in sorted(spool.iterdir()):
        for line in path.read_bytes().splitlines():
            done = decode_done(READER.read(line, LOCAL, now_ns()).record)
            found.setdefault(int(done.attribution["task"]), []).append(done)
    return found
