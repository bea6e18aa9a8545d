from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from price_books import SOURCE, ns

from farebox.pricing.book import PriceBook
from farebox.pricing.facts import RatedPart
from farebox.wire.facts import Part, Quantity

MAY = ns("2026-05-01")

MAKER = f"""
provider: maker
models:
  - id: large
    match: {{equals: large}}
    prices:
      - {{id: maker/large/ever, per_1m: {{input: "2", cache_read: "0.2", cache_write: "2.5", output: "8"}},
         per_1k: {{calls_web_search: "10"}}, {SOURCE}}}
  - id: listens
    match: {{equals: listens}}
    prices: [{{id: maker/listens/ever, per_hour: {{audio_seconds: "0.04"}}, {SOURCE}}}]
  - id: fee
    match: {{equals: fee}}
    prices: [{{id: maker/fee/ever, per_1m: {{input: "1", output: "1"}}, per_1k: {{requests: "5"}}, {SOURCE}}}]
  - id: gift
    match: {{equals: gift}}
    prices: [{{id: maker/gift/ever, per_1m: {{input: "0", output: "0"}}, {SOURCE}}}]
  - id: nameless
    match: {{equals: nameless}}
    prices: []
"""

Make = Callable[..., PriceBook]


def rate(
    book: PriceBook,
    model: str | None,
    quantities: dict[str, Quantity],
    *,
    completeness: str = "final",
    billable: bool = True,
    kind: str = "main",
    stated: Decimal | None = None,
) -> RatedPart:
    part = Part(
        provider="maker", response_model=model, quantities=quantities, kind=kind, provider_cost_usd=stated
    )
    rated = book.rate(part, occurred_at_ns=MAY, completeness=completeness, billable=billable)
    if billable:  # every call of this page proves it
        sums = book.sums(part, occurred_at_ns=MAY, completeness=completeness)
        assert sums == (rated.cost_state, rated.cost_pico, rated.charge_pico)
        amounts = book.amounts(part, occurred_at_ns=MAY, completeness=completeness)
        assert amounts == (*sums, [(line.unit, line.amount_pico) for line in rated.lines])
    return rated


def test_sums_and_amounts_without_lines_are_those_of_the_rating(book_of: Make) -> None:
    book = book_of({"maker": MAKER})
    used: dict[str, Quantity] = {"input_uncached": 7, "output_text": 3, "calls_web_search": Decimal("0.5")}
    models = ("large", "gift", "fee", "nameless", "nobody's", None)
    states = {
        rate(book, model, quantities, completeness=completeness, stated=stated).cost_state
        for model in models
        for quantities in (used, {"input_uncached": 7}, {"input_uncached": -1}, {"output_text": 2**62}, {})
        for completeness in ("final", "partial", "estimated", "none")
        for stated in (None, Decimal("0.01"), Decimal("NaN"))
    }
    assert states >= {"priced", "free", "unpriced", "estimated", "unknown", "provider_reported"}


def test_each_quantity_is_priced_at_its_own_rate(book_of: Make) -> None:
    rated = rate(
        book_of({"maker": MAKER}),
        "large",
        {"input_uncached": 1000, "cache_read": 500, "cache_write_5m": 100, "output_text": 10},
    )
    assert [(line.unit, line.amount_pico) for line in rated.lines] == [
        ("input_uncached", 2_000_000_000),
        ("cache_read", 100_000_000),
        ("cache_write_5m", 250_000_000),
        ("output_text", 80_000_000),
    ]
    assert rated.cost_state == "priced"
    assert rated.cost_pico == rated.list_cost_pico == rated.charge_pico == 2_430_000_000


def test_a_line_says_which_price_row_it_used_and_since_when(book_of: Make) -> None:
    line = rate(book_of({"maker": MAKER}), "large", {"cache_read": 1}).lines[0]
    assert line.price_id == "maker/large/ever#cache_read"
    assert line.price_source == "genai-prices"
    assert line.effective_from is None
    assert line.list_unit_price_usd == Decimal("0.0000002")


def test_a_quantity_of_zero_needs_no_price(book_of: Make) -> None:
    rated = rate(book_of({"maker": MAKER}), "large", {"input_uncached": 0, "calls_maps": 0})
    assert (rated.cost_state, rated.cost_pico, rated.lines) == ("priced", 0, ())


def test_a_quantity_without_a_price_makes_the_part_unpriced_with_a_lower_bound(book_of: Make) -> None:
    rated = rate(book_of({"maker": MAKER}), "large", {"input_uncached": 1000, "calls_maps": 3})
    assert rated.cost_state == "unpriced"
    assert rated.reason == "no_price_for: calls_maps"
    assert rated.cost_pico == 2_000_000_000
    assert rated.lines[1].amount_pico is None


def test_an_unknown_model_is_unpriced_and_the_reason_says_what_to_type(book_of: Make) -> None:
    rated = rate(book_of({"maker": MAKER}), "mystery", {"input_uncached": 1000})
    assert (rated.cost_state, rated.cost_pico, rated.charge_pico) == ("unpriced", None, None)
    assert rated.reason is not None
    assert '"maker/mystery"' in rated.reason


def test_a_model_without_any_price_is_unpriced_even_when_nothing_was_counted(book_of: Make) -> None:
    rated = rate(book_of({"maker": MAKER}), "nameless", {"input_uncached": 0})
    assert (rated.cost_state, rated.cost_pico) == ("unpriced", None)


def test_seconds_are_priced_exactly_and_rounded_once(book_of: Make) -> None:
    rated = rate(book_of({"maker": MAKER}), "listens", {"audio_seconds": Decimal("1.5")})
    # 1.5 s × $0.04 / 3600 s = 16,666,666.67 pico-dollars
    assert rated.cost_pico == 16_666_667


