"""What a customer's earlier invoices and credit notes bring to the next invoice.

Pure: threshold invoices are taken off, carried amounts come in, base fees in advance that were for nothing
are given back, and the past periods are what adjustments start from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from fractions import Fraction
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from farebox.billing.invoices.account import Account
from farebox.billing.invoices.adjustments import PastPeriod, key_of
from farebox.billing.invoices.document import Invoice, InvoiceLine
from farebox.billing.invoices.store import StoredInvoice
from farebox.billing.invoices.terms import Segment, Terms, decode_terms
from farebox.billing.invoices.totals import carried_in
from farebox.charges.rounding import exact_text
from farebox.time_expressions import day_start

_DAY_NS = 86_400 * 10**9


def progressive(account: Account, terms: Terms) -> list[InvoiceLine]:
    """Return what takes off what threshold invoices of this period have billed already, charge by charge."""
    on = {segment.subscription for segment in terms.segments}
    return [
        replace(
            lines[0],
            id="",
            kind="progressive",
            title=f"Billed by {stored.invoice.number}",
            until_ns=stored.invoice.until_ns,
            dims={},
            quantity=None,
            unit=None,
            unit_price=None,
            price_ids=(),
            unpriced_calls=0,
            estimated_calls=0,
            details=(),
            exact=exact_text(Fraction(-base, 10**terms.exponent)),
            amount_minor=-base,
            of_invoice=stored.invoice.id,
            of_line="",
            note=lines[0].charge,
        )
        for stored in account.past
        if stored.invoice.kind == "progressive" and stored.invoice.from_ns == terms.from_ns
        for lines in _by_charge(stored.invoice)
        if lines[0].subscription in on and (base := sum(line.amount_minor for line in lines))
    ]


def _by_charge(invoice: Invoice) -> list[list[InvoiceLine]]:
    """Return a threshold invoice's lines of each charge and rate of tax."""
    found: dict[tuple[str, str, str], list[InvoiceLine]] = {}
    for line in invoice.lines:
        if line.kind not in ("adjustment", "carried"):
            found.setdefault((line.subscription, line.charge, line.tax_percent or ""), []).append(line)
    return [found[key] for key in sorted(found)]


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


def not_billed_yet(account: Account, terms: Terms) -> Terms | None:
    """Return the part of a period that final invoices of the same subscriptions leave, None for none.

    Periods lie otherwise than those that were billed where a customer's time zone or an anchor was changed.
    """
    billed: dict[str, int] = {}
    for stored in account.past:
        invoice = stored.invoice
        if invoice.kind == "period" and invoice.from_ns < terms.until_ns and terms.from_ns < invoice.until_ns:
            for segment in decode_terms(stored.terms).segments:
                until_ns = max(billed.get(segment.subscription, 0), segment.until_ns)
                billed[segment.subscription] = until_ns
    left: list[Segment] = []
    for segment in terms.segments:
        from_ns = max(segment.from_ns, billed.get(segment.subscription, 0))
        if from_ns == segment.from_ns:
            left.append(segment)
        elif from_ns < segment.until_ns:
            days = min(-(-(segment.until_ns - from_ns) // _DAY_NS), segment.days)
            left.append(replace(segment, from_ns=from_ns, days=days))
    return replace(terms, segments=tuple(left)) if left else None


def unused_advances(account: Account, terms: Terms) -> list[InvoiceLine]:
    """Return what gives back base fees in advance that are for days after a subscription has ended."""
    zone = ZoneInfo(terms.timezone)
    until = {each.id: each.until for each in account.subscriptions}
    back = {
        (line.of_invoice, line.of_line)
        for stored in account.past
        for line in stored.invoice.lines
        if line.kind == "proration"
    }
    found: list[InvoiceLine] = []
    for stored in account.past:
        for line in stored.invoice.lines:
            is_advance = line.kind == "base" and line.from_ns >= stored.invoice.until_ns
            if not is_advance or (stored.invoice.id, line.id) in back or line.from_ns > terms.until_ns:
                continue
            ends = until.get(line.subscription, date.min)
            if ends is None or day_start(max(ends, date(1970, 1, 1)), zone) > line.from_ns:
                continue
            found.append(
                replace(
                    line,
                    id="",
                    kind="proration",
                    title=f"Unused base fee, {line.plan}",
                    exact=exact_text(-Fraction(line.exact)),
                    amount_minor=-line.amount_minor,
                    of_invoice=stored.invoice.id,
                    of_line=line.id,
                    note=f"Billed by {stored.invoice.number}.",
                )
            )
    return found


def carried(account: Account) -> list[InvoiceLine]:
    taken = {
        line.of_invoice
        for stored in account.past
        for line in stored.invoice.lines
        if line.kind == "carried" and line.of_invoice
    }
    brought = (carried_in(each.invoice) for each in account.past if each.invoice.id not in taken)
    return [line for line in brought if line is not None]


def past_period(stored: StoredInvoice, account: Account) -> PastPeriod:
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
        credited=tuple(_credited(stored.invoice, same, account)),
    )


def _credited(of: Invoice, same: Collection[str], account: Account) -> Iterable[tuple[InvoiceLine, int]]:
    """Yield lines of a period with what credit notes gave back of each, whichever invoice they are on.

    They are on the period's own invoice, on one before its end (a threshold's), or on a later one that
    adjusted it.
    """
    documents = {each.invoice.id: each.invoice for each in account.past}
    for note in account.notes:
        invoice = documents.get(note.invoice)
        lines = {line.id: line for line in invoice.lines} if invoice is not None else {}
        for each in note.lines:
            line = lines.get(each.of_line)
            if invoice is None or line is None:
                continue
            is_own = invoice.id == of.id and line.kind != "adjustment"
            if is_own or (line.kind == "adjustment" and line.of_invoice in same):
                yield line, each.amount_minor
            elif invoice.kind == "progressive" and invoice.from_ns == of.from_ns:
                for own in of.lines:
                    if key_of(replace(line, from_ns=own.from_ns, until_ns=own.until_ns)) == key_of(own):
                        yield own, each.amount_minor
                        break


def same_period(one: Invoice, other: Invoice | Terms) -> bool:
    return (one.customer, one.from_ns, one.until_ns) == (other.customer, other.from_ns, other.until_ns)
