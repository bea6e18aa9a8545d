"""The collector's price book and terms, in this process: fetched when first asked for, kept in step."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from farebox.charges.customer_terms import PublishedTerms
from farebox.errors import FareboxError, FindingsError, ServerNotRunningError
from farebox.home import Home, replace_private
from farebox.pricing.price_copy import TERMS, PriceCopy, book_of, store
from farebox.sdk import faults
from farebox.sdk.questions.collector_questions import ask

if TYPE_CHECKING:
    from farebox.pricing.book import PriceBook

PRICES = "/api/v1/prices"
_AGAIN_S = 60.0
_RESPONSE_S = 15.0
_decode_copy = msgspec.json.Decoder(PriceCopy).decode
_decode_terms = msgspec.json.Decoder(PublishedTerms).decode


class CollectorPrices:
    """One collector's book. The copy on the disk serves where the collector cannot be reached."""

    def __init__(self, home: Home, collector: str, folder: Path) -> None:
        """`folder`: where the copies are kept."""
        self.collector = collector
        self._cache = home.cache
        self._folder = folder
        self._book: PriceBook | None = None
        self.terms = PublishedTerms()
        """Its customers' plans, and what names stand for."""
        self._digest = ""
        self._look_at = 0.0
        self._looking = threading.Lock()

    def current(self) -> PriceBook:
        """Return the book. Only the first time is the collector waited for.

        Raises:
            ServerNotRunningError: There is no copy yet, and the collector cannot be asked.
            FareboxError: It refuses, or its prices are not valid here.
        """
        if self._book is None:
            with self._looking:
                if self._book is None:
                    self._open()
        elif time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _AGAIN_S
            threading.Thread(target=self._renew, name="farebox-prices", daemon=True).start()
        assert self._book is not None, "opened, or raised"  # noqa: S101 - states an invariant
        return self._book

    def _open(self) -> None:
        with suppress(OSError):
            self._digest = (self._folder / "newest").read_text(encoding="ascii").strip()
        try:
            self._fetch()
        except ServerNotRunningError as error:
            if not self._digest:
                raise
            faults.report(error, "renewing the collector's prices")
        if self._book is None:
            try:
                self._book = book_of(self._folder / self._digest, self._cache)
                self.terms = self._terms(self._folder / self._digest)
            except (OSError, FindingsError) as error:
                raise FareboxError(f"the prices of {self.collector} cannot be used here: {error}") from None
        self._look_at = time.monotonic() + _AGAIN_S

    def _renew(self) -> None:
        """Take in what has changed; what is in force stays where that fails."""
        if self._looking.acquire(blocking=False):
            try:
                self._fetch()
            except Exception as error:
                faults.report(error, "renewing the collector's prices")
            finally:
                self._looking.release()

    def _fetch(self) -> None:
        headers = {"if-none-match": f'"{self._digest}"'} if self._digest else {}
        response = ask(self.collector, PRICES, headers, seconds=_RESPONSE_S)
        if response.status == 304:
            return
        copy = _decode_copy(response.body)
        folder = self._folder / copy.digest
        store(copy, folder)
        self._book = book_of(folder, self._cache)
        self.terms = self._terms(folder)
        self._digest = copy.digest
        replace_private(self._folder / "newest", copy.digest.encode())

    def _terms(self, folder: Path) -> PublishedTerms:
        """Return what a stored copy says of customers; nothing for one of an earlier Farebox."""
        try:
            return _decode_terms((folder / TERMS).read_bytes())
        except (OSError, msgspec.MsgspecError) as error:
            if not isinstance(error, FileNotFoundError):
                faults.report(error, "reading the collector's plans")
            return PublishedTerms()
