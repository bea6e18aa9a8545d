"""What programs do with the anthropic client's middleware."""

from __future__ import annotations

import asyncio
import http.client
import warnings
from typing import Any

import httpx2
from anthropic import Anthropic, AsyncAnthropic

from farebox.integrations.anthropic import middleware

warnings.simplefilter("ignore", DeprecationWarning)
ASK: dict[str, Any] = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 5,
    "messages": [{"role": "user", "content": "hi"}],
}


class Sent(httpx2.BaseTransport):
    """A transport of the program's own, which nothing meters."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        connection = http.client.HTTPConnection(request.url.netloc.decode())
        headers = {name.decode(): value.decode() for name, value in request.headers.raw}
        connection.request("POST", request.url.raw_path.decode(), request.read(), headers)
        response = connection.getresponse()
        kept = [pair for pair in response.getheaders() if pair[0].lower() != "transfer-encoding"]
        return httpx2.Response(response.status, headers=kept, stream=httpx2.ByteStream(response.read()))


def _ours() -> list[Any]:
    return [middleware(agent="support", customer="acme", tags={"feature": "help"})]


def named() -> None:
    client = Anthropic(middleware=_ours(), max_retries=0)
    client.messages.create(**ASK)
    list(client.messages.create(**ASK, stream=True))


def named_async() -> None:
    async def main() -> None:
        client = AsyncAnthropic(middleware=_ours(), max_retries=0)
        await client.messages.create(**ASK)
        async for _ in await client.messages.create(**ASK, stream=True):
            pass

    asyncio.run(main())


def unseen() -> None:
    client = Anthropic(middleware=_ours(), max_retries=0, http_client=httpx2.Client(transport=Sent()))
    client.messages.create(**ASK)
    list(client.messages.create(**ASK, stream=True))


def unseen_and_unknown() -> None:
    """A gateway that the catalog does not know."""

    def respond(_: httpx2.Request) -> httpx2.Response:
        usage = {"input_tokens": 3, "output_tokens": 4}
        said = {"id": "m-1", "type": "message", "role": "assistant", "model": ASK["model"], "content": []}
        return httpx2.Response(200, json={**said, "usage": usage})

    gateway = httpx2.Client(transport=httpx2.MockTransport(respond))
    client = Anthropic(base_url="http://gateway.test", http_client=gateway, middleware=_ours())
    client.messages.create(**ASK)
