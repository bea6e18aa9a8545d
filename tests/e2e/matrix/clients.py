"""Ordinary programs, one per client library: a JSON call and a streamed one, no trace of Farebox.

python clients.py NAME
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

ASK = [{"role": "user", "content": "hi"}]


def openai() -> None:
    from openai import OpenAI

    client = OpenAI()
    print(client.chat.completions.create(model="gpt-4o", messages=ASK).choices[0].message.content)
    for chunk in client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True):
        print(chunk.choices[0].delta.content or "", end="")
    print(client.responses.create(model="gpt-4o", input="hi").output_text)


def openai_async() -> None:
    from openai import AsyncOpenAI

    async def main() -> None:
        async with AsyncOpenAI() as client:
            answer = await client.chat.completions.create(model="gpt-4o", messages=ASK)
            print(answer.choices[0].message.content)
            async for chunk in await client.chat.completions.create(
                model="gpt-4o", messages=ASK, stream=True
            ):
                print(chunk.choices[0].delta.content or "", end="")

    asyncio.run(main())


def openai_own_url() -> None:
    """The address is in the program, so no variable can change it."""
    from openai import OpenAI

    client = OpenAI(base_url="https://api.openai.com/v1")
    print(client.chat.completions.create(model="gpt-4o", messages=ASK).choices[0].message.content)
    for chunk in client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True):
        print(chunk.choices[0].delta.content or "", end="")


def openai_realtime() -> None:
    """Makes `wss://` of whatever base URL it has."""
    from openai import OpenAI

    with OpenAI().realtime.connect(model="gpt-realtime") as connection:
        connection.response.create()
        for event in connection:
            print(event.type)
            if event.type == "response.done":
                break


def anthropic() -> None:
    from anthropic import Anthropic

    client = Anthropic()
    message = client.messages.create(model="claude-sonnet-4-5", max_tokens=64, messages=ASK)
    print(message.content[0].text)
    with client.messages.stream(model="claude-sonnet-4-5", max_tokens=64, messages=ASK) as stream:
        for text in stream.text_stream:
            print(text)


def google_genai() -> None:
    from google import genai

    client = genai.Client()
    print(client.models.generate_content(model="gemini-2.5-flash", contents="hi").text)
    for chunk in client.models.generate_content_stream(model="gemini-2.5-flash", contents="hi"):
        print(chunk.text, end="")


def mistralai() -> None:
    try:
        from mistralai import Mistral
    except ImportError:
        from mistralai.client import Mistral

    import os

    client = Mistral(api_key=os.environ["MISTRAL_API_KEY"])
    answer = client.chat.complete(model="mistral-small-latest", messages=ASK)
    print(answer.choices[0].message.content)
    for event in client.chat.stream(model="mistral-small-latest", messages=ASK):
        print(event.data.choices[0].delta.content, end="")


def litellm() -> None:
    import litellm as library

    for model in ("openai/gpt-4o", "anthropic/claude-sonnet-4-5"):
        answer = library.completion(model=model, messages=ASK, max_tokens=64)
        print(answer.choices[0].message.content)
        for chunk in library.completion(model=model, messages=ASK, max_tokens=64, stream=True):
            print(chunk.choices[0].delta.content or "", end="")


def litellm_async() -> None:
    import litellm as library

    async def main() -> None:
        answer = await library.acompletion(model="anthropic/claude-sonnet-4-5", messages=ASK, max_tokens=64)
        print(answer.choices[0].message.content)
        stream = await library.acompletion(
            model="anthropic/claude-sonnet-4-5", messages=ASK, max_tokens=64, stream=True
        )
        async for chunk in stream:
            print(chunk.choices[0].delta.content or "", end="")

    asyncio.run(main())


URL = "https://api.openai.com/v1/chat/completions"


def _headers() -> dict[str, str]:
    import os

    return {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}


def requests() -> None:
    import requests as library

    body: dict[str, Any] = {"model": "gpt-4o", "messages": ASK}
    print(library.post(URL, json=body, headers=_headers(), timeout=60).json()["choices"][0]["message"])
    with library.post(
        URL, json={**body, "stream": True}, headers=_headers(), stream=True, timeout=60
    ) as answer:
        for line in answer.iter_lines():
            print(line.decode())


def aiohttp() -> None:
    import aiohttp as library

    async def main() -> None:
        body: dict[str, Any] = {"model": "gpt-4o", "messages": ASK}
        async with library.ClientSession(headers=_headers()) as session:
            async with session.post(URL, json=body) as answer:
                print((await answer.json())["choices"][0]["message"]["content"])
            async with session.post(URL, json={**body, "stream": True}) as answer:
                async for line in answer.content:
                    print(line.decode(), end="")

    asyncio.run(main())


def boto3() -> None:
    import boto3 as library

    signed: list[dict[str, str]] = []

    def keep(request: Any, **_: Any) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        named = str(_text(headers["authorization"])).partition("SignedHeaders=")[2].partition(",")[0]
        kept = {
            name: _text(headers[name]) for name in (*named.split(";"), "authorization") if name in headers
        }
        signed.append({**kept, ":url": request.url})

    client = library.client("bedrock-runtime", region_name="us-east-1")
    client.meta.events.register("before-send.bedrock-runtime.*", keep)
    messages = [{"role": "user", "content": [{"text": "hi"}]}]
    model = "anthropic.claude-sonnet-4-5-20250929-v1:0"
    answer = client.converse(modelId=model, messages=messages)
    print(answer["output"]["message"]["content"][0]["text"])
    for event in client.converse_stream(modelId=model, messages=messages)["stream"]:
        if "contentBlockDelta" in event:
            print(event["contentBlockDelta"]["delta"]["text"])
    print("SIGNED " + json.dumps(signed))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else value


if __name__ == "__main__":
    globals()[sys.argv[1]]()
