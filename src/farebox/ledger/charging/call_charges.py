"""Say whose a call is and what its customer's plan charges for it, in the transaction that appends it.

A call is charged what it adds to its period: the total with it less the total without, each rounded once, so
that the calls of a period add up to it in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from farebox.charges.live_charge import LiveCharge
from farebox.charges.usage.call_cell import cell_of
from farebox.ledger.append.dictionaries import is_verified_by
from farebox.ledger.append.entry import decode_rating
from farebox.ledger.charging.call_dims import dims_of
from farebox.ledger.charging.plan_periods import PlanPeriods
from farebox.money import INT64_MAX
from farebox.pricing.facts import PeriodShare, RatedPart

if TYPE_CHECKING:
    from farebox.charges.customer_terms import CustomerTerms
    from farebox.charges.live_charge import LivePlan
    from farebox.charges.usage.cells import Cell
    from farebox.journal.records import Done
    from farebox.ledger.call_store import StoredCall
    from farebox.ledger.database import Connection
    from farebox.wire.facts import Part

_SHARES = RatedPart.__struct_fields__.index("shares")
_CHARGED = RatedPart.__struct_fields__.index("charge_pico")
_PLAN = RatedPart.__struct_fields__.index("charge_plan")
"""Where a stored part has these."""


class CallCharges:
    """Holds what periods have seen; one for the ledger's one writer."""

    def __init__(self, connection: Connection) -> None:
        self._periods = PlanPeriods(connection)
        self.terms: CustomerTerms | None = None
        """Whose is whose and on which plan; None where nothing of that is published."""

    def resolve(self, done: Done) -> Done:
        """Return a call with the customer that its names stand for; the same one where nothing changes."""
        if self.terms is None:
            return done
        whose = done.attribution, done.attribution_from
        found = self.terms.identities.resolved(*whose, done.key_fingerprint, done.occurred_at_ns)
        if found[0] is whose[0]:
            return done
        return msgspec.structs.replace(done, attribution=found[0], attribution_from=found[1])

    def resolved(
        self, values: dict[str, str], sources: dict[str, str], at_ns: int
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return the attribution of an outcome or score with the customer that its names stand for."""
        if self.terms is None:
            return values, sources
        return self.terms.identities.resolved(values, sources, None, at_ns)

    def charged(self, done: Done, parts: Sequence[Part], rated: list[RatedPart]) -> list[RatedPart]:
        """Return the ratings of a new call with what its customer's plan charges for it."""
        plan = self._plan_of(done)
        if plan is None or not rated:
            return rated
        found = plan.charge(_cell(done, parts, rated, plan), self._periods.seen)
        self._periods.add(found.shares)
        return _with(rated, found, plan.name)

    def charged_again(
        self, call: StoredCall, parts: Sequence[Part], rated: list[RatedPart]
    ) -> list[RatedPart]:
        """Return the ratings of a call that is in the record with what its customer's plan charges now.

        What it added to its period before is taken back. What it was charged then keeps its difference to
        what it would have been as the period's last call, so that the period's calls still add up.
        """
        before = stored_charge(call.rating)
        self._periods.add(before.shares, -1)
        plan = self._plan_of(call.done)
        if plan is None or not rated:
            return rated
        seen = self._periods.seen
        found = plan.charge(_cell(call.done, parts, rated, plan), seen)
        if before.shares and before.plan == plan.name and found.amount_pico is not None:
            was = plan.amount_of(before.shares, seen)
            if was is not None and before.amount_pico is not None:
                found = found._replace(amount_pico=found.amount_pico + before.amount_pico - was)
        self._periods.add(found.shares)
        return _with(rated, found, plan.name)

    def take_back(self, rating: bytes) -> None:
        """Take a call out of its period, by its stored rating."""
        self._periods.add(stored_charge(rating).shares, -1)

    def write(self) -> None:
        """Store what changed, within the caller's transaction."""
        self._periods.write()

    def forget(self) -> None:
        """Drop what is remembered: the transaction failed, or the file is asked anew."""
        self._periods.forget()

    def _plan_of(self, done: Done) -> LivePlan | None:
        if self.terms is None:
            return None
        customer = done.attribution.get("customer")
        if customer is None:
            return None
        is_verified = is_verified_by(done.attribution_from.get("customer"))
        return self.terms.plan_of(customer, done.occurred_at_ns, is_verified=is_verified)


def _cell(done: Done, parts: Sequence[Part], rated: Sequence[RatedPart], plan: LivePlan) -> Cell:
    dims = dims_of(done, plan.dimensions)
    return cell_of(parts, rated, dims, at_ns=done.occurred_at_ns, total_us=done.total_us)


class StoredCharge(NamedTuple):
    """What a plan charged for a call, by its stored rating."""

    amount_pico: int | None
    plan: str | None
    shares: tuple[PeriodShare, ...]


_NOT_BY_A_PLAN = StoredCharge(None, None, ())


def stored_charge(rating: bytes) -> StoredCharge:
    """Return what a plan charged for a call; nothing where none did."""
    parts: Sequence[Sequence[Any]] = decode_rating(rating).parts
    first = parts[0] if parts else ()
    stored = first[_SHARES] if len(first) > _SHARES else None
    if not stored or not isinstance(stored[0], list):  # contracts with customers had one of another form
        return _NOT_BY_A_PLAN
    shares = msgspec.convert(stored, tuple[PeriodShare, ...])
    return StoredCharge(sum(part[_CHARGED] or 0 for part in parts), first[_PLAN], shares)


def _with(rated: Sequence[RatedPart], found: LiveCharge, plan: str) -> list[RatedPart]:
    """Return ratings with a call's charge: all of it with the first part."""
    amount = found.amount_pico
    if amount is not None and abs(amount) > INT64_MAX:
        amount = None
    first, *others = rated
    replace = msgspec.structs.replace
    nothing = None if amount is None else 0
    return [
        replace(first, charge_pico=amount, charge_plan=plan, markup=None, shares=found.shares),
        *[replace(each, charge_pico=nothing, charge_plan=plan, markup=None) for each in others],
    ]
