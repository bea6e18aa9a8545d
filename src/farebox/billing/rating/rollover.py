"""Units that charges carry from one period into the next.

Pure. What a charge includes in a period is carried as far as it was not used, by what is known of that period
now: late usage takes back what was carried.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from msgspec.structs import replace

from farebox.billing.documents.document import InvoiceLine
from farebox.billing.periods.terms import Segment, Terms
from farebox.charges.amounts.allowances import after_rollover
from farebox.charges.plan import Charge
from farebox.charges.rounding import exact_text

Used = dict[tuple[str, str], Fraction]
"""Subscription and charge, to the units that were used."""


def used_units(lines: Iterable[InvoiceLine]) -> Used:
    """Return what a period has used by its lines, adjustments of it included."""
    found: Used = {}
    for line in lines:
        if line.rated_as == "usage" and line.quantity is not None:
            key = line.subscription, line.charge
            found[key] = found.get(key, Fraction(0)) + Fraction(line.quantity)
    return found


def carries_over(terms: Terms) -> bool:
    """Return whether a period has charges that carry units over."""
    return any(_carries(charge) for segment in terms.segments for charge in segment.plan.charges)


def with_carried_units(terms: Terms, before: Sequence[Segment], used: Used) -> Terms:
    """Return the terms of a period with what its charges carry over from the segments of the one before."""
    return replace(
        terms,
        segments=tuple(
            replace(segment, carried_units=_carried(terms, segment, before, used))
            for segment in terms.segments
        ),
    )


def _carried(terms: Terms, segment: Segment, before: Sequence[Segment], used: Used) -> dict[str, str]:
    earlier = _predecessors(terms, segment, before)
    found: dict[str, str] = {}
    for charge in segment.plan.charges:
        if not _carries(charge):
            continue
        sources = [
            (each, old)
            for each in earlier
            for old in each.plan.charges
            if old.name == charge.name and old.included
        ]
        whole = sum((_unused(each, old, charge, used) for each, old in sources), Fraction(0))
        units = whole * _part(terms, segment)
        if units > 0:
            found[charge.name] = exact_text(units)
    return found


def _unused(segment: Segment, charge: Charge, now: Charge, used: Used) -> Fraction:
    """Return what of a segment's included units may be carried by what the charge is now."""
    included = Fraction(charge.included) * segment.factor
    seen = used.get((segment.subscription, charge.name), Fraction(0))
    return after_rollover(included, seen, now.rollover_percent or 0) - included


def _carries(charge: Charge) -> bool:
    return charge.rollover_percent is not None and bool(charge.included) and charge.bucket is None


def _predecessors(terms: Terms, segment: Segment, before: Sequence[Segment]) -> list[Segment]:
    """Return the segments of the period before that a segment goes on from.

    Those of its own subscription, or of the one in whose place it came; and what was in force before these.
    """
    first = terms.versions_of(segment)[0]
    found = [each for each in before if each.subscription == first.subscription]
    if not found:
        goes_on = {each.subscription for each in terms.segments}
        ended = [
            each for each in before if each.until_ns == terms.from_ns and each.subscription not in goes_on
        ]
        found = [each for each in ended if each.plan.name == first.plan.name] or ended[:1]
    while found:
        replaced = [
            each
            for each in before
            if each.until_ns == found[0].from_ns and each.subscription != found[0].subscription
        ]
        same = [each for each in replaced if each.plan.name == found[0].plan.name] or replaced[:1]
        if not same:
            break
        found = [same[0], *found]
    return found


def _part(terms: Terms, segment: Segment) -> Fraction:
    """Return a segment's part, by days, of what is carried into the period."""
    return Fraction(segment.days, sum(each.days for each in terms.versions_of(segment)))
