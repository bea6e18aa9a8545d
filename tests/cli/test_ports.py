"""A busy port is reported with who holds it, another Farebox by its whole home."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from farebox.cli.daemon.ports import holder

LISTENER = """
import socket, sys, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
time.sleep(60)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says who listens")


@pytest.mark.parametrize(
    "arguments",
    [
        ("farebox.cli.daemon.supervisor", "{home}", "-", "3", "4"),
        ("farebox.proxy", "--home", "{home}", "--listen-fd", "3"),
        ("farebox.server", "--home", "{home}"),
    ],
)
def test_another_farebox_is_named_by_its_whole_home(arguments: tuple[str, ...], tmp_path: Path) -> None:
    home = tmp_path / ("a-long-name-of-a-state-directory" * 3)
    module = tmp_path / arguments[0].replace(".", "/")
    module.parent.mkdir(parents=True, exist_ok=True)
    for package in module.relative_to(tmp_path).parents:
        (tmp_path / package / "__init__.py").touch()
    module.with_suffix(".py").write_text(LISTENER)
    words = [word.format(home=home) for word in arguments]
    listening = subprocess.Popen(
        [sys.executable, "-m", *words], cwd=tmp_path, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    try:
        assert listening.stdout is not None
        port = int(listening.stdout.readline())
        assert holder(port) == f"the Farebox of {home} (pid {listening.pid})"
    finally:
        listening.kill()
        listening.communicate()


def test_any_other_program_is_named_by_its_command() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = holder(listener.getsockname()[1])
    assert found.startswith(f"pid {os.getpid()} (")
