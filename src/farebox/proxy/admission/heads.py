"""Split heads with llhttp, have them judged by the policy, and write the heads clients get.

Heads keep their raw lines: what is not removed or replaced goes on byte for byte.
"""

from __future__ import annotations

import httptools

from farebox.wire.http_policy import Headers, Refusal, RequestHead, judge_request, malformed
from farebox.wire.response_policy import ResponseHead, bad_response, judge_response, loose_end, normalized


class _Lines:
    """Collects what llhttp finds in one head."""

    __slots__ = ("headers",)

    def __init__(self) -> None:
        self.headers: Headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))


def read_request(head: bytes, hosts: frozenset[bytes], *, pages: bool = False) -> RequestHead | Refusal:
    """Return the accepted request head of `head`, which ends with an empty line."""
    lines = _Lines()
    parser = httptools.HttpRequestParser(lines)
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # The policy decides about upgrades.
    except httptools.HttpParserError as error:
        # llhttp's sentences are fixed: they never quote the request.
        return malformed(str(error)[:120])
    return judge_request(head, lines.headers, hosts, parsed_method=parser.get_method(), pages=pages)


def read_response(head: bytes, *, to_head: bool) -> ResponseHead | Refusal:
    """Return the accepted response head of `head`, which ends with an empty line, read strictly."""
    lines = _Lines()
    parser = httptools.HttpResponseParser(lines)
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        return bad_response("malformed", str(error)[:120])
    return judge_response(head, lines.headers, parsed_status=parser.get_status_code(), to_head=to_head)


def next_response(data: bytes, begins: int, *, to_head: bool) -> tuple[ResponseHead | Refusal, int] | None:
    """Return the head that begins in `data` there, and where its body begins; None for an unfinished one.

    What a strict reader would refuse is put right where RFC 9112 says how. Its connection is then
    not used again: somebody else may have read it in another way.
    """
    end = data.find(b"\r\n\r\n", begins) + 4
    if end > 3:
        found = read_response(data[begins:end], to_head=to_head)
        if isinstance(found, ResponseHead):
            return found, end
    loose = loose_end(data, begins, end if end > 3 else len(data))
    if loose is None:
        return bad_response("malformed", "its end can be seen in two places"), end
    if not loose and end == 3:
        return None
    end = loose or end
    mended = normalized(data[begins:end])
    if isinstance(mended, Refusal):
        return mended, end
    found = read_response(mended.head, to_head=to_head)
    if isinstance(found, ResponseHead):
        found.flags = mended.flags
        found.keep_alive = False
    return found, end


_FRAMING = frozenset((b"content-length", b"transfer-encoding"))


def write_response(response: ResponseHead, *, add: tuple[bytes, ...] = (), unframed: bool = False) -> bytes:
    """Return the head to send to the client, without hop-by-hop headers.

    `unframed` removes the framing headers, because `add` brings others or the connection's end
    is the body's.
    """
    lines = response.lines
    drop = {*response.drop, response.keep_alive_line}
    drop.discard(0)
    if unframed:
        drop.update(index for index, (name, _) in enumerate(response.headers, 1) if name in _FRAMING)
    kept = [line for index, line in enumerate(lines[:-2]) if index not in drop]
    kept.extend(add)
    return b"\r\n".join((*kept, b"", b""))
