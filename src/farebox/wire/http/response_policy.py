"""Which HTTP/1.1 responses are passed on, and as what: a client receives what it would have received.

A response has been paid for, so it is not refused for its form. What RFC 9112 tells an intermediary
to do with an unusual head is done by `normalized`; the strict reading has the last word on the outcome.
Refused is what leaves open where the message ends. Pure: no socket, no clock.
"""

from __future__ import annotations

import re

from farebox.wire.http.request_policy import (
    HEAD_BYTES_MAX,
    HEADERS_MAX,
    LINE_BYTES_MAX,
    LONG_LINE,
    OWN_PREFIX,
    TOKEN,
    Headers,
    Refusal,
    read_length,
)

_LENGTH, _CODING, _CONNECTION, _HOP = range(4)

_NOTABLE = {
    b"content-length": _LENGTH,
    b"transfer-encoding": _CODING,
    b"connection": _CONNECTION,
    b"keep-alive": _HOP,
    b"proxy-connection": _HOP,
    b"proxy-authenticate": _HOP,
    b"proxy-authentication-info": _HOP,
    b"trailer": _HOP,
    b"upgrade": _HOP,
}
_FRAMING = (b"content-length", b"transfer-encoding")
_NOT_IN_TRAILERS = frozenset(
    (
        *_NOTABLE,
        b"authorization",
        b"content-encoding",
        b"content-range",
        b"content-type",
        b"host",
        b"set-cookie",
        b"te",
    )
)
"""What a trailer may not say, because it was acted on before (RFC 9110 §6.5.1)."""

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
_LOOSE_STATUS_LINE = re.compile(rb"HTTP/1\.([01])[\t ]+([1-9][0-9]{2})(?:[\t ]+([\t\x20-\x7e\x80-\xff]*))?")
_CONTROL = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LOOSE_END = re.compile(rb"(?<!\r)\n\r?\n")
"""The end of a head whose last line ends with a line feed alone."""


class ResponseHead:
    """An upstream's head that was accepted, and how its body is framed."""

    # What most responses leave as it is.
    keep_alive = True
    keep_alive_line = 0
    """`Connection: keep-alive`, which says of our connection what is true of it anyway."""
    old = False
    """It came as HTTP/1.0; `lines` say HTTP/1.1, because we pass it on."""
    content_length: int | None = None
    chunked = False
    drop: tuple[int, ...] = ()
    """Indexes into `lines` that must not go to the client."""
    flags: tuple[str, ...] = ()
    """What was unusual about it and has been put right, for the record."""

    def __init__(self, status: int, lines: list[bytes], headers: Headers) -> None:
        self.status = status
        self.lines = lines
        self.headers = headers


