"""Invariants of the charge engine, for any charge and any usage."""

from __future__ import annotations

import os
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from farebox.charges.amounts.allocation import allocate, percentages
from farebox.charges.amounts.charge_amount import Usage, amount, total
from farebox.charges.amounts.invoice_arithmetic import (
    Credit,
    InvoiceAmounts,
    RatedLine,
    Terms,
    invoice_amounts,
)
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
from farebox.charges.models.tiers import PercentageTier, Tier
from farebox.charges.plan import Charge, Conversion, Discount, Plan, canonical_json
from farebox.charges.rounding import exact_text, units_of

EXAMPLES = 400 if os.environ.get("FAREBOX_LONG") else 100
PRICES = st.decimals("0", "1000", places=6)
POSITIVE = st.decimals("0.001", "5000", places=3)
QUANTITIES = st.fractions("-500", "20000", max_denominator=1000)
NAMED_PRICES = st.fixed_dictionaries({"a": PRICES, "b": PRICES})
PERCENTS = st.decimals("0", "99", places=2)


@st.composite
def bounds(draw: st.DrawFn) -> list[Decimal | None]:
    """Upper bounds of tiers, ascending, the last one open."""
    return [*sorted(draw(st.sets(POSITIVE, max_size=4))), None]


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    return tuple(
        Tier(
            up_to=up_to,
            unit=draw(PRICES),
            flat=draw(PRICES),
            package_size=draw(st.none() | POSITIVE),
        )
        for up_to in draw(bounds())
    )


@st.composite
def percentage_tiers(draw: st.DrawFn) -> tuple[PercentageTier, ...]:
    return tuple(
        PercentageTier(up_to=up_to, rate_percent=draw(PERCENTS), flat=draw(PRICES))
        for up_to in draw(bounds())
    )


BOUNDARIES = st.sampled_from(["inclusive", "lower_inclusive"])
OF_A_QUANTITY = st.one_of(
    st.builds(Standard, unit=PRICES, per=POSITIVE),
    st.builds(Graduated, tiers=tiers(), per=POSITIVE, boundary=BOUNDARIES, first_flat_at_zero=st.booleans()),
    st.builds(Volume, tiers=tiers(), per=POSITIVE, boundary=BOUNDARIES, first_flat_at_zero=st.booleans()),
    st.builds(Package, size=POSITIVE, amount=PRICES, rounding=st.sampled_from(["up", "down"])),
    st.builds(CostPlus, multiplier=st.none() | PRICES, fixed=PRICES),
    st.builds(CostPlus, margin_percent=PERCENTS),
    st.builds(CostPlus, markup_percent=PERCENTS),
    st.builds(
        GraduatedPercentage,
        tiers=percentage_tiers(),
        boundary=BOUNDARIES,
        first_flat_at_zero=st.booleans(),
    ),
)
MODELS = st.one_of(
    OF_A_QUANTITY,
    st.builds(Bucketed, inner=OF_A_QUANTITY),
    st.builds(
        Percentage,
        rate_percent=PERCENTS,
        fixed_per_event=PRICES,
        free_events=st.none() | st.integers(0, 5),
        free_amount=st.none() | POSITIVE,
        event_minimum=st.none() | PRICES,
        event_maximum=st.none() | PRICES,
    ),
    st.builds(
        CostPlus, unit_costs=st.fixed_dictionaries({"a": PRICES, "b": PRICES}), markup_percent=PERCENTS
    ),
    st.builds(
        CreditConversion,
        credits_per_unit=NAMED_PRICES,
        per=POSITIVE,
        credit_price=st.none() | PRICES,
    ),
)
CHARGES = st.builds(
    Charge,
    name=st.just("charge"),
    meter=st.just("calls"),
    model=MODELS,
    included=st.just(Decimal(0)) | POSITIVE,
    usage_discount=st.just(Decimal(0)) | POSITIVE,
    conversion=st.none()
    | st.builds(
        Conversion,
        operation=st.sampled_from(["multiply", "divide"]),
        factor=POSITIVE,
        rounding=st.sampled_from(["none", "ceiling", "floor", "half_up"]),
    ),
    round_up_to=st.none() | POSITIVE,
    block_size=st.none() | POSITIVE,
    negative=st.sampled_from(["zero", "negate"]),
)
USAGE = st.builds(
    Usage,
    quantity=QUANTITIES,
    quantities=st.dictionaries(st.sampled_from("ab"), QUANTITIES),
    events=st.lists(QUANTITIES, max_size=4).map(tuple),
    buckets=st.dictionaries(st.sampled_from(["09", "10", "11"]), QUANTITIES),
)


