"""The official clients, metered at their transports: exact usage, one row an attempt, nothing changed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from metered import KEY, Metered, attributed, tokens

import farebox

# What a client's library warns of by itself is no business of these tests.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

OPENAI = (1203, 1024, 187)
ANTHROPIC = (1400, 1000, 50)
GOOGLE = (1000, 400, 90)
ASK: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
CLAUDE: dict[str, Any] = {"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": ASK["messages"]}


def test_openai_sync_async_and_streamed(instrumented: Metered) -> None:
    import openai

    client = openai.OpenAI(base_url=instrumented.url("openai") + "/v1", api_key=KEY)
    with farebox.attribute(customer="acme"):
        completion = client.chat.completions.create(**ASK)
    assert type(completion).__name__ == "ChatCompletion" and completion.usage is not None
    with client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}) as stream:
        assert isinstance(stream, openai.Stream)
        assert "".join(c.choices[0].delta.content or "" for c in stream if c.choices).startswith("word0")
    client.close()

    async def more() -> None:
        async with openai.AsyncOpenAI(base_url=instrumented.url("openai") + "/v1", api_key=KEY) as client:
            await client.chat.completions.create(**ASK)
            stream = await client.chat.completions.create(
                **ASK, stream=True, stream_options={"include_usage": True}
            )
            assert [chunk async for chunk in stream]

    asyncio.run(more())
    rows = instrumented.rows()
    assert [tokens(row) for row in rows] == [OPENAI] * 4
    assert [row.streamed for row in rows] == [False, True, False, True]
    assert {(row.outcome, row.completeness, row.status, row.surface) for row in rows} == {
        ("completed", "final", 200, "openai.chat")
    }
    assert [row.attribution.get("customer") for row in rows] == ["acme", None, None, None]
    assert {row.witness for row in rows} == {"sdk"} and len({row.key_fingerprint for row in rows}) == 1
    assert not instrumented.errors


def test_anthropic_sync_async_and_streamed(instrumented: Metered) -> None:
    import anthropic

    client = anthropic.Anthropic(base_url=instrumented.url("anthropic"), api_key=KEY)
    assert client.messages.create(**CLAUDE).usage.output_tokens == 50
    with client.messages.stream(**CLAUDE) as stream:
        assert "".join(stream.text_stream) == "hello"
    client.close()

    async def more() -> None:
        async with anthropic.AsyncAnthropic(base_url=instrumented.url("anthropic"), api_key=KEY) as client:
            await client.messages.create(**CLAUDE)
            async with client.messages.stream(**CLAUDE) as stream:
                assert [text async for text in stream.text_stream] == ["hello"]

    asyncio.run(more())
    rows = instrumented.rows()
    assert [tokens(row) for row in rows] == [ANTHROPIC] * 4
    assert {row.completeness for row in rows} == {"final"}


def test_google_over_httpx_and_over_aiohttp(instrumented: Metered) -> None:
    from google import genai

    options = genai.types.HttpOptions(base_url=instrumented.url("google"))
    client = genai.Client(api_key=KEY, http_options=options)
    ask: dict[str, Any] = {"model": "gemini-2.5-flash", "contents": "hi"}
    assert client.models.generate_content(**ask).text == "hello"
    assert "".join(chunk.text or "" for chunk in client.models.generate_content_stream(**ask)) == "hello"

    async def more() -> None:
        assert (await client.aio.models.generate_content(**ask)).text == "hello"
        stream = await client.aio.models.generate_content_stream(**ask)
        assert [chunk.text async for chunk in stream] == ["hel", "lo"]
        await client.aio.aclose()

    asyncio.run(more())
    client.close()
    rows = instrumented.rows()
    assert [tokens(row) for row in rows] == [GOOGLE] * 4
    assert {row.completeness for row in rows} == {"final"}


def test_mistral_sync_and_streamed(instrumented: Metered) -> None:
    mistralai = pytest.importorskip("mistralai.client")
    with mistralai.Mistral(api_key=KEY, server_url=instrumented.url("mistral")) as client:
        ask = {"model": "mistral-small-latest", "messages": ASK["messages"]}
        assert client.chat.complete(**ask).usage.total_tokens == 30
        with client.chat.stream(**ask) as stream:
            assert "".join(event.data.choices[0].delta.content for event in stream) == "hello"
    rows = instrumented.rows()
    assert [tokens(row) for row in rows] == [(20, 0, 10)] * 2
    assert {row.provider for row in rows} == {"mistral"}


def test_cohere_sync_and_streamed(instrumented: Metered) -> None:
    cohere, httpx = pytest.importorskip("cohere"), pytest.importorskip("httpx")
    ask: dict[str, Any] = {"model": "command-a-03-2025", "messages": ASK["messages"]}
    with httpx.Client() as connections:
        url = instrumented.url("cohere")
        client = cohere.ClientV2(api_key=KEY, base_url=url, httpx_client=connections)
        assert client.chat(**ask).message.content[0].text == "hello"
        assert [event.type for event in client.chat_stream(**ask)][-1] == "message-end"
    rows = instrumented.rows()
    assert [(row.input_tokens, row.output_tokens) for row in rows] == [(20, 10)] * 2
    assert {row.completeness for row in rows} == {"final"}


def test_boto3_over_urllib3_whole_and_as_an_event_stream(instrumented: Metered) -> None:
    boto3 = pytest.importorskip("boto3")
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=instrumented.url("bedrock"),
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    )
    ask: dict[str, Any] = {
        "modelId": "anthropic.claude-3-5-sonnet-20240620-v1:0",
        "messages": [{"role": "user", "content": [{"text": "hi"}]}],
    }
    with farebox.attribute(customer="acme"):
        assert client.converse(**ask)["usage"]["totalTokens"] == 42
        events = list(client.converse_stream(**ask)["stream"])
    assert "metadata" in events[-1]
    client.close()
    rows = instrumented.rows()
    assert [tokens(row) for row in rows] == [(30, 0, 12)] * 2
    assert [attributed(row, "customer") for row in rows] == [("acme",)] * 2
    assert [row.streamed for row in rows] == [False, True]
    assert "EXAMPLE" not in str(rows)


@pytest.mark.filterwarnings("ignore")
def test_litellm_over_whatever_it_uses(instrumented: Metered, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not among the locked packages, which it would make much larger: install it to run this."""
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    litellm = pytest.importorskip("litellm")
    base = instrumented.url("openai") + "/v1"
    done = litellm.completion(**ASK, api_base=base, api_key=KEY)
    assert done.usage.prompt_tokens == 1203
    assert tokens(instrumented.row()) == OPENAI


