"""Headers of HTTP/2: judged by the same policy as those of HTTP/1.1, and written for the other side.

A request's headers are put as HTTP/1.1 would put them and go through the one policy, so that nothing
is accepted here that is refused there. Only what HTTP/2 has no use for differs.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from farebox.proxy.admission import own_response
from farebox.proxy.admission.heads import read_request
from farebox.proxy.http2.peer import Headers
from farebox.wire.http.request_policy import (
    HEAD_BYTES_MAX,
    HEADERS_MAX,
    OWN_PREFIX,
    Refusal,
    RequestHead,
    head_limit,
)

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_BAD_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_TARGET = re.compile(rb"/[\x21-\x7e\x80-\xff]*")
_CONNECTION = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
_GRPC = b"application/grpc"
_CODES = {
    400: 3,
    401: 16,
    403: 7,
    404: 12,
    408: 4,
    413: 8,
    421: 3,
    429: 8,
    431: 8,
    501: 12,
    502: 14,
    503: 14,
    504: 4,
}


class Judged:
    """An accepted request: its head as the policy knows it, and what goes upstream beside."""

    __slots__ = ("aside", "grpc", "request")

    def __init__(self, request: RequestHead, aside: Headers, *, grpc: bool) -> None:
        self.request = request
        self.aside = aside
        """Headers that HTTP/1.1 would refuse or drop and that mean no harm here."""
        self.grpc = grpc


def is_grpc(headers: Headers) -> bool:
    return any(name == b"content-type" and value.startswith(_GRPC) for name, value in headers)


def judge(headers: Headers, hosts: frozenset[bytes]) -> Judged | Refusal:
    """Return an accepted request, or why it is refused."""
    if len(headers) > HEADERS_MAX:
        return Refusal(431, "too_many_headers", f"More than {HEADERS_MAX} headers.")
    if sum(len(name) + len(value) + 4 for name, value in headers) > HEAD_BYTES_MAX:
        return Refusal(431, "headers_too_large", f"The headers are over {HEAD_BYTES_MAX} bytes.")
    pseudo = {name: value for name, value in headers if name[:1] == b":"}
    path, method = pseudo.get(b":path", b""), pseudo.get(b":method", b"")
    authority = pseudo.get(b":authority")
    grpc = is_grpc(headers)
    if not _TARGET.fullmatch(path) or not re.fullmatch(rb"[A-Z]+", method):
        return Refusal(400, "malformed", "The request has no path or no method.")
    aside: Headers = []
    plain: Headers = []
    for name, value in headers:
        if name[:1] == b":":
            continue
        if not _NAME.fullmatch(name) or _BAD_VALUE.search(value) or name in _CONNECTION:
            return Refusal(400, "malformed", "A header is malformed or not one of HTTP/2.")
        if name == b"host":
            if authority is not None and value.lower() != authority.lower():
                return Refusal(400, "authority", "The authority differs from the Host header.")
            authority = value
        elif name == b"te":
            if value != b"trailers":
                return Refusal(400, "malformed", "TE is not `trailers`.")
            aside.append((name, value))
        elif name == b"trailer":
            return Refusal(400, "trailers", "A request that announces trailers is not forwarded.")
        else:
            plain.append((name, value))
    lines = [b"%s %s HTTP/1.1" % (method, path), b"Host: " + (authority or b"")]
    lines += [b"%s: %s" % pair for pair in plain]
    head = b"\r\n".join((*lines, b"", b""))
    request = head_limit(head) or read_request(head, hosts)
    return request if isinstance(request, Refusal) else Judged(request, aside, grpc=grpc)


def upstream_headers(judged: Judged, authority: str, target: bytes, *, secure: bool) -> Headers:
    """Return what the provider is sent: the client's headers without what is not for it."""
    request = judged.request
    gone = {*request.drop, request.host_line}
    kept = [pair for index, pair in enumerate(request.headers, 1) if index not in gone]
    return [
        (b":method", request.method),
        (b":scheme", b"https" if secure else b"http"),
        (b":authority", authority.encode("ascii")),
        (b":path", target),
        *kept,
        *judged.aside,
    ]


def for_client(headers: Headers) -> Headers:
    """Return an upstream's headers without those that only Farebox may say."""
    return [pair for pair in headers if not pair[0].startswith(OWN_PREFIX)]


def plain(headers: Headers) -> Headers:
    """Return headers without the pseudo ones."""
    return [pair for pair in headers if pair[0][:1] != b":"]


def status_of(headers: Headers) -> int:
    value = dict(headers).get(b":status", b"")
    return int(value) if value.isdigit() and len(value) == 3 else 0


def grpc_status(headers: Headers) -> int | None:
    """Return a gRPC call's own status, None where these headers have none."""
    value = dict(headers).get(b"grpc-status", b"")
    return int(value) if value.isdigit() and len(value) < 6 else None


def grpc_trailers(status: int, message: str) -> Headers:
    """Return what ends a call of gRPC with an error of ours."""
    said = quote(f"Farebox: {message}", safe=" ,.:;()'`/-_").encode("ascii")
    return [(b"grpc-status", str(_CODES.get(status, 2)).encode()), (b"grpc-message", said)]


def refusal(grpc: bool, shape: str, status: int, slug: str, message: str) -> tuple[Headers, bytes]:
    """Return headers and body of a response of our own, in the shape the client's library reads."""
    marker = (own_response.MARKER.encode(), slug.encode("ascii", "replace"))
    if grpc:
        trailers = grpc_trailers(status, message)
        return [(b":status", b"200"), (b"content-type", _GRPC), *trailers, marker], b""
    body = own_response.error(shape, status, slug, message, close=False).partition(b"\r\n\r\n")[2]
    length = str(len(body)).encode()
    return [
        (b":status", str(status).encode()),
        (b"content-type", b"application/json"),
        (b"content-length", length),
        marker,
    ], body
