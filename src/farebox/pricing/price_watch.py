"""Prices that change without a restart: check whether a file changed, use it only if it is valid.

    watch = PriceWatch(home.path, config.named)
    book = watch.current()      # a few stat() calls, several times a second

A file with a mistake leaves the old prices in force; `watch.findings` says what is wrong, once.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from farebox.config import load_config
from farebox.config.file_stamps import config_stamps, stamp
from farebox.errors import Finding, FindingsError
from farebox.home import Home
from farebox.pricing import load_book
from farebox.pricing.sources.price_folder import folder_of
from farebox.pricing.sources.price_updates import folder_of as snapshots_of

if TYPE_CHECKING:
    from farebox.pricing.book import PriceBook

log = logging.getLogger("farebox.pricing")


class PriceWatch:
    """The price book in force, followed through changes of the files it is made from."""

    def __init__(self, state: Path, config_file: Path | None, cache_dir: Path | None = None) -> None:
        """Open the book. Without a `config_file` files are looked for each time: they may be made later.

        Raises:
            FindingsError: The first book needs valid files; later the previous one is kept.
        """
        self._state = state
        self._named = config_file
        self._cache = cache_dir
        seen = self._signature()
        self._in_force: tuple[tuple[object, ...], PriceBook] = (seen, self._load())
        """The files as they were, and the book in force since; one value, for threads change both."""
        self.findings: list[Finding] = []
        """What is wrong with the newest files; empty while these are in force."""

    def current(self) -> PriceBook:
        """Return the book in force: that of the files as they are, or the last valid one.

        A thread that asks while another one reads changed files reads them, too: none gets prices that are
        older than the files were when it asked.
        """
        signature = self._signature()
        seen, book = self._in_force
        if signature == seen:
            return book
        try:
            found = self._load()
        except FindingsError as error:
            if error.findings != self.findings:
                log.warning("the old prices stay in force:\n%s", error)
            self.findings = error.findings
        else:
            self.findings = []
            if found.digest != book.digest:
                log.info("prices %s replace %s", found.digest, book.digest)
                book = found
        finally:
            self._in_force = signature, book
        return book

    def _signature(self) -> tuple[object, ...]:
        """Return what changes when a file does: which one it is, its size, its time."""
        watched: list[object] = [config_stamps(Home(self._state), self._named)]
        for folder in (folder_of(self._state), snapshots_of(self._state)):
            found = stamp(folder)
            watched.append(found)
            if found is not None:
                with os.scandir(folder) as entries:
                    watched += sorted(
                        (entry.name, *(stamp(Path(entry.path)) or ())) for entry in entries if entry.is_file()
                    )
        return tuple(watched)

    def _load(self) -> PriceBook:
        config = load_config(Home(self._state), self._named, prices=False)
        return load_book(
            config.pricing,
            self._cache,
            contracts=config.contracts,
            directory=config.directory_pricing,
            state=self._state,
        )
