"""Remote mode in whole programs: forks, crashes, ends, and a collector that is not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from collectors import CollectorServer
from metered import Metered

import farebox
from farebox.errors import UsageError
from farebox.sdk.process_meter import existing
from farebox.sdk.settings import Settings, settings
from farebox.sdk.shipping.background import Background

BEGIN = """
import os, sys, time
import farebox
def alone(seconds=60):
    # Return once nothing is left of programs that have ended.
    from pathlib import Path
    farebox.configure(flush_interval=0.05)
    farebox.record(provider="openai", model="gpt-4o", usage={"output_text": 1}, customer="waits")
    deadline = time.monotonic() + seconds
    while len(list(Path(os.environ["FAREBOX_HOME"]).glob("collectors/*/spool/*/sdk-*"))) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert farebox.flush(seconds)
def call(customer="acme"):
    return farebox.record(provider="openai", model="gpt-4o", usage={"output_text": 10}, customer=customer)
"""
TOKEN = "fbi_good"
WAIT_S = 60.0
ROUNDS = int(os.environ.get("FAREBOX_KILL_ROUNDS", "12"))


@pytest.fixture
def server() -> Iterator[CollectorServer]:
    with CollectorServer(token=TOKEN) as made:
        yield made


@pytest.fixture
def remote(metered: Metered, server: CollectorServer) -> Iterator[CollectorServer]:
    """This process in remote mode."""
    farebox.configure(collector=server.url, token=TOKEN, flush_interval=0.05)
    yield server
    farebox.shutdown()
    forget_settings()


def forget_settings() -> None:
    farebox.configure(collector="")
    for name in ("collector", "token", "read_token", "flush_interval_s", "batch_size", "spool_bytes_max"):
        setattr(settings, name, getattr(Settings, name))


def run(
    home: Path, url: str, program: str, *, wait: bool = True, **environment: str
) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", BEGIN + textwrap.dedent(program)],
        env={
            **os.environ, "FAREBOX_HOME": str(home), "FAREBOX_COLLECTOR": url, "FAREBOX_TOKEN": TOKEN,
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if wait else None,
        text=True,
    )  # fmt: skip
    if wait:
        out, errors = child.communicate(timeout=120 + 2 * ROUNDS)
        assert child.returncode == 0, out + errors
    return child


def customers(server: CollectorServer) -> list[str]:
    return sorted(event["customer"] for event in server.collector.of("call"))


def until(server: CollectorServer, calls: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while len(server.collector.of("call")) < calls:
        assert time.monotonic() < deadline, f"{len(server.collector.of('call'))} of {calls} arrived"
        time.sleep(0.02)


def folders(home: Path) -> list[str]:
    return [path.parent.name for path in (home / "collectors").glob("*/spool/*/*/lock")]


# -- in this process --


def test_calls_go_to_the_collector_in_the_background_and_not_into_the_record_of_this_machine(
    metered: Metered, remote: CollectorServer
) -> None:
    import requests

    farebox.instrument()
    with farebox.attribute(customer="acme", tags={"feature": "summary"}):
        requests.post(metered.url("openai") + "/v1/chat/completions", json={"model": "gpt-4o"}, timeout=30)
    until(remote, 1)
    (event,) = remote.collector.of("call")
    assert (event["customer"], event["tags"], event["witness"]) == ("acme", {"feature": "summary"}, "sdk")
    assert event["status"] == 200 and event["outcome" if "outcome" in event else "provider"] == "openai"
    assert metered.rows() == [] and not metered.errors


def test_flush_returns_when_the_collector_has_acknowledged_everything(
    metered: Metered, remote: CollectorServer
) -> None:
    farebox.configure(flush_interval=3600)
    for number in range(350):
        farebox.record(provider="openai", model="gpt-4o", usage={"output_text": 1}, customer=f"c{number}")
    farebox.outcome("lead.qualified", task="t-1", value="40.00")
    farebox.score(name="faithfulness", value=0.92, task="t-1")
    assert farebox.flush(timeout=60)
    assert len(remote.collector.of("call")) == 350
    assert [each["value"] for each in remote.collector.of("score")] == ["0.92"]
    assert farebox.flush(timeout=0.0), "there is nothing left"


def test_flush_says_that_it_could_not_and_nothing_is_lost(metered: Metered, remote: CollectorServer) -> None:
    remote.status = 503
    farebox.record(provider="openai", model="gpt-4o", usage={"output_text": 1})
    assert not farebox.flush(timeout=0.3)
    remote.status = 200
    assert farebox.flush(timeout=60)
    assert len(remote.collector.of("call")) == 1


def test_a_collector_that_hangs_keeps_nobody_waiting(metered: Metered, remote: CollectorServer) -> None:
    remote.hangs.clear()
    farebox.record(provider="openai", model="gpt-4o", usage={"output_text": 1})
    assert not farebox.flush(timeout=0.2)
    began = time.monotonic()
    for _ in range(200):
        farebox.record(provider="openai", model="gpt-4o", usage={"output_text": 1})
    assert time.monotonic() - began < 5
    remote.hangs.set()
    assert farebox.flush(timeout=60)
    assert len(remote.collector.of("call")) == 201


def test_an_event_with_an_id_of_its_own_is_one_event_however_often_it_is_recorded(
    metered: Metered, remote: CollectorServer
) -> None:
    for _ in range(3):
        farebox.record(provider="openai", model="gpt-4o", usage={"output_text": 1}, event_id="order-7",
                       occurred_at=1_700_000_000_000_000_000)  # fmt: skip
    assert farebox.flush(timeout=60)
    assert [event["id"] for event in remote.collector.of("call")] == ["order-7"]


def test_shutdown_sends_what_there_is_and_leaves_no_litter(metered: Metered, remote: CollectorServer) -> None:
    farebox.record(provider="openai", model="gpt-4o", usage={"output_text": 1})
    farebox.shutdown()
    assert len(remote.collector.of("call")) == 1
    assert not folders(metered.home.path)
    farebox.record(provider="openai", model="gpt-4o", usage={"output_text": 1})
    assert farebox.flush(timeout=60), "a later record opens another journal"
    assert len(remote.collector.of("call")) == 2


def test_what_is_under_way_at_shutdown_is_recorded_at_its_end_and_never_as_unknown(
    metered: Metered, remote: CollectorServer
) -> None:
    import httpx

    farebox.instrument()
    url = metered.url("openai") + "/v1/chat/completions"
    with httpx.Client() as client, client.stream("POST", url, json={"model": "gpt-4o"}) as response:
        farebox.shutdown()
        assert not remote.collector.events
        assert response.read()
    assert farebox.flush(timeout=60)
    (event,) = remote.collector.of("call")
    assert event.get("outcome", "completed") == "completed" and event["status"] == 200


def test_a_flush_beneath_which_the_journal_is_closed_has_flushed(
    metered: Metered, remote: CollectorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpx

    def wait_for_the_end(background: Background, seconds: float) -> None:
        assert background._thread is not None
        background._thread.join(seconds)

    monkeypatch.setattr(Background, "_wait_for_step", wait_for_the_end)
    farebox.instrument()
    url = metered.url("openai") + "/v1/chat/completions"
    with httpx.Client() as client, client.stream("POST", url, json={"model": "gpt-4o"}) as response:
        recorder = existing().recorder  # type: ignore[union-attr]
        recorder.close()
        assert response.read()
    assert farebox.flush(timeout=10)


def test_settings_that_make_no_sense_are_refused(metered: Metered) -> None:
    for wrong in (
        {"collector": "http://collector.example"},
        {"collector": "nothing"},
        {"token": "two words"},
        {"batch_size": 0},
        {"flush_interval": -1},
        {"spool_bytes": 10},
    ):
        with pytest.raises(UsageError):
            farebox.configure(**wrong)  # type: ignore[arg-type]
    assert settings.collector is None and settings.token is None


# -- whole programs --


def test_a_short_program_has_sent_everything_when_it_ends(server: CollectorServer, tmp_path: Path) -> None:
    run(tmp_path / "home", server.url, "for number in range(10): call(f'c{number}')")
    assert len(customers(server)) == 10
    assert not folders(tmp_path / "home")


def test_a_program_ends_at_once_where_nobody_listens_and_the_next_one_sends(tmp_path: Path) -> None:
    with CollectorServer(token=TOKEN) as gone:
        url, port = gone.url, gone.port
    run(tmp_path / "home", url, "call('first'); began = time.monotonic()")
    assert len(folders(tmp_path / "home")) == 1
    with CollectorServer(token=TOKEN, port=port) as back:
        run(tmp_path / "home", url, "call('second')\nalone()")
        assert customers(back) == ["first", "second", "waits"]


def test_a_token_that_is_refused_is_said_once_and_events_wait_for_a_better_one(
    server: CollectorServer, tmp_path: Path
) -> None:
    program = """
        told = []
        farebox.configure(on_error=told.append)
        call("waits for a token")
        assert not farebox.flush(0.2)
        assert "farebox tokens create sdk --scope ingest" in str(told[0]), told
        """
    run(tmp_path / "home", server.url, program, FAREBOX_TOKEN="fbi_wrong")
    assert not server.collector.events
    run(tmp_path / "home", server.url, "alone()")
    assert customers(server) == ["waits", "waits for a token"]


@pytest.mark.parametrize("bad", ["fbx_ingest_SECRET\nThis is shown once.", "fbx_ingest_SECRET€"])
def test_a_token_of_the_environment_that_is_none_is_said_and_not_shown(
    server: CollectorServer, tmp_path: Path, bad: str
) -> None:
    program = """
        told = []
        farebox.configure(on_error=told.append)
        call("waits for a token")
        assert not farebox.flush(0.2)
        assert "FAREBOX_TOKEN is not what" in str(told[0]), told
        assert not any("SECRET" in repr(error) + str(error.__context__) for error in told), told
        """
    run(tmp_path / "home", server.url, program, FAREBOX_TOKEN=bad)
    run(tmp_path / "home", server.url, "alone()")
    assert customers(server) == ["waits", "waits for a token"]


def test_a_full_spool_is_said_to_the_program_once_each_time(tmp_path: Path) -> None:
    with CollectorServer() as gone:
        url = gone.url
    run(tmp_path / "home", url, """
        told = []
        farebox.configure(on_error=told.append, spool_bytes=256 << 10)
        for _ in range(3_000):
            farebox.record(provider="openai", model="gpt-4o", usage={"input_uncached": 1})
        full = [str(error) for error in told if "spool" in str(error)]
        assert len(full) == 1, told
        assert "reached its 262,144 bytes: records wait in memory" in full[0], full
    """)  # fmt: skip


def test_a_program_ends_soon_while_the_collector_hangs(server: CollectorServer, tmp_path: Path) -> None:
    server.hangs.clear()
    began = time.monotonic()
    run(tmp_path / "home", server.url, "call('first')")
    run(tmp_path / "home", server.url, "call('second')\nfarebox.shutdown(timeout=0.2)")
    assert time.monotonic() - began < 20, "it is waited for 2 s each, not for its 30 s to respond"
    server.hangs.set()
    run(tmp_path / "home", server.url, "alone()")
    assert customers(server) == ["first", "second", "waits"]


def test_a_plain_http_collector_of_the_environment_is_refused_and_calls_stay_here(tmp_path: Path) -> None:
    run(tmp_path / "home", "http://collector.example", """
        told = []
        farebox.configure(on_error=told.append)
        call()
        assert farebox.flush()
        assert "the token would travel in the clear" in str(told[0]), told
    """)  # fmt: skip
    assert list((tmp_path / "home" / "journal").iterdir())
    assert not (tmp_path / "home" / "collectors").exists()


def test_children_of_a_fork_send_by_themselves(server: CollectorServer, tmp_path: Path) -> None:
    """gunicorn's preload, and any fork of a program that has a thread and a connection already."""
    run(
        tmp_path / "home",
        server.url,
        """
        farebox.configure(flush_interval=0.05)
        call("parent before")
        assert farebox.flush(60)
        children = []
        for number in range(3):
            pid = os.fork()
            if pid == 0:
                call(f"child {number}")
                os._exit(0 if farebox.flush(60) else 1)
            children.append(pid)
        assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
        call("parent after")
        assert farebox.flush(60)
        """,
    )
    assert customers(server) == ["child 0", "child 1", "child 2", "parent after", "parent before"]


