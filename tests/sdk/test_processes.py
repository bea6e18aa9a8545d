"""Programs that fork, spawn, are killed, or live for a moment: every call once, nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from metered import Metered, tokens
from tests.client_environments import python_with
from tools.upstream import chat_answer, json_reply

CHAT = (1203, 1024, 187)
ROOT = Path(__file__).resolve().parents[2]

BEGIN = """
import os, sys
import farebox, requests
url = sys.argv[1]
def call(customer="acme"):
    with farebox.attribute(customer=customer):
        return requests.post(url, json={"model": "gpt-4o"}, timeout=30).status_code
"""


def run(metered: Metered, program: str, *, wait: bool = True, **environment: str) -> subprocess.Popen[str]:
    url = metered.url("openai") + "/v1/chat/completions"
    child = subprocess.Popen(
        [sys.executable, "-c", BEGIN + textwrap.dedent(program), url],
        env={**os.environ, "FAREBOX_HOME": str(metered.home.path), **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    if wait:
        out, _ = child.communicate(timeout=120)
        assert child.returncode == 0, out
    return child


def customers(metered: Metered) -> list[str]:
    return sorted(row.attribution["customer"] for row in metered.rows())


def test_a_child_of_a_fork_goes_on_metering_with_a_journal_of_its_own(metered: Metered) -> None:
    run(
        metered,
        """
        farebox.instrument()
        call("parent before")
        child = os.fork()
        if child == 0:
            call("child")
            os._exit(0)
        os.waitpid(child, 0)
        call("parent after")
        """,
    )
    folders = [entry.name for entry in metered.home.journal.iterdir()]
    assert len(folders) == 2
    assert customers(metered) == ["child", "parent after", "parent before"]
    assert len({row.source for row in metered.rows()}) == 1, "one source a program, not one a process"
    assert not list(metered.home.journal.iterdir()), "folders of the dead are removed once they are applied"


def test_workers_that_were_forked_after_preloading_meter_each_by_itself(metered: Metered) -> None:
    """gunicorn's preload and Celery's prefork: instrumented before the fork, no call before it."""
    run(
        metered,
        """
        farebox.instrument()
        children = []
        for number in range(4):
            pid = os.fork()
            if pid == 0:
                for _ in range(3):
                    call(f"worker {number}")
                os._exit(0)
            children.append(pid)
        for pid in children:
            os.waitpid(pid, 0)
        """,
    )
    assert customers(metered) == sorted(f"worker {number}" for number in range(4) for _ in range(3))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_meters_in_every_child_that_instruments(
    metered: Metered, tmp_path: Path, method: str
) -> None:
    program = tmp_path / "program.py"
    body = f"""
        import multiprocessing
        farebox.instrument()
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
    done = subprocess.run(
        [sys.executable, str(program), metered.url("openai") + "/v1/chat/completions"],
        env={**os.environ, "FAREBOX_HOME": str(metered.home.path)},
        timeout=120,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert customers(metered) == ["child 0", "child 1", "parent"]


def test_a_stream_that_a_fork_copied_is_recorded_by_its_own_process(metered: Metered) -> None:
    """The child drops its copy at once; what the parent reads to the end counts."""
    run(
        metered,
        """
        import gc
        farebox.instrument()
        body = {"model": "gpt-4o", "stream": True, "stream_options": {"include_usage": True}}
        response = requests.post(url, json=body, stream=True, timeout=30)
        pieces = response.iter_content(None)
        next(pieces)
        child = os.fork()
        if child == 0:
            del pieces, response
            gc.collect()
            os._exit(0)
        os.waitpid(child, 0)
        list(pieces)
        """,
    )
    (row,) = metered.rows()
    assert (row.outcome, tokens(row)) == ("completed", CHAT)


def test_a_program_that_instruments_before_it_imports_its_stack_is_metered(metered: Metered) -> None:
    program = """
    import farebox, sys
    farebox.instrument()
    assert not {"httpx", "urllib3", "aiohttp", "requests"} & set(sys.modules)
    import httpx
    assert httpx.post(sys.argv[1], json={"model": "gpt-4o"}, timeout=30).status_code == 200
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), metered.url("openai") + "/v1/chat/completions"],
        env={**os.environ, "FAREBOX_HOME": str(metered.home.path)},
        timeout=60,
        check=True,
    )
    assert tokens(metered.row()) == CHAT


def test_many_short_lived_programs_leave_no_litter(metered: Metered) -> None:
    children = [run(metered, "farebox.instrument(); call()", wait=False) for _ in range(6)]
    for child in children:
        child.communicate(timeout=120)
    assert len(metered.rows()) == 6
    assert not list(metered.home.journal.iterdir())


KILLED = """
farebox.instrument()
number = 0
while True:
    number += 1
    call(str(number))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


@pytest.mark.parametrize("rounds", [int(os.environ.get("FAREBOX_KILL_ROUNDS", "4"))])
def test_every_call_that_a_killed_program_had_its_response_of_is_there_once(
    metered: Metered, rounds: int
) -> None:
    """`FAREBOX_KILL_ROUNDS=200` is the long form."""
    metered.mock.respond = lambda _: json_reply(chat_answer())
    received = 0
    for number in range(rounds):
        child = run(metered, KILLED, wait=False)
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(1 + number % 7)]
        time.sleep(number % 5 / 1000)
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
        child.stdout.close()
        child.wait()
        received += max(int(line) for line in lines if line.endswith("\n"))
    rows = metered.rows()
    ended = [row for row in rows if row.outcome == "completed"]
    assert received <= len(rows) <= received + rounds
    assert {row.outcome for row in rows} <= {"completed", "unknown"}
    assert len({row.event_id for row in rows}) == len(rows)
    assert len(ended) >= received and all(tokens(row) == CHAT for row in ended)
    assert not list(metered.home.journal.iterdir())


