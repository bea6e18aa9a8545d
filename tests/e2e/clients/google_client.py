"""An ordinary program: four calls with the official Google client."""

import asyncio

from google import genai

ASK = {"model": "gemini-2.5-flash", "contents": "hi"}

client = genai.Client(api_key="test-key")
print(client.models.generate_content(**ASK).text)
for chunk in client.models.generate_content_stream(**ASK):
    print(chunk.text, end="")


async def main() -> None:
    print((await client.aio.models.generate_content(**ASK)).text)
    async for chunk in await client.aio.models.generate_content_stream(**ASK):
        print(chunk.text, end="")
    await client.aio.aclose()


asyncio.run(main())
client.close()
