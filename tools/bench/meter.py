"""Measure the meter: microseconds per exchange, and where they go.

    .venv/bin/python tools/bench/meter.py [--seconds 0.2] [--parts] [--json]

Everything runs in this process; figures are the best of many short runs. The yardstick is a fixed
piece of Python: where it takes longer than elsewhere, so does everything else.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable

from farebox import catalog
from farebox.catalog import Endpoint
from farebox.wire.facts import Extraction
from farebox.wire.meter import Meter

Pieces = list[bytes]
Headers = tuple[tuple[bytes, bytes], ...]
_PIECE = 16 * 1024
_REQUEST_HEADERS: Headers = (
    # What the proxy hands on: headers that can say what the body is, or whose call it is.
    (b"content-type", b"application/json"),
    (b"x-request-source", b"batch-7"),
)
_COMMON: Headers = (
    (b"date", b"Sun, 01 Nov 2026 12:00:00 GMT"),
    (b"connection", b"keep-alive"),
    (b"access-control-expose-headers", b"X-Request-ID"),
    (b"openai-organization", b"acme"),
    (b"openai-processing-ms", b"612"),
    (b"openai-version", b"2020-10-01"),
    (b"x-ratelimit-limit-requests", b"10000"),
    (b"x-ratelimit-remaining-requests", b"9999"),
    (b"x-request-id", b"req_5f1b8d7c2a"),
    (b"server", b"cloudflare"),
)
_JSON: Headers = ((b"content-type", b"application/json"), *_COMMON)
_SSE: Headers = ((b"content-type", b"text/event-stream; charset=utf-8"), *_COMMON)
_USAGE = {
    "prompt_tokens": 19,
    "completion_tokens": 210,
    "total_tokens": 229,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 0,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}


def _text(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _pieces(body: bytes) -> Pieces:
    return [body[start : start + _PIECE] for start in range(0, len(body), _PIECE)]


def _request(*, stream: bool = False) -> bytes:
    body = {
        "model": "gpt-5-mini",
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "Say in two sentences what a fare box is, and who empties it. " * 3},
        ],
    }
    return _text(body | {"stream": True, "stream_options": {"include_usage": True}} if stream else body)


def _chat(size: int, *, logprobs: bool = False) -> bytes:
    """Return a chat response of about `size` bytes, as text or as brackets over brackets."""
    choice: dict[str, object] = {"index": 0, "finish_reason": "stop"}
    answer: dict[str, object] = {
        "id": "chatcmpl-CbXyZ0123456789abcdef",
        "object": "chat.completion",
        "created": 1790000000,
        "model": "gpt-5-mini-2025-08-07",
        "choices": [choice],
        "usage": _USAGE,
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    }
    left = size - len(_text(answer)) - 60
    if logprobs:
        token = {
            "token": "a",
            "logprob": -0.1,
            "bytes": [97],
            "top_logprobs": [{"token": "b", "bytes": [98]}],
        }
        choice["logprobs"] = {"content": [token] * (left // len(_text(token)))}
    else:
        choice["message"] = {"role": "assistant", "content": ("All work and no play. " * left)[:left]}
    return _text(answer)


def _chat_stream(events: int) -> bytes:
    head: dict[str, object] = {
        "id": "chatcmpl-CbXyZ0123456789abcdef",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "gpt-5-mini-2025-08-07",
        "service_tier": "default",
    }

    def chunk(delta: dict[str, str], finish_reason: str | None) -> bytes:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
        return _event(_text({**head, "choices": choices, "usage": None}))

    usage = _event(_text({**head, "choices": [], "usage": _USAGE}))
    return chunk({"content": " word"}, None) * events + chunk({}, "stop") + usage + _event(b"[DONE]")


def _messages_stream(events: int) -> bytes:
    usage = {
        "input_tokens": 19,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 1,
        "service_tier": "standard",
    }
    message = {"id": "msg_01", "type": "message", "model": "claude-sonnet-4-5-20250929", "usage": usage}
    text = {"type": "text_delta", "text": " word"}

    def event(kind: str, **more: object) -> bytes:
        return b"event: " + kind.encode() + b"\n" + _event(_text({"type": kind, **more}))

    return (
        event("message_start", message=message)
        + event("content_block_delta", index=0, delta=text) * events
        + event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 210})
        + event("message_stop")
    )


def _event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


class Exchange:
    """One exchange as the proxy would feed it to the meter."""

    def __init__(
        self,
        provider: str,
        path: str,
        request: bytes,
        headers: Headers,
        body: bytes,
        *,
        by_event: bool = False,
    ) -> None:
        found = catalog.load().provider(provider)
        assert found is not None
        self.endpoint: Endpoint = found.endpoint("POST", path)
        self.path = path
        self.request = request
        self.headers = headers
        self.bytes = len(body)
        self.pieces = [event + b"\n\n" for event in body.split(b"\n\n")[:-1]] if by_event else _pieces(body)

    def begin(self) -> Meter:
        return Meter(self.endpoint, self.path, "", _REQUEST_HEADERS)

    def ask(self) -> Meter:
        meter = self.begin()
        meter.request_body(self.request)
        meter.request_end()
        return meter

    def receive(self) -> Meter:
        meter = self.ask()
        meter.response_head(200, self.headers)
        for piece in self.pieces:
            meter.response_body(piece)
        return meter

    def whole(self) -> Extraction:
        return self.receive().finish("completed")


def best_us(run: Callable[[], object], seconds: float) -> float:
    """Return the best of short runs that take `seconds` in all, in microseconds a call."""
    start = time.perf_counter()
    run()
    loops = max(1, int(0.002 / max(time.perf_counter() - start, 1e-7)))
    best = float("inf")
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        start = time.perf_counter()
        for _ in range(loops):
            run()
        best = min(best, (time.perf_counter() - start) / loops)
    return best * 1e6


def _yardstick() -> int:
    """Do what takes some 5 µs where nothing else runs."""
    total = 0
    for number in range(150):
        total += number
    return total


def exchanges() -> dict[str, Exchange]:
    chat, ask, ask_stream = "/v1/chat/completions", _request(), _request(stream=True)
    chat_stream, messages_stream = _chat_stream(300), _messages_stream(300)
    return {
        "json_1k": Exchange("openai", chat, ask, _JSON, _chat(1024)),
        "json_8k": Exchange("openai", chat, ask, _JSON, _chat(8192)),
        "logprobs_64k": Exchange("openai", chat, ask, _JSON, _chat(64_000, logprobs=True)),
        "logprobs_256k": Exchange("openai", chat, ask, _JSON, _chat(256_000, logprobs=True)),
        "chat_stream": Exchange("openai", chat, ask_stream, _SSE, chat_stream),
        "chat_stream_by_event": Exchange("openai", chat, ask_stream, _SSE, chat_stream, by_event=True),
        "messages_stream": Exchange("anthropic", "/v1/messages", ask_stream, _SSE, messages_stream),
        "messages_stream_by_event": Exchange(
            "anthropic", "/v1/messages", ask_stream, _SSE, messages_stream, by_event=True
        ),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=0.3, help="for each figure")
    parser.add_argument("--parts", action="store_true", help="also each step of an exchange")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--only", help="only exchanges whose names start with this")
    options = parser.parse_args()
    figures: dict[str, float] = {"yardstick": best_us(_yardstick, options.seconds)}
    if not options.json:
        print(f"{'yardstick':45} {figures['yardstick']:9.1f} µs")
    for name, exchange in exchanges().items():
        if options.only and not name.startswith(options.only):
            continue
        extraction = exchange.whole()
        assert extraction.completeness == "final", extraction
        assert extraction.parts[0].quantities["output_text"] == 210, extraction
        figures[name] = best_us(exchange.whole, options.seconds)
        if options.parts:
            begin = best_us(exchange.begin, options.seconds)
            ask = best_us(exchange.ask, options.seconds)
            receive = best_us(exchange.receive, options.seconds)
            figures[f"  {name}: constructor"] = begin
            figures[f"  {name}: request"] = ask - begin
            figures[f"  {name}: response"] = receive - ask
            figures[f"  {name}: finish"] = figures[name] - receive
        if not options.json:
            for key in [key for key in figures if name in key.split(":")[0].split()]:
                print(f"{key:45} {figures[key]:9.1f} µs   {exchange.bytes} B in {len(exchange.pieces)}")
    if options.json:
        print(json.dumps({name.strip(): round(value, 2) for name, value in figures.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
