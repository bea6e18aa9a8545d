"""The ways in which programs use their clients: raw responses, helpers, other clouds' clients, clients of
their own, proxies of the environment. Each call is one row, exact, and what the program has is unchanged.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest
from answers import ANTHROPIC_USAGE, respond
from metered import KEY, Metered, tokens
from tools.upstream import Hang, MockUpstream, Reply, Request, chat_events, json_reply, sse_reply

import farebox
from farebox.ledger.call_row import CallRow

openai = pytest.importorskip("openai")
httpx = pytest.importorskip("httpx")
httpx2 = pytest.importorskip("httpx2")
pytestmark = pytest.mark.filterwarnings("ignore")

CHAT, RESPONSES, MESSAGES = (1203, 1024, 187), (2000, 500, 100), (1400, 1000, 50)
GEMINI = (1000, 400, 90)
ASK: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
STREAM: dict[str, Any] = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
CLAUDE: dict[str, Any] = {"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": ASK["messages"]}


def client_of(metered: Metered, **more: Any) -> Any:
    return openai.OpenAI(base_url=metered.url("openai") + "/v1", api_key=KEY, max_retries=0, **more)


def declare(metered: Metered, provider: str, upstream: str) -> None:
    """Say where a provider is that the usual configuration of these tests does not have."""
    text = metered.home.config.read_text(encoding="utf-8")
    metered.home.config.write_text(f"{text}  {provider}: {{upstream: '{upstream}'}}\n", encoding="utf-8")
    farebox.configure(home=metered.home.path)


def exact(row: CallRow, provider: str, surface: str, usage: tuple[int, int, int]) -> None:
    assert (row.provider, row.surface, tokens(row)) == (provider, surface, usage)
    assert (row.outcome, row.completeness, row.witness) == ("completed", "final", "sdk")


def test_raw_responses_and_streamed_raw_responses_of_openai(instrumented: Metered) -> None:
    with client_of(instrumented) as client:
        raw = client.chat.completions.with_raw_response.create(**ASK)
        assert raw.http_response.json()["usage"] and raw.parse().usage.prompt_tokens == 1203
        streaming = client.chat.completions.with_streaming_response
        with streaming.create(**ASK) as response:
            assert b"".join(response.iter_bytes()).startswith(b"{")
        with streaming.create(**STREAM) as response:
            assert list(response.iter_lines())[-1:] is not None
        with streaming.create(**ASK) as response:
            assert response.parse().usage.completion_tokens == 187
    rows = instrumented.rows()
    assert len(rows) == 4
    for row in rows:
        exact(row, "openai", "openai.chat", CHAT)


def test_a_streamed_raw_response_of_which_only_the_head_is_looked_at(instrumented: Metered) -> None:
    with (
        client_of(instrumented) as client,
        client.chat.completions.with_streaming_response.create(**STREAM) as response,
    ):
        assert response.headers["content-type"] == "text/event-stream"
    row = instrumented.row()
    assert (row.outcome, row.status) == ("client_disconnected", 200) and row.cost_state != "free"


def test_the_responses_api_and_what_is_no_call_of_a_model(instrumented: Metered) -> None:
    def reply(request: Request) -> Reply:
        path = request.path
        if path.endswith("/files"):
            return json_reply({"id": "file-1", "object": "file", "purpose": "batch", "bytes": 9})
        if path.endswith("/batches"):
            return json_reply({"id": "batch_1", "object": "batch", "status": "validating"})
        if path.endswith("/models"):
            return json_reply({"object": "list", "data": []})
        if path.endswith("/assistants"):
            return json_reply({"id": "asst_1", "object": "assistant"})
        return respond(request)

    instrumented.mock.respond = reply
    with client_of(instrumented) as client:
        assert client.responses.create(model="gpt-4o", input="hi").output_text == "hello"
        file = client.files.create(file=("in.jsonl", b'{"a": 1}\n'), purpose="batch")
        ask: Any = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        assert client.batches.create(**ask).status == "validating"
        assert list(client.models.list()) == []
        client.beta.assistants.create(model="gpt-4o")
    first, *rest = instrumented.rows()
    exact(first, "openai", "openai.responses", RESPONSES)
    assert [row.surface for row in rest] == [
        "openai.files", "openai.batches", "openai.models", "openai.assistants",
    ]  # fmt: skip
    assert {(row.billable, row.cost_pico) for row in rest} == {(False, 0)}


def test_streaming_helpers_of_openai(instrumented: Metered) -> None:
    more: Any = {"stream_options": {"include_usage": True}}
    with client_of(instrumented) as client, client.chat.completions.stream(**ASK, **more) as stream:
        kinds = {event.type for event in stream}
        assert "chunk" in kinds and stream.get_final_completion().usage.prompt_tokens == 1203

    exact(instrumented.row(), "openai", "openai.chat", CHAT)


def test_azures_client_by_deployment(metered: Metered) -> None:
    declare(metered, "azure", metered.url("azure"))
    farebox.instrument()
    with openai.AzureOpenAI(
        azure_endpoint=metered.url("azure"), api_key=KEY, api_version="2024-10-21"
    ) as client:
        client.chat.completions.create(**{**ASK, "model": "my-deployment"})
        for _ in client.chat.completions.create(**{**STREAM, "model": "my-deployment"}):
            pass

    async def more() -> None:
        async with openai.AsyncAzureOpenAI(
            azure_endpoint=metered.url("azure"), azure_ad_token="token", api_version="2024-10-21"
        ) as client:
            await client.chat.completions.create(**{**ASK, "model": "my-deployment"})

    asyncio.run(more())
    rows = metered.rows()
    assert len(rows) == 3
    for row in rows:
        exact(row, "azure", "azure.chat", CHAT)


def test_anthropics_clients_of_other_clouds(metered: Metered) -> None:
    import anthropic

    declare(metered, "vertex", metered.url("vertex"))
    farebox.instrument()

    def reply(request: Request) -> Reply:
        said = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5"}
        content = [{"type": "text", "text": "hello"}]
        whole = {**said, "content": content, "stop_reason": "end_turn", "usage": ANTHROPIC_USAGE}
        return json_reply(whole)

    metered.mock.respond = reply
    with anthropic.AnthropicVertex(
        base_url=metered.url("vertex") + "/v1", access_token="token", region="us-east5", project_id="p"
    ) as client:
        assert client.messages.create(**CLAUDE).usage.output_tokens == 50
    with anthropic.AnthropicBedrock(
        base_url=metered.url("bedrock"),
        aws_access_key="AKIAEXAMPLE",
        aws_secret_key="s",
        aws_region="us-east-1",
    ) as bedrock:
        model = "anthropic.claude-3-5-sonnet-20240620-v1:0"
        assert bedrock.messages.create(**{**CLAUDE, "model": model}).usage.output_tokens == 50
    rows = metered.rows()
    assert [row.provider for row in rows] == ["vertex", "bedrock"]
    assert [tokens(row) for row in rows] == [MESSAGES] * 2
    assert {row.completeness for row in rows} == {"final"}


def test_googles_client_of_vertex(metered: Metered) -> None:
    from google import genai
    from google.oauth2.credentials import Credentials

    declare(metered, "vertex", metered.url("vertex"))
    farebox.instrument()
    client = genai.Client(
        vertexai=True,
        project="p",
        location="us-central1",
        credentials=Credentials("token"),
        http_options=genai.types.HttpOptions(base_url=metered.url("vertex")),
    )
    ask: dict[str, Any] = {"model": "gemini-2.5-flash", "contents": "hi"}
    assert client.models.generate_content(**ask).text == "hello"
    assert "".join(each.text or "" for each in client.models.generate_content_stream(**ask)) == "hello"
    client.close()
    rows = metered.rows()
    assert [(row.provider, tokens(row)) for row in rows] == [("vertex", GEMINI)] * 2


def own_transport() -> Any:
    class Own(httpx2.HTTPTransport):
        """A program's own, around the one of httpx."""

        def handle_request(self, request: Any) -> Any:
            request.headers["x-own"] = "1"
            return super().handle_request(request)

    return httpx2.Client(transport=Own())


