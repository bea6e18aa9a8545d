"""What calls can cost at most, worked out by hand beside what the worst case says."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from farebox import catalog, yamltext
from farebox.budgets.budget import Budget, Period
from farebox.budgets.worst_case import WorstCase, WorstCases, claim_of
from farebox.charges.customer_terms import CustomerTerms
from farebox.charges.models import CostPlus
from farebox.charges.plan import Charge, Plan, Subscription
from farebox.pricing import load_book
from farebox.pricing.book import PriceBook
from farebox.pricing.highest_prices import ROUNDING_PICO
from farebox.pricing.model_limits import load_limits
from farebox.wire.meter import Meter
from farebox.wire.request import RequestFacts
from farebox.wire.request_limits import LimitKeys, RequestKind, RequestLimits

NOW = 1_795_910_400 * 10**9  # 2026-11-29
LOADED = catalog.load()
assert LOADED.request_limits is not None
RULES = LOADED.request_limits
KEYS = LimitKeys(RULES)
DAY = Period("day")

Ask = Callable[..., WorstCase]


BOOK = load_book()


@pytest.fixture
def worst_cases() -> WorstCases:
    return WorstCases(BOOK, RULES, load_limits())


def request(
    worst_cases: WorstCases,
    provider: str,
    path: str,
    body: dict[str, Any] | bytes,
    *,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    attribution: dict[str, str] | None = None,
    at_ns: int = NOW,
) -> tuple[WorstCase, int]:
    """Return the worst case of a request, and how many bytes its body has."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    known = LOADED.provider(provider)
    assert known is not None
    endpoint = known.endpoint("POST", path)
    meter = Meter(endpoint, path, "", [(b"content-type", b"application/json"), *headers])
    meter.read_limits(KEYS)
    meter.request_body(text)
    facts = meter.request_end()
    worst = worst_cases.of(
        endpoint, endpoint.path_values(path), facts, at_ns=at_ns, attribution=attribution, path=path
    )
    return worst, len(text)


def pico(input_tokens: int, per_million_in: str, output_tokens: int, per_million_out: str) -> int:
    """Return what tokens cost at prices per million, and what rounding may add."""
    total = input_tokens * Decimal(per_million_in) + output_tokens * Decimal(per_million_out)
    return int(total * 10**6) + ROUNDING_PICO


ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "hello"}]}


def test_a_chat_is_bounded_by_its_bytes_and_its_max_tokens(worst_cases: WorstCases) -> None:
    worst, size = request(
        worst_cases,
        "anthropic",
        "/v1/messages",
        {"model": "claude-sonnet-4-5", "max_tokens": 1000, **ASKED},
    )
    assert worst == WorstCase(cost := pico(size + RULES.text_added, "3", 1000, "15"), cost)


def test_a_call_without_max_tokens_is_bounded_by_its_models_limit(worst_cases: WorstCases) -> None:
    worst, size = request(
        worst_cases, "google", "/v1beta/models/gemini-2.5-flash:generateContent", {"contents": []}
    )
    assert worst.because == ()
    limits = load_limits().of(["google"], ["gemini-2.5-flash"])
    assert limits.is_known and limits.output == 65536
    assert worst.cost_pico == pico(size + RULES.text_added, "0.3", limits.output, "2.5")


def test_input_is_never_more_than_the_context_window(worst_cases: WorstCases) -> None:
    worst, size = request(
        worst_cases,
        "anthropic",
        "/v1/messages",
        {
            "model": "claude-opus-4-1",
            "max_tokens": 1,
            "messages": [{"role": "user", "content": "x" * 900_000}],
        },
    )
    assert size > 200_000
    assert worst.cost_pico == pico(200_000, "15", 1, "75")


def test_an_unpriced_model_is_blocked_or_counted_at_a_ceiling_or_allowed_and_never_counted_zero(
    worst_cases: WorstCases,
) -> None:
    """AT-C2."""
    worst, size = request(
        worst_cases, "anthropic", "/v1/messages", {"model": "a-model-of-tomorrow", "max_tokens": 100, **ASKED}
    )
    assert worst.because == ("no_price",) and not worst.is_priced
    default = Budget(name="b", limit_pico=10**12, period=DAY)
    assert default.unpriced == "ceiling"
    claim = claim_of(worst, default)
    assert claim.amount_pico == worst.cost_pico and not claim.is_blocked
    every = [
        request(worst_cases, "anthropic", "/v1/messages", {"model": model, "max_tokens": 100, **ASKED})[0]
        for model in load_book().models("anthropic")
    ]
    assert claim.amount_pico >= max(each.cost_pico or 0 for each in every if not each.because)
    assert claim.amount_pico > size * 10**6, "more than a dollar per million bytes"
    stated = Budget(name="b", limit_pico=10**12, period=DAY, ceiling_pico=5 * 10**10)
    assert claim_of(worst, stated).amount_pico == 5 * 10**10
    blocking = Budget(name="b", limit_pico=10**12, period=DAY, unpriced="block")
    assert claim_of(worst, blocking).is_blocked
    allowing = Budget(name="b", limit_pico=10**12, period=DAY, unpriced="allow")
    assert not claim_of(worst, allowing).is_blocked and claim_of(worst, allowing).may_pass


