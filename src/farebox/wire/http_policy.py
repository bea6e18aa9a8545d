"""What HTTP/1.1 Farebox accepts and passes on: reject, never repair.

Two parsers that read one message differently are how requests are smuggled, so a head that
could be read in two ways is refused, not mended. The functions here judge a head that a strict
parser has already split (`headers` as it saw them) against the raw bytes, and say how the body
is framed. Pure: no socket, no clock. Bodies and the limits in time belong to `farebox.proxy`.
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
_HOST, _LENGTH, _CODING, _CONNECTION, _HOP, _EXPECT, _UPGRADE, _BROWSER = range(8)

_REQUEST_NOTABLE = {
    b"host": _HOST,
    b"content-length": _LENGTH,
    b"transfer-encoding": _CODING,
    b"connection": _CONNECTION,
    b"keep-alive": _HOP,
    b"proxy-connection": _HOP,
    b"proxy-authorization": _HOP,
    b"te": _HOP,
    b"trailer": _HOP,
    b"http2-settings": _HOP,
    b"expect": _EXPECT,
    b"upgrade": _UPGRADE,
    b"origin": _BROWSER,
    b"sec-fetch-site": _BROWSER,
    b"access-control-request-method": _BROWSER,
}
_RESPONSE_NOTABLE = {
    b"content-length": _LENGTH,
    b"transfer-encoding": _CODING,
    b"connection": _CONNECTION,
    b"keep-alive": _HOP,
    b"proxy-connection": _HOP,
    b"proxy-authenticate": _HOP,
    b"trailer": _HOP,
    b"upgrade": _HOP,
}
_NEVER_HOP = frozenset(
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

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BARE_BREAK = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")
_DOT_SEGMENT = re.compile(rb"/(?:\.|%2[eE]){1,2}(?:/|$)")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
_LONG_LINE = re.compile(rb"[^\n]{%d}" % LINE_BYTES_MAX)


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
        self.websocket = False
        """It asks for a WebSocket; `farebox.wire.upgrade` judges the rest of that."""
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


class ResponseHead:
    """An upstream's head that was accepted, and how its body is framed."""

    # What most answers leave as it is.
    keep_alive = True
    keep_alive_line = 0
    """`Connection: keep-alive`, which says of our connection what is true of it anyway."""
    old = False
    """It came as HTTP/1.0; `lines` say HTTP/1.1, because we pass it on."""
    content_length: int | None = None
    chunked = False
    drop: tuple[int, ...] = ()
    """Indexes into `lines` that must not go to the client."""

    def __init__(self, status: int, lines: list[bytes], headers: Headers) -> None:
        self.status = status
        self.lines = lines
        self.headers = headers


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
    if len(head) > LINE_BYTES_MAX and _LONG_LINE.search(head):
        return Refusal(431, "line_too_long", f"A header line is over {LINE_BYTES_MAX} bytes.")
    if headers > HEADERS_MAX:
        return Refusal(431, "too_many_headers", f"More than {HEADERS_MAX} headers.")
    return None


def starts_like_a_head(data: bytes | bytearray) -> bool:
    """Say early whether unfinished bytes can still become an acceptable head.

    A head with line feeds alone would otherwise wait for its `CRLF CRLF` until the time limit.
    """
    return _BARE_BREAK.search(data) is None and _CONTROL.search(data) is None


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
            length = _length(value)
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
            request.drop.append(index)
        elif kind == _UPGRADE:
            upgrade = value.lower()
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
            if b"_" in name:
                return Refusal(400, "underscore", "A header's name has an underscore.")
    if OWN_PREFIX in head.lower():
        for index, (name, value) in enumerate(headers, 1):
            if name.startswith(OWN_PREFIX):
                request.own.append((name[len(OWN_PREFIX) :], value))
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
        elif not _TOKEN.fullmatch(option):
            return Refusal(400, "connection", "The Connection header is not a list of names.")
        elif option in _NEVER_HOP or option.startswith(OWN_PREFIX):
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


