"""Rate a customer's period: terms and usage in, exact lines out.

The one rating: previews, drafts, final invoices, adjustments and simulations are this function with other
terms or other usage. Pure: no I/O, no clock, no floats.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
from msgspec.structs import replace

from farebox.billing.invoices.document import InvoiceLine, LineDetail
from farebox.billing.invoices.terms import Segment, Terms, UnusedAdvance
from farebox.billing.invoices.unit_prices import unit_of, unit_price_of
from farebox.charges.charge_amount import Usage, committed
from farebox.charges.commitments import capped, top_up, with_overage
from farebox.charges.consumption import ChargedGroup, ChargedUsage, Consumption
from farebox.charges.conversion import converted
from farebox.charges.discounts import off_lines
from farebox.charges.invoice_arithmetic import NetLine, RatedLine, invoice_amounts
from farebox.charges.invoice_arithmetic import Terms as InvoiceTerms
from farebox.charges.models import Bucketed, CostPlus, CreditConversion, Percentage
from farebox.charges.periods.proration import prorated
from farebox.charges.plan import Charge, Commitment, Discount
from farebox.charges.rounding import decimal_of_units, exact_text, units_of


def rate_period(terms: Terms, consumed: Sequence[Consumption]) -> list[InvoiceLine]:
    """Return the lines of a period, rounded once each, before tax; without ids.

    `consumed` is what the charges of each segment take of its usage, in the order of the segments.
    """
    coupons = [()] * len(terms.segments) if not terms.discounts else _coupons(terms, consumed)
    lines: list[InvoiceLine] = []
    for segment, taken, given in zip(terms.segments, consumed, coupons, strict=True):
        lines += _Segment(terms, segment).lines(taken, given)
    return [*lines, *(_unused_advance(each, terms.exponent) for each in terms.unused_advances)]


def _unused_advance(said: UnusedAdvance, exponent: int) -> InvoiceLine:
    return InvoiceLine(
        id="",
        kind="proration",
        title=f"Unused base fee, {said.plan}",
        from_ns=said.from_ns,
        until_ns=said.until_ns,
        subscription=said.subscription,
        plan=said.plan,
        plan_version=said.plan_version,
        exact=said.exact,
        amount_minor=units_of(Fraction(said.exact), exponent),
        tax_percent=said.tax_percent,
        of_invoice=said.of_invoice,
        note=said.note,
    )


def _coupons(terms: Terms, consumed: Sequence[Consumption]) -> list[tuple[Discount, ...]]:
    """Return the customer's discounts of each segment: a fixed amount is shared by their lines."""
    found: list[tuple[Discount, ...]] = [()] * len(terms.segments)
    for discount in terms.discounts:
        if discount.kind == "percentage" or len(found) == 1:
            found = [(*given, discount) for given in found]
            continue
        parts = [
            sum(
                line.amount_minor
                for line in _Segment(terms, segment).lines(taken, given)
                if (not discount.charges or line.charge in discount.charges)
                and (line.charge or line.kind not in ("minimum", "maximum"))
            )
            for segment, taken, given in zip(terms.segments, consumed, found, strict=True)
        ]
        for at, off in enumerate(off_lines(parts, discount, terms.exponent)):
            if off:
                value = decimal_of_units(off, terms.exponent)
                found[at] = (*found[at], replace(discount, value=value))
    return found


