"""The proxy as a real process: start it, kill it, hand its socket over."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from farebox.home import Home

STARTED: list[ProxyProcess] = []
"""Every process of the test that runs; `end_all` ends what it has left behind."""


def end_all() -> None:
    for left in STARTED:
        if left.process.poll() is None:
            left.kill()
        elif left.process.stderr is not None:
            left.process.stderr.close()
    STARTED.clear()


class ProxyProcess:
    """`python -m farebox.proxy`, or a program of the test's that starts it in its own way."""

    def __init__(
        self,
        home: Home,
        config: str,
        *arguments: str,
        program: tuple[str, ...] = ("-m", "farebox.proxy"),
        listener: socket.socket | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.home = home
        home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = home.path.parent / f"{home.path.name}.yaml"
        file.write_text(config)
        command = [sys.executable, *program, "--home", str(home.path), "--config", str(file), *arguments]
        options: dict[str, Any] = {}
        if listener is not None:
            listener.set_inheritable(True)
            command += ["--listen-fd", str(listener.fileno())]
            options["pass_fds"] = (listener.fileno(),)
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, env={**os.environ, **(environment or {})}, **options
        )

        STARTED.append(self)

    @property
    def pid(self) -> int:
        return self.process.pid

    def ready(self) -> ProxyProcess:
        """Wait until it has announced its address."""
        deadline = time.monotonic() + 30
        file = self.home.run / "proxy.json"
        while True:
            try:
                said = json.loads(file.read_bytes())
            except (OSError, ValueError):
                said = {}
            if said.get("pid") == self.pid:
                self.port = int(said["port"])
                return self
            assert self.process.poll() is None, self.ended()[1]
            assert time.monotonic() < deadline, "the proxy did not start"
            time.sleep(0.01)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def ended(self, seconds: float = 60) -> tuple[int, str]:
        """Wait for its end; return the status and what it wrote to standard error."""
        _, errors = self.process.communicate(timeout=seconds)
        return self.process.returncode, errors.decode("utf-8", "replace")

    def stop(self) -> None:
        self.terminate()
        status, errors = self.ended()
        assert status == 0, errors


def configured(upstream: str, *more: str, provider: str = "openai") -> str:
    lines = ["listen: 127.0.0.1:0", "providers:", f'  {provider}: {{upstream: "{upstream}"}}', *more]
    return "\n".join(lines) + "\n"


def pss_kb(pid: int) -> int:
    """Return a process' proportional set size in KB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise AssertionError("no PSS")


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
