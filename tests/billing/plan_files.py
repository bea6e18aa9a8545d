"""Plan files as founders write them, usage, and what each line comes to, worked out by hand.

`acme` and `pro` stand for a customer and a plan of the example's own. Amounts are in the smallest unit of the
currency, by the line's title.
"""

# ruff: noqa: E501 - charges are written on one line, as people do

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from tests.billing.invoices.billed_customers import USD, at
from tests.billing.usage_in_memory import call

from farebox.charges.usage.cells import Cell, OutcomeCell


class Example(NamedTuple):
    """One file."""

    name: str
    plan: str
    """What stands under the plan's name."""
    usage: list[Cell | OutcomeCell]
    lines: list[dict[str, int]]
    """Of each invoice, in order."""
    due: list[int]
    customer: str = "{timezone: UTC}"
    more: str = ""
    """Of the subscription."""
    runs: tuple[str, ...] = ("2026-12-04T00:00",)


def used(
    model: str = "gpt-4o", cost: str = "0", day: str = "2026-11-10T12:00", zone: str = "UTC", **more: Any
) -> Cell:
    """Return calls; their cost, in dollars, is of their output."""
    whole, _, part = cost.partition(".")
    pico = int(whole) * USD + int(f"{part:0<12}")
    return call("acme", at(day, zone), model=model, output_cost_pico=pico, **more)


def many(count: int, **more: Any) -> Cell:
    return msgspec.structs.replace(used(**more), calls=count)


def outcomes(name: str, *values: str, count: int = 0) -> list[Cell | OutcomeCell]:
    from decimal import Decimal

    moment = at("2026-11-10T12:00")
    made = [OutcomeCell(customer="acme", dims={"outcome": name}, start_ns=moment + n, count=1, value=Decimal(value))
            for n, value in enumerate(values)]  # fmt: skip
    return [
        *made,
        *(
            [OutcomeCell(customer="acme", dims={"outcome": name}, start_ns=moment, count=count)]
            if count
            else []
        ),
    ]


ISSUE = """
    interval: month
    base: "20.00"
    charges:
      - {name: GPT output, meter: output_tokens, where: {model: gpt-4o}, graduated: [{up_to: 1000000, unit: "0.00002"}, {unit: "0.000015"}]}
      - {name: Everything else, meter: cost, markup_percent: "20"}
      - {name: Qualified leads, meter: outcome, where: {outcome: lead.qualified}, unit: "4.00", included: 10}
    minimum: "50.00"
"""
NEW_YORK = '{name: Acme Inc., currency: USD, timezone: America/New_York, tax_percent: "19"}'


def charge(text: str, **plan: str) -> str:
    return (
        "".join(f"\n    {key}: {value}" for key, value in plan.items())
        + f"\n    charges:\n      - {{name: A, {text}}}\n"
    )


