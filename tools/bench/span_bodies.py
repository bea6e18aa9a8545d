"""OTLP requests with spans as OpenLLMetry sends them, each with 2 kB of prompt."""

from __future__ import annotations

import secrets

from farebox.clock import now_ns
from farebox.telemetry.otlp_out.messages import Attribute, attributes
from farebox.telemetry.protobuf_message import fixed64, message, raw, text

_CALL: dict[str, Attribute | None] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.is_streaming": False,
    "gen_ai.openai.api_base": "https://api.openai.com/v1/",
    "gen_ai.input.messages": "x" * 1500,
    "gen_ai.output.messages": "y" * 500,
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.finish_reasons": "stop",
    "gen_ai.usage.total_tokens": 1050,
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 50,
    "gen_ai.usage.cache_read.input_tokens": 100,
    "gen_ai.conversation.id": "session-1",
}


class SpanBodies:
    """Requests with new ids."""

    path, content_type = "/v1/traces", "application/x-protobuf"

    def __init__(self, spans: int) -> None:
        self._spans = spans
        self._attributes = attributes(9, _CALL)

    def next(self) -> bytes:
        """Return a body nobody has sent."""
        spans = b"".join(self._span() for _ in range(self._spans))
        scope = message(1, text(1, "opentelemetry.instrumentation.openai.v1"))
        return message(1, message(1, b"") + message(2, scope + spans))

    def accepted(self, answer: bytes) -> int:
        """Return how many spans a response takes: all of them, or it says more than nothing."""
        return 0 if answer else self._spans

    def _span(self) -> bytes:
        start = now_ns()
        identity = attributes(9, {"gen_ai.response.id": f"chatcmpl-{secrets.token_hex(12)}"})
        return message(
            2,
            raw(1, secrets.token_bytes(16))
            + raw(2, secrets.token_bytes(8))
            + text(5, "openai.chat")
            + fixed64(7, start)
            + fixed64(8, start + 800_000_000)
            + self._attributes
            + identity,
        )
