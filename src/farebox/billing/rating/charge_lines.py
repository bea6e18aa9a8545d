"""The lines of one charge in a segment of a period: usage, and what its minimum and maximum make of it.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from msgspec.structs import replace

from farebox.billing.documents.amounts import exact_shown
from farebox.billing.documents.document import InvoiceLine, LineDetail
from farebox.billing.periods.local_days import local_day
from farebox.billing.periods.terms import Segment, Terms
from farebox.billing.rating.period_usage import merged, rates_within
from farebox.billing.rating.unit_prices import unit_of, unit_price_of
from farebox.charges.amounts.allowances import free_units, in_part
from farebox.charges.amounts.charge_amount import Usage
from farebox.charges.amounts.conversion import converted, in_unit
from farebox.charges.amounts.plan_amount import ChargeUsage, bounds_on, lines_of
from farebox.charges.models import Bucketed, CostPlus, CreditConversion, Percentage
from farebox.charges.plan import Charge, Commitment
from farebox.charges.rounding import exact_text, units_of
from farebox.charges.usage.consumption import ChargedGroup, ChargedUsage


class SegmentTerms:
    """What lines of a segment have in common, and what of its plan's amounts is due in it."""

    def __init__(self, terms: Terms, segment: Segment) -> None:
        self.terms = terms
        self.segment = segment
        self.plan = segment.plan
        self.scale = terms.exponent

    def line(
        self, kind: Any, title: str, exact: Fraction, charge: Charge | None = None, note: str = ""
    ) -> InvoiceLine:
        """Return a line of the segment, rounded."""
        own = charge.tax_percent if charge is not None else None
        return InvoiceLine(
            id="",
            kind=kind,
            title=title,
            charge=charge.name if charge is not None else "",
            from_ns=self.segment.from_ns,
            until_ns=self.segment.until_ns,
            subscription=self.segment.subscription,
            plan=self.plan.name,
            plan_version=self.plan.version,
            exact=exact_text(exact),
            amount_minor=units_of(exact, self.scale),
            tax_percent=str(self.terms.tax_percent if own is None else own),
            note=note,
        )

    def fixed(self, kind: Any, title: str, amount_minor: int, charge: Charge | None = None) -> InvoiceLine:
        """Return a line of whole minor units."""
        return self.line(kind, title, Fraction(amount_minor, 10**self.scale), charge)

    def part(self, amount: Decimal | None) -> Fraction | None:
        """Return what of an amount for a period is due in the segment."""
        return None if amount is None else Fraction(amount) * self.segment.factor

    def agreed(self, commitment: Commitment) -> Commitment:
        """Return a commitment for a period as it is in the segment."""
        amount: Any = self.part(commitment.amount)  # a fraction: what rating makes of it is exact
        return replace(commitment, amount=amount)


def charge_lines(of: SegmentTerms, charge: Charge, used: ChargedUsage) -> list[InvoiceLine]:
    """Return the lines of what a charge takes."""
    due = _in_segment(of, charge)
    exact = _exact(due, _whole(due, used.groups, used.quantity))
    found: list[InvoiceLine] = []
    if used.quantity or exact or used.calls:
        found = _usage_lines(of, due, used, exact)
    rated = Fraction(sum(line.amount_minor for line in found), 10**of.scale)
    low, high = of.part(charge.minimum), of.part(charge.maximum)
    missing, above = (units_of(each, of.scale) for each in bounds_on(rated, low, high))
    if missing:
        line = of.fixed("minimum", f"Minimum of {charge.name}", missing, charge)
        found.append(replace(line, note=bound_note("at least", low)))
    if above:
        line = of.fixed("maximum", f"Maximum of {charge.name}", -above, charge)
        found.append(replace(line, note=bound_note("at most", high)))
    return found


def bound_note(words: str, amount: Fraction | None) -> str:
    """Return a minimum or maximum as a line says it."""
    return "" if amount is None else f"{words} {exact_shown(exact_text(amount))}"


def _in_segment(of: SegmentTerms, charge: Charge) -> Charge:
    """Return a charge with what of its amounts for a period is due, or free, in the segment.

    Amounts are fractions: what rating makes of them is exact.
    """
    carried = Fraction(of.segment.carried_units.get(charge.name, "0"))
    charge = in_part(charge, of.segment.factor, carried)
    if isinstance(charge.model, CostPlus) and charge.model.fixed:
        fixed: Any = of.terms.once(of.segment, charge.model.fixed)
        charge = replace(charge, model=replace(charge.model, fixed=fixed))
    if charge.commitment is not None and charge.commitment.window is None:
        charge = replace(charge, commitment=of.agreed(charge.commitment))
    return charge


