"""Contracts: what a provider grants changes the cost, what a customer agreed changes the charge."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from price_books import SOURCE, ns

from farebox import yamltext
from farebox.money import pico_from_usd
from farebox.pricing.book import PriceBook
from farebox.pricing.contracts.terms import read_contracts
from farebox.pricing.contracts.tiers import Measure, MonthToDate, Step, Tiers
from farebox.pricing.facts import RatedPart
from farebox.wire.facts import Part

USD = 10**12
LIST = f"""
provider: maker
models:
  - id: big
    match: {{equals: big}}
    prices:
      - {{id: maker/big/ever, per_1m: {{input: "10", output: "20"}}, {SOURCE}}}
"""
BookOf = Callable[..., PriceBook]


def rate(book: PriceBook, day: str = "2026-06-15", **changes: Any) -> RatedPart:
    """Rate a million tokens in, $10 by list, for the customer acme unless told otherwise."""
    attribution: Mapping[str, str] = changes.pop("attribution", {"customer": "acme", "project": "search"})
    so_far = changes.pop("so_far", {})
    part = Part(
        **{
            "provider": "maker",
            "response_model": "big",
            "quantities": {"input_uncached": 10**6},
            **changes,
        }
    )
    return book.rate(
        part,
        occurred_at_ns=ns(day),
        completeness="final",
        billable=True,
        attribution=attribution,
        so_far=so_far,
    )


def test_a_providers_discount_changes_the_cost_and_leaves_the_list_cost(book_of: BookOf) -> None:
    book = book_of(
        {"maker": LIST},
        contracts="""
maker-2026:
  with: provider
  for: {provider: maker}
  terms:
    - {models: "big*", discount_percent: 15}
""",
    )
    rated = rate(book)
    assert (rated.list_cost_pico, rated.contracted_cost_pico, rated.cost_pico) == (
        10 * USD,
        17 * USD // 2,
        17 * USD // 2,
    )
    assert rated.charge_pico == rated.cost_pico
    assert rated.contract == "maker-2026#1"
    line = rated.lines[0]
    assert (line.price_source, line.amount_pico) == ("contract", 17 * USD // 2)
    assert (str(line.list_unit_price_usd), str(line.contracted_unit_price_usd)) == ("0.00001", "0.0000085")
    assert line.price_id == "maker/big/ever#input*0.85(maker-2026#1)"


def test_a_providers_flat_rate_overrides_from_its_date_and_keeps_the_rest(book_of: BookOf) -> None:
    book = book_of(
        {"maker": LIST},
        contracts="""
maker-2026:
  with: provider
  terms:
    - {models: maker/big, effective_from: 2026-07-01, prices: {input_per_1m: 8}}
""",
    )
    assert rate(book, "2026-06-30").contracted_cost_pico is None
    later = rate(book, "2026-07-01", quantities={"input_uncached": 10**6, "output_text": 10**6})
    assert (later.list_cost_pico, later.cost_pico) == (30 * USD, 28 * USD)
    assert [line.price_source for line in later.lines] == ["contract", "genai-prices"]


def test_money_the_provider_states_is_what_it_bills_contract_or_not(book_of: BookOf) -> None:
    book = book_of(
        {"maker": LIST},
        contracts="c: {with: provider, terms: [{discount_percent: 50}]}",
    )
    rated = rate(book, provider_cost_usd=Decimal("4.99"))
    assert (rated.cost_pico, rated.contracted_cost_pico, rated.list_cost_pico) == (
        499 * USD // 100,
        5 * USD,
        10 * USD,
    )
    assert rated.cost_state == "provider_reported"


CUSTOMER = """
acme:
  with: customer
  for: {{customer: acme}}
  terms:
    - {term}
"""


@pytest.mark.parametrize(
    ("term", "charge"),
    [
        ("{markup_percent: 20}", 12 * USD),
        ("{margin_percent: 20}", 125 * USD // 10),
        ("{markup: 1.5}", 15 * USD),
        ("{discount_percent: 10}", 9 * USD),
        ("{prices: {input_per_1m: 11}}", 11 * USD),
        ('{models: "other-*", markup_percent: 20}', 10 * USD),
        ("{effective_until: 2026-06-15, markup_percent: 20}", 10 * USD),
    ],
)
def test_a_customers_contract_changes_the_charge_and_never_the_cost(
    book_of: BookOf, term: str, charge: int
) -> None:
    rated = rate(book_of({"maker": LIST}, contracts=CUSTOMER.format(term=term)))
    assert (rated.list_cost_pico, rated.cost_pico, rated.charge_pico) == (10 * USD, 10 * USD, charge)
    assert rated.charge_contract == (None if charge == 10 * USD else "acme#1")


def test_a_markup_is_on_the_contracted_cost_and_a_discount_off_the_list(book_of: BookOf) -> None:
    provider = "deal: {with: provider, terms: [{discount_percent: 20}]}\n"
    marked_up = book_of({"maker": LIST}, contracts=provider + CUSTOMER.format(term="{markup_percent: 50}"))
    discounted = book_of({"maker": LIST}, contracts=provider + CUSTOMER.format(term="{discount_percent: 5}"))
    assert rate(marked_up).charge_pico == 12 * USD
    assert rate(discounted).charge_pico == 95 * USD // 10


@pytest.mark.parametrize(
    ("attribution", "charge"),
    [
        ({"customer": "acme", "key": "ab12"}, 2),
        ({"customer": "acme", "key": "zz"}, 3),
        ({"customer": "acme-eu"}, 3),
        ({"customer": "other", "project": "search"}, 4),
        ({"customer": "other"}, 1),
        ({}, 1),
    ],
)
def test_the_first_contract_that_fits_customer_key_or_project_counts(
    book_of: BookOf, attribution: dict[str, str], charge: int
) -> None:
    book = book_of(
        {"maker": LIST},
        contracts="""
