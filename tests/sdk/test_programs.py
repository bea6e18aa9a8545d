"""Programs on what is not among the locked packages: urllib3 1, trio, Celery's prefork, gunicorn's preload.

They run in an environment of their own, which is installed once, outside of the clone.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from metered import Metered, tokens
from tests.client_environments import python_with
from tools.upstream import Hang, Reply, Request, Reset, chat_answer, chat_events, json_reply, sse_reply

from farebox.ledger.call_row import CallRow

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent / "programs"
CHAT = (1203, 1024, 187)


@pytest.fixture(scope="session")
def python() -> Path:
    return python_with(PROGRAMS / "requirements.lock")


def environment(metered: Metered, **more: str) -> dict[str, str]:
    """Of the environment of these tests only what the base install needs is used, and it comes last."""
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    last = metered.home.path.parent / "last"
    last.mkdir(exist_ok=True)
    (last / "sitecustomize.py").write_text(f"import sys; sys.path.append({packages!r})\n")
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'src'}:{PROGRAMS}:{last}",
        "FAREBOX_HOME": str(metered.home.path),
        "TEST_URL": url_of(metered),
        **more,
    }


def url_of(metered: Metered) -> str:
    return metered.url("openai") + "/v1/chat/completions"


def of_tasks(metered: Metered) -> dict[str, list[CallRow]]:
    found: dict[str, list[CallRow]] = {}
    for row in metered.rows():
        found.setdefault(row.attribution["task"], []).append(row)
    return found


class Answers:
    """What the model's name asks for."""

    def __init__(self) -> None:
        self._busy = 0

    def __call__(self, request: Request) -> Reply:
        body: dict[str, Any] = request.json()
        model, events = body["model"], chat_events(5)
        if model == "silent":
            return Reply(200, (), [Hang()], "raw")  # type: ignore[list-item]
        if model in ("hangs", "breaks"):
            end: Any = Hang() if model == "hangs" else Reset()
            return sse_reply([*events[:3], end])
        if model == "error":
            return json_reply({"error": {"message": "no"}}, 400)
        if model == "gzip":
            headers = ((b"content-type", b"application/json"), (b"content-encoding", b"gzip"))
            return Reply(200, headers, gzip.compress(json.dumps(chat_answer()).encode(), mtime=0))
        if model == "busy":
            self._busy += 1
            if self._busy % 3:
                return json_reply({"error": {"message": "busy"}}, 503)
        return sse_reply(events) if body.get("stream") else json_reply(chat_answer())


def printed(python: Path, metered: Metered, program: str, **more: str) -> list[str]:
    metered.mock.respond = Answers()
    done = subprocess.run(
        [python, PROGRAMS / program, url_of(metered)],
        env=environment(metered, **more), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.splitlines()


def test_calls_over_urllib3_one_and_requests_on_it_are_metered_and_unchanged(
    metered: Metered, python: Path
) -> None:
    without = printed(python, metered, "urllib3_one.py", FAREBOX_DISABLED="1")
    assert len(without) == 10
    assert printed(python, metered, "urllib3_one.py") == without
    rows = of_tasks(metered)
    assert {name: len(some) for name, some in rows.items()} == {
        **dict.fromkeys([json.loads(line)[0] for line in without], 1), "retried": 3,
    }  # fmt: skip
    for name in ("whole", "streamed", "compressed", "preloaded", "preloaded stream", "retried"):
        row = rows[name][-1]
        assert (tokens(row), row.outcome, row.completeness) == (CHAT, "completed", "final"), name
    assert [(row.status, row.attempt) for row in rows["retried"]] == [(503, 0), (503, 1), (200, 2)]
    for name in ("left", "forgotten"):
        assert (rows[name][0].outcome, rows[name][0].status) == ("client_disconnected", 200), name
    assert rows["broken"][0].outcome == "upstream_failed"
    assert (rows["error"][0].status, rows["error"][0].cost_pico) == (400, 0)


def test_calls_of_a_program_on_trio_are_metered_and_unchanged(metered: Metered, python: Path) -> None:
    without = printed(python, metered, "trio_client.py", FAREBOX_DISABLED="1")
    assert printed(python, metered, "trio_client.py") == without
    rows = of_tasks(metered)
    assert {name: len(some) for name, some in rows.items()} == {
        "whole": 1, "streamed": 1, "left": 1, "cancelled": 1,
    }  # fmt: skip
    assert tokens(rows["whole"][0]) == tokens(rows["streamed"][0]) == CHAT
    assert {rows[name][0].outcome for name in ("left", "cancelled")} == {"client_disconnected"}


def until(is_so: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait for what has to come; how long it takes decides nothing."""
    deadline = time.monotonic() + 120
    while not is_so():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)


def test_celerys_prefork_workers_meter_each_by_itself(metered: Metered, python: Path, tmp_path: Path) -> None:
    broker = tmp_path / "broker"
    broker.mkdir()
    count = 12
    variables = environment(metered, TEST_BROKER=str(broker), TEST_TASKS=str(count))
    worker = subprocess.Popen(
        [python, "-m", "celery", "-A", "celery_app", "worker", "-P", "prefork", "-c", "2", "-l", "ERROR",
         "--without-gossip", "--without-mingle", "--without-heartbeat"],
        env={**variables, "C_FORCE_ROOT": "1"}, cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        subprocess.run([python, PROGRAMS / "celery_app.py"], env=variables, check=True, timeout=60)
        until(lambda: len(metered.mock.requests) >= count, worker)
    finally:
        end(worker)
    rows = of_tasks(metered)
    assert sorted(map(int, rows)) == list(range(count)) and {len(some) for some in rows.values()} == {1}
    assert all(tokens(some[0]) == CHAT for some in rows.values())
    assert str(worker.pid) not in {some[0].attribution["tag.worker"] for some in rows.values()}
    assert len({some[0].source for some in rows.values()}) == 1


def test_gunicorns_workers_meter_each_by_itself_after_a_preload_that_made_a_call(
    metered: Metered, python: Path, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    server = subprocess.Popen(
        [python, "-m", "gunicorn", "--preload", "-w", "2", "-b", address, "--log-level", "critical",
         "--no-control-socket", "gunicorn_app:app"],
        env=environment(metered), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    workers: set[str] = set()

    def asked(number: int) -> bool:
        try:
            with urlopen(f"http://{address}/{number}", timeout=30) as response:
                workers.add(response.read().decode())
            return True
        except OSError:
            return False

    try:
        until(lambda: asked(0), server)
        count = 1
        while len(workers) < 2 and count < 200:
            assert asked(count)
            count += 1
    finally:
        end(server)
    rows = of_tasks(metered)
    assert {len(some) for some in rows.values()} == {1}
    assert set(rows) == {"preloading", *map(str, range(count))}
    by = {some[0].attribution["tag.worker"] for some in rows.values()}
    assert by == workers | {str(server.pid)}
    assert all(tokens(some[0]) == CHAT for some in rows.values())
