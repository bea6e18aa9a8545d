"""Properties of rating that hold for any prices, quantities and moments."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from farebox.pricing.book import PriceBook
from farebox.pricing.compiled_book import open_prices
from farebox.pricing.price_rows import EVER, PriceRow, Quote, Tier, Window
from farebox.pricing.prices_in_force import Layer, Plan, rows_in_force
from farebox.pricing.rating import rate_part
from farebox.wire.facts import INPUT_LEAVES, LEAVES, OUTPUT_LEAVES, Part

UNITS = open_prices().units
BOOK = PriceBook(open_prices())
YEAR_2030 = 1_900_000_000 * 10**9

moments = st.integers(0, YEAR_2030)
prices = st.decimals(0, 1000, places=9).map(lambda value: f"{value:f}")
tokens = st.dictionaries(st.sampled_from(INPUT_LEAVES + OUTPUT_LEAVES), st.integers(0, 10**7), min_size=1)
"""Up to ten million a leaf: a call over 2⁶⁰ pico-dollars, a million dollars, is unpriced."""
quotes = st.fixed_dictionaries(
    {name: st.builds(Quote, prices, st.just(10**6)) for name in ("input", "output", "cache_read")}
)
windows = st.none() | st.builds(
    Window, st.integers(0, 86_399), st.integers(0, 86_399), st.integers(1, 127)
).filter(lambda window: window.start_s != window.end_s)


@st.composite
def dated_rows(draw: st.DrawFn) -> tuple[PriceRow, ...]:
    starts = sorted({EVER, *draw(st.lists(moments, max_size=6))})
    return tuple(
        PriceRow(f"a/m/{start}", start, None, draw(quotes), window=draw(windows) if index else None)
        for index, start in enumerate(starts)
    )


def plan_at(rows: tuple[PriceRow, ...], at_ns: int) -> Plan:
    return Plan([Layer("genai-prices", "m", rows)], UNITS.leaves, {}, at_ns)


def part(quantities: dict[str, int]) -> Part:
    return Part(provider="a", response_model="m", quantities=dict(quantities))


@given(dated_rows(), moments, tokens)
def test_the_lines_of_a_part_sum_to_its_cost_and_to_its_tokens(
    rows: tuple[PriceRow, ...], at_ns: int, quantities: dict[str, int]
) -> None:
    rated = rate_part(part(quantities), plan_at(rows, at_ns), completeness="final", snapshot="")
    amounts = [line.amount_pico for line in rated.lines]
    assert None not in amounts
    assert sum(amount for amount in amounts if amount is not None) == rated.cost_pico
    assert sum(line.quantity for line in rated.lines) == sum(quantities.values()), "no token priced twice"


@given(dated_rows(), moments, tokens)
def test_every_line_is_the_exact_product_rounded_once(
    rows: tuple[PriceRow, ...], at_ns: int, quantities: dict[str, int]
) -> None:
    by_id = {row.id: row for row in rows}
    for line in rate_part(part(quantities), plan_at(rows, at_ns), completeness="final", snapshot="").lines:
        row_id, _, name = (line.price_id or "").partition("#")
        exact = Fraction(by_id[row_id].quotes[name].usd) / 10**6 * line.quantity * 10**12
        assert abs(exact - (line.amount_pico or 0)) <= Fraction(1, 2)


@given(dated_rows(), moments)
def test_of_the_rows_of_one_condition_exactly_one_is_in_force(rows: tuple[PriceRow, ...], at_ns: int) -> None:
    assert len(rows_in_force(Layer("genai-prices", "m", rows), {}, at_ns)) == 1


@given(dated_rows(), moments, moments)
def test_a_plan_says_the_same_throughout_its_interval(
    rows: tuple[PriceRow, ...], at_ns: int, other_ns: int
) -> None:
    plan = plan_at(rows, at_ns)
    assert plan.start_ns <= at_ns < plan.end_ns
    inside = min(max(other_ns, plan.start_ns), plan.end_ns - 1)
    for moment in (inside, max(plan.start_ns, 0), min(plan.end_ns - 1, YEAR_2030)):
        assert plan_at(rows, moment).line("input_uncached", 0) == plan.line("input_uncached", 0)


@given(dated_rows(), moments, moments, quotes)
def test_a_later_price_leaves_earlier_calls_alone(
    rows: tuple[PriceRow, ...], at_ns: int, change_ns: int, new: dict[str, Quote]
) -> None:
    early, change = sorted((at_ns, change_ns))
    added = (*rows, PriceRow("a/m/new", max(change, early + 1), None, new))
    usage = part({"input_uncached": 12_345, "output_text": 678})
    before = rate_part(usage, plan_at(rows, early), completeness="final", snapshot="")
    assert rate_part(usage, plan_at(added, early), completeness="final", snapshot="") == before


@given(quotes, tokens, st.sampled_from(OUTPUT_LEAVES), st.integers(1, 10**6))
def test_more_usage_never_costs_less(
    quoted: dict[str, Quote], quantities: dict[str, int], leaf: str, more: int
) -> None:
    plan = plan_at((PriceRow("a/m/ever", EVER, None, quoted),), 0)
    larger = {**quantities, leaf: quantities.get(leaf, 0) + more}
    costs = [
        rate_part(part(each), plan, completeness="final", snapshot="").cost_pico or 0
        for each in (quantities, larger)
    ]
    assert costs[0] <= costs[1]


@given(st.integers(1, 10**6), st.integers(-1, 1), quotes, quotes)
def test_a_cliff_moves_the_whole_request_and_nothing_else(
    threshold: int, step: int, low: dict[str, Quote], high: dict[str, Quote]
) -> None:
    row = PriceRow("a/m/ever", EVER, None, low, (Tier(threshold, high),))
    size = threshold + step
    rated = rate_part(
        part({"input_uncached": size, "output_text": 7}),
        plan_at((row,), 0),
        completeness="final",
        snapshot="",
    )
    reached = {line.price_id for line in rated.lines if line.quantity}
    mark = f">{threshold}" if step > 0 else ""
    assert reached <= {f"a/m/ever#input{mark}", f"a/m/ever#output{mark}"}


@given(
    st.sampled_from(["openai", "anthropic", "bedrock", "deepseek", "my-llm", ""]),
    st.text(max_size=40),
    st.dictionaries(
        st.sampled_from([*LEAVES, "nonsense"]),
        st.integers(-(10**40), 10**40) | st.decimals(allow_nan=True, allow_infinity=True),
    ),
    moments,
    st.sampled_from(["final", "partial", "estimated", "none"]),
    st.none() | st.decimals(allow_nan=True, allow_infinity=True),
)
def test_rating_never_raises_and_never_returns_a_negative_or_huge_amount(
    provider: str,
    model: str,
    quantities: dict[str, int | Decimal],
    at_ns: int,
    completeness: str,
    stated: Decimal | None,
) -> None:
    odd = Part(provider=provider, response_model=model, quantities=quantities, provider_cost_usd=stated)
    rated = BOOK.rate(odd, occurred_at_ns=at_ns, completeness=completeness, billable=True)
    for amount in (rated.cost_pico, rated.list_cost_pico, rated.charge_pico):
        assert amount is None or 0 <= amount < 2**63
    assert BOOK.rate(odd, occurred_at_ns=at_ns, completeness=completeness, billable=True) == rated
