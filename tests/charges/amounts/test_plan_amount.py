"""Several charges of a plan together: their sum, its commitment, discounts, minimum and maximum."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from farebox.charges.amounts.allowances import less_free
from farebox.charges.amounts.charge_amount import Usage, amount, committed, total
from farebox.charges.amounts.plan_amount import ChargeUsage, Rounding, charge_amount, plan_amounts
from farebox.charges.models import CostPlus, CreditConversion, Package, Standard
from farebox.charges.plan import AddOn, Charge, Commitment, Discount, Plan

CENTS = Rounding(scale=2)
AMOUNTS = st.decimals("0", "500", places=3)
QUANTITIES = st.fractions("0", "500", max_denominator=50)


def used(*quantities: Fraction | int) -> ChargeUsage:
    return ChargeUsage(parts=tuple(Usage(quantity=Fraction(each)) for each in quantities))


def test_a_discount_comes_before_the_minimum_and_the_minimum_is_of_the_part_of_a_period() -> None:
    plan = Plan(
        name="plan",
        charges=(Charge(name="calls", meter="calls", model=Standard(unit=Decimal(1))),),
        discounts=(Discount(kind="percentage", value=Decimal(50)),),
        minimum=Decimal(100),
    )
    amounts = plan_amounts(plan, {"calls": used(60)}, previously_billed=10, part=Fraction(1, 2))
    assert (amounts.discount, amounts.top_up, amounts.total) == (30, 10, 40)
    assert plan_amounts(plan, {"calls": used(60)}, is_last=False).total == 30


def test_each_group_of_a_cost_plus_charge_is_a_rounded_line() -> None:
    charge = Charge(name="cost", meter="cost", model=CostPlus(), itemize=("model",))
    groups = used(Fraction("0.105"), Fraction("0.105"))
    assert charge_amount(charge, groups, CENTS) == Fraction("0.22")
    whole = Charge(name="cost", meter="cost", model=CostPlus())
    assert charge_amount(whole, groups, CENTS) == Fraction("0.21")


def test_every_window_has_its_own_commitment() -> None:
    commitment = Commitment(amount=Decimal(10), overage_factor=Decimal(2), true_up=True, window="hour")
    charge = Charge(name="calls", meter="calls", model=Standard(unit=Decimal(1)), commitment=commitment)
    assert charge_amount(charge, used(4, 15)) == 10 + 20


def test_units_included_in_a_charge_on_credits_or_own_costs_are_units_of_its_meter() -> None:
    usage = Usage(quantities={"calls": Fraction(12)})
    for model in (
        CreditConversion(credits_per_unit={"calls": Decimal(3)}, credit_price=Decimal(2)),
        CostPlus(unit_costs={"calls": Decimal(6)}),
    ):
        assert total(Charge(name="c", meter="calls", model=model, included=Decimal(10)), usage) == 12


CHARGES = st.lists(
    st.one_of(
        st.builds(Standard, unit=AMOUNTS),
        st.builds(Package, size=st.just(Decimal(7)), amount=AMOUNTS),
    ),
    max_size=4,
).map(
    lambda models: tuple(
        Charge(name=str(number), meter="calls", model=model) for number, model in enumerate(models)
    )
)
PLANS = st.builds(
    Plan,
    name=st.just("plan"),
    base=AMOUNTS,
    charges=CHARGES,
    addons=st.lists(st.builds(AddOn, name=st.just("seat"), amount=AMOUNTS), max_size=1).map(tuple),
    commitment=st.none() | st.builds(Commitment, amount=AMOUNTS, true_up=st.booleans()),
    discounts=st.lists(
        st.builds(
            Discount,
            kind=st.sampled_from(["percentage", "fixed"]),
            value=st.decimals("0", "150", places=1),
            charges=st.sampled_from([(), ("0",)]),
        ),
        max_size=3,
    ).map(tuple),
    minimum=st.none() | AMOUNTS,
    maximum=st.none() | AMOUNTS,
)


@given(PLANS, st.lists(QUANTITIES, min_size=4, max_size=4), st.sampled_from([None, CENTS]), AMOUNTS)
@settings(max_examples=200, deadline=None)
def test_a_plan_is_the_sum_of_its_charges_and_of_what_its_terms_make_of_them(
    plan: Plan, quantities: list[Fraction], rounding: Rounding | None, billed: Decimal
) -> None:
    usage = {charge.name: used(quantity) for charge, quantity in zip(plan.charges, quantities, strict=False)}
    rules = {} if rounding is None else dict.fromkeys(usage, rounding)
    amounts = plan_amounts(plan, usage, rounding=rules, previously_billed=billed)
    lines = sum((line for _, line in amounts.lines), Fraction(0))
    addons = sum((Fraction(each.amount) for each in plan.addons), Fraction(0))
    charges = [charge_amount(each, usage[each.name], rounding) for each in plan.charges]
    assert lines == Fraction(plan.base) + addons + sum(charges, Fraction(0))
    assert 0 <= amounts.discount <= lines + amounts.commitment
    if plan.maximum is not None:
        assert amounts.total <= max(Fraction(plan.maximum) - Fraction(billed), Fraction(0))
    elif plan.minimum is not None:
        assert amounts.total + Fraction(billed) >= Fraction(plan.minimum)
    assert plan_amounts(plan, usage, rounding=rules, previously_billed=billed) == amounts


@given(CHARGES, st.lists(QUANTITIES, min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_what_is_added_after_earlier_usage_is_the_difference_also_in_a_plan(
    charges: tuple[Charge, ...], parts: list[Fraction]
) -> None:
    for charge in charges:
        billed = Fraction(0)
        for at, part in enumerate(parts):
            before = tuple(Usage(quantity=each) for each in parts[:at])
            now = ChargeUsage(parts=(Usage(quantity=part),), before=before)
            billed += charge_amount(charge, now)
        whole = Usage(quantity=sum(parts, Fraction(0)))
        assert billed == amount(charge, whole) == committed(charge, [whole])


@given(st.lists(st.fractions("-100", "100", max_denominator=9)), st.fractions("0", "200", max_denominator=9))
def test_what_is_left_of_amounts_in_order_is_their_sum_less_what_is_free(
    amounts: list[Fraction], free: Fraction
) -> None:
    left = less_free(amounts, free)
    assert len(left) == len(amounts)
    assert sum(left, Fraction(0)) == max(sum(amounts, Fraction(0)) - free, Fraction(0))
    for at in range(len(amounts)):
        assert less_free(amounts[:at], free) == left[:at]
