"""A meter that cannot fail its caller: traffic does not stop for a meter.

The first failure ends the metering of that exchange, and its record says so. Callers never catch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from farebox.catalog import Endpoint
from farebox.wire.facts import Extraction
from farebox.wire.http.request_policy import Headers
from farebox.wire.meter import Meter
from farebox.wire.request import RequestFacts
from farebox.wire.usage.estimate_sample import Unmeasured

if TYPE_CHECKING:  # only where budgets exist
    from farebox.wire.request_limits import LimitKeys


class ExchangeMeter(Protocol):
    """What the proxy asks of a meter (`farebox.wire.meter.Meter`)."""

    def read_limits(self, keys: LimitKeys) -> None: ...
    def request_body(self, data: bytes) -> None: ...
    def request_end(self) -> RequestFacts: ...
    def request_read(self, body: bytes, said: RequestFacts) -> None: ...
    def response_head(self, status: int, headers: Headers) -> None: ...
    def response_body(self, data: bytes) -> None: ...
    def snapshot(self) -> Extraction: ...
    def said_all(self) -> bool: ...
    def finish(self, outcome: str) -> Extraction: ...


MakeMeter = Callable[[Endpoint, str, str, Headers], ExchangeMeter]


class GuardedMeter:
    """One exchange's meter, made by `make`."""

    __slots__ = ("_failure", "_meter")

    def __init__(self, make: MakeMeter, endpoint: Endpoint, path: str, query: str, headers: Headers) -> None:
        self._meter: ExchangeMeter | None = None
        """None once it has failed."""
        self._failure = ""
        try:
            self._meter = make(endpoint, path, query, headers)
        except Exception as error:
            self._fail(error)

    def read_limits(self, keys: LimitKeys) -> None:
        """Have it said what the request allows its call to use; before its body comes."""
        if self._meter is not None:
            try:
                self._meter.read_limits(keys)
            except Exception as error:
                self._fail(error)

    def request_body(self, data: bytes) -> None:
        """Take in bytes of the request's body."""
        if self._meter is not None:
            try:
                self._meter.request_body(data)
            except Exception as error:
                self._fail(error)

    def request_end(self) -> RequestFacts:
        """Return what the request says, now that it is complete."""
        if self._meter is not None:
            try:
                return self._meter.request_end()
            except Exception as error:
                self._fail(error)
        return RequestFacts()

    def request_read(self, body: bytes, said: RequestFacts) -> None:
        """Take in a whole request of which is known what it says."""
        if self._meter is not None:
            try:
                self._meter.request_read(body, said)
            except Exception as error:
                self._fail(error)

    def response_head(self, status: int, headers: Headers) -> None:
        """Take in the response's status and headers."""
        if self._meter is not None:
            try:
                self._meter.response_head(status, headers)
            except Exception as error:
                self._fail(error)

    def response_body(self, data: bytes) -> None:
        """Take in bytes of the response's body."""
        if self._meter is not None:
            try:
                self._meter.response_body(data)
            except Exception as error:
                self._fail(error)

    def snapshot(self) -> Extraction:
        """Return what the exchange has cost so far."""
        if self._meter is not None:
            try:
                return self._meter.snapshot()
            except Exception as error:
                self._fail(error)
        return Extraction(reason=self._failure)

    def said_all(self) -> bool:
        """Return whether the response has said everything that it usually says."""
        if self._meter is not None:
            try:
                return self._meter.said_all()
            except Exception as error:
                self._fail(error)
        return False

    def finish(self, outcome: str) -> Extraction:
        """Return what the exchange has cost."""
        if self._meter is not None:
            try:
                return self._meter.finish(outcome)
            except Exception as error:
                self._fail(error)
        return Extraction(reason=self._failure)

    def unmeasured(
        self, found: Extraction, event_id: bytes, source: str, request_bytes: int
    ) -> Unmeasured | None:
        """Return what an estimate can be made of, None where there is nothing."""
        if isinstance(self._meter, Meter):
            try:
                return self._meter.unmeasured(found, event_id, source, request_bytes)
            except Exception as error:
                self._fail(error)
        return None

    def _fail(self, error: Exception) -> None:
        # The type alone: a message could quote what the user wrote.
        self._failure = f"meter_failed:{type(error).__name__}"
        self._meter = None
