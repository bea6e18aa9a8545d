"""Plans as people write them: every model and spelling, and all that is wrong at once, with its place."""

from __future__ import annotations

from decimal import Decimal

import pytest

from farebox import yamltext
from farebox.charges.models import (
    Bucketed,
    CostPlus,
    CreditConversion,
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    Standard,
    Volume,
)
from farebox.charges.plan import Charge, Interval
from farebox.charges.plan_reader import BillingTerms, consistency_findings, read_billing_terms

ISSUE = """customers:
  acme: {name: Acme Inc., currency: USD, timezone: America/New_York, tax_percent: "19"}
plans:
  pro:
    interval: month                # calendar; or {anniversary: month}
    base: "20.00"
    charges:
      - {name: GPT output, meter: output_tokens, where: {model: gpt-4o}, graduated: [{up_to: 1000000, unit: "0.00002"}, {unit: "0.000015"}]}
      - {name: Everything else, meter: cost, markup_percent: "20"}      # what no charge above has consumed
      - {name: Qualified leads, meter: outcome, where: {outcome: lead.qualified}, unit: "4.00", included: 10}
    minimum: "50.00"
subscriptions:
  - {customer: acme, plan: pro, start: 2026-11-01}
"""  # noqa: E501 - as the guide has it


def read(text: str) -> tuple[BillingTerms, list[str]]:
    root, findings = yamltext.parse(text, "p.yaml")
    assert root is not None
    terms = read_billing_terms(dict(root.items()), findings)
    findings += consistency_findings(terms)
    return terms, [str(each) for each in findings]


def charge(text: str) -> Charge:
    terms, findings = read(f"plans:\n  p:\n    charges:\n      - {text}\n")
    assert findings == []
    (found,) = terms.plans["p"].charges
    return found


def refusals(text: str) -> list[str]:
    return read(f"plans:\n  p:\n    charges:\n      - {text}\n")[1]


def test_the_plan_of_the_guide_is_read_as_it_is_written() -> None:
    terms, findings = read(ISSUE)
    assert findings == []
    plan = terms.plans["pro"]
    assert [each.name for each in plan.charges] == ["GPT output", "Everything else", "Qualified leads"]
    assert (plan.base, plan.minimum, plan.interval) == (Decimal("20.00"), Decimal("50.00"), Interval())
    assert plan.charges[2].included == 10 and plan.charges[2].where == {"outcome": ("lead.qualified",)}
    assert terms.customers["acme"].tax_percent == 19
    assert str(terms.subscriptions[0].start) == "2026-11-01"


TWO = '[{up_to: 10, unit: "2", flat: "1"}, {unit: "1"}]'


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ('{meter: tokens, unit: "0.00002"}', Standard),
        ('{meter: tokens, per_million: "20"}', Standard),
        ('{meter: tokens, price: "20", per: million}', Standard),
        ('{meter: tokens, unit: {per_million: "20"}}', Standard),
        (f"{{meter: calls, graduated: {TWO}}}", Graduated),
        (f"{{meter: calls, graduated: {{tiers: {TWO}}}}}", Graduated),
        (f"{{meter: calls, tiers: {TWO}, tiers_mode: graduated}}", Graduated),
        (f"{{meter: calls, volume: {TWO}}}", Volume),
        (f"{{meter: calls, tiers: {TWO}, charge_model: volume}}", Volume),
        ('{meter: calls, package: {size: 1k, amount: "5"}}', Package),
        ("{markup_percent: 20}", CostPlus),
        ('{meter: cost, multiplier: "1.2", fixed: "3"}', CostPlus),
        ("{meter: cost, markup: 1.2}", CostPlus),
        ('{meter: cost, margin_percent: "30"}', CostPlus),
        ("{meter: outcome_value, percentage: 5}", Percentage),
        ("{outcome: sale, percentage: {rate: 5, fixed_amount: 1}}", Percentage),
        (
            "{meter: outcome_value, graduated_percentage: [{up_to: 100, percent: 5}, {percent: 3}]}",
            GraduatedPercentage,
        ),
        ('{meter: calls, bucket: hour, package: {size: 100, amount: "5"}}', Bucketed),
        ('{meter: tokens, credits: {each: 1, per: 1000, price: "0.01"}}', CreditConversion),
    ],
)
def test_every_charge_model_has_its_spellings(written: str, kind: type) -> None:
    assert isinstance(charge(written).model, kind)


def test_a_price_for_a_million_is_the_price_of_a_million() -> None:
    for written in ('{meter: tokens, per_million: "20"}', '{meter: tokens, unit: "20", per: 1m}'):
        assert charge(written).model == Standard(unit=Decimal(20), per=Decimal(10**6))