def judge_response(
    head: bytes, headers: Headers, *, parsed_status: int, to_head: bool = False
) -> ResponseHead | Refusal:
    """Return an upstream's accepted head, or why the response cannot be passed on as it is.

    `to_head`: it responds to a HEAD request, so there is no body whatever the headers say. A head
    with neither length nor coding has a body that ends with the connection: `content_length` is
    None and `chunked` False.
    """
    lines = head.split(b"\r\n")
    if len(lines) != len(headers) + 3:
        return bad_response("malformed", "its lines do not match its headers")
    found = _status_lines.get(lines[0]) or _read_status_line(lines[0])
    if found is None:
        return bad_response("malformed", "its status line is not HTTP/1.1")
    status, old = found
    if status != parsed_status:
        return bad_response("malformed", "its status can be read in two ways")
    if status == 101:
        return bad_response("upgrade", "it switches protocols unasked")
    if len(headers) > HEADERS_MAX or len(head) > HEAD_BYTES_MAX:
        return bad_response("headers_too_large", "its headers are over the limit")
    if len(head) > LINE_BYTES_MAX and LONG_LINE.search(head):
        return bad_response("line_too_long", "a header line is over the limit")
    response = ResponseHead(status, lines, headers)
    if old:
        response.old = True
        response.keep_alive = False
        lines[0] = b"HTTP/1.1" + lines[0][8:]
    notable = _NOTABLE
    for index, (name, value) in enumerate(headers, 1):
        kind = notable.get(name)
        if kind is None:
            continue
        if kind == _LENGTH:
            if response.content_length is not None:
                return bad_response("length_repeated", "it has two Content-Length headers")
            length = read_length(value)
            if length is None:
                return bad_response("length_invalid", "its Content-Length is not a plain number")
            response.content_length = length
        elif kind == _CODING:
            if response.chunked:
                return bad_response("coding_repeated", "it has two Transfer-Encoding headers")
            if value.lower() != b"chunked" or old:
                return bad_response("coding_unknown", "its Transfer-Encoding is not `chunked`")
            response.chunked = True
        elif kind == _CONNECTION:
            if value.lower() == b"keep-alive":
                response.keep_alive = True
                response.keep_alive_line = index
                continue
            refusal = _apply_connection(response, value.lower())
            if refusal is not None:
                return refusal
            response.drop += (index,)
        else:
            response.drop += (index,)
    if response.chunked and response.content_length is not None:
        return bad_response("length_and_coding", "it has Content-Length and Transfer-Encoding")
    if b"_" in head:
        for name, _ in headers:
            # Other underscored names are harmless on the way back and some servers send them.
            if b"_" in name and name.replace(b"_", b"-") in notable:
                return bad_response("underscore", "a framing header's name has an underscore")
    if OWN_PREFIX in head.lower():
        # Ours alone say what Farebox did; nobody else may say it for us.
        response.drop += tuple(
            index for index, (name, _) in enumerate(headers, 1) if name.startswith(OWN_PREFIX)
        )
    if status < 200 or status == 204:
        if response.chunked or response.content_length:
            return bad_response("body_unexpected", f"a {status} response cannot have a body")
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


def _apply_connection(response: ResponseHead, value: bytes) -> Refusal | None:
    named: set[bytes] = set()
    for option in value.split(b","):
        option = option.strip(b" \t")
        if option == b"close":
            response.keep_alive = False
        elif option == b"keep-alive":
            response.keep_alive = True
        elif not option:
            continue
        elif not TOKEN.fullmatch(option) or option in _FRAMING or option in _KEPT:
            return bad_response("connection", "its Connection header is not acceptable")
        else:
            named.add(option)
    if named:
        response.drop += tuple(index for index, (name, _) in enumerate(response.headers, 1) if name in named)
    return None


_KEPT = frozenset((b"content-type", b"content-encoding", b"set-cookie"))
"""Headers without which a body means something else, whatever `Connection` says of them."""


def bad_response(rule: str, detail: str) -> Refusal:
    return Refusal(502, rule, f"The upstream's response cannot be passed on: {detail}.")


def may_be_trailer(line: bytes) -> bool:
    """Return whether a trailer's line may be passed on."""
    name = line.partition(b":")[0].lower()
    return name.replace(b"_", b"-") not in _NOT_IN_TRAILERS and not name.startswith(OWN_PREFIX)


# What is unusual, and what RFC 9112 says about it.


def loose_end(data: bytes, begins: int, limit: int) -> int | None:
    """Return where a head ends before `limit` whose lines end with line feeds alone (RFC 9112 §2.2).

    0 where there is no such end; None where some line ends with CRLF: then others would see another
    end, and with it another body.
    """
    found = _LOOSE_END.search(data, begins, limit)
    if found is None:
        return 0
    return None if b"\r" in data[begins : found.end()] else found.end()


class Normalized:
    """A head rewritten so that nobody can read it in two ways, and what was unusual about it."""

    __slots__ = ("flags", "head")

    def __init__(self, head: bytes, flags: tuple[str, ...]) -> None:
        self.head = head
        self.flags = flags


