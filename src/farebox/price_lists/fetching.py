"""Get a price list: a file, or https (http from this machine), a bounded size and time, an ETag.

The owner wrote the address, so it may be any, a private one included. What the server there says may not
lead anywhere else: a redirect is followed within the same scheme, host and port only.
"""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request
from email.message import Message
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import urlsplit

from farebox.config.settings import fetch_problem
from farebox.errors import Finding, PriceFileError

SIZE_MAX = 32 << 20
TIMEOUT_S = 30
WHOLE_TIMEOUT_S = 180
"""For all of a list: a server that sends a byte now and then is given up."""
_PIECE = 1 << 16


class Fetched(NamedTuple):
    """The bytes of a list, the ETag and the `Last-Modified` they came with."""

    content: bytes
    etag: str | None = None
    modified: str | None = None


def is_url(source: str) -> bool:
    """Return whether `source` is a URL and not a file."""
    return "://" in source


def obtain(source: str, etag: str | None = None) -> Fetched | None:
    """Return the content of a URL or a file; None where a URL still has what `etag` names.

    Raises:
        PriceFileError: It does not exist, is too large or cut short, or would be fetched without TLS.
    """
    if is_url(source):
        return fetch(source, etag)
    path = Path(source).expanduser()
    try:
        if path.stat().st_size > SIZE_MAX:
            raise _refused(source, "size", f"{path.stat().st_size:,} bytes", f"at most {SIZE_MAX:,} bytes")
        return Fetched(path.read_bytes())
    except OSError as error:
        expected = "a readable file or an https URL"
        raise _refused(source, "file", error.strerror or "an error", expected) from None


def fetch(url: str, etag: str | None = None) -> Fetched | None:
    """Return the content of a URL; None where it still is what `etag` names.

    Raises:
        PriceFileError: As `obtain`.
    """
    problem = fetch_problem(url)
    if problem is not None:
        parts = urlsplit(url)
        raise _refused(url, "url", f"{parts.scheme}://{parts.hostname}", problem)
    request = urllib.request.Request(url, headers={"User-Agent": "farebox", "Accept": "application/json"})  # noqa: S310  # fetch_problem
    if etag is not None:
        request.add_header("If-None-Match", etag)
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=_context()), _SameHost(), urllib.request.ProxyHandler()
    )
    deadline = time.monotonic() + WHOLE_TIMEOUT_S
    try:
        with opener.open(request, timeout=TIMEOUT_S) as response:
            content = _content(url, response, deadline)
            return Fetched(content, response.headers.get("ETag"), response.headers.get("Last-Modified"))
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 304:
                return None
            raise _refused(url, "status", str(error.code), "200") from None
    except (OSError, ValueError, HTTPException) as error:
        raise _refused(url, "network", str(error) or type(error).__name__, "a response") from None


def _content(url: str, response: HTTPResponse, deadline: float) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := response.read1(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > SIZE_MAX:
            raise _refused(url, "size", f"more than {SIZE_MAX:,} bytes", f"at most {SIZE_MAX:,} bytes")
        if time.monotonic() > deadline:
            raise _refused(url, "time", f"no end after {WHOLE_TIMEOUT_S} s", "the whole list by then")
    stated = response.headers.get("Content-Length", "")
    if stated.isascii() and stated.isdigit() and int(stated) != size:
        raise _refused(url, "size", f"{size:,} bytes", f"{int(stated):,} bytes: the response was cut short")
    return b"".join(pieces)


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follow a redirect only within the same scheme, host and port."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        if _origin(newurl) != _origin(req.full_url):
            place = urlsplit(newurl)
            raise _refused(
                req.full_url,
                "redirect",
                f"a redirect to {place.scheme}://{place.netloc.rpartition('@')[2]}",
                "the list here; name the other address if you trust it",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # pyright: ignore[reportArgumentType]  # HTTPMessage


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _context() -> ssl.SSLContext:
    import certifi

    context = ssl.create_default_context(cafile=certifi.where())
    context.hostname_checks_common_name = False  # as for upstreams, see proxy.upstream.client_tls
    return context


def _refused(url: str, key: str, found: str, expected: str) -> PriceFileError:
    return PriceFileError([Finding(url, 0, key, found, expected)])
