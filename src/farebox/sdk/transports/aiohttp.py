"""aiohttp: an attempt begins when a connection is asked for and ends with its response's content.

aiohttp decompresses before anybody can look, so the meter is told of no encoding where it does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from farebox.sdk import faults
from farebox.sdk.exchange import Exchange, Headers, Passage, begin
from farebox.sdk.transports.patches import replace
from farebox.sdk.transports.watching import is_watched

MODULES = ("aiohttp",)
_MARK, _RAW = "_farebox_exchange", "_farebox_raw"
_DECODED = frozenset((b"gzip", b"deflate", b"br", b"zstd"))
"""What aiohttp decompresses; other encodings it hands on as they came."""

_reading: dict[int, Exchange] = {}
"""The exchanges of readers, by identity: a reader has no room for anything of ours."""


def install(module: ModuleType) -> None:
    """Meter aiohttp's client."""
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.client_reqrep import ClientRequest, ClientResponse
    from aiohttp.connector import BaseConnector
    from aiohttp.streams import StreamReader

    replace(BaseConnector, "connect", _connect)
    replace(ClientRequest, "send", _send)
    replace(ResponseHandler, "set_response_params", _set_response_params)
    replace(ClientResponse, "start", lambda original: _start(original, _metered_reader(StreamReader)))


def _connect(original: Callable[..., Any]) -> Callable[..., Any]:
    async def connect(self: Any, req: Any, *rest: Any, **named: Any) -> Any:
        exchange = _begin(self, req)
        if exchange is None:
            return await original(self, req, *rest, **named)
        if exchange.place is not None:
            await exchange.admit_async()
        try:
            return await original(self, req, *rest, **named)
        except BaseException as error:
            exchange.failed(error)
            raise

    return connect


def _send(original: Callable[..., Any]) -> Callable[..., Any]:
    async def send(self: Any, conn: Any) -> Any:
        exchange: Exchange | None = self.__dict__.get(_MARK)
        if exchange is None:
            return await original(self, conn)
        try:
            response = await original(self, conn)
        except BaseException as error:
            exchange.failed(error)
            raise
        setattr(response, _MARK, exchange)
        return response

    return send


def _set_response_params(original: Callable[..., Any]) -> Callable[..., Any]:
    def set_response_params(self: Any, **named: Any) -> None:
        """aiohttp keeps what a program says of decompressing in a parser that nobody can ask."""
        with contextlib.suppress(AttributeError):
            setattr(self, _RAW, not named.get("auto_decompress", True))
        original(self, **named)

    return set_response_params


def _start(original: Callable[..., Any], metered: type[Any]) -> Callable[..., Any]:
    async def start(self: Any, connection: Any) -> Any:
        exchange: Exchange | None = self.__dict__.get(_MARK)
        if exchange is None:
            return await original(self, connection)
        try:
            protocol = connection.protocol
            await original(self, connection)
        except BaseException as error:
            exchange.failed(error)
            raise
        _respond(self, exchange, metered, protocol)
        return self

    return start


def _begin(connector: Any, request: Any) -> Exchange | None:
    exchange: Exchange | Passage | None = None
    try:
        if not is_watched(connector):
            return None
        url, proxy, body = request.url, request.proxy, request.body
        content = body if isinstance(body, bytes) else getattr(body, "_value", None)
        exchange = begin(
            request.method,
            url.scheme,
            url.host,
            url.port,
            url.raw_path_qs.encode(),
            [(name.lower().encode(), value.encode()) for name, value in request.headers.items()],
            content if isinstance(content, bytes) else None,
            None if proxy is None else (proxy.host, proxy.port or 80),
        )
        if exchange is not None:
            _tell(request, exchange.headers)
        if isinstance(exchange, Exchange):
            setattr(request, _MARK, exchange)
            if exchange.reads_request:
                request._traces = [*request._traces, _SentPieces(exchange)]
    except Exception as error:
        faults.report(error, "metering")
    return exchange if isinstance(exchange, Exchange) else None


def _tell(request: Any, told: Headers) -> None:
    for name, value in told:
        request.headers[name.decode()] = value.decode()


def _respond(response: Any, exchange: Exchange, metered: type[Any], protocol: Any) -> None:
    try:
        is_raw = getattr(protocol, _RAW, False)
        headers = [(name.lower(), value) for name, value in response.raw_headers]
        if not is_raw and dict(headers).get(b"content-encoding", b"").lower() in _DECODED:
            headers = [pair for pair in headers if pair[0] not in (b"content-encoding", b"content-length")]
        exchange.response(response.status, headers)
        content = response.content
        if type(content) is metered.__base__:
            _reading[id(content)] = exchange
            content.__class__ = metered
            if content._eof and not content._buffer:
                metered.ended(content)
        else:
            exchange.completed()  # there is no content
    except Exception as error:
        faults.report(error, "metering")


class _SentPieces:
    """What aiohttp tells of a request's body while it is sent in pieces; it asks for nothing else."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def send_request_chunk_sent(self, method: str, url: Any, chunk: bytes) -> None:
        """Take in a piece."""
        self._exchange.request_body(bytes(chunk))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if not name.startswith("send_"):
            raise AttributeError(name)
        return _nothing


def _broke_off(exchange: Exchange, error: Any) -> None:
    try:
        # Closing a response sets an exception, too: the program has left, nothing has failed.
        if str(error) == "Connection closed":
            exchange.left()
        else:
            exchange.failed(error if isinstance(error, BaseException) else error())
    except Exception as fault:
        faults.report(fault, "metering")


async def _nothing(*_: object, **__: object) -> None:
    return


def _metered_reader(base: Any) -> type[Any]:
    class MeteredReader(base):
        """A response's content: what the program takes out of it is metered, no sooner."""

        __slots__ = ()

        def _read_nowait_chunk(self, n: int) -> bytes:
            data: bytes = base._read_nowait_chunk(self, n)
            exchange = _reading.get(id(self))
            if exchange is not None:
                exchange.chunk(data)
                if self._eof and not self._buffer:
                    self.ended()
            return data

        def feed_eof(self) -> None:
            if not self._buffer:
                self.ended()
            base.feed_eof(self)

        def set_exception(self, exc: Any, *rest: Any) -> None:
            exchange = _reading.pop(id(self), None)
            if exchange is not None:
                _broke_off(exchange, exc)
            base.set_exception(self, exc, *rest)

        def ended(self) -> None:
            exchange = _reading.pop(id(self), None)
            if exchange is not None:
                exchange.completed()

        def __del__(self) -> None:
            exchange = _reading.pop(id(self), None)
            if exchange is not None:
                exchange.left()

    MeteredReader.__name__ = MeteredReader.__qualname__ = base.__name__
    return MeteredReader
