"""The life of an exchange over real sockets: routed, metered, recorded, passed on unchanged."""

from __future__ import annotations

import json
import random
import time

import pytest
from proxy_harness import QUICK, Client, Reply, Request, mock, serving, without_call_id

from farebox.config import ProviderConfig
from farebox.journal.health import State
from farebox.proxy.limits import Limits

CHAT = "/openai/v1/chat/completions"
JSON = "Content-Type: application/json"


def chat(**extra: object) -> bytes:
    return json.dumps({"model": "gpt-4o", "messages": [], **extra}).encode()


def answer_chat(request: Request) -> Reply:
    return mock.json_reply(mock.chat_answer("hello"))


def test_a_call_is_passed_on_and_recorded_with_the_upstreams_own_counts() -> None:
    with serving(answer_chat) as (upstream, proxy), proxy.connect() as client:
        answer = client.post(CHAT, chat(), JSON, "Authorization: Bearer sk-1", "x-farebox-customer: acme")
        assert answer.status == 200
        assert json.loads(answer.body) == mock.chat_answer("hello")
        (done,) = proxy.settled(1)
    (intent,) = proxy.journal.intents
    (request,) = upstream.requests
    assert request.path == "/v1/chat/completions"
    assert request.body == chat()
    assert done.event_id == intent.event_id
    assert (done.provider, done.surface, done.outcome, done.status) == (
        "openai", "openai.chat", "completed", 200,
    )  # fmt: skip
    assert done.path == "/v1/chat/completions"
    assert done.attribution == {"customer": "acme"}
    assert done.attribution_from == {"customer": "header:x-farebox-customer"}
    assert done.request_bytes == len(chat())
    assert done.response_bytes == len(answer.body)
    assert done.extraction.completeness == "final"
    (part,) = done.extraction.parts
    assert part.input_tokens == 1203
    assert part.cache_read_input_tokens == 1024
    assert part.output_tokens == 187
    assert 0 < done.first_byte_us <= done.total_us
    assert done.key_fingerprint is not None and len(done.key_fingerprint) == 16


def test_own_headers_never_reach_the_upstream_and_all_others_do_as_they_were_written() -> None:
    with serving(answer_chat, upstream={"keep_raw": True}) as (upstream, proxy), proxy.connect() as client:
        client.post(
            CHAT, chat(), JSON, "X-Farebox-User: u", "x-farebox-tag-team: t", "X-Odd-CaSe:  two  spaces ",
            "Connection: keep-alive", "TE: trailers", "Keep-Alive: timeout=5",
        )  # fmt: skip
        proxy.settled(1)
        host = f"127.0.0.1:{upstream.port}"
    assert upstream.requests[0].raw_head.split(b"\r\n") == [
        b"POST /v1/chat/completions HTTP/1.1",
        b"Host: " + host.encode(),
        b"Content-Type: application/json",
        b"X-Odd-CaSe:  two  spaces ",
        b"Content-Length: %d" % len(chat()),
        b"",
        b"",
    ]


def test_an_intent_is_in_the_journal_before_the_upstream_sees_a_byte() -> None:
    seen: list[int] = []

    def respond(request: Request) -> Reply:
        seen.append(len(proxies[0].journal.intents))
        seen.append(len(proxies[0].journal.dones))
        return answer_chat(request)

    proxies = []
    with serving(respond) as (_, proxy), proxy.connect() as client:
        proxies.append(proxy)
        client.post(CHAT, chat(), JSON)
    assert seen == [1, 0]


def test_the_done_record_exists_when_the_client_has_the_answers_end() -> None:
    with serving(answer_chat) as (_, proxy), proxy.connect() as client:
        for number in range(1, 20):
            client.post(CHAT, chat(), JSON)
            assert len(proxy.journal.dones) == number


def test_connections_are_kept_on_both_sides() -> None:
    with serving(answer_chat) as (upstream, proxy), proxy.connect() as client:
        for _ in range(10):
            assert client.post(CHAT, chat(), JSON).status == 200
        proxy.settled(10)
        assert upstream.connections == 1


