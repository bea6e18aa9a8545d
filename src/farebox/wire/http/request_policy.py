"""Which HTTP/1.1 requests Farebox accepts and passes on: reject, never repair.

Two parsers that read one message differently are how requests are smuggled, so a head that
could be read in two ways is refused, not mended. The functions here judge a head that a strict
parser has already split (`headers` as it saw them) against the raw bytes, and say how the body
is framed. Pure: no socket, no clock. Responses are `response_policy`'s; bodies and the limits in
time belong to `farebox.proxy`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]
"""Names lower-case, values without surrounding white space, in the order they came."""

HEAD_BYTES_MAX = 64 * 1024
HEADERS_MAX = 100
LINE_BYTES_MAX = 8 * 1024

METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"))

OWN_PREFIX = b"x-farebox-"
"""Headers a client sends to Farebox itself; they never go upstream."""

# What a header means to a proxy. Everything not listed here passes untouched.
_HOST, _LENGTH, _CODING, _CONNECTION, _HOP, _EXPECT, _UPGRADE, _BROWSER, _TRAILER = range(9)

_REQUEST_NOTABLE = {
    b"host": _HOST,
    b"content-length": _LENGTH,
    b"transfer-encoding": _CODING,
    b"connection": _CONNECTION,
    b"keep-alive": _HOP,
    b"proxy-connection": _HOP,
    b"proxy-authorization": _HOP,
    b"te": _HOP,
    b"trailer": _TRAILER,
    b"http2-settings": _HOP,
    b"expect": _EXPECT,
    b"upgrade": _UPGRADE,
    b"origin": _BROWSER,
    b"sec-fetch-site": _BROWSER,
    b"access-control-request-method": _BROWSER,
}
NEVER_HOP = frozenset(
    (
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"content-type",
        b"content-encoding",
        b"authorization",
        b"cookie",
        b"expect",
    )
)
"""Headers a `Connection` list may not name: removing them would change what the message says."""

_DASHED_ONLY = frozenset(
    (
        *_REQUEST_NOTABLE,
        b"authorization",
        b"cookie",
        b"forwarded",
        b"x-api-key",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-goog-api-key",
    )
)
"""Headers of framing, routing and identity. Some servers read `content_length` as `content-length`, so
these are refused with underscores; every other name is a token like any other (RFC 9110 §5.6.2)."""

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BARE_BREAK = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")
_DOT_SEGMENT = re.compile(rb"/(?:\.|%2[eE]){1,2}(?:/|$)")
LONG_LINE = re.compile(rb"[^\n]{%d}" % LINE_BYTES_MAX)


class Refusal:
    """A message that is not passed on: the status to answer, the rule's slug and a sentence."""

    __slots__ = ("message", "rule", "status")

    def __init__(self, status: int, rule: str, message: str) -> None:
        self.status = status
        self.rule = rule
        self.message = message

    def __repr__(self) -> str:
        return f"Refusal({self.status}, {self.rule!r})"


class RequestHead:
    """A request's head that was accepted, and how its body is framed."""

    __slots__ = (
        "chunked",
        "close",
        "coding_line",
        "content_length",
        "drop",
        "expects_continue",
        "fields",
        "headers",
        "host_line",
        "length_line",
        "lines",
        "method",
        "own",
        "path",
        "query",
        "version_1_0",
        "websocket",
    )

    def __init__(self, method: bytes, lines: list[bytes], headers: Headers) -> None:
        self.method = method
        self.lines = lines
        """The raw lines: request line, headers, two empty ones."""
        self.headers = headers
        self.fields = dict(headers)
        """Name to value, the last one's where a name is repeated."""
        self.path = b""
        self.query: bytes | None = None
        self.version_1_0 = False
        self.close = False
        """The client does not want its connection kept."""
        self.content_length: int | None = None
        self.chunked = False
        self.expects_continue = False
        """It waits with its body for the upstream's word."""
        self.websocket = False
        """It asks for a WebSocket; `farebox.wire.http.upgrade` judges the rest of that."""
        self.own: Headers = []
        """`x-farebox-*` headers."""
        self.drop: list[int] = []
        """Indexes into `lines` that must not go upstream."""
        self.host_line = 0
        self.length_line = 0
        self.coding_line = 0

    @property
    def has_body(self) -> bool:
        return self.chunked or bool(self.content_length)


def imitates(name: bytes) -> bool:
    """Return whether a name with an underscore could be taken for one that means something to us."""
    if b"_" not in name:
        return False
    dashed = name.replace(b"_", b"-")
    return dashed in _DASHED_ONLY or dashed.startswith((OWN_PREFIX, b"proxy-"))


