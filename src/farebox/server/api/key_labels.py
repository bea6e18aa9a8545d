"""The names of API keys as they are now: what `farebox keys label` kept, and the configuration's own.

Names are looked up when something is shown, so that a key named today has its name on every earlier call.
"""

from __future__ import annotations

from pathlib import Path

from farebox.config import KEYS_FILE, key_labels, load_config, saved_keys
from farebox.errors import FareboxError
from farebox.home import Home


class KeyLabels:
    """The name of each key that has one, by fingerprint, read again when one of its files has changed."""

    def __init__(self, home: Home, config_file: str | None = None) -> None:
        self._home = home
        self._config_file = None if config_file is None else Path(config_file)
        self._changed_at: tuple[int, int] | None = None
        self._labels: dict[str, str] = {}

    def __call__(self) -> dict[str, str]:
        """Return the names, by fingerprint."""
        changed_at = (_changed_at(self._home.path / KEYS_FILE), _changed_at(self._config_file))
        if changed_at != self._changed_at:
            self._labels = self._read()
            self._changed_at = changed_at
        return self._labels

    def _read(self) -> dict[str, str]:
        if self._config_file is not None:
            try:
                return key_labels(load_config(self._home, self._config_file, prices=False).keys)
            except FareboxError:
                pass  # being edited: the names that `farebox keys label` keeps are still known
        return key_labels(saved_keys(self._home))


def _changed_at(path: Path | None) -> int:
    try:
        return 0 if path is None else path.stat().st_mtime_ns
    except OSError:
        return 0