def test_a_stream_arrives_event_by_event_as_it_was_sent() -> None:
    events = mock.chat_events(5)

    def respond(request: Request) -> Reply:
        return mock.sse_reply(events, pace_s=0.02)

    with serving(respond) as (_, proxy), proxy.connect() as client:
        body = chat(stream=True, stream_options={"include_usage": True})
        started = time.monotonic()
        client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(body)}") + body)
        first = client.until(events[0])
        first_after = time.monotonic() - started
        rest = client.until(b"0\r\n\r\n")
        assert time.monotonic() - started > first_after
        (done,) = proxy.settled(1)
    raw = (first + rest).partition(b"\r\n\r\n")[2]
    assert raw == b"".join(mock.chunk(event) for event in events) + b"0\r\n\r\n"
    assert done.extraction.streamed
    assert done.extraction.parts[0].output_tokens == 187


def test_what_a_stream_cost_is_on_record_before_its_terminal_event_goes_out() -> None:
    """A client stops reading at `[DONE]`, before the stream's last chunk has come."""
    events = mock.chat_events(2)

    def respond(request: Request) -> Reply:
        return mock.Reply(200, ((b"content-type", b"text/event-stream"),), [*events, mock.Hang()], "chunked")

    with serving(respond) as (_, proxy), proxy.connect() as client:
        body = chat(stream=True, stream_options={"include_usage": True})
        client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(body)}") + body)
        client.until(b"data: [DONE]\n\n")
        partial = proxy.journal.partials[-1]
        assert partial.extraction.completeness == "final"
        assert partial.extraction.parts[0].output_tokens == 187
        client.socket.close()
        (done,) = proxy.settled(1)
    assert (done.outcome, done.error_class) == ("completed", None)
    assert done.extraction.completeness == "final"


def test_long_streams_leave_partial_records() -> None:
    events = mock.chat_events(30)

    def respond(request: Request) -> Reply:
        return mock.sse_reply(events, pace_s=0.02)

    with serving(respond, limits=QUICK) as (_, proxy), proxy.connect() as client:
        client.post(CHAT, chat(stream=True), JSON)
        (done,) = proxy.settled(1)
    assert len(proxy.journal.partials) >= 3
    assert {partial.event_id for partial in proxy.journal.partials} == {done.event_id}


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("seed", range(6))
def test_bytes_pass_unchanged_both_ways_however_they_are_cut(framing: str, seed: int) -> None:
    random_ = random.Random(f"{framing}{seed}")
    sent = random_.randbytes(random_.choice((0, 1, 100, 5000, 200_000)))
    returned = random_.randbytes(random_.choice((0, 1, 100, 5000, 300_000)))

    def cut(data: bytes) -> list[bytes]:
        pieces: list[bytes] = []
        while data:
            size = random_.choice((1, 2, 3, 7, 100, 4096, 70_000))
            pieces.append(data[:size])
            data = data[size:]
        return pieces[:2000] + ([b"".join(pieces[2000:])] if len(pieces) > 2000 else [])

    def respond(request: Request) -> Reply:
        return mock.Reply(200, ((b"content-type", b"application/octet-stream"),), cut(returned), framing)

    with serving(respond) as (upstream, proxy), proxy.connect() as client:
        pieces = cut(sent)
        if seed % 2:
            client.send(client.head("POST", "/openai/v1/audio/speech", "Transfer-Encoding: chunked"))
            for piece in pieces:
                client.send(mock.chunk(piece))
            client.send(b"0\r\n\r\n")
        else:
            client.send(client.head("POST", "/openai/v1/audio/speech", f"Content-Length: {len(sent)}"))
            for piece in pieces:
                client.send(piece)
        answer = client.answer()
        (done,) = proxy.settled(1)
    assert upstream.requests[0].body == sent
    assert answer.body == returned
    assert (done.request_bytes, done.response_bytes) == (len(sent), len(returned))


def test_heads_may_come_in_any_two_pieces() -> None:
    raw = mock.render(mock.json_reply(b""), b"{}")
    cut_at = [0]

    def respond(request: Request) -> Reply:
        return mock.raw_reply(raw[: cut_at[0]], mock.Wait(0.002), raw[cut_at[0] :])

    with serving(respond) as (_, proxy), proxy.connect() as client:
        request = client.head("POST", CHAT, JSON, "Content-Length: 2") + b"{}"
        for position in range(1, max(len(request), len(raw))):
            cut_at[0] = min(position, len(raw))
            client.send(request[:position])
            time.sleep(0.001)
            client.send(request[position:])
            assert client.answer().body == b"{}"


