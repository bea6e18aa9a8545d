"""HTTP that can be read in two ways is refused in both directions; a response whose end is clear passes."""

from __future__ import annotations

import re

import pytest
from proxy_harness import QUICK, Reply, Request, mock, serving

PATH = "/openai/v1/x"


def head(*lines: str, host: str = "Host: {host}", end: str = "\r\n") -> str:
    return end.join([f"POST {PATH} HTTP/1.1", *([host] if host else []), *lines, "", ""])


CL5 = "Content-Length: 5"
TE = "Transfer-Encoding: chunked"
CHUNKS = "5\r\nhello\r\n0\r\n\r\n"

REQUESTS: dict[str, str] = {
    # Two framings
    "length and coding": head(CL5, TE) + CHUNKS,
    "coding and length": head(TE, CL5) + CHUNKS,
    "length twice, equal": head(CL5, CL5) + "hello",
    "length twice, different": head(CL5, "Content-Length: 6") + "hello!",
    "length list": head("Content-Length: 5, 5") + "hello",
    "length with plus": head("Content-Length: +5") + "hello",
    "length with minus": head("Content-Length: -5") + "hello",
    "length hex": head("Content-Length: 0x5") + "hello",
    "length with underscore digits": head("Content-Length: 1_0") + "hellohello",
    "length empty": head("Content-Length:") + "hello",
    "length float": head("Content-Length: 5.0") + "hello",
    "length exponent": head("Content-Length: 5e0") + "hello",
    "length huge": head("Content-Length: 99999999999999999999") + "hello",
    "length of unicode digits": head("Content-Length: \u00b2") + "hello",
    "length with inner space": head("Content-Length: 5 5") + "hello",
    "coding twice": head(TE, TE) + CHUNKS,
    "coding list": head("Transfer-Encoding: gzip, chunked") + CHUNKS,
    "coding identity": head("Transfer-Encoding: identity") + "hello",
    "coding unknown": head("Transfer-Encoding: xchunked") + CHUNKS,
    "coding with tab before": head("Transfer-Encoding: \x0bchunked") + CHUNKS,
    "coding quoted": head('Transfer-Encoding: "chunked"') + CHUNKS,
    "coding chunked, identity": head("Transfer-Encoding: chunked, identity") + CHUNKS,
    "coding comma": head("Transfer-Encoding: ,chunked") + CHUNKS,
    "coding with semicolon": head("Transfer-Encoding: chunked;a=b") + CHUNKS,
    "coding cut by a line feed": head("Transfer-Encoding:\n chunked") + CHUNKS,
    "coding on HTTP/1.0": head(TE).replace("HTTP/1.1", "HTTP/1.0") + CHUNKS,
    # Names
    "space before colon": head("Transfer-Encoding : chunked") + CHUNKS,
    "tab before colon": head("Content-Length\t: 5") + "hello",
    "underscore length": head(CL5, "Content_Length: 6") + "hello",
    "underscore coding": head("Transfer_Encoding: chunked", CL5) + "hello",
    "underscore proxy": head(CL5, "Proxy_Connection: 1") + "hello",
    "underscore forwarded host": head(CL5, "X_Forwarded_Host: a") + "hello",
    "underscore key": head(CL5, "x_api-key: 1") + "hello",
    "underscore our header": head(CL5, "X_Farebox_User: u") + "hello",
    "underscore in our header": head(CL5, "x-farebox_user: u") + "hello",
    "empty name": head(CL5, ": x") + "hello",
    "no colon": head(CL5, "nonsense") + "hello",
    "name with a bracket": head(CL5, "A(b): x") + "hello",
    "name with a quote": head(CL5, 'A"b: x') + "hello",
    "name in unicode": head(CL5, "Tr\u00e4nsfer-Encoding: chunked") + "hello",
    "leading space": head(" " + CL5) + "hello",
    # Lines
    "line feeds alone": head(CL5, end="\n") + "hello",
    "one line feed alone": head(CL5).replace("\r\nContent", "\nContent") + "hello",
    "last line feed alone": head(CL5)[:-2] + "\nhello",
    "carriage return alone": head(CL5, "A: b\rC: d") + "hello",
    "folded header": head(CL5, "A: b\r\n c") + "hello",
    "folded with tab": head(CL5, "A: b\r\n\tc") + "hello",
    "folded first header": head(host="").replace("\r\n", "\r\n Host: {host}\r\n", 1),
    "nul in a value": head(CL5, "A: b\0c") + "hello",
    "control in a value": head(CL5, "A: b\x01c") + "hello",
    "delete in a value": head(CL5, "A: b\x7fc") + "hello",
    "empty line first": "\r\n" + head(CL5) + "hello",
    # Request line
    "two spaces": head(CL5).replace("POST ", "POST  ") + "hello",
    "tab": head(CL5).replace("POST ", "POST\t") + "hello",
    "two spaces before the version": head(CL5).replace(" HTTP", "  HTTP") + "hello",
    "space after the version": head(CL5).replace("HTTP/1.1", "HTTP/1.1 ") + "hello",
    "no version": head(CL5).replace(" HTTP/1.1", "") + "hello",
    "version 2.0": head(CL5).replace("HTTP/1.1", "HTTP/2.0") + "hello",
    "version 0.9": head(CL5).replace("HTTP/1.1", "HTTP/0.9") + "hello",
    "version 1.2": head(CL5).replace("HTTP/1.1", "HTTP/1.2") + "hello",
    "version in lower case": head(CL5).replace("HTTP/1.1", "http/1.1") + "hello",
    "another protocol": head(CL5).replace("HTTP/1.1", "RTSP/1.0") + "hello",
    "method in lower case": head(CL5).replace("POST", "post") + "hello",
    "method CONNECT": "CONNECT example.com:443 HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "method TRACE": head().replace("POST", "TRACE"),
    "method unknown": head(CL5).replace("POST", "BREW") + "hello",
    "fragment": head(CL5).replace(PATH, PATH + "#f") + "hello",
    "control in the target": head(CL5).replace(PATH, PATH + "\x01") + "hello",
    "unicode in the target": head(CL5).replace(PATH, PATH + "\u00e4") + "hello",
    "asterisk": head().replace("POST " + PATH, "OPTIONS *"),
    "dot segments": head(CL5).replace(PATH, "/openai/../anthropic/v1") + "hello",
    "encoded dot segments": head(CL5).replace(PATH, "/openai/%2e%2E/x") + "hello",
    # Host and authority
    "no host": head(CL5, host="") + "hello",
    "two hosts": head("Host: {host}", CL5) + "hello",
    "host list": head(CL5, host="Host: {host}, example.com") + "hello",
    "empty host": head(CL5, host="Host:") + "hello",
    "host without port": head(CL5, host="Host: 127.0.0.1") + "hello",
    "another port": head(CL5, host="Host: 127.0.0.1:1") + "hello",
    "another host": head(CL5, host="Host: example.com") + "hello",
    "rebound host": head(CL5, host="Host: attacker.example:{port}") + "hello",
    "host with a user": head(CL5, host="Host: x@{host}") + "hello",
    "host with a suffix": head(CL5, host="Host: {host}.example.com") + "hello",
    "host with a path": head(CL5, host="Host: {host}/x") + "hello",
    "host in decimal": head(CL5, host="Host: 2130706433:{port}") + "hello",
    "host short form": head(CL5, host="Host: 127.1:{port}") + "hello",
    "authority differs": head(CL5).replace(PATH, "http://example.com" + PATH) + "hello",
    "authority with https": head(CL5).replace(PATH, "https://{host}" + PATH) + "hello",
    "authority with a user": head(CL5).replace(PATH, "http://u@{host}" + PATH) + "hello",
    # Hop by hop
    "connection names the length": head(CL5, "Connection: content-length") + "hello",
    "connection names the host": head(CL5, "Connection: close, host") + "hello",
    "connection names the key": head(CL5, "Connection: authorization") + "hello",
    "connection names our header": head(CL5, "Connection: x-farebox-user", "x-farebox-user: u") + "hello",
    "connection is not a list": head(CL5, "Connection: a b") + "hello",
    "upgrade alone": head(CL5, "Upgrade: h2c") + "hello",
    "websocket": head("Connection: Upgrade", "Upgrade: websocket"),
    "expect something": head(CL5, "Expect: 200-ok") + "hello",
    # Bodies
    "trailer announced": head(TE, "Trailer: X") + "5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    "trailer without colon": head(TE) + "5\r\nhello\r\n0\r\nX\r\n\r\n",
    "trailer with a line feed": head(TE) + "5\r\nhello\r\n0\r\nX: y\n\r\n",
    "trailer with a control": head(TE) + "5\r\nhello\r\n0\r\nX: \x01\r\n\r\n",
    "trailer folded": head(TE) + "5\r\nhello\r\n0\r\n X: y\r\n\r\n",
    "chunk size with plus": head(TE) + "+5\r\nhello\r\n0\r\n\r\n",
    "chunk size with 0x": head(TE) + "0x5\r\nhello\r\n0\r\n\r\n",
    "chunk size with space": head(TE) + "5 \r\nhello\r\n0\r\n\r\n",
    "chunk size negative": head(TE) + "-5\r\nhello\r\n0\r\n\r\n",
    "chunk size empty": head(TE) + "\r\nhello\r\n0\r\n\r\n",
    "chunk size huge": head(TE) + "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "chunk size of 64 bits": head(TE) + "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "chunk size with many zeros": head(TE) + "0" * 300 + "5\r\nhello\r\n0\r\n\r\n",
    "last chunk with many zeros": head(TE) + "5\r\nhello\r\n" + "0" * 300 + "\r\n\r\n",
    "chunk with line feed": head(TE) + "5\nhello\r\n0\r\n\r\n",
    "chunk data with line feed": head(TE) + "5\r\nhello\n0\r\n\r\n",
    "chunk longer than said": head(TE) + "5\r\nhello!\r\n0\r\n\r\n",
    "chunk extension with line feed": head(TE) + "5;a\nb\r\nhello\r\n0\r\n\r\n",
    "last chunk, line feeds": head(TE) + "5\r\nhello\r\n0\r\n\n",
    "line break after the last chunk": head(TE) + CHUNKS + "\r\n",
    # Web pages
    "origin": head(CL5, "Origin: https://attacker.example") + "hello",
    "origin null": head(CL5, "Origin: null") + "hello",
    "own origin": head(CL5, "Origin: http://{host}") + "hello",
    "fetch metadata": head(CL5, "Sec-Fetch-Site: cross-site") + "hello",
    "preflight": head("Access-Control-Request-Method: POST").replace("POST", "OPTIONS", 1),
    # Another protocol altogether
    "tls": "\x16\x03\x01\x02\x00\x01\x00\x01",
    "http/2 that is not": "PRI * HTTP/2.0\r\nHost: {host}\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("name", REQUESTS)
def test_an_ambiguous_request_is_refused_and_nothing_of_it_is_passed_on(name: str) -> None:
    seen: list[Request] = []

    def respond(request: Request) -> Reply:
        seen.append(request)
        return mock.json_reply({})

    with serving(respond, limits=QUICK) as (_, proxy), proxy.connect() as client:
        text = REQUESTS[name].replace("{host}", f"127.0.0.1:{proxy.port}").replace("{port}", str(proxy.port))
        client.send(text.encode("latin-1"))
        answer = client.until_closed()
        proxy.settle(lambda: proxy.proxy.state.in_flight == 0)
    assert answer[:10] == b"HTTP/1.1 4" or answer[:10] == b"HTTP/1.1 5", answer
    assert len(re.findall(rb"HTTP/1.1 [0-9]", answer)) == 1
    assert b"x-farebox-error: policy:" in answer or b"x-farebox-error: body_timeout" in answer
    assert seen == [], "the upstream has seen a request"
    assert [done.outcome for done in proxy.journal.dones] in ([], ["refused"], ["client_disconnected"])


OK = "HTTP/1.1 200 OK\r\n"

ANSWERS: dict[str, str] = {
    "length twice, different": OK + f"{CL5}\r\nContent-Length: 6\r\n\r\nhello!",
    "length list, different": OK + "Content-Length: 5, 6\r\n\r\nhello!",
    "length folded": OK + "Content-Length: 5\r\n 0\r\n\r\nhello",
    "length with plus": OK + "Content-Length: +5\r\n\r\nhello",
    "length negative": OK + "Content-Length: -5\r\n\r\nhello",
    "length huge": OK + "Content-Length: 99999999999999999999\r\n\r\nhello",
    "length with a control": OK + "Content-Length: 5\x01\r\n\r\nhello",
    "coding twice": OK + f"{TE}\r\n{TE}\r\n\r\n{CHUNKS}",
    "coding gzip": OK + "Transfer-Encoding: gzip\r\n\r\nhello",
    "coding gzip, chunked": OK + f"Transfer-Encoding: gzip, chunked\r\n\r\n{CHUNKS}",
    "coding unknown": OK + f"Transfer-Encoding: xchunked\r\n\r\n{CHUNKS}",
    "coding unknown and length": OK + f"Transfer-Encoding: xchunked\r\n{CL5}\r\n\r\nhello",
    "coding with a control": OK + f"Transfer-Encoding: \x0bchunked\r\n\r\n{CHUNKS}",
    "underscore length": OK + f"{CL5}\r\nContent_Length: 6\r\n\r\nhello",
    "underscore coding": OK + f"Transfer_Encoding: chunked\r\n{CL5}\r\n\r\nhello",
    "a line feed hides the length": OK + f"A: b\n{CL5}\r\n\r\nhello",
    "a line feed hides the end": OK + f"A: b\n\n{CL5}\r\n\r\nhello",
    "a line feed shows another end": OK + f"{CL5}\n\r\nhello\r\n\r\n",
    "a carriage return in a value": OK + f"A: b\rc\r\n{CL5}\r\n\r\nhello",
    "folded before the first header": OK + f" A: b\r\n{CL5}\r\n\r\nhello",
    "no colon": OK + f"nonsense\r\n{CL5}\r\n\r\nhello",
    "name with a space": OK + f"A b: c\r\n{CL5}\r\n\r\nhello",
    "nul": OK + f"A: \0\r\n{CL5}\r\n\r\nhello",
    "control in the reason": f"HTTP/1.1 200 O\x01K\r\n{CL5}\r\n\r\nhello",
    "status of two digits": f"HTTP/1.1 20 OK\r\n{CL5}\r\n\r\nhello",
    "status of four digits": f"HTTP/1.1 2000 OK\r\n{CL5}\r\n\r\nhello",
    "status 099": f"HTTP/1.1 099 OK\r\n{CL5}\r\n\r\nhello",
    "version 2": f"HTTP/2.0 200 OK\r\n{CL5}\r\n\r\nhello",
    "no version": f"200 OK\r\n{CL5}\r\n\r\nhello",
    "switching": "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "interim with a body": f"HTTP/1.1 102 Wait\r\n{CL5}\r\n\r\nhello" + OK + "Content-Length: 0\r\n\r\n",
    "interim for ever": "HTTP/1.1 102 Wait\r\n\r\n" * 200 + OK + f"{CL5}\r\n\r\nhello",
    "connection names the length": OK + f"Connection: content-length\r\n{CL5}\r\n\r\nhello",
    "connection names the coding": OK + f"Connection: transfer-encoding\r\n{TE}\r\n\r\n{CHUNKS}",
    "not http": "SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
    "not http, without an end": "SSH-2.0-OpenSSH_9.2p1\r\n",
    "control before http": "\x00" + OK + f"{CL5}\r\n\r\nhello",
    "trailer without colon": OK + f"{TE}\r\n\r\n5\r\nhello\r\n0\r\nX\r\n\r\n",
    "trailer with a line feed": OK + f"{TE}\r\n\r\n5\r\nhello\r\n0\r\nX: y\n\r\n",
    "chunk size with plus": OK + f"{TE}\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
    "chunk size of 64 bits": OK + f"{TE}\r\n\r\nffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "chunk size with many zeros": OK + f"{TE}\r\n\r\n{'0' * 300}5\r\nhello\r\n0\r\n\r\n",
    "chunk with line feed": OK + f"{TE}\r\n\r\n5\nhello\r\n0\r\n\r\n",
    "chunk longer than said": OK + f"{TE}\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
    "too many headers": OK + "".join(f"X-{n}: y\r\n" for n in range(101)) + f"{CL5}\r\n\r\nhello",
    "long line": OK + f"X-Y: {'z' * 9000}\r\n{CL5}\r\n\r\nhello",
    "endless head": OK + "X-Y: z\r\n" * 9000,
}

LOOSE_ANSWERS: dict[str, tuple[str, str]] = {
    # What RFC 9112 tells an intermediary to do is done; the flag is on the row.
    "length and coding": (OK + f"{CL5}\r\n{TE}\r\n\r\n{CHUNKS}", "length_and_coding"),
    "coding and another length": (OK + f"{TE}\r\nContent-Length: 3\r\n\r\n{CHUNKS}", "length_and_coding"),
    "coding and a bad length": (OK + f"{TE}\r\nContent-Length: x\r\n\r\n{CHUNKS}", "length_and_coding"),
    "length twice": (OK + f"{CL5}\r\n{CL5}\r\n\r\nhello", "length_repeated"),
    "length list": (OK + "Content-Length: 5, 5\r\n\r\nhello", "length_repeated"),
    "coding on HTTP/1.0": (f"HTTP/1.0 200 OK\r\n{TE}\r\n\r\n{CHUNKS}", "coding_on_http_1_0"),
    "space before colon": (OK + "Content-Length : 5\r\n\r\nhello", "space_before_colon"),
    "line feeds alone": (OK.replace("\r\n", "\n") + f"{CL5}\n\nhello", "line_feeds"),
    "line feeds, then an empty line": (
        OK.replace("\r\n", "\n") + "Content-Length: 9\n\nhello\r\n\r\n",
        "line_feeds",
    ),
    "one line feed in a value": (OK + f"A: b\nB: c\r\n{CL5}\r\n\r\nhello", "line_feeds"),
    "folded": (OK + f"A: b\r\n c\r\n{CL5}\r\n\r\nhello", "folded"),
    "folded with tab": (OK + f"A: b\r\n\tc\r\n d\r\n{CL5}\r\n\r\nhello", "folded"),
    "folded coding": (OK + f"Transfer-Encoding:\r\n chunked\r\n\r\n{CHUNKS}", "folded"),
    "folded, in an event stream": (
        OK + f"A: b\r\n c\r\nContent-Type: text/event-stream\r\n{TE}\r\n\r\n{CHUNKS}",
        "folded",
    ),
    "control in a value": (OK + f"A: b\x01c\r\n{CL5}\r\n\r\nhello", "control_character"),
    "two spaces in the status line": (f"HTTP/1.1  200  OK\r\n{CL5}\r\n\r\nhello", "status_line"),
    "connection is no list of names": (OK + f"Connection: a b\r\n{CL5}\r\n\r\nhello", "connection"),
    "connection names the type": (OK + f"Connection: content-type\r\n{CL5}\r\n\r\nhello", "connection"),
    "trailer": (OK + f"{TE}\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n", "response_trailers"),
    "trailer announced": (
        OK + f"Trailer: X\r\n{TE}\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
        "response_trailers",
    ),
    "trailer of framing": (
        OK + f"{TE}\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 0\r\n\r\n",
        "response_trailers",
    ),
    "answer after the last chunk": (
        OK + f"{TE}\r\n\r\n{CHUNKS}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "bytes_after_the_end",
    ),
    "line break after the last chunk": (OK + f"{TE}\r\n\r\n{CHUNKS}\r\n", "bytes_after_the_end"),
    # What is legal, if seldom seen, needs no flag.
    "no reason": (f"HTTP/1.1 200 \r\n{CL5}\r\n\r\nhello", ""),
    "no reason, no space": (f"HTTP/1.1 200\r\n{CL5}\r\n\r\nhello", ""),
    "reason beyond ASCII": (f"HTTP/1.1 200 \u00e9\r\n{CL5}\r\n\r\nhello", ""),
    "value beyond ASCII": (OK + f"A: \u00e9\r\n{CL5}\r\n\r\nhello", ""),
    "name with an underscore": (OK + f"a_b: c\r\n{CL5}\r\n\r\nhello", ""),
    "empty value": (OK + f"A:\r\n{CL5}\r\n\r\nhello", ""),
    "empty element of Connection": (OK + f"Connection: close,\r\n{CL5}\r\n\r\nhello", ""),
    "interim 100 that nobody waits for": (f"HTTP/1.1 100 C\r\n\r\n{OK}{CL5}\r\n\r\nhello", ""),
    "HTTP/1.0": (f"HTTP/1.0 200 OK\r\n{CL5}\r\n\r\nhello", ""),
    "chunk extension": (OK + f'{TE}\r\n\r\n5;a="b"\r\nhello\r\n0\r\n\r\n', ""),
    "padded chunk size": (OK + f"{TE}\r\n\r\n5   \r\nhello\r\n0\r\n\r\n", ""),
    "chunk size with a few zeros": (OK + f"{TE}\r\n\r\n00005\r\nhello\r\n000\r\n\r\n", ""),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_ambiguous_answer_is_refused_and_recorded_as_the_upstreams_failure(name: str) -> None:
    raw = mock.raw_reply(ANSWERS[name].encode("latin-1"), mock.Hang())
    with serving(lambda _: raw, limits=QUICK) as (_, proxy), proxy.connect() as client:
        answer = client.get(PATH)
        (done,) = proxy.settled(1)
        # The connection that spoke so is not used again.
        proxy.settle(lambda: not any(origin.live for origin in proxy.proxy.routes.origins))
    assert answer.status == 502
    assert b"hello" not in answer.body
    slug = (answer.header("x-farebox-error") or b"").decode()
    assert slug.startswith("policy:")
    assert (done.outcome, done.status, done.error_class) == ("upstream_failed", 502, slug)


@pytest.mark.parametrize("name", LOOSE_ANSWERS)
def test_an_unusual_answer_is_passed_on_readable_in_one_way_and_flagged(name: str) -> None:
    text, flag = LOOSE_ANSWERS[name]
    raw = mock.raw_reply(text.encode("latin-1"), mock.Hang())
    with serving(lambda _: raw, limits=QUICK) as (upstream, proxy), proxy.connect() as client:
        answer = client.get(PATH)
        (done,) = proxy.settled(1)
        if flag:
            # Whoever spoke so may mean something else by it: the connection is not used again.
            proxy.settle(lambda: not any(origin.live for origin in proxy.proxy.routes.origins))
    assert (answer.status, answer.body.strip()) == (200, b"hello")
    assert answer.header("x-farebox-error") is None
    assert done.outcome == "completed"
    assert done.extraction.flags == ((f"http:{flag}",) if flag else ())
    framing = [name for name, _ in answer.headers if name in (b"content-length", b"transfer-encoding")]
    assert len(framing) == 1
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|[\x00-\x08]", answer.head)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("framing", [f"{CL5}\r\n\r\nhello", f"{TE}\r\n\r\n{CHUNKS}"])
def test_a_response_that_has_no_body_ends_with_its_head(status: int, framing: str) -> None:
    raw = mock.raw_reply(f"HTTP/1.1 {status} No\r\n{framing}".encode(), mock.Hang())
    with serving(lambda _: raw, limits=QUICK) as (_, proxy), proxy.connect() as client:
        for _ in range(2):
            answer = client.get(PATH)
            assert (answer.status, answer.body) == (status, b"")
        proxy.settled(2)
        proxy.settle(lambda: not any(origin.live for origin in proxy.proxy.routes.origins))


def test_a_status_that_no_standard_knows_is_passed_on() -> None:
    raw = mock.raw_reply(f"HTTP/1.1 999 Denied\r\n{CL5}\r\n\r\nhello".encode())
    with serving(lambda _: raw) as (_, proxy), proxy.connect() as client:
        assert client.get(PATH).status == 999


def test_trailers_go_to_a_client_that_can_take_them_without_those_that_would_undo_the_head() -> None:
    sent = "5\r\nhello\r\n0\r\nX-Sum: y\r\nContent-Length: 9\r\nx-farebox-error: z\r\n\r\n"
    raw = mock.raw_reply(OK.encode(), f"{TE}\r\n\r\n{sent}".encode())
    with serving(lambda _: raw) as (_, proxy), proxy.connect() as client:
        client.send(client.head("GET", PATH, "TE: trailers"))
        assert client.until(b"X-Sum: y\r\n\r\n").endswith(b"5\r\nhello\r\n0\r\nX-Sum: y\r\n\r\n")
        (done,) = proxy.settled(1)
    assert done.extraction.flags == ("http:response_trailers",)


def test_trailers_are_dropped_wherever_they_are_cut() -> None:
    sent = f"{OK}{TE}\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n".encode()
    for place in range(len(sent) - 14, len(sent)):
        raw = mock.raw_reply(sent[:place], mock.Wait(0.005), sent[place:])
        with serving(lambda _, raw=raw: raw) as (_, proxy), proxy.connect() as client:
            answer = client.get(PATH)
            proxy.settled(1)
        assert answer.raw == CHUNKS.encode()


def test_trailers_of_a_request_that_did_not_announce_them_are_dropped_and_flagged() -> None:
    for trailer in ("X: y", "Content-Length: 0"):
        with (
            serving(lambda r: mock.json_reply({"n": len(r.body)})) as (upstream, proxy),
            proxy.connect() as client,
        ):
            text = head(TE).replace("{host}", f"127.0.0.1:{proxy.port}")
            client.send(f"{text}5\r\nhello\r\n0\r\n{trailer}\r\n\r\n".encode())
            assert client.answer().body == b'{"n": 5}'
            (done,) = proxy.settled(1)
            assert client.get(PATH).status == 200  # the connection is in order
        assert done.extraction.flags == ("http:request_trailers",)
        assert upstream.requests[0].body == b"hello"


def test_a_request_that_announces_trailers_is_refused_before_its_head_goes_upstream() -> None:
    with serving(lambda _: mock.json_reply({})) as (upstream, proxy), proxy.connect() as client:
        text = head(TE, "Trailer: X").replace("{host}", f"127.0.0.1:{proxy.port}")
        client.send(text.encode())
        assert b"x-farebox-error: policy:trailers" in client.until_closed()
    assert (upstream.connections, proxy.journal.entries) == (0, [])


def test_names_with_underscores_pass_as_they_came() -> None:
    with serving(lambda _: mock.json_reply({})) as (upstream, proxy), proxy.connect() as client:
        client.post(PATH, b"hello", "session_id: 019f", "Conversation_ID: 7", "X_Y: 1")
    sent = upstream.requests[0].headers
    assert [pair for pair in sent if b"_" in pair[0]] == [
        (b"session_id", b"019f"), (b"Conversation_ID", b"7"), (b"X_Y", b"1"),
    ]  # fmt: skip


def test_an_upstream_cannot_speak_in_our_name() -> None:
    for forged in ("x-farebox-error: budget", "X-Farebox-Call-Id: 1"):
        raw = mock.raw_reply(f"{OK}{forged}\r\n{CL5}\r\n\r\nhello".encode())
        with serving(lambda _, raw=raw: raw) as (_, proxy), proxy.connect() as client:
            answer = client.get(PATH)
        assert not any(name.startswith(b"x-farebox-") for name, _ in answer.headers)
        assert answer.body == b"hello"


def test_bytes_after_an_answer_of_known_length_go_nowhere() -> None:
    raw = mock.raw_reply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nsmuggled")
    with serving(lambda _: raw) as (upstream, proxy), proxy.connect() as client:
        for _ in range(3):
            assert client.get(PATH).body == b"ok"
        assert upstream.connections == 3


def test_h2c_is_an_offer_that_may_be_ignored() -> None:
    """Java's HTTP client offers it with every first request in the clear."""
    with (
        serving(lambda r: mock.json_reply({"n": len(r.body)})) as (upstream, proxy),
        proxy.connect() as client,
    ):
        answer = client.post(
            PATH, b"hello", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA"
        )
        assert answer.body == b'{"n": 5}'
    names = {name.lower() for name, _ in upstream.requests[0].headers}
    assert names == {b"host", b"content-length"}


def test_every_name_of_this_listener_is_served() -> None:
    with serving(lambda _: mock.json_reply({})) as (_, proxy):
        for host in ("127.0.0.1", "localhost", "[::1]", "LOCALHOST"):
            with proxy.connect() as client:
                client.send(f"GET {PATH} HTTP/1.1\r\nHost: {host}:{proxy.port}\r\n\r\n".encode())
                assert client.answer().status == 200


def test_node_clients_that_send_fetch_mode_alone_are_served() -> None:
    with serving(lambda _: mock.json_reply({})) as (_, proxy), proxy.connect() as client:
        assert client.get(PATH, "Sec-Fetch-Mode: cors").status == 200


def test_refused_requests_are_counted_but_leave_no_row_unless_they_were_routed() -> None:
    with serving(lambda _: mock.json_reply({})) as (_, proxy), proxy.connect() as client:
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        assert b"policy:host_missing" in client.until_closed()
        assert proxy.proxy.state.refused == 1
    assert proxy.journal.entries == []
