"""A plan written in YAML is the same plan when it is read again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from farebox import yamltext
from farebox.charges.plan import Overrides, Plan
from farebox.charges.plan_difference import difference
from farebox.charges.plan_reader import read_billing_terms
from farebox.charges.written_plan import written_overrides, written_plan

NAMES = st.sampled_from(
    ["Tokens", "null", "yes", "a: b", "# x", "- y", "'q'", "1e5", "東京", "a\u202eb", "*z", "@", "{", "1:30"]
)
AMOUNTS = st.decimals("0", "1000", places=7).map(lambda value: format(value, "f"))
MORE = st.decimals("0.01", "1000", places=2).map(lambda value: format(value, "f"))
PERCENT = st.sampled_from(["0.5", "12.50", "7"])
BOUNDS = {"boundary": st.just("lower_inclusive"), "first_flat_at_zero": st.just("true")}
TIERS = st.tuples(MORE, AMOUNTS, AMOUNTS).map(
    lambda values: [
        {"up_to": values[0], "unit": values[1], "flat": "0.10"}, {"unit": values[2], "package_size": "5"}
    ]
)  # fmt: skip
RATES = PERCENT.map(lambda rate: [{"up_to": "1000", "percent": rate, "flat": "2"}, {"percent": "1"}])
PRICES = st.one_of(
    st.fixed_dictionaries({"unit": AMOUNTS}, optional={"per": st.sampled_from(["1000", "1000000"])}),
    st.fixed_dictionaries({"graduated": TIERS}, optional=BOUNDS),
    st.fixed_dictionaries({"volume": TIERS}, optional={**BOUNDS, "per": st.just("1000")}),
    st.fixed_dictionaries({"package": st.fixed_dictionaries(
        {"size": MORE, "amount": AMOUNTS}, optional={"round": st.just("down")})}),
    st.fixed_dictionaries({"credits": st.fixed_dictionaries(
        {"price": AMOUNTS}, optional={"each": AMOUNTS, "per": st.just("1000")})}),
)  # fmt: skip
MONEY_PRICES = st.one_of(
    st.fixed_dictionaries({"markup_percent": PERCENT}, optional={"fixed": MORE}),
    st.fixed_dictionaries({"multiplier": st.just("1.25")}),
    st.fixed_dictionaries({"margin_percent": PERCENT}),
    st.fixed_dictionaries({"graduated_percentage": RATES}, optional=BOUNDS),
    st.fixed_dictionaries({"percentage": st.fixed_dictionaries({"percent": PERCENT}, optional={
        "fixed_per_event": MORE, "free_events": st.just("3"), "free_amount": AMOUNTS,
        "event_minimum": st.just("0.01"), "event_maximum": MORE})}),
)  # fmt: skip
DISCOUNTS = st.lists(
    st.fixed_dictionaries({"percent": PERCENT}, optional={"name": NAMES, "start": st.just("2026-11-01"),
                          "until": st.just("2027-01-01"), "invoices": st.just("3")})
    | st.fixed_dictionaries({"amount": AMOUNTS}), max_size=2,
)  # fmt: skip
COMMITMENTS = st.fixed_dictionaries(
    {"amount": AMOUNTS},
    optional={"overage_factor": st.just("1.50"), "true_up": st.just("true"), "window": st.just("day")},
)
TERMS: dict[str, Any] = {
    "included": AMOUNTS, "usage_discount": MORE, "round_up_to": MORE, "block_size": MORE,
    "negative": st.just("negate"), "minimum": st.just("1.00"), "maximum": MORE, "commitment": COMMITMENTS,
    "itemize": st.just(["model", "tag.feature"]), "overlap": st.just("true"), "discount": DISCOUNTS,
    "tax_percent": PERCENT, "shares": st.dictionaries(NAMES, PERCENT, min_size=1, max_size=2),
    "where": st.dictionaries(st.sampled_from(["model", "tag.team"]),
                             NAMES | st.just("") | st.just(["a", "b"]), min_size=1, max_size=2),
    "convert": st.fixed_dictionaries({"divide": MORE}, optional={"round": st.sampled_from(["up", "down"])}),
}  # fmt: skip
CHARGES = st.one_of(
    st.tuples(st.fixed_dictionaries({"name": NAMES, "meter": st.sampled_from(["tokens", "calls", "users"])},
                                    optional=TERMS), PRICES),
    st.tuples(st.fixed_dictionaries({"name": NAMES, "meter": st.just("cost")}, optional=TERMS), MONEY_PRICES),
).map(lambda pair: {**pair[0], **pair[1]})  # fmt: skip
PLANS = st.fixed_dictionaries(
    {"base": AMOUNTS, "minimum": MORE,
     "charges": st.lists(CHARGES, max_size=3, unique_by=lambda each: each["name"])},
    optional={
        "interval": st.sampled_from(["week", {"anniversary": "month"}, {"every": "3", "unit": "month"},
                                     {"anniversary": "month", "every": "2"}]),
        "currency": st.just("EUR"), "base_in_advance": st.just("true"), "commitment": COMMITMENTS,
        "thresholds": st.just(["100", "250.50"]), "discount": DISCOUNTS, "trial_days": st.just("14"),
        "grace_hours": st.sampled_from(["0", "12"]), "usd_rates": st.just({"2026-11-01": "0.92"}),
        "add_ons": st.lists(st.fixed_dictionaries({"name": NAMES, "amount": AMOUNTS}, optional={
            "quantity": MORE, "on": st.just("2026-11-03"), "tax_percent": PERCENT}),
            max_size=2, unique_by=lambda each: each["name"]),
    },
)  # fmt: skip


def read(text: str) -> Plan | None:
    """Return the plan `p` of a text, None where the reader finds something wrong."""
    root, findings = yamltext.parse(text, "p.yaml")
    assert root is not None, findings
    terms = read_billing_terms(dict(root.items()), findings)
    return None if findings else terms.plans["p"]


def written(plan: Plan) -> str:
    return yamltext.written({"plans": {plan.name: written_plan(plan)}})


@given(PLANS)
@settings(max_examples=150, deadline=None)
def test_what_is_written_of_a_plan_is_read_as_the_same_plan(said: dict[str, Any]) -> None:
    plan = read(yamltext.written({"plans": {"p": said}}))
    assume(plan is not None)  # some terms make no sense together
    assert plan is not None
    again = read(written(plan))
    assert again == plan and again.digest == plan.digest
    assert written(again) == written(plan)


@pytest.mark.parametrize("bucket", ["hour", "day"])
def test_a_bucket_stands_beside_the_price_of_each(bucket: str) -> None:
    text = f"plans: {{p: {{charges: [{{meter: calls, bucket: {bucket}, package: {{size: 5, amount: 1}}}}]}}}}"
    plan = read(text)
    assert plan is not None and read(written(plan)) == plan


def test_characters_that_a_terminal_would_act_on_are_escaped() -> None:
    assert "\u202e" not in yamltext.written({"name": "a\u202eb"})
    assert "東京" in yamltext.written({"name": "東京"})


def test_a_small_price_is_written_out_in_yaml_and_in_differences() -> None:
    before = read('plans: {p: {charges: [{name: A, meter: tokens, unit: "0.0000005"}]}}')
    after = read('plans: {p: {charges: [{name: A, meter: tokens, unit: "0.0000006"}]}}')
    assert before is not None and "0.0000005" in written(before)
    assert difference(before, after) == ["charges.A.unit: 0.0000005 → 0.0000006"]


def test_terms_of_one_subscription_are_written_alike() -> None:
    assert written_overrides(Overrides(base=Decimal("0.00"), trial_days=0)) == {
        "base": "0.00",
        "trial_days": 0,
    }