EXAMPLES = [
    Example("the issue's own", ISSUE,
            [used("gpt-4o", "15", output_tokens=1_500_000), msgspec.structs.replace(used("gpt-4o"), input_cost_pico=25 * USD // 10, uncached_input_tokens=1),
             used("claude", "10"), *outcomes("lead.qualified", count=12)],
            # 20 + 7.50; (2.50 + 10.00) × 1.2; (12 − 10) × 4; 70.50 × 19 % = 13.395
            [{"Base fee, pro": 2000, "GPT output": 2750, "Everything else": 1500, "Qualified leads": 800}], [8390], NEW_YORK),
    Example("the issue's own, unused", ISSUE, [], [{"Base fee, pro": 2000, "Minimum of pro": 3000}], [5950], NEW_YORK),
    Example("a price for each", charge('meter: calls, unit: "0.01"'), [many(250)], [{"A": 250}], [250]),
    Example("a price for a million", charge('meter: tokens, per_million: "20.00"'), [used(output_tokens=2_000_000, uncached_input_tokens=500_000)], [{"A": 5000}], [5000]),
    Example("tiers with a flat amount", charge('meter: calls, graduated: [{up_to: 100, unit: "0", flat: "5.00"}, {unit: "0.10"}]'), [many(150)], [{"A": 1000}], [1000]),
    Example("volume", charge('meter: output_tokens, volume: [{up_to: 1000000, unit: "20.00"}, {unit: "15.00"}], per: million'), [used(output_tokens=1_500_000)], [{"A": 2250}], [2250]),
    Example("packages", charge('meter: calls, package: {size: 1000, amount: "5.00"}'), [many(2_500)], [{"A": 1500}], [1500]),
    Example("a markup by model, provider and default", charge('meter: cost, markup_percent: {gpt-4o: "10", anthropic/*: "15", default: "20"}'),
            [used("gpt-4o", "100", provider="openai"), used("claude", "100", provider="anthropic"), used("gemini", "100", provider="google")],
            [{"A (gpt-4o)": 11000, "A (anthropic/*)": 11500, "A": 12000}], [34500]),
    Example("a multiplier and a fixed amount", charge('meter: cost, multiplier: "1.2", fixed: "3.00"'), [used(cost="100")], [{"A": 12300}], [12300]),
    Example("a margin", charge('meter: cost, margin_percent: "20"'), [used(cost="100")], [{"A": 12500}], [12500]),
    Example("a rate and a fee for each sale", charge('meter: outcome_value, where: {outcome: sale}, percentage: {percent: "2.5", fixed_per_event: "0.30"}'),
            outcomes("sale", "99.99", "0.01"), [{"A": 310}], [310]),
    Example("a rate with bounds for each sale", charge('meter: outcome_value, percentage: {percent: "10", event_minimum: "1.00", event_maximum: "20.00"}'),
            outcomes("sale", "5", "50", "500"), [{"A": 2600}], [2600]),
    Example("rates by tier", charge('meter: outcome_value, graduated_percentage: [{up_to: 1000, percent: "5"}, {percent: "3"}]'), outcomes("sale", "1500"), [{"A": 6500}], [6500]),
    Example("credits", charge('meter: tokens, credits: {each: "1", per: 1000, price: "0.01"}'), [used(output_tokens=700_000)], [{"A": 700}], [700]),
    Example("a flat charge", charge('flat: "10.00"'), [], [{"A": 1000}], [1000]),
    Example("started minutes", charge('meter: seconds, convert: {divide: 60, round: up}, unit: "0.10"'), [used(total_us=90_000_000)], [{"A": 20}], [20]),
    # November leaves 100 of 1,000; half of 1,000 may be carried, so 100 are: December is charged 1,500 − 1,100.
    Example("units carried over", charge('meter: calls, unit: "0.01", included: 1000, rollover_percent: "50"'),
            [many(900), many(1_500, day="2026-12-10T12:00")], [{"A": 0}, {"A": 400}], [0, 400], runs=("2026-12-04T00:00", "2027-01-04T00:00")),
    # 500,000 at 10 a million; then 500,000 at 10 and 200,000 at 20.
    Example("every day by itself", charge('meter: tokens, bucket: day, graduated: [{up_to: 500000, unit: "10.00"}, {unit: "20.00"}], per: million'),
            [used(output_tokens=500_000), used(output_tokens=700_000, day="2026-11-11T00:00")], [{"A": 1400}], [1400]),
    Example("a most for a charge", charge('meter: calls, unit: "0.01", minimum: "10.00", maximum: "50.00"'), [many(9_000)], [{"A": 9000, "Maximum of A": -4000}], [5000]),
    Example("a commitment with overage", charge('meter: calls, unit: "0.01", commitment: {amount: "100.00", overage_factor: "1.5"}'), [many(20_000)], [{"A": 25000}], [25000]),
    Example("a commitment of the plan", charge('meter: calls, unit: "0.01"', base='"20.00"', commitment='{amount: "100.00", true_up: true}'),
            [many(5_000)], [{"Base fee, pro": 2000, "A": 5000, "Commitment of pro": 5000}], [12000]),
    Example("a discount on one charge, then a most for all", charge('meter: calls, unit: "0.01"', base='"20.00"', maximum='"100.00"', discount='{percent: "10", charges: [A]}'),
            [many(10_000)], [{"Base fee, pro": 2000, "A": 10000, "Discount": -1000, "Maximum of pro": -1000}], [10000]),
    Example("add-ons, one of them free of tax", "\n    base: \"20.00\"\n    add_ons: [{name: Support, amount: \"30.00\", quantity: 2}, {name: Setup, amount: \"250.00\", on: 2026-11-03, tax_percent: \"0\"}]\n",
            [], [{"Base fee, pro": 2000, "Support": 6000, "Setup": 25000}], [33800], '{timezone: UTC, tax_percent: "10"}'),
    # The trial ends on the 15th: 16 of 30 days of 30.00, and only what was used from then on.
    Example("a trial", charge('meter: calls, unit: "0.01"', base='"30.00"', trial_days="14"), [many(100, day="2026-11-14T23:59"), many(100, day="2026-11-15T00:00")],
            [{"Base fee, pro": 1600, "A": 100}], [1700]),
    Example("an anniversary on the 31st in New York", charge('meter: cost, markup_percent: "20"', base='"20.00"', interval="{anniversary: month}"),
            [used(cost="1", day="2026-11-29T23:59", zone="America/New_York"), used(cost="2", day="2026-11-30T00:00", zone="America/New_York")],
            [{"Base fee, pro": 2000, "A": 120}, {"Base fee, pro": 2000, "A": 240}], [2120, 2240], "{timezone: America/New_York}", "start: 2026-10-31",
            ("2026-12-03T00:00", "2027-01-04T00:00")),
    # 10 × 155.5 × 1.2 = 1,866; (500 + 1,866) × 10 % = 236.6
    Example("yen", charge('meter: cost, markup_percent: "20"', base='"500"', currency="JPY", usd_rates='{2026-11-01: "155.5"}'), [used(cost="10")],
            [{"Base fee, pro": 500, "A": 1866}], [2603], '{currency: JPY, timezone: Asia/Tokyo, tax_percent: "10"}'),
    Example("dinars of Kuwait, with three digits", charge('meter: cost, markup_percent: "20"', base='"1.500"', usd_rates='{2026-11-01: "0.307"}'), [used(cost="10")],
            [{"Base fee, pro": 1500, "A": 3684}], [5184], "{currency: KWD, timezone: Asia/Kuwait}"),
    Example("euros", charge('meter: cost, markup_percent: "20"', usd_rates='{2026-11-01: "0.92"}'), [used(cost="100")], [{"A": 11040}], [11040], "{currency: EUR, timezone: Europe/Berlin}"),
    Example("tags and patterns", '\n    charges:\n      - {name: A, meter: calls, where: {tag.feature: summary, model: [gpt-4o, gpt-4o-*]}, unit: "1.00"}\n      - {name: B, meter: calls, where: {tag.feature: ""}, unit: "0.50"}\n      - {name: C, meter: calls, unit: "0.25"}\n',
            [many(10, model="gpt-4o-mini", **{"tag.feature": "summary"}), many(5), many(8, **{"tag.feature": "chat"}), many(4, model="gpt-5", **{"tag.feature": "summary"})],
            [{"A": 1000, "B": 250, "C": 300}], [1550]),
    Example("a quarter", '\n    base: "60.00"\n    interval: quarter\n', [], [{"Base fee, pro": 6000}], [6000], more="start: 2026-10-01", runs=("2027-01-04T00:00",)),
    Example("a week", '\n    base: "7.00"\n    interval: week\n', [], [{"Base fee, pro": 700}], [700], more="start: 2026-11-02, until: 2026-11-09"),
    Example("in advance", '\n    base: "20.00"\n    base_in_advance: true\n', [], [{"Base fee, pro": 4000}, {"Base fee, pro": 2000}], [4000, 2000],
            runs=("2026-12-04T00:00", "2027-01-04T00:00")),
    # 20 of 30 days: base and what is included; 260 − 200 calls.
    Example("a part of a month", charge('meter: calls, unit: "0.01", included: 300', base='"30.00"'), [many(260, day="2026-11-11T00:00")],
            [{"Base fee, pro": 2000, "A": 60}], [2060], more="start: 2026-11-11"),
    Example("terms of one customer's own", charge('meter: calls, unit: "0.01"', base='"20.00"'), [many(1_000)], [{"Base fee, pro": 1500, "A": 800}], [2300],
            more='overrides: {base: "15.00", charges: [{name: A, meter: calls, unit: "0.008"}]}'),
    # 100 × 1.2 on the way; then 150 × 1.2 less that.
    Example("a threshold", charge('meter: cost, markup_percent: "20"', thresholds='["100.00"]'), [used(cost="100"), used(cost="50", day="2026-11-20T00:00")],
            [{"A": 12000}, {"A": 18000, "Billed by": -12000}], [12000, 6000], runs=("2026-11-15T00:00", "2026-12-04T00:00")),
    Example("users and sessions", '\n    charges:\n      - {name: Seats, meter: users, unit: "5.00", overlap: true}\n      - {name: Chats, meter: conversations, unit: "0.10"}\n',
            [used(user="ann", session="1"), used(user="ann", session="2"), used(user="bob", session="3")], [{"Seats": 1000, "Chats": 30}], [1030]),
    Example("a tax of the charge's own", charge('meter: calls, unit: "0.01", tax_percent: "7"', base='"20.00"'), [many(1_000)], [{"Base fee, pro": 2000, "A": 1000}], [3450],
            '{timezone: UTC, tax_percent: "19"}'),
]  # fmt: skip
