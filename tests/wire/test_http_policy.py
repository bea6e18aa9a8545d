"""The HTTP policy as pure functions: what is accepted, what it means, what is dropped on the way."""

from __future__ import annotations

import pytest

from farebox.wire.http.request_policy import (
    HEAD_BYTES_MAX,
    Headers,
    Refusal,
    RequestHead,
    allowed_hosts,
    head_limit,
    judge_request,
    starts_like_a_head,
)
from farebox.wire.http.response_policy import ResponseHead, judge_response

HOSTS = allowed_hosts(3273)


def split(head: bytes) -> Headers:
    """Split a head as a lenient parser would: the policy must not rely on a strict one alone."""
    lines = head.split(b"\r\n")[1:-2]
    pairs = (line.partition(b":") for line in lines)
    return [(name.lower(), value.strip()) for name, _, value in pairs]


def request(*lines: bytes, start: bytes = b"POST /openai/v1/x HTTP/1.1") -> RequestHead | Refusal:
    head = b"\r\n".join([start, b"Host: localhost:3273", *lines, b"", b""])
    return judge_request(head, split(head), HOSTS, parsed_method=start.split(b" ")[0])


def response(
    *lines: bytes, start: bytes = b"HTTP/1.1 200 OK", to_head: bool = False
) -> ResponseHead | Refusal:
    head = b"\r\n".join([start, *lines, b"", b""])
    return judge_response(head, split(head), parsed_status=int(start.split(b" ")[1]), to_head=to_head)


def accepted(found: RequestHead | Refusal) -> RequestHead:
    assert isinstance(found, RequestHead), found
    return found


def passed(found: ResponseHead | Refusal) -> ResponseHead:
    assert isinstance(found, ResponseHead), found
    return found


def rule(found: object) -> tuple[int, str]:
    assert isinstance(found, Refusal), found
    return found.status, found.rule


def test_a_plain_request_is_read_into_its_parts() -> None:
    found = accepted(request(b"Content-Length: 5", start=b"POST /openai/v1/x?key=1 HTTP/1.1"))
    assert (found.method, found.path, found.query) == (b"POST", b"/openai/v1/x", b"key=1")
    assert (found.content_length, found.chunked, found.close, found.drop) == (5, False, False, [])
    assert found.has_body
    assert not accepted(request(b"Content-Length: 0")).has_body
    assert not accepted(request()).has_body


def test_an_empty_query_is_still_a_query() -> None:
    assert accepted(request(start=b"GET /openai? HTTP/1.1")).query == b""
    assert accepted(request(start=b"GET /openai HTTP/1.1")).query is None


def test_absolute_form_must_name_the_host_it_was_sent_to() -> None:
    found = accepted(request(start=b"GET http://LOCALHOST:3273/openai/x HTTP/1.1"))
    assert found.path == b"/openai/x"
    assert rule(request(start=b"GET http://127.0.0.1:3273/openai/x HTTP/1.1")) == (400, "authority")


def test_connection_and_what_it_names_are_dropped() -> None:
    found = accepted(request(b"Connection: close, X-Hop", b"X-Hop: 1", b"X-Stays: 1", b"Keep-Alive: 5"))
    assert found.close
    assert sorted(found.drop) == [2, 3, 5]


def test_old_clients_are_not_kept_unless_they_ask() -> None:
    assert accepted(request(start=b"GET /openai HTTP/1.0")).close
    assert not accepted(request(b"Connection: keep-alive", start=b"GET /openai HTTP/1.0")).close


def test_own_headers_are_taken_out_whatever_their_case() -> None:
    found = accepted(request(b"X-FAREBOX-User: u", b"x-farebox-tag-a: b", b"X-Fareboxer: c"))
    assert found.own == [(b"user", b"u"), (b"tag-a", b"b")]
    assert found.drop == [2, 3]


