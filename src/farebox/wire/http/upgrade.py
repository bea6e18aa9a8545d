"""Judge both halves of a WebSocket handshake: reject, never repair (RFC 6455 §4).

Only what was asked for and agreed to in full becomes a tunnel; anything else could be used to send
bytes past the policy for HTTP.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from farebox.wire.http.request_policy import HEAD_BYTES_MAX, HEADERS_MAX, LINE_BYTES_MAX, Headers, Refusal

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_ONCE = (b"upgrade", b"connection", b"sec-websocket-accept", b"sec-websocket-extensions")


def judge_upgrade(method: bytes, headers: Headers, *, has_body: bool, old: bool) -> Refusal | None:
    """Return why a request for a WebSocket is refused, None where it is in order."""
    if method != b"GET" or has_body or old:
        return Refusal(400, "upgrade", "A WebSocket is opened with GET over HTTP/1.1 and without a body.")
    keys = [value for name, value in headers if name == b"sec-websocket-key"]
    versions = [value for name, value in headers if name == b"sec-websocket-version"]
    if versions != [b"13"]:
        return Refusal(426, "upgrade_version", "Only version 13 of WebSocket is spoken here.")
    if len(keys) != 1 or not _is_nonce(keys[0]):
        return Refusal(400, "upgrade_key", "Sec-WebSocket-Key is not 16 bytes in base64.")
    return None


def _is_nonce(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def accept_of(key: bytes) -> bytes:
    """Return what a server must answer to `Sec-WebSocket-Key: key`."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def judge_switch(head: bytes, asked: Headers) -> Headers | Refusal:
    """Return the headers of an upstream's `101`, or why it cannot be passed on."""
    if len(head) > HEAD_BYTES_MAX:
        return _bad("headers_too_large", "its headers are over the limit")
    lines = head.split(b"\r\n")
    if not re.fullmatch(rb"HTTP/1\.1 101(?: [\t\x20-\x7e\x80-\xff]*)?", lines[0]):
        return _bad("malformed", "its status line is not HTTP/1.1")
    headers: Headers = []
    for line in lines[1:-2]:
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name) or _CONTROL.search(value) or len(line) > LINE_BYTES_MAX:
            return _bad("malformed", "a header is malformed")
        headers.append((name.lower(), value.strip(b" \t")))
    if len(headers) > HEADERS_MAX:
        return _bad("headers_too_large", "its headers are over the limit")
    return _judge_agreement(headers, asked)


def _judge_agreement(headers: Headers, asked: Headers) -> Headers | Refusal:
    said = dict(headers)
    if any(sum(name == once for name, _ in headers) > 1 for once in _ONCE):
        return _bad("upgrade", "it repeats a header of the handshake")
    if b"content-length" in said or b"transfer-encoding" in said:
        return _bad("body_unexpected", "a 101 answer cannot have a body")
    options = [option.strip() for option in said.get(b"connection", b"").lower().split(b",")]
    if said.get(b"upgrade", b"").lower() != b"websocket" or b"upgrade" not in options:
        return _bad("upgrade", "it switches to something that was not asked for")
    wanted = dict(asked)
    if said.get(b"sec-websocket-accept") != accept_of(wanted.get(b"sec-websocket-key", b"")):
        return _bad("upgrade", "its Sec-WebSocket-Accept does not belong to the request")
    offered = b",".join(value for name, value in asked if name == b"sec-websocket-extensions").lower()
    for extension in said.get(b"sec-websocket-extensions", b"").lower().split(b","):
        if extension.partition(b";")[0].strip() not in offered:
            return _bad("upgrade", "it uses an extension that was not offered")
    protocol = said.get(b"sec-websocket-protocol")
    if protocol is not None:
        choices = b",".join(value for name, value in asked if name == b"sec-websocket-protocol")
        if protocol not in [choice.strip() for choice in choices.split(b",")]:
            return _bad("upgrade", "it chose a protocol that was not offered")
    return headers


def _bad(rule: str, detail: str) -> Refusal:
    return Refusal(502, rule, f"The upstream's response cannot be passed on: {detail}.")
