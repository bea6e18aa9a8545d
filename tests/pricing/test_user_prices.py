from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from price_books import SOURCE, ns

from farebox import yamltext
from farebox.pricing import check_pricing, load_book
from farebox.pricing.book import PriceBook
from farebox.pricing.facts import RatedPart
from farebox.pricing.sources.user_prices import read_pricing
from farebox.wire.facts import Part, Quantity

Make = Callable[..., PriceBook]

ISSUE = """
gpt-4o:
  per_token: 0.000005
  markup: 1.2 # 20% margin
claude-3.5:
  per_token: 0.000003
  markup: 1.5
"""

OPENAI = f"""
provider: openai
models:
  - id: gpt-4o
    match: {{equals: gpt-4o}}
    prices: [{{id: openai/gpt-4o/ever, per_1m: {{input: "2.5", cache_read: "1.25", output: "10"}}, {SOURCE}}}]
  - id: gpt-4o-mini
    match: {{starts_with: gpt-4o-mini}}
    prices: [{{id: openai/gpt-4o-mini/ever, per_1m: {{input: "0.15", output: "0.6"}}, {SOURCE}}}]
"""


def rate(
    book: PriceBook,
    model: str,
    quantities: dict[str, Quantity] | None = None,
    *,
    provider: str = "openai",
    at: str = "2026-05-01",
    requested: str | None = None,
    stated: str | None = None,
    **facts: str,
) -> RatedPart:
    part = Part(
        provider=provider,
        response_model=model,
        request_model=requested,
        quantities=quantities or {"input_uncached": 1000},
        facts=facts,
        provider_cost_usd=Decimal(stated) if stated else None,
    )
    return book.rate(part, occurred_at_ns=ns(at), completeness="final", billable=True)


def test_the_simplest_pricing_works_as_it_is_written() -> None:
    node, _ = yamltext.parse(ISSUE, "farebox.yaml")
    book = load_book(node)
    rated = rate(book, "gpt-4o-2024-08-06", {"input_uncached": 900_000, "output_text": 100_000})
    # 1,000,000 tokens × 0.000005 = $5, and × 1.2 = $6 for the customer
    assert (rated.cost_pico, rated.charge_pico) == (5 * 10**12, 6 * 10**12)
    assert rated.markup == Decimal("1.2")
    assert {line.price_source for line in rated.lines} == {"user"}
    claude = rate(book, "claude-3-5-sonnet-20241022", {"output_text": 1234}, provider="anthropic")
    assert (claude.cost_pico, claude.charge_pico) == (3_702_000_000, 5_553_000_000)


@pytest.mark.parametrize(
    ("model", "means"),
    [
        ("gpt-4o", True),
        ("GPT-4o", True),
        ("gpt-4o-2024-08-06", True),
        ("gpt-4o-20240806", True),
        ("gpt-4o-latest", True),
        ("gpt-4o-mini", False),
        ("gpt-4o-mini-2024-07-18", False),
        ("gpt-4o-audio-preview", False),
        ("gpt-4", False),
        ("ft:gpt-4o:acme", False),
    ],
)
def test_a_model_key_means_the_model_and_its_snapshots_only(book_of: Make, model: str, means: bool) -> None:
    book = book_of({"openai": OPENAI}, user="gpt-4o: {per_token: 0.000005}")
    lines = rate(book, model).lines
    assert (lines[0].price_id == "user/gpt-4o/ever#input") is means


def test_a_key_no_model_is_named_after_means_the_family(book_of: Make) -> None:
    book = book_of({"openai": OPENAI}, user="claude-3.5: {per_1m: 3}")
    for model in ("claude-3-5-sonnet-20241022", "claude-3.5-haiku", "Claude_3.5"):
        assert rate(book, model, provider="anthropic").cost_state == "priced"
    assert rate(book, "claude-3-50", provider="anthropic").cost_state == "unpriced"
    assert rate(book, "claude-3-opus", provider="anthropic").cost_state == "unpriced"


def test_a_model_the_catalog_knows_is_never_a_family_with_any_provider(book_of: Make) -> None:
    book = book_of({"openai": OPENAI}, user="gpt-4o: {per_token: 0.000005}")
    assert rate(book, "gpt-4o-mini", provider="my-gateway").cost_state == "unpriced"


def test_a_key_can_name_the_provider(book_of: Make) -> None:
    book = book_of({"openai": OPENAI}, user="my-llm/llama: {input_per_1m: 1, output_per_1m: 2}")
    assert rate(book, "llama", provider="my-llm").cost_pico == 10**9
    assert rate(book, "llama", provider="other").cost_state == "unpriced"


