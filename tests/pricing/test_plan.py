from __future__ import annotations

from collections.abc import Callable

import pytest
from price_books import SOURCE, ns

from farebox.pricing.book import PriceBook
from farebox.pricing.facts import RatedPart
from farebox.pricing.price_rows import EVER, NEVER, PriceRow, Window
from farebox.pricing.prices_in_force import in_window, interval
from farebox.pricing.quotation import window_of
from farebox.wire.facts import Part

Make = Callable[..., PriceBook]

MAKER = f"""
provider: maker
models:
  - id: dated
    match: {{equals: dated}}
    prices:
      - {{id: maker/dated/ever, per_1m: {{input: "3"}}, {SOURCE}}}
      - {{id: maker/dated/2026-03-01, effective_from: "2026-03-01", per_1m: {{input: "2"}}, {SOURCE}}}
  - id: nightly
    match: {{equals: nightly}}
    prices:
      - {{id: maker/nightly/ever, per_1m: {{input: "4"}}, {SOURCE}}}
      - {{id: maker/nightly/night, hours: "22:30-06:00", days: mon-fri, per_1m: {{input: "1"}}, {SOURCE}}}
  - id: long
    match: {{equals: long}}
    prices:
      - id: maker/long/ever
        per_1m: {{input: "1", cache_read: "0.1", output: "10"}}
        tiers:
          - {{above: "200000", per_1m: {{input: "2", output: "15"}}}}
          - {{from: "500000", per_1m: {{input: "5"}}}}
        source: a test
        checked: "2026-01-01"
  - id: tiers
    match: {{equals: tiers}}
    prices:
      - {{id: maker/tiers/ever, per_1m: {{input: "1", cache_read: "0.1", output: "1"}}, {SOURCE}}}
      - {{id: maker/tiers/flex, when: {{service_tier: flex}}, per_1m: {{input: "0.5"}}, {SOURCE}}}
      - {{id: maker/tiers/batch, when: {{processing: batch}}, effective_from: "2026-03-01",
         per_1m: {{input: "0.4", output: "0.4"}}, {SOURCE}}}
"""


def price(book: PriceBook, model: str, at: str, **facts: str) -> str | None:
    part = Part(provider="maker", response_model=model, quantities={"input_uncached": 1}, facts=facts)
    return book.rate(part, occurred_at_ns=ns(at), completeness="final", billable=True).lines[0].price_id


def test_a_price_is_valid_from_its_first_moment_in_utc(book_of: Make) -> None:
    book = book_of({"maker": MAKER})
    assert price(book, "dated", "2026-02-28T23:59:59") == "maker/dated/ever#input"
    assert price(book, "dated", "2026-03-01T00:00:00") == "maker/dated/2026-03-01#input"


def test_a_price_change_leaves_earlier_calls_at_the_old_price(book_of: Make) -> None:
    book = book_of({"maker": MAKER})
    assert price(book, "dated", "2026-06-01") == "maker/dated/2026-03-01#input"
    assert price(book, "dated", "2025-06-01") == "maker/dated/ever#input"


@pytest.mark.parametrize(
    ("at", "row"),
    [
        ("2026-03-06T22:29:59", "ever"),  # Friday
        ("2026-03-06T22:30:00", "night"),
        ("2026-03-07T05:59:59", "night"),  # still Friday's night
        ("2026-03-07T06:00:00", "ever"),
        ("2026-03-07T23:00:00", "ever"),  # Saturday
        ("2026-03-09T05:00:00", "ever"),  # Monday morning belongs to Sunday's night
        ("2026-03-09T23:00:00", "night"),
    ],
)
def test_hours_of_the_day_and_days_of_the_week_select_the_price(book_of: Make, at: str, row: str) -> None:
    assert price(book_of({"maker": MAKER}), "nightly", at) == f"maker/nightly/{row}#input"


def rate_long(book: PriceBook, read: int, fresh: int) -> RatedPart:
    quantities = {"input_uncached": fresh, "cache_read": read, "output_text": 1}
    part = Part(provider="maker", response_model="long", quantities=quantities)  # pyright: ignore[reportArgumentType]
    return book.rate(part, occurred_at_ns=ns("2026-05-01"), completeness="final", billable=True)


def test_a_long_request_costs_more_as_a_whole_once_it_is_above_the_threshold(book_of: Make) -> None:
    book = book_of({"maker": MAKER})
    at, above = rate_long(book, 150_000, 50_000), rate_long(book, 150_000, 50_001)
    assert [line.price_id for line in at.lines] == [
        "maker/long/ever#input",
        "maker/long/ever#cache_read",
        "maker/long/ever#output",
    ]
    assert [line.price_id for line in above.lines] == [
        "maker/long/ever#input>200000",
        "maker/long/ever#cache_read",  # no cached price of its own above the threshold
        "maker/long/ever#output>200000",
    ]


def test_an_inclusive_threshold_starts_at_its_own_number(book_of: Make) -> None:
    book = book_of({"maker": MAKER})
    assert rate_long(book, 0, 499_999).lines[0].price_id == "maker/long/ever#input>200000"
    top = rate_long(book, 0, 500_000)
    assert top.lines[0].price_id == "maker/long/ever#input>499999"
    assert top.lines[1].price_id == "maker/long/ever#output>200000"


def test_facts_of_the_call_select_a_variant_price_by_price(book_of: Make) -> None:
    book = book_of({"maker": MAKER})
    part = Part(
        provider="maker",
        response_model="tiers",
        quantities={"input_uncached": 1, "output_text": 1},
        facts={"service_tier": "FLEX"},
    )
    rated = book.rate(part, occurred_at_ns=ns("2026-05-01"), completeness="final", billable=True)
    assert [line.price_id for line in rated.lines] == ["maker/tiers/flex#input", "maker/tiers/ever#output"]


def test_a_providers_own_word_for_a_batch_selects_the_batch_price(book_of: Make) -> None:
    book = book_of({"maker": MAKER})
    for facts in ({"service_tier": "batch"}, {"batch": "true"}, {"processing": "batch"}):
        assert price(book, "tiers", "2026-05-01", **facts) == "maker/tiers/batch#input"
    assert price(book, "tiers", "2026-02-01", batch="true") == "maker/tiers/ever#input"


def test_a_plan_holds_from_one_change_to_the_next() -> None:
    def row(start: int, window: Window | None = None) -> PriceRow:
        return PriceRow("x", start, None, {}, window=window)

    day = 86_400 * 10**9
    assert interval([], [], 5) == (EVER, NEVER)
    assert interval([row(EVER), row(100)], [50], 70) == (50, 100)
    assert interval([row(EVER), row(100)], [50], 100) == (100, NEVER)
    night = row(EVER, window_of("22:30-06:00", None))
    start, end = interval([night], [], 10 * day)
    assert (end - start) // 10**9 == 7 * 3600 + 1800


def test_a_window_past_midnight_belongs_to_the_day_it_starts_on() -> None:
    friday_night = window_of("22:00-02:00", "fri")
    assert in_window(friday_night, ns("2026-03-06T23:00:00"))
    assert in_window(friday_night, ns("2026-03-07T01:59:59"))
    assert not in_window(friday_night, ns("2026-03-06T01:00:00"))