class _Segment:
    """One plan version's part of a period."""

    def __init__(self, terms: Terms, segment: Segment) -> None:
        self._terms = terms
        self._segment = segment
        self._plan = segment.plan
        self._scale = terms.exponent

    def lines(self, consumed: Consumption, coupons: tuple[Discount, ...]) -> list[InvoiceLine]:
        charges = {charge.name: charge for charge in self._plan.charges}
        found = self._base()
        for used in consumed.charges:
            found += self._charge(charges[used.charge], used)
        found += self._commitment(found)
        return [*found, *self._whole(found, coupons, charges)]

    def _base(self) -> list[InvoiceLine]:
        plan, segment = self._plan, self._segment
        if not plan.base:
            return []
        if not plan.base_in_advance:
            return [self._base_line(segment.days, segment.of_days, segment.from_ns, segment.until_ns)]
        found: list[InvoiceLine] = []
        days = segment.days - segment.billed_days
        if days > 0:
            found.append(self._base_line(days, segment.of_days, segment.from_ns, segment.until_ns))
        elif days < 0:
            back = self._base_line(-days, segment.of_days, segment.until_ns, self._terms.until_ns, sign=-1)
            found.append(replace(back, kind="proration", title=f"Unused base fee, {plan.name}"))
        if segment.next_days:
            found.append(
                self._base_line(
                    segment.next_days, segment.next_of_days, self._terms.until_ns, segment.next_until_ns
                )
            )
        return found

    def _base_line(
        self, days: int, of_days: int, from_ns: int, until_ns: int, *, sign: int = 1
    ) -> InvoiceLine:
        exact = sign * prorated(self._plan.base, days, of_days)
        part = "" if days == of_days else f"{days} of {of_days} days"
        line = self._line("base", f"Base fee, {self._plan.name}", exact, note=part)
        return replace(line, from_ns=from_ns, until_ns=until_ns, unit_price=str(self._plan.base))

    def _charge(self, charge: Charge, used: ChargedUsage) -> list[InvoiceLine]:
        prorated_charge = self._prorated(charge)
        exact = self._amount(prorated_charge, used.groups, used.quantity)
        if not used.quantity and not exact and not used.calls:
            found: list[InvoiceLine] = []
        else:
            found = self._usage_lines(prorated_charge, used, exact)
        rounded = sum(line.amount_minor for line in found)
        low, high = self._of_period(charge.minimum), self._of_period(charge.maximum)
        amount = Fraction(rounded, 10**self._scale)
        missing = units_of(top_up(amount, low), self._scale)
        if missing:
            line = self._fixed("minimum", f"Minimum of {charge.name}", missing, charge)
            found.append(replace(line, note=_bound("at least", low)))
        above = units_of(amount - capped(amount, high), self._scale)
        if above > 0:
            line = self._fixed("maximum", f"Maximum of {charge.name}", -above, charge)
            found.append(replace(line, note=_bound("at most", high)))
        return found

    def _usage_lines(self, charge: Charge, used: ChargedUsage, exact: Fraction) -> list[InvoiceLine]:
        whole = self._usage_line(charge, used.groups, used.quantity, exact)
        groups = _merged(used.groups)
        if not charge.itemize:
            return [whole]
        if isinstance(charge.model, CostPlus):
            parts = [self._amount(charge, (group,), group.quantity) for group in groups]
            if sum(parts, Fraction(0)) == exact:  # no allowance, no fixed amount: each group is a line
                return [
                    replace(
                        self._usage_line(charge, (group,), group.quantity, part),
                        title=_titled(charge, group),
                        dims=dict(group.dims),
                    )
                    for group, part in zip(groups, parts, strict=True)
                ]
        weights = [group.quantity for group in groups]
        shares = _in_proportion(exact, weights)
        details = tuple(
            LineDetail(dims=dict(group.dims), quantity=exact_text(group.quantity), exact=exact_text(share))
            for group, share in zip(groups, shares, strict=True)
        )
        return [replace(whole, details=details)]

    def _usage_line(
        self, charge: Charge, groups: Sequence[ChargedGroup], quantity: Fraction, exact: Fraction
    ) -> InvoiceLine:
        unpriced = sum(group.unpriced_calls for group in groups)
        return replace(
            self._line("usage", charge.name, exact, charge),
            quantity=exact_text(converted(quantity, charge.conversion)),
            unit=unit_of(charge),
            unit_price=unit_price_of(charge) + self._exchange(charge),
            price_ids=(f"{self._plan.name}@{self._plan.version}/{charge.name}",),
            unpriced_calls=unpriced,
            estimated_calls=sum(group.estimated_calls for group in groups),
            note=f"{exact_text(Fraction(charge.included))} included" if charge.included else "",
        )

    def _amount(self, charge: Charge, groups: Sequence[ChargedGroup], quantity: Fraction) -> Fraction:
        """Return what usage costs, its commitment in place, before minimum, maximum and discounts."""
        agreed = charge.commitment
        if agreed is not None and agreed.window is not None:
            windows = [
                _usage(charge, (group,), group.quantity, self._rate(charge))
                for group in _merged(groups, by_bucket=True)
            ]
            return committed(charge, windows)
        if agreed is not None:
            charge = replace(charge, commitment=self._agreed(agreed))
        return committed(charge, [_usage(charge, groups, quantity, self._rate(charge))])

    def _rate(self, charge: Charge) -> Fraction:
        """Return what a dollar of cost is in the customer's currency."""
        if charge.meter != "cost" or self._terms.currency == "USD":
            return Fraction(1)
        return Fraction(self._segment.dollar_rate or 1)

    def _exchange(self, charge: Charge) -> str:
        rate = self._rate(charge)
        return "" if rate == 1 else f"; 1 USD is {exact_text(rate)} {self._terms.currency}"

    def _prorated(self, charge: Charge) -> Charge:
        carried = self._segment.carried_units.get(charge.name, Decimal(0))
        included: Any = Fraction(charge.included) * self._segment.factor + Fraction(carried)
        more: Any = Fraction(charge.usage_discount) * self._segment.factor
        # Fractions: what rating makes of them is exact.
        return replace(charge, included=included, usage_discount=more)

    def _agreed(self, agreed: Commitment) -> Commitment:
        amount: Any = Fraction(agreed.amount) * self._segment.factor
        return replace(agreed, amount=amount)

    def _of_period(self, amount: Decimal | None) -> Fraction | None:
        return None if amount is None else Fraction(amount) * self._segment.factor

    def _commitment(self, lines: Iterable[InvoiceLine]) -> list[InvoiceLine]:
        """Return what the plan's own commitment adds to the usage of all charges."""
        agreed = self._plan.commitment
        if agreed is None:
            return []
        usage = sum((Fraction(line.exact) for line in lines if line.kind != "base"), Fraction(0))
        added = with_overage(usage, self._agreed(agreed)) - usage
        if not added:
            return []
        title = "Overage above the commitment" if usage > Fraction(agreed.amount) else "Commitment"
        return [self._line("minimum", title, added)]

    def _whole(
        self, lines: Sequence[InvoiceLine], coupons: tuple[Discount, ...], charges: dict[str, Charge]
    ) -> list[InvoiceLine]:
        """Return the lines of discounts, minimum and maximum: what concerns several lines at once."""
        discounts = (*self._own_discounts(), *coupons)
        bases = _discounted(lines)
        amounts = invoice_amounts(
            [
                RatedLine(
                    id=str(at),
                    amount_minor=sum(line.amount_minor for line in some),
                    tax_percent=Decimal(some[0].tax_percent or 0),
                    charge=some[0].charge,
                    discounts=charges[some[0].charge].discounts if some[0].charge else (),
                )
                for at, some in enumerate(bases)
            ],
            InvoiceTerms(
                exponent=self._scale,
                discounts=discounts,
                minimum=self._of_period(self._plan.minimum),
                maximum=self._of_period(self._plan.maximum),
                previously_billed_minor=self._billed_before(lines),
                tax_percent=self._terms.tax_percent,
            ),
        )
        found: list[InvoiceLine] = []
        for some, net in zip(bases, amounts.lines, strict=True):
            if net.line_discount_minor:
                charge = charges[some[0].charge]
                off = self._fixed("discount", f"Discount on {charge.name}", -net.line_discount_minor, charge)
                found.append(replace(off, note=_named(charge.discounts)))
        for percent, off in _by_rate(amounts.lines, "invoice_discount_minor"):
            line = self._fixed("discount", "Discount", -off)
            found.append(replace(line, tax_percent=percent, note=_named(discounts)))
        if amounts.top_up_minor:
            line = self._fixed("minimum", f"Minimum of {self._plan.name}", amounts.top_up_minor)
            found.append(replace(line, note=_bound("at least", self._of_period(self._plan.minimum))))
        for percent, off in _by_rate(amounts.lines, "above_maximum_minor"):
            line = self._fixed("maximum", f"Maximum of {self._plan.name}", -off)
            note = _bound("at most", self._of_period(self._plan.maximum))
            found.append(replace(line, tax_percent=percent, note=note))
        return found

    def _billed_before(self, lines: Iterable[InvoiceLine]) -> int:
        """Return what counts towards minimum and maximum beside the lines: of a base fee in advance.

        This period's base fee was billed before, and what is billed or given back for other days is not of
        this period.
        """
        segment = self._segment
        before = prorated(self._plan.base, min(segment.billed_days, segment.days), segment.of_days)
        others = sum(
            line.amount_minor
            for line in lines
            if line.kind == "proration" or (line.kind == "base" and line.from_ns >= self._terms.until_ns)
        )
        return units_of(before, self._scale) - others

    def _own_discounts(self) -> tuple[Discount, ...]:
        """Return the plan's discounts: a fixed amount is one for all versions of the plan in the period."""
        same = [each for each in self._terms.segments if each.plan.name == self._plan.name]
        if len(same) == 1:
            return self._plan.discounts
        part = Fraction(self._segment.days, sum(each.days for each in same))
        return tuple(
            each
            if each.kind == "percentage"
            else replace(
                each, value=decimal_of_units(units_of(Fraction(each.value) * part, self._scale), self._scale)
            )
            for each in self._plan.discounts
        )

    def _fixed(self, kind: Any, title: str, amount_minor: int, charge: Charge | None = None) -> InvoiceLine:
        """Return a line of whole minor units."""
        return self._line(kind, title, Fraction(amount_minor, 10**self._scale), charge)

    def _line(
        self, kind: Any, title: str, exact: Fraction, charge: Charge | None = None, note: str = ""
    ) -> InvoiceLine:
        own = charge.tax_percent if charge is not None else None
        return InvoiceLine(
            id="",
            kind=kind,
            title=title,
            charge=charge.name if charge is not None else "",
            from_ns=self._segment.from_ns,
            until_ns=self._segment.until_ns,
            subscription=self._segment.subscription,
            plan=self._plan.name,
            plan_version=self._plan.version,
            exact=exact_text(exact),
            amount_minor=units_of(exact, self._scale),
            tax_percent=str(self._terms.tax_percent if own is None else own),
            note=note,
        )


