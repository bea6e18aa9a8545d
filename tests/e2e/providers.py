"""A mock of several providers under their real names, behind TLS."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from answers import respond
from proxy_harness import certificate, server_tls
from tools.upstream import MockUpstream, Reply, Request, Step, Wait, json_reply, sse_reply

HOSTS = (
    "api.openai.com",
    "api.anthropic.com",
    "generativelanguage.googleapis.com",
    "api.mistral.ai",
    "bedrock-runtime.us-east-1.amazonaws.com",
)
_THINKS_S = 0.05
"""No provider answers at once; the process behind a connection is found out meanwhile."""
_MISTRAL = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
_BEDROCK = {"inputTokens": 30, "outputTokens": 12, "totalTokens": 42}


def answer(request: Request) -> Reply:
    """Answer as the provider whose name this request has."""
    host = (request.header("host") or "").partition(":")[0]
    if host == "api.mistral.ai":
        reply = mistral(request)
    elif host.startswith("bedrock-runtime."):
        reply = bedrock(request)
    else:
        reply = respond(request)
    return Reply(reply.status, reply.headers, _late(reply), "chunked")


def _late(reply: Reply) -> Iterator[Step]:
    yield Wait(_THINKS_S)
    if isinstance(reply.body, bytes):
        yield reply.body
    else:
        yield from reply.body


def mistral(request: Request) -> Reply:
    base = {"id": "m-1", "object": "chat.completion", "created": 1760000000, "model": "mistral-small-latest"}
    if not request.json().get("stream"):
        message = {"role": "assistant", "content": "hello", "tool_calls": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return json_reply({**base, "choices": [choice], "usage": _MISTRAL})
    base["object"] = "chat.completion.chunk"
    begun = {"index": 0, "delta": {"role": "assistant", "content": "hel"}, "finish_reason": None}
    ended = {"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}
    chunks = ({**base, "choices": [begun]}, {**base, "choices": [ended], "usage": _MISTRAL})
    events = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    return sse_reply([*events, b"data: [DONE]\n\n"])


def bedrock(request: Request) -> Reply:
    if request.path.endswith("/converse"):
        message = {"role": "assistant", "content": [{"text": "hello"}]}
        body = {
            "output": {"message": message},
            "stopReason": "end_turn",
            "usage": _BEDROCK,
            "metrics": {"latencyMs": 1},
        }
        return json_reply(body)
    events: tuple[tuple[str, Any], ...] = (
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "hello"}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": _BEDROCK, "metrics": {"latencyMs": 1}}),
    )
    headers = ((b"content-type", b"application/vnd.amazon.eventstream"),)
    return Reply(200, headers, [_frame(name, value) for name, value in events], "chunked")


def _frame(name: str, value: Any) -> bytes:
    """Return one message of AWS's binary event stream."""
    headers = b""
    for key, text in (
        (":event-type", name),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ):
        headers += bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(text)) + text.encode()
    payload = json.dumps(value).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    data = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return data + struct.pack(">I", zlib.crc32(data))


class Providers:
    """The mock, and the part of `farebox.yaml` that says where these names are."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.ca_file, cert_file, key_file = certificate(folder, *HOSTS)
        self.mock = MockUpstream(answer, tls=server_tls(cert_file, key_file))

    def configuration(self) -> str:
        addresses = "".join(f'    {host}: "127.0.0.1:{self.mock.port}"\n' for host in HOSTS)
        return f"interception:\n  ca_file: {self.ca_file}\n  addresses:\n{addresses}"