def test_a_parser_that_saw_other_headers_than_there_are_lines_is_not_believed() -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost:3273\r\nA: b\r\n\r\n"
    assert rule(judge_request(head, split(head)[:1], HOSTS, parsed_method=b"POST")) == (400, "malformed")
    assert rule(judge_request(head, split(head), HOSTS, parsed_method=b"GET")) == (400, "malformed")
    answer = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"
    assert rule(judge_response(answer, [], parsed_status=200)) == (502, "malformed")
    assert rule(judge_response(answer, split(answer), parsed_status=404)) == (502, "malformed")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"Content-Length: 5\r\nContent-Length: 5", (400, "length_repeated")),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", (400, "length_and_coding")),
        (b"Content-Length: five", (400, "length_invalid")),
        (b"Transfer-Encoding: gzip", (400, "coding_unknown")),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", (400, "coding_repeated")),
        (b"Host: localhost:3273", (400, "host_repeated")),
        (b"Content_Length: 1", (400, "underscore")),
        (b"Upgrade: h2c", (400, "upgrade")),
        (b"Upgrade: tls/1.3\r\nConnection: upgrade", (501, "upgrade")),
        (b"Expect: magic", (417, "expect")),
        (b"Origin: null", (403, "browser")),
        (b"Sec-Fetch-Site: none", (403, "browser")),
        (b"Connection: host", (400, "connection")),
    ],
)
def test_each_rule_has_its_status_and_its_slug(line: bytes, expected: tuple[int, str]) -> None:
    assert rule(request(*line.split(b"\r\n"))) == expected


def test_hosts_are_exact() -> None:
    assert allowed_hosts(80) >= {b"localhost", b"localhost:80"}
    assert b"localhost" not in HOSTS
    assert b"[::1]:3273" in HOSTS
    assert b"[fd00::5]:1" in allowed_hosts(1, ["fd00::5"])


def test_sizes_are_judged_while_they_grow() -> None:
    assert head_limit(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 100) is None
    assert rule(head_limit(b"G" * 9000)) == (414, "line_too_long")
    assert rule(head_limit(b"G\n" + b"A" * HEAD_BYTES_MAX)) == (431, "headers_too_large")


def test_a_head_may_be_cut_anywhere_and_still_look_like_one() -> None:
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\nA: \tb\r\n\r\n"
    for position in range(len(head)):
        assert starts_like_a_head(head[:position])
    for broken in (b"GET / HTTP/1.1\nHost", b"GET / HTTP/1.1\rH", b"\x16\x03\x01", b"GET /\x00"):
        assert not starts_like_a_head(broken)


def test_an_answers_framing_is_what_its_status_allows() -> None:
    assert passed(response(b"Content-Length: 5")).content_length == 5
    assert passed(response(b"Transfer-Encoding: chunked")).chunked
    assert passed(response()).content_length is None
    assert passed(response(start=b"HTTP/1.1 204 No")).content_length == 0
    assert passed(response(b"Content-Length: 5", start=b"HTTP/1.1 304 Same")).content_length == 0
    assert passed(response(b"Transfer-Encoding: chunked", to_head=True)).content_length == 0
    assert rule(response(b"Content-Length: 5", start=b"HTTP/1.1 204 No")) == (502, "body_unexpected")


def test_an_answer_says_whether_its_connection_stays() -> None:
    assert passed(response()).keep_alive
    assert not passed(response(b"Connection: close")).keep_alive
    assert not passed(response(start=b"HTTP/1.0 200 OK")).keep_alive
    old = passed(response(b"Connection: keep-alive", start=b"HTTP/1.0 200 OK"))
    assert old.keep_alive
    assert old.lines[0] == b"HTTP/1.1 200 OK"


def test_a_reason_may_be_missing_or_in_any_tongue() -> None:
    for line in (b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.1 200 \xc3\xa9"):
        found = passed(judge_response(line + b"\r\n\r\n", [], parsed_status=200))
        assert found.status == 200