@pytest.mark.parametrize(
    "length",
    ["+2", "-2", "2, 2", "0x2", " ", "2\r\nContent-Length: 2", "2\r\nTransfer-Encoding: chunked",
     "2\r\nContent_Length: 1", "2\r\n A: b", "\u00b2", "1" * 30],
)  # fmt: skip
def test_a_head_like_the_one_before_is_judged_again_unless_its_length_alone_differs(length: str) -> None:
    with serving(answer_chat) as (upstream, proxy), proxy.connect() as client:
        for body in (b"{}", b'{"a": 1}', b"{}"):
            assert client.post(CHAT, body, JSON, "X-A: b").status == 200
        client.send(client.head("POST", CHAT, JSON, "X-A: b", f"Content-Length: {length}") + b"{}")
        assert client.until_closed().startswith(b"HTTP/1.1 4")
    assert [request.body for request in upstream.requests] == [b"{}", b'{"a": 1}', b"{}"]
    assert [request.header("content-length") for request in upstream.requests] == ["2", "8", "2"]


def test_calls_of_one_connection_keep_their_own_attribution_and_path() -> None:
    def respond(request: Request) -> Reply:
        return mock.json_reply({"path": request.path, "x": request.header("x-a")})

    with serving(respond) as (_, proxy), proxy.connect() as client:
        for number in (1, 1, 2, 3, 1):
            answer = client.post(f"/openai/v1/{number}", b"{}", f"x-a: {number}", f"x-farebox-user: {number}")
            assert json.loads(answer.body) == {"path": f"/v1/{number}", "x": str(number)}
        dones = proxy.settled(5)
    assert [done.attribution["user"] for done in dones] == ["1", "1", "2", "3", "1"]
    assert [done.path for done in dones] == ["/v1/1", "/v1/1", "/v1/2", "/v1/3", "/v1/1"]
    assert len({done.event_id for done in dones}) == 5


def test_a_chunked_answer_keeps_its_own_chunks() -> None:
    raw = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
        b"X-Request-Id: 1\r\n\r\n0005;ext=1\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"
    )
    with serving(lambda _: mock.raw_reply(raw)) as (_, proxy), proxy.connect() as client:
        client.send(client.head("GET", "/openai/v1/models"))
        assert without_call_id(client.until(b"0\r\n\r\n")) == raw


def test_hop_by_hop_headers_of_an_answer_stop_here() -> None:
    raw = (
        b"HTTP/1.1 200 OK\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
        b"Upgrade: h2\r\nX-Stays: 1\r\nContent-Length: 2\r\n\r\nok"
    )
    with serving(lambda _: mock.raw_reply(raw)) as (upstream, proxy), proxy.connect() as client:
        for _ in range(2):
            answer = client.get("/openai/v1/models")
            assert answer.headers == [(b"x-stays", b"1"), (b"content-length", b"2")]
            assert answer.body == b"ok"
        assert upstream.connections == 2


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body_end_at_their_head(status: int) -> None:
    raw = b"HTTP/1.1 %d Quiet\r\nx-a: b\r\n\r\n" % status
    with serving(lambda _: mock.raw_reply(raw)) as (upstream, proxy), proxy.connect() as client:
        for _ in range(3):
            assert client.get("/openai/v1/models").status == status
        assert upstream.connections == 1


def test_a_head_request_gets_a_head() -> None:
    raw = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"
    with serving(lambda _: mock.raw_reply(raw)) as (upstream, proxy), proxy.connect() as client:
        for _ in range(2):
            assert client.get("/openai/v1/models", method="HEAD").header("content-length") == b"1000"
        assert upstream.connections == 1


def test_an_http_1_0_client_gets_a_bare_body_and_a_closed_connection() -> None:
    events = mock.chat_events(3)
    with serving(lambda _: mock.sse_reply(events)) as (_, proxy), proxy.connect() as client:
        client.send(f"GET /openai/v1/x HTTP/1.0\r\nHost: 127.0.0.1:{proxy.port}\r\n\r\n".encode())
        head, _, body = client.until_closed().partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head.lower()
    assert body == b"".join(events)


