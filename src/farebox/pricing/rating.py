"""Turn measured usage into money.

Pure: no I/O, no clock, no floats. Everything a rating needs arrives as an argument, so a
charge recomputed years later comes out identical.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from farebox.money import INT64_MAX, PicoUsd, pico_from_usd
from farebox.pricing.exact import rounded
from farebox.pricing.facts import CostLine, CostState, RatedPart
from farebox.pricing.prices_in_force import LinePrice, Markup, Plan
from farebox.wire.facts import Part, Quantity

AMOUNT_MAX = 2**60
"""About $1.15 million for one part: anything larger is a misread count, not a price."""

Sums = tuple[CostState, PicoUsd | None, PicoUsd | None]
"""What is known of a part's cost, the cost, and the charge: see `RatedPart`."""

Amounts = tuple[CostState, PicoUsd | None, PicoUsd | None, list[tuple[str, PicoUsd | None]]]
"""`Sums`, and of each line its unit and its amount."""

_Amount = tuple[str, Quantity, LinePrice | None, PicoUsd | None]
"""A leaf, its quantity, its price and what that makes; None twice where it has no amount."""


def rate_part(part: Part, plan: Plan, *, completeness: str, snapshot: str) -> RatedPart:
    """Return the part in money by the prices of `plan`.

    A quantity without a price makes the part `unpriced`; the sum of what could be priced is
    kept as a lower bound. A cost that the provider itself stated counts; ours is kept beside it.
    """
    amounts, total, missing = _amounts(part, plan)
    state, cost, charge, listed, reason = _judged(part, plan, completeness, amounts, total, missing)
    return RatedPart(
        lines=_lines(amounts),
        cost_state=state,
        reason=reason,
        list_cost_pico=listed,
        cost_pico=cost,
        charge_pico=charge,
        markup=None if plan.markup is None else plan.markup.shown,
        priced_model=plan.model,
        snapshot=snapshot,
    )


def sum_part(part: Part, plan: Plan, *, completeness: str) -> Sums:
    """Return the sums that `rate_part` comes to, where nobody asks for the lines they are made of."""
    return _judged(part, plan, completeness, *_amounts(part, plan))[:3]


def part_amounts(part: Part, plan: Plan, *, completeness: str) -> Amounts:
    """Return the sums and the amounts that `rate_part` comes to, where nobody asks what they are made of."""
    amounts, total, missing = _amounts(part, plan)
    sums = _judged(part, plan, completeness, amounts, total, missing)[:3]
    return *sums, [(leaf, amount) for leaf, _, _, amount in amounts]


def not_billable(snapshot: str) -> RatedPart:
    """Return the rating of exchanges that no provider charges for: errors, polls, token counts."""
    return RatedPart(
        cost_state="free",
        reason="not_billable",
        list_cost_pico=0,
        cost_pico=0,
        charge_pico=0,
        snapshot=snapshot,
    )


def _amounts(part: Part, plan: Plan) -> tuple[list[_Amount], PicoUsd, dict[str, str]]:
    """Return each quantity's amount, the sum of the priced ones, and why leaves have no amount."""
    quantities = part.quantities
    band = plan.band(part.input_tokens) if plan.thresholds else 0
    table = plan.bands[band]
    amounts: list[_Amount] = []
    missing: dict[str, str] = {}
    minimums, left = plan.minimums, AMOUNT_MAX
    if plan.charges_requests and part.kind == "main" and "requests" not in quantities:
        # A fee per request is due whether or not the usage counts the request.
        quantities = {**quantities, "requests": 1}
    for leaf, quantity in quantities.items():
        if not quantity:
            continue
        if minimums and leaf in minimums:
            quantity = max(quantity, minimums[leaf])
        price = table.get(leaf) or plan.line(leaf, band)
        if price is None:
            if plan.is_included(leaf):
                continue
            missing[leaf] = "no_price_for"
            amounts.append((leaf, quantity, None, None))
            continue
        if type(quantity) is int:
            amount = quantity * price.numerator
            if price.denominator != 1:
                amount = rounded(amount, price.denominator)
        else:
            amount = _amount(quantity, price.numerator, price.denominator)
        if not 0 <= amount <= left:
            missing[leaf] = "amount_too_large" if amount > 0 else "count_not_valid"
            amounts.append((leaf, quantity, None, None))
            continue
        left -= amount
        amounts.append((leaf, quantity, price, amount))
    return amounts, AMOUNT_MAX - left, missing