@pytest.mark.parametrize("library", ["openai", "anthropic"])
def test_one_wrapped_client_is_metered_and_another_is_not(metered: Metered, library: str) -> None:
    import anthropic
    import openai

    base = metered.url(library)
    make: Any = (
        (lambda: openai.OpenAI(base_url=base + "/v1", api_key=KEY))
        if library == "openai"
        else (lambda: anthropic.Anthropic(base_url=base, api_key=KEY))
    )
    client, other = make(), make()
    assert farebox.wrap(client) is client

    def ask(client: Any) -> None:
        if library == "openai":
            client.chat.completions.create(**ASK)
        else:
            client.messages.create(**CLAUDE)

    ask(other)
    ask(client)
    farebox.wrap(client)  # twice is once
    ask(client)
    assert len(metered.rows()) == 2
    client.close()
    other.close()


def test_wrapped_boto3_and_requests_and_aiohttp_sessions_are_metered(metered: Metered) -> None:
    import aiohttp
    import requests

    url = metered.url("openai") + "/v1/chat/completions"
    with requests.Session() as session, requests.Session() as other:
        farebox.wrap(session)
        other.post(url, json=ASK)
        session.post(url, json=ASK)

    async def more() -> None:
        async with aiohttp.ClientSession() as session, aiohttp.ClientSession() as other:
            farebox.wrap(session)
            await (await other.post(url, json=ASK)).read()
            await (await session.post(url, json=ASK)).read()

    asyncio.run(more())
    assert len(metered.rows()) == 2


def test_an_object_without_a_transport_is_returned_and_reported(metered: Metered) -> None:
    thing = object()
    assert farebox.wrap(thing) is thing
    assert [type(error) for error in metered.errors] == [TypeError]
