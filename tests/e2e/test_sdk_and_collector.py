"""The SDK in remote mode and the real collector: two homes, one record, one `status`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from farebox_process import Shell

BEGIN = """
import os, sys, time
import farebox
def call(customer="acme"):
    return farebox.record(provider="openai", model="gpt-4o", usage={"input_uncached": 100, "output_text": 10},
                          customer=customer)
"""
WAIT_S = 90.0


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for each in held:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


class Collecting:
    """A Farebox that collects, and another home where programs run."""

    def __init__(self, folder: Path) -> None:
        (folder / "collector").mkdir()
        self.proxy_port, self.port = free_ports(2)
        self.shell = Shell(
            folder / "collector",
            f"listen: 127.0.0.1:{self.proxy_port}\ndashboard: 127.0.0.1:{self.port}\n"
            'pricing:\n  house-model: {per_1m: {input: "3"}}\n',
        )
        self.home = folder / "program"
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()
        self.token = self.made("sdk", "ingest")
        self.reader = self.made("reader", "read")

    def start(self) -> None:
        self.shell.farebox("up", "--detach")

    def stop(self) -> None:
        self.shell.farebox("stop", status=None)

    def made(self, name: str, scope: str) -> str:
        done = self.shell.farebox("tokens", "create", name, "--scope", scope, "--json")
        return str(json.loads(done.stdout)["secret"])

    def run(self, program: str, *, wait: bool = True, **more: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", BEGIN + textwrap.dedent(program)],
            env={
                **os.environ, "FAREBOX_HOME": str(self.home), "FAREBOX_COLLECTOR": self.url,
                "FAREBOX_TOKEN": self.token, "FAREBOX_READ_TOKEN": self.reader, **more,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        if wait:
            out, _ = child.communicate(timeout=240)
            assert child.returncode == 0, out
            child.out = out  # type: ignore[attr-defined]
        return child

    def calls(self, count: int) -> list[dict[str, Any]]:
        """Return every call of the record, once there are so many."""
        deadline = time.monotonic() + WAIT_S
        while True:
            rows = self.shell.rows()
            if len(rows) >= count or time.monotonic() > deadline:
                return rows
            time.sleep(0.2)


@pytest.fixture
def collecting(tmp_path: Path) -> Iterator[Collecting]:
    made = Collecting(tmp_path)
    try:
        yield made
    finally:
        made.stop()


def test_what_a_program_records_is_in_the_record_of_the_collector_once(collecting: Collecting) -> None:
    collecting.run("""
        for number in range(300):
            call(f"c{number % 3}")
        farebox.outcome("lead.qualified", task="t-1", value="40.00")
        assert farebox.flush(60)
        assert farebox.record(provider="openai", model="gpt-4o", usage={"output_text": 1}, event_id="mine",
                              occurred_at=1_796_000_000_000_000_000 - 86_400_000_000_000 * 30)
        assert farebox.flush(60)
    """)  # fmt: skip
    rows = collecting.calls(301)
    assert len(rows) == 301
    assert sum(row["output_tokens"] for row in rows) == 3001
    collecting.shell.farebox("verify")
    done = collecting.run("""
        spent = farebox.cost(since="all", customer="c1")
        print(spent.calls, spent.input_tokens, spent.output_tokens)
        usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000}
        response = {"object": "chat.completion", "model": "house-model", "id": "c-1", "usage": usage}
        print(farebox.price(response, provider="openai").cost_usd)
        os.environ["FAREBOX_READ_TOKEN"] = os.environ["FAREBOX_TOKEN"]
        try:
            farebox.cost()
        except farebox.FareboxError as error:
            print(error)
    """)
    spent, price, refused = done.out.splitlines()  # type: ignore[attr-defined]
    assert spent == "100 10000 1000" and price == "3", "by the collector's own price list"
    assert "farebox tokens create reports --scope read" in refused


def test_a_collector_that_is_stopped_and_started_again_gets_everything_once(collecting: Collecting) -> None:
    collecting.run("for number in range(20): call()\nassert farebox.flush(60)")
    collecting.stop()
    collecting.run("for number in range(20): call()")
    collecting.start()
    collecting.run("""
        from pathlib import Path
        farebox.configure(flush_interval=0.05)
        call()
        deadline = time.monotonic() + 60
        while len(list(Path(os.environ["FAREBOX_HOME"]).glob("collectors/*/spool/*/sdk-*"))) > 1:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert farebox.flush(60)
    """)
    assert len(collecting.calls(41)) == 41


def test_programs_that_are_killed_while_they_send_are_in_the_record_once(collecting: Collecting) -> None:
    told: list[str] = []
    for number in range(4):
        child = collecting.run(
            f"""
            farebox.configure(flush_interval=0.05, batch_size=10)
            number = 0
            while True:
                call(f"{number}-{{number}}")
                print(f"{number}-{{number}}", flush=True)
                number += 1
            """,
            wait=False,
        )
        assert child.stdout is not None
        told += [child.stdout.readline().strip() for _ in range(200 + 100 * number)]
        os.kill(child.pid, signal.SIGKILL)
        told += child.stdout.read().split("\n")[:-1]
        child.communicate()
    collecting.run("""
        from pathlib import Path
        farebox.configure(flush_interval=0.05)
        call("last")
        deadline = time.monotonic() + 60
        while len(list(Path(os.environ["FAREBOX_HOME"]).glob("collectors/*/spool/*/sdk-*"))) > 1:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert farebox.flush(60)
    """)
    customers = [row["attribution"]["customer"] for row in collecting.calls(len(told) + 1)]
    assert len(customers) == len(set(customers)), "none twice"
    assert not set(told) - set(customers), "none missing"


def test_status_of_the_collector_shows_exactly_what_a_full_spool_refused(collecting: Collecting) -> None:
    collecting.stop()
    child = collecting.run(
        """
        from farebox.sdk.process_meter import existing
        farebox.configure(spool_bytes=1 << 20, flush_interval=0.05)
        made = 0
        call()
        writer = existing().recorder._writer
        while writer.health.lost_exchanges < 1_000:
            call()
            made += 1
        print("full", made + 1, writer.health.lost_exchanges, flush=True)
        sys.stdin.readline()
        assert farebox.flush(120) in (True, False)
        deadline = time.monotonic() + 120
        while writer.has_waiting or not farebox.flush(120):
            assert time.monotonic() < deadline
        print("sent", flush=True)
        """,
        wait=False,
    )
    assert child.stdout is not None
    said = child.stdout.readline().split()
    made, lost = int(said[1]), int(said[2])
    child.kill() if said[0] != "full" else None
    collecting.start()
    out, _ = child.communicate(timeout=240)
    assert child.returncode == 0, out
    assert len(collecting.calls(made - lost)) == made - lost
    status = json.loads(collecting.shell.farebox("status", "--json", status=None).stdout)
    found = json.dumps(status)
    assert f'"lost_exchanges": {lost}' in found, found
    assert f"{lost:,}" in collecting.shell.farebox("status", status=None).stdout
