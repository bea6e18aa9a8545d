"""What an exchange goes on with when its meter has failed: traffic does not stop for a meter."""

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
    def said_all(self) -> bool: ...
    def finish(self, outcome: str) -> Extraction: ...


MakeMeter = Callable[[Endpoint, str, str, Headers], ExchangeMeter]


class DeafMeter:
    """Hears nothing and says why."""

    def __init__(self, error: Exception) -> None:
        # The type alone: a message could quote what the user wrote.
        self._reason = f"meter_failed:{type(error).__name__}"

    def request_body(self, data: bytes) -> None:
        return

    def request_end(self) -> RequestFacts:
        return RequestFacts()

    def response_head(self, status: int, headers: Headers) -> None:
        return

    def response_body(self, data: bytes) -> None:
        return

    def snapshot(self) -> Extraction:
        return Extraction(reason=self._reason)

    def said_all(self) -> bool:
        return False

    def finish(self, outcome: str) -> Extraction:
        return Extraction(reason=self._reason)