def test_rates_by_model_and_provider_are_charges_in_the_order_they_consume() -> None:
    terms, findings = read(
        "plans:\n  p:\n    charges:\n"
        "      - {name: Use, meter: cost, markup_percent: {default: 20, anthropic/*: 15, gpt-4o: 10}}\n"
    )
    assert findings == []
    assert [(each.name, each.where) for each in terms.plans["p"].charges] == [
        ("Use (gpt-4o)", {"model": ("gpt-4o",)}),
        ("Use (anthropic/*)", {"provider": ("anthropic",)}),
        ("Use", {}),
    ]


def test_every_term_of_a_charge_and_of_a_plan_is_read() -> None:
    terms, findings = read(
        """plans:
  p:
    interval: {anniversary: quarter}
    base: {amount: "9", in_advance: true}
    commitment: {amount: "500", overage_factor: "1.5"}
    thresholds: ["100", "200"]
    discount: {percent: 10, until: 2027-01-01}
    add_ons: [{name: Set-up, amount: "50", on: 2026-11-03}]
    trial: 14d
    grace: 2d
    charges:
      - name: Tokens
        meter: tokens
        unit: "1"
        convert: {divide: 1000, round: up}
        included: 5
        rollover: 50
        minimum: "1"
        maximum: "9"
        itemize: [model, tag.feature]
        overlap: true
        discount: "10%"
        tax_percent: 7
        shares: {ada: 70, bob: 30}
      - {name: Platform, flat: "10"}
"""
    )
    assert findings == []
    plan = terms.plans["p"]
    tokens = plan.charges[0]
    assert plan.interval == Interval(kind="anniversary", unit="quarter")
    assert (plan.base, plan.base_in_advance, plan.trial_days, plan.grace_hours) == (9, True, 14, 48)
    assert [each.name for each in plan.addons] == ["Set-up", "Platform"]
    assert (plan.thresholds, plan.discounts[0].value) == ((100, 200), 10)
    assert tokens.conversion is not None and tokens.conversion.rounding == "ceiling"
    assert (tokens.rollover_percent, tokens.itemize, tokens.overlap) == (50, ("model", "tag.feature"), True)
    assert [(each.payee, each.percent) for each in tokens.shares] == [("ada", 70), ("bob", 30)]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{meter: output_tokns, unit: 1}", 'did you mean "output_tokens"'),
        ("{meter: requests, unit: 1}", 'did you mean "calls"'),
        ("{meter: calls, where: {modl: x}, unit: 1}", 'did you mean "model"'),
        ("{meter: calls, where: {outcome: x}, unit: 1}", "`meter: outcome`"),
        ("{meter: calls, unit: -1}", "zero or more"),
        ("{meter: calls, unit: 5e-6}", 'written out: "0.000005"'),
        ("{meter: calls, unit: 1_000}", "separators"),
        ("{meter: calls, unit: 1:30}", "ninety"),
        ('{meter: calls, unit: "$5"}', "without a currency"),
        ("{meter: calls, unit: 1, unit_amount: 5}", "in cents"),
        ("{meter: cost, markup_percent: 20, multiplier: 1.2}", "one of markup_percent, multiplier"),
        ("{meter: cost, markup: 20}", "`markup_percent: 20`"),
        ("{meter: cost, margin_percent: 100}", "not including 100"),
        ("{meter: tokens, markup_percent: 20}", "`meter: cost`"),
        ("{meter: calls}", "a charge without one"),
        ("{meter: calls, unit: 1, volume: []}", "one price"),
        ("{meter: calls, unit: 1, shares: {a: 70, b: 40}}", "110"),
        ("{meter: calls, unit: 1, tax_percent: 200}", "from 0 up to 100"),
        ("{meter: calls, unit: 1, minimum: 9, maximum: 5}", "at most the maximum"),
        ("{meter: calls, unit: 1, model: gpt-4o}", "in `where`"),
        ("{meter: calls, percentage: 5}", "outcome_value"),
        ("{meter: calls, graduated: [{up_to: 10, unit: 1}, {up_to: 5, unit: 1}, {unit: 1}]}", "more than 10"),
        ("{meter: calls, graduated: [{up_to: 10, unit: 1}]}", "last tier without `up_to`"),
        ("{meter: calls, volume: [{unit: 1}, {unit: 2}]}", "only the last tier"),
        (
            "{meter: calls, volume: [{from: 0, to: 10, unit: 1}, {from: 5, unit: 2}]}",
            "overlaps the tier before",
        ),
    ],
)
def test_what_is_wrong_with_a_charge_is_told_at_its_place(written: str, words: str) -> None:
    found = refusals(written)
    assert len(found) == 1, found
    assert found[0].startswith("p.yaml:4: plans.p.charges[0]") and words in found[0]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    _, found = read(
        """customers:
  acme: {currency: EURO, timezone: Berlin, tax_percent: 119}
  b: {keys: [x]}
  c: {keys: [x]}
plans:
  pro: {base: -5, charges: [{meter: calls, unit: 5e-6}]}
subscriptions:
  - {customer: acm, plan: pro, start: 2026-02-30}
  - {customer: acm, plan: prx, start: 2026-11-01}
"""
    )
    lines = [each.split(":")[1] for each in found]
    assert sorted(lines) == ["2", "2", "2", "4", "6", "6", "8", "9", "9"]
    assert any('did you mean "acme"' in each for each in found)


