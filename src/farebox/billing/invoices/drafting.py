"""Draft the invoices of many customers: usage asked for once for all who have the same plan and period."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec.structs import replace

from farebox.billing.customer_terms import Coupon
from farebox.billing.documents.amounts import counted
from farebox.billing.invoices.account import Account
from farebox.billing.invoices.adjustments import adjustments
from farebox.billing.invoices.document import BillTo, Invoice, InvoiceLine
from farebox.billing.invoices.earlier_invoices import (
    adjusted_before,
    carried_lines,
    past_period,
    progressive_lines,
    same_period,
    unused_advances,
)
from farebox.billing.invoices.local_days import first_day, last_day_after
from farebox.billing.invoices.rating import rate_period
from farebox.billing.invoices.record_position import RecordPosition
from farebox.billing.invoices.schedule import carried_units
from farebox.billing.invoices.terms import Segment, Terms, decode_terms
from farebox.billing.invoices.totals import with_totals
from farebox.billing.usage import AsOf, Span, Usage, consumed
from farebox.charges.consumption import Consumption
from farebox.charges.plan import Commitment, canonical_json
from farebox.charges.rounding import exact_text, units_of
from farebox.charges.thresholds import crossed

SERIES = "INV"


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A draft, and what it takes to make it final."""

    invoice: Invoice
    terms: Terms
    attempt: int
    based_on: tuple[int, int, int] = (0, 0, 0)
    """How many invoices, voids and credit notes the customer had (`store.documents_of`)."""
    used: tuple[str, ...] = ()
    """Ids of the coupons and add-ons on it."""
    unconsumed: tuple[str, ...] = ()
    """Usage that no charge has consumed, in words."""


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
        for each, part in places:
            found[each][part] = taken[periods[each].customer]
    return found


def draft_invoices(
    usage: Usage, wanted: Sequence[tuple[Account, Terms]], position: RecordPosition
) -> list[Draft]:
    """Return a draft for each period, with the adjustments of the customer's past ones.

    A customer's periods are drafted as if each were the next invoice: only the first of them may be made
    final before the next is drafted again.
    """
    as_of = AsOf(position.seq, position.outcome)
    wanted = [(account, with_account_terms(account, terms)) for account, terms in wanted]
    past = {
        stored.invoice.id: decode_terms(stored.terms)
        for account, _ in wanted
        for stored in account.past
        if stored.invoice.kind == "period"
        and (stored.invoice.as_of_seq, stored.invoice.as_of_outcome) != (position.seq, position.outcome)
    }
    asked = [*(terms for _, terms in wanted), *past.values()]
    taken = consumption_of(usage, asked, as_of)
    rerated = dict(
        zip(
            past,
            (rate_period(t, c) for t, c in zip(past.values(), taken[len(wanted) :], strict=True)),
            strict=True,
        )
    )
    return [
        _draft(account, terms, used, rerated, position)
        for (account, terms), used in zip(wanted, taken[: len(wanted)], strict=True)
    ]


def draft_progressive(
    usage: Usage, wanted: Sequence[tuple[Account, Terms]], position: RecordPosition
) -> list[Draft]:
    """Return a draft for each running period whose usage has reached a threshold it had not reached before.

    `wanted` are the terms of running periods, cut off at the moment of the question. An invoice before the
    end of a period bills usage only, with its maximums and discounts: no base fee, no minimum, nothing of
    other periods.
    """
    wanted = [(account, _of_usage_only(with_account_terms(account, terms))) for account, terms in wanted]
    taken = consumption_of(usage, [terms for _, terms in wanted], AsOf(position.seq, position.outcome))
    found: list[Draft] = []
    for (account, terms), used in zip(wanted, taken, strict=True):
        lines = rate_period(terms, used)
        before = progressive_lines(account.past, terms)
        unit = Fraction(1, 10**terms.exponent)
        billed = -sum(line.amount_minor for line in before) * unit
        amount = sum(line.amount_minor for line in lines) * unit
        thresholds = [each for segment in terms.segments for each in segment.plan.thresholds]
        if crossed(thresholds, billed, amount):
            found.append(_document(account, terms, [*lines, *before], position, "progressive"))
    return found


def _draft(
    account: Account,
    terms: Terms,
    taken: Sequence[Consumption],
    rerated: Mapping[str, list[InvoiceLine]],
    position: RecordPosition,
) -> Draft:
    lines = rate_period(terms, taken)
    lines += progressive_lines(account.past, terms)
    added, used = add_on_lines(account, terms)
    lines += added
    for stored in account.past:
        if stored.invoice.id in rerated:
            lines += adjustments(past_period(stored, account), rerated[stored.invoice.id])
    lines += adjusted_before(account, terms)
    lines += carried_lines(account.past)
    draft = _document(account, terms, lines, position, "period")
    return replace(
        draft,
        used=(*(each.id for each in _coupons(account, terms)), *used),
        unconsumed=tuple(
            words
            for segment, each in zip(terms.segments, taken, strict=True)
            for words in _left(segment, each)
        ),
    )