def test_an_http_1_0_upstream_is_answered_as_http_1_1() -> None:
    raw = mock.raw_reply(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello", mock.Close())
    with serving(lambda _: raw) as (_, proxy), proxy.connect() as client:
        for _ in range(2):
            answer = client.get("/openai/v1/x")
            assert answer.head.startswith(b"HTTP/1.1 200")
            assert answer.body == b"hello"


def test_interim_answers_reach_the_client_before_the_final_one() -> None:
    raw = (
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    )
    with serving(lambda _: mock.raw_reply(raw)) as (_, proxy), proxy.connect() as client:
        client.send(client.head("GET", "/openai/v1/x"))
        got = client.until(b"ok")
    assert without_call_id(got) == raw.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")


def test_pipelined_requests_are_answered_in_order() -> None:
    def respond(request: Request) -> Reply:
        return mock.json_reply({"path": request.path})

    with serving(respond) as (_, proxy), proxy.connect() as client:
        client.send(b"".join(client.head("GET", f"/openai/v1/{number}") for number in range(20)))
        data = b""
        while data.count(b"{") < 20:
            data += client.socket.recv(65536)
        proxy.settled(20)
    positions = [data.index(b'"/v1/%d"' % number) for number in range(20)]
    assert positions == sorted(positions)


@pytest.mark.parametrize("content_type", [JSON, "Content-Type: application/octet-stream"])
def test_a_request_right_behind_a_chunked_one_is_the_next(content_type: str) -> None:
    def respond(request: Request) -> Reply:
        return mock.json_reply({"path": request.path, "bytes": request.body_bytes})

    with serving(respond) as (_, proxy), proxy.connect() as client:
        chunked = client.head("POST", "/openai/v1/one", content_type, "Transfer-Encoding: chunked")
        client.send(chunked + b"2;a=b\r\n{}\r\n0;x=y\r\n\r\n" + client.head("GET", "/openai/v1/two"))
        data = b""
        while data.count(b"{") < 2:
            data += client.socket.recv(65536)
        proxy.settled(2)
    assert data.count(b"HTTP/1.1 200") == 2
    assert b'"/v1/one", "bytes": 2' in data
    assert b'"/v1/two", "bytes": 0' in data


def test_an_answers_head_is_judged_again_unless_it_is_the_one_before() -> None:
    """The second answer's head differs in one letter, the third repeats it, the fourth is refused."""
    heads = [b"X-A: a", b"X-A: b", b"X-A: b", b"Content-Length: 3"]
    left = list(heads)

    def respond(request: Request) -> Reply:
        return mock.raw_reply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + left.pop(0) + b"\r\n\r\n{}")

    with serving(respond) as (_, proxy), proxy.connect() as client:
        for head in heads[:3]:
            answer = client.post(CHAT, b"{}", JSON)
            assert (answer.status, answer.body) == (200, b"{}")
            assert answer.head.endswith(head)
        assert client.post(CHAT, b"{}", JSON).status == 502
        proxy.settled(4)


def test_the_query_is_forwarded_and_never_recorded() -> None:
    with serving(answer_chat, provider="google") as (upstream, proxy), proxy.connect() as client:
        client.post("/google/v1beta/models/gemini-2.5-pro:generateContent?key=AIza-secret&x=1", b"{}", JSON)
        (done,) = proxy.settled(1)
    assert upstream.requests[0].target.endswith(b"?key=AIza-secret&x=1")
    assert done.path == "/v1beta/models/gemini-2.5-pro:generateContent"
    assert done.key_fingerprint is not None


def test_one_key_has_one_fingerprint_wherever_it_is_carried_and_one_per_provider() -> None:
    from farebox.recording.callers import Fingerprints, find_key

    names = (b"authorization", b"x-goog-api-key")
    query = frozenset((b"key",))
    carried = [
        find_key({b"authorization": b"Bearer k%2F1"}, None, names, query),
        find_key({b"x-goog-api-key": b"k%2F1"}, None, names, query),
        find_key({}, b"a=b&key=k%252F1", names, query),
    ]
    assert carried == [b"k%2F1"] * 3
    assert find_key({b"x-other": b"k"}, b"other=k", names, query) is None
    prints = Fingerprints(b"secret")
    first = prints.of(b"openai", b"k")
    assert first == prints.of(b"openai", b"k") == Fingerprints(b"secret").of(b"openai", b"k")
    assert first != prints.of(b"google", b"k")
    assert first != prints.of(b"openai", b"K")
    assert first != Fingerprints(b"other secret").of(b"openai", b"k")


