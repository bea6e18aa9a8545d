"""The usage cases of genai-prices' own data set, sent through the surfaces they belong to."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farebox.catalog import Catalog
from farebox.wire.facts import Part
from farebox.wire.meter import Meter

_CHAT = "/v1/chat/completions"
_EMBEDDINGS = "/v1/embeddings"
_RESPONSES = "/v1/responses"
_MESSAGES = "/v1/messages"

SURFACES: dict[tuple[str, str], tuple[str, str]] = {
    ("anthropic", "default"): ("anthropic", _MESSAGES),
    ("anthropic", "chat"): ("anthropic", _CHAT),
    ("aws", "anthropic"): ("bedrock", "/model/us.anthropic.claude/invoke"),
    ("aws", "default"): ("bedrock", "/model/us.amazon.nova-lite-v1:0/converse"),
    ("azure", "anthropic"): ("azure", "/anthropic/v1/messages"),
    ("azure", "chat"): ("azure", "/openai/v1/chat/completions"),
    ("azure", "embeddings"): ("azure", "/openai/v1/embeddings"),
    ("azure", "responses"): ("azure", "/openai/v1/responses"),
    ("cerebras", "chat"): ("cerebras", _CHAT),
    ("cohere", "default"): ("cohere", "/v2/chat"),
    ("cohere", "embeddings"): ("cohere", "/v2/embed"),
    ("cohere", "tokens"): ("cohere", "/v2/chat"),
    ("deepseek", "chat"): ("deepseek", "/chat/completions"),
    ("fireworks", "chat"): ("fireworks", "/inference/v1/chat/completions"),
    ("google", "anthropic"): (
        "vertex",
        "/v1/projects/p/locations/global/publishers/anthropic/models/claude:rawPredict",
    ),
    ("google", "chat"): ("google", "/v1beta/openai/chat/completions"),
    ("google", "default"): ("google", "/v1beta/models/gemini:generateContent"),
    ("groq", "default"): ("groq", "/openai/v1/chat/completions"),
    ("minimax", "chat"): ("minimax", _CHAT),
    ("minimax", "responses"): ("minimax", _RESPONSES),
    ("mistral", "default"): ("mistral", _CHAT),
    ("moonshotai", "chat"): ("moonshot", _CHAT),
    ("openai", "chat"): ("openai", _CHAT),
    ("openai", "embeddings"): ("openai", _EMBEDDINGS),
    ("openai", "responses"): ("openai", _RESPONSES),
    ("openrouter", "chat"): ("openrouter", "/api/v1/chat/completions"),
    ("ovhcloud", "chat"): ("ovhcloud", _CHAT),
    ("perplexity", "default"): ("perplexity", "/chat/completions"),
    ("x-ai", "chat"): ("xai", _CHAT),
    ("x-ai", "default"): ("xai", _CHAT),
    ("zai", "chat"): ("zai", "/api/paas/v4/chat/completions"),
} | {
    (f"huggingface_{name}", "chat"): ("huggingface", f"/{name}/v1/chat/completions")
    for name in (
        "cerebras",
        "fireworks-ai",
        "groq",
        "hyperbolic",
        "nebius",
        "novita",
        "nscale",
        "ovhcloud",
        "publicai",
        "sambanova",
        "together",
    )
}
"""An extractor of genai-prices: our provider and the path of the surface it reads."""


@dataclass(frozen=True)
class Case:
    """One reduced body as one extractor reads it."""

    id: str
    extractor: tuple[str, str]
    model: str | None
    body: dict[str, Any]
    usage: dict[str, int]


def load(folder: Path) -> Iterator[Case]:
    """Yield every case of a surface we support."""
    with gzip.open(folder / "genai_prices_dataset.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            for group in entry["extracted"]:
                for extractor in group["extractors"]:
                    name = (extractor["provider_id"], extractor["api_flavor"])
                    if name in SURFACES and group["usage"]:
                        yield Case(entry["id"], name, entry["model"], entry["body"], group["usage"])


def measured(catalog: Catalog, case: Case) -> dict[str, int]:
    """Return our reading of a case in the data set's words, zeros left out."""
    name, path = SURFACES[case.extractor]
    provider = catalog.provider(name)
    assert provider is not None
    meter = Meter(provider.endpoint("POST", path), path, "", [(b"content-type", b"application/json")])
    meter.request_body(json.dumps({"model": case.model} if case.model else {}).encode())
    meter.request_end()
    meter.response_head(200, [(b"content-type", b"application/json")])
    meter.response_body(json.dumps(case.body).encode())
    return _words(meter.finish("completed").parts)


def _words(parts: tuple[Part, ...]) -> dict[str, int]:
    def total(leaf: str) -> int:
        return sum(int(part.quantities.get(leaf, 0)) for part in parts)

    found = {
        "input_tokens": sum(part.input_tokens for part in parts),
        "cache_read_tokens": sum(part.cache_read_input_tokens for part in parts),
        "cache_write_tokens": sum(part.cache_creation_input_tokens for part in parts),
        "output_tokens": sum(part.output_tokens for part in parts),
        "output_reasoning_tokens": sum(part.reasoning_output_tokens for part in parts),
        "input_audio_tokens": total("input_audio") + total("cache_read_audio"),
        "output_audio_tokens": total("output_audio"),
        "output_image_tokens": total("output_image"),
        "input_tool_tokens": total("tool_use_input"),
        "web_searches": total("calls_web_search"),
    }
    return {name: count for name, count in found.items() if count}


def expected(case: Case) -> dict[str, int]:
    """Return what the data set says, as far as it is about the same counts."""
    names = (
        "input_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "output_tokens",
        "output_reasoning_tokens",
        "input_audio_tokens",
        "output_audio_tokens",
        "output_image_tokens",
        "input_tool_tokens",
        "web_searches",
    )
    return {name: case.usage[name] for name in names if case.usage.get(name)}
