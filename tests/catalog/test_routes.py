"""What the lists of routes say: nothing hides another, and the SDKs' own routes are all stated."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from farebox import catalog
from farebox.catalog import Endpoint
from farebox.config import ProviderConfig

CATALOG = catalog.load()

_CALLED = re.compile(
    r"self\._(get|post|put|patch|delete|get_api_list)\(\s*(?:f?\"([^\"]+)\"|path_template\(\s*\"([^\"]+)\")",
    re.S,
)
"""A call of a route in an SDK's resource modules: the verb and the template of the path."""


def endpoint(provider: str, method: str, path: str) -> Endpoint:
    found = CATALOG.provider(provider)
    assert found is not None
    return found.endpoint(method, path)


def routes_of(sdk: str) -> list[tuple[str, str]]:
    """Return method and path of every route in an SDK's source, with something for each value."""
    routes: set[tuple[str, str]] = set()
    found = find_spec(sdk)
    assert found is not None and found.origin is not None
    for file in Path(found.origin).parent.joinpath("resources").rglob("*.py"):
        for verb, plain, template in _CALLED.findall(file.read_text(encoding="utf-8")):
            path = re.sub(r"\{[^}]*\}", "x1", (plain or template).partition("?")[0])
            routes.add(("GET" if verb == "get_api_list" else verb.upper(), path))
    return sorted(routes)


OPENAI = [(method, f"/v1{path}") for method, path in routes_of("openai")]
ANTHROPIC = routes_of("anthropic")


def judged(provider: str, routes: list[tuple[str, str]], *, metered: bool, free: bool) -> set[str]:
    return {
        f"{method} {path}"
        for method, path in routes
        if (found := endpoint(provider, method, path)).metered is metered and (found.free is not None) is free
    }


def test_the_routes_of_the_sdks_are_found_in_their_source() -> None:
    """Without this the tests below could pass because nothing was read."""
    assert len(OPENAI) > 300
    assert len(ANTHROPIC) > 150
    assert ("POST", "/v1/chat/completions") in OPENAI
    assert ("POST", "/v1/messages/count_tokens") in ANTHROPIC


@pytest.mark.parametrize(("provider", "routes"), [("openai", OPENAI), ("anthropic", ANTHROPIC)])
def test_every_route_of_an_sdk_is_stated(provider: str, routes: list[tuple[str, str]]) -> None:
    unstated = [route for route in routes if endpoint(provider, *route).unlisted is not None]
    assert unstated == []


@pytest.mark.parametrize(
    ("provider", "before"),
    [("claude-aws", ""), ("claude-google", "/v1/projects/p/locations/global/workspaces/w/invoke")],
)
def test_anthropics_service_behind_another_address_has_the_same_routes(provider: str, before: str) -> None:
    for method, path in ANTHROPIC:
        there, here = endpoint(provider, method, before + path), endpoint("anthropic", method, path)
        assert (there.metered, there.free, there.unlisted) == (here.metered, here.free, here.unlisted), path


def test_what_the_openai_sdk_is_charged_for_is_metered() -> None:
    assert judged("openai", OPENAI, metered=True, free=False) == {
        "POST /v1/audio/speech",
        "POST /v1/audio/transcriptions",
        "POST /v1/audio/translations",
        "POST /v1/chat/completions",
        "POST /v1/completions",
        "POST /v1/decisions",
        "POST /v1/embeddings",
        "POST /v1/images/edits",
        "POST /v1/images/generations",
        "POST /v1/images/variations",
        "POST /v1/responses",
        "POST /v1/responses/compact",
        "POST /v1/threads/runs",
        "POST /v1/threads/x1/runs",
        "POST /v1/threads/x1/runs/x1/submit_tool_outputs",
        "POST /v1/videos",
        "POST /v1/videos/edits",
        "POST /v1/videos/extensions",
        "POST /v1/videos/x1/remix",
    }


