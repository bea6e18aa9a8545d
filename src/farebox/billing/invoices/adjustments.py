"""What the record learned about a period after its invoice was final, as lines of the next one.

Pure. Of each line of a past invoice: (the question now) − (as billed, earlier adjustments included), by that
invoice's own terms. What a credit note gave back of a line before is taken off what an adjustment gives back
of it later, and given up again where the line grows again: nobody gets the same money twice, and a goodwill
credit is never billed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction

import msgspec
from msgspec.structs import replace

from farebox.billing.documents.document import Invoice, InvoiceLine
from farebox.charges.rounding import exact_text, units_of

Key = tuple[str, ...]

RERATED = frozenset(("base", "usage", "minimum", "maximum", "discount", "proration"))
"""Kinds of lines that rating makes; others are facts of their own."""

_BOUNDS = frozenset(("minimum", "maximum", "discount"))
"""Those that follow from others of their charge, or of their plan."""


class _Line(msgspec.Struct):
    """One line of a past period over all its invoices. Amounts are exact, before tax."""

    shown: InvoiceLine
    billed: Fraction = Fraction(0)
    """By the invoice and by adjustments."""
    billed_minor: int = 0
    absorbed: Fraction = Fraction(0)
    """What would have been given back by adjustments, had a credit note not done so before."""
    credited: Fraction = Fraction(0)
    """By credit notes."""
    unpriced_calls: int = 0
    """As they were said last."""


class CreditedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that a credit note gave back something of."""

    line: InvoiceLine
    amount: Fraction
    """Before tax, above zero."""


class PastPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """A past period of a customer: its final invoice, and what later documents say about it."""

    invoice: Invoice
    adjusted_by: tuple[InvoiceLine, ...] = ()
    """Adjustment lines of later invoices that are about this period, in the order they were issued."""
    credited: tuple[CreditedLine, ...] = ()
    """What credit notes gave back of the invoice's lines, of adjustments, and of threshold invoices."""


def adjustments(past: PastPeriod, now: Sequence[InvoiceLine]) -> list[InvoiceLine]:
    """Return what is to be billed or given back for a past period, rated anew as `now`."""
    exponent, invoice = past.invoice.exponent, past.invoice
    found: list[InvoiceLine] = []
    rerated = [line for line in now if line.kind in RERATED]
    key_in = _keys([*_own(past), *rerated])
    lines = _billed(past, key_in)
    rated = _merged(rerated, key_in)
    for key in rated:
        lines.setdefault(key, _Line(replace(rated[key], id="")))
    changes = {
        key: (Fraction(rated[key].exact) if key in rated else Fraction(0)) - (line.billed + line.absorbed)
        for key, line in lines.items()
    }
    moved = _moved(lines, changes)
    for key, line in lines.items():
        change = changes[key]
        unpriced = rated[key].unpriced_calls if key in rated else 0
        if change == 0 and unpriced <= line.unpriced_calls:
            continue
        absorbed = _absorbed(change + moved[key] if change < 0 else change, line)
        amount = change - absorbed
        billed_minor = units_of(line.billed + amount, exponent) - line.billed_minor
        if not line.absorbed and not absorbed and key in rated:
            billed_minor = rated[key].amount_minor - line.billed_minor
        source = rated.get(key, line.shown)
        found.append(
            InvoiceLine(
                id="",
                kind="adjustment",
                title=source.title,
                charge=source.charge,
                dims=source.dims,
                from_ns=source.from_ns,
                until_ns=source.until_ns,
                quantity=_quantity_change(rated.get(key), past, key, key_in),
                unit=source.unit,
                unit_price=source.unit_price,
                price_ids=source.price_ids,
                subscription=source.subscription,
                plan=source.plan,
                plan_version=source.plan_version,
                exact=exact_text(amount),
                amount_minor=billed_minor,
                tax_percent=source.tax_percent,
                unpriced_calls=unpriced,
                unpriced_before=min(unpriced, line.unpriced_calls),
                estimated_calls=source.estimated_calls if key in rated else 0,
                overlap=source.overlap,
                of_invoice=invoice.id,
                of_line=line.shown.id,
                of_kind=source.kind,
                credited=exact_text(-absorbed) if absorbed else None,
                note=_note(invoice, absorbed),
            )
        )
    return found


def key_of(line: InvoiceLine) -> Key:
    """Return what makes two lines of one period the same line."""
    return (
        line.rated_as,
        line.subscription,
        line.charge,
        str(line.from_ns),
        str(line.until_ns),
        line.title if not line.charge else "",
        line.tax_percent or "",
        *(text for name in sorted(line.dims) for text in (name, line.dims[name])),
    )


def _own(past: PastPeriod) -> list[InvoiceLine]:
    return [*(line for line in past.invoice.lines if line.kind in RERATED), *past.adjusted_by]