def anthropic(
    worst_cases: WorstCases, model: str = "claude-sonnet-4-5", **more: Any
) -> tuple[WorstCase, int]:
    headers = more.pop("headers", ())
    body = {"model": model, "max_tokens": 1000, **ASKED, **more}
    return request(worst_cases, "anthropic", "/v1/messages", body, headers=headers)


def chat(worst_cases: WorstCases, model: str = "gpt-4o-mini", **more: Any) -> tuple[WorstCase, int]:
    body = {"model": model, "max_completion_tokens": 1000, **ASKED, **more}
    return request(worst_cases, "openai", "/v1/chat/completions", body)


CACHED = [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]
HOUR = [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]


def test_cache_writes_count_only_where_the_request_can_cause_them(worst_cases: WorstCases) -> None:
    added = RULES.text_added
    for system, rate in (([], "3"), (CACHED, "3.75"), (HOUR, "6")):
        worst, size = anthropic(worst_cases, system=system)
        assert worst.because == ()
        assert worst.cost_pico == pico(size + added, rate, 1000, "15")


def test_the_band_that_the_input_can_reach_is_what_all_of_it_costs(worst_cases: WorstCases) -> None:
    """Claude Sonnet 4.5 reads more than 200,000 tokens only where the request asks for it."""
    long = [{"role": "user", "content": "x" * 250_000}]
    wide = ((b"anthropic-beta", b"context-1m-2025-08-07"),)
    usual, _ = anthropic(worst_cases, messages=long)
    assert usual.cost_pico == pico(200_000, "3", 1000, "15")
    widened, size = anthropic(worst_cases, messages=long, headers=wide)
    assert widened.cost_pico == pico(size + RULES.text_added, "6", 1000, "22.5")
    short, size = anthropic(worst_cases, headers=wide)
    assert short.cost_pico == pico(size + RULES.text_added, "3", 1000, "15")


def test_the_service_tier_that_is_asked_for_or_that_the_project_may_be_set_to_counts(
    worst_cases: WorstCases,
) -> None:
    """https://openai.com/api-priority-processing: GPT-5 costs twice as much with priority."""
    standard, size = chat(worst_cases, "gpt-5", service_tier="default")
    assert standard.cost_pico == pico(size + RULES.text_added, "1.25", 1000, "10")
    for tier in ("priority", "auto"):
        worst, size = chat(worst_cases, "gpt-5", service_tier=tier)
        assert worst.cost_pico == pico(size + RULES.text_added, "2.5", 1000, "20")
    unsaid, size = chat(worst_cases, "gpt-5")
    assert unsaid.cost_pico == pico(size + RULES.text_added, "2.5", 1000, "20")


def test_fast_mode_counts_where_it_is_asked_for(worst_cases: WorstCases) -> None:
    slow, size = anthropic(worst_cases, "claude-opus-4-8")
    assert slow.cost_pico == pico(size + RULES.text_added, "5.5", 1000, "27.5"), (
        "a workspace may be in the US"
    )
    fast, size = anthropic(worst_cases, "claude-opus-4-8", speed="fast", inference_geo="global")
    assert fast.cost_pico == pico(size + RULES.text_added, "10", 1000, "50")


