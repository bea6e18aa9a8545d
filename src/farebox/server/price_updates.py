"""Have newer price lists looked for, at the interval that is configured.

Each look is a process of its own, which has a limit of time and leaves nothing in this one's memory.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from farebox.clock import now_ns
from farebox.config.file_stamps import ConfigWatch
from farebox.errors import FareboxError
from farebox.price_lists.last_look import is_due, last_look, note_failure
from farebox.standard_error import tell

if TYPE_CHECKING:
    from farebox.config import Config
    from farebox.home import Home

LOOK_EVERY_S = 5.0
"""How often it is asked whether a look is due: a few calls of stat()."""
LIMIT_S = 600


class PriceUpdates:
    """Asks from time to time whether a look is due, and has one done."""

    def __init__(self, home: Home, config: Config) -> None:
        self._home = home
        self._configuration = ConfigWatch(home, config)
        self._stopped = threading.Event()
        self._look: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Do it in a thread."""
        threading.Thread(target=self._run, name="price updates", daemon=True).start()

    def close(self) -> None:
        """Stop; a look that is under way is ended, and the prices in force stay."""
        self._stopped.set()
        look = self._look
        if look is not None and look.poll() is None:
            with contextlib.suppress(OSError):
                look.terminate()

    def renew(self) -> bool:
        """Look for newer prices if it is time; return whether that was done."""
        config = self._configuration.current()
        if not is_due(last_look(self._home), config.prices, now_ns()):
            return False
        named = ["--config", config.named] if config.named else []
        settings = [word for key, text in config.flags.items() for word in ("--set", f"{key}={text}")]
        arguments = ["-P", "-m", "farebox.price_lists", "--home", str(self._home.path), *named, *settings]
        with subprocess.Popen([sys.executable, *arguments], stdin=subprocess.DEVNULL) as self._look:
            try:
                status = self._look.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                self._look.kill()
                status = self._look.wait()
        if status and not self._stopped.is_set():
            note_failure(self._home, config, f"the look for newer prices ended with {status}")
        self._tell(config)
        return True

    def _tell(self, config: Config) -> None:
        from farebox.server.price_messages import tell

        try:
            tell(self._home, config.prices, now_ns())
        except FareboxError as error:  # the next look or start tells it
            print(f"farebox: prices: {error}", file=sys.stderr, flush=True)

    def _run(self) -> None:
        self._tell(self._configuration.current())  # what a server that was killed had no time to tell
        while not self._stopped.is_set():
            try:
                self.renew()
            except Exception as error:  # prices that are not looked for must not end the server
                tell(f"farebox: prices: {error}")
            self._stopped.wait(LOOK_EVERY_S)
