"""An ordinary program whose clients are told their hosts in code: no base URL variable reaches them."""

import httpx2
import requests
from anthropic import Anthropic
from google import genai
from google.genai import types
from openai import OpenAI

MESSAGES = [{"role": "user", "content": "hi"}]
OPENAI = "https://api.openai.com/v1"

client = OpenAI(api_key="sk-test", base_url=OPENAI)
print(client.chat.completions.create(model="gpt-4o", messages=MESSAGES).choices[0].message.content)
for chunk in client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True):
    assert chunk.choices, "a client that did not ask for usage gets no usage chunk"

claude = Anthropic(api_key="sk-ant-test", base_url="https://api.anthropic.com")
print(claude.messages.create(model="claude-sonnet-4-5", max_tokens=9, messages=MESSAGES).content[0].text)
with claude.messages.stream(model="claude-sonnet-4-5", max_tokens=9, messages=MESSAGES) as stream:
    print(stream.get_final_text())

options = types.HttpOptions(base_url="https://generativelanguage.googleapis.com")
gemini = genai.Client(api_key="AIza-test", http_options=options)
print(gemini.models.generate_content(model="gemini-2.5-flash", contents="hi").text)
for _ in gemini.models.generate_content_stream(model="gemini-2.5-flash", contents="hi"):
    pass

body = {"model": "gpt-4o", "messages": MESSAGES}
print(requests.post(f"{OPENAI}/chat/completions", json=body, timeout=30).status_code)
print(httpx2.post(f"{OPENAI}/chat/completions", json=body, timeout=30).status_code)