def _usage(charge: Charge, groups: Sequence[ChargedGroup], quantity: Fraction, rate: Fraction) -> Usage:
    """Return usage as the charge's model looks at it."""
    amount = quantity * rate
    match charge.model:
        case Bucketed():
            buckets: dict[str, Fraction] = {}
            for group in groups:
                name = str(group.start_ns)
                buckets[name] = buckets.get(name, Fraction(0)) + group.quantity * rate
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


def _merged(groups: Iterable[ChargedGroup], *, by_bucket: bool = False) -> list[ChargedGroup]:
    """Return groups that differ in their dimensions only, or in their buckets only."""
    found: dict[tuple[object, ...], ChargedGroup] = {}
    for group in groups:
        key = (group.start_ns,) if by_bucket else tuple(sorted(group.dims.items()))
        before = found.get(key)
        found[key] = (
            group
            if before is None
            else msgspec.structs.replace(
                before,
                quantity=before.quantity + group.quantity,
                calls=before.calls + group.calls,
                cost_pico=before.cost_pico + group.cost_pico,
                unpriced_calls=before.unpriced_calls + group.unpriced_calls,
                estimated_calls=before.estimated_calls + group.estimated_calls,
                events=before.events + group.events,
            )
        )
    return list(found.values())


def _in_proportion(amount: Fraction, weights: Sequence[Fraction]) -> list[Fraction]:
    whole = sum(weights, Fraction(0))
    if not whole:
        return [amount / len(weights)] * len(weights) if weights else []
    return [amount * weight / whole for weight in weights]


