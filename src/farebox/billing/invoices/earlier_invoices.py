"""What earlier final invoices mean for the next one: billed time, thresholds, credits, unused advances.

Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction

from msgspec.structs import replace

from farebox.billing.invoices.adjustments import RERATED, CreditedLine
from farebox.billing.invoices.document import CreditNote
from farebox.billing.invoices.store import StoredInvoice
from farebox.billing.invoices.terms import Terms, UnusedAdvance, decode_terms
from farebox.charges.rounding import exact_text


def unbilled(waiting: Sequence[Terms], past: Sequence[StoredInvoice]) -> list[Terms]:
    """Return periods without what final invoices have billed of the same subscriptions by other periods.

    Nothing is invoiced twice, whatever became of a customer's zone or of a subscription's anchor.
    """
    found: list[Terms] = []
    for terms in waiting:
        billed = [
            segment
            for stored in past
            if stored.invoice.kind == "period"
            and stored.invoice.from_ns < terms.until_ns
            and terms.from_ns < stored.invoice.until_ns
            for segment in decode_terms(stored.terms).segments
        ]
        segments = tuple(
            each
            for each in terms.segments
            if not any(
                old.subscription == each.subscription
                and old.from_ns < each.until_ns
                and each.from_ns < old.until_ns
                for old in billed
            )
        )
        if segments:
            found.append(replace(terms, segments=segments))
    return found


def progressive_of(past: Sequence[StoredInvoice], terms: Terms) -> list[StoredInvoice]:
    """Return the threshold invoices of a period: of its subscriptions, not of others at the same time."""
    own = {each.subscription for each in terms.segments}
    return [
        stored
        for stored in past
        if stored.invoice.kind == "progressive"
        and terms.from_ns <= stored.invoice.from_ns
        and stored.invoice.until_ns <= terms.until_ns
        and any(each.subscription in own for each in decode_terms(stored.terms).segments)
    ]


def credited_lines(
    stored: StoredInvoice,
    same_period: Collection[str],
    past: Sequence[StoredInvoice],
    notes: Sequence[CreditNote],
) -> tuple[CreditedLine, ...]:
    """Return every line of a period that was credited: of its invoice, of adjustments, of threshold invoices.

    `same_period` are the ids of the period's invoices, void ones too.
    """
    invoices = {each.invoice.id: each for each in past}
    early: set[str] = set()
    if notes:
        early = {each.invoice.id for each in progressive_of(past, decode_terms(stored.terms))}
    found: list[CreditedLine] = []
    for note in notes:
        of = invoices.get(note.invoice)
        if of is None:
            continue
        lines = {line.id: line for line in of.invoice.lines}
        for each in note.lines:
            line = lines[each.of_line]
            own = of.invoice.id == stored.invoice.id or of.invoice.id in early
            adjusts = line.kind == "adjustment" and line.of_invoice in same_period
            if (own and line.kind in RERATED) or adjusts:
                amount = Fraction(each.amount_minor, 10**of.invoice.exponent)
                found.append(CreditedLine(line=line, amount=amount))
    return tuple(found)


def unused_advances(
    past: Sequence[StoredInvoice], from_ns: int, ends_ns: Mapping[str, int | None]
) -> tuple[UnusedAdvance, ...]:
    """Return base fees that were billed in advance for a period that a subscription has no day in.

    It has ended at the end of the period before. Where it ends within the period, that period's own rating
    gives back the rest.
    """
    given_back = {
        (line.of_invoice, line.subscription)
        for each in past
        for line in each.invoice.lines
        if line.kind == "proration" and line.of_invoice
    }
    found: list[UnusedAdvance] = []
    for each in past:
        if each.invoice.kind != "period" or each.invoice.until_ns > from_ns:
            continue
        for line in each.invoice.lines:
            ends = ends_ns.get(line.subscription, each.invoice.until_ns)
            if (
                line.kind == "base"
                and line.from_ns == each.invoice.until_ns
                and ends is not None
                and ends <= each.invoice.until_ns
                and (each.invoice.id, line.subscription) not in given_back
            ):
                found.append(
                    UnusedAdvance(
                        subscription=line.subscription,
                        plan=line.plan,
                        plan_version=line.plan_version,
                        from_ns=line.from_ns,
                        until_ns=line.until_ns,
                        exact=exact_text(-Fraction(line.exact)),
                        tax_percent=line.tax_percent,
                        of_invoice=each.invoice.id,
                        note=f"Billed by {each.invoice.number}.",
                    )
                )
    return tuple(found)