def _usage_lines(of: SegmentTerms, charge: Charge, used: ChargedUsage, exact: Fraction) -> list[InvoiceLine]:
    whole = _usage_line(of, charge, used.groups, used.quantity, exact)
    if not charge.itemize:
        return [whole]
    groups = merged(used.groups, by=("dims",))
    if isinstance(charge.model, CostPlus) and charge.commitment is None:
        parts = lines_of(
            charge, ChargeUsage(parts=tuple(_usage(charge, (each,), each.quantity) for each in groups))
        )
        if sum(parts, Fraction(0)) == exact:  # no allowance, no fixed amount: each group is a line
            return [
                replace(
                    _usage_line(of, charge, (group,), group.quantity, part),
                    title=_titled(charge, group),
                    dims=dict(group.dims),
                )
                for group, part in zip(groups, parts, strict=True)
            ]
    shares = _in_proportion(exact, [group.quantity for group in groups])
    details = tuple(
        LineDetail(
            dims=dict(group.dims),
            quantity=exact_text(in_unit(group.quantity, charge.conversion)),
            exact=exact_text(share),
        )
        for group, share in zip(groups, shares, strict=True)
    )
    return [replace(whole, details=details)]


def _usage_line(
    of: SegmentTerms, charge: Charge, groups: Sequence[ChargedGroup], quantity: Fraction, exact: Fraction
) -> InvoiceLine:
    free = free_units(charge)
    return replace(
        of.line("usage", charge.name, exact, charge),
        quantity=exact_text(converted(quantity, charge.conversion)),
        unit=unit_of(charge),
        unit_price=unit_price_of(charge) + _exchange(of, charge),
        price_ids=(f"{of.plan.name}@{of.plan.version}/{charge.name}",),
        unpriced_calls=sum(group.unpriced_calls for group in groups),
        estimated_calls=sum(group.estimated_calls for group in groups),
        overlap=charge.overlap,
        note=f"{exact_text(free)} included" if free else "",
    )


def _exchange(of: SegmentTerms, charge: Charge) -> str:
    """Return the rates that a cost was exchanged at, in words."""
    if charge.meter != "cost" or of.terms.currency == "USD":
        return ""
    rates = rates_within(of.segment)
    words = [
        ("no rate" if rate is None else f"{rate.rate} {of.terms.currency}")
        + (f" from {local_day(from_ns, of.terms.timezone)}" if len(rates) > 1 else "")
        for from_ns, _, rate in rates
    ]
    return f"; 1 USD is {', '.join(words)}"


def _whole(charge: Charge, groups: Sequence[ChargedGroup], quantity: Fraction) -> ChargeUsage:
    """Return usage as one part, or the windows that have a commitment of their own."""
    if charge.commitment is None or charge.commitment.window is None:
        return ChargeUsage(parts=(_usage(charge, groups, quantity),))
    windows = merged(groups, by=("start_ns",))
    return ChargeUsage(parts=tuple(_usage(charge, (each,), each.quantity) for each in windows))


def _exact(charge: Charge, usage: ChargeUsage) -> Fraction:
    return sum(lines_of(charge, usage), Fraction(0))


def _usage(charge: Charge, groups: Sequence[ChargedGroup], quantity: Fraction) -> Usage:
    """Return usage as the charge's model looks at it."""
    amount = quantity
    if any(group.exchanged is not None for group in groups):
        amount = sum((_amount_of(group) for group in groups), Fraction(0))
    match charge.model:
        case Bucketed():
            buckets: dict[str, Fraction] = {}
            for group in groups:
                name = str(group.start_ns)
                buckets[name] = buckets.get(name, Fraction(0)) + _amount_of(group)
            return Usage(buckets=buckets)
        case CreditConversion():
            return Usage(quantities={charge.meter: amount})
        case Percentage(is_per_event=True) if charge.meter == "outcome_value":
            return Usage(
                events=tuple(value for _, value in sorted(e for group in groups for e in group.events))
            )
        case Percentage():
            return Usage(events=(amount,))
        case CostPlus(unit_costs=costs) if costs is not None:
            return Usage(quantities={charge.meter: amount})
        case _:
            return Usage(quantity=amount)


def _amount_of(group: ChargedGroup) -> Fraction:
    return group.quantity if group.exchanged is None else group.exchanged


def _in_proportion(amount: Fraction, weights: Sequence[Fraction]) -> list[Fraction]:
    whole = sum(weights, Fraction(0))
    if not whole:
        return [amount / len(weights)] * len(weights) if weights else []
    return [amount * weight / whole for weight in weights]


def _titled(charge: Charge, group: ChargedGroup) -> str:
    values = [value or f"no {name}" for name, value in group.dims.items()]
    return f"{charge.name}: {', '.join(values)}" if values else charge.name