def test_a_region_that_costs_more_counts_where_the_call_goes_there(worst_cases: WorstCases) -> None:
    def at(location: str) -> int:
        model = "publishers/google/models/gemini-3-flash-preview"
        path = f"/v1/projects/p/locations/{location}/{model}:generateContent"
        return request(worst_cases, "vertex", path, {"contents": []})[0].cost_pico or 0

    assert at("europe-west4") == -(-(at("global") - ROUNDING_PICO) * 11 // 10) + ROUNDING_PICO


def test_each_response_that_is_asked_for_may_be_as_long(worst_cases: WorstCases) -> None:
    one, size = chat(worst_cases, service_tier="default")
    four, larger = chat(worst_cases, service_tier="default", n=4)
    assert one.cost_pico == pico(size + RULES.text_added, "0.15", 1000, "0.6")
    assert four.cost_pico == pico(larger + RULES.text_added, "0.15", 4000, "0.6")


def test_a_picture_takes_a_context_window_at_most(worst_cases: WorstCases) -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    worst, _ = chat(worst_cases, service_tier="default", messages=[{"role": "user", "content": [picture]}])
    assert worst.because == ("media",) and worst.is_bound
    assert worst.cost_pico == pico(128_000, "0.15", 1000, "0.6")


@pytest.mark.parametrize(
    ("provider", "path", "more"),
    [
        ("openai", "/v1/responses", {"previous_response_id": "resp_1", "max_output_tokens": 10}),
        ("openai", "/v1/responses", {"conversation": "conv_1", "max_output_tokens": 10}),
        ("google", "/v1beta/models/gemini-2.5-flash:generateContent", {"cachedContent": "cachedContents/1"}),
    ],
)
def test_input_that_is_elsewhere_takes_a_context_window_at_most(
    worst_cases: WorstCases, provider: str, path: str, more: dict[str, Any]
) -> None:
    named = {"model": "gpt-4.1-mini"} if provider == "openai" else {"contents": []}
    usual, _ = request(worst_cases, provider, path, named)
    worst, _ = request(worst_cases, provider, path, {**named, **more})
    assert usual.because == () and worst.because and worst.is_bound
    assert (worst.cost_pico or 0) > 1_000_000 * 10**5, "a million tokens at ten cents a million or more"


def test_what_the_provider_does_by_itself_is_a_ceiling_that_is_said_to_be_none(
    worst_cases: WorstCases,
) -> None:
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}
    worst, _ = anthropic(worst_cases, tools=[tool])
    assert worst.because == ("web_search_20250305", "calls_web_search") and not worst.is_bound
    searches = RULES.most["calls_web_search"] * 10**10
    assert worst.cost_pico == pico(200_000, "3", 1000, "15") + searches
    budget = Budget(name="b", limit_pico=10**14, period=DAY)
    assert claim_of(worst, budget).may_pass and claim_of(worst, budget).amount_pico == worst.cost_pico


def test_a_tool_of_the_client_leaves_the_bound_alone(worst_cases: WorstCases) -> None:
    tool = {"name": "read_file", "input_schema": {"type": "object", "properties": {}}}
    worst, size = anthropic(worst_cases, tools=[tool])
    assert worst.because == ()
    assert worst.cost_pico == pico(size + RULES.text_added_with_tools, "3", 1000, "15")


@pytest.mark.parametrize(
    ("provider", "method", "path", "because"),
    [
        ("openai", "POST", "/v1/batches", "works_later"),
        ("anthropic", "POST", "/v1/messages/batches", "works_later"),
        ("google", "POST", "/v1beta/models/gemini-2.5-flash:batchGenerateContent", "works_later"),
        ("openai", "GET", "/v1/realtime", "socket"),
        ("openai", "GET", "/v1/responses", "socket"),
        (
            "google",
            "GET",
            "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
            "socket",
        ),
    ],
)
def test_where_nothing_bounds_a_call_a_ceiling_blocks(
    worst_cases: WorstCases, provider: str, method: str, path: str, because: str
) -> None:
    known = LOADED.provider(provider)
    assert known is not None
    endpoint = known.endpoint(method, path)
    worst = worst_cases.of(endpoint, {}, RequestFacts(), at_ns=NOW, method=method, path=path)
    assert worst == WorstCase(None, None, (because,), is_bound=False)
    for unpriced, is_blocked in (("ceiling", True), ("block", True), ("allow", False)):
        budget = Budget(name="b", limit_pico=10**12, period=DAY, unpriced=unpriced)
        assert claim_of(worst, budget).is_blocked == is_blocked


@pytest.mark.parametrize(
    ("provider", "method", "path"),
    [
        ("openai", "POST", "/v1/realtime/client_secrets"),
        ("openai", "POST", "/v1/realtime/sessions"),
        ("openai", "POST", "/v1/chatkit/sessions"),
        ("openai", "PUT", "/v1/batches/b1"),
        ("azure", "POST", "/openai/v1/realtime/client_secrets"),
        ("xai", "POST", "/v1/realtime/client_secrets"),
        ("google", "POST", "/v1alpha/auth_tokens"),
        ("anthropic", "PATCH", "/v1/sessions/s1"),
    ],
)
def test_what_lets_others_call_later_costs_nothing_now_and_is_no_free_call(
    worst_cases: WorstCases, provider: str, method: str, path: str
) -> None:
    known = LOADED.provider(provider)
    assert known is not None
    endpoint = known.endpoint(method, path)
    worst = worst_cases.of(endpoint, {}, RequestFacts(), at_ns=NOW, method=method, path=path)
    assert worst == WorstCase(0, 0, ("grants_calls",), is_bound=False)


