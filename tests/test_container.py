"""The container file: built and run where there is an engine, and held to what it names everywhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from farebox.cli.app import app
from farebox.cli.service.service_manager import STOP_SECONDS

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "Containerfile").read_text()


def instructions() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in TEXT.replace("\\\n", " ").splitlines():
        word, _, rest = line.partition(" ")
        if word and word != "#":
            found.setdefault(word, []).append(rest.strip())
    return found


def test_it_names_files_and_commands_that_exist_and_no_version_of_its_own() -> None:
    said = instructions()
    assert said["ARG"] == ["PYTHON=3.13"] and said["FROM"] == ["docker.io/library/python:${PYTHON}-slim"]
    (copied,) = said["COPY"]
    assert copied.split()[:-1] == ["requirements.lock", "dist/*.whl"]
    assert {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"} == set(
        copied.split()[:-1]
    )
    (probe,) = re.findall(r"CMD (\[.*\])", said["HEALTHCHECK"][0])
    assert json.loads(probe)[0] == json.loads(said["ENTRYPOINT"][0])[0] == "farebox"
    assert {json.loads(probe)[1], json.loads(said["CMD"][0])[0]} <= {*app}
    assert "--require-hashes" in said["RUN"][1]


def test_it_does_not_run_as_root_and_its_state_is_private_and_on_a_volume() -> None:
    said = instructions()
    assert said["USER"] == ["farebox"]
    (volume,) = said["VOLUME"]
    assert said["ENV"] == [f"FAREBOX_HOME={volume}"]
    assert f"install -d -m 0700 -o farebox -g farebox {volume}" in said["RUN"][0]
    assert f"--stop-timeout {STOP_SECONDS}" in TEXT


def run(*words: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=seconds)


@pytest.fixture(scope="module")
def engine() -> str:
    """The container engine; skips with the reason where there is none."""
    reasons: list[str] = []
    for name in filter(shutil.which, ("podman", "docker")):
        asked = run(name, "info")
        if asked.returncode == 0:
            return name
        reasons.append(f"{name} does not work here: {asked.stderr.strip()[-200:]}")
    pytest.skip("; ".join(reasons) or "there is neither podman nor docker")


@pytest.fixture(scope="module")
def image(engine: str, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    context = tmp_path_factory.mktemp("context")
    (context / "dist").mkdir()
    shutil.copy(wheel, context / "dist")
    shutil.copy(ROOT / "requirements.lock", context)
    name = f"farebox-test-{uuid.uuid4().hex[:12]}"
    base = run(engine, "pull", "docker.io/library/python:3.13-slim", seconds=280)
    if base.returncode:
        pytest.skip(f"the base image cannot be fetched here: {base.stderr.strip()[-200:]}")
    built = run(
        engine, "build", "-q", "-t", name, "-f", str(ROOT / "Containerfile"), str(context), seconds=280
    )
    assert built.returncode == 0, built.stderr
    yield name
    run(engine, "rmi", "-f", name)


def test_a_container_becomes_ready_and_stops_with_zero(engine: str, image: str) -> None:
    started = run(engine, "run", "-d", image)
    assert started.returncode == 0, started.stderr
    container = started.stdout.strip()
    try:
        deadline = time.monotonic() + 60
        while run(engine, "exec", container, "farebox", "health").returncode:
            assert time.monotonic() < deadline, run(engine, "logs", container).stderr
            time.sleep(0.2)
        seen = run(
            engine, "exec", container, "sh", "-c", "id -u; stat -c %a:%U /var/lib/farebox"
        ).stdout.split()
        assert seen == ["10001", "700:farebox"]
        assert run(engine, "stop", "-t", str(STOP_SECONDS), container).returncode == 0
        ended = run(engine, "inspect", "-f", "{{.State.ExitCode}}", container).stdout.strip()
        assert ended == "0"
    finally:
        run(engine, "rm", "-f", "-v", container)