@given(CHARGES, st.lists(USAGE, min_size=1, max_size=5))
@settings(max_examples=EXAMPLES, deadline=None)
def test_partial_invoices_of_a_period_add_up_to_one_for_every_model(
    charge: Charge, parts: list[Usage]
) -> None:
    before: Usage | None = None
    billed = Fraction(0)
    for part in parts:
        billed += amount(charge, part, before)
        before = part if before is None else before + part
    assert before is not None
    assert billed == total(charge, before)


@given(CHARGES, USAGE)
@settings(max_examples=EXAMPLES // 2, deadline=None)
def test_the_same_charge_and_usage_give_the_same_bytes(charge: Charge, usage: Usage) -> None:
    again = Charge(**{name: getattr(charge, name) for name in charge.__struct_fields__})
    assert exact_text(total(charge, usage)) == exact_text(total(again, usage))
    assert canonical_json(Plan(name="p", charges=(charge,))) == canonical_json(
        Plan(name="p", charges=(again,))
    )


@given(st.integers(-(10**12), 10**12), st.lists(st.fractions("0", "1000", max_denominator=97), min_size=1))
def test_shares_add_up_and_are_less_than_a_unit_away_from_exact(units: int, weights: list[Fraction]) -> None:
    parts = allocate(units, weights)
    assert sum(parts) == units
    whole = sum(weights)
    if whole:
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part - units * weight / whole) < 1


@given(st.integers(-(10**9), 10**9), st.lists(st.decimals("0", "20", places=3), max_size=5))
def test_payees_and_what_is_left_add_up_to_the_line(units: int, percents: list[Decimal]) -> None:
    assert sum(percentages(units, percents)) == units


DISCOUNTS = st.lists(
    st.builds(
        Discount,
        kind=st.sampled_from(["percentage", "fixed"]),
        value=PERCENTS,
        charges=st.sampled_from([(), ("a",)]),
    ),
    max_size=2,
).map(tuple)
LINES = st.lists(
    st.builds(
        RatedLine,
        id=st.sampled_from("uvwxyz"),
        amount_minor=st.integers(-5000, 100_000),
        tax_percent=st.sampled_from([Decimal(0), Decimal("7"), Decimal("19"), Decimal("23.33")]),
        charge=st.sampled_from("ab"),
        discounts=DISCOUNTS,
    ),
    max_size=5,
    unique_by=lambda line: line.id,
)
TERMS = st.builds(
    Terms,
    exponent=st.sampled_from([0, 2, 3]),
    discounts=DISCOUNTS,
    minimum=st.none() | PRICES,
    maximum=st.none() | PRICES,
    previously_billed_minor=st.integers(0, 20_000),
    is_last=st.booleans(),
    tax_percent=st.just(Decimal(19)),
    credits=st.lists(
        st.builds(
            Credit,
            id=st.sampled_from("gh"),
            amount_minor=st.integers(0, 50_000),
            applies_to=st.sampled_from([(), ("u", "v")]),
        ),
        max_size=3,
    ).map(tuple),
    credits_position=st.sampled_from(["after_tax", "before_tax"]),
    tax_rounding=st.sampled_from(["rate", "invoice"]),
)


@given(LINES, TERMS)
@settings(max_examples=EXAMPLES, deadline=None)
def test_lines_steps_tax_and_payments_of_an_invoice_add_up(lines: list[RatedLine], terms: Terms) -> None:
    result: InvoiceAmounts = invoice_amounts(lines, terms)
    assert result.subtotal_minor == sum(line.amount_minor for line in lines)
    taken = result.discount_minor + result.above_maximum_minor
    net = result.subtotal_minor + result.top_up_minor - taken
    assert net == sum(line.net_minor for line in result.lines) + result.top_up_minor
    assert result.total_minor == net + result.tax_minor
    assert result.due_minor >= 0 >= result.carried_minor
    assert result.due_minor + result.carried_minor == result.total_minor - result.credits_minor
    for line in result.lines:
        taken = line.line_discount_minor + line.invoice_discount_minor + line.above_maximum_minor
        assert 0 <= taken <= max(line.amount_minor, 0)
    for credit, paid in result.credits:
        assert 0 < paid <= sum(each.amount_minor for each in terms.credits if each.id == credit)
    if terms.tax_rounding == "rate":
        for tax in result.taxes:
            assert tax.tax_minor == units_of(Fraction(tax.base_minor) * Fraction(tax.percent) / 100, 0)
    assert invoice_amounts(lines, terms) == result
