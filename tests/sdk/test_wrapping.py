"""`farebox.wrap()`: this client is metered, and no other one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from metered import KEY, Metered

import farebox

# What a client's library warns of by itself is no business of these tests.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ASK: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
CLAUDE: dict[str, Any] = {"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": ASK["messages"]}


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