def malformed(detail: str) -> Refusal:
    return Refusal(400, "malformed", f"The request is not valid HTTP/1.1: {detail}.")


def head_limit(head: bytes) -> Refusal | None:
    """Judge the size of a head, complete or still arriving."""
    if len(head) > LINE_BYTES_MAX and not 0 <= head.find(b"\n") <= LINE_BYTES_MAX:
        return Refusal(414, "line_too_long", f"The request line is over {LINE_BYTES_MAX} bytes.")
    if len(head) > HEAD_BYTES_MAX:
        return Refusal(431, "headers_too_large", f"The headers are over {HEAD_BYTES_MAX} bytes.")
    return None


def lines_limit(head: bytes, headers: int) -> Refusal | None:
    """Judge the longest line and the number of headers of a complete head."""
    if len(head) > LINE_BYTES_MAX and LONG_LINE.search(head):
        return Refusal(431, "line_too_long", f"A header line is over {LINE_BYTES_MAX} bytes.")
    if headers > HEADERS_MAX:
        return Refusal(431, "too_many_headers", f"More than {HEADERS_MAX} headers.")
    return None


def starts_like_a_head(data: bytes | bytearray) -> bool:
    """Say early whether unfinished bytes can still become an acceptable head.

    A head with line feeds alone would otherwise wait for its `CRLF CRLF` until the time limit.
    """
    return _BARE_BREAK.search(data) is None and CONTROL.search(data) is None


