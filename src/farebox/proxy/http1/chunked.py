"""Follow chunked framing to its exact end without changing a byte of it.

The grammar is RFC 9112 §7.1's, read strictly: a size of at most 15 hexadecimal digits (leading zeros
count), extensions that are passed over, CRLF and nothing else at a line's end.
"""

from __future__ import annotations

import re

from farebox.wire.http.request_policy import HEAD_BYTES_MAX, HEADERS_MAX, TOKEN

_DIGITS_MAX = 15
"""One digit more could say more bytes than a Content-Length may: 18 decimal digits."""
_LINE_MAX = 4096
"""A size with its extensions."""
_BARE_BREAK = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")
_TRAILER = re.compile(rb"(%s):[\t\x20-\x7e\x80-\xff]*" % TOKEN.pattern)


def _size_line(space: bytes) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return what matches the line before a chunk's data, and what matches the beginning of one."""
    size = rb"[0-9A-Fa-f]{1,%d}" % _DIGITS_MAX
    extension = rb"(?:;[\t\x20-\x7e\x80-\xff]*)?"
    line = rb"(" + size + rb")" + space + extension + rb"\r\n"
    return re.compile(line), re.compile(rb"(?:" + size + rb"(?:" + space + extension + rb"\r?)?)?")


_STRICT = _size_line(b"")
_PADDED = _size_line(b"[ \t]*")
"""Some servers pad a size to a fixed width; every client reads it."""

_sizes: dict[bytes, int] = {}
"""Sizes without extensions as they were written, judged once: most streams repeat a few."""
_SIZES_MAX = 4096
_SEVERAL, _SEVERAL_BYTES = 8, 2048
"""Fewer chunks in a read, or fewer bytes, are followed as quickly one by one."""


