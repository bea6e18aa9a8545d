"""Split heads with llhttp, have them judged by the policy, and write the heads clients get.

Heads keep their raw lines: what is not removed or replaced goes on byte for byte.
"""

from __future__ import annotations

import httptools

from farebox.wire.http_policy import (
    Headers,
    Refusal,
    RequestHead,
    ResponseHead,
    judge_request,
    judge_response,
    malformed,
)


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
    """Return the accepted response head of `head`, which ends with an empty line."""
    lines = _Lines()
    parser = httptools.HttpResponseParser(lines)
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        return Refusal(502, "malformed", f"The upstream's answer is not valid HTTP/1.1: {str(error)[:120]}.")
    return judge_response(head, lines.headers, parsed_status=parser.get_status_code(), to_head=to_head)


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
