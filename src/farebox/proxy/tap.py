"""Let the meter listen in, and keep every failure of it away from traffic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from farebox.catalog import Endpoint
from farebox.wire.facts import Extraction
from farebox.wire.http_policy import Headers
from farebox.wire.request import RequestFacts


class ExchangeMeter(Protocol):
    """What the proxy asks of a meter (`farebox.wire.meter.Meter`)."""

    def request_body(self, data: bytes) -> None: ...
    def request_end(self) -> RequestFacts: ...
    def response_head(self, status: int, headers: Headers) -> None: ...
    def response_body(self, data: bytes) -> None: ...
    def snapshot(self) -> Extraction: ...
    def finish(self, outcome: str) -> Extraction: ...


MakeMeter = Callable[[Endpoint, str, str, Headers], ExchangeMeter]


class Tap:
    """One exchange's meter. After its first failure it hears nothing more, and the record says so."""

    __slots__ = ("_failed", "_meter")

    def __init__(self, make: MakeMeter, endpoint: Endpoint, path: str, query: str, headers: Headers) -> None:
        self._failed = ""
        self._meter: ExchangeMeter | None = None
        try:
            self._meter = make(endpoint, path, query, headers)
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        # The type alone: a message could quote what the user wrote.
        self._failed = f"meter_failed:{type(error).__name__}"
        self._meter = None

    def request_body(self, data: bytes) -> None:
        if self._meter is not None:
            try:
                self._meter.request_body(data)
            except Exception as error:
                self._fail(error)

    def request_end(self) -> RequestFacts:
        if self._meter is not None:
            try:
                return self._meter.request_end()
            except Exception as error:
                self._fail(error)
        return RequestFacts()

    def response_head(self, status: int, headers: Headers) -> None:
        if self._meter is not None:
            try:
                self._meter.response_head(status, headers)
            except Exception as error:
                self._fail(error)

    def response_body(self, data: bytes) -> None:
        if self._meter is not None:
            try:
                self._meter.response_body(data)
            except Exception as error:
                self._fail(error)

    def snapshot(self) -> Extraction:
        if self._meter is not None:
            try:
                return self._meter.snapshot()
            except Exception as error:
                self._fail(error)
        return Extraction(reason=self._failed)

    def finish(self, outcome: str) -> Extraction:
        if self._meter is not None:
            try:
                return self._meter.finish(outcome)
            except Exception as error:
                self._fail(error)
        return Extraction(reason=self._failed)
