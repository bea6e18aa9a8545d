"""Which attempts are one logical call: a client's library tries again, the user asked once.

A retry says its number (`x-stainless-retry-count`) and mostly not what it repeats. It repeats a call
that failed shortly before: same provider, path, key and length of body, one number lower.
"""

from __future__ import annotations

from collections import OrderedDict

SOURCE = "retry_count"
_WINDOW_NS = 600_000_000_000
_UNSAID_WINDOW_NS = 120_000_000_000
_TRIED_AGAIN = frozenset((408, 409, 425, 429))
"""Errors of the client's own after which libraries try the same again."""
_REMEMBERED = 1024
_PER_KEY = 64

CallKey = tuple[str, str, str | None, int]
"""Provider, path, fingerprint of the API key, bytes of the request's body."""


class LogicalCalls:
    """What failed lately and may be tried again."""

    def __init__(self) -> None:
        self._failed: OrderedDict[CallKey, list[tuple[int, int, str, int]]] = OrderedDict()

    @property
    def none_failed(self) -> bool:
        """Whether nothing is remembered that could be repeated."""
        return not self._failed

    def failed(self, key: CallKey, attempt: int, call: str, now_ns: int, status: int = 0) -> None:
        """Remember an attempt that a client may repeat; times are monotonic."""
        entries = self._failed.get(key)
        if entries is None:
            if len(self._failed) >= _REMEMBERED:
                self._failed.popitem(last=False)
            entries = self._failed[key] = []
        if len(entries) >= _PER_KEY:
            del entries[0]
        entries.append((now_ns, attempt, call, status))

    def repeats(self, key: CallKey, now_ns: int) -> int:
        """Return the number of an attempt whose client does not say it: one more than what failed last.

        0 where nothing like it failed lately in a way that libraries try again after. For keys that tell
        bodies apart by more than their length.
        """
        entries = self._failed.get(key)
        if not entries:
            return 0
        failed_ns, attempt, _, status = entries[-1]
        if now_ns - failed_ns > _UNSAID_WINDOW_NS or _is_refusal(status):
            return 0
        return attempt + 1

    def call_of(self, key: CallKey, attempt: int, now_ns: int) -> str | None:
        """Return the call that a retry belongs to: the first attempt's id, None where it is not known."""
        entries = self._failed.get(key)
        if not entries:
            return None
        found = [one for one in entries if one[1] == attempt - 1 and now_ns - one[0] <= _WINDOW_NS]
        if found:
            entry = next((one for one in found if not _is_refusal(one[3])), found[0])
            entries.remove(entry)  # it is repeated once
            if not entries:
                del self._failed[key]
            return entry[2]
        return None


def _is_refusal(status: int) -> bool:
    """Tell whether a response says that the same request would fail again."""
    return 400 <= status < 500 and status not in _TRIED_AGAIN