def test_a_fork_in_the_middle_of_a_batch_breaks_nobody(server: CollectorServer, tmp_path: Path) -> None:
    run(
        tmp_path / "home",
        server.url,
        """
        farebox.configure(flush_interval=0.05, batch_size=5)
        for number in range(40):
            for _ in range(5):
                call("parent")
            if (pid := os.fork()) == 0:
                call("child")
                os._exit(0 if farebox.flush(60) else 1)
            assert os.waitpid(pid, 0)[1] == 0
        assert farebox.flush(60)
        """,
    )
    assert customers(server) == ["child"] * 40 + ["parent"] * 200


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_send_when_they_end(
    server: CollectorServer, tmp_path: Path, method: str
) -> None:
    program = tmp_path / "program.py"
    body = f"""
        import multiprocessing
        if __name__ == "__main__":
            context = multiprocessing.get_context("{method}")
            children = [context.Process(target=call, args=(f"child {{number}}",)) for number in range(2)]
            for child in children:
                child.start()
            for child in children:
                child.join()
            call("parent")
        """
    program.write_text(BEGIN + textwrap.dedent(body), encoding="utf-8")
    environment = {
        **os.environ, "FAREBOX_HOME": str(tmp_path / "home"), "FAREBOX_COLLECTOR": server.url,
        "FAREBOX_TOKEN": TOKEN,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(program)], env=environment, timeout=120, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert customers(server) == ["child 0", "child 1", "parent"]