one-key: {with: customer, for: {customer: acme, key: ab*}, terms: [{markup: 2}]}
acme: {with: customer, for: {customer: [acme, "acme-*"]}, terms: [{markup: 3}]}
search: {with: customer, for: {project: search}, terms: [{markup: 4}]}
""",
    )
    assert rate(book, attribution=attribution).charge_pico == charge * 10 * USD


def test_a_later_term_for_the_same_models_ends_the_earlier_one_at_its_date(book_of: BookOf) -> None:
    book = book_of(
        {"maker": LIST},
        contracts="""
acme:
  with: customer
  for: {customer: acme}
  terms:
    - {markup: 2}
    - {effective_from: 2026-07-01, markup: 3}
""",
    )
    assert [rate(book, day).charge_pico for day in ("2026-06-30T23:59:59.999999", "2026-07-01")] == [
        20 * USD,
        30 * USD,
    ]


def test_a_flat_rate_is_charged_for_what_costs_nothing_itself(book_of: BookOf) -> None:
    overlay = f"providers: {{local: {{no_charge: [{{state: free, because: own_machine, {SOURCE}}}]}}}}"
    book = book_of(
        {"maker": LIST},
        overlay=overlay,
        contracts=CUSTOMER.format(term="{prices: {input_per_1m: 3}}"),
    )
    rated = rate(book, provider="local", response_model="llama")
    assert (rated.cost_pico, rated.charge_pico) == (0, 3 * USD)


TIERED = """
acme:
  with: customer
  for: {{customer: acme}}
  terms:
    - tiers:
        mode: {mode}
        measure: {measure}
        steps:
          - {{up_to: {bound}, {first}}}
          - {{{second}}}