@pytest.mark.parametrize(
    ("provider", "method", "path"),
    [
        ("openai", "GET", "/v1/models"),
        ("openai", "GET", "/v1/batches/batch_1"),
        ("openai", "POST", "/v1/batches/batch_1/cancel"),
        ("anthropic", "POST", "/v1/messages/count_tokens"),
        ("google", "POST", "/v1beta/models/gemini-2.5-flash:countTokens"),
        ("ollama", "POST", "/api/chat"),
        ("openai", "GET", "/v1/chatkit/threads"),
        ("openai", "DELETE", "/v1/chatkit/threads/t1"),
        ("openai", "OPTIONS", "/v1/realtime/client_secrets"),
        ("openai", "POST", "/v1/chatkit/sessions/s1/cancel"),
        ("anthropic", "DELETE", "/v1/sessions/s1"),
    ],
)
def test_what_costs_nothing_holds_nothing(
    worst_cases: WorstCases, provider: str, method: str, path: str
) -> None:
    known = LOADED.provider(provider)
    assert known is not None
    endpoint = known.endpoint(method, path)
    facts = RequestFacts(request_model="llama3", limits=RequestLimits(RequestKind(), 100))
    assert worst_cases.of(endpoint, {}, facts, at_ns=NOW, method=method, path=path) == WorstCase(0, 0)


def test_an_embedding_of_many_texts_is_bounded_by_its_bytes_not_by_a_window(worst_cases: WorstCases) -> None:
    body = {"model": "text-embedding-3-small", "input": ["x" * 10_000] * 20}
    worst, size = request(worst_cases, "openai", "/v1/embeddings", body)
    assert worst.because == () and size > 200_000
    assert worst.cost_pico == pico(size + RULES.text_added, "0.02", 0, "0")


def test_a_request_that_is_not_understood_takes_everything_it_could_ask_for(worst_cases: WorstCases) -> None:
    worst, _ = request(worst_cases, "openai", "/v1/chat/completions", b"{broken")
    assert "body_not_read" in worst.because and not worst.is_bound
    assert (worst.cost_pico or 0) > 10**14, "a hundred dollars: nobody knows the model"


def test_the_name_of_a_deployment_costs_what_served_it(worst_cases: WorstCases) -> None:
    path = "/openai/deployments/our-own-name/chat/completions"
    body = {"max_tokens": 100, **ASKED}
    before, _ = request(worst_cases, "azure", path, body)
    assert before.because == ("no_price",)
    worst_cases.served("azure", "our-own-name", "gpt-4.1-mini-2025-04-14")
    after, size = request(worst_cases, "azure", path, body)
    assert after.because == () and (after.cost_pico or 0) < (before.cost_pico or 0)
    assert after.cost_pico == pico(size + RULES.text_added, "0.4", 100, "1.6")


def test_an_alias_costs_what_the_most_expensive_model_behind_it_does(worst_cases: WorstCases) -> None:
    before, _ = chat(worst_cases, "gpt-4o-mini", service_tier="default")
    worst_cases.served("openai", "gpt-4o-mini", "gpt-4o-2024-08-06")
    after, size = chat(worst_cases, "gpt-4o-mini", service_tier="default")
    assert after.cost_pico == pico(size + RULES.text_added, "2.5", 1000, "10")
    assert (before.cost_pico or 0) < (after.cost_pico or 0)