def wrapped_transport() -> Any:
    class Around(httpx2.BaseTransport):
        def __init__(self) -> None:
            self.inner = httpx2.HTTPTransport()

        def handle_request(self, request: Any) -> Any:
            return self.inner.handle_request(request)

        def close(self) -> None:
            self.inner.close()

    return httpx2.Client(transport=Around())


HTTP_CLIENTS: dict[str, Callable[[], Any]] = {
    "httpx2's": lambda: httpx2.Client(timeout=20),
    "httpx's": lambda: httpx.Client(timeout=20),
    "openai's default": lambda: openai.DefaultHttpxClient(),
    "mounts": lambda: httpx2.Client(mounts={"http://": httpx2.HTTPTransport(retries=1)}),
    "hooks": lambda: httpx2.Client(event_hooks={"response": [lambda response: response.read()]}),
    "a transport of its own": own_transport,
    "a transport around another": wrapped_transport,
}


@pytest.mark.parametrize("kind", HTTP_CLIENTS)
def test_an_http_client_of_the_programs_own(instrumented: Metered, kind: str) -> None:
    with client_of(instrumented, http_client=HTTP_CLIENTS[kind]()) as client:
        client.chat.completions.create(**ASK)
        assert len(list(client.chat.completions.create(**STREAM))) > 3
    rows = instrumented.rows()
    assert len(rows) == 2
    for row in rows:
        exact(row, "openai", "openai.chat", CHAT)


