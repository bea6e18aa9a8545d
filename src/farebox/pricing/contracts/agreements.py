"""Apply the contract with a provider that covers a call: its contracted cost beside its list cost."""

from __future__ import annotations

import msgspec

from farebox.pricing.contracts.terms import Term
from farebox.pricing.facts import RatedPart
from farebox.pricing.prices_in_force import Plan
from farebox.pricing.rating import rate_part
from farebox.wire.facts import Part


class Agreement(msgspec.Struct, frozen=True):
    """The term that covers one kind of call, and the prices under it."""

    term: Term
    contracted: Plan


def rate_agreed(
    part: Part, plan: Plan, agreement: Agreement, *, completeness: str, snapshot: str
) -> RatedPart:
    """Return the part in money under the contract of `agreement`."""
    listed = rate_part(part, plan, completeness=completeness, snapshot=snapshot)
    ours = msgspec.structs.replace(part, provider_cost_usd=None)
    agreed = rate_part(ours, agreement.contracted, completeness=completeness, snapshot=snapshot)
    if listed.cost_state in ("provider_reported", "included"):
        # Money the provider stated is what it bills, contract included; capacity is paid for otherwise.
        return msgspec.structs.replace(
            listed,
            lines=agreed.lines,
            contracted_cost_pico=agreed.cost_pico,
            contract=agreement.term.id,
        )
    return msgspec.structs.replace(
        agreed,
        list_cost_pico=None if listed.cost_state == "unpriced" else listed.list_cost_pico,
        contracted_cost_pico=agreed.cost_pico,
        contract=agreement.term.id,
    )