def test_a_fee_per_request_is_due_once_for_the_main_part(book_of: Make) -> None:
    book = book_of({"maker": MAKER})
    assert rate(book, "fee", {"input_uncached": 1}).cost_pico == 5_000_000_000 + 1_000_000
    assert rate(book, "fee", {"input_uncached": 1}, kind="compaction").cost_pico == 1_000_000
    assert rate(book, "fee", {"requests": 2}).cost_pico == 10_000_000_000


def test_a_request_costs_nothing_by_itself_where_no_price_says_so(book_of: Make) -> None:
    rated = rate(book_of({"maker": MAKER}), "large", {"requests": 1, "input_uncached": 1})
    assert (rated.cost_state, rated.cost_pico) == ("priced", 2_000_000)


def test_a_stated_price_of_zero_is_free_and_not_unpriced(book_of: Make) -> None:
    rated = rate(book_of({"maker": MAKER}), "gift", {"input_uncached": 1000})
    assert (rated.cost_state, rated.reason, rated.cost_pico) == ("free", "price_is_zero", 0)


def test_what_is_not_billable_is_free(book_of: Make) -> None:
    rated = rate(book_of({"maker": MAKER}), "mystery", {"input_uncached": 9}, billable=False)
    assert (rated.cost_state, rated.reason, rated.cost_pico) == ("free", "not_billable", 0)


def test_usage_nobody_knows_is_money_nobody_knows(book_of: Make) -> None:
    rated = rate(book_of({"maker": MAKER}), "large", {}, completeness="none")
    assert (rated.cost_state, rated.cost_pico, rated.reason) == ("unknown", None, "usage_not_known")


def test_estimated_usage_gives_an_estimated_cost(book_of: Make) -> None:
    rated = rate(book_of({"maker": MAKER}), "large", {"input_uncached": 5}, completeness="estimated")
    assert (rated.cost_state, rated.cost_pico) == ("estimated", 10_000_000)


def test_a_stream_cut_short_keeps_what_was_seen_as_a_lower_bound(book_of: Make) -> None:
    rated = rate(book_of({"maker": MAKER}), "large", {"input_uncached": 5}, completeness="partial")
    assert (rated.cost_state, rated.reason, rated.cost_pico) == ("unknown", "usage_partial", 10_000_000)


def test_money_the_provider_states_counts_and_ours_stands_beside_it(book_of: Make) -> None:
    rated = rate(book_of({"maker": MAKER}), "large", {"input_uncached": 5}, stated=Decimal("0.00002"))
    assert rated.cost_state == "provider_reported"
    assert (rated.cost_pico, rated.list_cost_pico) == (20_000_000, 10_000_000)


def test_stated_money_counts_for_a_model_nobody_listed(book_of: Make) -> None:
    rated = rate(book_of({"maker": MAKER}), "mystery", {"input_uncached": 5}, stated=Decimal("0.00002"))
    assert (rated.cost_state, rated.cost_pico) == ("provider_reported", 20_000_000)
    assert rated.list_cost_pico is None


def test_stated_money_that_cannot_be_money_is_not_believed(book_of: Make) -> None:
    book = book_of({"maker": MAKER})
    for stated in ("NaN", "Infinity", "-1", "1e30"):
        assert rate(book, "large", {"input_uncached": 5}, stated=Decimal(stated)).cost_state == "priced"


def test_absurd_quantities_are_unpriced_instead_of_overflowing(book_of: Make) -> None:
    book = book_of({"maker": MAKER})
    absurd: list[Quantity] = [10**30, -5, Decimal("NaN"), Decimal("Infinity"), Decimal("1e999999")]
    for quantity in absurd:
        rated = rate(book, "large", {"output_text": quantity})
        assert (rated.cost_state, rated.cost_pico) == ("unpriced", None)


def test_an_amount_that_is_too_large_is_not_said_to_lack_a_price(book_of: Make) -> None:
    book = book_of({"maker": MAKER})
    reasons: dict[Quantity, str] = {
        10**30: "amount_too_large: output_text",
        Decimal("1e999999"): "amount_too_large: output_text",
        -5: "count_not_valid: output_text",
        Decimal("-Infinity"): "count_not_valid: output_text",
    }
    for quantity, reason in reasons.items():
        assert rate(book, "large", {"output_text": quantity}).reason == reason
    both = rate(book, "large", {"output_text": 10**30, "brain_waves": 1, "input_uncached": 5})
    assert both.reason == "amount_too_large: output_text; no_price_for: brain_waves"
    assert both.cost_pico == 10_000_000, "the lower bound of what has a price"


def test_an_unknown_leaf_is_unpriced(book_of: Make) -> None:
    assert rate(book_of({"maker": MAKER}), "large", {"brain_waves": 1}).cost_state == "unpriced"


def test_leaves_fall_back_on_the_rate_of_their_side(book_of: Make) -> None:
    book = book_of({"maker": MAKER})
    ids = {
        leaf: rate(book, "large", {leaf: 1}).lines[0].price_id
        for leaf in (
            "output_reasoning",
            "output_audio",
            "tool_use_input",
            "cache_write_1h",
            "cache_read_audio",
        )
    }
    assert ids == {
        "output_reasoning": "maker/large/ever#output",
        "output_audio": "maker/large/ever#output",
        "tool_use_input": "maker/large/ever#input",
        "cache_write_1h": "maker/large/ever#cache_write",
        "cache_read_audio": "maker/large/ever#cache_read",
    }