def _document(
    account: Account,
    terms: Terms,
    lines: Sequence[InvoiceLine],
    position: RecordPosition,
    kind: Literal["period", "progressive"],
) -> Draft:
    customer = account.customer
    attempt = sum(
        1 for each in account.voided if same_period(each.invoice, terms) and each.invoice.kind == kind
    )
    frame = Invoice(
        id=_id_of(position.home_id, terms, kind, attempt),
        series=SERIES,
        kind=kind,
        customer=customer.id,
        bill_to=BillTo(
            name=customer.name or customer.id,
            address="\n".join(customer.address),
            tax_id=customer.tax_id,
            email=customer.email,
        ),
        currency=terms.currency,
        exponent=terms.exponent,
        from_ns=terms.from_ns,
        until_ns=terms.until_ns,
        timezone=terms.timezone,
        as_of_seq=position.seq,
        as_of_outcome=position.outcome,
        head_hash=position.head_hash,
        home_id=position.home_id,
        lines=(),
        subtotal_minor=0,
        total_minor=0,
        due_minor=0,
    )
    invoice = with_totals(frame, lines)
    return Draft(
        invoice=replace(invoice, statements=_statements(invoice)),
        terms=terms,
        attempt=attempt,
        based_on=(len(account.past) + len(account.voided), len(account.voided), len(account.notes)),
    )


def with_account_terms(account: Account, terms: Terms) -> Terms:
    """Return the terms with the customer's coupons and what charges carry over from the period before."""
    segments = list(terms.segments)
    before = next(
        (
            each
            for each in reversed(account.past)
            if each.invoice.kind == "period" and each.invoice.until_ns == terms.from_ns
        ),
        None,
    )
    if before is not None:
        used: dict[str, Fraction] = {}
        for line in before.invoice.lines:
            if line.kind == "usage" and line.quantity is not None:
                used[line.charge] = used.get(line.charge, Fraction(0)) + Fraction(line.quantity)
        past = decode_terms(before.terms)
        in_advance = {each.subscription: each.next_days for each in past.segments}
        segments = [
            replace(
                each,
                carried_units=carried_units(past, used, each),
                billed_days=in_advance.get(each.subscription, 0) if each.plan.base_in_advance else 0,
            )
            for each in segments
        ]
    discounts = tuple(each.discount for each in _coupons(account, terms))
    unused = unused_advances(account.past, terms.from_ns, account.ends_ns)
    return replace(terms, segments=tuple(segments), discounts=discounts, unused_advances=unused)


def _coupons(account: Account, terms: Terms) -> list[Coupon]:
    day = first_day(terms)
    return [each for each in account.coupons if each.is_in_force(day)]


def add_on_lines(account: Account, terms: Terms) -> tuple[list[InvoiceLine], list[str]]:
    """Return the lines of add-ons that are due in a period, and the ids of the customer's own among them."""
    until, first = last_day_after(terms), first_day(terms)
    due = [
        (each.add_on, each.id)
        for each in account.add_ons
        if each.is_due(until) and (terms.segments or each.add_on.on is not None)
    ]  # what comes every period ends with the last subscription
    due += [
        (each, "")
        for segment in terms.segments
        for each in segment.plan.addons
        if each.on is None or first <= each.on < until
    ]
    lines: list[InvoiceLine] = []
    for each, _ in due:
        exact = Fraction(each.amount) * Fraction(each.quantity)
        percent = terms.tax_percent if each.tax_percent is None else each.tax_percent
        lines.append(
            InvoiceLine(
                id="",
                kind="add_on",
                title=each.name,
                from_ns=terms.from_ns,
                until_ns=terms.until_ns,
                quantity=str(each.quantity),
                unit_price=str(each.amount),
                exact=exact_text(exact),
                amount_minor=units_of(exact, terms.exponent),
                tax_percent=str(percent),
            )
        )
    return lines, [id for _, id in due if id]


def _of_usage_only(terms: Terms) -> Terms:
    """Return the terms without what is due at the end of a period only."""

    def due_now(agreed: Commitment | None) -> Commitment | None:
        return None if agreed is None else replace(agreed, true_up=False)

    segments = tuple(
        replace(
            segment,
            plan=replace(
                segment.plan,
                base=Decimal(0),
                minimum=None,
                commitment=due_now(segment.plan.commitment),
                charges=tuple(
                    replace(charge, minimum=None, commitment=due_now(charge.commitment))
                    for charge in segment.plan.charges
                ),
            ),
        )
        for segment in terms.segments
    )
    return replace(terms, segments=segments)


def _id_of(home_id: str, terms: Terms, kind: str, attempt: int) -> str:
    """Return the same id for the same period whenever it is drafted."""
    said = [home_id, terms.customer, kind, str(terms.from_ns), str(terms.until_ns), str(attempt)]
    return sha256("\0".join(said).encode()).hexdigest()[:32]


def _charges_key(segment: Segment) -> tuple[bytes, ...]:
    return tuple(canonical_json(charge) for charge in segment.plan.charges)


def _statements(invoice: Invoice) -> tuple[str, ...]:
    said: list[str] = []
    unpriced = sum(line.unpriced_calls for line in invoice.lines)
    if unpriced:
        are = "is" if unpriced == 1 else "are"
        said.append(f"{counted(unpriced, 'call')} {are} unpriced: amounts are at least what is shown.")
    estimated = sum(line.estimated_calls for line in invoice.lines)
    if estimated:
        said.append(f"The usage of {counted(estimated, 'call')} is estimated.")
    return tuple(said)


def _left(segment: Segment, taken: Consumption) -> Iterable[str]:
    calls = sum(cell.calls for cell in taken.unconsumed)
    if calls:
        yield f"plan {segment.plan.name} does not charge {counted(calls, 'call')}, or not in full"
    outcomes = sum(cell.count for cell in taken.unconsumed_outcomes)
    if outcomes:
        yield f"plan {segment.plan.name} does not charge {counted(outcomes, 'outcome')}"
