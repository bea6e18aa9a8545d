"""How many requests a minute one token, or one address, may make.

A generic cell rate: one number a key says when its next request would be due at the steady rate, and a
burst may run ahead of that. Pure: the caller has the clock.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farebox.config import LimitsConfig

KEYS_MAX = 10_000
"""Keys that are remembered: a key that is pushed out starts again with a full allowance."""
BURST_S = 10.0
"""How many seconds' worth of requests may come at once."""


class RateLimit:
    """One rate for each of many keys."""

    __slots__ = ("_ahead_s", "_due", "_interval_s", "_keys_max", "per_minute")

    def __init__(self, per_minute: int, *, burst: int | None = None, keys_max: int = KEYS_MAX) -> None:
        """`per_minute` is at least 1; `burst` is how many may come at once, ten seconds' worth by default."""
        self.per_minute = per_minute
        self._interval_s = 60 / per_minute
        allowed = max(1, math.floor(BURST_S / self._interval_s)) if burst is None else burst
        self._ahead_s = self._interval_s * (allowed - 1)
        self._keys_max = keys_max
        self._due: OrderedDict[str, float] = OrderedDict()
        """When the next request of a key would be due, the key that asked last at the end."""

    def wait_s(self, key: str, now_s: float) -> float:
        """Return how long a request of `key` would have to wait, 0 where it may pass."""
        return max(0.0, self._due.get(key, 0.0) - now_s - self._ahead_s)

    def take(self, key: str, now_s: float) -> float:
        """Count a request and return 0; one that is too early is not counted: return by how many seconds."""
        wait_s = self.wait_s(key, now_s)
        if wait_s:
            return wait_s
        due = self._due
        due[key] = max(due.get(key, 0.0), now_s) + self._interval_s
        due.move_to_end(key)
        if len(due) > self._keys_max:
            due.popitem(last=False)
        return 0.0

    def __len__(self) -> int:
        return len(self._due)


class RequestRates:
    """The two rates of a listener, for each token and for each address; 0 requests a minute is no limit."""

    def __init__(self, per_token: int = 0, per_address: int = 0) -> None:
        self.token = RateLimit(per_token) if per_token else None
        self.address = RateLimit(per_address) if per_address else None

    def __bool__(self) -> bool:
        return self.token is not None or self.address is not None

    def wait_s(self, token: str, address: str, now_s: float) -> float:
        """Return how long a request would have to wait; an empty `token` is none."""
        wait_s = self.address.wait_s(address, now_s) if self.address is not None else 0.0
        if self.token is not None and token:
            wait_s = max(wait_s, self.token.wait_s(token, now_s))
        return wait_s

    def count(self, token: str, address: str, now_s: float) -> None:
        """Count a request, whatever becomes of it."""
        if self.address is not None:
            self.address.take(address, now_s)
        if self.token is not None and token:
            self.token.take(token, now_s)


PER_MINUTE = 6000
"""Requests a minute of one token and of one address beyond loopback, where the configuration says nothing."""


def rates_for(limits: LimitsConfig, *, exposed: bool) -> RequestRates:
    """Return the rates of a listener; `exposed`: others than this machine reach it."""
    usual = PER_MINUTE if exposed else 0
    token, address = limits.token_requests_per_minute, limits.address_requests_per_minute
    return RequestRates(usual if token is None else token, usual if address is None else address)


WRONG_PER_MINUTE = 10
"""Tokens that are not good, from one address, before it is told to wait."""


def wrong_tokens() -> RateLimit:
    """Return the rate of wrong tokens for each address."""
    return RateLimit(WRONG_PER_MINUTE, burst=WRONG_PER_MINUTE)
