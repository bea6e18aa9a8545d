"""Calls that a subscription pays for: seen with usage and list value, counted as included, login unkept."""

from __future__ import annotations

import json

import msgspec
import pytest
from proxy_harness import Reply, Request, mock, serving

from farebox import catalog
from farebox.pricing import load_book
from farebox.pricing.facts import RatedPart

ACCESS = "eyJhbGciOiJSUzI1NiJ9." + "cQ7x" * 40
LOGIN = "sk-ant-oat01-" + "4fJ9" * 20
JSON = "Content-Type: application/json"
USAGE = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
COMPLETED = {"type": "response.completed", "response": {"id": "r", "model": "gpt-5", "usage": USAGE}}
MESSAGE = {"id": "m", "model": "claude-sonnet-4-5", "usage": {"input_tokens": 1000, "output_tokens": 100}}
GEMINI = {"response": {
    "modelVersion": "gemini-2.5-pro", "candidates": [{"finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100},
}}  # fmt: skip


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def call(
    provider: str, path: str, model: str, answer: Reply, *headers: str
) -> tuple[RatedPart, list[bytes]]:  # fmt: skip
    """Send one call; return what it cost and all that is recorded of it."""

    def respond(request: Request) -> Reply:
        return answer

    with serving(respond, provider=provider) as (upstream, proxy), proxy.connect() as client:
        body = json.dumps({"model": model, "stream": answer.framing == "chunked"}).encode()
        assert client.post(f"/{provider}{path}", body, JSON, *headers).status == 200
        (done,) = proxy.settled(1)
        for header in headers:
            name, _, value = header.partition(": ")
            assert upstream.requests[0].header(name.lower()) == value, "the login passes untouched"
    (part,) = done.extraction.parts
    assert (part.input_tokens, part.output_tokens) == (1000, 100)
    rated = load_book(None).rate(
        part,
        occurred_at_ns=done.occurred_at_ns,
        completeness=done.extraction.completeness,
        billable=done.extraction.billable,
    )
    return rated, [msgspec.json.encode(record) for _, record in proxy.journal.entries]


@pytest.mark.parametrize(
    ("provider", "path", "model", "answer", "headers"),
    [
        ("chatgpt", "/backend-api/codex/responses", "gpt-5", mock.sse_reply([event(COMPLETED)]),
         (f"Authorization: Bearer {ACCESS}", "ChatGPT-Account-Id: 3f2c-account")),
        ("anthropic", "/v1/messages", "claude-sonnet-4-5", mock.json_reply(MESSAGE),
         (f"Authorization: Bearer {LOGIN}",)),
        ("gemini-code-assist", "/v1internal:streamGenerateContent", "gemini-2.5-pro",
         mock.sse_reply([event(GEMINI)]), (f"Authorization: Bearer {ACCESS}",)),
    ],
    ids=["Codex", "Claude Code", "Gemini CLI"],
)  # fmt: skip
def test_what_a_subscription_pays_has_a_list_value_and_costs_nothing_more(
    provider: str, path: str, model: str, answer: Reply, headers: tuple[str, ...]
) -> None:
    rated, recorded = call(provider, path, model, answer, *headers)
    assert (rated.cost_state, rated.reason, rated.cost_pico) == ("included", "subscription", 0)
    assert rated.list_cost_pico
    kept = b"".join(recorded)
    assert b"eyJ" not in kept and b"oat01" not in kept and b"3f2c" not in kept


@pytest.mark.parametrize(
    ("key", "claim"),
    [("sk-ant-api03-key", "five_hour"), (LOGIN, "overage")],
    ids=["an API key", "extra usage of a subscription"],
)
def test_what_a_subscription_does_not_pay_costs_its_price(key: str, claim: str) -> None:
    limit = (b"anthropic-ratelimit-unified-representative-claim", claim.encode())
    answer = mock.json_reply(MESSAGE, headers=(limit,))
    rated, _ = call("anthropic", "/v1/messages", "claude-sonnet-4-5", answer, f"Authorization: Bearer {key}")
    assert (rated.cost_state, rated.cost_pico) == ("priced", rated.list_cost_pico)
    assert rated.cost_pico


def test_an_account_of_chatgpt_is_told_by_its_name_and_not_by_a_token_that_changes() -> None:
    def respond(request: Request) -> Reply:
        return mock.sse_reply([event(COMPLETED)])

    with serving(respond, provider="chatgpt") as (_, proxy), proxy.connect() as client:
        for token in ("first", "second"):
            client.post(
                "/chatgpt/backend-api/codex/responses", b'{"model": "gpt-5", "stream": true}', JSON,
                f"Authorization: Bearer {token}", "ChatGPT-Account-Id: 3f2c-account",
            )  # fmt: skip
        assert len({done.key_fingerprint for done in proxy.settled(2)}) == 1


@pytest.mark.parametrize(
    ("method", "path", "free"),
    [
        ("POST", "/backend-api/codex/analytics-events/events", "telemetry"),
        ("POST", "/backend-api/conversation", "management"),
        ("GET", "/backend-api/wham/usage", "management"),
        ("POST", "/backend-api/codex/something/new", None),
    ],
)
def test_of_chatgpts_host_only_codex_is_an_api_of_models(method: str, path: str, free: str | None) -> None:
    provider = catalog.load().by_host("chatgpt.com")
    assert provider is not None
    assert provider.endpoint(method, path).free == free
