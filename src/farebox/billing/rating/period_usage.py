"""What the charges of billing periods take of the record, costs in the customers' own currencies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction

from msgspec.structs import replace

from farebox.billing.periods.terms import DatedRate, Segment, Terms
from farebox.billing.usage import AsOf, Span, Usage, consumed
from farebox.charges.plan import canonical_json
from farebox.charges.usage.consumption import ChargedGroup, ChargedUsage, Consumption
from farebox.money import PicoUsd

_COST = "cost"
_DAY_NS = 86_400 * 10**9


def consumption_of(usage: Usage, periods: Sequence[Terms], as_of: AsOf) -> list[list[Consumption]]:
    """Return what the charges of each period's segments take, segment by segment."""
    groups: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for at, terms in enumerate(periods):
        for place, segment in enumerate(terms.segments):
            key = (
                segment.from_ns,
                segment.until_ns,
                terms.timezone,
                terms.verified,
                terms.currency == "USD" or segment.dollar_rates,
                _charges_key(segment),
            )
            groups.setdefault(key, []).append((at, place))
    found: list[list[Consumption]] = [[Consumption()] * len(terms.segments) for terms in periods]
    for places in groups.values():
        at, place = places[0]
        terms, segment = periods[at], periods[at].segments[place]
        span = Span(
            customers=tuple(sorted({periods[each].customer for each, _ in places})),
            from_ns=segment.from_ns,
            until_ns=segment.until_ns,
            as_of=as_of,
            timezone=terms.timezone,
            verified=terms.verified,
        )
        taken = consumed(usage, segment.plan.charges, span)
        if terms.currency != "USD" and any(each.meter == _COST for each in segment.plan.charges):
            taken = _exchanged(usage, segment, span, taken)
        for each, part in places:
            found[each][part] = taken[periods[each].customer]
    return found


def charged_cost(terms: Terms, taken: Sequence[Consumption]) -> PicoUsd:
    """Return what the usage that a period's charges take cost the provider, each call's once.

    Charges that overlap take what others take, too: theirs is left out.
    """
    overlapping = [{each.name for each in part.plan.charges if each.overlap} for part in terms.segments]
    return sum(
        used.cost_pico
        for names, each in zip(overlapping, taken, strict=True)
        for used in each.charges
        if used.charge not in names
    )


class BusyDays:
    """The days on which customers with several open periods have usage: the others need no questions."""

    def __init__(self, usage: Usage, periods: Sequence[Terms], as_of: AsOf) -> None:
        several = Counter(each.customer for each in periods)
        self._starts: dict[str, set[int]] = {name: set() for name, number in several.items() if number > 1}
        of_zone: dict[tuple[str, bool], list[Terms]] = {}
        for each in periods:
            if each.customer in self._starts:
                of_zone.setdefault((each.timezone, each.verified), []).append(each)
        for (timezone, verified), some in of_zone.items():
            span = Span(
                customers=tuple(sorted({each.customer for each in some})),
                from_ns=min(each.from_ns for each in some),
                until_ns=max(each.until_ns for each in some),
                as_of=as_of,
                timezone=timezone,
                verified=verified,
            )
            for cell in (*usage.cells(span, (), bucket="day"), *usage.outcomes(span, (), bucket="day")):
                self._starts[cell.customer].add((cell.start_ns or 0) // _DAY_NS)

    def are_in(self, terms: Terms) -> bool:
        starts = self._starts.get(terms.customer)
        first, last = terms.from_ns // _DAY_NS - 1, terms.until_ns // _DAY_NS
        return starts is None or any(first <= each <= last for each in starts)


def rates_within(segment: Segment) -> list[tuple[int, int, DatedRate | None]]:
    """Return the parts of a segment that have one rate each; None where none is in force yet."""
    rates = segment.dollar_rates
    starts = [each.from_ns for each in rates]
    edges = [segment.from_ns, *(each for each in starts if segment.from_ns < each < segment.until_ns)]
    return [
        (
            from_ns,
            until_ns,
            next((each for each in reversed(rates) if each.from_ns <= from_ns), None),
        )
        for from_ns, until_ns in zip(edges, [*edges[1:], segment.until_ns], strict=True)
    ]


def _exchanged(
    usage: Usage, segment: Segment, span: Span, whole: dict[str, Consumption]
) -> dict[str, Consumption]:
    """Return what charges take, each cost at the rate of when it came about.

    Charges on other meters are asked about as a whole: distinct counts of parts do not add up.
    """
    parts: dict[str, list[Consumption]] = {customer: [] for customer in whole}
    within = rates_within(segment)
    for from_ns, until_ns, rate in within:
        taken = whole
        if len(within) > 1:
            part = replace(span, from_ns=from_ns, until_ns=until_ns)
            taken = consumed(usage, segment.plan.charges, part)
        for customer, each in taken.items():
            parts[customer].append(in_currency(each, rate))
    return {
        customer: replace(
            each,
            charges=tuple(
                _joined(part.charges[at] for part in parts[customer]) if used.meter == _COST else used
                for at, used in enumerate(each.charges)
            ),
        )
        for customer, each in whole.items()
    }


def in_currency(taken: Consumption, rate: DatedRate | None) -> Consumption:
    """Return what charges take with costs in a currency of which a dollar is `rate`.

    Where no rate is known, neither is what the calls come to: they are unpriced.
    """

    def exchanged(group: ChargedGroup) -> ChargedGroup:
        if rate is None:
            return replace(group, exchanged=Fraction(0), unpriced_calls=group.calls)
        return replace(group, exchanged=group.quantity * Fraction(rate.rate))

    return replace(
        taken,
        charges=tuple(
            replace(used, groups=tuple(map(exchanged, used.groups))) if used.meter == _COST else used
            for used in taken.charges
        ),
    )


def _joined(parts: Iterable[ChargedUsage]) -> ChargedUsage:
    """Return the usage of one charge in parts of a segment as that of the segment."""
    first, *others = parts
    quantity = sum((each.quantity for each in others), first.quantity)
    groups = [group for each in (first, *others) for group in each.groups]
    return replace(first, quantity=quantity, groups=tuple(merged(groups, by=("start_ns", "dims"))))


def merged(groups: Iterable[ChargedGroup], *, by: Sequence[str]) -> list[ChargedGroup]:
    """Return groups that are alike in these fields as one."""
    found: dict[tuple[object, ...], ChargedGroup] = {}
    for group in groups:
        key = tuple(
            tuple(sorted(group.dims.items())) if name == "dims" else getattr(group, name) for name in by
        )
        before = found.get(key)
        found[key] = group if before is None else _sum(before, group)
    return list(found.values())


def _sum(one: ChargedGroup, other: ChargedGroup) -> ChargedGroup:
    exchanged = None
    if one.exchanged is not None and other.exchanged is not None:
        exchanged = one.exchanged + other.exchanged
    return replace(
        one,
        quantity=one.quantity + other.quantity,
        calls=one.calls + other.calls,
        cost_pico=one.cost_pico + other.cost_pico,
        unpriced_calls=one.unpriced_calls + other.unpriced_calls,
        estimated_calls=one.estimated_calls + other.estimated_calls,
        exchanged=exchanged,
        events=one.events + other.events,
    )


def _charges_key(segment: Segment) -> tuple[bytes, ...]:
    return tuple(canonical_json(charge) for charge in segment.plan.charges)
