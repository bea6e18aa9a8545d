"""A proxy of one command's own, with a journal like any other's.

Its socket is bound here and inherited, so that the command can start at once: connections wait until the
proxy accepts them, also while it is restarted.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from farebox.cli.daemon.ports import bind
from farebox.cli.daemon.supervisor import die_with
from farebox.cli.exits import say
from farebox.config import Address, Config, ProviderConfig
from farebox.home import Home
from farebox.listeners import announce
from farebox.server.api.coverage.recording import Announced, Recording, recording_of

REVIVALS_MAX = 5
DRAIN_SECONDS = 35


class PrivateProxy:
    """Start, revive and stop it."""

    def __init__(
        self,
        home: Home,
        config: Config,
        upstreams: dict[str, ProviderConfig],
        authority: Path | None = None,
    ) -> None:
        self.pid = 0
        self._listener = bind(Address("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        # Before the command starts, so that a run inside this one can tell that it talks to a Farebox.
        self._announced = announce(self._listener.getsockname()[1], home.path)
        self.folder = Path(tempfile.mkdtemp(prefix="run-", dir=home.cache))
        self._revivals = 0
        self._environment: dict[str, str] = {}
        file = self.folder / "farebox.yaml"
        file.write_bytes(configuration_text(config, upstreams))
        self._arguments = [
            *(sys.executable, "-P", "-m", "farebox.proxy", "--home", str(home.path)),
            *("--config", str(file), "--listen-fd", str(self._listener.fileno()), "--private"),
        ]
        if authority is not None:
            self._arguments += ["--authority", str(authority)]

    def start(self, environment: dict[str, str]) -> None:
        """Start the proxy with `FAREBOX_*` labels in its environment."""
        self._environment = environment
        parent = os.getpid()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid:
            return
        try:
            os.setsid()  # the terminal's Ctrl-C is for the command
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            os.set_inheritable(self._listener.fileno(), True)
            die_with(parent)
            os.execve(sys.executable, self._arguments, environment)
        except OSError as error:
            say(f"cannot start the proxy: {error}")
        os._exit(69)

    def ended(self, pid: int) -> None:
        """Handle the end of a child; if it was the proxy, start it again."""
        if pid == self.pid:
            self.revive()

    def revive(self) -> None:
        """Start the proxy again after it ended by itself; connections wait meanwhile."""
        self._revivals += 1
        if self._revivals > REVIVALS_MAX:
            self.pid = 0
            self._listener.close()
            say("the proxy keeps crashing; the command's calls fail from here on")
            return
        time.sleep(0.05 * self._revivals)
        self.start(self._environment)

    def recording(self) -> Recording:
        """Return whether its traffic was recorded; to be called before it is stopped."""
        if not self.pid:
            return Recording(state="silent")
        host, _, port = self.address.rpartition(":")
        return recording_of(Announced(self.pid, host, int(port)))

    def stop(self) -> None:
        """Let requests in flight end, then end the proxy and remove what was made for it."""
        self._listener.close()
        if self._announced is not None:
            os.close(self._announced)
            self._announced = None
        if self.pid:
            os.kill(self.pid, signal.SIGTERM)
            deadline = time.monotonic() + DRAIN_SECONDS
            while os.waitpid(self.pid, os.WNOHANG)[0] == 0:
                if time.monotonic() > deadline:
                    os.kill(self.pid, signal.SIGKILL)
                    os.waitpid(self.pid, 0)
                    break
                time.sleep(0.005)
        shutil.rmtree(self.folder, ignore_errors=True)


def configuration_text(config: Config, upstreams: dict[str, ProviderConfig]) -> bytes:
    """Return `farebox.yaml` for the private proxy; JSON is YAML."""
    providers = {
        name: {key: value for key, value in msgspec.structs.asdict(provider).items() if value}
        for name, provider in {**config.providers, **upstreams}.items()
    }
    interception = msgspec.to_builtins(config.interception)
    chosen = {
        "listen": "127.0.0.1:0",
        "dashboard": str(config.dashboard),
        "durability": config.durability,
        "providers": providers,
        "interception": {key: value for key, value in interception.items() if value},
    }
    keys = {name: msgspec.to_builtins(key) for name, key in config.keys.items()}
    return msgspec.json.encode({key: value for key, value in {**chosen, "keys": keys}.items() if value})