def test_the_closest_key_wins(book_of: Make) -> None:
    user = """
    "*": {markup: 1.1}
    my-llm/*: {per_token: 0}
    llama: {per_1m: 1}
    my-llm/llama-70b: {per_1m: 2}
    """
    book = book_of({}, user=user)
    assert rate(book, "llama-70b", provider="my-llm").lines[0].price_id == "user/my-llm/llama-70b/ever#input"
    assert rate(book, "llama-8b", provider="my-llm").lines[0].price_id == "user/llama/ever#input"
    assert rate(book, "mistral", provider="my-llm").cost_state == "free"
    assert rate(book, "llama-8b", provider="my-llm").charge_pico == 1_100_000_000


def test_prices_can_be_written_in_every_usual_way(book_of: Make) -> None:
    ways = (
        "{input_per_1m: 2.50, output_per_1m: 10}",
        "{input_per_1M: 2.50, output_per_1m: 10}",
        "{input_per_1k: 0.0025, output_per_1k: 0.01}",
        "{input_per_token: 0.0000025, output_per_token: 1e-5}",
        "{per_1m: {input: 2.50, output: 10}}",
        "{input: {per_1m: 2.50}, output: {per_token: 0.00001}}",
        "{input: 2.50, output: 10, per: 1m}",
        "{prompt_per_1m: 2.50, completion_per_1m: 10}",
    )
    for way in ways:
        book = book_of({}, user=f"x: {way}")
        rated = rate(book, "x", {"input_uncached": 4, "output_text": 1}, provider="my-llm")
        assert rated.cost_pico == 20_000_000, way


def test_other_units_have_prices_too(book_of: Make) -> None:
    user = (
        "x: {per_1m: {input: 1}, web_search_per_call: 0.01, audio_seconds_per_hour: 0.36, per_1k: {pages: 2}}"
    )
    book = book_of({}, user=user)
    quantities: dict[str, Quantity] = {"calls_web_search": 2, "audio_seconds": Decimal("10"), "pages": 3}
    rated = rate(book, "x", quantities, provider="my-llm")
    assert [line.amount_pico for line in rated.lines] == [20_000_000_000, 1_000_000_000, 6_000_000_000]


def test_one_rate_for_all_tokens_gives_way_to_a_rate_of_its_own(book_of: Make) -> None:
    book = book_of({}, user="x: {per_1m: 1, output_per_1m: 5}")
    quantities: dict[str, Quantity] = {"input_uncached": 1, "cache_read": 1, "output_text": 1}
    amounts = [line.amount_pico for line in rate(book, "x", quantities, provider="my-llm").lines]
    assert amounts == [1_000_000, 1_000_000, 5_000_000]


def test_what_the_user_does_not_price_keeps_its_list_price(book_of: Make) -> None:
    book = book_of({"openai": OPENAI}, user="gpt-4o: {input_per_1m: 2, output_per_1m: 8}")
    quantities: dict[str, Quantity] = {"input_uncached": 1, "cache_read": 1, "output_text": 1}
    lines = rate(book, "gpt-4o", quantities).lines
    assert [(line.price_source, line.amount_pico) for line in lines] == [
        ("user", 2_000_000),
        ("genai-prices", 1_250_000),
        ("user", 8_000_000),
    ]


def test_dated_prices_apply_from_their_date_and_the_list_before(book_of: Make) -> None:
    user = """
    gpt-4o:
      - {effective_from: 2026-03-01, per_1m: 2, markup: 1.5}
      - {effective_from: 2026-06-01T12:00:00+02:00, per_1m: 1}
    """
    book = book_of({"openai": OPENAI}, user=user)
    ids = [
        rate(book, "gpt-4o", at=at).lines[0].price_id
        for at in ("2026-02-28T23:59:59", "2026-03-01", "2026-06-01T09:59:59", "2026-06-01T10:00:00")
    ]
    assert ids == [
        "openai/gpt-4o/ever#input",
        "user/gpt-4o/2026-03-01#input",
        "user/gpt-4o/2026-03-01#input",
        "user/gpt-4o/2026-06-01T12:00:00+02:00#input",
    ]
    assert rate(book, "gpt-4o", at="2026-02-01").markup is None
    assert rate(book, "gpt-4o", at="2026-07-01").markup == Decimal("1.5"), "a markup holds until restated"


def test_a_markup_alone_leaves_the_cost_and_raises_the_charge(book_of: Make) -> None:
    book = book_of({"openai": OPENAI}, user="gpt-4o: {markup: 1.2}")
    rated = rate(book, "gpt-4o")
    assert (rated.cost_pico, rated.charge_pico) == (2_500_000_000, 3_000_000_000)
    assert rated.lines[0].price_source == "genai-prices"


