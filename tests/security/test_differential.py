"""Mutated heads, judged by us and by another implementation: what we accept, both frame alike.

RELIABILITY S-20 to S-25. The reference is h11, which shares no code with llhttp or with the policy.
`FAREBOX_MUTATIONS` sets how many are tried; the seed is fixed, so a failure comes back.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import h11

from farebox.proxy.admission.heads import next_response, read_request, read_response, write_response
from farebox.wire.http_policy import RequestHead, allowed_hosts, head_limit
from farebox.wire.response_policy import ResponseHead

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "proxy"))

from test_smuggling import ANSWERS, LOOSE_ANSWERS, REQUESTS

COUNT = int(os.environ.get("FAREBOX_MUTATIONS", "20000"))
PORT = 3273
HOSTS = allowed_hosts(PORT)

_GOOD_REQUESTS = (
    b"POST /openai/v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:3273\r\nContent-Length: 12\r\n"
    b"Content-Type: application/json\r\nAuthorization: Bearer sk\r\n\r\n",
    b"POST /openai/v1/x HTTP/1.1\r\nHost: localhost:3273\r\nTransfer-Encoding: chunked\r\n"
    b"Connection: close\r\n\r\n",
    b"GET /openai/v1/models?limit=3 HTTP/1.1\r\nHost: [::1]:3273\r\nAccept: */*\r\n"
    b"Keep-Alive: timeout=5\r\n\r\n",
    b"POST /openai/v1/x HTTP/1.0\r\nHost: 127.0.0.1:3273\r\nContent-Length: 3\r\n"
    b"Connection: keep-alive\r\n\r\n",
)
_GOOD_ANSWERS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n",
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\n",
)
_PIECES = (
    b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b",", b";", b"\0", b"\x0b", b"\xff", b"0", b"+", b"-", b"0x",
    b"_", b"chunked", b"identity", b"Content-Length: 7\r\n", b"Transfer-Encoding: chunked\r\n",
    b"content-length:1\r\n", b"Transfer_Encoding: chunked\r\n", b" Transfer-Encoding: chunked\r\n",
    b"Host: a\r\n", b"Connection: x\r\n", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"%00", b"/..", b"#", b"?",
    b"http://a",
)  # fmt: skip


def mutated(rng: random.Random, seeds: list[bytes]) -> bytes:
    """Return a head with one to four changes, up to its first empty line."""
    text = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(text) + 1)
        kind = rng.randrange(5)
        if kind == 0:
            text[at:at] = rng.choice(_PIECES)
        elif kind == 1:
            del text[at : at + rng.randint(1, 3)]
        elif kind == 2 and at < len(text):
            text[at] = rng.randrange(256)
        elif kind == 3:
            lines = bytes(text).split(b"\r\n")
            line = rng.choice(lines)
            lines.insert(rng.randrange(1, len(lines) + 1), line)
            text = bytearray(b"\r\n".join(lines))
        else:
            text[at : at + rng.randint(0, 4)] = rng.choice(_PIECES)
    head, _, _ = bytes(text).partition(b"\r\n\r\n")
    return head + b"\r\n\r\n"


def framing(headers: list[tuple[bytes, bytes]]) -> tuple[int | None, bool]:
    """Return length and whether the body is chunked, as h11 has normalised the headers."""
    named = {bytes(name): bytes(value) for name, value in headers}
    length = named.get(b"content-length")
    return (int(length) if length is not None else None), named.get(b"transfer-encoding") == b"chunked"


def _odd_answers() -> list[bytes]:
    texts = [*ANSWERS.values(), *(text for text, _ in LOOSE_ANSWERS.values())]
    return [text.encode("latin-1") for text in texts]


def reference_response(head: bytes) -> h11.Response | str:
    """Return what h11 makes of a head, or why it makes nothing of it."""
    reference = h11.Connection(h11.CLIENT)
    reference.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
    reference.send(h11.EndOfMessage())
    reference.receive_data(head)
    try:
        event = reference.next_event()
    except h11.RemoteProtocolError as error:
        return str(error)
    return event if isinstance(event, h11.Response) else f"{event!r}"


def test_a_mutated_request_is_refused_or_framed_as_others_frame_it() -> None:
    rng = random.Random(20)
    seeds = list(_GOOD_REQUESTS) * 40
    for text in REQUESTS.values():
        named = text.replace("{host}", f"127.0.0.1:{PORT}").replace("{port}", str(PORT))
        seeds.append(named.encode("latin-1"))
    differing: list[tuple[bytes, str]] = []
    accepted = 0
    for _ in range(COUNT):
        head = mutated(rng, seeds)
        if head_limit(head) is not None:
            continue
        ours = read_request(head, HOSTS)
        if not isinstance(ours, RequestHead):
            continue
        accepted += 1
        reference = h11.Connection(h11.SERVER)
        reference.receive_data(head)
        try:
            event = reference.next_event()
        except h11.RemoteProtocolError as error:
            differing.append((head, str(error)))
            continue
        assert isinstance(event, h11.Request)
        length, chunked = framing(list(event.headers))
        if (event.method, length or None, chunked) != (
            ours.method,
            ours.content_length or None,
            ours.chunked,
        ):
            differing.append((head, f"{event.method!r} {length} {chunked}"))
    assert accepted > COUNT // 20, "the mutations are too wild to say anything"
    assert differing == []


def test_a_mutated_answer_is_refused_or_framed_as_others_frame_it() -> None:
    rng = random.Random(21)
    seeds = list(_GOOD_ANSWERS) * 20 + _odd_answers()
    differing: list[tuple[bytes, str]] = []
    accepted = 0
    for _ in range(COUNT):
        head = mutated(rng, seeds)
        ours = read_response(head, to_head=False)
        if not isinstance(ours, ResponseHead) or ours.status < 200 or ours.status in (204, 304):
            continue
        accepted += 1
        event = reference_response(head)
        if isinstance(event, str):
            differing.append((head, event))
            continue
        length, chunked = framing(list(event.headers))
        if (event.status_code, length, chunked) != (ours.status, ours.content_length, ours.chunked):
            differing.append((head, f"{event.status_code} {length} {chunked}"))
    assert accepted > COUNT // 20
    assert differing == []


def test_a_mutated_answer_that_is_put_right_has_the_end_that_others_see() -> None:
    """What the client gets frames as we took it; who accepts what came sees the same end of it."""
    rng = random.Random(22)
    seeds = list(_GOOD_ANSWERS) * 10 + _odd_answers() * 2
    differing: list[tuple[bytes, str]] = []
    put_right = 0
    for _ in range(COUNT):
        head = mutated(rng, seeds)
        found = next_response(head, 0, to_head=False)
        if found is None or not isinstance(found[0], ResponseHead):
            continue
        ours, end = found
        if not ours.flags or ours.status < 200 or ours.status in (204, 304):
            continue
        put_right += 1
        expected = ours.status, ours.content_length, ours.chunked
        for name, text in (("sent", write_response(ours)), ("came", head)):
            event = reference_response(text)
            if isinstance(event, str):
                if name == "sent":
                    differing.append((head, event))
                continue
            seen = (event.status_code, *framing(list(event.headers)))
            if seen[2]:
                seen = seen[0], None, True  # h11 leaves a length that the coding overrides
            if seen != expected:
                differing.append((head, f"{name}: {seen} for {expected}"))
        if reference_end(head) not in (None, end):
            differing.append((head, f"ends at {end}, for others at {reference_end(head)}"))
    assert put_right > COUNT // 40, "the mutations are too wild to say anything"
    assert differing == []


def reference_end(head: bytes) -> int | None:
    """Return where h11 sees a head's end, None where it accepts none."""
    reference = h11.Connection(h11.CLIENT)
    reference.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
    reference.send(h11.EndOfMessage())
    reference.receive_data(head)
    try:
        if not isinstance(reference.next_event(), h11.Response):
            return None
    except h11.RemoteProtocolError:
        return None
    return len(head) - len(reference.trailing_data[0])