@pytest.mark.parametrize("stack", ["openai", "requests", "aiohttp"])
def test_a_proxy_of_the_environment(metered: Metered, monkeypatch: pytest.MonkeyPatch, stack: str) -> None:
    """What goes through it is metered by where it goes, and not by where the proxy is."""

    def as_a_proxy(request: Request) -> Reply:
        assert request.target.startswith(b"http://llm.example/base/v1/chat/completions")
        return respond(request)

    with MockUpstream(as_a_proxy) as proxy:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        text = metered.home.config.read_text()
        metered.home.config.write_text(text.replace(metered.url("openai"), "http://llm.example/base"))
        farebox.configure(home=metered.home.path)
        farebox.instrument()
        base = "http://llm.example/base/v1"
        if stack == "openai":
            with openai.OpenAI(base_url=base, api_key=KEY, max_retries=0) as client:
                client.chat.completions.create(**ASK)
        elif stack == "requests":
            import requests

            assert requests.post(f"{base}/chat/completions", json=ASK, timeout=20).status_code == 200
        else:
            import aiohttp

            async def main() -> None:
                async with (
                    aiohttp.ClientSession(trust_env=True) as session,
                    session.post(f"{base}/chat/completions", json=ASK) as response,
                ):
                    assert (await response.json())["usage"]

            asyncio.run(main())
        row = metered.row()
        assert len(proxy.requests) == 1
    exact(row, "openai", "openai.chat", CHAT)
    assert row.host == "llm.example"


def test_a_redirect_is_an_attempt_that_costs_nothing(instrumented: Metered) -> None:
    def reply(request: Request) -> Reply:
        if request.query:
            return respond(request)
        return Reply(307, ((b"location", request.target + b"?again=1"),), b"")

    instrumented.mock.respond = reply
    with client_of(instrumented) as client:
        client.chat.completions.create(**ASK)
    first, second = instrumented.rows()
    assert (first.status, first.cost_pico, first.billable) == (307, 0, False)
    exact(second, "openai", "openai.chat", CHAT)


# -- threads, garbage collection, cancellation --


def test_a_stream_that_is_read_on_in_another_thread_is_one_row_with_its_own_attribution(
    instrumented: Metered,
) -> None:
    with client_of(instrumented) as client:
        with farebox.attribute(customer="acme"):
            stream = iter(client.chat.completions.create(**STREAM))
        next(stream)

        def rest() -> None:
            with farebox.attribute(customer="other"):
                assert list(stream)

        reader = threading.Thread(target=rest)
        reader.start()
        reader.join()
    row = instrumented.row()
    exact(row, "openai", "openai.chat", CHAT)
    assert row.attribution["customer"] == "acme"


