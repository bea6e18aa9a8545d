"""What passes a metered transport is what would have passed without: pieces, errors, ends."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from metered import KEY, Metered, respond_as_named, tokens
from tools.upstream import (
    CHAT_USAGE,
    Close,
    Hang,
    MockUpstream,
    Reply,
    Request,
    Reset,
    chat_answer,
    chat_events,
    json_reply,
    sse_reply,
)

import farebox
from farebox.recording.attempt import Attempt

httpx = pytest.importorskip("httpx")
httpx2 = pytest.importorskip("httpx2")
requests = pytest.importorskip("requests")
aiohttp = pytest.importorskip("aiohttp")

CHAT = (1203, 1024, 187)
ASK = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
HEADERS = {"authorization": f"Bearer {KEY}"}

Send = Callable[[str, dict[str, Any]], tuple[int, bytes]]


def _httpx(module: Any) -> Send:
    def send(url: str, body: dict[str, Any]) -> tuple[int, bytes]:
        with module.Client(timeout=5, trust_env=False) as client:
            response = client.post(url, json=body, headers=HEADERS)
            return response.status_code, response.content

    return send


def _httpx_async(url: str, body: dict[str, Any]) -> tuple[int, bytes]:
    async def one() -> tuple[int, bytes]:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            response = await client.post(url, json=body, headers=HEADERS)
            return response.status_code, response.content

    return asyncio.run(one())


def _requests(url: str, body: dict[str, Any]) -> tuple[int, bytes]:
    with requests.Session() as session:
        session.trust_env = False
        response = session.post(url, json=body, headers=HEADERS, timeout=5)
        return response.status_code, response.content


def _urllib3(url: str, body: dict[str, Any]) -> tuple[int, bytes]:
    import urllib3

    with urllib3.PoolManager() as pool:
        response = pool.request("POST", url, json=body, headers=HEADERS, retries=False, timeout=5)
        return response.status, response.data


def _aiohttp(url: str, body: dict[str, Any]) -> tuple[int, bytes]:
    async def one() -> tuple[int, bytes]:
        timeout = aiohttp.ClientTimeout(total=5)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, json=body, headers=HEADERS) as response,
        ):
            return response.status, await response.read()

    return asyncio.run(one())


STACKS: dict[str, Send] = {
    "httpx": _httpx(httpx),
    "httpx2": _httpx(httpx2),
    "httpx async": _httpx_async,
    "requests": _requests,
    "urllib3": _urllib3,
    "aiohttp": _aiohttp,
}
every_stack = pytest.mark.parametrize("stack", STACKS)


def chat(instrumented: Metered) -> str:
    return instrumented.url("openai") + "/v1/chat/completions"


def respond_with(instrumented: Metered, *replies: Reply) -> None:
    """Have the mock send these replies, the last of them ever after."""
    waiting = list(replies)
    instrumented.mock.respond = lambda _: waiting.pop(0) if len(waiting) > 1 else waiting[0]


@every_stack
def test_a_whole_response_is_one_row_with_its_usage(instrumented: Metered, stack: str) -> None:
    status, body = STACKS[stack](chat(instrumented), ASK)
    assert status == 200 and json.loads(body)["usage"] == CHAT_USAGE
    row = instrumented.row()
    assert tokens(row) == CHAT and (row.outcome, row.completeness) == ("completed", "final")
    assert row.request_model == "gpt-4o" and row.path == "/openai/v1/chat/completions"
    assert row.response_bytes == len(body) and row.request_bytes > 60


@every_stack
def test_a_stream_is_one_row_with_its_usage(instrumented: Metered, stack: str) -> None:
    _, body = STACKS[stack](chat(instrumented), STREAM)
    assert body.endswith(b"data: [DONE]\n\n")
    row = instrumented.row()
    assert tokens(row) == CHAT and row.streamed and (row.outcome, row.completeness) == ("completed", "final")


@every_stack
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_a_compressed_response_is_metered_however_it_is_framed(
    instrumented: Metered, stack: str, framing: str
) -> None:
    packed = gzip.compress(json.dumps(chat_answer()).encode())
    headers = ((b"content-type", b"application/json"), (b"content-encoding", b"gzip"))
    respond_with(instrumented, Reply(200, headers, packed, framing))
    _, body = STACKS[stack](chat(instrumented), ASK)
    assert json.loads(body)["usage"] == CHAT_USAGE
    assert tokens(instrumented.row()) == CHAT


@every_stack
def test_an_encoding_that_a_stack_does_not_know_is_decoded_by_the_meter(
    instrumented: Metered, stack: str
) -> None:
    packed = gzip.compress(json.dumps(chat_answer()).encode())
    headers = ((b"content-type", b"application/json"), (b"content-encoding", b"x-gzip"))
    respond_with(instrumented, Reply(200, headers, packed))
    STACKS[stack](chat(instrumented), ASK)
    assert tokens(instrumented.row()) == CHAT


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("stack", ["aiohttp", "urllib3"])
def test_a_program_that_decompresses_by_itself_is_metered(
    instrumented: Metered, stack: str, framing: str
) -> None:
    packed = gzip.compress(json.dumps(chat_answer()).encode())
    headers = ((b"content-type", b"application/json"), (b"content-encoding", b"gzip"))
    respond_with(instrumented, Reply(200, headers, packed, framing))

    async def with_aiohttp() -> bytes:
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.post(chat(instrumented), json=ASK) as response,
        ):
            return await response.read()

    def with_urllib3() -> bytes:
        import urllib3

        with urllib3.PoolManager() as pool:
            return pool.request("POST", chat(instrumented), json=ASK, decode_content=False).data

    assert (asyncio.run(with_aiohttp()) if stack == "aiohttp" else with_urllib3()) == packed
    assert tokens(instrumented.row()) == CHAT


@every_stack
@pytest.mark.parametrize(("status", "error_class"), [(400, "invalid_request"), (500, "upstream_5xx")])
def test_an_error_of_the_provider_is_a_row_that_costs_nothing(
    instrumented: Metered, stack: str, status: int, error_class: str
) -> None:
    error = {"error": {"message": "no", "type": "bad", "code": "wrong_thing"}}
    respond_with(instrumented, json_reply(error, status))
    found, body = STACKS[stack](chat(instrumented), ASK)
    assert found == status and json.loads(body) == error
    row = instrumented.row()
    assert (row.status, row.error_class, row.error_code) == (status, error_class, "wrong_thing")
    assert row.cost_pico == 0 and not row.billable


@every_stack
def test_a_provider_that_is_not_reached_is_a_row_that_costs_nothing(
    instrumented: Metered, stack: str
) -> None:
    instrumented.mock.__exit__()
    with pytest.raises(Exception) as caught:
        STACKS[stack](chat(instrumented), ASK)
    assert not caught.type.__module__.startswith("farebox")
    row = instrumented.row()
    assert (row.outcome, row.error_class, row.status, row.cost_pico) == (
        "upstream_failed", "connect_failed", 0, 0,
    )  # fmt: skip
    instrumented.mock.__enter__()


@every_stack
@pytest.mark.parametrize("end", [Close, Reset])
def test_a_stream_that_breaks_off_raises_what_it_always_did(
    instrumented: Metered, stack: str, end: type[Any]
) -> None:
    events = chat_events(20)[:10]
    kind = _raised_without_farebox(instrumented, stack, events, end)
    respond_with(instrumented, sse_reply([*events, end()]))  # type: ignore[list-item]
    with pytest.raises(kind):
        STACKS[stack](chat(instrumented), STREAM)
    row = instrumented.row()
    assert (row.outcome, row.error_class) == ("upstream_failed", "upstream_reset")
    if stack != "urllib3":  # what it reads whole before anybody sees it has no status when that fails
        assert (row.status, row.completeness) == (200, "estimated") and row.response_bytes > 0


def _raised_without_farebox(instrumented: Metered, stack: str, events: list[bytes], end: Any) -> Any:
    farebox.uninstrument()
    respond_with(instrumented, sse_reply([*events, end()]))
    with pytest.raises(Exception) as caught:
        STACKS[stack](chat(instrumented), STREAM)
    farebox.instrument()
    return caught.type


@pytest.mark.parametrize("module", [httpx, httpx2])
def test_pieces_reach_the_program_as_they_come(instrumented: Metered, module: Any) -> None:
    events = chat_events(30)

    def pieces() -> list[bytes]:
        with (
            module.Client(trust_env=False) as client,
            client.stream("POST", chat(instrumented), json=STREAM) as response,
        ):
            return list(response.iter_raw())

    respond_with(instrumented, sse_reply(events, pace_s=0.001))
    found = pieces()
    assert b"".join(found) == b"".join(events) and len(found) > 10
    assert tokens(instrumented.row()) == CHAT


def test_the_first_piece_is_there_before_the_last_is_sent(instrumented: Metered) -> None:
    seen = threading.Event()

    def steps() -> Iterator[Any]:
        events = chat_events(3)
        yield events[0]
        assert seen.wait(30), "the first event was held back"
        yield from events[1:]

    headers = ((b"content-type", b"text/event-stream"),)
    respond_with(instrumented, Reply(200, headers, steps(), "chunked"))
    with requests.post(chat(instrumented), json=STREAM, stream=True, timeout=60) as response:
        pieces = response.iter_content(None)
        next(pieces)
        threading.Timer(0.0, seen.set).start()
        rest = list(pieces)
    assert rest
    assert tokens(instrumented.row()) == CHAT


def _left_httpx(url: str) -> None:
    with httpx.Client(trust_env=False) as client, client.stream("POST", url, json=STREAM) as response:
        next(response.iter_raw())


def _left_httpx_async(url: str) -> None:
    async def one() -> None:
        async with (
            httpx.AsyncClient(trust_env=False) as client,
            client.stream("POST", url, json=STREAM) as response,
        ):
            async for _ in response.aiter_raw():
                break

    asyncio.run(one())


def _left_requests(url: str) -> None:
    with requests.post(url, json=STREAM, stream=True, timeout=5) as response:
        next(response.iter_content(64))


def _left_aiohttp(url: str) -> None:
    async def one() -> None:
        async with aiohttp.ClientSession() as session, session.post(url, json=STREAM) as response:
            await response.content.read(64)

    asyncio.run(one())


LEAVING = {
    "httpx": _left_httpx,
    "httpx async": _left_httpx_async,
    "requests": _left_requests,
    "aiohttp": _left_aiohttp,
}


@pytest.mark.parametrize("stack", LEAVING)
def test_a_stream_that_the_program_leaves_is_recorded_as_left(instrumented: Metered, stack: str) -> None:
    respond_with(instrumented, sse_reply([*chat_events(20)[:10], Hang()]))  # type: ignore[list-item]
    LEAVING[stack](chat(instrumented))
    row = instrumented.row()
    assert (row.outcome, row.error_class) == ("client_disconnected", "client_disconnected")
    assert row.cost_state == "estimated" and row.status == 200


def test_a_response_that_is_closed_unread_is_recorded(instrumented: Metered) -> None:
    respond_with(instrumented, sse_reply([*chat_events(20)[:3], Hang()]))  # type: ignore[list-item]
    with httpx.Client(trust_env=False) as client, client.stream("POST", chat(instrumented), json=STREAM):
        pass
    requests.post(chat(instrumented), json=STREAM, stream=True, timeout=5).close()
    assert [row.outcome for row in instrumented.rows()] == ["client_disconnected"] * 2


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stream_that_is_forgotten_is_recorded(instrumented: Metered) -> None:
    respond_with(instrumented, sse_reply([*chat_events(20)[:3], Hang()]))  # type: ignore[list-item]

    def forget() -> None:
        client = httpx.Client(trust_env=False)
        response = client.send(client.build_request("POST", chat(instrumented), json=STREAM), stream=True)
        pieces = response.iter_raw()
        next(pieces)
        cycle: list[Any] = [client, response, pieces]
        cycle.append(cycle)
        other = requests.post(chat(instrumented), json=STREAM, stream=True, timeout=5)
        again: list[Any] = [other]
        again.append(again)

    forget()
    gc.collect()
    assert [row.outcome for row in instrumented.rows()] == ["client_disconnected"] * 2


@pytest.mark.parametrize("stack", ["httpx", "requests"])
def test_a_time_out_of_the_programs_own_is_recorded_as_one(instrumented: Metered, stack: str) -> None:
    respond_with(instrumented, Reply(200, (), [Hang()], "raw"))
    with pytest.raises((httpx.ReadTimeout, requests.ReadTimeout)):
        if stack == "httpx":
            httpx.post(chat(instrumented), json=ASK, timeout=0.2)
        else:
            requests.post(chat(instrumented), json=ASK, timeout=0.2)
    row = instrumented.row()
    assert (row.outcome, row.error_class) == ("timed_out", "first_byte_timeout")
    assert row.cost_state != "free", "it was sent, so it may have been charged"


@pytest.mark.parametrize("stack", ["httpx", "aiohttp"])
def test_a_task_that_is_cancelled_is_recorded_as_left(instrumented: Metered, stack: str) -> None:
    begun = threading.Event()

    def steps() -> Iterator[Any]:
        begun.set()
        yield Hang()

    instrumented.mock.respond = lambda _: Reply(200, (), steps(), "raw")

    async def call() -> None:
        if stack == "httpx":
            async with httpx.AsyncClient(trust_env=False) as client:
                await client.post(chat(instrumented), json=ASK)
        else:
            async with aiohttp.ClientSession() as session:
                await session.post(chat(instrumented), json=ASK)

    async def cancelled() -> None:
        task = asyncio.create_task(call())
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    row = instrumented.row()
    assert (row.outcome, row.error_class) == ("client_disconnected", "client_disconnected")


def test_retries_that_are_numbered_are_attempts_of_one_call(instrumented: Metered) -> None:
    import openai

    error = json_reply({"error": {"message": "slow down"}}, 429, headers=((b"retry-after-ms", b"1"),))
    respond_with(instrumented, error, error, json_reply(chat_answer()))
    with openai.OpenAI(base_url=instrumented.url("openai") + "/v1", api_key=KEY) as client:
        client.chat.completions.create(**ASK)  # type: ignore[call-overload]
    rows = instrumented.rows()
    assert [(row.status, row.attempt) for row in rows] == [(429, 0), (429, 1), (200, 2)]
    assert rows[0].attribution.get("call") is None
    assert {row.attribution["call"] for row in rows[1:]} == {rows[0].event_id.replace("-", "")}


def test_retries_that_nobody_numbers_are_attempts_of_one_call(instrumented: Metered) -> None:
    import urllib3

    respond_with(instrumented, json_reply({}, 503), json_reply({}, 503), json_reply(chat_answer()))
    retry = urllib3.Retry(3, status_forcelist=[503], allowed_methods=None, backoff_factor=0)
    with urllib3.PoolManager() as pool:
        pool.request("POST", chat(instrumented), json=ASK, headers=HEADERS, retries=retry)
        pool.request("POST", chat(instrumented), json={**ASK, "model": "gpt-4x"}, headers=HEADERS)
    rows = instrumented.rows()
    assert [(row.status, row.attempt) for row in rows] == [(503, 0), (503, 1), (200, 2), (200, 0)]
    assert {row.attribution["call"] for row in rows[1:3]} == {rows[0].event_id.replace("-", "")}


def test_a_request_that_says_it_is_no_retry_is_none(instrumented: Metered) -> None:
    respond_with(instrumented, json_reply({}, 503), json_reply(chat_answer()))
    for _ in range(2):
        headers = {**HEADERS, "x-stainless-retry-count": "0"}
        requests.post(chat(instrumented), json=ASK, headers=headers)
    assert [(row.status, row.attempt) for row in instrumented.rows()] == [(503, 0), (200, 0)]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_the_same_request_after_a_refusal_is_a_call_of_its_own(instrumented: Metered, status: int) -> None:
    """No library tries that again: a person, or a loop, has asked twice."""
    respond_with(instrumented, json_reply({}, status), json_reply(chat_answer()))
    for _ in range(2):
        requests.post(chat(instrumented), json=ASK, headers=HEADERS)
    assert [(row.status, row.attempt) for row in instrumented.rows()] == [(status, 0), (200, 0)]


@pytest.mark.parametrize("stack", ["httpx", "httpx async", "aiohttp"])
def test_a_request_that_is_made_while_it_is_sent_is_read_on_its_way(
    instrumented: Metered, stack: str
) -> None:
    url = instrumented.url("openai") + "/v1/audio/transcriptions"
    usage = {"type": "tokens", "input_tokens": 30, "output_tokens": 7, "total_tokens": 37}
    respond_with(instrumented, json_reply({"text": "hi", "usage": usage}))
    form = {"model": "gpt-4o-transcribe"}

    async def with_aiohttp() -> None:
        data = aiohttp.FormData()
        data.add_field("model", form["model"])
        data.add_field("file", b"x" * 50_000, filename="a.wav")
        async with aiohttp.ClientSession() as session:
            await (await session.post(url, data=data)).read()

    async def with_httpx() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.post(url, data=form, files={"file": b"x" * 50_000})

    if stack == "httpx":
        httpx.post(url, data=form, files={"file": b"x" * 50_000})
    else:
        asyncio.run(with_httpx() if stack == "httpx async" else with_aiohttp())
    row = instrumented.row()
    assert row.request_model == "gpt-4o-transcribe" and row.request_bytes > 50_000
    assert (row.input_tokens, row.output_tokens) == (30, 7)


@every_stack
def test_a_host_that_nobody_declared_leaves_nothing(instrumented: Metered, stack: str) -> None:
    STACKS[stack](instrumented.mock.url + "/v1/chat/completions", ASK)
    assert instrumented.rows() == []


@every_stack
def test_what_is_not_instrumented_leaves_nothing(metered: Metered, stack: str) -> None:
    STACKS[stack](chat(metered), ASK)
    farebox.instrument()
    farebox.instrument()
    STACKS[stack](chat(metered), ASK)
    farebox.uninstrument()
    STACKS[stack](chat(metered), ASK)
    assert len(metered.rows()) == 1


@every_stack
def test_a_meter_that_fails_changes_nothing_for_the_program(
    instrumented: Metered, stack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a fault of ours")

    for name in ("response", "chunk", "completed"):
        monkeypatch.setattr(f"farebox.recording.guarded_meter.GuardedMeter.{_inner(name)}", fail)
    status, body = STACKS[stack](chat(instrumented), ASK)
    assert status == 200 and json.loads(body)["usage"] == CHAT_USAGE
    assert instrumented.errors and {type(error) for error in instrumented.errors} == {RuntimeError}


def _inner(name: str) -> str:
    return {"response": "response_head", "chunk": "response_body", "completed": "finish"}[name]


@every_stack
def test_a_home_that_cannot_be_used_changes_nothing_for_the_program(
    instrumented: Metered, stack: str, tmp_path: Path
) -> None:
    url = chat(instrumented)
    used = tmp_path / "a file"
    used.write_text("in the way")
    farebox.configure(home=used)
    status, _ = STACKS[stack](url, ASK)
    assert status == 200


def test_disabled_means_that_nothing_is_touched(metered: Metered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAREBOX_DISABLED", "1")
    before = httpx.HTTPTransport.handle_request
    farebox.instrument()
    assert httpx.HTTPTransport.handle_request is before
    with requests.Session() as session:
        assert farebox.wrap(session) is session
        session.post(chat(metered), json=ASK)
    assert farebox.record(provider="openai", model="gpt-4o", usage={"output_text": 1}) is None
    assert farebox.outcome("x") is None
    assert metered.rows() == []


def test_uninstrumenting_puts_everything_back(metered: Metered) -> None:
    from urllib3.connectionpool import HTTPConnectionPool

    before = (
        httpx.HTTPTransport.handle_request,
        httpx2.AsyncHTTPTransport.handle_async_request,
        HTTPConnectionPool._make_request,
        aiohttp.BaseConnector.connect,
    )
    farebox.instrument()
    assert httpx.HTTPTransport.handle_request is not before[0]
    farebox.uninstrument()
    assert before == (
        httpx.HTTPTransport.handle_request,
        httpx2.AsyncHTTPTransport.handle_async_request,
        HTTPConnectionPool._make_request,
        aiohttp.BaseConnector.connect,
    )


@pytest.mark.parametrize("stack", ["httpx", "requests", "aiohttp"])
def test_a_stream_that_is_under_way_when_metering_ends_is_metered_to_its_end(
    instrumented: Metered, stack: str
) -> None:
    url = chat(instrumented)
    if stack == "httpx":
        with httpx.Client(trust_env=False) as client, client.stream("POST", url, json=STREAM) as response:
            farebox.uninstrument()
            response.read()
    elif stack == "requests":
        with requests.post(url, json=STREAM, stream=True, timeout=5) as response:
            farebox.uninstrument()
            assert response.content
    else:

        async def one() -> None:
            async with aiohttp.ClientSession() as session, session.post(url, json=STREAM) as response:
                farebox.uninstrument()
                assert await response.read()

        asyncio.run(one())
    row = instrumented.row()
    assert (row.outcome, tokens(row)) == ("completed", CHAT)


def test_ten_calls_leave_kilobytes(instrumented: Metered) -> None:
    for _ in range(10):
        STACKS["httpx"](chat(instrumented), ASK)
    (folder,) = instrumented.home.journal.iterdir()
    assert sum(file.stat().st_blocks * 512 for file in folder.iterdir()) <= 32 << 10


def test_the_key_is_written_nowhere(instrumented: Metered) -> None:
    def echo(request: Request) -> Reply:
        return json_reply({**chat_answer(), "id": f"chatcmpl-{KEY}", "model": KEY})

    instrumented.mock.respond = echo
    STACKS["httpx"](chat(instrumented) + f"?key={KEY}", ASK)
    written = b"".join(file.read_bytes() for file in instrumented.home.path.rglob("*") if file.is_file())
    assert KEY.encode() not in written


def test_what_the_mock_is_sent_is_what_it_would_have_been_sent(instrumented: Metered) -> None:
    instrumented.mock.respond = respond_as_named
    for metered in (True, False):
        if not metered:
            farebox.uninstrument()
        with farebox.attribute(customer="acme"):
            for stack in STACKS:
                STACKS[stack](chat(instrumented), ASK)
    sent = [(r.method, r.target, sorted(r.headers), r.body) for r in instrumented.mock.requests]
    half = len(STACKS)
    assert sent[:half] == sent[half:]


def test_the_port_of_a_service_that_is_no_provider_is_left_alone(instrumented: Metered) -> None:
    """The catalog's local model servers listen where a web application may as well."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 8000))
        except OSError:
            pytest.skip("port 8000 is in use")
    with pytest.raises(httpx.ConnectError):
        httpx.get("http://127.0.0.1:8000/api/orders", trust_env=False)
    assert instrumented.rows() == []


@pytest.mark.parametrize("stack", STACKS)
def test_the_providers_request_id_is_recorded(
    metered: Metered, monkeypatch: pytest.MonkeyPatch, stack: str
) -> None:
    ids: list[str | None] = []
    done = Attempt.done

    def keep(self: Attempt, *rest: Any) -> int:
        ids.append(self.request_id)
        return done(self, *rest)

    monkeypatch.setattr(Attempt, "done", keep)
    with MockUpstream(lambda _: json_reply(chat_answer(), headers=((b"X-Request-Id", b"req_1"),))) as mock:
        text = metered.home.config.read_text().replace(metered.mock.url, mock.url)
        metered.home.config.write_text(text)
        farebox.instrument()
        STACKS[stack](f"{mock.url}/openai/v1/chat/completions", ASK)
    assert ids == ["req_1"]
