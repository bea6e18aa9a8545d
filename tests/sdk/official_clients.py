"""What programs do with the official clients: one function a client, which does everything there is to do.

`python official_clients.py CLIENT URL ACTION …` does it in a process of its own, instrumented, for a client
that is installed elsewhere. What is returned can be compared: it is what the program had of the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import sys
from collections.abc import Callable
from typing import Any

KEY = "sk-test-0123456789abcdef0123"
ASK: list[Any] = [{"role": "user", "content": "hi"}]
ACTIONS = (
    "whole", "streamed", "async", "async streamed", "tools", "error", "retried", "left", "async left",
    "broken",
)  # fmt: skip
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}

ACTION = "x-mock-action"
"""Says to the mock what it is to do, where one mock serves several actions."""

Do = Callable[[str, str], Any]


def called(call: Callable[[], Any]) -> Any:
    """Return what a call raises, by name, or what it returns."""
    try:
        return call()
    except Exception as error:
        return type(error).__module__, type(error).__name__, getattr(error, "status_code", None), str(error)


def streamed(stream: Any, *, leave: bool = False) -> list[Any]:
    """Read a stream, or its first piece; what it raises is its last piece."""
    found: list[Any] = []
    try:
        for each in stream:
            found.append(dumped(each))
            if leave:
                break
    except Exception as error:
        found.append(type(error).__name__)
    if leave and hasattr(stream, "close"):
        stream.close()
    return found


async def astreamed(stream: Any, *, leave: bool = False) -> list[Any]:
    found: list[Any] = []
    try:
        async for each in stream:
            found.append(dumped(each))
            if leave:
                break
    except Exception as error:
        found.append(type(error).__name__)
    close = getattr(stream, "aclose", None) or getattr(stream, "close", None)
    if leave and close is not None:
        await close()
    return found


def dumped(value: Any) -> Any:
    """Return a client's object as text that is the same for the same content."""
    if isinstance(value, tuple):
        return [dumped(each) for each in value]
    if hasattr(value, "model_dump"):
        # What litellm says of the moment is its own, and so are the headers that google-genai adds.
        own = {"created", "sdk_http_response"}
        return type(value).__name__, value.model_dump(mode="json", exclude=own)
    return value if isinstance(value, str | dict) else (type(value).__name__, str(value))


def openai(action: str, url: str) -> Any:
    import openai

    options: Any = {"base_url": url + "/v1", "api_key": KEY, "max_retries": 2 if action == "retried" else 0}
    ask: Any = {"model": "gpt-4o", "messages": ASK}
    stream: Any = {**ask, "stream": True, "stream_options": {"include_usage": True}}
    if action.startswith("async"):

        async def main() -> Any:
            async with openai.AsyncOpenAI(**options) as client:
                create = client.chat.completions.create
                if action == "async":
                    return dumped(await create(**ask))
                return await astreamed(await create(**stream), leave=action == "async left")

        return asyncio.run(main())
    with openai.OpenAI(**options) as client:
        create = client.chat.completions.create
        if action == "tools":
            function = {"name": "weather", "parameters": PARAMETERS}
            return dumped(create(**ask, tools=[{"type": "function", "function": function}]))
        if action in ("whole", "error", "retried"):
            return called(lambda: dumped(create(**ask)))
        return streamed(create(**stream), leave=action == "left")


def anthropic(action: str, url: str) -> Any:
    import anthropic

    options: Any = {"base_url": url, "api_key": KEY, "max_retries": 2 if action == "retried" else 0}
    ask: Any = {"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": ASK}
    if action.startswith("async"):

        async def main() -> Any:
            async with anthropic.AsyncAnthropic(**options) as client:
                if action == "async":
                    return dumped(await client.messages.create(**ask))
                stream: Any = await client.messages.create(**ask, stream=True)
                return await astreamed(stream, leave=action == "async left")

        return asyncio.run(main())
    with anthropic.Anthropic(**options) as client:
        create = client.messages.create
        if action == "tools":
            tool: Any = {"name": "weather", "input_schema": PARAMETERS}
            return dumped(create(**ask, tools=[tool]))
        if action in ("whole", "error", "retried"):
            return called(lambda: dumped(create(**ask)))
        if action == "streamed":
            with client.messages.stream(**ask) as helper:
                return list(helper.text_stream), dumped(helper.get_final_message())
        return streamed(create(**ask, stream=True), leave=action == "left")


def google(action: str, url: str) -> Any:
    from google import genai

    retry = genai.types.HttpRetryOptions(attempts=3 if action == "retried" else 1, initial_delay=0.01)
    options = genai.types.HttpOptions(base_url=url, retry_options=retry)
    client = genai.Client(api_key=KEY, http_options=options)
    ask: Any = {"model": "gemini-2.5-flash", "contents": "hi"}
    if action.startswith("async"):

        async def main() -> Any:
            models = client.aio.models
            try:
                if action == "async":
                    return dumped(await models.generate_content(**ask))
                stream = await models.generate_content_stream(**ask)
                return await astreamed(stream, leave=action == "async left")
            finally:
                await client.aio.aclose()

        return asyncio.run(main())
    try:
        create, stream = client.models.generate_content, client.models.generate_content_stream
        if action == "tools":
            function: Any = {"name": "weather", "parameters": {"type": "OBJECT"}}
            return dumped(create(**ask, config={"tools": [{"function_declarations": [function]}]}))
        if action in ("whole", "error", "retried"):
            return called(lambda: dumped(create(**ask)))
        return streamed(stream(**ask), leave=action == "left")
    finally:
        client.close()