def test_a_call_that_was_under_way_when_its_program_was_killed_is_unknown_and_not_nothing(
    metered: Metered,
) -> None:
    from tools.upstream import Hang, Reply

    metered.mock.respond = lambda _: Reply(200, (), [Hang()], "raw")
    child = run(metered, "farebox.instrument(); call()", wait=False)
    until = time.monotonic() + 60
    while not metered.mock.requests and time.monotonic() < until:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    row = metered.row()
    assert row.outcome == "unknown" and row.cost_state != "free"
    assert row.attribution["customer"] == "acme"


@pytest.fixture(scope="session")
def newer_python() -> Path:
    """A Python whose interpreters can have a GIL of their own, with the base install."""
    for version in ("3.14", "3.13", "3.12"):
        name = f"python{version}"
        for found in (shutil.which(name), *Path.home().glob(f".pyenv/versions/{version}*/bin/{name}")):
            asked = [found or name, "--version"]
            if found and subprocess.run(asked, capture_output=True, check=False).returncode == 0:
                return python_with(ROOT / "requirements-base.lock", found, name)
    pytest.skip("no Python from 3.12 on here")


INTERPRETERS = """
import sys
try:
    import _interpreters as interpreters
    other = interpreters.create("isolated" if sys.argv[1] == "own" else "legacy")
except ImportError:
    import _xxsubinterpreters as interpreters
    other = interpreters.create(isolated=sys.argv[1] == "own")
failure = interpreters.run_string(other, sys.argv[2])
assert failure is None, failure.formatted
import farebox
farebox.record(provider="openai", model="gpt-4o", usage={"output_text": 1}, customer="first")
"""
IN_ANOTHER = """
import farebox
farebox.configure(on_error=print)
farebox.instrument()
with farebox.attribute(customer="second"):
    farebox.record(provider="openai", model="gpt-4o", usage={"output_text": 1})
assert farebox.track({}) == {} and farebox.flush()
farebox.shutdown()
"""


@pytest.mark.parametrize("gil", ["shared", "own"])
def test_an_interpreter_with_a_gil_of_its_own_runs_its_program_and_meters_nothing(
    metered: Metered, newer_python: Path, gil: str
) -> None:
    """No interpreter with a GIL of its own can load msgspec; one that shares it meters as any other."""
    done = subprocess.run(
        [newer_python, "-c", INTERPRETERS, gil, IN_ANOTHER],
        env={**os.environ, "FAREBOX_HOME": str(metered.home.path), "PYTHONPATH": str(ROOT / "src")},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ("are not metered" in done.stderr) == (gil == "own")
    assert customers(metered) == (["first"] if gil == "own" else ["first", "second"])


def test_two_interpreters_of_one_process_have_a_journal_each(metered: Metered) -> None:
    program = """
    import _xxsubinterpreters as interpreters
    farebox.record(provider="openai", model="gpt-4o", usage={"output_text": 1}, customer="first")
    other = interpreters.create()
    event = "provider='openai', model='gpt-4o', usage={'output_text': 1}, customer='second'"
    code = f"import farebox; farebox.record({event})"
    try:
        interpreters.run_string(other, code)
    except Exception as error:
        print("no:", error)
    """
    child = run(metered, program, wait=False)
    out, _ = child.communicate(timeout=60)
    if "no:" in out:
        pytest.skip(f"a dependency does not load in a second interpreter: {out.strip()}")
    assert customers(metered) == ["first", "second"]
