"""Rate a customer's period: terms and usage in, exact lines out.

The one rating: previews, drafts, final invoices, adjustments and simulations are this function with other
terms or other usage. Pure: no I/O, no clock, no floats.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction

from msgspec.structs import replace

from farebox.billing.documents.amounts import exact_shown
from farebox.billing.documents.document import InvoiceLine
from farebox.billing.periods.terms import Segment, Terms, UnusedAdvance
from farebox.billing.rating.charge_lines import SegmentTerms, bound_note, charge_lines
from farebox.charges.amounts.discounts import taken_off
from farebox.charges.amounts.invoice_arithmetic import NetLine, RatedLine, invoice_amounts
from farebox.charges.amounts.invoice_arithmetic import Terms as InvoiceTerms
from farebox.charges.amounts.plan_amount import commitment_on
from farebox.charges.periods.proration import prorated
from farebox.charges.plan import AddOn, Charge, Discount
from farebox.charges.rounding import decimal_of_units, exact_text, units_of
from farebox.charges.usage.consumption import Consumption
from farebox.time_expressions import day_start, zone_named


def rate_period(terms: Terms, consumed: Sequence[Consumption]) -> list[InvoiceLine]:
    """Return the lines of a period, rounded once each, before tax; without ids.

    `consumed` is what the charges of each segment take of its usage, in the order of the segments.
    """
    coupons = [()] * len(terms.segments) if not terms.discounts else _coupons(terms, consumed)
    lines: list[InvoiceLine] = []
    for segment, taken, given in zip(terms.segments, consumed, coupons, strict=True):
        lines += _Segment(terms, segment).lines(taken, given)
    return [*lines, *(_unused_advance(each, terms.exponent) for each in terms.unused_advances)]


def add_on_line(said: AddOn, amount: Fraction, terms: Terms) -> InvoiceLine:
    """Return the line of an add-on that is due in a period."""
    percent = terms.tax_percent if said.tax_percent is None else said.tax_percent
    return InvoiceLine(
        id="",
        kind="add_on",
        title=said.name,
        from_ns=terms.from_ns,
        until_ns=terms.until_ns,
        quantity=str(said.quantity),
        unit_price=str(said.amount),
        exact=exact_text(amount),
        amount_minor=units_of(amount, terms.exponent),
        tax_percent=str(percent),
    )


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
            Fraction(
                sum(
                    line.amount_minor
                    for line in _Segment(terms, segment).lines(taken, given)
                    if (not discount.charges or line.charge in discount.charges)
                    and (line.charge or line.kind not in ("minimum", "maximum"))
                ),
                10**terms.exponent,
            )
            for segment, taken, given in zip(terms.segments, consumed, found, strict=True)
        ]
        for at, off in enumerate(taken_off(parts, discount, terms.exponent)):
            if off:
                value = decimal_of_units(units_of(off, terms.exponent), terms.exponent)
                found[at] = (*found[at], replace(discount, value=value))
    return found


class _Segment(SegmentTerms):
    """One plan version's part of a period."""

    def lines(self, consumed: Consumption, coupons: tuple[Discount, ...]) -> list[InvoiceLine]:
        charges = {charge.name: charge for charge in self.plan.charges}
        found = [line for used in consumed.charges for line in charge_lines(self, charges[used.charge], used)]
        found += self._commitment(found)
        found = [*self._base(), *found, *self._add_ons()]
        return self._reduced(found, coupons, charges)

    def _base(self) -> list[InvoiceLine]:
        plan, segment = self.plan, self.segment
        if not plan.base:
            return []
        if not plan.base_in_advance:
            return [self._base_line(segment.days, segment.of_days, segment.from_ns, segment.until_ns)]
        found: list[InvoiceLine] = []
        days = segment.days - segment.billed_days
        if days > 0:
            found.append(self._base_line(days, segment.of_days, segment.from_ns, segment.until_ns))
        elif days < 0:
            back = self._base_line(-days, segment.of_days, segment.until_ns, self.terms.until_ns)
            exact = self._billed_for(days)
            found.append(
                replace(
                    back,
                    kind="proration",
                    title=f"Unused base fee, {plan.name}",
                    exact=exact_text(exact),
                    amount_minor=units_of(exact, self.scale),
                )
            )
        if segment.next_days:
            found.append(
                self._base_line(
                    segment.next_days, segment.next_of_days, self.terms.until_ns, segment.next_until_ns
                )
            )
        return found

    def _billed_for(self, days: int) -> Fraction:
        """Return what the invoice before billed in advance for so many of the days that it did."""
        segment = self.segment
        if segment.billed_base is None:
            return prorated(self.plan.base, days, segment.of_days)
        return prorated(Fraction(segment.billed_base), days, segment.billed_days)

    def _base_line(self, days: int, of_days: int, from_ns: int, until_ns: int) -> InvoiceLine:
        exact = prorated(self.plan.base, days, of_days)
        part = "" if days == of_days else f"{days} of {of_days} days"
        line = self.line("base", f"Base fee, {self.plan.name}", exact, note=part)
        return replace(line, from_ns=from_ns, until_ns=until_ns, unit_price=str(self.plan.base))

    def _add_ons(self) -> list[InvoiceLine]:
        """Return the plan's add-ons: those of every period once for all versions of the plan in it."""
        versions = self.terms.versions_of(self.segment)
        found: list[InvoiceLine] = []
        for each in self.plan.addons:
            whole = Fraction(each.amount) * Fraction(each.quantity)
            amount, note = whole, ""
            if each.on is not None:
                if not self._is_of(each, versions):
                    continue
            elif len(versions) > 1:
                amount = self.terms.once(self.segment, each.amount * each.quantity)
                note = f"{self.segment.days} of {sum(one.days for one in versions)} days"
            line = self.line("add_on", each.name, amount, note=note)
            common = add_on_line(each, amount, self.terms)
            found.append(
                replace(
                    line,
                    from_ns=line.from_ns if note else common.from_ns,
                    until_ns=line.until_ns if note else common.until_ns,
                    quantity=common.quantity,
                    unit_price=common.unit_price,
                    tax_percent=common.tax_percent,
                )
            )
        return found

    def _is_of(self, said: AddOn, versions: Sequence[Segment]) -> bool:
        """Return whether an add-on of a day is this version's: the one of that day, or the nearest."""
        if said.on is None:
            return False
        at_ns = day_start(said.on, zone_named(self.terms.timezone))
        if not self.terms.from_ns <= at_ns < self.terms.until_ns:
            return False
        return self.segment is next((one for one in versions if at_ns < one.until_ns), versions[-1])

    def _commitment(self, lines: Iterable[InvoiceLine]) -> list[InvoiceLine]:
        """Return what the plan's own commitment adds to what its charges come to."""
        if self.plan.commitment is None:
            return []
        agreed = self.agreed(self.plan.commitment)
        used = [Fraction(line.exact) for line in lines]
        added = commitment_on(agreed, used)
        if not added:
            return []
        above = sum(used, Fraction(0)) > agreed.amount
        amount = exact_shown(exact_text(Fraction(agreed.amount)))
        note = f"what exceeds {amount}, × {agreed.overage_factor:f}" if above else f"at least {amount}"
        return [self.line("minimum", f"Commitment of {self.plan.name}", added, note=note)]

    def _reduced(
        self, lines: list[InvoiceLine], coupons: tuple[Discount, ...], charges: dict[str, Charge]
    ) -> list[InvoiceLine]:
        """Return lines with those of discounts, minimum and maximum: what concerns several lines at once."""
        discounts = (*self._once(self.plan.discounts), *coupons)
        bases = _discounted(lines)
        amounts = invoice_amounts(
            [
                RatedLine(
                    id=str(at),
                    amount_minor=sum(line.amount_minor for line in some),
                    tax_percent=Decimal(some[0].tax_percent or 0),
                    charge=some[0].charge,
                    is_bounded=self._is_of_period(some[0]),
                    discounts=self._once(charges[some[0].charge].discounts) if some[0].charge else (),
                )
                for at, some in enumerate(bases)
            ],
            InvoiceTerms(
                exponent=self.scale,
                discounts=discounts,
                minimum=self.part(self.plan.minimum),
                maximum=self.part(self.plan.maximum),
                previously_billed_minor=self._billed_before(),
                tax_percent=self.terms.tax_percent,
            ),
        )
        found = [
            self._in_advance(line, net)
            for some, net in zip(bases, amounts.lines, strict=True)
            for line in some
        ]
        for some, net in zip(bases, amounts.lines, strict=True):
            if net.line_discount_minor:
                charge = charges[some[0].charge]
                off = self.fixed("discount", f"Discount on {charge.name}", -net.line_discount_minor, charge)
                found.append(replace(off, note=_named(self._once(charge.discounts))))
        for percent, off in _by_rate(amounts.lines, "invoice_discount_minor"):
            line = self.fixed("discount", "Discount", -off)
            found.append(replace(line, tax_percent=percent, note=_named(discounts)))
        if amounts.top_up_minor:
            line = self.fixed("minimum", f"Minimum of {self.plan.name}", amounts.top_up_minor)
            found.append(replace(line, note=bound_note("at least", self.part(self.plan.minimum))))
        for percent, off in _by_rate(amounts.lines, "above_maximum_minor"):
            line = self.fixed("maximum", f"Maximum of {self.plan.name}", -off)
            note = bound_note("at most", self.part(self.plan.maximum))
            found.append(replace(line, tax_percent=percent, note=note))
        return found

    def _in_advance(self, line: InvoiceLine, net: NetLine) -> InvoiceLine:
        """Return a line; a base fee in advance with what it is billed at, which may have to be given back."""
        if not self._is_in_advance(line) or net.net_minor == net.amount_minor:
            return line
        return replace(line, billed=exact_text(Fraction(net.net_minor, 10**self.scale)))

    def _billed_before(self) -> int:
        """Return what the invoice before billed of this period's base fee, as far as it stays billed."""
        days = min(self.segment.billed_days, self.segment.days)
        return units_of(self._billed_for(days), self.scale) if days else 0

    def _is_of_period(self, line: InvoiceLine) -> bool:
        """Return whether a line is for this period: a base fee in advance is not, nor an unused one."""
        return line.kind != "proration" and not self._is_in_advance(line)

    def _is_in_advance(self, line: InvoiceLine) -> bool:
        return line.kind == "base" and line.from_ns >= self.terms.until_ns

    def _once(self, discounts: Sequence[Discount]) -> tuple[Discount, ...]:
        """Return discounts: a fixed amount is one for all versions of the plan in the period."""

        def part(amount: Decimal) -> Decimal:
            return decimal_of_units(units_of(self.terms.once(self.segment, amount), self.scale), self.scale)

        if len(self.terms.versions_of(self.segment)) == 1:
            return tuple(discounts)
        return tuple(
            each if each.kind == "percentage" else replace(each, value=part(each.value)) for each in discounts
        )


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


def _named(discounts: Iterable[Discount]) -> str:
    """Return discounts as a line says them: `10 % LAUNCH, 5.00`."""
    return ", ".join(
        f"{each.value:f}{' %' if each.kind == 'percentage' else ''} {each.name}".strip() for each in discounts
    )
