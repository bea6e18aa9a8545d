"""The names of API keys as they are now: what `farebox keys label` was told, and the configuration's own.

Names are looked up when something is shown, so that a key named today has its name on every earlier call.
"""

from __future__ import annotations

from farebox.config import Config, key_labels
from farebox.config.file_stamps import ConfigWatch
from farebox.home import Home
from farebox.snapshot import SnapshotReader


class KeyLabels:
    """The name of each key that has one, by fingerprint, read again when one of its files has changed."""

    def __init__(self, home: Home, config: Config) -> None:
        self._published = SnapshotReader(home)
        self._configuration = ConfigWatch(home, config)

    def __call__(self) -> dict[str, str]:
        """Return the names, by fingerprint."""
        self._published.renew()
        return key_labels(self._published.current.keys(self._configuration.current().keys))
