"""The names of API keys as they are now: what `farebox keys label` was told, and the configuration's own.

Names are looked up when something is shown, so that a key named today has its name on every earlier call.
"""

from __future__ import annotations

from pathlib import Path

from farebox.config import KeyConfig, key_labels, load_config
from farebox.errors import FareboxError
from farebox.home import Home
from farebox.snapshot import SnapshotReader


class KeyLabels:
    """The name of each key that has one, by fingerprint, read again when one of its files has changed."""

    def __init__(self, home: Home, config_file: str | None = None) -> None:
        self._home = home
        self._published = SnapshotReader(home)
        self._config_file = None if config_file is None else Path(config_file)
        self._changed_at = 0
        self._configured: dict[str, KeyConfig] = {}

    def __call__(self) -> dict[str, str]:
        """Return the names, by fingerprint."""
        self._published.renew()
        changed_at = _changed_at(self._config_file)
        if changed_at != self._changed_at:
            self._configured = self._read()
            self._changed_at = changed_at
        return key_labels(self._published.current.keys(self._configured))

    def _read(self) -> dict[str, KeyConfig]:
        if self._config_file is None:
            return {}
        try:
            return load_config(self._home, self._config_file, prices=False).keys
        except FareboxError:
            return self._configured if self._config_file.is_file() else {}  # being edited, or gone


def _changed_at(path: Path | None) -> int:
    try:
        return 0 if path is None else path.stat().st_mtime_ns
    except OSError:
        return 0
