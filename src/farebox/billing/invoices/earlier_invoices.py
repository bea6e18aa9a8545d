"""What earlier final invoices mean for the next one: billed time, thresholds, credits, unused advances.

Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction

from msgspec.structs import replace

from farebox.billing.documents.document import CreditNote, Invoice, InvoiceLine
from farebox.billing.invoices.account import Account
from farebox.billing.invoices.adjustments import RERATED, CreditedLine, PastPeriod, key_of
from farebox.billing.invoices.store import StoredInvoice
from farebox.billing.invoices.totals import carried_in
from farebox.billing.periods.terms import Segment, Terms, UnusedAdvance, decode_terms
from farebox.charges.rounding import exact_text

_DAY_NS = 86_400 * 10**9


def unbilled(waiting: Sequence[Terms], past: Sequence[StoredInvoice]) -> list[Terms]:
    """Return what final invoices of the same subscriptions leave of periods.

    Periods lie otherwise than those that were billed where a customer's zone or an anchor was changed.
    """
    found: list[Terms] = []
    for terms in waiting:
        billed: dict[str, int] = {}
        for stored in past:
            invoice = stored.invoice
            if invoice.kind != "period" or invoice.until_ns <= terms.from_ns:
                continue
            if invoice.from_ns < terms.until_ns:
                for segment in decode_terms(stored.terms).segments:
                    until_ns = max(billed.get(segment.subscription, 0), segment.until_ns)
                    billed[segment.subscription] = until_ns
        segments = [_from(each, billed.get(each.subscription, 0)) for each in terms.segments]
        left = tuple(each for each in segments if each is not None)
        if left:
            found.append(replace(terms, segments=left))
    return found


def _from(segment: Segment, moment_ns: int) -> Segment | None:
    """Return the part of a segment from a moment on, with the days that began in it."""
    if moment_ns <= segment.from_ns:
        return segment
    if segment.until_ns <= moment_ns:
        return None
    days = min(-(-(segment.until_ns - moment_ns) // _DAY_NS), segment.days)
    return replace(segment, from_ns=moment_ns, days=days)


def progressive_of(past: Sequence[StoredInvoice], terms: Terms) -> list[StoredInvoice]:
    """Return the threshold invoices of a period: of its subscriptions, not of others at the same time."""
    own = {each.subscription for each in terms.segments}
    return [
        stored
        for stored in past
        if stored.invoice.kind == "progressive"
        and stored.invoice.from_ns == terms.from_ns
        and any(each.subscription in own for each in decode_terms(stored.terms).segments)
    ]


def progressive_lines(past: Sequence[StoredInvoice], terms: Terms) -> list[InvoiceLine]:
    """Return what takes off what threshold invoices of a period have billed already."""
    return [
        InvoiceLine(
            id="",
            kind="progressive",
            title=f"Billed by {stored.invoice.number}",
            from_ns=stored.invoice.from_ns,
            until_ns=stored.invoice.until_ns,
            exact=exact_text(Fraction(-base, 10**terms.exponent)),
            amount_minor=-base,
            tax_percent=percent,
            of_invoice=stored.invoice.id,
        )
        for stored in progressive_of(past, terms)
        for percent, base in _bases(stored.invoice)
        if base
    ]


def _bases(invoice: Invoice) -> list[tuple[str | None, int]]:
    found: dict[str | None, int] = {}
    for line in invoice.lines:
        if line.kind not in ("adjustment", "carried", "proration"):
            found[line.tax_percent] = found.get(line.tax_percent, 0) + line.amount_minor
    return sorted(found.items(), key=lambda each: each[0] or "")


def carried_lines(past: Sequence[StoredInvoice]) -> list[InvoiceLine]:
    """Return what final invoices carried to the next one and none has taken yet."""
    taken = {
        line.of_invoice
        for stored in past
        for line in stored.invoice.lines
        if line.kind == "carried" and line.of_invoice
    }
    brought = (carried_in(each.invoice) for each in past if each.invoice.id not in taken)
    return [line for line in brought if line is not None]


def adjusted_before(account: Account, terms: Terms) -> list[InvoiceLine]:
    """Return what takes back adjustments of a voided invoice of this period, which is billed as it is now."""
    voided = {each.invoice.id for each in account.voided if same_period(each.invoice, terms)}
    found: dict[tuple[str, ...], InvoiceLine] = {}
    for stored in account.past:
        for line in stored.invoice.lines:
            if line.kind != "adjustment" or line.of_invoice not in voided:
                continue
            key, before = key_of(line), found.get(key_of(line))
            found[key] = replace(
                line,
                id="",
                exact=exact_text(Fraction(before.exact if before else 0) - Fraction(line.exact)),
                amount_minor=(before.amount_minor if before else 0) - line.amount_minor,
                quantity=None
                if line.quantity is None
                else exact_text(Fraction(before.quantity or 0 if before else 0) - Fraction(line.quantity)),
                unpriced_calls=0,
                estimated_calls=0,
                credited=None,
                note=f"Billed by {stored.invoice.number} before.",
            )
    return [line for line in found.values() if line.amount_minor or Fraction(line.exact)]


def past_period(stored: StoredInvoice, account: Account) -> PastPeriod:
    """Return what adjustments of a final invoice's period start from."""
    same = {
        each.invoice.id
        for each in (*account.past, *account.voided)
        if each.invoice.kind == "period" and same_period(each.invoice, stored.invoice)
    }
    return PastPeriod(
        invoice=stored.invoice,
        adjusted_by=tuple(
            line
            for each in account.past
            for line in each.invoice.lines
            if line.kind == "adjustment" and line.of_invoice in same
        ),
        credited=credited_lines(stored, same, account.past, account.notes),
    )


def same_period(one: Invoice, other: Invoice | Terms) -> bool:
    return (one.customer, one.from_ns, one.until_ns) == (other.customer, other.from_ns, other.until_ns)


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
                        exact=exact_text(-Fraction(line.billed or line.exact)),
                        tax_percent=line.tax_percent,
                        of_invoice=each.invoice.id,
                        note=f"Billed by {each.invoice.number}.",
                    )
                )
    return tuple(found)
