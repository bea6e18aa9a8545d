"""The head before this one: a client sends nearly the same head with every call of a connection.

Only its length differs. So what follows from a head is kept with the connection, and the next head is
compared with it byte for byte.
"""

from __future__ import annotations

from farebox.proxy.admission.routed_request import RoutedRequest
from farebox.wire.http_policy import LINE_BYTES_MAX

_DIGITS_MAX = 18


class KeptHead:
    """One connection's."""

    __slots__ = ("_after", "_before", "routed")

    def __init__(self) -> None:
        self.routed: RoutedRequest | None = None
        """What followed from the head; None where none is kept."""
        self._before = b""
        self._after = b""

    def match(self, data: bytes) -> tuple[int, int] | None:
        """Return the body's length and where it begins, where `data` starts with that head."""
        before, after = self._before, self._after
        start = len(before)
        stop = data.find(after, start, start + _DIGITS_MAX + len(after))
        if stop > 0 and data.startswith(before):
            digits = data[start:stop]
            if digits.isdigit():
                return int(digits), stop + len(after)
        return None

    def keep(self, head: bytes, routed: RoutedRequest) -> None:
        """Keep a head that states a length; any other ends what was kept."""
        request = routed.request
        self.forget()
        if not request.length_line or len(head) > LINE_BYTES_MAX or routed.hands_on:
            return  # a Farebox that is handed to may have gone by the next request
        digits = b"%d" % (request.content_length or 0)
        line = request.lines[request.length_line]
        name, _, value = line.partition(b":")
        if value.strip(b" \t") != digits:
            return  # `007`: a number, but not one to compare with
        start = sum(len(before) + 2 for before in request.lines[: request.length_line])
        start += len(name) + 1 + len(value) - len(value.lstrip(b" \t"))
        self.routed = routed
        self._before = head[:start]
        self._after = head[start + len(digits) :]

    def forget(self) -> None:
        """Keep nothing: there is a key in it."""
        self.routed = None
        self._before = self._after = b""
