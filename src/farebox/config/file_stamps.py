"""Notice that a file of the configuration changed, by a few calls of stat()."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from farebox.config.layers import load_config, source_files
from farebox.config.trust import FILE_NAME as TRUST_FILE
from farebox.errors import Finding, FindingsError

if TYPE_CHECKING:
    from farebox.config.configuration import Config
    from farebox.home import Home

log = logging.getLogger("farebox.config")


def stamp(path: Path | None) -> tuple[object, ...] | None:
    """Return what changes when a file does: which one it is, its size, its time. None where there is none."""
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def config_stamps(home: Home, path: Path | None = None) -> tuple[object, ...]:
    """Return what changes when any file of the configuration does."""
    files = [*source_files(home, path), home.path / TRUST_FILE]
    return tuple((file, stamp(file)) for file in files)


class ConfigWatch:
    """The configuration in force, followed through changes of its files.

    A file with a mistake leaves the old configuration in force; `findings` says what is wrong.
    """

    def __init__(self, home: Home, config: Config) -> None:
        self._home = home
        self._named = Path(config.named) if config.named else None
        self._seen = config_stamps(home, self._named)
        self._config = config
        self.findings: list[Finding] = []

    def current(self) -> Config:
        """Return what the files say now, or what they said before a mistake. Prices are not checked."""
        stamps = config_stamps(self._home, self._named)
        if stamps != self._seen:
            self._seen = stamps
            try:
                self._config = load_config(self._home, self._named, prices=False, flags=self._config.flags)
                self.findings = []
            except FindingsError as error:
                if error.findings != self.findings:
                    log.warning("the old configuration stays in force:\n%s", error)
                self.findings = error.findings
        return self._config
