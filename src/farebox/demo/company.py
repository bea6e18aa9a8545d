"""Who there is: a company that sells an assistant, its customers, programs and models. Data, no code."""

from __future__ import annotations

from typing import NamedTuple


class Model(NamedTuple):
    """A model as requests name it, and how fast it is."""

    provider: str
    name: str
    surface: str
    host: str
    path: str
    usage: str
    """How its provider spells usage: `anthropic`, `openai`, `embeddings` or `google`."""
    first_byte_ms: int
    tokens_per_s: int


def _anthropic(name: str, first_byte_ms: int, tokens_per_s: int) -> Model:
    return Model(
        "anthropic", name, "anthropic.messages", "api.anthropic.com", "/v1/messages", "anthropic",
        first_byte_ms, tokens_per_s,
    )  # fmt: skip


def _openai(name: str, first_byte_ms: int, tokens_per_s: int) -> Model:
    return Model(
        "openai", name, "openai.chat", "api.openai.com", "/v1/chat/completions", "openai",
        first_byte_ms, tokens_per_s,
    )  # fmt: skip


SONNET = _anthropic("claude-sonnet-4-6", 620, 70)
OPUS = _anthropic("claude-opus-4-6", 980, 45)
HAIKU = _anthropic("claude-haiku-4-5", 310, 130)
GPT = _openai("gpt-5.2", 1_400, 60)
GPT_MINI = _openai("gpt-5-mini", 700, 110)
GPT_NEXT = _openai("gpt-5.5", 1_100, 75)
"""In use from `NEW_MODEL_DAY` on."""
FLASH = Model(
    "google", "gemini-2.5-flash", "google.generateContent", "generativelanguage.googleapis.com",
    "/v1beta/models/gemini-2.5-flash:generateContent", "google", 420, 160,
)  # fmt: skip
DEEPSEEK = Model(
    "deepseek", "deepseek-chat", "deepseek.chat", "api.deepseek.com", "/chat/completions", "openai", 900, 45
)
EMBEDDING = Model(
    "openai", "text-embedding-3-small", "openai.embeddings", "api.openai.com", "/v1/embeddings",
    "embeddings", 90, 0,
)  # fmt: skip
OWN = Model(
    "gpu-box", "router-8b-internal", "gpu-box.chat", "gpu-box:8000", "/v1/chat/completions", "openai", 60, 220
)
"""A model of the company's own, which no price list knows: calls of it are unpriced until a price is set."""


class Program(NamedTuple):
    """A program of the company: what it calls itself, where its code is, and which key it has."""

    app: str
    command: str
    repository: str
    key: str
    """The key's fingerprint."""
    key_label: str
    feature: str


CHAT = Program(
    "support-chat", "python3 support_chat.py", "example-labs/assistant", "3f6a0c1de2b94875", "chat", "chat"
)
RESEARCH = Program(
    "research", "python3 research.py", "example-labs/assistant", "9b1e77d0c4a35f28", "research", "reports"
)
TRIAGE = Program("mail-triage", "node triage.mjs", "example-labs/mail", "5d20aa4f91c37be6", "triage", "inbox")
INGEST = Program(
    "ingest-worker", "python3 ingest.py", "example-labs/search", "c85b1f3e6690d7a2", "ingest", "indexing"
)
REVIEW = Program(
    "code-review", "python3 review.py", "example-labs/tools", "71e4d9ab03f2c658", "review", "review"
)
CODING = Program("claude", "claude", "example-labs/assistant", "e07c52b8d41f96a3", "developers", "coding")
PLAYGROUND = Program(
    "playground",
    "python3 playground.py",
    "example-labs/playground",
    "1a94e6f70b8d3c52",
    "playground",
    "trial",
)
PROGRAMS = (CHAT, RESEARCH, TRIAGE, INGEST, REVIEW, CODING, PLAYGROUND)


class Client(NamedTuple):
    """A customer of the company."""

    name: str
    title: str
    plan: str
    timezone: str
    users: int
    share: int
    """Of all customers' work, in thousandths of the whole."""


CLIENTS = (
    Client("acme", "Acme Inc.", "scale", "America/New_York", 60, 230),
    Client("globex", "Globex Corporation", "scale", "America/Chicago", 45, 170),
    Client("initech", "Initech LLC", "pro", "America/Los_Angeles", 30, 110),
    Client("umbrella", "Umbrella Health", "scale", "Europe/London", 35, 95),
    Client("hooli", "Hooli", "pro", "America/Los_Angeles", 28, 75),
    Client("stark", "Stark Industries", "pro", "America/New_York", 22, 60),
    Client("wayne", "Wayne Enterprises", "pro", "America/New_York", 18, 50),
    Client("tyrell", "Tyrell Systems", "flat", "Europe/Berlin", 16, 48),
    Client("cyberdyne", "Cyberdyne", "pro", "Europe/Berlin", 14, 38),
    Client("aperture", "Aperture Labs", "pro", "America/Detroit", 12, 30),
    Client("soylent", "Soylent Foods", "flat", "Asia/Tokyo", 10, 26),
    Client("massive", "Massive Dynamic", "pro", "America/New_York", 9, 20),
    Client("vandelay", "Vandelay Industries", "starter", "America/New_York", 6, 16),
    Client("prestige", "Prestige Worldwide", "starter", "America/Los_Angeles", 5, 12),
    Client("bluth", "Bluth Company", "starter", "America/Los_Angeles", 4, 9),
    Client("dunder", "Dunder Mifflin", "starter", "America/New_York", 4, 6),
    Client("pied-piper", "Pied Piper", "starter", "America/Los_Angeles", 3, 5),
)

BOUND_CLIENT, BOUND_KEY = "acme", "a4c9e02f6b1d8357"
"""A customer with an API key of its own."""

DEVELOPERS = ("ada", "grace", "edsger", "barbara", "donald", "margaret", "alan")
TEAMS = {"ada": "core", "grace": "core", "edsger": "search", "barbara": "search", "donald": "tools",
         "margaret": "tools", "alan": "core"}  # fmt: skip
BRANCHES = ("main", "fix-login", "new-ranking", "cheaper-summaries", "upgrade-sdk", "streaming-answers")
FIRST_NAMES = (
    "alice", "bruno", "carol", "deniz", "emma", "farid", "gina", "hugo", "ines", "jonas", "kira", "leo",
    "mina", "noah", "olga", "pablo", "quinn", "rosa", "samir", "tara", "umut", "vera", "wim", "xenia",
    "yara", "zoe",
)  # fmt: skip
ERRORS = (
    # status, share of errors, the provider's own code
    (429, 55, "rate_limit_error"),
    (529, 20, "overloaded_error"),
    (500, 12, "server_error"),
    (400, 8, "invalid_request_error"),
    (404, 5, "not_found_error"),
)

# What happens in the thirty days, in days before their end.
NEW_MODEL_DAY = 11
"""`code-review` moves from `GPT` to `GPT_NEXT`."""
RUNAWAY_DAY, RUNAWAY_HOURS, RUNAWAY_TASK = 6, 5, "nightly-reindex"
"""A version of `ingest-worker` with a mistake goes round in circles for some hours."""
OUTAGE_DAY, OUTAGE_HOUR = 3, 14
"""Anthropic refuses most calls for an hour."""
CACHE_DAY, CACHE_HOURS = 2, 8
"""A change of the prompt's beginning leaves the cache of `support-chat` unused for some hours."""
