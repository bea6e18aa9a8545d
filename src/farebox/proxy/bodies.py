"""Follow chunked framing without changing a byte of it."""

from __future__ import annotations

import re

import httptools

_LAST_CHUNK = re.compile(rb"\r\n0+\r\n\r\n\Z")
_TAIL = 64


class FramingError(Exception):
    """A body that breaks its own framing. `rule` is the policy's slug."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


class ChunkedBody:
    """A chunked body, followed by llhttp. Trailers and bytes after the end are refused."""

    __slots__ = ("_parser", "_pieces", "_tail", "_trailers", "complete", "on_body")

    def __init__(self) -> None:
        self.complete = False
        self._pieces: list[bytes] = []
        self._trailers = False
        # llhttp calls list.append itself: no Python frame per chunk.
        self.on_body = self._pieces.append
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._parser.feed_data(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n")
        self._trailers = False
        self._tail = b"\r\n"

    def on_header(self, name: bytes, value: bytes) -> None:
        self._trailers = True

    def on_message_complete(self) -> None:
        self.complete = True

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Return `data` itself and the bytes its chunks carry.

        Raises:
            FramingError: It is not strictly chunked, has trailers, or goes on after its end.
        """
        parser = self._parser
        if parser is None:
            raise FramingError("after_the_end")
        try:
            parser.feed_data(data)
        except httptools.HttpParserError:
            raise FramingError("chunk_malformed" if not self.complete else "after_the_end") from None
        self._tail = tail = (self._tail + data)[-_TAIL:] if len(data) < _TAIL else data[-_TAIL:]
        if self._trailers:
            raise FramingError("trailers")
        if self.complete:
            if _LAST_CHUNK.search(tail) is None:
                # llhttp skips line breaks between messages; we neither skip nor pass them on.
                raise FramingError("after_the_end")
            self._parser = None  # it refers to us: without this only the collector frees both
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return data, body


def chunk(data: bytes) -> bytes:
    """Return `data` as one HTTP chunk, nothing for nothing: an empty chunk would end the body."""
    return b"%x\r\n%s\r\n" % (len(data), data) if data else b""


LAST_CHUNK = b"0\r\n\r\n"