def test_what_begins_charged_work_elsewhere_is_unknown_and_not_free() -> None:
    assert judged("openai", OPENAI, metered=False, free=False) == {
        "POST /v1/agents/automations/x1/invocations",
        "POST /v1/agents/sessions",
        "POST /v1/agents/sessions/x1/events",
        "POST /v1/containers",
        "POST /v1/evals/x1/runs",
        "POST /v1/fine_tuning/alpha/graders/run",
        "POST /v1/fine_tuning/jobs",
        "POST /v1/fine_tuning/jobs/x1/resume",
        "POST /v1/live/sessions",
        "POST /v1/live/sessions/x1/accept",
        "POST /v1/live/sessions/x1/fork",
        "POST /v1/realtime/calls",
        "POST /v1/realtime/calls/x1/accept",
        "POST /v1/videos/characters",
    }
    assert judged("anthropic", ANTHROPIC, metered=False, free=False) == {
        "POST /v1/deployments/x1/run",
        "POST /v1/dreams",
        "POST /v1/sessions/x1/events",
    }


def test_what_the_anthropic_sdk_is_charged_for_is_metered() -> None:
    charged = judged("anthropic", ANTHROPIC, metered=True, free=False)
    assert charged == {"POST /v1/messages", "POST /v1/sessions"}


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        ("anthropic", "/api/event_logging/batch"),
        ("anthropic", "/api/event_logging/v2/batch"),
        ("anthropic", "/api/claude_cli_feedback"),
        ("anthropic", "/api/claude_cli/bootstrap"),
        ("anthropic", "/api/claude_code/metrics"),
        ("anthropic", "/api/oauth/claude_cli/create_api_key"),
        ("anthropic", "/v1/oauth/token"),
        ("openai", "/v1/traces/ingest"),
        ("openai", "/v1/organization/projects/p1/archive"),
        ("google", "/v1beta/corpora"),
        ("mistral", "/v1/agents"),
        ("mistral", "/v1/batch/jobs/b1/cancel"),
        ("openrouter", "/api/v1/keys"),
        ("openrouter", "/api/v1/auth/keys"),
        ("ollama", "/api/pull"),
        ("azure", "/openai/threads/t1/messages"),
        ("groq", "/openai/v1/files"),
        ("gemini-code-assist", "/v1internal:loadCodeAssist"),
        ("gemini-code-assist", "/v1internal:recordCodeAssistMetrics"),
        ("snowflake", "/queries/v1/query-request"),
        ("databricks", "/api/2.1/jobs/run-now"),
    ],
)
def test_management_and_telemetry_are_free(provider: str, path: str) -> None:
    found = endpoint(provider, "POST", path)
    assert not found.metered
    assert found.free in ("management", "telemetry", "batch_status")


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        ("minimax", "/anthropic/v1/messages"),
        ("moonshot", "/anthropic/v1/messages"),
        ("moonshot", "/coding/v1/messages"),
        ("deepseek", "/anthropic/v1/messages"),
        ("zai", "/api/anthropic/v1/messages"),
        ("alibaba", "/apps/anthropic/v1/messages"),
        ("alibaba", "/api/v2/apps/claude-code-proxy/v1/messages"),
        ("openrouter", "/api/v1/messages"),
        ("bedrock", "/anthropic/v1/messages"),
        ("azure", "/anthropic/v1/messages"),
        ("fireworks", "/inference/v1/messages"),
        ("novita", "/anthropic/v1/messages"),
        ("ollama", "/v1/messages"),
        ("local", "/v1/messages"),
        ("xai", "/v1/messages"),
        ("groq", "/openai/v1/messages"),
        ("huggingface", "/v1/messages"),
    ],
)
def test_messages_are_metered_wherever_they_are_offered(provider: str, path: str) -> None:
    found = endpoint(provider, "POST", path)
    assert found.metered
    assert found.free is None
    assert endpoint(provider, "POST", f"{path}/count_tokens").free == "token_count"


