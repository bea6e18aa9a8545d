"""Costs in the columns of FOCUS, the FinOps Open Cost and Usage Specification, version 1.3.

https://focus.finops.org/focus-specification/v1-3/ and
https://github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec: the dataset "Cost and Usage", all of its
mandatory columns, and those conditional ones that Farebox has something to say in. A row is a day's tokens
of one class that a provider's model used for a customer. Amounts are decimals of twelve places, as the
record has them.

`ProviderName` and `PublisherName` are mandatory in 1.3 and deprecated: `ServiceProviderName` takes their
place. `ListCost` is what counts as the cost, too: the record divides one cost by classes of tokens, not
two."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from farebox.analytics.questions import Questions, Selection
from farebox.channels.usage.usage_event import value_text

Kind = Literal["text", "decimal", "moment"]
DAY_S = 86_400
CATEGORY, SUBCATEGORY = "AI and Machine Learning", "Generative AI"


class Column(NamedTuple):
    """One column, as the specification declares it."""

    name: str
    kind: Kind = "text"
    nullable: bool = False
    mandatory: bool = True


COLUMNS: tuple[Column, ...] = (
    Column("BilledCost", "decimal"),
    Column("BillingAccountId"),
    Column("BillingAccountName", nullable=True),
    Column("BillingCurrency"),
    Column("BillingPeriodEnd", "moment"),
    Column("BillingPeriodStart", "moment"),
    Column("ChargeCategory"),
    Column("ChargeClass", nullable=True),
    Column("ChargeDescription", nullable=True),
    Column("ChargeFrequency", mandatory=False),
    Column("ChargePeriodEnd", "moment"),
    Column("ChargePeriodStart", "moment"),
    Column("ConsumedQuantity", "decimal", nullable=True, mandatory=False),
    Column("ConsumedUnit", nullable=True, mandatory=False),
    Column("ContractedCost", "decimal"),
    Column("EffectiveCost", "decimal"),
    Column("HostProviderName"),
    Column("InvoiceIssuerName"),
    Column("ListCost", "decimal"),
    Column("PricingQuantity", "decimal", nullable=True),
    Column("PricingUnit", nullable=True),
    Column("ProviderName"),
    Column("PublisherName"),
    Column("ServiceCategory"),
    Column("ServiceName"),
    Column("ServiceProviderName"),
    Column("ServiceSubcategory", mandatory=False),
    Column("SkuId", nullable=True, mandatory=False),
    Column("SkuMeter", nullable=True, mandatory=False),
    Column("SkuPriceId", nullable=True, mandatory=False),
    Column("SubAccountId", nullable=True, mandatory=False),
    Column("SubAccountName", nullable=True, mandatory=False),
    Column("x_Calls", "decimal", mandatory=False),
    Column("x_UnpricedCalls", "decimal", mandatory=False),
)
"""In the specification's order; our own behind them. `x_UnpricedCalls` are calls whose cost nobody knows:
where there are some, a day came to more than its rows."""

PARQUET: dict[str, str] = {
    each.name: {"text": "VARCHAR", "decimal": "DECIMAL(38, 12)", "moment": "TIMESTAMP"}[each.kind]
    for each in COLUMNS
}


class _Class(NamedTuple):
    meter: str
    word: str
    cost: str


_CLASSES = (
    _Class("Input Tokens", "input", "input_cost_pico"),
    _Class("Cached Input Tokens", "cache_read", "cache_read_cost_pico"),
    _Class("Cache Write Tokens", "cache_creation", "cache_creation_cost_pico"),
    _Class("Output Tokens", "output", "output_cost_pico"),
    _Class("Other Usage", "other", "other_cost_pico"),
)
_MEASURES = [
    *("calls", "unpriced_calls", "input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
    *("output_tokens", *(each.cost for each in _CLASSES)),
]


def focus_rows(questions: Questions, chosen: Selection) -> Iterator[dict[str, str | None]]:
    """Yield the rows of some calls, by day: decimals as text, nothing as None."""
    asked = chosen.question(
        by=["provider", "model", "customer"], bucket="day", tz="UTC", measures=_MEASURES, order="calls"
    )
    (answer,) = questions.answers(asked)
    for row in answer.rows:
        provider, model, customer = (key or "" for key in row.keys)
        sums = dict(zip(_MEASURES, (value or 0 for value in row.values), strict=True))
        start_s = (row.start_ns or 0) // 10**9
        yield from _rows_of(start_s, provider or "unknown", model or "unknown", customer, sums)


def _rows_of(
    start_s: int, provider: str, model: str, customer: str, sums: dict[str, int]
) -> Iterator[dict[str, str | None]]:
    cached, created = sums["cache_read_input_tokens"], sums["cache_creation_input_tokens"]
    numbers = {
        "input": sums["input_tokens"] - cached - created,
        "cache_read": cached,
        "cache_creation": created,
        "output": sums["output_tokens"],
        "other": 0,
    }
    shared = _shared(start_s, provider, model, customer)
    # Calls stand in one row of a day, so that they add up.
    calls, unpriced = sums["calls"], sums["unpriced_calls"]
    for each in _CLASSES:
        number, cost = numbers[each.word], sums[each.cost]
        is_last = each is _CLASSES[-1]
        if not number and not cost and not (is_last and (calls or unpriced)):
            continue
        amount = value_text("cost_usd", cost)
        unit, quantity = ("Requests", sums["calls"]) if is_last else ("Tokens", number)
        yield {
            **shared,
            **dict.fromkeys(("BilledCost", "EffectiveCost", "ContractedCost", "ListCost"), amount),
            **dict.fromkeys(("ConsumedUnit", "PricingUnit"), unit),
            **dict.fromkeys(("ConsumedQuantity", "PricingQuantity"), str(quantity)),
            "ChargeDescription": f"{model}: {each.meter.lower()}",
            "SkuMeter": each.meter,
            "SkuPriceId": f"{provider}/{model}/{each.word}",
            "x_Calls": str(calls),
            "x_UnpricedCalls": str(unpriced),
        }
        calls = unpriced = 0


def _shared(start_s: int, provider: str, model: str, customer: str) -> dict[str, str | None]:
    """Return what all rows of a day, model and customer have alike."""
    day = datetime.fromtimestamp(start_s, UTC)
    month = day.replace(day=1)
    after = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
    providers = ("BillingAccountId", "HostProviderName", "InvoiceIssuerName", "ProviderName")
    found: dict[str, str | None] = dict.fromkeys((each.name for each in COLUMNS), None)
    found |= dict.fromkeys((*providers, "PublisherName", "ServiceName", "ServiceProviderName"), provider)
    return found | {
        "BillingCurrency": "USD",
        "BillingPeriodStart": _moment(month),
        "BillingPeriodEnd": _moment(after),
        "ChargePeriodStart": _moment(day),
        "ChargePeriodEnd": _moment(datetime.fromtimestamp(start_s + DAY_S, UTC)),
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "ServiceCategory": CATEGORY,
        "ServiceSubcategory": SUBCATEGORY,
        "SkuId": f"{provider}/{model}",
        "SubAccountId": customer or None,
        "SubAccountName": customer or None,
    }


def _moment(at: Any) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"