def normalized(head: bytes) -> Normalized | Refusal:
    """Return a head that the strict reading has refused in the form an intermediary gives it."""
    flags: list[str] = []
    lines = _lines(head, flags)
    if lines is None:
        return bad_response("malformed", "its lines can be read in two ways")
    start = _LOOSE_STATUS_LINE.fullmatch(lines[0])
    if start is None:
        return bad_response("malformed", "its status line is not HTTP/1.1")
    version, status = b"1." + start[1], int(start[2])
    if not lines[0].startswith(b"HTTP/%s %d " % (version, status)):
        flags.append("http:status_line")  # §4: any white space may stand for the one space
    fields = _fields(lines[1:], flags)
    if fields is None:
        return bad_response("malformed", "a header is malformed")
    lengths = [value for name, value in fields if name.lower() == b"content-length"]
    codings = [value for name, value in fields if name.lower() == b"transfer-encoding"]
    length: bytes | None = None
    if codings:
        if [coding.lower() for coding in codings] != [b"chunked"]:
            return bad_response("coding_unknown", "its Transfer-Encoding is not `chunked`")
        if lengths:
            flags.append("http:length_and_coding")  # §6.3: the coding overrides the length
        if version == b"1.0":
            flags.append("http:coding_on_http_1_0")  # §6.1: read it, then close the connection
            version = b"1.1"
    elif lengths:
        values = {value.strip(b" \t") for header in lengths for value in header.split(b",")}
        if len(values) > 1:
            return bad_response("length_repeated", "its Content-Length headers differ")
        length = values.pop()
        if len(lengths) > 1 or length != lengths[0]:
            flags.append("http:length_repeated")  # §6.3: equal ones are one
    if status < 200 or status == 204:
        if codings or length not in (None, b"0"):
            flags.append("http:body_unexpected")  # §6.3: it ends with its head
        codings, length = [], None
    kept: list[bytes] = [b"HTTP/%s %d %s" % (version, status, start[3] or b"")]
    for name, value in fields:
        lowered = name.lower()
        if lowered in _FRAMING:
            continue
        if lowered == b"connection":
            value = _connection(value, flags)
            if value is None:
                return bad_response("connection", "its Connection header names its framing")
        kept.append(name + b": " + value)
    if codings:
        kept.append(b"Transfer-Encoding: chunked")
    elif length is not None:
        kept.append(b"Content-Length: " + length)
    return Normalized(b"\r\n".join((*kept, b"", b"")), tuple(dict.fromkeys(flags)) or ("http:unusual",))


def _lines(head: bytes, flags: list[str]) -> list[bytes] | None:
    """Return a head's lines without their ends; None where a bare line feed hides its framing."""
    strict = head.split(b"\r\n")
    lines = [line.removesuffix(b"\r") for line in head.split(b"\n")]
    if any(b"\r" in line for line in lines):
        return None
    if len(lines) != len(strict):
        flags.append("http:line_feeds")
        if len(strict) > 1 and _framing(strict) != _framing(lines):
            return None  # one reader sees a length where another sees part of a value
    while lines and not lines[-1]:
        lines.pop()
    return lines or None


def _framing(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    pairs = [line.partition(b":")[::2] for line in lines[1:]]
    named = [(name.strip(b" \t\n").lower(), value.strip(b" \t")) for name, value in pairs]
    return [pair for pair in named if pair[0] in _FRAMING]


def _fields(lines: list[bytes], flags: list[str]) -> Headers | None:
    """Return the headers with their names as they came, folded values in one line."""
    fields: Headers = []
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            if not fields:
                return None  # §2.2: nothing may stand before the first header
            flags.append("http:folded")  # §5.2: replaced by a space
            name, value = fields[-1]
            fields[-1] = name, (value + b" " + line.strip(b" \t")).strip(b" ")
            continue
        name, colon, value = line.partition(b":")
        plain = name.rstrip(b" \t")
        if not colon or not TOKEN.fullmatch(plain) or b"\0" in value:
            return None
        if plain != name:
            flags.append("http:space_before_colon")  # §5.1: removed from responses
        fields.append((plain, value.strip(b" \t")))
    return [
        (name, value if name.lower() in _NOTABLE else _without_controls(value, flags))
        for name, value in fields
    ]


def _without_controls(value: bytes, flags: list[str]) -> bytes:
    if not _CONTROL.search(value):
        return value
    flags.append("http:control_character")
    return _CONTROL.sub(b" ", value)


def _connection(value: bytes, flags: list[str]) -> bytes | None:
    """Return the options of a `Connection` list that can be honoured; None where it names the framing."""
    options = [option.strip(b" \t").lower() for option in value.split(b",")]
    if any(option in _FRAMING for option in options):
        return None
    kept = [option for option in options if TOKEN.fullmatch(option) and option not in _KEPT]
    if len(kept) < sum(map(bool, options)):
        flags.append("http:connection")
    return b", ".join(kept) or b"close"
