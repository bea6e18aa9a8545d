"""One client's connection: read a request's head, hand its exchange the bytes, wait for the next.

One exchange at a time; a pipelined request waits unread behind it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from farebox.proxy import answers
from farebox.proxy.exchange import Exchange, begin
from farebox.proxy.heads import read_request
from farebox.wire.http_policy import LINE_BYTES_MAX, Refusal, head_limit, malformed, starts_like_a_head

if TYPE_CHECKING:
    from farebox.proxy.service import Proxy

_IDLE, _HEAD, _BUSY, _LINGER = range(4)


class ClientConnection(asyncio.Protocol):
    """One accepted connection."""

    __slots__ = (
        "buffer",
        "exchange",
        "proxy",
        "reading_paused",
        "since",
        "stalled_since",
        "state",
        "transport",
    )

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.transport: Any = None
        self.exchange: Exchange | None = None
        self.buffer = b""
        self.state = _HEAD
        self.since = proxy.tick
        """When the state was entered, in the service's seconds."""
        self.stalled_since = 0.0
        """When the client stopped taking what waits for it, 0 while it does."""
        self.reading_paused = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        proxy = self.proxy
        self.transport.set_write_buffer_limits(proxy.limits.stream_buffer)
        proxy.clients.add(self)
        if len(proxy.clients) > proxy.clients_max:
            self.finish(
                answers.error("farebox", 503, "too_many_connections", "too many connections.", close=True),
                keep=False,
                unread=True,
            )

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            if self.state == _LINGER:
                return
            self._read_head(self.buffer + data if self.buffer else data)
        elif exchange.request_complete:
            self._hold_back(data)
        else:
            rest = exchange.request_data(data)
            if rest:
                self._hold_back(rest)

    def eof_received(self) -> bool:
        return False  # half-closed is closed: nobody would see whether the client is still there

    def connection_lost(self, exc: Exception | None) -> None:
        self.proxy.clients.discard(self)
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.client_lost()

    def pause_writing(self) -> None:
        self.stalled_since = self.proxy.tick
        if self.exchange is not None:
            self.exchange.client_full()

    def resume_writing(self) -> None:
        self.stalled_since = 0.0
        if self.exchange is not None:
            self.exchange.client_drained()

    # What exchanges call.

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def finish(self, data: bytes, *, keep: bool, unread: bool = False) -> None:
        """Write an answer's last bytes; then wait for the next request or close.

        `unread`: the client may still be sending what nobody will read. Closing at once would
        reset the connection under the answer, so what comes is discarded for a moment.
        """
        self.exchange = None
        self.since = self.proxy.tick
        if data:
            self.transport.write(data)
        if keep and not self.proxy.draining:
            self.state = _IDLE
            self.resume_reading()
            if self.buffer:
                asyncio.get_running_loop().call_soon(self._next)
        elif unread and not self.transport.is_closing():
            self.state = _LINGER
            self.buffer = b""
            self.resume_reading()
            if self.transport.can_write_eof():
                self.transport.write_eof()
        else:
            self.transport.close()

    def abort(self) -> None:
        """Break the connection off, so that nobody takes what was sent for a whole answer."""
        self.exchange = None
        self.transport.abort()

    def cut_off(self) -> None:
        """End whatever is under way: the time for a graceful stop is over."""
        if self.exchange is not None:
            self.exchange.cut_off()
        else:
            self.transport.abort()

    def pause_reading(self) -> None:
        if not self.reading_paused:
            self.reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.reading_paused:
            self.reading_paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()

    # Once a second.

    def sweep(self, now: float) -> None:
        """Apply the limits in time."""
        limits = self.proxy.limits
        if self.stalled_since and now - self.stalled_since > limits.write_stall_s:
            if self.exchange is not None:
                self.exchange.client_stalled()
            else:
                self.abort()
        elif self.exchange is not None:
            self.exchange.sweep(now)
        elif self.state == _HEAD:
            if now - self.since > limits.client_head_s:
                self._head_timed_out()
        elif self.state == _LINGER:
            if now - self.since > limits.linger_s:
                self.transport.abort()
        elif now - self.since > (limits.drain_idle_s if self.proxy.draining else limits.client_idle_s):
            self.transport.close()

    # Details.

    def _read_head(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n") + 4
        if end == 3:
            self._await_rest(data)
            return
        proxy = self.proxy
        refusal = head_limit(data[:end]) if end > LINE_BYTES_MAX else None
        request = refusal or read_request(data[:end], proxy.hosts)
        if isinstance(request, Refusal):
            self._refuse(request)
            return
        self.buffer = b""
        self.state = _BUSY
        exchange = begin(proxy, self, request)
        rest = data[end:]
        if rest and exchange is not None and not exchange.request_complete:
            rest = exchange.request_data(rest)
        if rest and self.state != _LINGER:
            self._hold_back(rest)

    def _await_rest(self, data: bytes) -> None:
        if self.state != _HEAD:
            self.state = _HEAD
            self.since = self.proxy.tick
        refusal = head_limit(data)
        if refusal is None and not starts_like_a_head(data):
            refusal = malformed("a control character or a bare line break in its head")
        if refusal is not None:
            self._refuse(refusal)
        else:
            self.buffer = data

    def _refuse(self, refusal: Refusal) -> None:
        self.proxy.refused += 1
        self.finish(
            answers.error("farebox", refusal.status, f"policy:{refusal.rule}", refusal.message, close=True),
            keep=False,
            unread=True,
        )

    def _head_timed_out(self) -> None:
        if self.buffer:
            self._refuse(Refusal(408, "head_timeout", "The request's headers did not arrive in time."))
        else:
            self.transport.close()

    def _hold_back(self, data: bytes) -> None:
        """Keep the beginning of a pipelined request until the answer before it has gone out."""
        self.buffer = self.buffer + data if self.buffer else data
        if self.exchange is None:
            asyncio.get_running_loop().call_soon(self._next)
        elif len(self.buffer) > self.proxy.limits.pipelined:
            self.pause_reading()

    def _next(self) -> None:
        if self.exchange is None and self.state == _IDLE and self.buffer:
            data, self.buffer = self.buffer, b""
            self._read_head(data)