def test_a_stream_that_is_closed_in_another_thread_is_recorded_as_left(instrumented: Metered) -> None:
    instrumented.mock.respond = lambda _: sse_reply([*chat_events(5)[:3], Hang()])  # type: ignore[list-item]
    with client_of(instrumented) as client:
        stream = client.chat.completions.create(**STREAM)
        next(iter(stream))
        closer = threading.Thread(target=stream.close)
        closer.start()
        closer.join()
    assert instrumented.row().outcome == "client_disconnected"


def test_streams_that_are_collected_in_the_middle_of_other_records_are_recorded_once(
    instrumented: Metered,
) -> None:
    """Python collects whenever something is allocated, also in the middle of writing a record down."""
    instrumented.mock.respond = lambda request: (
        sse_reply([*chat_events(5)[:3], Hang()])  # type: ignore[list-item]
        if request.json().get("stream")
        else respond(request)
    )
    before, count = gc.get_threshold(), 30
    gc.set_threshold(1, 1, 1)
    try:
        with client_of(instrumented) as client:

            def forget() -> None:
                stream = client.chat.completions.create(**STREAM)
                next(iter(stream))
                cycle: list[Any] = [stream]
                cycle.append(cycle)

            threads = [
                threading.Thread(
                    target=lambda: [forget() or client.chat.completions.create(**ASK) for _ in "ab"]
                )
                for _ in range(count // 2)
            ]
            for each in threads:
                each.start()
            for each in threads:
                each.join()
    finally:
        gc.set_threshold(*before)
    gc.collect()
    rows = instrumented.rows()
    assert sorted(row.outcome for row in rows) == ["client_disconnected"] * count + ["completed"] * count
    assert not instrumented.errors


@pytest.mark.parametrize("where", ["task", "timeout", "group"])
def test_a_stream_whose_task_is_cancelled_is_recorded_as_left(instrumented: Metered, where: str) -> None:
    instrumented.mock.respond = lambda _: sse_reply([*chat_events(5)[:3], Hang()])  # type: ignore[list-item]

    async def main() -> None:
        begun = asyncio.Event()

        async def read(client: Any) -> None:
            async for _ in await client.chat.completions.create(**STREAM):
                begun.set()

        async with openai.AsyncOpenAI(base_url=instrumented.url("openai") + "/v1", api_key=KEY) as client:
            if where == "task":
                task = asyncio.create_task(read(client))
                await begun.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            elif where == "timeout":
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(None) as scope:
                        reading = asyncio.ensure_future(read(client))
                        await begun.wait()
                        scope.reschedule(asyncio.get_running_loop().time())
                        await reading
            else:

                async def fail() -> None:
                    await begun.wait()
                    raise ValueError

                with pytest.raises(ExceptionGroup):
                    async with asyncio.TaskGroup() as group:
                        group.create_task(read(client))
                        group.create_task(fail())

    asyncio.run(main())
    row = instrumented.row()
    assert (row.outcome, row.status) == ("client_disconnected", 200)


def test_an_anyio_scope_that_is_cancelled_records_its_call_as_left(instrumented: Metered) -> None:
    anyio = pytest.importorskip("anyio")
    instrumented.mock.respond = lambda _: sse_reply([*chat_events(5)[:3], Hang()])  # type: ignore[list-item]

    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=instrumented.url("openai") + "/v1", api_key=KEY) as client:
            with anyio.CancelScope() as scope, farebox.attribute(customer="acme"):
                async for _ in await client.chat.completions.create(**STREAM):
                    scope.cancel()
            assert scope.cancelled_caught

    anyio.run(main)
    row = instrumented.row()
    assert (row.outcome, row.attribution["customer"]) == ("client_disconnected", "acme")


def test_an_event_loop_that_ends_with_a_stream_open_records_it_as_left(instrumented: Metered) -> None:
    instrumented.mock.respond = lambda _: sse_reply([*chat_events(5)[:3], Hang()])  # type: ignore[list-item]

    async def main() -> None:
        client = openai.AsyncOpenAI(base_url=instrumented.url("openai") + "/v1", api_key=KEY)
        stream = await client.chat.completions.create(**STREAM)
        async for _ in stream:
            break

    asyncio.run(main())
    gc.collect()
    assert instrumented.row().outcome == "client_disconnected"
