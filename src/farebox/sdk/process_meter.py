"""Everything that metering in this process stands on, made when it is first needed and once a fork anew."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from farebox.errors import UsageError
from farebox.recording.attribution_merge import Attribution
from farebox.recording.callers import Callers, labels_of
from farebox.sdk import faults
from farebox.sdk.addresses.destinations import Destinations
from farebox.sdk.recorder import ProcessRecorder, program_name
from farebox.sdk.settings import (
    collector_address,
    collector_token,
    is_disabled,
    settings,
    when_changed,
)
from farebox.snapshot import RENEWED_EVERY_S, SnapshotReader

if TYPE_CHECKING:
    from farebox.config import Config
    from farebox.home import Home


_RESPONSES_MAX = 4096
_RESPONSE_S = 600.0


class MeteredResponses:
    """Responses that transports have metered lately, so that nobody records them a second time."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], float] = {}

    def add(self, provider: str, response_id: str) -> None:
        """Remember a response for some minutes."""
        if len(self._known) >= _RESPONSES_MAX:
            self._known.clear()
        self._known[provider, response_id] = time.monotonic()

    def has(self, provider: str, response_id: str | None) -> bool:
        """Tell whether a response was metered in the last minutes."""
        if response_id is None:
            return False
        at = self._known.get((provider, response_id))
        return at is not None and time.monotonic() - at < _RESPONSE_S


class ProcessMeter:
    """Home, configuration, catalog, keys and journal of this process."""

    def __init__(self) -> None:
        from farebox.catalog import load

        self.home = _home()
        self.config = _config(self.home)
        self.catalog = load(self.config.providers)
        self.destinations = Destinations(self.catalog, self.config, self.home.path)
        self.published = SnapshotReader(self.home)
        secret = _secret(self.home)
        self.callers = Callers(secret, self.catalog.vendors, self.config.keys, self.published)
        self.recorder = _recorder(self.home, (settings.durability or self.config.durability) == "power")
        self.below = _of_this_process()
        """Whose calls these are where nobody says anything: labels of the environment, the program."""
        self.metered_responses = MeteredResponses()
        self._renew_at = time.monotonic() + RENEWED_EVERY_S

    def renew(self) -> None:
        """Take in what commands have published since; at most once a second, for one `stat`."""
        now = time.monotonic()
        if now >= self._renew_at:
            self._renew_at = now + RENEWED_EVERY_S
            self.published.renew()


_made: ProcessMeter | None = None
_failed = False
_making = threading.RLock()


def process_meter() -> ProcessMeter | None:
    """Return this process's; None where everything is turned off, or it cannot be made."""
    return _made if _made is not None else _make()


def existing() -> ProcessMeter | None:
    """Return this process's where it has been made."""
    return _made


def _make() -> ProcessMeter | None:
    global _made, _failed
    if _failed or is_disabled():
        return None
    with _making:
        if _made is None and not _failed:
            try:
                _made = ProcessMeter()
            except Exception as error:
                _failed = True
                faults.report(error, "starting to meter")
        return _made


def _forget() -> None:
    """Begin anew, with other settings."""
    global _made, _failed
    with _making:
        made, _made, _failed = _made, None, False
    if made is not None:
        made.recorder.close()


def _after_fork() -> None:
    """In the child: leave the journal to the parent; what else was made is as good here."""
    global _making
    _making = threading.RLock()
    made = _made
    if made is not None:
        inherited = made.recorder
        inherited.leave_to_parent()
        made.recorder = inherited.successor()
        made.below = _of_this_process()


os.register_at_fork(after_in_child=_after_fork)
when_changed(_forget)


def _home() -> Home:
    from farebox.home import Home, locate

    return locate() if settings.home is None else Home(settings.home)


def _config(home: Home) -> Config:
    from farebox.config import Config, load_config

    try:
        return load_config(home, prices=False)
    except Exception as error:
        faults.report(error, "reading the configuration")
        return Config()


def _recorder(home: Home, power: bool) -> ProcessRecorder:
    try:
        collector = collector_address()
    except UsageError as error:
        faults.report(error, "reading FAREBOX_COLLECTOR")
        collector = None  # what is recorded stays on this machine, where it can be had
    if collector is None:
        return ProcessRecorder(home, power=power)
    from farebox.sdk.shipping.remote_recorder import RemoteRecorder
    from farebox.sdk.shipping.shipper import Pace

    return RemoteRecorder(
        home,
        power=power,
        collector=collector,
        token=collector_token(),
        pace=Pace(settings.flush_interval_s, settings.batch_size, settings.spool_days_max * 86_400),
        spool_bytes_max=settings.spool_bytes_max,
    )


def _secret(home: Home) -> bytes:
    try:
        home.prepare()
        return home.secret()
    except Exception as error:
        faults.report(error, "opening the state directory")
        return os.urandom(32)


def _of_this_process() -> Attribution:
    labels = labels_of(os.environ)
    program = program_name()
    names = {"process.pid": str(os.getpid()), "process.command": program, "app": program}
    sources = {"process.pid": "process", "process.command": "process", "app": "process:command"}
    return {**names, **labels}, {**sources, **{name: f"env:FAREBOX_{name.upper()}" for name in labels}}
