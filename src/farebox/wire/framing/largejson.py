"""Cut a large JSON document down to what matters while it passes, in bounded memory.

A 10 MB answer is mostly one base64 string or a list of numbers. Top-level keys nobody asked for
are skipped at C speed, long strings in the kept ones become `""`, and what is left is a small JSON
text for the ordinary reader. A top-level list of objects is treated entry by entry.
"""

from __future__ import annotations

import re

KEPT_STRING_MAX = 1024
KEPT_BYTES_MAX = 1024 * 1024
DEPTH_MAX = 128

_STRUCTURE = re.compile(rb'["\[\]{}]')
_TOP = re.compile(rb'["\[\]{},:]')
_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_WHOLE_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_LONG_STRING = re.compile(rb'"[^"]{1024}')
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STRIDE_MIN = 256
_TO_CLOSING = 2  # from a bracket to the one that closes it, in ASCII
_CLOSING = bytes.maketrans(b"[{", b"]}")

_KEY, _COLON, _VALUE = 0, 1, 2


class JsonPruner:
    """Feed it a document in any pieces; `result` is the pruned text so far."""

    def __init__(self, keys: frozenset[str]) -> None:
        self._keys = frozenset(key.encode() for key in keys)
        self._out = bytearray()
        self._depth = 0
        self._open_brackets = bytearray()
        self._base = 1
        self._expect = _KEY
        self._keep = False
        self._in_string = False
        self._escaped = False
        self._string = bytearray()
        self._string_long = False
        self._first_entry = True
        self._first_element = True
        self.problem: str | None = None
        """`nested_too_deep`, `body_too_large` or `body_not_json`: nothing more is read."""
        self.closed = False

    def feed(self, data: bytes) -> None:
        """Take in more of the document."""
        position = 0
        end = len(data)
        while position < end and self.problem is None and not self.closed:
            if self._in_string:
                position = self._through_string(data, position)
            elif self._depth > self._base:
                position = self._inside(data, position)
            else:
                position = self._at_top(data, position)
        if len(self._out) > KEPT_BYTES_MAX:
            self.problem = "body_too_large"
            self._out = bytearray()

    def result(self) -> bytes:
        """Return the pruned document."""
        return bytes(self._out)

    def _at_top(self, data: bytes, position: int) -> int:
        match = _TOP.search(data, position)
        keeping = self._keep and self._expect == _VALUE
        if match is None:
            if keeping:
                self._out += data[position:]
            return len(data)
        start = match.start()
        if keeping:
            self._out += data[position:start]
        token = data[start]
        if token == 0x22:  # a quote
            self._open_string()
        elif token == 0x3A:  # a colon
            if self._expect == _COLON:
                self._expect = _VALUE
        elif token == 0x2C:  # a comma
            self._expect = _KEY
            self._keep = False
        elif token in (0x7B, 0x5B):
            self._open(token)
        else:
            self._close(token)
        return start + 1

    def _open(self, token: int) -> None:
        self._depth += 1
        self._open_brackets.append(token)
        if self._depth > DEPTH_MAX:
            self.problem = "nested_too_deep"
        elif self._depth == 1:
            if token == 0x5B:
                self._base = 2
                self._expect = _VALUE
            self._out.append(token)
            self._first_entry = True
        elif self._base == 2 and self._depth == 2 and token == 0x7B:
            if not self._first_element:
                self._out += b","
            self._first_element = False
            self._first_entry = True
            self._expect = _KEY
            self._out.append(token)
        elif self._keep:
            self._out.append(token)

    def _close(self, token: int) -> None:
        self._depth -= 1
        if self._depth < 0 or self._open_brackets.pop() != token - _TO_CLOSING:
            self.problem = "body_not_json"
        elif self._depth == 0:
            self._out.append(token)
            self.closed = True
        elif self._base == 2 and self._depth == 1:
            if token == 0x7D:
                self._out.append(token)
            self._keep = False
            self._expect = _VALUE
        elif self._keep:
            self._out.append(token)

    def _inside(self, data: bytes, position: int) -> int:
        """Pass through a value below the top level, copying it only if it is wanted."""
        ahead = self._stride(data, position)
        if ahead > position or self.problem is not None:
            return ahead
        match = _STRUCTURE.search(data, position)
        start = match.start() if match else len(data)
        if self._keep:
            self._out += data[position:start]
        if match is None:
            return start
        token = data[start]
        if token == 0x22:
            self._open_string()
        elif token in (0x7B, 0x5B):
            self._open(token)
        else:
            self._close(token)
        return start + 1

    def _stride(self, data: bytes, position: int) -> int:
        """Pass over as much as lies wholly inside the value, without looking at each bracket.

        Strings are taken out, everything but brackets is deleted, matching pairs cancel: what is
        left says how the depth changes. Returns `position` where the value ends too soon for that.
        """
        size = len(data) - position
        while size >= _STRIDE_MIN:
            piece, outside = _outside_strings(data[position : position + size])
            stop = position + len(piece)
            if piece:
                brackets = _unmatched(outside)
                closing = len(brackets) - len(brackets.lstrip(b"]}"))
                if closing < self._depth - self._base:
                    self._depth += len(brackets) - 2 * closing
                    if brackets[closing:].strip(b"[{") or not self._closes(brackets[:closing]):
                        self.problem = "body_not_json"
                    elif self._depth > DEPTH_MAX:
                        self.problem = "nested_too_deep"
                    self._open_brackets += brackets[closing:]
                    if self._keep and self.problem is None:
                        long = _LONG_STRING.search(piece)
                        self._out += _WHOLE_STRING.sub(_shortened, piece) if long else piece
                    return stop
            size //= 4
        return position

    def _closes(self, closing: bytes) -> bool:
        """Take off the brackets that `closing` closes; return whether they are of the same kind."""
        if not closing:
            return True
        opened = bytes(self._open_brackets[: -len(closing) - 1 : -1])
        del self._open_brackets[-len(closing) :]
        return opened.translate(_CLOSING) == closing

    def _open_string(self) -> None:
        self._in_string = True
        self._escaped = False
        self._string_long = False
        self._string.clear()

    def _through_string(self, data: bytes, position: int) -> int:
        start = position
        if self._escaped:
            self._escaped = False
            position += 1
        quote = data.find(b'"', position)
        if quote >= 0 and data[quote - 1] == 0x5C:
            match = _STRING.match(data, position)
            quote = match.end() if match else position
            if quote >= len(data) or data[quote] == 0x5C:
                quote = -1
        if quote < 0:
            # The string goes on in the next piece, perhaps in the middle of an escape.
            end = len(data)
            slashes = end - max(len(data.rstrip(b"\\")), position)
            self._escaped = slashes % 2 == 1
            self._collect(data, start, end)
            return end
        self._collect(data, start, quote)
        self._close_string()
        return quote + 1

    def _collect(self, data: bytes, start: int, end: int) -> None:
        if self._string_long or not (self._keep or (self._expect == _KEY and self._depth == self._base)):
            return
        if len(self._string) + end - start > KEPT_STRING_MAX:
            self._string_long = True
            self._string.clear()
        else:
            self._string += data[start:end]

    def _close_string(self) -> None:
        self._in_string = False
        if self._depth == self._base and self._expect == _KEY:
            self._keep = bytes(self._string) in self._keys
            self._expect = _COLON
            if self._keep:
                if not self._first_entry:
                    self._out += b","
                self._first_entry = False
                self._out += b'"' + self._string + b'":'
        elif self._keep:
            self._out += b'"' + self._string + b'"'