def _keys(lines: Iterable[InvoiceLine]) -> Callable[[InvoiceLine], Key]:
    """Return what tells the lines of a period apart.

    A charge with an allowance is one line where it was several without one, or the other way round: then all
    of them are that one line.
    """
    whole = {key_of(line) for line in lines if line.charge and not line.dims}

    def key_in(line: InvoiceLine) -> Key:
        undivided = key_of(replace(line, dims={}))
        return undivided if undivided in whole else key_of(line)

    return key_in


def _merged(lines: Iterable[InvoiceLine], key_in: Callable[[InvoiceLine], Key]) -> dict[Key, InvoiceLine]:
    found: dict[Key, InvoiceLine] = {}
    for line in lines:
        key = key_in(line)
        before = found.get(key)
        if before is None:
            found[key] = line
            continue
        quantity = None
        if before.quantity is not None and line.quantity is not None:
            quantity = exact_text(Fraction(before.quantity) + Fraction(line.quantity))
        found[key] = replace(
            before,
            title=before.charge or before.title,
            dims={} if before.dims != line.dims else before.dims,
            quantity=quantity,
            exact=exact_text(Fraction(before.exact) + Fraction(line.exact)),
            amount_minor=before.amount_minor + line.amount_minor,
            unpriced_calls=before.unpriced_calls + line.unpriced_calls,
            estimated_calls=before.estimated_calls + line.estimated_calls,
        )
    return found


def _billed(past: PastPeriod, key_in: Callable[[InvoiceLine], Key]) -> dict[Key, _Line]:
    lines: dict[Key, _Line] = {}
    for each in _own(past):
        shown = each if each.kind in RERATED else replace(each, id="")
        line = lines.setdefault(key_in(each), _Line(shown))
        line.billed += Fraction(each.exact)
        line.billed_minor += each.amount_minor
        line.absorbed -= Fraction(each.credited or 0)
        said_before = line.unpriced_calls if each.kind in RERATED else 0
        line.unpriced_calls = said_before + each.unpriced_calls
    for credited in past.credited:
        key = key_in(credited.line)
        if key not in lines:  # of a threshold invoice, which ends before its period does
            ends = str(past.invoice.until_ns)
            alike = [each for each in lines if begin_alike(each, key)]
            key = next((each for each in alike if ends in each), next(iter(alike), key))
        if key in lines:
            lines[key].credited += credited.amount
    return lines


def begin_alike(one: Key, other: Key) -> bool:
    """Tell whether two lines differ in their ends alone."""
    return (*one[:4], *one[5:]) == (*other[:4], *other[5:])


def _moved(lines: Mapping[Key, _Line], changes: Mapping[Key, Fraction]) -> dict[Key, Fraction]:
    """Return what of a line that shrinks goes on in others: nothing of that is given back.

    Usage within a minimum takes the place of a part of it, and the minimum that of usage that was none; a
    maximum and a discount shrink with what they are on. What nobody has credited moves first.
    """
    moved = dict.fromkeys(lines, Fraction(0))
    for of_bounds in (True, False):
        left: dict[Key, Fraction] = {
            key: change
            for key, change in changes.items()
            if change > 0 and (lines[key].shown.rated_as in _BOUNDS) != of_bounds
        }
        shrunk = [
            key
            for key, change in changes.items()
            if change < 0 and (lines[key].shown.rated_as in _BOUNDS) == of_bounds
        ]
        for key in sorted(shrunk, key=lambda each: lines[each].credited > 0):
            for other in left:
                if _concern(lines[key].shown, lines[other].shown):
                    part = min(left[other], -changes[key] - moved[key])
                    moved[key] += part
                    left[other] -= part
    return moved


def _concern(one: InvoiceLine, other: InvoiceLine) -> bool:
    """Return whether one of two lines is a minimum, maximum or discount of the other."""
    bound, of = (one, other) if one.rated_as in _BOUNDS else (other, one)
    return bound.subscription == of.subscription and bound.charge in ("", of.charge)


def _absorbed(change: Fraction, line: _Line) -> Fraction:
    """Return how much of a change credit notes have seen to: below zero of one that gives back."""
    used = -line.absorbed
    if change < 0:
        return -min(-change, max(line.credited - used, Fraction(0)))
    return min(change, max(used, Fraction(0)))


def _quantity_change(
    now: InvoiceLine | None, past: PastPeriod, key: Key, key_in: Callable[[InvoiceLine], Key]
) -> str | None:
    billed = (line for line in _own(past) if key_in(line) == key)
    before = [Fraction(line.quantity) for line in billed if line.quantity is not None]
    after = now.quantity if now is not None else None
    if after is None and not before:
        return None
    return exact_text(Fraction(after or 0) - sum(before, Fraction(0)))


def _note(invoice: Invoice, absorbed: Fraction) -> str:
    said = f"Adjusts {invoice.number}."
    if absorbed < 0:
        return f"{said} Of it {exact_text(-absorbed)} had been credited before."
    return f"{said} {exact_text(absorbed)} of it stays credited." if absorbed else said