@pytest.mark.timeout(300 + 10 * ROUNDS)
def test_a_program_killed_again_and_again_loses_no_call_and_doubles_none(
    server: CollectorServer, tmp_path: Path
) -> None:
    """Each round dies while it records and sends; the next one sends what it left."""
    told: list[str] = []
    for number in range(ROUNDS):
        child = run(
            tmp_path / "home",
            server.url,
            f"""
            farebox.configure(flush_interval=0.05, batch_size=7)
            number = 0
            while True:
                customer = f"{number}-{{number}}"
                call(customer)
                print(customer, flush=True)
                number += 1
                time.sleep(0.0005)
            """,
            wait=False,
        )
        assert child.stdout is not None
        told += [child.stdout.readline().strip() for _ in range(40 + 60 * (number % 12))]
        os.kill(child.pid, signal.SIGKILL)
        told += child.stdout.read().split("\n")[:-1]
        child.wait()
        child.stdout.close()
    run(tmp_path / "home", server.url, f"call('last')\nalone({60 + ROUNDS})")
    arrived = customers(server)
    assert len(arrived) == len(set(arrived)), "none twice"
    missing = set(told) - set(arrived)
    assert not missing, "every call that the program knew to be recorded"
    assert len(arrived) <= len(told) + ROUNDS + 2, "and at most one a round that it did not know of"


def test_remote_mode_loads_nothing_of_the_standard_extra(server: CollectorServer, tmp_path: Path) -> None:
    run(
        tmp_path / "home",
        server.url,
        """
        call()
        assert farebox.flush(60)
        heavy = {"apsw", "duckdb", "sqlalchemy", "starlette", "cryptography", "rich", "uvloop", "httptools",
                 "requests", "urllib3", "httpx", "asyncio"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        """,
    )


def test_a_program_without_a_collector_has_no_thread_and_no_network(tmp_path: Path) -> None:
    run(
        tmp_path / "home",
        "",
        """
        import threading
        call()
        assert farebox.flush()
        assert threading.active_count() == 1
        assert not {"ssl", "http.client"} & set(sys.modules)
        """,
    )
