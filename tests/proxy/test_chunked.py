"""Chunked framing is followed however it is cut, and nothing is changed."""

from __future__ import annotations

import random

import pytest

from farebox.proxy.http1.chunked import LAST_CHUNK, ChunkedBody, FramingError, chunk


def feed(body: ChunkedBody, pieces: list[bytes]) -> tuple[bytes, bytes]:
    raw = content = b""
    for piece in pieces:
        content += body.take(piece)
        raw += piece[: body.stop] + body.closing()
    return raw, content


def cut(data: bytes, seed: int) -> list[bytes]:
    random_ = random.Random(seed)
    places = sorted(random_.sample(range(1, len(data)), min(len(data) - 1, random_.randint(1, 20))))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def test_chunks_carry_the_same_bytes_however_they_are_cut() -> None:
    content = random.Random(1).randbytes(3000)
    raw = b"".join(chunk(content[start : start + 97]) for start in range(0, 3000, 97)) + LAST_CHUNK
    for seed in range(300):
        body = ChunkedBody()
        assert feed(body, cut(raw, seed)) == (raw, content)
        assert body.complete


def test_chunks_may_come_byte_by_byte() -> None:
    raw = b"00005\r\nhello\r\nA\r\n0123456789\r\n000\r\n\r\n"
    body = ChunkedBody()
    assert feed(body, [raw[n : n + 1] for n in range(len(raw))]) == (raw, b"hello0123456789")
    assert body.complete


def test_an_empty_chunked_body_is_complete_at_its_last_chunk() -> None:
    body = ChunkedBody()
    assert feed(body, [LAST_CHUNK]) == (LAST_CHUNK, b"")
    assert body.complete


def test_trailers_are_taken_out_of_a_body_however_it_is_cut() -> None:
    raw = b"5\r\nhello\r\n00;a\r\nX: y\r\nZ:\r\n\r\n"
    for place in range(1, len(raw)):
        body = ChunkedBody()
        assert feed(body, [raw[:place], raw[place:]]) == (b"5\r\nhello\r\n00;a\r\n\r\n", b"hello")
        assert (body.complete, body.trailers) == (True, [b"X: y", b"Z:"])


def test_only_a_response_may_pad_its_sizes() -> None:
    raw = b"5  \r\nhello\r\n0 \t\r\n\r\n"
    for place in range(1, len(raw)):
        assert feed(ChunkedBody(padded=True), [raw[:place], raw[place:]]) == (raw, b"hello")
    with pytest.raises(FramingError, match="chunk_malformed"):
        ChunkedBody().take(raw)


def test_a_chunks_size_has_the_limit_of_a_length_and_of_its_digits() -> None:
    body = ChunkedBody()
    assert body.take(b"fffffffffffffff\r\nx") == b"x"
    for size in (b"1000000000000000", b"f" * 16, b"0" * 15 + b"5", b"0" * 300):
        with pytest.raises(FramingError, match="chunk_malformed"):
            ChunkedBody().take(size + b"\r\nhello\r\n")


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"5\r\nhello\r\n0\r\nA b\r\n\r\n", "trailers"),
        (b"0\r\nA: b\n\r\n\r\n", "trailers"),
        (b"x\r\n", "chunk_malformed"),
        (b"5\nhello\r\n0\r\n\r\n", "chunk_malformed"),
        (b"5;a\nb\r\nhello\r\n0\r\n\r\n", "chunk_malformed"),
        (b"5;a\rb\r\nhello\r\n0\r\n\r\n", "chunk_malformed"),
        (b"5 \r\nhello\r\n0\r\n\r\n", "chunk_malformed"),
    ],
)
def test_what_is_not_strictly_chunked_is_named_wherever_it_is_cut(raw: bytes, rule: str) -> None:
    for place in range(1, len(raw)):
        with pytest.raises(FramingError) as caught:
            feed(ChunkedBody(), [raw[:place], raw[place:]])
        assert caught.value.rule == rule


@pytest.mark.parametrize(
    "raw",
    [
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5;a=b\r\nhello\r\n0;x=y\r\n\r\n",
        b"5\r\nhello\r\n0;x=" + b"y" * 200 + b"\r\n\r\n",
        b"9\r\n\r\n\r\n0\r\n\r\n\r\n000\r\n\r\n",
        b"0\r\n\r\n",
    ],
)
@pytest.mark.parametrize("after", [b"", b"\r\n", b"GET / HTTP/1.1\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n"])
def test_what_comes_behind_a_body_is_told_from_it_wherever_it_is_cut(raw: bytes, after: bytes) -> None:
    whole = raw + after
    for place in range(len(raw)):
        body = ChunkedBody()
        passed, _ = feed(body, [whole[:place], whole[place:]])
        assert (passed, body.complete, body.rest) == (raw, True, after)
    with pytest.raises(FramingError, match="after_the_end"):
        body.take(b"x")


def test_nothing_is_no_chunk_because_that_would_end_the_body() -> None:
    assert chunk(b"") == b""
    assert chunk(b"x" * 16) == b"10\r\n" + b"x" * 16 + b"\r\n"


def test_a_body_may_begin_behind_its_head() -> None:
    content = random.Random(2).randbytes(3000)
    raw = b"".join(chunk(content[start : start + 97]) for start in range(0, 3000, 97)) + b"00;last\r\n\r\n"
    for seed in range(300):
        body = ChunkedBody()
        taken = [body.take(b"\r\n0\r\n\r\n" * seed + piece, 7 * seed) for piece in cut(raw, seed)]
        assert b"".join(taken) == content
        assert body.complete


def events(random_: random.Random) -> bytes:
    """Return a body of many chunks as a stream has them, now and then with something odd in it."""
    chunks: list[bytes] = []
    for _ in range(random_.randint(8, 60)):
        end = random_.choice([b"\n\n"] * 30 + [b"\r\n\r\n", b"\r"])
        data = b"data: " + b"x" * random_.randint(1, 30) + end
        chunks.append(chunk(data).replace(b"\r\n", random_.choice([b"\r\n"] * 90 + [b";a\r\n"]), 1))
    return b"".join(chunks) + LAST_CHUNK


def test_many_chunks_in_one_read_are_judged_as_they_are_byte_by_byte() -> None:
    random_ = random.Random(3)
    broken = 0
    for _ in range(1500):
        raw = bytearray(events(random_))
        if random_.random() < 0.7:
            place = random_.randrange(len(raw))
            raw[place : place + random_.randint(0, 2)] = random_.choice(
                [b"", b"\r", b"\n", b"\r\n", b"1", b"f", b"0", b" "]
            )
        data = bytes(raw)
        at_once, one_by_one = ChunkedBody(), ChunkedBody()
        rule = content = None
        try:
            content = at_once.take(data)
        except FramingError as error:
            rule = error.rule
        carried, end = b"", len(data)
        try:
            for place in range(len(data)):
                carried += one_by_one.take(data[place : place + 1])
                if one_by_one.complete:
                    end = place + 1
                    break
        except FramingError as error:
            assert error.rule == rule
            broken += 1
            continue
        assert (content, rule, at_once.complete) == (carried, None, one_by_one.complete)
        assert at_once.rest == data[end:]
    assert 300 < broken < 1400, "some were broken and some were not"