def _outside_strings(piece: bytes) -> tuple[bytes, bytes]:
    """Return the longest start of `piece` that ends outside strings, and it without its strings."""
    plain = piece
    if b"\\" in piece:
        plain = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
    parts = plain.split(b'"')
    if len(parts) % 2 == 0:
        parts.pop()
        quote = piece.rfind(b'"')
        while _escaped(piece, quote):
            quote = piece.rfind(b'"', 0, quote)
        piece = piece[:quote]
    return piece, b"".join(parts[::2])


def _escaped(text: bytes, position: int) -> bool:
    """Return whether an odd number of backslashes stands before `position`."""
    first = position
    while first > 0 and text[first - 1] == 0x5C:
        first -= 1
    return (position - first) % 2 == 1


def _unmatched(outside: bytes) -> bytes:
    """Return the brackets of a piece that have no partner in it: closing ones, then opening ones."""
    brackets = outside.translate(None, _NOT_BRACKETS)
    before = -1
    while before != len(brackets):
        before = len(brackets)
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return brackets


def _shortened(match: re.Match[bytes]) -> bytes:
    text = match.group()
    return text if len(text) <= KEPT_STRING_MAX + 2 else b'""'


def prune(text: bytes, keys: frozenset[str]) -> bytes:
    """Return a whole document cut down to `keys`; the text as it is when that fails."""
    pruner = JsonPruner(keys)
    pruner.feed(text)
    return pruner.result() if pruner.problem is None and pruner.closed else b""
