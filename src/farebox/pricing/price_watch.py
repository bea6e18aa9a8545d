"""Prices that change without a restart: check whether a file changed, use it only if it is valid.

    watch = PriceWatch(home.path, config_file)
    book = watch.current()      # two or three stat() calls, several times a second

A file with a mistake leaves the old prices in force; `watch.findings` says what is wrong, once.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from farebox.config import find_file
from farebox.errors import Finding, PriceFileError
from farebox.home import Home
from farebox.pricing import load_book
from farebox.pricing.sources.price_folder import folder_of
from farebox.pricing.sources.price_updates import folder_of as snapshots_of

if TYPE_CHECKING:
    from farebox.pricing.book import PriceBook
    from farebox.yamltext import Node

log = logging.getLogger("farebox.pricing")


class PriceWatch:
    """The price book in force, followed through changes of the files it is made from."""

    def __init__(self, state: Path, config_file: Path | None, cache_dir: Path | None = None) -> None:
        """Open the book. Without a `config_file` one is looked for each time: it may be made later.

        Raises:
            PriceFileError: The first book needs valid files; later the previous one is kept.
        """
        self._state = state
        self._named = config_file
        self._config = config_file
        self._cache = cache_dir
        self._seen = self._signature()
        self._book = self._load()
        self.findings: list[Finding] = []
        """What is wrong with the newest files; empty while these are in force."""

    def current(self) -> PriceBook:
        """Return the book in force: that of the files as they are, or the last valid one."""
        signature = self._signature()
        if signature != self._seen:
            self._seen = signature
            try:
                book = self._load()
            except PriceFileError as error:
                if error.findings != self.findings:
                    log.warning("the old prices stay in force:\n%s", error)
                self.findings = error.findings
            else:
                self.findings = []
                if book.digest != self._book.digest:
                    log.info("prices %s replace %s", book.digest, self._book.digest)
                    self._book = book
        return self._book

    def _signature(self) -> tuple[object, ...]:
        """Return what changes when a file does: which one it is, its size, its time."""
        self._config = self._named or find_file(Home(self._state), None)
        watched: list[object] = [self._config, _stamp(self._config)]
        for folder in (folder_of(self._state), snapshots_of(self._state)):
            stamp = _stamp(folder)
            watched.append(stamp)
            if stamp is not None:
                with os.scandir(folder) as entries:
                    watched += sorted(
                        (entry.name, *(_stamp(Path(entry.path)) or ()))
                        for entry in entries
                        if entry.is_file()
                    )
        return tuple(watched)

    def _load(self) -> PriceBook:
        sections: dict[str, Node | None] = {"pricing": None, "contracts": None}
        if self._config is not None:
            from farebox import yamltext

            try:
                root, findings = yamltext.read(self._config)
            except FileNotFoundError:
                root, findings = None, []
            except OSError as error:
                found = error.strerror or "an error"
                root, findings = None, [Finding(str(self._config), 0, "file", found, "a readable file")]
            if findings:
                raise PriceFileError(findings)
            if root is not None:
                sections = {name: root.get(name) for name in sections}
        return load_book(sections["pricing"], self._cache, contracts=sections["contracts"], state=self._state)


def _stamp(path: Path | None) -> tuple[object, ...] | None:
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