def test_a_markup_in_percent_is_not_a_margin(book_of: Make) -> None:
    markup = book_of({"openai": OPENAI}, user="gpt-4o: {markup_percent: 30}")
    margin = book_of({"openai": OPENAI}, user="gpt-4o: {margin_percent: 30}")
    assert rate(markup, "gpt-4o").charge_pico == 3_250_000_000
    assert rate(margin, "gpt-4o").charge_pico == 3_571_428_571
    assert str(rate(margin, "gpt-4o").markup).startswith("1.42857")


def test_the_charge_is_rounded_once_half_away_from_zero(book_of: Make) -> None:
    book = book_of({}, user="x: {per_token: 0.000000000001, markup: 1.5}")
    assert rate(book, "x", {"input_uncached": 1}, provider="my-llm").charge_pico == 2


def test_a_markup_applies_to_money_the_provider_states(book_of: Make) -> None:
    book = book_of({"openai": OPENAI}, user="gpt-4o: {markup: 2}")
    rated = rate(book, "gpt-4o", stated="0.01")
    assert (rated.cost_pico, rated.charge_pico) == (10**10, 2 * 10**10)


def test_a_price_can_depend_on_a_fact_of_the_call(book_of: Make) -> None:
    user = """
    gpt-4o:
      - {per_1m: 2}
      - {when: {service_tier: flex}, per_1m: 1}
    """
    book = book_of({"openai": OPENAI}, user=user)
    assert rate(book, "gpt-4o", service_tier="flex").cost_pico == 10**9
    assert rate(book, "gpt-4o", service_tier="default").cost_pico == 2 * 10**9


def test_the_requested_name_counts_where_the_answer_has_another(book_of: Make) -> None:
    book = book_of({"openai": OPENAI}, user="my-deployment: {per_1m: 7}")
    assert rate(book, "unheard-of", requested="my-deployment", provider="azure").cost_pico == 7 * 10**9


def test_every_mistake_is_reported_at_once_with_its_place() -> None:
    text = """\
gpt-4o:
  per_token: -1
  markup: yes
claude:
  inptu_per_1m: 2
  output_per_1m: 1e400
o3:
  input: 3
gemini:
  - {effective_from: tomorrow, per_1m: 1}
  - not a price
llama: 5
nan-model: {per_token: nan, effective_from: 2026-13-01}
both: {markup: 1.2, margin_percent: 20}
fine: {per_1m: 0.0000000000000000000000000001}
"""
    node, _ = yamltext.parse(text, "farebox.yaml")
    findings = {(finding.line, finding.key): finding for finding in check_pricing(node)}
    assert set(findings) == {
        (2, "gpt-4o.per_token"),
        (3, "gpt-4o.markup"),
        (5, "claude.inptu_per_1m"),
        (6, "claude.output_per_1m"),
        (8, "o3.input"),
        (10, "gemini[0].effective_from"),
        (11, "gemini[1]"),
        (12, "llama"),
        (13, "nan-model.per_token"),
        (13, "nan-model.effective_from"),
        (14, "both.margin_percent"),
        (15, "fine.per_1m"),
    }
    assert "input_per_1m" in findings[5, "claude.inptu_per_1m"].expected
    assert "input_per_1m" in findings[8, "o3.input"].expected
    assert findings[2, "gpt-4o.per_token"].file == "farebox.yaml"


def test_two_entries_of_one_date_are_refused() -> None:
    node, _ = yamltext.parse("x: [{per_1m: 1}, {per_1m: 2}]", "farebox.yaml")
    assert len(check_pricing(node)) == 1


def test_no_pricing_at_all_is_fine() -> None:
    assert check_pricing(None) == []
    node, _ = yamltext.parse("pricing:\n", "farebox.yaml")
    assert node is not None
    assert check_pricing(node.get("pricing")) == []


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1e6", "many", "[1]", "9999999999"])
def test_limits_of_a_model_are_whole_numbers_of_tokens(text: str) -> None:
    node, _ = yamltext.parse(f"m: {{input_per_1m: 1, context_window: {text}}}", "farebox.yaml")
    _, findings = read_pricing(node, {"input": True}, frozenset())
    assert [finding.key for finding in findings] == ["m.context_window"]


def test_limits_of_a_model_are_read_beside_its_prices() -> None:
    text = "m: {input_per_1m: 1, context_window: 200000, max_output_tokens: 32000}"
    node, _ = yamltext.parse(text, "farebox.yaml")
    pricing, findings = read_pricing(node, {"input": True}, frozenset())
    assert not findings and pricing.models[0].limits == (200_000, 32_000)