def _discounted(lines: Iterable[InvoiceLine]) -> list[list[InvoiceLine]]:
    """Return lines as discounts look at them: those of one charge together, with its minimum and maximum."""
    found: list[list[InvoiceLine]] = []
    for line in lines:
        if line.charge and found and found[-1][0].charge == line.charge:
            found[-1].append(line)
        else:
            found.append([line])
    return found


def _by_rate(lines: Iterable[NetLine], field: str) -> list[tuple[str, int]]:
    """Return what is taken off, for each rate of tax."""
    found: dict[str, int] = {}
    for line in lines:
        off: int = getattr(line, field)
        if off:
            percent = str(line.tax_percent)
            found[percent] = found.get(percent, 0) + off
    return sorted(found.items())


def _titled(charge: Charge, group: ChargedGroup) -> str:
    values = [value or f"no {name}" for name, value in group.dims.items()]
    return f"{charge.name}: {', '.join(values)}" if values else charge.name


def _named(discounts: Iterable[Discount]) -> str:
    """Return discounts as a line says them: `10 % LAUNCH, 5.00`."""
    return ", ".join(
        f"{each.value:f}{' %' if each.kind == 'percentage' else ''} {each.name}".strip() for each in discounts
    )


def _bound(words: str, amount: Fraction | None) -> str:
    return "" if amount is None else f"{words} {exact_text(amount)}"
