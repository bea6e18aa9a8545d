"""An ordinary program: four calls with the official OpenAI client, no trace of Farebox in it."""

import asyncio

from openai import AsyncOpenAI, OpenAI

MESSAGES = [{"role": "user", "content": "hi"}]

client = OpenAI(api_key="sk-test-sync")
print(client.chat.completions.create(model="gpt-4o", messages=MESSAGES).choices[0].message.content)
for chunk in client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True):
    assert chunk.choices, "a client that did not ask for usage gets no usage chunk"
    print(chunk.choices[0].delta.content or "", end="")
print(client.responses.create(model="gpt-4o", input="hi").output_text)


async def main() -> None:
    async with AsyncOpenAI(api_key="sk-test-async") as client:
        answer = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
        print(answer.choices[0].message.content)
        seen = None
        async for chunk in await client.chat.completions.create(
            model="gpt-4o", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        ):
            seen = chunk.usage or seen
        assert seen is not None, "a client that asked for usage gets it"


asyncio.run(main())
