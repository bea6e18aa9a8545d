"""Apply the contracts that cover a call: its contracted cost, and what its customer is charged.

The cost stays the cost: a customer's contract never changes it, and a provider's contract changes what
the customer pays only through a markup on that cost.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from farebox.money import INT64_MAX, PicoUsd
from farebox.pricing.contracts.terms import Term
from farebox.pricing.contracts.tiers import MonthToDate, Tiers
from farebox.pricing.exact import ratio, rounded
from farebox.pricing.facts import MonthShare, RatedPart
from farebox.pricing.prices_in_force import Plan
from farebox.pricing.rating import line_total, lines_of, rate_part
from farebox.wire.facts import Part

_NOTHING = MonthToDate()


class Agreement(msgspec.Struct, frozen=True):
    """The terms that cover one kind of call, and the plans at their prices."""

    bought: Term | None
    contracted: Plan | None
    """At the prices of the contract with the provider."""
    sold: Term | None
    charged: Plan | None
    """At the flat prices of the contract with the customer."""


def rate_agreed(
    part: Part,
    plan: Plan,
    agreement: Agreement,
    *,
    completeness: str,
    snapshot: str,
    month: str,
    so_far: Mapping[str, MonthToDate],
) -> RatedPart:
    """Return the part in money under the contracts of `agreement`.

    `so_far` says by term what the call's month has seen; a term without an entry starts at zero.
    """
    listed = rate_part(part, plan, completeness=completeness, snapshot=snapshot)
    rated = listed
    if agreement.contracted is not None and agreement.bought is not None:
        ours = msgspec.structs.replace(part, provider_cost_usd=None)
        agreed = rate_part(ours, agreement.contracted, completeness=completeness, snapshot=snapshot)
        rated = _contracted(listed, agreed, agreement.bought)
    sold = agreement.sold
    if sold is None:
        return rated
    base = rated.list_cost_pico if rated.list_cost_pico is not None else rated.cost_pico
    charge, share = rated.charge_pico, None
    if sold.markup is not None:
        charge = _times(rated.cost_pico, sold.markup.numerator, sold.markup.denominator)
    elif sold.factor is not None:
        charge = _times(base, *ratio(sold.factor))
    elif agreement.charged is not None:
        charge = line_total(lines_of(part, agreement.charged))
    elif sold.tiers is not None and base is not None:
        units = _units(part, sold.tiers, base)
        share = MonthShare(sold.id, month, units, base)
        charge = sold.tiers.charge(so_far.get(sold.id, _NOTHING), units, base)
    return msgspec.structs.replace(
        rated,
        charge_pico=charge if charge is None or abs(charge) <= INT64_MAX else None,
        charge_contract=sold.id,
        markup=None if sold.markup is None else sold.markup.shown,
        month=share,
    )


def _contracted(listed: RatedPart, agreed: RatedPart, bought: Term) -> RatedPart:
    """Return a part at the prices of a provider's contract, its list cost beside that."""
    if listed.cost_state in ("provider_reported", "included"):
        # Money the provider stated is what it bills, contract included; capacity is paid for otherwise.
        return msgspec.structs.replace(
            listed, lines=agreed.lines, contracted_cost_pico=agreed.cost_pico, contract=bought.id
        )
    return msgspec.structs.replace(
        agreed,
        list_cost_pico=None if listed.cost_state == "unpriced" else listed.list_cost_pico,
        contracted_cost_pico=agreed.cost_pico,
        contract=bought.id,
    )


def _times(amount: PicoUsd | None, numerator: int, denominator: int) -> PicoUsd | None:
    return None if amount is None else rounded(amount * numerator, denominator)


def _units(part: Part, tiers: Tiers, base: PicoUsd) -> int:
    if tiers.measure == "usd":
        return base
    if tiers.measure == "calls":
        return 1 if part.kind == "main" else 0
    return part.input_tokens + part.output_tokens
