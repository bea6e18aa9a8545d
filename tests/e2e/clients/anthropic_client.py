"""An ordinary program: four calls with the official Anthropic client."""

import asyncio

from anthropic import Anthropic, AsyncAnthropic

ASK = {"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}

client = Anthropic(api_key="sk-ant-test")
print(client.messages.create(**ASK).content[0].text)
with client.messages.stream(**ASK) as stream:
    print("".join(stream.text_stream))


async def main() -> None:
    async with AsyncAnthropic(api_key="sk-ant-test") as client:
        print((await client.messages.create(**ASK)).content[0].text)
        async with client.messages.stream(**ASK) as stream:
            async for text in stream.text_stream:
                print(text, end="")


asyncio.run(main())
