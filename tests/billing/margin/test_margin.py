"""Margin is revenue less provider cost, exactly; what is not known is said."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from farebox.billing.documents.document import InvoiceLine, LineDetail
from farebox.billing.margin.attributed_revenue import attributed, itemized
from farebox.billing.margin.margin import Earning, Margin, Spending, margins, percent_text, total
from farebox.billing.margin.outcome_cost import cost_by_outcome
from farebox.charges.models import Standard
from farebox.charges.plan import Charge, Plan
from farebox.charges.usage.cells import Cell, OutcomeCell
from farebox.money import PICO_PER_USD


def line(amount_minor: int, exact: str, **other: object) -> InvoiceLine:
    fields: dict[str, object] = {"id": "1", "kind": "usage", "title": "t", "from_ns": 0, "until_ns": 1}
    return InvoiceLine(amount_minor=amount_minor, exact=exact, **{**fields, **other})  # type: ignore[arg-type]


def margin(revenue: str, cost: str, **other: int) -> Margin:
    cost_pico = int(Fraction(cost) * PICO_PER_USD)
    return Margin(
        value="acme",
        revenue_usd=Fraction(revenue),
        cost_pico=cost_pico,
        calls=1,
        **{"unpriced_calls": 0, **other},
    )


def test_a_margin_is_of_the_revenue_and_no_markup() -> None:
    found = margin("1.30", "1.00")
    assert found.margin_usd == Fraction("0.30")
    assert percent_text(found.percent) == "23.1"  # a markup of 30 %


def test_revenue_below_cost_is_a_negative_margin() -> None:
    assert percent_text(margin("0.50", "1.00").percent) == "-100.0"


def test_cost_without_revenue_is_below_every_threshold_and_has_no_percentage() -> None:
    found = margin("0", "1.00")
    assert found.percent is None and percent_text(None) is None
    assert found.is_below(Fraction(0)) and found.is_below(Fraction(20))
    assert not margin("0", "0").is_below(Fraction(20))


def test_a_margin_at_the_threshold_is_not_below_it() -> None:
    assert not margin("1.25", "1.00").is_below(Fraction(20))
    assert margin("1.25", "1.000000000001").is_below(Fraction(20))


def test_customers_with_the_lowest_margin_come_first_and_what_is_nobodys_last() -> None:
    found = margins(
        [
            Earning(value="a", usd=Fraction(10)),
            Earning(value="b", usd=Fraction(1)),
            Earning(value=None, usd=Fraction(5)),
        ],
        [
            Spending(value="a", cost_pico=PICO_PER_USD, calls=3),
            Spending(value="c", cost_pico=7, unpriced_calls=2),
        ],
    )
    assert [each.value for each in found] == ["c", "b", "a", None]
    assert found[0].revenue_usd == 0 and found[0].unpriced_calls == 2


def test_revenue_without_a_rate_is_not_known_and_neither_is_its_total() -> None:
    found = margins([Earning(value="a", usd=None), Earning(value="b", usd=Fraction(1))], [])
    by_value = {each.value: each for each in found}
    assert by_value["a"].margin_usd is None and by_value["a"].percent is None
    assert not by_value["a"].is_below(Fraction(100))
    assert total(found).revenue_usd is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 10**15), st.integers(0, 10**15))))
def test_the_total_of_margins_is_revenue_less_cost(figures: list[tuple[str, int, int]]) -> None:
    earnings = [Earning(value=name, usd=Fraction(usd, 997)) for name, usd, _ in figures]
    spendings = [Spending(value=name, cost_pico=pico) for name, _, pico in figures]
    everything = total(margins(earnings, spendings))
    assert everything.revenue_usd == sum((Fraction(usd, 997) for _, usd, _ in figures), Fraction(0))
    assert everything.cost_pico == sum(pico for _, _, pico in figures)


def test_lines_are_attributed_by_their_own_dimensions_or_by_their_details() -> None:
    lines = (
        line(1_000, "10", dims={"agent": "writer"}),
        line(
            500,
            "5",
            details=(
                LineDetail(dims={"agent": "writer"}, exact="2"),
                LineDetail(dims={"agent": ""}, exact="3"),
            ),
        ),
        line(2_000, "20", kind="base"),
        line(100, "1", details=(LineDetail(dims={"user": "u"}, exact="1"),)),
    )
    assert attributed(lines, "agent") == {"writer": 12, "": 3}


def test_usage_lines_are_itemized_and_outcomes_only_by_outcome() -> None:
    plan = Plan(
        name="pro",
        charges=(
            Charge(name="calls", meter="calls", model=Standard(unit=Fraction(1)), itemize=("model",)),  # type: ignore[arg-type]
            Charge(name="leads", meter="outcome", model=Standard(unit=Fraction(4))),  # type: ignore[arg-type]
        ),
    )
    assert [charge.itemize for charge in itemized(plan, "agent").charges] == [("model", "agent"), ()]
    assert [charge.itemize for charge in itemized(plan, "model").charges] == [("model",), ()]
    assert [charge.itemize for charge in itemized(plan, "outcome").charges] == [("model",), ("outcome",)]


def test_a_task_s_calls_are_the_cost_of_its_outcomes() -> None:
    cells = [
        Cell(customer="acme", dims={"task": "t1"}, calls=4, input_cost_pico=10),
        Cell(customer="acme", dims={"task": "t2"}, calls=1, input_cost_pico=7, unpriced_calls=1),
        Cell(customer="acme", dims={"task": ""}, calls=1, input_cost_pico=5),
        Cell(customer="other", dims={"task": "t1"}, calls=1, input_cost_pico=3),
    ]
    outcomes = [
        OutcomeCell(customer="acme", dims={"task": "t1", "outcome": "lead"}, count=2),
        OutcomeCell(customer="acme", dims={"task": "t1", "outcome": "reply"}, count=1),
        OutcomeCell(customer="acme", dims={"task": "", "outcome": "lead"}, count=9),
    ]
    found = cost_by_outcome(cells, outcomes)
    assert [(each.value, each.cost_pico) for each in found] == [
        ("lead", 7),
        ("reply", 3),
        ("", 7),
        ("", 5),
        ("", 3),
    ]
    assert sum(each.calls for each in found) == 7 and sum(each.unpriced_calls for each in found) == 1