def mistral(action: str, url: str) -> Any:
    from mistralai.client import Mistral
    from mistralai.client.utils.retries import BackoffStrategy, RetryConfig

    retry = RetryConfig("backoff", BackoffStrategy(1, 10, 1.1, 60_000), True) if action == "retried" else None
    ask: Any = {"model": "mistral-small-latest", "messages": ASK}
    if action.startswith("async"):

        async def main() -> Any:
            async with Mistral(api_key=KEY, server_url=url, retry_config=retry) as client:
                if action == "async":
                    return dumped(await client.chat.complete_async(**ask))
                async with await client.chat.stream_async(**ask) as stream:
                    return await astreamed(stream, leave=action == "async left")

        return asyncio.run(main())
    with Mistral(api_key=KEY, server_url=url, retry_config=retry) as client:
        create = client.chat.complete
        if action == "tools":
            function: Any = {"name": "weather", "parameters": PARAMETERS}
            return dumped(create(**ask, tools=[{"type": "function", "function": function}]))
        if action in ("whole", "error", "retried"):
            return called(lambda: dumped(create(**ask)))
        with client.chat.stream(**ask) as stream:
            return streamed(stream, leave=action == "left")


def cohere(action: str, url: str) -> Any:
    import cohere
    import httpx

    ask: Any = {"model": "command-a-03-2025", "messages": ASK}
    ask["request_options"] = {"max_retries": 2 if action == "retried" else 0}
    if action.startswith("async"):

        async def main() -> Any:
            async with httpx.AsyncClient() as connections:
                client = cohere.AsyncClientV2(api_key=KEY, base_url=url, httpx_client=connections)
                if action == "async":
                    return dumped(await client.chat(**ask))
                return await astreamed(client.chat_stream(**ask), leave=action == "async left")

        return asyncio.run(main())
    with httpx.Client() as connections:
        client = cohere.ClientV2(api_key=KEY, base_url=url, httpx_client=connections)
        if action == "tools":
            function: Any = {"name": "weather", "parameters": PARAMETERS}
            return dumped(client.chat(**ask, tools=[{"type": "function", "function": function}]))
        if action in ("whole", "error", "retried"):
            return called(lambda: dumped(client.chat(**ask)))
        return streamed(client.chat_stream(**ask), leave=action == "left")


def bedrock(action: str, url: str) -> Any:
    import boto3
    from botocore.config import Config

    attempts = 3 if action == "retried" else 1
    client: Any = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}),
    )
    ask: Any = {
        "modelId": "anthropic.claude-3-5-sonnet-20240620-v1:0",
        "messages": [{"role": "user", "content": [{"text": "hi"}]}],
    }

    def converse(**more: Any) -> Any:
        said = client.converse(**ask, **more)
        return {name: value for name, value in said.items() if name != "ResponseMetadata"}

    with contextlib.closing(client):
        if action == "tools":
            tool: Any = {"name": "weather", "inputSchema": {"json": PARAMETERS}}
            return converse(toolConfig={"tools": [{"toolSpec": tool}]})
        if action in ("whole", "error", "retried"):
            return called(converse)
        return streamed(client.converse_stream(**ask)["stream"], leave=action == "left")


def litellm(action: str, url: str) -> Any:
    import litellm

    litellm.suppress_debug_info = True
    ask: Any = {"model": "openai/gpt-4o", "messages": ASK, "api_base": url + "/v1", "api_key": KEY}
    ask |= {"max_retries": 2 if action == "retried" else 0, "extra_headers": {ACTION: action}}
    stream: Any = {**ask, "stream": True, "stream_options": {"include_usage": True}}
    if action.startswith("async"):

        async def main() -> Any:
            if action == "async":
                return dumped(await litellm.acompletion(**ask))
            return await astreamed(await litellm.acompletion(**stream), leave=action == "async left")

        found = asyncio.run(main())
        gc.collect()  # a stream of litellm has no `close()` and is part of a cycle
        return found
    if action == "tools":
        function = {"name": "weather", "parameters": PARAMETERS}
        # Given as `tools=` it imports a package that it does not require.
        more = {"tools": [{"type": "function", "function": function}]}
        return dumped(litellm.completion(**ask, extra_body=more))
    if action in ("whole", "error", "retried"):
        return called(lambda: dumped(litellm.completion(**ask)))
    found = streamed(litellm.completion(**stream), leave=action == "left")
    gc.collect()
    return found


CLIENTS: dict[str, Do] = {
    "openai": openai,
    "anthropic": anthropic,
    "google": google,
    "mistral": mistral,
    "cohere": cohere,
    "bedrock": bedrock,
    "litellm": litellm,
}
"""By the name of the provider that the mock is asked as, but for litellm."""


def main() -> None:
    import farebox

    client, url, *actions = sys.argv[1:]
    farebox.instrument()
    for action in actions:
        with farebox.attribute(task=action):
            print(json.dumps([action, CLIENTS[client](action, url)], default=str))


if __name__ == "__main__":
    main()
