"""urllib3, and with it requests and botocore: one attempt is one `HTTPConnectionPool._make_request`.

Responses are metered where urllib3 takes bytes off the connection, before it decodes them. A response that
version 2 reads whole before anybody sees it is metered as it is then. In version 1 an attempt returns the
response of `http.client`, which carries the exchange until urllib3 has made its own of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, cast
from urllib.parse import urlsplit

from farebox.sdk import faults
from farebox.sdk.exchange import Exchange, Headers, Passage, begin
from farebox.sdk.transports.patches import replace
from farebox.sdk.transports.watching import is_watched

MODULES = ("urllib3",)
_MARK = "_farebox_exchange"


def install(module: ModuleType) -> None:
    """Meter the connection pools of urllib3, from version 1.26.10 on."""
    from urllib3.connectionpool import HTTPConnectionPool
    from urllib3.response import HTTPResponse

    response: Any = HTTPResponse
    reads = next((name for name in ("_raw_read", "_fp_read") if hasattr(response, name)), None)
    if reads is None:
        faults.report(RuntimeError("urllib3 before version 1.26.10 is not metered"), "instrument()")
        return
    replace(HTTPConnectionPool, "_make_request", _make_request)
    replace(response, reads, _raw_read, of_responses=True)
    replace(response, "_handle_chunk", _handle_chunk, of_responses=True)
    replace(response, "_update_chunk_length", _update_chunk_length, of_responses=True)
    replace(response, "close", _close, of_responses=True)


def _make_request(original: Callable[..., Any]) -> Callable[..., Any]:
    def make_request(self: Any, conn: Any, method: str, url: str, *rest: Any, **named: Any) -> Any:
        exchange, rest, named = _begin(self, method, url, rest, named)
        if exchange is None:
            return original(self, conn, method, url, *rest, **named)
        if exchange.place is not None:
            exchange.admit()
        try:
            response = original(self, conn, method, url, *rest, **named)
        except BaseException as error:
            exchange.failed(error)
            raise
        _respond(response, exchange)
        return response

    return make_request


def _begin(
    pool: Any, method: str, url: str, rest: tuple[Any, ...], named: dict[str, Any]
) -> tuple[Exchange | None, tuple[Any, ...], dict[str, Any]]:
    """Return the exchange, where one begins, and the arguments with which the request is to be made."""
    exchange: Exchange | Passage | None = None
    try:
        if not is_watched(pool):
            return None, rest, named
        body = rest[0] if rest else named.get("body")
        headers = rest[1] if len(rest) > 1 else named.get("headers")
        scheme, host, port, target = pool.scheme, pool.host, pool.port, url
        if "://" in url[:10]:  # plain HTTP through a proxy
            parts = urlsplit(url)
            scheme, host, port = parts.scheme, parts.hostname or host, parts.port
            target = url[url.index("/", len(scheme) + 3) :] if "/" in url[len(scheme) + 3 :] else "/"
        proxy = pool.proxy
        exchange = begin(
            method,
            scheme,
            host,
            port,
            target.encode("latin-1", "replace"),
            _raw(cast("Mapping[Any, Any]", pool.headers if headers is None else headers)),
            _content(body),
            None if proxy is None else (proxy.host, proxy.port or 80),
        )
        if exchange is not None and exchange.headers:
            rest, named = _told(pool, rest, named, exchange.headers)
    except Exception as error:
        faults.report(error, "metering")
    return (exchange if isinstance(exchange, Exchange) else None), rest, named


def _content(body: Any) -> bytes:
    """Return a body as bytes; nothing of a file, which is sent as it is read."""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    return body.tobytes() if isinstance(body, memoryview) else b""


def _raw(headers: Mapping[Any, Any] | None) -> Headers:
    return [(_bytes(name).lower(), _bytes(value)) for name, value in (headers or {}).items()]


def _bytes(text: Any) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode("latin-1", "replace")


def _told(
    pool: Any, rest: tuple[Any, ...], named: dict[str, Any], told: Headers
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with what the Farebox behind the request should know."""
    given = rest[1] if len(rest) > 1 else named.get("headers")
    said = cast("Iterable[tuple[Any, Any]]", (pool.headers if given is None else given).items())
    names = {name for name, _ in told}
    headers = {name: value for name, value in said if _bytes(name).lower() not in names}
    headers |= {name.decode(): value for name, value in told}
    if len(rest) > 1:
        return (rest[0], headers, *rest[2:]), named
    return rest, {**named, "headers": headers}


def _respond(response: Any, exchange: Exchange) -> None:
    try:
        whole = getattr(response, "_body", None)
        headers = _raw(response.headers)
        if whole is not None and response.decode_content and response._decoder is not None:
            headers = [pair for pair in headers if pair[0] not in (b"content-encoding", b"content-length")]
        exchange.response(response.status, headers)
        if whole is not None:
            exchange.chunk(whole)
            exchange.completed()
        elif _is_over(response):
            exchange.completed()
        else:
            setattr(response, _MARK, exchange)
    except Exception as error:
        faults.report(error, "metering")


def _read(response: Any, exchange: Exchange, data: bytes, amt: int | None) -> None:
    try:
        if data:
            exchange.chunk(data)
        if (not data and amt != 0) or _is_over(response):
            exchange.completed()
    except Exception as error:
        faults.report(error, "metering")


def _exchange_of(response: Any) -> Exchange | None:
    """Return a response's exchange, which it takes over from that of `http.client`."""
    try:
        fields = response.__dict__
        found: Exchange | None = fields.get(_MARK)
        if found is None:
            below = getattr(fields.get("_original_response"), "__dict__", None)
            found = None if below is None else below.pop(_MARK, None)
            if found is not None:
                fields[_MARK] = found
        return found
    except Exception as error:
        faults.report(error, "metering")
        return None


def _is_over(response: Any) -> bool:
    body = getattr(response, "_fp", response)
    return body is None or bool(getattr(body, "isclosed", bool)())


def _raw_read(original: Callable[..., Any]) -> Callable[..., Any]:
    def raw_read(self: Any, amt: int | None = None, **named: Any) -> Any:
        exchange = _exchange_of(self)
        if exchange is None:
            return original(self, amt, **named)
        try:
            data = original(self, amt, **named)
        except BaseException as error:
            exchange.failed(error)
            raise
        _read(self, exchange, data, amt)
        return data

    return raw_read


def _handle_chunk(original: Callable[..., Any]) -> Callable[..., Any]:
    def handle_chunk(self: Any, amt: int | None) -> Any:
        exchange = _exchange_of(self)
        if exchange is None:
            return original(self, amt)
        try:
            data = original(self, amt)
        except BaseException as error:
            exchange.failed(error)
            raise
        exchange.chunk(data)
        return data

    return handle_chunk


def _update_chunk_length(original: Callable[..., Any]) -> Callable[..., Any]:
    def update_chunk_length(self: Any) -> None:
        exchange = _exchange_of(self)
        if exchange is None:
            original(self)
            return
        del self.__dict__[_MARK]  # a stream that breaks off is closed before it is said that it broke off
        try:
            original(self)
        except BaseException as error:
            exchange.failed(error)
            raise
        setattr(self, _MARK, exchange)
        if self.chunk_left == 0:
            exchange.completed()

    return update_chunk_length


def _close(original: Callable[..., Any]) -> Callable[..., Any]:
    def close(self: Any) -> None:
        """Also what Python calls for a response that is forgotten."""
        exchange = _exchange_of(self)
        if exchange is not None:
            exchange.left()
        original(self)

    return close
