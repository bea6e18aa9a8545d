"""Follow chunked framing without changing a byte of it."""

from __future__ import annotations

import re

import httptools

_EMPTY_LINE = b"\r\n\r\n"
_LAST = re.compile(rb"(?:\A|\n)0+(?:;[^\r\n]*)?\r\n\r\n\Z")
_USUAL_END = b"\r\n0\r\n\r\n"
_TAIL = 256


class FramingError(Exception):
    """A body that breaks its own framing. `rule` is the policy's slug."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


class ChunkedBody:
    """A chunked body, followed by llhttp. Trailers are refused.

    llhttp does not say where a body ended and would take what follows for the next message, so it
    is given no byte beyond an empty line at a time: a body without trailers ends with one.
    """

    __slots__ = ("_before", "_messages", "_parser", "_pieces", "_trailers", "complete", "on_body", "rest")

    def __init__(self) -> None:
        self.complete = False
        self.rest = b""
        """What came after the body's end."""
        self._before = b""
        """The last bytes so far: an empty line may come in two pieces."""
        self._pieces: list[bytes] = []
        self._trailers = False
        self._messages = 0
        # llhttp calls list.append itself: no Python frame per chunk.
        self.on_body = self._pieces.append
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._parser.feed_data(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n")
        self._trailers = False

    def on_message_begin(self) -> None:
        self._messages += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        self._trailers = True

    def on_message_complete(self) -> None:
        self.complete = True

    def take_last(self, data: bytes, start: int = 0) -> bytes:
        """Return what the chunks in `data[start:]` carry, for a body after which nothing may come.

        Looking for empty lines would cost more than all else here. Without that, llhttp takes what
        follows the end for a next message: the body must then not end as a body does, or a message
        begins, or there is no such message.

        Raises:
            FramingError: It is not strictly chunked, has trailers, or something comes after it.
        """
        parser = self._parser
        if parser is None:
            raise FramingError("after_the_end")
        try:
            parser.feed_data(memoryview(data)[start:] if start else data)
        except httptools.HttpParserError:
            raise FramingError("after_the_end" if self.complete else "chunk_malformed") from None
        if self._trailers:
            raise FramingError("trailers")
        tail = data[-_TAIL:] if len(data) - start >= _TAIL else (self._before + data[start:])[-_TAIL:]
        if self.complete:
            self._parser = None
            if self._messages > 1 or not (tail.endswith(_USUAL_END) or _LAST.search(tail)):
                raise FramingError("after_the_end")
        else:
            self._before = tail
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return body

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the body's own bytes of `data`, all up to its end, and those its chunks carry.

        Raises:
            FramingError: It is not strictly chunked or has trailers, or it had ended before.
        """
        parser = self._parser
        if parser is None:
            raise FramingError("after_the_end")
        size = len(data)
        before = self._before
        seam = (before + data[:3]).find(_EMPTY_LINE)
        end = seam + 4 - len(before) if seam >= 0 else data.find(_EMPTY_LINE) + 4
        start = 0
        try:
            while 3 < end < size or (seam >= 0 and end < size):
                seam = -1
                parser.feed_data(data[start:end])
                if self.complete:
                    self.rest = data[end:]
                    data = data[:end]
                    break
                start = end
                end = data.find(_EMPTY_LINE, start) + 4
            else:
                parser.feed_data(data[start:] if start else data)
        except httptools.HttpParserError:
            raise FramingError("chunk_malformed") from None
        if self._trailers:
            raise FramingError("trailers")
        if self.complete:
            self._parser = None  # it refers to us: without this only the collector frees both
        else:
            self._before = data[-3:] if size > 2 else (before + data)[-3:]
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return data, body


def chunk(data: bytes) -> bytes:
    """Return `data` as one HTTP chunk, nothing for nothing: an empty chunk would end the body."""
    return b"%x\r\n%s\r\n" % (len(data), data) if data else b""


LAST_CHUNK = b"0\r\n\r\n"
