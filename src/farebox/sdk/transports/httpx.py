"""httpx and httpx2: `HTTPTransport.handle_request` and its asynchronous twin.

The response's stream is replaced by one that hands on the same pieces, errors and end; the bytes are as
they came, still compressed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from types import ModuleType
from typing import Any

from farebox.sdk import faults
from farebox.sdk.exchange import Exchange, Headers, Passage, begin
from farebox.sdk.transports.patches import replace
from farebox.sdk.transports.watching import is_watched

MODULES = ("httpx", "httpx2")


def install(module: ModuleType) -> None:
    """Meter the transports of httpx, or of httpx2."""
    streams = metered_streams(module)
    replace(module.HTTPTransport, "handle_request", lambda original: _sync(original, module, streams))
    replace(
        module.AsyncHTTPTransport, "handle_async_request", lambda original: _async(original, module, streams)
    )


def _sync(original: Callable[..., Any], module: Any, streams: tuple[Any, Any]) -> Callable[..., Any]:
    metered, body = streams[0], _body_stream(module.SyncByteStream)

    def handle_request(self: Any, request: Any) -> Any:
        exchange, request = _begin(self, request, module, body)
        if exchange is None:
            return original(self, request)
        if exchange.place is not None:
            exchange.admit()
        try:
            response = original(self, request)
        except BaseException as error:
            exchange.failed(error)
            raise
        _respond(response, exchange, metered)
        return response

    return handle_request


def _async(original: Callable[..., Any], module: Any, streams: tuple[Any, Any]) -> Callable[..., Any]:
    metered, body = streams[1], _async_body_stream(module.AsyncByteStream)

    async def handle_async_request(self: Any, request: Any) -> Any:
        exchange, request = _begin(self, request, module, body)
        if exchange is None:
            return await original(self, request)
        if exchange.place is not None:
            await exchange.admit_async()
        try:
            response = await original(self, request)
        except BaseException as error:
            exchange.failed(error)
            raise
        _respond(response, exchange, metered)
        return response

    return handle_async_request


def _begin(transport: Any, request: Any, module: Any, pieces: Any) -> tuple[Exchange | None, Any]:
    """Return the exchange, where one begins, and the request as it is to be sent.

    The caller's own request stays as it is: what a Farebox is told, or what reads a body on its way, is
    in a copy. `pieces` is the class that reads such a body.
    """
    exchange: Exchange | Passage | None = None
    try:
        if not is_watched(transport):
            return None, request
        url = request.url
        proxy = getattr(transport._pool, "_proxy_url", None)
        exchange = begin(
            request.method,
            url.scheme,
            url.host,
            url.port,
            url.raw_path,
            lowered(request.headers),
            getattr(request, "_content", None),
            None if proxy is None else (proxy.host.decode("latin-1"), proxy.port or 80),
        )
        if exchange is None:
            return None, request
        reads = isinstance(exchange, Exchange) and exchange.reads_request
        if reads or exchange.headers:
            stream = pieces(request.stream, exchange) if reads else request.stream
            request = _copied(module, request, exchange.headers, stream)
        return (exchange if isinstance(exchange, Exchange) else None), request
    except Exception as error:
        faults.report(error, "metering")
        return (exchange if isinstance(exchange, Exchange) else None), request


def _copied(module: Any, request: Any, told: Headers, stream: Any) -> Any:
    """Return a request with another body, and with what the Farebox behind it should know."""
    names = {name for name, _ in told}
    headers = [pair for pair in request.headers.raw if pair[0].lower() not in names]
    return module.Request(
        request.method, request.url, headers=[*headers, *told], stream=stream, extensions=request.extensions
    )


def lowered(headers: Any) -> Headers:
    """Return headers with their names in lower case, which httpx keeps beside the names as they came."""
    known = getattr(headers, "_list", None)
    if known is None:
        return [(name.lower(), value) for name, value in headers.raw]
    return [(lower, value) for _, lower, value in known]


def _respond(response: Any, exchange: Exchange, metered: Any) -> None:
    try:
        headers = lowered(response.headers)
        exchange.response(response.status_code, headers)
        response.stream = metered(response.stream, exchange)
    except Exception as error:
        faults.report(error, "metering")


def metered_streams(module: Any) -> tuple[Any, Any]:
    """Return what stands in the place of a response's stream, and of an asynchronous one's."""

    class MeteredStream(module.SyncByteStream):
        """The pieces of a response, as they come."""

        def __init__(self, stream: Any, exchange: Exchange) -> None:
            self._stream = stream
            self._exchange = exchange

        def __iter__(self) -> Iterator[bytes]:
            exchange = self._exchange
            try:
                for piece in self._stream:
                    exchange.chunk(piece)
                    yield piece
            except GeneratorExit:
                exchange.left()
                raise
            except BaseException as error:
                exchange.failed(error)
                raise
            exchange.completed()

        def close(self) -> None:
            self._exchange.left()
            self._stream.close()

    class MeteredAsyncStream(module.AsyncByteStream):
        """The pieces of a response, as they come."""

        def __init__(self, stream: Any, exchange: Exchange) -> None:
            self._stream = stream
            self._exchange = exchange

        async def __aiter__(self) -> AsyncIterator[bytes]:
            exchange = self._exchange
            pieces = self._stream.__aiter__()
            try:
                async for piece in pieces:
                    exchange.chunk(piece)
                    yield piece
            except GeneratorExit:
                exchange.left()
                if hasattr(pieces, "aclose"):
                    await pieces.aclose()
                raise
            except BaseException as error:
                exchange.failed(error)
                raise
            exchange.completed()

        async def aclose(self) -> None:
            self._exchange.left()
            await self._stream.aclose()

    return MeteredStream, MeteredAsyncStream


def _body_stream(base: Any) -> Any:
    class RequestStream(base):
        """A request's body that is made while it is sent."""

        def __init__(self, stream: Any, exchange: Exchange) -> None:
            self._stream = stream
            self._exchange = exchange

        def __iter__(self) -> Iterator[bytes]:
            for piece in self._stream:
                self._exchange.request_body(piece)
                yield piece

        def close(self) -> None:
            self._stream.close()

    return RequestStream


def _async_body_stream(base: Any) -> Any:
    class AsyncRequestStream(base):
        """A request's body that is made while it is sent."""

        def __init__(self, stream: Any, exchange: Exchange) -> None:
            self._stream = stream
            self._exchange = exchange

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for piece in self._stream:
                self._exchange.request_body(piece)
                yield piece

        async def aclose(self) -> None:
            await self._stream.aclose()

    return AsyncRequestStream
