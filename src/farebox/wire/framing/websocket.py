"""Cut one direction of a WebSocket into its messages (RFC 6455, RFC 7692).

Sans-io and bounded. It reads a copy: what it cannot follow is `problem`, after which it reads no
more, and the bytes that pass are none of its business.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
"""A client's longer message is stepped over; one of a provider's, which may state usage, or a compressed
one, to which others refer, ends the reading."""
_UNPACKED_AT_ONCE = 256 * 1024
_CONTINUATION, _TEXT, _BINARY, _CLOSE = 0, 1, 2, 8
_PING_PONG = (9, 10)
_CONTROL_MAX = 125
_TAIL = b"\x00\x00\xff\xff"


class Deflate:
    """What both sides agreed on for one direction of `permessage-deflate`."""

    __slots__ = ("keeps_context", "window_bits")

    def __init__(self, *, window_bits: int = 15, keeps_context: bool = True) -> None:
        self.window_bits = window_bits
        self.keeps_context = keeps_context


class Agreement:
    """What a server's `Sec-WebSocket-Extensions` says: how each direction is compressed."""

    __slots__ = ("from_client", "from_server", "problem")

    def __init__(self, accepted: bytes | None) -> None:
        self.from_client: Deflate | None = None
        self.from_server: Deflate | None = None
        self.problem: str | None = None
        for extension in (accepted or b"").split(b","):
            name, *parameters = (piece.strip() for piece in extension.split(b";"))
            if not name:
                continue
            if name.lower() != b"permessage-deflate" or self.from_client is not None:
                self.problem = "websocket_extension"
                return
            self.from_client, self.from_server = Deflate(), Deflate()
            for parameter in parameters:
                self._apply(parameter.lower(), self.from_client, self.from_server)

    def _apply(self, parameter: bytes, client: Deflate, server: Deflate) -> None:
        key, _, value = parameter.partition(b"=")
        value = value.strip(b' "')
        key = key.strip()
        side = client if key.startswith(b"client_") else server
        if key.endswith(b"_no_context_takeover"):
            side.keeps_context = False
        elif key.endswith(b"_max_window_bits") and (not value or value.isdigit()):
            side.window_bits = max(9, min(int(value or b"15"), 15))  # zlib reads 8 as 9, too
        else:
            self.problem = "websocket_extension"


