"""Cut a JSON document down to what matters while it passes, in bounded memory.

A 10 MB response is mostly one base64 string or a list of numbers. Entries nobody asked for are skipped
at C speed and not validated, long strings in the kept ones become `""`, runs of white space become one
blank, and what is left is a small JSON text for the ordinary reader. A top-level list of objects is
handed over entry by entry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

KEPT_STRING_MAX = 1024
KEPT_BYTES_MAX = 1024 * 1024
DEPTH_MAX = 128

Wanted = Mapping[bytes, Any]
"""What is kept of an object, by key: None for the whole value, else what is kept of it. A list is looked
at object by object. (`Any` stands for `Wanted | None`: a document can hold itself, as in `unwrap`.)"""

_STRUCTURE = re.compile(rb'["\[\]{}]')
_TOP = re.compile(rb'["\[\]{},:]')
_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_WHOLE_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_LONG_STRING = re.compile(rb'"[^"]{1024}')
_BLANK_MAX = 64
_BLANKS = re.compile(rb"[ \t\r\n]{64}")
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ROUND = bytes.maketrans(b"{}", b"[]")
_STRIDE_MIN, _STRIDE_MAX = 256, 64 * 1024
_LIST, _OBJECT = 0x5B, 0x7B
_TO_CLOSING = 2  # from a bracket to the one that closes it, in ASCII

_KEY, _COLON, _VALUE = 0, 1, 2
_BLANK_RUN = re.compile(rb"[ \t\r\n]{2,}")
"""White space that one blank stands for. Without any, a literal or a number may go on in the next piece."""
_STEP = re.compile(r"([^.\[\]]+)(?:\[([^\]]*)\])?")


def wanted(paths: Iterable[str]) -> dict[bytes, Any]:
    """Return what is kept for some paths (see `farebox.wire.http.paths`)."""
    root: dict[bytes, Any] = {}
    for path in paths:
        for term in path.split(" + "):
            _want(root, term.strip())
    return root


def _want(root: dict[bytes, Any], path: str) -> None:
    node = root
    steps = [step for step in _STEP.findall(path) if not step[0].isdigit()]
    for place, (name, condition) in enumerate(steps):
        key = name.encode()
        tests = [clause.partition("=")[0].strip().rstrip("?") for clause in condition.split(",") if clause]
        if place == len(steps) - 1 and not tests:
            node[key] = None
            return
        inner = node.setdefault(key, {})
        if inner is None:
            return  # it is kept whole
        for test in tests:
            _want(inner, test)
        node = inner


class JsonPruner:
    """Feed it a document in any pieces; `result` is the pruned text so far."""

    def __init__(self, keep: Wanted, string_max: int = KEPT_STRING_MAX) -> None:
        self._root = keep
        self._string_max = string_max
        self._out = bytearray()
        self._depth = 0
        self._nodes: list[Wanted] = []
        """What is kept of each open object or list in which something is chosen."""
        self._kinds = bytearray()
        self._starts: list[int] = []
        """Where in the output the current entry of each of them began."""
        self._expect = _VALUE
        self._keep = False
        self._child: Wanted | None = keep
        """What is kept of the value that comes; None for the whole of it."""
        self._in_string = False
        self._escaped = False
        self._string = bytearray()
        self._string_long = False
        self._stride_size = _STRIDE_MAX
        """What is tried first: as much as the last one, and more; where values are short, little."""
        self._next_blanks = -1
        """Where long white space begins in what is fed now, once that was looked for."""
        self.entries: list[bytes] | None = None
        """The objects of a top-level list that are complete; whoever reads them takes them out."""
        self.problem: str | None = None
        """`nested_too_deep` or `body_not_json`: nothing more is read."""
        self.left_out = False
        """Something that was asked for was too much to keep."""
        self.closed = False

    def feed(self, data: bytes) -> None:
        """Take in more of the document."""
        position = 0
        self._next_blanks = -1
        end = len(data)
        while position < end and self.problem is None and not self.closed:
            if self._in_string:
                position = self._through_string(data, position)
            elif self._depth > len(self._nodes):
                position = self._inside(data, position)
            else:
                position = self._at_top(data, position)
            if len(self._out) > KEPT_BYTES_MAX:
                self._leave_out()

    def result(self) -> bytes:
        """Return the pruned document."""
        return bytes(self._out)

    def so_far(self) -> bytes:
        """Return the pruned document, of one that broke off what was complete."""
        if self.closed or not self._nodes:
            return bytes(self._out)
        return bytes(self._out[: self._starts[-1]]) + bytes(
            kind + _TO_CLOSING for kind in reversed(self._kinds)
        )

    def _at_top(self, data: bytes, position: int) -> int:
        """Look at the next token of an object or a list in which something is chosen."""
        match = _TOP.search(data, position)
        keeping = self._keep and self._expect == _VALUE and bool(self._nodes)
        if match is None:
            if keeping:
                self._out += _tight(data[position:])
            return len(data)
        start = match.start()
        if keeping:
            self._out += _tight(data[position:start])
        token = data[start]
        if token == 0x22:  # a quote
            self._open_string()
        elif token == 0x3A:  # a colon
            if self._expect == _COLON:
                self._expect = _VALUE
        elif token == 0x2C:  # a comma
            self._next_entry()
        elif token in (_OBJECT, _LIST):
            self._open(token)
        else:
            self._close(token)
        return start + 1

    def _next_entry(self) -> None:
        """Expect a key, or the next object of a list: what is no object there is left out."""
        listed = bool(self._kinds) and self._kinds[-1] == _LIST
        self._expect = _VALUE if listed else _KEY
        self._keep = False
        if self._starts:
            self._starts[-1] = len(self._out)

    def _open(self, token: int) -> None:
        self._depth += 1
        chosen = self._depth == len(self._nodes) + 1
        listed = chosen and bool(self._kinds) and self._kinds[-1] == _LIST
        if not self._nodes:
            self.entries = [] if token == _LIST else None
            self._choose(self._root, token)
        elif listed and token == _OBJECT:
            self._begin_entry()
            self._choose(self._nodes[-1], token)
        elif chosen and not listed and self._keep and self._child is not None:
            self._choose(self._child, token)
        elif self._keep:
            if self._depth > DEPTH_MAX:
                self.problem = "nested_too_deep"
            self._out.append(token)

    def _choose(self, node: Wanted, token: int) -> None:
        """Begin an object or list of which some is kept."""
        if self._depth > DEPTH_MAX:
            self.problem = "nested_too_deep"
        self._nodes.append(node)
        self._kinds.append(token)
        self._out.append(token)
        self._starts.append(0)
        self._next_entry()

    def _begin_entry(self) -> None:
        self._starts[-1] = len(self._out)
        if self._out[-1] not in (_OBJECT, _LIST):
            self._out += b","

    def _close(self, token: int) -> None:
        self._depth -= 1
        if self._depth < 0:
            self.problem = "body_not_json"
        elif self._depth >= len(self._nodes):
            if self._keep:
                self._out.append(token)
        else:
            self._nodes.pop()
            self._starts.pop()
            if self._kinds.pop() != token - _TO_CLOSING:
                self.problem = "body_not_json"
                return
            self._out.append(token)
            if not self._nodes:
                self.closed = True
                return
            if self.entries is not None and len(self._nodes) == 1:
                self.entries.append(bytes(self._out[self._starts[0] :]))
                del self._out[self._starts[0] :]
            self._next_entry()

    def _leave_out(self) -> None:
        """Drop the innermost entry that makes up most of what is kept, and skip the rest of it."""
        self.left_out = True
        size = len(self._out)
        level = max(
            (place for place, start in enumerate(self._starts) if size - start > KEPT_BYTES_MAX // 2),
            default=0,
        )
        del self._out[self._starts[level] :]
        del self._nodes[level + 1 :], self._starts[level + 1 :], self._kinds[level + 1 :]
        self._keep = False
        self._expect = _VALUE

    def _inside(self, data: bytes, position: int) -> int:
        """Pass through a value in which nothing is chosen, copying it only if it is wanted."""
        ahead = self._stride(data, position)
        if ahead > position or self.problem is not None:
            return ahead
        match = _STRUCTURE.search(data, position)
        start = match.start() if match else len(data)
        if self._keep:
            self._out += _tight(data[position:start])
        if match is None:
            return start
        token = data[start]
        if token == 0x22:
            self._open_string()
        elif token in (_OBJECT, _LIST):
            self._open(token)
        else:
            self._close(token)
        return start + 1

    def _stride(self, data: bytes, position: int) -> int:
        """Pass over as much as lies wholly inside the value, without looking at each bracket.

        Strings are taken out, everything but brackets is deleted, matching pairs cancel: what is
        left says how the depth changes. Returns `position` where the value ends too soon for that.
        """
        size = min(len(data) - position, self._stride_size)
        if self._keep and self._blanks_at(data, position) + _BLANK_MAX <= position + size:
            return position
        while size >= _STRIDE_MIN:
            piece, outside = _outside_strings(data[position : position + size])
            if piece:
                opened, closed = _unmatched(outside)
                if closed < self._depth - len(self._nodes):
                    self._depth += opened - closed
                    if self._keep:
                        if self._depth > DEPTH_MAX:
                            self.problem = "nested_too_deep"
                        long = _LONG_STRING.search(piece)
                        self._out += _WHOLE_STRING.sub(self._shortened, piece) if long else piece
                    self._stride_size = min(4 * size, _STRIDE_MAX)
                    return position + len(piece)
            size //= 4
        self._stride_size = _STRIDE_MIN
        return position

    def _blanks_at(self, data: bytes, position: int) -> int:
        """Return where the next long white space begins: each byte is looked at once, not by every stride."""
        if self._next_blanks < position:
            found = _BLANKS.search(data, position)
            self._next_blanks = found.start() if found else len(data)
        return self._next_blanks

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

    @property
    def _is_key(self) -> bool:
        return self._expect == _KEY and self._depth == len(self._nodes)

    def _collect(self, data: bytes, start: int, end: int) -> None:
        if self._string_long or not (self._keep or self._is_key):
            return
        if len(self._string) + end - start > self._string_max:
            self._string_long = True
            self._string.clear()
        else:
            self._string += data[start:end]

    def _close_string(self) -> None:
        self._in_string = False
        if self._is_key:
            self._expect = _COLON
            key = bytes(self._string)
            node = self._nodes[-1] if self._nodes else None
            self._keep = node is not None and key in node and not self._string_long
            if node is not None and self._keep:
                self._child = node[key]
                self._begin_entry()
                self._out += b'"' + key + b'":'
        elif self._keep:
            self._out += b'"' + self._string + b'"'

    def _shortened(self, match: re.Match[bytes]) -> bytes:
        text = match.group()
        return text if len(text) <= self._string_max + 2 else b'""'


def _tight(text: bytes) -> bytes:
    """Return what stands between two tokens, long white space as one blank."""
    return text if len(text) < _BLANK_MAX else _BLANK_RUN.sub(b" ", text)


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


def _unmatched(outside: bytes) -> tuple[int, int]:
    """Return how many brackets of a piece open, and how many close, without a partner in it."""
    brackets = outside.translate(_ROUND, _NOT_BRACKETS)
    before = -1
    while before != len(brackets):
        before = len(brackets)
        brackets = brackets.replace(b"[]", b"")
    opened = brackets.count(b"[")
    return opened, len(brackets) - opened


def prune(text: bytes, keep: Wanted) -> bytes:
    """Return a whole document cut down to what is kept; nothing when it is not one."""
    pruner = JsonPruner(keep)
    pruner.feed(text)
    return pruner.result() if pruner.problem is None and pruner.closed else b""


_LITERAL = re.compile(_WHOLE_STRING.pattern + rb"|-?\b(?:NaN|nan|Infinity|inf)\b", re.DOTALL)


def repaired(text: bytes) -> bytes:
    """Return JSON whose strings and numbers a strict reader takes, for what their writers got wrong.

    Halves of a surrogate pair (legal by RFC 8259, section 8.2), control characters, bytes that are not
    UTF-8, `NaN` and its like: none of them is a reason to lose a count that stands beside them.
    """
    return _LITERAL.sub(_legal, text.decode("utf-8", "replace").encode())


def _legal(match: re.Match[bytes]) -> bytes:
    literal = match.group()
    if literal[:1] != b'"':
        return b"null"
    try:
        value: str = json.loads(literal, strict=False)
    except ValueError:
        return b'""'
    return json.dumps(value.encode("utf-8", "replace").decode()).encode()