def judge_response(
    head: bytes, headers: Headers, *, parsed_status: int, to_head: bool = False
) -> ResponseHead | Refusal:
    """Return an upstream's accepted head, or why the answer cannot be passed on.

    `to_head`: it answers a HEAD request, so there is no body whatever the headers say. A head
    with neither length nor coding has a body that ends with the connection: `content_length` is
    None and `chunked` False.
    """
    lines = head.split(b"\r\n")
    if len(lines) != len(headers) + 3:
        return _bad_answer("malformed", "its lines do not match its headers")
    found = _status_lines.get(lines[0]) or _read_status_line(lines[0])
    if found is None:
        return _bad_answer("malformed", "its status line is not HTTP/1.1")
    status, old = found
    if status != parsed_status:
        return _bad_answer("malformed", "its status can be read in two ways")
    if status == 101:
        return _bad_answer("upgrade", "it switches protocols unasked")
    if len(headers) > HEADERS_MAX or len(head) > HEAD_BYTES_MAX:
        return _bad_answer("headers_too_large", "its headers are over the limit")
    if len(head) > LINE_BYTES_MAX and _LONG_LINE.search(head):
        return _bad_answer("line_too_long", "a header line is over the limit")
    response = ResponseHead(status, lines, headers)
    if old:
        response.old = True
        response.keep_alive = False
        lines[0] = b"HTTP/1.1" + lines[0][8:]
    notable = _RESPONSE_NOTABLE
    for index, (name, value) in enumerate(headers, 1):
        kind = notable.get(name)
        if kind is None:
            continue
        if kind == _LENGTH:
            if response.content_length is not None:
                return _bad_answer("length_repeated", "it has two Content-Length headers")
            length = _length(value)
            if length is None:
                return _bad_answer("length_invalid", "its Content-Length is not a plain number")
            response.content_length = length
        elif kind == _CODING:
            if response.chunked:
                return _bad_answer("coding_repeated", "it has two Transfer-Encoding headers")
            if value.lower() != b"chunked" or old:
                return _bad_answer("coding_unknown", "its Transfer-Encoding is not `chunked`")
            response.chunked = True
        elif kind == _CONNECTION:
            if value.lower() == b"keep-alive":
                response.keep_alive = True
                response.keep_alive_line = index
                continue
            refusal = _apply_response_connection(response, value.lower())
            if refusal is not None:
                return refusal
            response.drop += (index,)
        else:
            response.drop += (index,)
    if response.chunked and response.content_length is not None:
        return _bad_answer("length_and_coding", "it has Content-Length and Transfer-Encoding")
    if b"_" in head:
        for name, _ in headers:
            # Other underscored names are harmless on the way back and some servers send them.
            if b"_" in name and name.replace(b"_", b"-") in notable:
                return _bad_answer("underscore", "a framing header's name has an underscore")
    if status < 200 or status == 204:
        if response.chunked or response.content_length:
            return _bad_answer("body_unexpected", f"a {status} answer cannot have a body")
        response.content_length = 0
    elif to_head or status == 304:
        response.chunked = False
        response.content_length = 0
    return response


def _read_status_line(line: bytes) -> tuple[int, bool] | None:
    """Return status and whether it is HTTP/1.0's; the few usual lines are read once."""
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        return None
    found = int(match[2]), match[1] == b"0"
    if len(_status_lines) < _STATUS_LINES_MAX and len(line) < 64:
        _status_lines[line] = found
    return found


_status_lines: dict[bytes, tuple[int, bool]] = {}
_STATUS_LINES_MAX = 256


def _apply_response_connection(response: ResponseHead, value: bytes) -> Refusal | None:
    named: set[bytes] = set()
    for option in value.split(b","):
        option = option.strip(b" \t")
        if option == b"close":
            response.keep_alive = False
        elif option == b"keep-alive":
            response.keep_alive = True
        elif not _TOKEN.fullmatch(option) or option in _NEVER_HOP:
            return _bad_answer("connection", "its Connection header is not acceptable")
        else:
            named.add(option)
    if named:
        response.drop += tuple(index for index, (name, _) in enumerate(response.headers, 1) if name in named)
    return None


def _bad_answer(rule: str, detail: str) -> Refusal:
    return Refusal(502, rule, f"The upstream's answer cannot be passed on: {detail}.")


def _length(value: bytes) -> int | None:
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