"""


@pytest.mark.parametrize(
    ("mode", "measure", "bound", "first", "second", "before", "charge"),
    [
        # Half of the million tokens lies below the bound, half above.
        (
            "graduated",
            "tokens",
            "1500000",
            "per_1m: 10",
            "per_1m: 4",
            MonthToDate(10**6, 10 * USD),
            7 * USD,
        ),
        (
            "graduated",
            "tokens",
            "1500000",
            "discount_percent: 0",
            "discount_percent: 50",
            MonthToDate(10**6, 10 * USD),
            75 * USD // 10,
        ),
        # All tokens of the month become cheaper: 2M at 4 are 8, of which 10 are charged already.
        ("volume", "tokens", "1500000", "per_1m: 10", "per_1m: 4", MonthToDate(10**6, 10 * USD), -2 * USD),
        # The first $15 of the month at list, the rest at half.
        (
            "graduated",
            "usd",
            "15",
            "discount_percent: 0",
            "discount_percent: 50",
            MonthToDate(10 * USD, 10 * USD),
            75 * USD // 10,
        ),
        ("volume", "calls", "1", "markup_percent: 100", "markup_percent: 0", MonthToDate(1, 10 * USD), 0),
        (
            "graduated",
            "calls",
            "1",
            'per_call: 0.5, flat: "2"',
            'per_call: 0.25, flat: "1"',
            MonthToDate(1, USD),
            125 * USD // 100,
        ),
        ("graduated", "calls", "1", 'per_call: 0.5, flat: "2"', "per_call: 0.25", None, 25 * USD // 10),
    ],
)
def test_tiers_go_by_what_the_month_has_seen(
    book_of: BookOf,
    mode: str,
    measure: str,
    bound: str,
    first: str,
    second: str,
    before: MonthToDate | None,
    charge: int,
) -> None:
    text = TIERED.format(mode=mode, measure=measure, bound=bound, first=first, second=second)
    rated = rate(book_of({"maker": LIST}, contracts=text), so_far={"acme#1": before} if before else {})
    assert rated.charge_pico == charge
    assert rated.month is not None
    assert (rated.month.term, rated.month.month, rated.month.base_pico) == ("acme#1", "2026-06", 10 * USD)
    assert rated.month.units == {"tokens": 10**6, "calls": 1, "usd": 10 * USD}[measure]


def tiers(mode: Any, *steps: tuple[int | None, str, str], measure: Measure = "calls") -> Tiers:
    return Tiers(
        mode,
        measure,
        tuple(Step(bound, pico_from_usd(rate), 1, False, pico_from_usd(flat)) for bound, rate, flat in steps),
    )


LAGO_GRADUATED = ((10, "10", "2"), (20, "5", "3"), (None, "5", "3"))
LAGO_VOLUME = ((100, "2", "10"), (200, "1", "0"), (None, "0.5", "50"))
OPENMETER = ((5, "0", "100"), (10, "0", "50"), (15, "5", "0"), (None, "1", "0"))


@pytest.mark.parametrize(
    ("mode", "steps", "before", "more", "usd"),
    [
        ("graduated", LAGO_GRADUATED, 0, 10, 102),
        ("graduated", LAGO_GRADUATED, 0, 12, 115),
        ("graduated", LAGO_GRADUATED, 0, 21, 163),
        ("volume", LAGO_VOLUME, 0, 100, 210),
        ("volume", LAGO_VOLUME, 0, 101, 101),
        ("volume", LAGO_VOLUME, 0, 300, 200),
        # Where part of the month is charged already: rate(12 + 10) - rate(12), never rate(10).
        ("graduated", OPENMETER, 12, 10, 22),
        ("graduated", LAGO_GRADUATED, 0, 0, 0),
    ],
)
def test_tiers_agree_with_the_field(mode: str, steps: Any, before: int, more: int, usd: int) -> None:
    assert tiers(mode, *steps).charge(MonthToDate(before), more, 0) == usd * USD


@given(st.sampled_from(["graduated", "volume"]), st.lists(st.integers(0, 40), max_size=12))
def test_the_charges_of_a_month_add_up_to_the_months_charge(mode: str, calls: list[int]) -> None:
    tiered = tiers(mode, (10, "0.123456789", "1"), (60, "0.1", "0"), (None, "0.07", "3"))
    charged = 0
    for seen, units in zip(itertools.accumulate(calls, initial=0), calls, strict=False):
        charged += tiered.charge(MonthToDate(seen), units, 0)
    assert charged == tiered.charge(MonthToDate(), sum(calls), 0)


def test_every_mistake_in_contracts_is_reported_at_once() -> None:
    node, _ = yamltext.parse(
        """
acme:
  with: friend
  for: {costumer: acme}
  terms:
    - {discount_percent: 120}
    - {markup: 2, discount_percent: 1}
    - {effective_from: soon, markup: 2}
    - {effective_from: 2026-02-01, effective_until: 2026-01-01, markup: 2}
    - {tiers: {mode: graduated, measure: tokens, steps: [{up_to: 10, per_1m: 1}]}}
    - {tiers: {mode: wild, measure: usd, steps: [{per_1m: 1}]}}
maker: {with: provider, terms: [{markup: 2}]}
empty: {with: customer}
""",
        "farebox.yaml",
    )
    found = [str(finding) for finding in read_contracts(node, {"input": True})[1]]
    for expected in (
        "farebox.yaml:3: acme.with: found 'friend', expected with: provider",
        "farebox.yaml:4: acme.for.costumer: found key 'costumer', expected perhaps customer",
        "farebox.yaml:6: acme.terms[0].discount_percent: found '120', expected a percentage",
        "farebox.yaml:7: acme.terms[1]: found markup and discount_percent, expected exactly one of",
        "farebox.yaml:8: acme.terms[2].effective_from: found 'soon', expected a date",
        "farebox.yaml:9: acme.terms[3]: found mapping, expected effective_until after effective_from",
        "expected steps with rising up_to, the last one without",
        "farebox.yaml:11: acme.terms[5].tiers.mode: found 'wild', expected mode: graduated",
        "farebox.yaml:11: acme.terms[5].tiers.steps[0].per_1m: found per_1m, expected a percentage",
        "farebox.yaml:12: maker.terms[0].markup: found markup, expected discount_percent or prices",
        "farebox.yaml:13: empty: found mapping, expected terms: a list",
    ):
        assert any(expected in line for line in found), (expected, found)


def test_a_deployments_name_is_priced_as_the_model_it_stands_for(book_of: BookOf) -> None:
    book = book_of({"maker": LIST}, user="my-deployment: {priced_as: maker/big}")
    rated = rate(book, provider="elsewhere", response_model="my-deployment")
    assert (rated.cost_pico, rated.priced_model, rated.cost_state) == (10 * USD, "big", "priced")