@pytest.mark.parametrize("first", ["unit: 1", "unit: cheap"])
@pytest.mark.parametrize("second", ["unit: 1", "unit: dear"])
def test_a_name_that_two_charges_have_is_told_although_one_of_them_is_wrong(first: str, second: str) -> None:
    text = f"{{name: A, meter: calls, {first}}}\n      - {{name: A, meter: tokens, {second}}}"
    told = [each for each in refusals(text) if "another name" in each]
    assert len(told) == 1 and told[0].startswith("p.yaml:5: plans.p.charges[1]")


TWICE = """customers:
  acme: {}
plans:
  a: {charges: [{name: A, meter: output_tokens, where: {model: gpt-4o}, unit: 1}]}
  b: {charges: [{name: B, %s}]}
subscriptions:
  - {customer: acme, plan: a, start: 2026-11-01}
  - {customer: acme, plan: b, start: 2026-12-01}
"""


@pytest.mark.parametrize(
    ("other", "is_refused"),
    [
        ("meter: output_tokens, unit: 1", True),
        ("meter: tokens, where: {model: gpt-4*}, unit: 1", True),
        ("meter: cost, markup_percent: 20", True),
        ("meter: output_tokens, where: {model: claude}, unit: 1", False),
        ("meter: input_tokens, unit: 1", False),
        ("meter: cost, markup_percent: 20, overlap: true", False),
        ("meter: outcome, where: {outcome: x}, unit: 1", False),
    ],
)
def test_two_subscriptions_may_not_charge_the_same_usage_at_the_same_time(
    other: str, is_refused: bool
) -> None:
    found = read(TWICE % other)[1]
    assert (len(found) == 1 and "one subscription for a meter" in found[0]) == is_refused, found
    ended = (TWICE % other).replace("start: 2026-11-01", "start: 2026-11-01, until: 2026-12-01")
    assert read(ended)[1] == []


def test_cost_is_charged_in_another_currency_only_with_a_dated_rate() -> None:
    text = """customers: {acme: {currency: EUR}}
plans: {pro: {charges: [{meter: cost, markup_percent: 20}]%s}}
subscriptions: [{customer: acme, plan: pro, start: 2026-11-01}]
"""
    assert "a dated rate in the plan" in read(text % "")[1][0]
    assert read(text % ', usd_rates: {2026-10-01: "0.92"}')[1] == []
    assert "a rate from 2026-11-01" in read(text % ', usd_rates: {2026-12-01: "0.92"}')[1][0]
    assert (
        "has one currency" in read(text % ", currency: USD")[1][0]
        or "each has one currency" in (read(text % ", currency: USD")[1][0])
    )


@pytest.mark.parametrize(
    "term", ["fixed_per_event: 1", "free_events: 3", "event_minimum: 1", "event_maximum: 2"]
)
def test_terms_of_single_events_are_refused_of_the_cost_of_calls(term: str) -> None:
    text = "plans: {a: {charges: [{name: A, meter: %s, percentage: {percent: 10, %s}}]}}"
    (found,) = read(text % ("cost", term))[1]
    assert "outcome_value" in found and term.split(":")[0] in found
    assert read(text % ("outcome_value", term))[1] == []


@pytest.mark.parametrize(
    "term",
    [
        'base: "5.50"',
        'minimum: "0.5"',
        'base: 1, maximum: "10.1"',
        'base: 1, discounts: [{amount: "0.5"}]',
        'charges: [{name: A, meter: calls, unit: 1, maximum: "7.5"}]',
        'add_ons: [{name: Setup, amount: "250.50"}]',
        'charges: [{name: Flat, flat: "1.25"}]',
    ],
)
def test_amounts_below_the_smallest_unit_of_a_currency_are_refused(term: str) -> None:
    of_plan = "plans: {pro: {currency: %s, %s}}"
    (found,) = read(of_plan % ("JPY", term))[1]
    assert "whole units of 1 JPY" in found
    assert read(of_plan % ("USD", term))[1] == []
    of_customer = (
        "customers: {acme: {currency: JPY}}\nplans: {pro: {%s}}\n"
        "subscriptions: [{customer: acme, plan: pro, start: 2026-11-01}]\n"
    )
    assert len(read(of_customer % term)[1]) == 1
    assert read('plans: {pro: {currency: JPY, charges: [{meter: calls, unit: "0.25"}]}}')[1] == []
