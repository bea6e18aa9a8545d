"""A mock of OpenAI's chat completions for the examples: it calls the first tool it is offered, then responds.

    python examples/mock_upstream.py --port 9001

Every response states 1,203 input tokens, 1,024 of them cached, and 187 output tokens.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.upstream import CHAT_USAGE, MockUpstream, Reply, Request, json_reply, sse_reply

_numbers = itertools.count(1)


def respond(request: Request) -> Reply:
    """Respond as the model would: with a call of the first tool, until that has been called."""
    if not request.path.endswith("/chat/completions"):
        return json_reply({"error": {"message": f"no such path: {request.path}"}}, 404)
    body = request.json()
    base = {"id": f"chatcmpl-{next(_numbers):08d}", "created": 1760000000, "model": "gpt-4o-2024-08-06"}
    message: dict[str, Any] = {"role": "assistant", "content": "It is sunny."}
    has_called = any(each["role"] == "tool" for each in body["messages"])
    if body.get("tools") and not has_called:
        message |= {"content": None, "tool_calls": [_call(body["tools"][0]["function"])]}
    ending = "tool_calls" if "tool_calls" in message else "stop"
    if body.get("stream"):
        return sse_reply(_events(base, message, ending))
    choice = {"index": 0, "message": message, "finish_reason": ending}
    return json_reply({**base, "object": "chat.completion", "choices": [choice], "usage": CHAT_USAGE})


def _call(function: dict[str, Any]) -> dict[str, Any]:
    names = function.get("parameters", {}).get("properties", {})
    arguments = json.dumps(dict.fromkeys(names, "Rome"))
    called = {"name": function["name"], "arguments": arguments}
    return {"index": 0, "id": f"call_{next(_numbers)}", "type": "function", "function": called}


def _events(base: dict[str, Any], message: dict[str, Any], ending: str) -> Iterator[bytes]:
    begun, ended = ({"index": 0, "delta": delta, "finish_reason": end} for delta, end in (
        (message, None), ({}, ending),
    ))  # fmt: skip
    chunk = {**base, "object": "chat.completion.chunk"}
    for choices, usage in (([begun], None), ([ended], None), ([], CHAT_USAGE)):
        yield b"data: " + json.dumps({**chunk, "choices": choices, "usage": usage}).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=9001)
    upstream = MockUpstream(respond, port=parser.parse_args().port)
    with upstream, contextlib.suppress(KeyboardInterrupt):
        print(f"mock upstream at {upstream.url}", flush=True)
        Event().wait()


if __name__ == "__main__":
    main()