def test_a_call_of_a_known_kind_looks_no_price_up(
    worst_cases: WorstCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = anthropic(worst_cases, "claude-haiku-4-5")
    monkeypatch.setattr(PriceBook, "plan_of", None)
    again, _ = anthropic(worst_cases, "claude-haiku-4-5")
    assert again == first
    longer, _ = anthropic(worst_cases, "claude-haiku-4-5", system="x" * 1000)
    assert (longer.cost_pico or 0) > (first.cost_pico or 0)


def test_prices_that_change_are_followed(worst_cases: WorstCases) -> None:
    """GPT-5's list has rows for later dates: a kind of call is worked out again when one comes into force."""
    model = "deepseek-v4-flash"

    def at(hour: int) -> int:
        moment = NOW + (24 + hour) * 3600 * 10**9  # a Monday
        body = {"model": model, "max_tokens": 1000, **ASKED}
        worst, _ = request(worst_cases, "deepseek", "/chat/completions", body, at_ns=moment)
        return worst.cost_pico or 0

    quiet, peak = at(0), at(2)
    assert peak - ROUNDING_PICO == 2 * (quiet - ROUNDING_PICO), "peak hours of a weekday cost twice as much"
    assert at(5) == quiet


def test_what_has_served_a_name_is_kept_when_prices_or_budgets_change(worst_cases: WorstCases) -> None:
    worst_cases.served("openai", "gpt-4o-mini", "gpt-4o-2024-08-06")
    after = WorstCases(BOOK, RULES, load_limits(), worst_cases)
    dear, _ = chat(after, "gpt-4o-mini", service_tier="default")
    assert dear == chat(worst_cases, "gpt-4o-mini", service_tier="default")[0]
    cheap, _ = chat(WorstCases(BOOK, RULES, load_limits()), "gpt-4o-mini", service_tier="default")
    assert (cheap.cost_pico or 0) < (dear.cost_pico or 0)


def whose(terms: CustomerTerms, customer: str) -> dict[str, str]:
    return terms.whose({"customer": customer}, {}, None, NOW)[0]


def test_a_customers_charge_is_bounded_beside_the_cost() -> None:
    plan = Plan(
        name="pro", charges=(Charge(name="c", meter="cost", model=CostPlus(markup_percent=Decimal(50))),)
    )
    on_it = Subscription(id="s", customer="acme", plan="pro", version=0, start=date(2020, 1, 1))
    terms = CustomerTerms((), (), (plan,), (on_it,))
    worst_cases = WorstCases(load_book(), RULES, load_limits(), terms=terms)
    body = {"model": "claude-sonnet-4-5", "max_tokens": 1000, **ASKED}
    acme, size = request(worst_cases, "anthropic", "/v1/messages", body, attribution=whose(terms, "acme"))
    other, _ = request(worst_cases, "anthropic", "/v1/messages", body, attribution=whose(terms, "else"))
    cost = pico(size + RULES.text_added, "3", 1000, "15")
    assert other == WorstCase(cost, cost)
    assert acme.cost_pico == cost
    assert acme.charge_pico is not None and 0 <= acme.charge_pico - cost * 3 // 2 <= 4
    by_price = Budget(name="b", limit_pico=10**12, period=DAY, measure="price")
    assert claim_of(acme, by_price).amount_pico == acme.charge_pico


def test_limits_that_the_user_states_bound_a_model_of_his_own() -> None:
    prices = "input_per_1m: 3, output_per_1m: 15, context_window: 200000, max_output_tokens: 32000"
    written, problems = yamltext.parse(f"anthropic/my-llm: {{{prices}}}", "farebox.yaml")
    assert written is not None and not problems
    stated = WorstCases(load_book(written), RULES, load_limits())
    long = {"model": "my-llm", "messages": [{"role": "user", "content": "x" * 300_000}]}
    worst, _ = request(stated, "anthropic", "/v1/messages", long)
    assert worst.because == () and worst.cost_pico == pico(200_000, "3", 32_000, "15")


@pytest.mark.parametrize(
    ("provider", "path", "stated", "is_heeded"),
    [
        ("openai", "/v1/chat/completions", {"max_tokens": 5}, True),
        ("openai", "/v1/chat/completions", {"max_completion_tokens": 5}, True),
        ("openai", "/v1/chat/completions", {"max_output_tokens": 5}, False),
        ("openai", "/v1/responses", {"max_output_tokens": 5}, True),
        ("openai", "/v1/responses", {"max_tokens": 5}, False),
        ("anthropic", "/v1/messages", {"max_tokens": 5}, True),
        ("anthropic", "/v1/messages", {"max_output_tokens": 5}, False),
        ("bedrock", "/model/amazon.nova-lite-v1:0/converse", {"inferenceConfig": {"maxTokens": 5}}, True),
        ("bedrock", "/model/amazon.nova-lite-v1:0/converse", {"max_tokens": 5}, False),
    ],
)
def test_only_a_length_that_the_route_understands_bounds_a_response(
    worst_cases: WorstCases, provider: str, path: str, stated: dict[str, Any], is_heeded: bool
) -> None:
    named = {"openai": {"model": "gpt-4o"}, "anthropic": {"model": "claude-sonnet-4-5"}}.get(provider, {})
    bare, _ = request(worst_cases, provider, path, {**named, **ASKED})
    worst, _ = request(worst_cases, provider, path, {**named, **ASKED, **stated})
    assert bare.because == worst.because == ()
    assert ((worst.cost_pico or 0) < (bare.cost_pico or 0) // 20) == is_heeded
