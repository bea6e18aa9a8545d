"""One POST to a destination: resolved once, connected to the address that was checked, bounded in every way.

The response is its status and a short beginning of its body. What a server sends after that, how slowly
and how much of it, cannot hold the caller up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import httptools

from farebox.outbound.connection import LIMITS, Limits, RequestFailedError, connect, why
from farebox.outbound.destination import Destination

HEAD_BYTES_MAX = 64 << 10
BODY_BYTES_MAX = 64 << 10
EXCERPT_CHARACTERS = 200


class Response(NamedTuple):
    """What came back."""

    status: int
    retry_after: str | None
    excerpt: str
    """The beginning of the body, as text; nothing of a success."""


async def post(
    to: Destination,
    headers: Mapping[str, str],
    body: bytes,
    *,
    own_ports: frozenset[int] = frozenset(),
    limits: Limits = LIMITS,
) -> Response:
    """Send `body` and return the response. `own_ports` are ours on loopback: nothing is sent there.

    Raises:
        RequestFailedError: No connection, no response in time, or none that is HTTP.
    """
    is_on_its_way = False
    try:
        async with asyncio.timeout(limits.whole):
            reader, writer = await connect(to, own_ports, limits, secure=to.secure)
            try:
                request = _head(to, headers, body) + body
                is_on_its_way = True
                writer.write(request)
                await writer.drain()
                return await _response(reader, limits)
            finally:
                writer.transport.abort()
    except TimeoutError:
        failed = RequestFailedError(f"no response within {limits.whole:g} seconds")
    except (OSError, EOFError) as error:
        failed = RequestFailedError(f"the connection failed: {why(error)}")
    except RequestFailedError as error:
        failed = error
    failed.may_have_arrived = is_on_its_way
    raise failed


def _head(to: Destination, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"POST {to.target} HTTP/1.1", f"host: {to.authority}", f"content-length: {len(body)}"]
    lines += ["connection: close", *(f"{name}: {value}" for name, value in headers.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a line break in a header")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


async def _response(reader: asyncio.StreamReader, limits: Limits) -> Response:
    parsed = _Parsed()
    parser = httptools.HttpResponseParser(parsed)
    parsed.status_of = parser.get_status_code
    received = 0
    try:
        while not parsed.complete:
            data = await asyncio.wait_for(reader.read(16 << 10), limits.silence)
            received += len(data)
            if data:
                parser.feed_data(data)
            if parsed.has_head and (200 <= parsed.status < 300 or not data):
                break  # what a receiver says after "yes", or whether it says all of it, changes nothing
            if not data:
                raise RequestFailedError("it closed the connection before its response")
            if received > (HEAD_BYTES_MAX + BODY_BYTES_MAX if parsed.has_head else HEAD_BYTES_MAX):
                if not parsed.has_head:
                    raise RequestFailedError("the head of its response is too long")
                break
    except (TimeoutError, OSError) as error:
        if not parsed.has_head:
            if isinstance(error, TimeoutError):
                raise RequestFailedError(f"no response within {limits.silence:g} seconds") from None
            raise
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        if not parsed.has_head:
            raise RequestFailedError("its response is not HTTP") from None
    return Response(parsed.status, parsed.retry_after, parsed.excerpt())


class _Parsed:
    """What the parser has found so far; interim responses (1xx) are passed over."""

    status_of: Any

    def __init__(self) -> None:
        self.status = 0
        self.has_head = False
        self.complete = False
        self.retry_after: str | None = None
        self._body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self.retry_after = value.decode("ascii", "replace")[:64]

    def on_headers_complete(self) -> None:
        self.status = self.status_of()
        self.has_head = self.status >= 200 or self.status == 101
        if not self.has_head:
            self.retry_after = None

    def on_body(self, body: bytes) -> None:
        if len(self._body) < 4 * EXCERPT_CHARACTERS:
            self._body += body[: 4 * EXCERPT_CHARACTERS]

    def on_message_complete(self) -> None:
        self.complete = self.has_head

    def excerpt(self) -> str:
        """Return the beginning of the body on one line; nothing of a success, which nobody reads."""
        if 200 <= self.status < 300:
            return ""
        text = " ".join(self._body.decode("utf-8", "replace").split())
        return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)[
            :EXCERPT_CHARACTERS
        ]