def _judged(
    part: Part,
    plan: Plan,
    completeness: str,
    amounts: list[_Amount],
    total: PicoUsd,
    missing: dict[str, str],
) -> tuple[CostState, PicoUsd | None, PicoUsd | None, PicoUsd | None, str | None]:
    """Return what is known of the cost, the cost, the charge, the cost by list prices, and why."""
    listed: PicoUsd | None = total
    stated = None if part.provider_cost_usd is None else _stated(part.provider_cost_usd)
    state: CostState
    cost: PicoUsd | None
    reason: str | None = None
    if stated is not None:
        state, cost = "provider_reported", stated
        listed = None if missing or plan.is_empty else listed
    elif plan.no_charge is not None:
        state, cost = _no_charge_state(plan), 0
        listed = None if missing else listed
        reason = plan.no_charge.because
    elif missing or (plan.is_empty and (part.quantities or completeness != "none")):
        state = "unpriced"
        is_priced = any(price is not None for _, _, price, _ in amounts)
        cost = listed = listed if is_priced else None
        reason = _why_unpriced(part, plan, missing)
    elif not part.quantities and not amounts:
        state, cost, listed, reason = "unknown", None, None, "usage_not_known"
    else:
        cost = listed
        state, reason = ("priced", None) if completeness == "final" else _measured_state(completeness)
        if listed == 0 and amounts and not any(price and price.shown for _, _, price, _ in amounts):
            state, reason = "free", "price_is_zero"
    markup = plan.markup
    charge = cost if markup is None or cost is None else _charge(cost, markup)
    return state, cost, charge, listed, reason


def _lines(amounts: list[_Amount]) -> tuple[CostLine, ...]:
    return tuple(
        [
            CostLine(leaf, quantity, None, None)
            if price is None
            else CostLine(
                leaf,
                quantity,
                price.shown,
                amount,
                price.price_id,
                price.source,
                price.effective_from,
                price.contracted,
            )
            for leaf, quantity, price, amount in amounts
        ]
    )


def lines_of(part: Part, plan: Plan) -> tuple[CostLine, ...]:
    """Return the cost lines of a part by the prices of a plan."""
    return _lines(_amounts(part, plan)[0])


def line_total(lines: tuple[CostLine, ...]) -> PicoUsd | None:
    """Return the sum of the lines that have an amount; None where there are only lines without."""
    amounts = [line.amount_pico for line in lines if line.amount_pico is not None]
    return sum(amounts) if amounts or not lines else None


def _amount(quantity: Quantity, numerator: int, denominator: int) -> int:
    """Return a divisible quantity times its price; -1 where the quantity is no number.

    One of so many digits that computing with it would take minutes is more than `AMOUNT_MAX`, or nothing.
    """
    if isinstance(quantity, Decimal):
        if not quantity.is_finite() or quantity.is_signed() or quantity.adjusted() < -30:
            return -1
        if quantity.adjusted() > 30:
            return AMOUNT_MAX + 1
    count, scale = quantity.as_integer_ratio()
    return rounded(count * numerator, scale * denominator)


def _stated(amount: Decimal) -> PicoUsd | None:
    """Return the provider's own figure, None where it is no valid amount."""
    if not amount.is_finite() or amount.is_signed() or amount.adjusted() > 5:
        return None
    return pico_from_usd(amount)


def _no_charge_state(plan: Plan) -> CostState:
    included = plan.no_charge is not None and plan.no_charge.state == "included"
    return "included" if included else "free"


def _measured_state(completeness: str) -> tuple[CostState, str]:
    """Return the state of a sum over usage that is not final."""
    if completeness == "estimated":
        return "estimated", "usage_estimated"
    return "unknown", "usage_partial"  # what was seen is a lower bound


def _why_unpriced(part: Part, plan: Plan, missing: Mapping[str, str]) -> str:
    if not plan.is_empty:
        reasons = dict.fromkeys(missing.values())
        return "; ".join(
            f"{reason}: {', '.join(leaf for leaf, because in missing.items() if because == reason)}"
            for reason in reasons
        )
    model = part.response_model or part.request_model
    if model is None:
        return "model_not_known"
    key = f"{part.provider}/{model}"
    return f'no_price_for_model: {key}; set one under pricing: "{key}" in farebox.yaml'


def _charge(cost: PicoUsd, markup: Markup) -> PicoUsd | None:
    charge = rounded(cost * markup.numerator, markup.denominator)
    return charge if charge <= INT64_MAX else None
