"""Percentages of outcomes' values: what is of one event is of each outcome, itemised or not."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from tests.billing.invoices.billed_customers import ACME, Billed, at, subscription

from farebox.charges.models import Percentage
from farebox.charges.plan import Charge, Plan
from farebox.charges.usage.cells import OutcomeCell
from farebox.home import Home

UTC = replace(ACME, timezone="UTC", tax_percent=Decimal(0))


def billed_minor(
    home: Home, *values: str, itemize: tuple[str, ...] = (), bucket: Any = None, **terms: Any
) -> int:
    model = Percentage(rate_percent=Decimal(1), **terms)
    charge = Charge(name="Sales", meter="outcome_value", model=model, itemize=itemize, bucket=bucket)
    plan = Plan(name="sales", version=1, charges=(charge,))
    on = Billed(home, plan, customers=(UTC,))
    on.subscribe(subscription(plan, date(2026, 11, 1)))
    on.usage.outcome_rows += [
        OutcomeCell(customer="acme", dims={"outcome": "sale", "agent": f"a{place % 3}"},
                    start_ns=at("2026-11-02T00:00") + place * 3_600 * 10**9, count=1, value=Decimal(value))
        for place, value in enumerate(values)
    ]  # fmt: skip
    made = on.invoice("2026-12-04T00:00")
    if itemize and made.lines[0].details:
        assert len(made.lines[0].details) == min(3, len(values))
    return made.subtotal_minor


@pytest.mark.parametrize("how", [{}, {"itemize": ("agent",)}, {"bucket": "day"}])
def test_per_event_terms_of_a_percentage_apply_to_each_outcome_itemised_or_not(
    home: Home, how: dict[str, Any]
) -> None:
    assert billed_minor(home, *["10"] * 100, fixed_per_event=Decimal("0.30"), **how) == 4_000


@pytest.mark.parametrize("how", [{}, {"itemize": ("agent",)}])
def test_free_events_are_the_first_that_occurred(home: Home, how: dict[str, Any]) -> None:
    assert billed_minor(home, "1000", "1000", "100", "200", free_events=2, **how) == 300


@pytest.mark.parametrize("how", [{}, {"itemize": ("agent",)}])
def test_minimum_and_maximum_of_an_event_bound_each_outcome(home: Home, how: dict[str, Any]) -> None:
    low, high = Decimal("0.50"), Decimal(5)
    made = billed_minor(home, "1", "100", "10000", event_minimum=low, event_maximum=high, **how)
    assert made == 50 + 100 + 500