def test_a_server_of_ones_own_answers_in_both_formats() -> None:
    own = catalog.load({"my-llm": ProviderConfig(upstream="http://gpu-box:8000", speaks="openai")})
    provider = own.provider("my-llm")
    assert provider is not None
    assert provider.endpoint("POST", "/v1/messages").surface == "my-llm.messages"
    assert provider.endpoint("POST", "/v1/responses").surface == "my-llm.responses"
    assert provider.endpoint("GET", "/v1/models").free == "management"


@pytest.mark.parametrize(
    "path", ["/v1/conversations", "/v1/assistants", "/v1/skills", "/v1/agents", "/v1/threads/t1/messages"]
)
def test_what_is_free_at_openai_is_not_free_at_others_for_that(path: str) -> None:
    own = catalog.load({"my-llm": ProviderConfig(upstream="http://gpu-box:8000", speaks="openai")})
    provider = own.provider("my-llm")
    assert provider is not None
    assert endpoint("openai", "POST", path).free == "management"
    for other in (provider, CATALOG.providers["together"], CATALOG.providers["perplexity"]):
        found = other.endpoint("POST", path)
        assert (found.free, found.unlisted is not None) == (None, True)


@pytest.mark.parametrize(
    ("provider", "host", "path", "region"),
    [
        ("openai", "eu.api.openai.com", "/v1/responses", "eu"),
        ("openai", "jp.api.openai.com", "/v1/chat/completions", "jp"),
        ("openai", "ae.api.openai.com", "/v1/tea", "ae"),
        ("vertex", "aiplatform.eu.rep.googleapis.com", "/v1/publishers/google/models/g:predict", "eu"),
        ("vertex", "us-central1-aiplatform.googleapis.com", "/ws/x", "us-central1"),
        # The path says it more exactly than the host.
        ("vertex", "aiplatform.googleapis.com", "/v1/projects/p/locations/eu/endpoints/1:predict", "eu"),
        ("bedrock", "bedrock-runtime.eu-west-1.amazonaws.com", "/model/m/converse", "eu-west-1"),
        ("bedrock", "bedrock-mantle.us-east-2.api.aws", "/v1/chat/completions", "us-east-2"),
        ("xai", "eu-west-1.api.x.ai", "/v1/chat/completions", "eu-west-1"),
    ],
)
def test_host_and_path_say_where_a_call_is_served(provider: str, host: str, path: str, region: str) -> None:
    known = CATALOG.by_host(host)
    assert known is not None
    assert known.id == provider
    found = known.endpoint("POST", path, host)
    assert found.has_values
    assert found.path_values(path)["region"] == region


def test_a_host_that_names_no_region_says_nothing_about_the_place() -> None:
    for provider, host in (("openai", "api.openai.com"), ("openai", "127.0.0.1"), ("xai", "api.x.ai")):
        found = CATALOG.providers[provider].endpoint("POST", "/v1/chat/completions", host)
        assert "region" not in found.path_values("/v1/chat/completions")
    path = "/v1/projects/p/locations/LOCATION/publishers/google/models/g:generateContent"
    assert "region" not in endpoint("vertex", "POST", path).path_values(path)


def _example(template: str) -> str:
    return re.sub(r"\{\w+\*?\}", "x1", template.replace("/**", "/p").replace("*", "x"))


def test_no_route_hides_a_later_one() -> None:
    hidden: list[str] = []
    for name, provider in CATALOG.providers.items():
        seen: set[tuple[str, str]] = set()
        for entry in provider.endpoints:
            method = "POST" if entry.method == "*" else entry.method
            if not seen.isdisjoint({(entry.method, entry.path), ("*", entry.path)}):
                continue  # the provider's own word for a route of the format that it speaks
            seen.add((entry.method, entry.path))
            found = provider.endpoint(method, _example(entry.path))
            if found.free != entry.free or found.metered != (entry.format is not None):
                hidden.append(f"{name} {entry.method} {entry.path}: {found.surface}")
    assert hidden == []
