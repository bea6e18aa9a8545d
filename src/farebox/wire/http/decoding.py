"""Undo a message's content encodings on the meter's copy, piece by piece, output capped.

A few hundred bytes can unpack to gigabytes. Every decoder here is driven so that one step yields a
bounded amount, and stops for good where a body is both large and larger than text can be packed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any, cast

DECODED_BYTES_MAX = 64 * 1024 * 1024
_PACKED_TIMES = 8
"""A body may decode to more than the limit while it decodes to no more than this many times its bytes."""
_LAYERS_MAX = 3
_STEP_OUT = 256 * 1024
_STEP_IN = 512  # at most some 16 MB out of one zstd step: 128 KiB a block of four bytes


class DecodeError(Exception):
    """The bytes are not what the content encoding says."""


class Decoder:
    """Bytes in, decoded bytes out, in pieces of bounded size."""

    def __init__(self, encoding: str, limit: int = DECODED_BYTES_MAX) -> None:
        """`encoding` is one, or several in the order in which they were applied (RFC 9110, 8.4)."""
        self._layers = tuple(_LAYERS[name]() for name in reversed(_names(encoding)))
        self._limit = limit
        self._in = 0
        self._out = 0
        self.overflowed = False

    @property
    def is_whole(self) -> bool:
        """Whether what was fed ends where the encoded content does: nothing was cut off."""
        return all(layer.is_whole for layer in self._layers)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` decodes to; raise `DecodeError` on malformed input."""
        if self.overflowed:
            return
        self._in += len(data)
        steps = _through(data, self._layers)
        while True:
            try:
                piece = next(steps)
            except StopIteration:
                return
            except Exception as error:
                raise DecodeError(str(error)) from error
            self._out += len(piece)
            if self._out > max(self._limit, _PACKED_TIMES * self._in):
                self.overflowed = True
                return
            yield piece


def _through(data: bytes, layers: tuple[_Layer, ...]) -> Iterator[bytes]:
    if not layers:
        yield data
        return
    for piece in layers[0].steps(data):
        if piece:
            yield from _through(piece, layers[1:])


class _Layer:
    """One encoding undone. What follows its end, padding or another member, is looked at as it comes."""

    def __init__(self) -> None:
        self._engine: Any = None
        self._ended = False
        """A whole member has been decoded: what cannot be decoded after it is none of the body."""
        self._begun = False
        """The member at hand has yielded something."""

    @property
    def is_whole(self) -> bool:
        """Whether the input ended with a member's end, or with what follows one."""
        return self._ended and self._engine in (None, _PADDING)

    def steps(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` decodes to in steps, empty ones among them."""
        while data:
            if self._engine is None:
                self._engine, self._begun = self._start(data), False
            try:
                piece, data = self._step(data)
            except Exception:
                if not self._ended or self._begun:
                    raise
                self._engine = _PADDING
                return
            self._begun = self._begun or bool(piece)
            yield piece

    def _start(self, data: bytes) -> Any:
        raise NotImplementedError

    def _step(self, data: bytes) -> tuple[bytes, bytes]:
        """Return a bounded piece of output, and the input that is left for further steps."""
        raise NotImplementedError


class _Gzip(_Layer):
    def _start(self, data: bytes) -> Any:
        return zlib.decompressobj(16 + zlib.MAX_WBITS)

    def _step(self, data: bytes) -> tuple[bytes, bytes]:
        engine = self._engine
        piece = engine.decompress(data, _STEP_OUT)
        if not engine.eof:
            return piece, engine.unconsumed_tail
        self._ended, self._engine = True, None
        return piece, engine.unused_data.lstrip(b"\0")  # a body may be several members in a row


class _Deflate(_Gzip):
    def _start(self, data: bytes) -> Any:
        # RFC 9110 means zlib by `deflate`; some servers send the raw form.
        return zlib.decompressobj(zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS)

    def _step(self, data: bytes) -> tuple[bytes, bytes]:
        piece, data = super()._step(data)
        if self._ended:
            self._engine, data = _PADDING, b""
        return piece, data


class _Brotli(_Layer):
    def _start(self, data: bytes) -> Any:
        import brotli  # pyright: ignore[reportMissingTypeStubs]

        return cast("Any", brotli).Decompressor()

    @property
    def is_whole(self) -> bool:
        return self._engine is not None and self._engine.is_finished()

    def steps(self, data: bytes) -> Iterator[bytes]:
        engine = self._engine = self._engine or self._start(data)
        if engine.is_finished():
            return
        yield engine.process(data, output_buffer_limit=_STEP_OUT)
        while not engine.can_accept_more_data():
            yield engine.process(b"", output_buffer_limit=_STEP_OUT)


class _Zstd(_Layer):
    def _start(self, data: bytes) -> Any:
        import zstandard

        return zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()

    def _step(self, data: bytes) -> tuple[bytes, bytes]:
        engine = self._engine
        piece = engine.decompress(data[:_STEP_IN])
        if engine.eof:
            self._ended, self._engine = True, None
            return piece, engine.unused_data + data[_STEP_IN:]
        return piece, data[_STEP_IN:]


class _Padding:
    """What follows the last member: it decodes to nothing."""

    eof = False
    unconsumed_tail = unused_data = b""

    def decompress(self, data: bytes, limit: int = 0) -> bytes:
        return b""


_PADDING = _Padding()
_LAYERS = {
    "gzip": _Gzip,
    "x-gzip": _Gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}


def _names(encoding: str) -> list[str]:
    names = (name.strip().lower() for name in encoding.split(","))
    return [name for name in names if name not in ("", "identity")]


def supported(encoding: str) -> bool:
    """Return whether there is something to decode, and it can be."""
    names = _names(encoding)
    return 0 < len(names) <= _LAYERS_MAX and all(name in _LAYERS for name in names)


def encoding_of(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """Return what a message's `Content-Encoding` headers (names in lower case) say together."""
    values = [value for name, value in headers if name == b"content-encoding"]
    return ", ".join(_names(b",".join(values).decode("latin-1"))) if values else ""
