"""What real libraries send of one call is read alike."""

from __future__ import annotations

from typing import Any

import pytest
from otlp_requests import GPT, as_json, counted, emissions, events, read, span

OPENAI = {"input_uncached": 100, "cache_read": 20, "output_text": 30, "output_reasoning": 15}
WITHOUT_REASONING = {"input_uncached": 100, "cache_read": 20, "output_text": 45}
ANTHROPIC = {"input_uncached": 100, "cache_read": 50, "cache_write_other": 30, "output_text": 45}
BY_TIME = {
    "input_uncached": 100,
    "cache_read": 50,
    "cache_write_5m": 10,
    "cache_write_1h": 20,
    "output_text": 45,
}
EMBEDDING = {"input_uncached": 9}


def usage_of(library: str) -> list[tuple[str, str | None, dict[str, int]]]:
    """Return of each call by whom it was seen, which response it was, and what it used."""
    found = events(read(as_json(*emissions(library))))
    return [(each["witness"], each.get("response_id"), each["parts"][0]["usage"]) for each in found]


def test_the_anthropic_sdk_says_cache_writes_by_their_time_to_live() -> None:
    assert usage_of("anthropic") == [
        ("otlp-anthropic", "msg_1", BY_TIME),
        ("otlp-anthropic", "msg_2", BY_TIME),
    ]


def test_openinference_says_an_id_only_inside_the_response() -> None:
    found = [each for each in usage_of("openinference") if each[0] == "otlp-openinference_openai"]
    assert [each[1:] for each in found] == [
        ("chatcmpl-1", OPENAI),
        ("chatcmpl-2", OPENAI),
        ("resp_3", OPENAI),
        (None, EMBEDDING),
    ]


def test_openllmetry_drops_the_reasoning_of_streams() -> None:
    found = [each for each in usage_of("traceloop") if each[0] == "otlp-opentelemetry_openai_v1"]
    assert [each[2] for each in found] == [OPENAI, WITHOUT_REASONING, OPENAI, EMBEDDING]


def test_pydantic_ai_around_the_anthropic_sdk_is_one_call_and_its_agent_is_none() -> None:
    found = read(as_json(*emissions("pydantic")))
    assert counted(found) == {"calls": 2, "parent_totals": 3}
    assert [(each["witness"], each["agent"]) for each in events(found)] == [
        ("otlp-pydantic_ai", "support"),
        ("otlp-anthropic", "support"),
    ]


def test_openlit_leaves_cached_tokens_out_of_anthropics_input() -> None:
    found = usage_of("openlit")
    assert [each[2] for each in found if each[0] == "otlp-openlit_anthropic"] == [ANTHROPIC]
    assert found[0][2] == WITHOUT_REASONING


def test_a_chain_of_langchain_is_no_call() -> None:
    found = read(as_json(*emissions("langchain")))
    assert counted(found) == {"calls": 1, "other_spans": 2}


def test_langfuse_says_the_providers_own_usage_and_no_provider() -> None:
    (event,) = events(read(as_json(*emissions("langfuse"))))
    assert (event["provider"], event["usage"]["prompt_tokens"]) == ("openai", 120)


def attributes(**usage: Any) -> dict[str, Any]:
    base = {"gen_ai.operation.name": "chat", "gen_ai.system": "anthropic", "gen_ai.request.model": "m-1"}
    return {**base, **usage}


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        (
            {"gen_ai.usage.prompt_tokens": 10, "gen_ai.usage.completion_tokens": 4},
            {"input_uncached": 10, "output_text": 4},
        ),
        (
            {"llm.usage.prompt_tokens": 10, "llm.usage.completion_tokens": "4"},
            {"input_uncached": 10, "output_text": 4},
        ),
        (  # a cache larger than the input stands beside it
            {"gen_ai.usage.input_tokens": 3, "gen_ai.usage.cache_read_input_tokens": 100},
            {"input_uncached": 3, "cache_read": 100},
        ),
        (  # so does one that the total counts on top
            {
                "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.output_tokens": 10,
                "gen_ai.usage.total_tokens": 160,
                "gen_ai.usage.cache_read_input_tokens": 50,
            },
            {"input_uncached": 100, "cache_read": 50, "output_text": 10},
        ),
        (
            {"gen_ai.usage.input_tokens": 90, "gen_ai.usage.cache_creation_tokens": 60},
            {"input_uncached": 30, "cache_write_other": 60},
        ),
        (  # reasoning on top, as Gemini counts
            {
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 5,
                "gen_ai.usage.reasoning.output_tokens": 7,
            },
            {"input_uncached": 10, "output_text": 5, "output_reasoning": 7},
        ),
        (
            {
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.audio.input_tokens": 4,
                "gen_ai.usage.image.input_tokens": 3,
                "gen_ai.usage.output_tokens": 9,
                "gen_ai.usage.audio.output_tokens": 2,
            },
            {
                "input_uncached": 3,
                "input_audio": 4,
                "input_image": 3,
                "output_text": 7,
                "output_audio": 2,
            },
        ),
        (
            {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0},
            {"input_uncached": 0, "output_text": 0},
        ),
        (
            {"langfuse.observation.usage_details": '{"input": 7, "cache_read_input_tokens": 2, "output": 3}'},
            {"input_uncached": 7, "cache_read": 2, "output_text": 3},
        ),
    ],
)
def test_every_spelling_of_usage_becomes_leaves(said: dict[str, Any], usage: dict[str, int]) -> None:
    (event,) = events(read(as_json(span("a", attributes=attributes(**said)))))
    assert event["parts"][0]["usage"] == usage


