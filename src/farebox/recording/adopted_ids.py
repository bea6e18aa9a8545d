"""Event ids that the SDK made and the proxy takes over, so that both speak of one call by one id.

An id is taken over once. The same again, from a client that repeats itself or makes things up, gets an id of
ours: the record keeps one row an id, and the second call would be lost.
"""

from __future__ import annotations

from farebox.clock import now_ns

EVENT_ID = b"x-farebox-event-id"
_FRESH_MS = 30_000
"""An id is as old as its call. What is older cannot be told from one that was used before."""
_REMEMBERED = 65_536
"""Ids of twice that time; where more come, the rest is not taken over."""


def event_id_of(value: bytes | None) -> bytes:
    """Return the 16 bytes of a UUIDv7's text; empty for anything else."""
    if value is None or len(value) != 36 or value.count(b"-") != 4:
        return b""
    try:
        found = bytes.fromhex(value.replace(b"-", b"").decode("ascii"))
    except ValueError:
        return b""
    return found if len(found) == 16 and found[6] >> 4 == 7 and found[8] >> 6 == 2 else b""


class AdoptedIds:
    """One proxy's."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()
        self._before: set[bytes] = set()
        self._turn_at_ms = 0

    def adopt(self, event_id: bytes, now: int | None = None) -> bytes:
        """Return the id if it is fresh and new here, else nothing; `now` in nanoseconds."""
        if not event_id:
            return b""
        now_ms = (now_ns() if now is None else now) // 1_000_000
        if now_ms >= self._turn_at_ms:
            self._before, self._known = self._known, set()
            self._turn_at_ms = now_ms + 2 * _FRESH_MS
        age_ms = now_ms - int.from_bytes(event_id[:6], "big")
        if abs(age_ms) > _FRESH_MS or event_id in self._known or event_id in self._before:
            return b""
        if len(self._known) >= _REMEMBERED:
            return b""
        self._known.add(event_id)
        return event_id