class Messages:
    """One direction. Feed it bytes in any pieces; it hands every whole message to `take`."""

    def __init__(
        self,
        take: Callable[[bytes], None],
        *,
        masked: bool,
        deflate: Deflate | None,
        bytes_max: int | None = None,
        take_control: Callable[[int, bytes], None] | None = None,
    ) -> None:
        """`take_control` is for whoever is an end of the connection: it is handed Ping, Pong and Close, with
        their opcode, and a message over `bytes_max` is a problem at once."""
        self.problem: str | None = None
        self.closed = False
        """A Close frame has passed."""
        self.frames = 0
        self._take = take
        self._bytes_max = MESSAGE_BYTES_MAX if bytes_max is None else bytes_max
        self._take_control = take_control
        self._opcode = 0
        self._said: list[bytes] = []
        """The payload of a control frame, where somebody wants it."""
        self._masked = masked
        self._deflate = deflate
        self._inflater: zlib._Decompress | None = None  # pyright: ignore[reportPrivateUsage]
        self._head = b""
        self._left = -1
        """Bytes of the frame's payload to come; -1 while its header is awaited."""
        self._final = False
        self._control = False
        self._mask = b""
        self._offset = 0
        self._within = False
        """A message has begun."""
        self._packed = False
        self._skipping = False
        self._pieces: list[bytes] = []
        self._size = 0

    @property
    def between_frames(self) -> bool:
        """Whether a frame of somebody else's may follow."""
        return self.problem is None and not self._head and self._left < 0

    @property
    def between_messages(self) -> bool:
        """Whether a message of somebody else's may follow."""
        return self.between_frames and not self._within

    def feed(self, data: bytes) -> None:
        """Take in what has passed."""
        if self._head:
            data = self._head + data
            self._head = b""
        position, end = 0, len(data)
        while self.problem is None and (position < end or self._left == 0):
            if self._left < 0:
                after = self._begin(data, position)
                if after < 0:
                    self._head = data[position:]
                    return
                position = after
            taken = min(self._left, end - position)
            if taken:
                self._payload(data[position : position + taken])
                position += taken
                self._left -= taken
            if self._left == 0:
                self._left = -1
                self._end_frame()

    def _begin(self, data: bytes, position: int) -> int:
        """Read a frame's header; return where its payload starts, -1 where the header is not whole."""
        available = len(data) - position
        if available < 2:
            return -1
        first, second = data[position], data[position + 1]
        size = second & 0x7F
        extra = 2 if size == 126 else 8 if size == 127 else 0
        masked = bool(second & 0x80)
        start = position + 2 + extra
        after = start + (4 if masked else 0)
        if len(data) < after:
            return -1
        if extra:
            size = int.from_bytes(data[position + 2 : start], "big")
        self._mask = data[start:after]
        self._offset = 0
        self._left = size
        self._final = bool(first & 0x80)
        self.frames += 1
        opcode, packed = first & 0x0F, bool(first & 0x40)
        self._control = opcode >= _CLOSE
        self._opcode = opcode
        if masked is not self._masked or first & 0x30 or not self._acceptable(opcode, size, packed):
            self.problem = "websocket_framing"
        elif opcode == _CLOSE:
            self.closed = True
        elif opcode in (_TEXT, _BINARY):
            self._within = True
            self._packed = packed
            if packed and (self._inflater is None or not self._keeps_context()):
                bits = self._deflate.window_bits if self._deflate is not None else 15
                self._inflater = zlib.decompressobj(-bits)
        return after

    def _keeps_context(self) -> bool:
        return self._deflate is not None and self._deflate.keeps_context

    def _acceptable(self, opcode: int, size: int, packed: bool) -> bool:
        if opcode >= _CLOSE:
            known = opcode == _CLOSE or opcode in _PING_PONG
            return known and self._final and size <= _CONTROL_MAX and not packed
        if opcode == _CONTINUATION:
            return self._within and not packed
        return opcode in (_TEXT, _BINARY) and not self._within and (not packed or self._deflate is not None)

    def _payload(self, data: bytes) -> None:
        if self._skipping or (self._control and self._take_control is None):
            return
        if self._masked:
            offset = self._offset % 4
            self._offset += len(data)
            data = _unmask(data, self._mask[offset:] + self._mask[:offset])
        if self._control:
            self._said.append(data)
        elif self._packed:
            self._unpack(data)
        else:
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._bytes_max:
            self._skipping = True
            self._pieces.clear()
            if self._take_control is not None:
                self.problem = "websocket_message_too_large"
        else:
            self._pieces.append(data)

    def _unpack(self, data: bytes) -> None:
        inflater = self._inflater
        if inflater is None:
            return
        try:
            more = True
            while more and not self._skipping:
                unpacked = inflater.decompress(data, _UNPACKED_AT_ONCE)
                self._keep(unpacked)
                data = inflater.unconsumed_tail
                more = bool(data) or len(unpacked) == _UNPACKED_AT_ONCE
        except zlib.error:
            self.problem = "websocket_deflate"
            return
        if self._skipping:
            self.problem = "websocket_message_too_large"

    def _end_frame(self) -> None:
        if self._control and self._take_control is not None and self.problem is None:
            payload = b"".join(self._said)
            self._said.clear()
            self._take_control(self._opcode, payload)
        if self._control or not self._final or self.problem is not None:
            return
        self._within = False
        if self._packed:
            self._unpack(_TAIL)
            if self.problem is not None:
                return
        if self._skipping:
            message = None
            if not self._masked:
                self.problem = "websocket_message_too_large"
        else:
            message = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        self._skipping = False
        if message is not None:
            self._take(message)


def text_frame(message: bytes) -> bytes:
    """Return a server's whole message."""
    return _frame(_TEXT, message)


def close_frame(code: int, reason: str) -> bytes:
    """Return a server's end of a socket; the reason is cut to what fits."""
    told = reason.encode()[: _CONTROL_MAX - 2].decode("utf-8", "ignore").encode()
    return _frame(_CLOSE, code.to_bytes(2, "big") + told)


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 1 << 16:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


def _unmask(data: bytes, mask: bytes) -> bytes:
    """Return `data` with the client's mask taken off."""
    size = len(data)
    repeated = (mask * (size // 4 + 1))[:size]
    whole = int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")
    return whole.to_bytes(size, "little")
