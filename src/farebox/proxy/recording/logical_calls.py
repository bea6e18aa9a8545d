"""Which attempts are one logical call: a client's library tries again, the user asked once.

A retry says its number (`x-stainless-retry-count`) and mostly not what it repeats. It repeats a call
that failed shortly before: same provider, path, key and length of body, one number lower.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farebox.proxy.http1.exchange import Exchange

SOURCE = "retry_count"
_WINDOW_S = 600.0
_REMEMBERED = 1024
_PER_KEY = 64

_Key = tuple[str, str, str | None, int]


class LogicalCalls:
    """What failed lately and may be tried again."""

    def __init__(self) -> None:
        self._failed: OrderedDict[_Key, list[tuple[float, int, str]]] = OrderedDict()

    def failed(self, exchange: Exchange) -> None:
        """Remember an attempt that a client may repeat."""
        key = _key(exchange)
        entries = self._failed.get(key)
        if entries is None:
            if len(self._failed) >= _REMEMBERED:
                self._failed.popitem(last=False)
            entries = self._failed[key] = []
        call = exchange.call or exchange.event_id.hex()
        if len(entries) >= _PER_KEY:
            del entries[0]
        entries.append((exchange.proxy.tick, exchange.routed.intent.attempt, call))

    def call_of(self, exchange: Exchange) -> str | None:
        """Return the call that a retry belongs to: the first attempt's id, None where it is not known."""
        key = _key(exchange)
        entries = self._failed.get(key)
        if not entries:
            return None
        now, before = exchange.proxy.tick, exchange.routed.intent.attempt - 1
        for entry in entries:
            at, attempt, call = entry
            if attempt == before and now - at <= _WINDOW_S:
                entries.remove(entry)  # it is repeated once
                if not entries:
                    del self._failed[key]
                return call
        return None


def _key(exchange: Exchange) -> _Key:
    intent = exchange.routed.intent
    return intent.provider, intent.path, intent.key_fingerprint, exchange.request_bytes
