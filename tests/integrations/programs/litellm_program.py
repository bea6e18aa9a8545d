"""What programs do with LiteLLM."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from typing import Any

import litellm
from direct import ask
from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER
from litellm.llms.custom_llm import CustomLLM

import farebox

litellm.suppress_debug_info = True
ASK: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}
OPENAI = {**ASK, "model": "openai/gpt-4o", "api_base": os.environ["OPENAI_BASE_URL"], "max_retries": 0}
ANTHROPIC = {
    **ASK,
    "model": "anthropic/claude-sonnet-4-5",
    "api_base": os.environ["ANTHROPIC_BASE_URL"],
    "api_key": "sk-test-0123456789abcdef0123",
}
NAMES = {"session_id": "s-1", "agent_name": "bot", "customer_id": "acme"}


class Own(CustomLLM):
    """A provider of the program's own, which sends nothing over a transport."""

    async def acompletion(self, *_: Any, **__: Any) -> Any:
        usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
        choices = [{"message": {"role": "assistant", "content": "x"}}]
        return litellm.ModelResponse(model="own-1", choices=choices, usage=usage)


litellm.custom_provider_map = [{"provider": "own", "custom_handler": Own()}]


def _run(call: Awaitable[Any]) -> None:
    async def main() -> None:
        await call
        with farebox.attribute(task="after"):
            ask()
        await GLOBAL_LOGGING_WORKER.flush()  # from there LiteLLM reports the end

    asyncio.run(main())


def whole() -> None:
    litellm.completion(**OPENAI, metadata=NAMES, user="u-1")


def streamed() -> None:
    list(litellm.completion(**OPENAI, stream=True, metadata=NAMES))


def whole_async() -> None:
    _run(litellm.acompletion(**OPENAI, metadata=NAMES))


def streamed_async() -> None:
    async def read() -> None:
        async for _ in await litellm.acompletion(**OPENAI, stream=True, metadata=NAMES):
            pass

    _run(read())


def its_own_handler() -> None:
    """Anthropic's requests are LiteLLM's own, and begun in a thread."""
    _run(litellm.acompletion(**ANTHROPIC, metadata=NAMES))


def at_once() -> None:
    async def main() -> None:
        calls = (litellm.acompletion(**OPENAI, metadata={"session_id": f"s-{number}"}) for number in range(3))
        await asyncio.gather(*calls)

    asyncio.run(main())


def mocked() -> None:
    litellm.completion(**OPENAI, mock_response="hello")
    _run(litellm.acompletion(**OPENAI, mock_response="hello"))


def unseen() -> None:
    _run(litellm.acompletion(model="own/own-1", **ASK))