@pytest.mark.parametrize(
    ("said", "provider"),
    [
        ({"gen_ai.system": "az.ai.openai"}, "azure"),
        ({"gen_ai.provider.name": "aws.bedrock"}, "bedrock"),
        ({"gen_ai.provider.name": "gcp.gemini"}, "google"),
        ({"gen_ai.provider.name": "gcp.vertex_ai"}, "vertex"),
        ({"ai.model.provider": "anthropic.messages"}, "anthropic"),
        ({"ai.model.provider": "google.generative-ai"}, "google"),
        ({"llm.provider": "OpenAI"}, "openai"),
        ({"gen_ai.system": "openai", "server.address": "api.deepseek.com"}, "deepseek"),
        ({"gen_ai.system": "openai", "server.address": "127.0.0.1"}, "openai"),
        ({"gen_ai.provider.name": "our-own-llm"}, "our-own-llm"),
    ],
)
def test_every_name_of_a_provider_is_known(said: dict[str, str], provider: str) -> None:
    given = {k: v for k, v in GPT.items() if k != "gen_ai.provider.name"}
    given |= {"gen_ai.request.model": "m-1", **said}
    (event,) = events(read(as_json(span("a", attributes=given))))
    assert event["provider"] == provider


def test_the_vercel_sdk_says_the_total_of_its_steps_around_each_step() -> None:
    def of_step(name: str, count: int) -> dict[str, Any]:
        said = {"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "openai.responses"}
        usage = {"ai.usage.inputTokens": count, "ai.usage.outputTokens": 5, "ai.usage.cachedInputTokens": 2}
        return span(name, parent="outer", attributes={**said, "ai.model.id": "gpt-4o", **usage})

    outer = {
        "ai.operationId": "ai.generateText",
        "ai.model.id": "gpt-4o",
        "ai.model.provider": "openai.responses",
    }
    outer_span = span(
        "outer", attributes={**outer, "ai.usage.inputTokens": 30, "ai.telemetry.metadata.userId": "u-1"}
    )
    found = read(as_json(of_step("one", 10), of_step("two", 20), outer_span))
    assert counted(found) == {"calls": 2, "parent_totals": 1}
    assert [each["parts"][0]["usage"]["input_uncached"] for each in events(found)] == [8, 18]


def test_a_services_name_is_found_out_and_an_app_is_stated() -> None:
    (event,) = events(read(as_json(span("a"), resource={"service.name": "shop"})))
    assert (event["app"], event["attribution_from"]) == ("shop", {"app": "process:service.name"})
    (event,) = events(read(as_json(span("a"), resource={"service.name": "shop", "farebox.app": "till"})))
    assert event["app"] == "till"
    assert "attribution_from" not in event


def test_names_of_people_and_agents_come_with_a_call() -> None:
    said = {
        **GPT,
        "gen_ai.conversation.id": "s-1",
        "enduser.id": "u-1",
        "farebox.customer": "acme",
        "gen_ai.agent.name": "writer",
        "gen_ai.request.max_tokens": 99,
        "gen_ai.response.time_to_first_chunk": 0.25,
        "traceloop.association.properties.plan": "pro",
        "gen_ai.usage.cost": 0.000725,
    }
    (event,) = events(read(as_json(span("a", attributes=said))))
    assert (event["session"], event["user"], event["customer"], event["agent"]) == (
        "s-1",
        "u-1",
        "acme",
        "writer",
    )
    assert (event["max_tokens"], event["first_byte_us"], event["tags"]) == (99, 250_000, {"plan": "pro"})
    assert "provider_cost_usd" not in event["parts"][0], "money of others is not what a call costs"
    assert '"gen_ai.usage.cost":"0.000725"' in event["raw_usage"]
