"""Whose models are meant, where a file says only the model's name or uses a name of its own."""

from __future__ import annotations

from farebox.histories.agents.agent_log import provider_name

UNKNOWN = "unknown"

_BY_MODEL = (
    ("gpt-", "openai"), ("chatgpt", "openai"), ("o1", "openai"), ("o3", "openai"), ("o4", "openai"),
    ("text-embedding-", "openai"), ("dall-e", "openai"), ("whisper", "openai"), ("tts-", "openai"),
    ("ft:gpt", "openai"), ("claude", "anthropic"), ("gemini", "google"), ("text-embedding-00", "google"),
    ("mistral", "mistral"), ("mixtral", "mistral"), ("codestral", "mistral"), ("ministral", "mistral"),
    ("magistral", "mistral"), ("command", "cohere"), ("embed-", "cohere"), ("rerank", "cohere"),
    ("grok", "xai"), ("deepseek", "deepseek"), ("sonar", "perplexity"), ("kimi", "moonshot"), ("glm", "zai"),
    ("voyage", "voyage"), ("jina", "jina"), ("qwen", "alibaba"),
)  # fmt: skip

_OTHER_NAMES = {
    "azure-openai": "azure",
    "azure_openai": "azure",
    "azure_ai": "azure",
    "aws": "bedrock",
    "aws_bedrock": "bedrock",
    "bedrock_converse": "bedrock",
    "vertex_ai": "vertex",
    "vertexai": "vertex",
    "google-vertex": "vertex",
    "google_vertex": "vertex",
    "gemini": "google",
    "google_ai_studio": "google",
    "googleaistudio": "google",
    "together_ai": "together",
    "togetherai": "together",
    "fireworks_ai": "fireworks",
    "xai": "xai",
    "x-ai": "xai",
    "mistralai": "mistral",
    "cohere_chat": "cohere",
    "text-completion-openai": "openai",
    "dashscope": "alibaba",
    "voyageai": "voyage",
    "novita-ai": "novita",
    "moonshotai": "moonshot",
}
"""What LiteLLM, Helicone and others call providers that have another name here."""


def known_as(name: str | None) -> str | None:
    """Return what a provider is called here, None where nothing is said."""
    if not name or name.lower() in ("custom", "unknown", "none"):
        return None
    lowered = name.lower()
    return (
        _OTHER_NAMES.get(lowered)
        or _OTHER_NAMES.get(lowered.split("_")[0])
        or provider_name(lowered, UNKNOWN)
    )


def of_model(model: str, otherwise: str | None = None) -> str:
    """Return the provider that a model's name suggests."""
    lowered = model.lower().rpartition("/")[2]
    return otherwise or next((name for start, name in _BY_MODEL if lowered.startswith(start)), UNKNOWN)
