"""Undo a response's content encoding on the meter's copy, piece by piece, output capped.

A few hundred bytes can unpack to gigabytes. Every decoder here is driven so that one step yields a
bounded amount, and stops for good at `limit`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, cast

DECODED_BYTES_MAX = 64 * 1024 * 1024
_STEP_OUT = 256 * 1024
_STEP_IN = 512  # at most some 16 MB out of one zstd step: 128 KiB a block of four bytes


class DecodeError(Exception):
    """The bytes are not what the content encoding says."""


class Decoder:
    """Bytes in, decoded bytes out, in pieces of bounded size."""

    def __init__(self, encoding: str, limit: int = DECODED_BYTES_MAX) -> None:
        self._encoding = encoding
        self._limit = limit
        self._out = 0
        self._engine: Any = None
        self.overflowed = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` decodes to; raise `DecodeError` on malformed input."""
        if self.overflowed:
            return
        steps = self._steps(data)
        while True:
            try:
                piece = next(steps)
            except StopIteration:
                return
            except Exception as error:
                raise DecodeError(str(error)) from error
            if not piece:
                continue
            self._out += len(piece)
            if self._out > self._limit:
                self.overflowed = True
                return
            yield piece

    def _steps(self, data: bytes) -> Iterator[bytes]:
        if self._encoding in ("gzip", "x-gzip", "deflate"):
            return self._zlib(data)
        if self._encoding == "br":
            return self._brotli(data)
        return self._zstd(data)

    def _zlib(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._engine is None:
                self._engine = zlib.decompressobj(self._window(data))
            yield self._engine.decompress(data, _STEP_OUT)
            data = self._engine.unconsumed_tail
            if self._engine.eof:
                # A gzip body may be several members in a row.
                data = self._engine.unused_data
                self._engine = None
                if not data.strip(b"\0"):
                    self._engine = _Ended()
                    return

    def _window(self, data: bytes) -> int:
        if self._encoding != "deflate":
            return 16 + zlib.MAX_WBITS
        # RFC 9110 means zlib by `deflate`; some servers send the raw form.
        return zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS

    def _brotli(self, data: bytes) -> Iterator[bytes]:
        if self._engine is None:
            import brotli  # pyright: ignore[reportMissingTypeStubs]

            self._engine = cast("Any", brotli).Decompressor()
        engine: Any = self._engine
        yield engine.process(data, output_buffer_limit=_STEP_OUT)
        while not engine.can_accept_more_data():
            yield engine.process(b"", output_buffer_limit=_STEP_OUT)

    def _zstd(self, data: bytes) -> Iterator[bytes]:
        if self._engine is None:
            import zstandard

            self._engine = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj(
                read_across_frames=True
            )
        for start in range(0, len(data), _STEP_IN):
            yield self._engine.decompress(data[start : start + _STEP_IN])


class _Ended:
    """What follows the last gzip member: padding, which decodes to nothing."""

    unconsumed_tail = b""
    unused_data = b""
    eof = False

    def decompress(self, data: bytes, limit: int) -> bytes:
        return b""


def supported(encoding: str) -> bool:
    return encoding in ("gzip", "x-gzip", "deflate", "br", "zstd")
