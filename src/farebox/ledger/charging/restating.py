"""Correct calls whose customer or whose plan is another one now: a reversal and a replacement, as always.

What a call cost stays what it was; only prices that depend on the customer are looked up again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from farebox.ledger.append.dictionaries import PER_CALL, Whose
from farebox.ledger.append.entry import decode_rating, money_of, rating_of
from farebox.ledger.charging.call_charges import stored_charge
from farebox.ledger.corrections.correction import CUSTOMER, PLAN, Change, Correction
from farebox.ledger.corrections.rerating import Rerating
from farebox.pricing.facts import CostLine, RatedPart

if TYPE_CHECKING:
    from farebox.ledger.call_store import StoredCall
    from farebox.ledger.charging.call_charges import CallCharges
    from farebox.ledger.corrections.rerating import Book

_PARTS, _LINES = RatedPart.__struct_fields__, CostLine.__struct_fields__


def restated(call: StoredCall, book: Book, charges: CallCharges) -> Change | None:
    """Return the correction by which a call is its customer's, and charged by its plan; None where it is."""
    done = charges.resolve(call.done)
    is_moved = done is not call.done
    moved = call._replace(done=done)
    rating = decode_rating(call.rating)
    rated = [_part_of(part) for part in rating.parts]
    state, cost, charge = call.cost_state, call.cost_pico, call.charge_pico
    if call.billable and rated and len(rated) == len(call.extraction.parts):
        fresh = Rerating(book, charges).rate_bound(moved, call.extraction.parts, call.completeness)
        if book.has_contracts and is_moved:
            rated = fresh
        else:
            rated = [_kept(part, now) for part, now in zip(rated, fresh, strict=True)]
        rated = charges.charged_again(moved, call.extraction.parts, rated)
        money = money_of(rated, billable=True)
        charge = money.charge_pico
        if book.has_contracts and is_moved:
            state, cost = money.cost_state, money.cost_pico
        before = stored_charge(call.rating)
        if not is_moved and charge == call.charge_pico and rated[0].shares == before.shares:
            return None
    elif not is_moved:
        return None
    money = money_of(rated, billable=bool(call.billable))._replace(list_cost_pico=rating.list_cost_pico)
    earlier = call.correction
    return Change(
        call,
        call.completeness,
        state,
        cost,
        charge,
        call.tokens,
        rating_of(rated, money, rating.not_billable_because, rating.flags),
        Correction(
            CUSTOMER if is_moved else PLAN,
            _because(call, moved, rated),
            None,
            None if earlier is None else earlier.bounds,
            None if earlier is None else earlier.usage,
        ),
        _whose(moved) if is_moved else None,
    )


def _because(call: StoredCall, moved: StoredCall, rated: Sequence[RatedPart]) -> str:
    was, now = (each.done.attribution.get("customer", "nobody") for each in (call, moved))
    source = moved.done.attribution_from.get("customer", "nothing maps it")
    plan = rated[0].charge_plan if rated else None
    charged = f", charged by {plan}" if plan else ""
    if was == now:
        return f"its customer's plan changed{charged or ', charged by no plan'}"
    return f"mapped to another customer ({source}){charged}"


def _whose(call: StoredCall) -> Whose:
    done = call.done
    return Whose(
        tuple((name, value) for name, value in done.attribution.items() if name not in PER_CALL),
        tuple((name, value) for name, value in done.attribution_from.items() if name not in PER_CALL),
    )


def _part_of(stored: Sequence[Any]) -> RatedPart:
    """Return a stored part; what a contract with a customer had noted of it is left out."""
    values = dict(zip(_PARTS, stored, strict=False))
    values["lines"] = [dict(zip(_LINES, line, strict=False)) for line in stored[0]]
    values.pop("shares", None)
    return msgspec.convert(values, RatedPart)


def _kept(stored: RatedPart, fresh: RatedPart) -> RatedPart:
    """Return a part with its cost as it was, and the charge that `pricing:` makes of that."""
    charge = fresh.charge_pico
    if stored.cost_pico != fresh.cost_pico:
        charge = stored.cost_pico
        if charge is not None and fresh.markup is not None:
            charge = int((fresh.markup * charge).to_integral_value())
    return msgspec.structs.replace(
        stored, charge_pico=charge, charge_plan=None, markup=fresh.markup, shares=()
    )
