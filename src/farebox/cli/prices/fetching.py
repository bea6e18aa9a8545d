"""Fetch a price list: https only (http from this machine), a bounded size, an ETag."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from email.message import Message
from typing import IO, NamedTuple
from urllib.parse import urlsplit

from farebox.config import is_loopback
from farebox.errors import Finding, PriceFileError

SIZE_MAX = 32 << 20
TIMEOUT_S = 30


class Fetched(NamedTuple):
    """The bytes of a list and the ETag they came with."""

    content: bytes
    etag: str | None


def is_url(source: str) -> bool:
    """Return whether `source` is a URL and not a file."""
    return "://" in source


def fetch(url: str, etag: str | None = None) -> Fetched | None:
    """Return the content of a URL; None where it still is what `etag` names.

    Raises:
        PriceFileError: It does not exist, is too large, or would be fetched without TLS.
    """
    _check(url)
    request = urllib.request.Request(url, headers={"User-Agent": "farebox", "Accept": "application/json"})  # noqa: S310  # _check
    if etag is not None:
        request.add_header("If-None-Match", etag)
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=_context()), _SafeRedirects(), urllib.request.ProxyHandler()
    )
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            content: bytes = answer.read(SIZE_MAX + 1)
            fresh: str | None = answer.headers.get("ETag")
    except urllib.error.HTTPError as error:
        if error.code == 304:
            return None
        raise _refused(url, "status", str(error.code), "200") from None
    except (OSError, ValueError) as error:
        raise _refused(url, "network", str(error), "an answer") from None
    if len(content) > SIZE_MAX:
        raise _refused(url, "size", f"more than {SIZE_MAX:,} bytes", f"at most {SIZE_MAX:,} bytes")
    return Fetched(content, fresh)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follow a redirect only to where a list may be fetched from."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        _check(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # pyright: ignore[reportArgumentType]  # HTTPMessage


def _check(url: str) -> None:
    parts = urlsplit(url)
    is_own = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if parts.scheme != "https" and not is_own:
        raise _refused(
            url, "url", f"{parts.scheme}://{parts.hostname}", "https://… (http only from 127.0.0.1)"
        )


def _context() -> ssl.SSLContext:
    import certifi

    context = ssl.create_default_context(cafile=certifi.where())
    context.hostname_checks_common_name = False  # as for upstreams, see proxy.upstream.client_tls
    return context


def _refused(url: str, key: str, found: str, expected: str) -> PriceFileError:
    return PriceFileError([Finding(url, 0, key, found, expected)])