def judge_request(
    head: bytes, headers: Headers, hosts: frozenset[bytes], *, parsed_method: bytes, pages: bool = False
) -> RequestHead | Refusal:
    """Return the accepted head, or why it is refused.

    `headers` is what the strict parser saw in `head`; `hosts` are the exact Host values that
    mean us. The parser's view and the raw lines must agree. `pages`: web pages may ask, because the
    client has chosen us as its proxy and the provider sees the page's origin as it would without us.
    """
    lines = head.split(b"\r\n")
    if len(lines) != len(headers) + 3:
        return malformed("its lines do not match its headers")
    start = lines[0].split(b" ")
    if len(start) != 3:
        return malformed("the request line is not `METHOD target HTTP/1.1`")
    method, target, version = start
    if version != b"HTTP/1.1" and version != b"HTTP/1.0":
        return Refusal(505, "http_version", "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
    if method not in METHODS:
        return Refusal(405, "method", "This method is not forwarded.")
    if method != parsed_method:
        return malformed("its method can be read in two ways")
    too_large = lines_limit(head, len(headers))
    if too_large is not None:
        return too_large
    request = RequestHead(method, lines, headers)
    request.version_1_0 = request.close = version == b"HTTP/1.0"

    host: bytes | None = None
    upgrade: bytes | None = None
    connection: list[bytes] | None = None
    expect_line = 0
    trailers = False
    notable = _REQUEST_NOTABLE
    for index, (name, value) in enumerate(headers, 1):
        kind = notable.get(name)
        if kind is None:
            continue
        if kind == _CONNECTION:
            request.drop.append(index)
            lowered = value.lower()
            if lowered == b"keep-alive":
                if request.version_1_0:
                    request.close = False
                if connection is None:
                    connection = []
                continue
            connection = [*(connection or ()), *(option.strip(b" \t") for option in lowered.split(b","))]
        elif kind == _HOST:
            if host is not None:
                return Refusal(400, "host_repeated", "The request has two Host headers.")
            host = value
            request.host_line = index
        elif kind == _LENGTH:
            if request.content_length is not None:
                return Refusal(400, "length_repeated", "The request has two Content-Length headers.")
            length = read_length(value)
            if length is None:
                return Refusal(400, "length_invalid", "Content-Length is not a plain number.")
            request.content_length = length
            request.length_line = index
        elif kind == _CODING:
            if request.chunked:
                return Refusal(400, "coding_repeated", "The request has two Transfer-Encoding headers.")
            if value.lower() != b"chunked":
                return Refusal(400, "coding_unknown", "Only `Transfer-Encoding: chunked` is accepted.")
            request.chunked = True
            request.coding_line = index
        elif kind == _HOP:
            request.drop.append(index)
        elif kind == _EXPECT:
            if value.lower() != b"100-continue":
                return Refusal(417, "expect", "Only `Expect: 100-continue` is understood.")
            request.expects_continue = True
            expect_line = index
        elif kind == _UPGRADE:
            upgrade = value.lower()
            request.drop.append(index)
        elif kind == _TRAILER:
            trailers = True
            request.drop.append(index)
        elif not pages:
            return Refusal(
                403, "browser", "Requests from web pages are refused: a page could spend your money."
            )

    if request.chunked:
        if request.content_length is not None:
            return Refusal(400, "length_and_coding", "The request has Content-Length and Transfer-Encoding.")
        if request.version_1_0:
            return Refusal(400, "coding_unknown", "HTTP/1.0 has no Transfer-Encoding.")
        if trailers:
            return Refusal(400, "trailers", "A request that announces trailers is not forwarded.")
    if expect_line and (request.version_1_0 or not request.has_body):
        request.expects_continue = False  # there is nothing to wait with (RFC 9110 §10.1.1)
        request.drop.append(expect_line)
    if connection:
        refusal = _apply_connection(request, connection)
        if refusal is not None:
            return refusal
    if upgrade is not None:
        if connection is None or b"upgrade" not in connection:
            return Refusal(400, "upgrade", "Upgrade without `Connection: upgrade`.")
        if upgrade == b"websocket":
            request.websocket = True
        elif upgrade != b"h2c":
            return Refusal(501, "upgrade", "Only upgrades to WebSocket are forwarded.")
    if b"_" in head:
        for name, _ in headers:
            if imitates(name):
                return Refusal(400, "underscore", "A header's name is written with an underscore for a dash.")
    lowered = head.lower()
    if OWN_PREFIX in lowered or b"\nproxy-" in lowered:
        for index, (name, value) in enumerate(headers, 1):
            if name.startswith(OWN_PREFIX):
                request.own.append((name[len(OWN_PREFIX) :], value))
                request.drop.append(index)
            elif name.startswith(b"proxy-"):
                request.drop.append(index)
    return _judge_target(request, target, host, hosts)


def _judge_target(
    request: RequestHead, target: bytes, host: bytes | None, hosts: frozenset[bytes]
) -> RequestHead | Refusal:
    if host is None:
        return Refusal(400, "host_missing", "The request has no Host header.")
    if host.lower() not in hosts:
        return Refusal(421, "host_unknown", "This Host is not served here.")
    if target[:1] != b"/":
        if target[:7].lower() != b"http://":
            return malformed("its target is neither a path nor an http:// address")
        authority, slash, rest = target[7:].partition(b"/")
        if authority.lower() != host.lower():
            return Refusal(400, "authority", "The target's authority differs from the Host header.")
        target = slash + rest
        if not slash:
            return malformed("its target has no path")
    if b"#" in target:
        return malformed("its target has a fragment")
    path, mark, query = target.partition(b"?")
    if (b"." in path or b"%2" in path) and _DOT_SEGMENT.search(path):
        return Refusal(400, "dot_segment", "The path has `.` or `..` segments.")
    request.path = path
    request.query = query if mark else None
    return request


def _apply_connection(request: RequestHead, options: list[bytes]) -> Refusal | None:
    """Read a `Connection` list that says more than `keep-alive`; drop what it names."""
    named: set[bytes] = set()
    for option in options:
        if option == b"close":
            request.close = True
        elif not option:
            continue  # an empty element says nothing (RFC 9110 §5.6.1)
        elif not TOKEN.fullmatch(option):
            return Refusal(400, "connection", "The Connection header is not a list of names.")
        elif option in NEVER_HOP or option.startswith(OWN_PREFIX):
            return Refusal(400, "connection", "The Connection header names a header that must stay.")
        elif option not in (b"keep-alive", b"upgrade"):
            named.add(option)
    if named:
        request.drop.extend(
            index
            for index, (name, _) in enumerate(request.headers, 1)
            if name in named and index not in request.drop
        )
    return None


def read_length(value: bytes) -> int | None:
    """Return a Content-Length, None unless it is at most 18 plain digits."""
    if not value.isdigit():
        value = value.rstrip(b" \t")
    return int(value) if value.isdigit() and len(value) <= 18 else None


def allowed_hosts(port: int, configured: Iterable[str] = ()) -> frozenset[bytes]:
    """Return the exact Host values that mean a listener on `port`."""
    names = {"127.0.0.1", "localhost", "[::1]"}
    names.update(f"[{host}]" if ":" in host else host for host in configured)
    hosts = {f"{name}:{port}" for name in names}
    if port == 80:
        hosts |= names
    return frozenset(host.lower().encode("ascii", "replace") for host in hosts)
