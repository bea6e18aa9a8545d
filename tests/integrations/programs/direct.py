"""A call that no framework makes."""

from __future__ import annotations

import openai


def ask(model: str = "gpt-4o") -> str:
    """Ask with the client itself."""
    with openai.OpenAI(max_retries=0) as client:
        found = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "direct"}])
    return found.choices[0].message.content or ""