class FramingError(Exception):
    """A body that breaks its own framing. `rule` is the policy's slug."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


class ChunkedBody:
    """A chunked body. Its bytes may be passed on as they come, up to `stop`, then `closing()`."""

    __slots__ = ("_left", "_line", "_patterns", "_section", "complete", "rest", "stop", "trailers")

    def __init__(self, *, padded: bool = False) -> None:
        """`padded`: white space may follow a chunk's size."""
        self.complete = False
        self.rest = b""
        """What came after the body's end."""
        self.stop = 0
        """Up to where the bytes taken last are the body's and can be passed on unchanged."""
        self.trailers: list[bytes] = []
        """Their lines, once the body is complete."""
        self._patterns = _PADDED if padded else _STRICT
        self._left = 0
        """Bytes to come of the present chunk, the line break after it included."""
        self._line = b""
        """The beginning of a size's line."""
        self._section: bytes | None = None
        """What has come after the last chunk."""

    def take(self, data: bytes, start: int = 0) -> bytes:
        """Return what the chunks in `data[start:]` carry.

        Raises:
            FramingError: It is not strictly chunked, or it had ended before.
        """
        if self.complete:
            raise FramingError("after_the_end")
        size = self.stop = len(data)
        if self._section is not None:
            self.stop = start
            self._read_trailers(self._section + data[start:])
            return b""
        pieces: list[bytes] = []
        at = start
        if self._left:
            at = self._go_on(data, at, pieces)
        if size - at > _SEVERAL_BYTES and not self._line:
            at = self._take_several(data, at, pieces)
        known = _sizes
        while at < size:
            stop = data.find(b"\r\n", at, at + _DIGITS_MAX + 2)
            length = known.get(data[at:stop]) if stop > 0 and not self._line else None
            if length is not None:
                at = stop + 2
            else:
                length, at = self._read_size(data, at)
                if length is None:
                    break
                if not length:
                    self._end(data, at)
                    break
            stop = at + length
            if stop + 2 <= size:
                pieces.append(data[at:stop])
                at = stop + 2
                if data[stop:at] != b"\r\n":
                    raise FramingError("chunk_malformed")
            else:
                self._left = length + 2
                at = self._go_on(data, at, pieces)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @staticmethod
    def _take_several(data: bytes, at: int, pieces: list[bytes]) -> int:
        """Take in whole chunks at once whose data holds no line break; return where the next one begins.

        Cut at every line break they are sizes and data in turn, and each data has to be as long as the size
        before it says. Events of a stream are like that, and one by one they take twice as long.
        """
        begins = data.find(b"\r\n", at, at + _DIGITS_MAX + 2) + 2
        length = _sizes.get(data[at : begins - 2]) if begins > 1 else None
        if length is None or length * _SEVERAL > len(data) - at:
            return at
        if data.find(b"\r\n", begins, begins + length) > 0 or (at and not data.endswith(b"\r\n", 0, at)):
            return at
        lines = data.split(b"\r\n")
        if at:
            del lines[: data.count(b"\r\n", 0, at)]
        whole = (len(lines) - 1) // 2 * 2
        if not lines[whole - 1]:
            whole -= 2  # behind the last chunk, which has no data
        stated, carried = [*map(_sizes.get, lines[:whole:2])], lines[1:whole:2]
        sizes = [*map(len, carried)]
        if stated != sizes:
            del carried[next(place for place, size in enumerate(stated) if size != sizes[place]) :]
        pieces += carried
        return len(data) - len(b"\r\n".join(lines[2 * len(carried) :]))

    def _go_on(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        """Take in a chunk's data that does not lie whole in what has come, and its line break."""
        left, size = self._left, len(data)
        if left > 2 and at < size:
            stop = min(at + left - 2, size)
            pieces.append(data[at:stop])
            left -= stop - at
            at = stop
        while 0 < left <= 2 and at < size:
            if data[at] != b"\n\r"[left - 1]:
                raise FramingError("chunk_malformed")
            left -= 1
            at += 1
        self._left = left
        return at

    def _read_size(self, data: bytes, at: int) -> tuple[int | None, int]:
        """Return a chunk's size, None where its line has not come whole, and where its data begins."""
        before = self._line
        line = before + data[at : at + _LINE_MAX]
        found = self._patterns[0].match(line)
        if found is None:
            if len(line) >= _LINE_MAX or not self._patterns[1].fullmatch(line):
                raise FramingError("chunk_malformed")
            self._line = line
            return None, at
        self._line = b""
        length = int(found[1], 16)
        if length and found.end() == len(found[1]) + 2 and len(_sizes) < _SIZES_MAX:
            _sizes[found[1]] = length
        return length, at + found.end() - len(before)

    def _end(self, data: bytes, at: int) -> None:
        """Take in what comes after the line of the last chunk."""
        if data.startswith(b"\r\n", at):
            self.complete = True
            self.stop = at + 2
            self.rest = data[at + 2 :]
        else:
            self.stop = at
            self._read_trailers(data[at:])

    def closing(self, trailers: bool = False) -> bytes:
        """Return what ends the body after its last chunk, where that has not gone as it came."""
        if self._section is None or not self.complete:
            return b""
        return b"".join(line + b"\r\n" for line in self.trailers if trailers) + b"\r\n"

    def _read_trailers(self, section: bytes) -> None:
        self._section = section
        if section.startswith(b"\r\n"):
            end = 0
        else:
            end = section.find(b"\r\n\r\n") + 2
            if end == 1:
                if len(section) > HEAD_BYTES_MAX or _BARE_BREAK.search(section):
                    raise FramingError("trailers")
                return
        lines = section[:end].split(b"\r\n")[:-1]
        if end > HEAD_BYTES_MAX or len(lines) > HEADERS_MAX or not all(map(_TRAILER.fullmatch, lines)):
            raise FramingError("trailers")
        self.trailers = lines
        self.rest = section[end + 2 :]
        self.complete = True


def chunk(data: bytes) -> bytes:
    """Return `data` as one HTTP chunk, nothing for nothing: an empty chunk would end the body."""
    return b"%x\r\n%s\r\n" % (len(data), data) if data else b""


LAST_CHUNK = b"0\r\n\r\n"