def test_the_key_of_a_signed_request_is_the_id_of_the_key_that_signed_it() -> None:
    """The signature is another each second: it would be another key each second."""
    from farebox.recording.callers import find_key

    signed = b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/%s/us-east-1/bedrock/aws4_request, Signature=%s"
    names = (b"authorization",)
    found = {
        find_key({b"authorization": signed % pair}, None, names, frozenset())
        for pair in ((b"20150830", b"fe5f80"), (b"20150831", b"3c52ab"))
    }
    assert found == {b"AKIDEXAMPLE"}
    assert find_key({b"authorization": b"AWS4-HMAC-SHA256 odd"}, None, names, frozenset()) == b"odd"


@pytest.mark.parametrize(
    ("status", "word"),
    [(401, "auth_failed"), (429, "rate_limited"), (500, "upstream_5xx"), (529, "upstream_overloaded")],
)
def test_an_upstreams_own_error_passes_unchanged_with_its_class_on_record(status: int, word: str) -> None:
    with serving(lambda _: mock.json_reply({"error": {"code": "c"}}, status)) as (_, proxy):
        with proxy.connect() as client:
            answer = client.post(CHAT, chat(), JSON)
        (done,) = proxy.settled(1)
    assert answer.status == status
    assert answer.header("x-farebox-error") is None
    assert (done.outcome, done.status, done.error_class) == ("completed", status, word)
    assert done.extraction.billable is False


def test_sdk_retries_are_numbered() -> None:
    with serving(answer_chat) as (_, proxy), proxy.connect() as client:
        client.post(CHAT, chat(), JSON, "x-stainless-retry-count: 2")
        (done,) = proxy.settled(1)
    assert done.attempt == 2


def test_the_users_own_provider_has_a_route_of_its_own() -> None:
    with mock.MockUpstream(answer_chat) as upstream:
        from proxy_harness import ProxyThread

        providers = {"my-llm": ProviderConfig(upstream=upstream.url + "/base/", speaks="openai")}
        with ProxyThread(providers) as proxy, proxy.connect() as client:
            assert client.post("/my-llm/v1/chat/completions", chat(), JSON).status == 200
            (done,) = proxy.settled(1)
    assert upstream.requests[0].path == "/base/v1/chat/completions"
    assert (done.provider, done.surface) == ("my-llm", "my-llm.chat")


def test_unknown_routes_are_told_which_exist() -> None:
    with serving(answer_chat) as (upstream, proxy), proxy.connect() as client:
        answer = client.get("/nowhere/v1/x")
        assert answer.status == 404
        assert "/openai/" in json.loads(answer.body)["details"]["routes"]
        assert client.get("/health").status == 200
        assert client.get("/", method="HEAD").status == 200
        assert client.post("/health", b"{}").status == 405
    assert upstream.count == 0
    assert proxy.journal.entries == []


def test_health_says_degraded_while_the_journal_is_and_traffic_goes_on() -> None:
    with serving(answer_chat) as (_, proxy), proxy.connect() as client:
        assert client.get("/health").status == 200
        proxy.journal.health.state = "lost"
        proxy.journal.health.lost_exchanges = 3
        answer = client.get("/health")
        assert answer.status == 503
        assert json.loads(answer.body)["state"] == "degraded"
        assert json.loads(answer.body)["journal"]["lost_exchanges"] == 3
        assert client.post(CHAT, chat(), JSON).status == 200


def test_live_and_ready_are_told_to_anybody_in_words_that_name_nothing() -> None:
    with serving(answer_chat) as (_, proxy), proxy.connect() as client:
        for path in ("/health/live", "/health/ready"):
            answer = client.get(path)
            assert answer.status == 200
            assert client.get(path, method="HEAD").status == 200
        assert json.loads(answer.body) == {"ready": True, "reasons": []}
        proxy.journal.health.state = "degraded"
        proxy.journal.health.reason = "no segment: /home/somebody/journal: No space left on device"
        answer = client.get("/health/ready")
        assert answer.status == 503
        assert json.loads(answer.body) == {"ready": False, "reasons": ["journal_unwritable"]}
        assert client.get("/health/live").status == 200
        assert client.post(CHAT, chat(), JSON).status == 200
        assert client.post("/health/ready", b"{}").status == 405


