"""The moment by which sums are forgotten: that of the clock, unless it has just jumped ahead."""

from __future__ import annotations

_JUMP_NS = 3_600 * 10**9
_BELIEVED_AFTER_S = 86_400.0


class Horizon:
    """A clock that jumps ahead makes nothing forgotten before it has stayed there for a day.

    A machine that slept looks the same, and waits a day longer for it.
    """

    def __init__(self) -> None:
        self._anchor: tuple[int, float] | None = None
        self._jumped_at: float | None = None

    def at(self, now_ns: int, monotonic: float) -> int:
        """Return the moment to go by."""
        if self._anchor is None:
            self._anchor = now_ns, monotonic
            return now_ns
        anchor_ns, since = self._anchor
        expected_ns = anchor_ns + int((monotonic - since) * 10**9)
        if now_ns - expected_ns <= _JUMP_NS:
            self._anchor, self._jumped_at = (now_ns, monotonic), None
            return now_ns
        if self._jumped_at is None:
            self._jumped_at = monotonic
        if monotonic - self._jumped_at >= _BELIEVED_AFTER_S:
            self._anchor, self._jumped_at = (now_ns, monotonic), None
            return now_ns
        return expected_ns
