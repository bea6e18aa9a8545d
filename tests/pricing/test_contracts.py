"""Contracts: what a provider grants changes the cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from price_books import SOURCE, ns

from farebox import yamltext
from farebox.pricing.book import PriceBook
from farebox.pricing.contracts.terms import read_contracts
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


def test_a_markup_of_pricing_is_on_the_contracted_cost(book_of: BookOf) -> None:
    deal = "deal: {with: provider, terms: [{discount_percent: 20}]}\n"
    rated = rate(book_of({"maker": LIST}, contracts=deal, user="big: {markup_percent: 50}"))
    assert (rated.cost_pico, rated.charge_pico) == (8 * USD, 12 * USD)


@pytest.mark.parametrize(
    ("attribution", "dollars"),
    [
        ({"customer": "acme", "key": "ab12"}, 2),
        ({"customer": "acme", "key": "zz"}, 3),
        ({"customer": "acme-eu"}, 3),
        ({"customer": "other", "project": "search"}, 4),
        ({"customer": "other"}, 10),
        ({}, 10),
    ],
)
def test_the_first_contract_that_fits_customer_key_or_project_counts(
    book_of: BookOf, attribution: dict[str, str], dollars: int
) -> None:
    book = book_of(
        {"maker": LIST},
        contracts="""
one-key: {with: provider, for: {customer: acme, key: ab*}, terms: [{prices: {input_per_1m: 2}}]}
acme: {with: provider, for: {customer: [acme, "acme-*"]}, terms: [{prices: {input_per_1m: 3}}]}
search: {with: provider, for: {project: search}, terms: [{prices: {input_per_1m: 4}}]}
""",
    )
    assert rate(book, attribution=attribution).cost_pico == dollars * USD


def test_a_later_term_for_the_same_models_ends_the_earlier_one_at_its_date(book_of: BookOf) -> None:
    book = book_of(
        {"maker": LIST},
        contracts="""
deal:
  with: provider
  terms:
    - {prices: {input_per_1m: 2}}
    - {effective_from: 2026-07-01, prices: {input_per_1m: 3}}
""",
    )
    assert [rate(book, day).cost_pico for day in ("2026-06-30T23:59:59.999999", "2026-07-01")] == [
        2 * USD,
        3 * USD,
    ]


def test_every_mistake_in_contracts_is_reported_at_once() -> None:
    node, _ = yamltext.parse(
        """
acme:
  with: friend
  for: {costumer: acme}
  terms:
    - {discount_percent: 120}
    - {prices: {input: 1}, discount_percent: 1}
    - {effective_from: soon, discount_percent: 2}
    - {effective_from: 2026-02-01, effective_until: 2026-01-01, discount_percent: 2}
maker: {with: provider, terms: [{markup: 2}]}
empty: {with: provider}
""",
        "farebox.yaml",
    )
    found = [str(finding) for finding in read_contracts(node, {"input": True})[1]]
    for expected in (
        "farebox.yaml:3: acme.with: found 'friend', expected with: provider",
        "farebox.yaml:4: acme.for.costumer: found key 'costumer', expected perhaps customer",
        "farebox.yaml:6: acme.terms[0].discount_percent: found '120', expected a percentage",
        "farebox.yaml:7: acme.terms[1]: found prices and discount_percent, expected exactly one of",
        "farebox.yaml:8: acme.terms[2].effective_from: found 'soon', expected a date",
        "farebox.yaml:9: acme.terms[3]: found mapping, expected effective_until after effective_from",
        "farebox.yaml:10: maker.terms[0]: found none, expected exactly one of discount_percent, prices",
        "farebox.yaml:11: empty: found mapping, expected terms: a list",
    ):
        assert any(expected in line for line in found), (expected, found)


@pytest.mark.parametrize(
    ("term", "charge"),
    [
        ("{markup_percent: 20}", '{meter: cost, markup_percent: "20"}'),
        (
            "{models: gpt-4o, margin_percent: 20}",
            '{meter: cost, where: {model: gpt-4o}, margin_percent: "20"}',
        ),
        ('{models: "gpt-*", markup: 1.5}', '{meter: cost, where: {model: "gpt-*"}, multiplier: "1.5"}'),
        ("{discount_percent: 10}", '{meter: cost, multiplier: "0.90"}'),
        (
            "{prices: {input_per_1m: 11}}",
            "{meter: input_tokens, unit: PRICE}, {meter: output_tokens, unit: PRICE}",
        ),
        (
            "{tiers: {mode: volume, measure: calls, steps: []}}",
            "{meter: calls, volume: [{up_to: UNITS, unit: PRICE}, {unit: PRICE}]}",
        ),
    ],
)
def test_a_contract_with_a_customer_is_refused_with_the_plan_that_says_the_same(
    term: str, charge: str
) -> None:
    text = f"acme:\n  with: customer\n  for: {{customer: acme}}\n  terms: [{term}]\n"
    node, _ = yamltext.parse(text, "farebox.yaml")
    contracts, (finding,) = read_contracts(node, {"input": True})
    assert contracts.all == ()
    assert "acme: found with: customer, expected a plan: " in str(finding)
    assert f"plans: {{acme: {{interval: month, charges: [{charge}]}}}}" in str(finding)
    assert "subscriptions: [{customer: acme, plan: acme, start: DATE}]" in str(finding)


def test_a_deployments_name_is_priced_as_the_model_it_stands_for(book_of: BookOf) -> None:
    book = book_of({"maker": LIST}, user="my-deployment: {priced_as: maker/big}")
    rated = rate(book, provider="elsewhere", response_model="my-deployment")
    assert (rated.cost_pico, rated.priced_model, rated.cost_state) == (10 * USD, "big", "priced")