@pytest.mark.parametrize(
    ("state", "trouble", "reasons"),
    [
        ("lost", None, ["records_lost"]),
        ("ok", "database or disk is full", ["ledger_behind"]),
        ("degraded", "stands still", ["journal_unwritable", "ledger_behind"]),
    ],
)
def test_a_proxy_is_ready_exactly_while_all_is_recorded_and_applied(
    state: State, trouble: str | None, reasons: list[str]
) -> None:
    with serving(answer_chat) as (_, proxy), proxy.connect() as client:
        proxy.journal.health.state = state
        proxy.proxy.ledger_trouble = lambda: trouble
        assert json.loads(client.get("/health/ready").body)["reasons"] == reasons


def test_without_any_journal_traffic_goes_on_and_what_is_missing_is_counted() -> None:
    from farebox.proxy.recording.recorder import NoJournal

    with serving(answer_chat, journal=NoJournal("read-only")) as (_, proxy), proxy.connect() as client:
        assert client.post(CHAT, chat(), JSON).status == 200
        assert client.post(CHAT, chat(), JSON).status == 200
        answer = client.get("/health")
    assert answer.status == 503
    assert json.loads(answer.body)["journal"]["lost_exchanges"] == 2


def test_power_durability_holds_the_last_bytes_until_their_record_is_on_the_disk() -> None:
    with serving(answer_chat, durability="power") as (_, proxy), proxy.connect() as client:
        proxy.journal.hold = True
        body = chat()
        client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(body)}") + body)
        proxy.settle(lambda: bool(proxy.journal.waiting))
        client.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
        client.socket.settimeout(10)
        proxy.journal.release()
        assert client.answer().status == 200
        proxy.journal.hold = False
        assert client.post(CHAT, body, JSON).status == 200


def test_power_durability_holds_what_ends_a_stream_and_nothing_before_it() -> None:
    events = mock.chat_events(2, include_usage=False)

    def respond(request: Request) -> Reply:
        steps = [*events[:3], mock.Wait(0.05), events[3], mock.Wait(0.05), events[4], mock.Wait(0.05)]
        return mock.Reply(200, ((b"content-type", b"text/event-stream"),), steps, "chunked")

    with serving(respond, durability="power") as (_, proxy), proxy.connect() as client:
        proxy.journal.hold = True
        body = chat(stream=True, stream_options={"include_usage": True})
        client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(body)}") + body)
        assert client.until(events[2]).endswith(events[2] + b"\r\n")
        proxy.settle(lambda: len(proxy.journal.dones) == 1)
        client.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
        client.socket.settimeout(10)
        proxy.journal.release()
        assert client.until(b"0\r\n\r\n") == b"".join(
            [mock.chunk(events[3]), mock.chunk(events[4]), b"0\r\n\r\n"]
        )


def test_labels_of_a_private_proxy_fill_in_what_a_call_does_not_say() -> None:
    with serving(answer_chat, labels={"app": "demo", "user": "me"}) as (_, proxy), proxy.connect() as client:
        client.post(CHAT, chat(user="body-user"), JSON)
        (done,) = proxy.settled(1)
    assert done.attribution == {"app": "demo", "user": "body-user"}
    assert done.attribution_from == {"app": "env:FAREBOX_APP", "user": "body:user"}


def test_a_meter_that_breaks_never_touches_traffic() -> None:
    class Broken:
        def __init__(self, *_: object) -> None:
            raise RuntimeError("meter")

    with serving(answer_chat, meter=Broken) as (_, proxy), proxy.connect() as client:
        answer = client.post(CHAT, chat(), JSON)
        assert answer.status == 200
        (done,) = proxy.settled(1)
    assert done.extraction.completeness == "none"
    assert done.extraction.reason == "meter_failed:RuntimeError"


def test_many_clients_at_once_get_each_their_own_answer() -> None:
    def respond(request: Request) -> Reply:
        return mock.json_reply({"echo": request.body.decode()})

    with serving(respond, limits=Limits()) as (_, proxy):
        clients = [Client(proxy.port) for _ in range(50)]
        for turn in range(5):
            for number, client in enumerate(clients):
                body = f"{turn}-{number}".encode()
                client.send(client.head("POST", "/openai/v1/x", f"Content-Length: {len(body)}") + body)
            for number, client in enumerate(clients):
                assert json.loads(client.answer().body) == {"echo": f"{turn}-{number}"}
        for client in clients:
            client.socket.close()
        assert len(proxy.settled(250)) == 250
