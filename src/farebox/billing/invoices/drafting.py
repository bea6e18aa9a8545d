"""Draft the invoices of many customers: usage asked for once for all who have the same plan and period."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec.structs import replace

from farebox.billing.customer_terms import Coupon, CustomerAddOn
from farebox.billing.documents.amounts import counted
from farebox.billing.documents.document import BillTo, Invoice, InvoiceLine
from farebox.billing.invoices.account import Account
from farebox.billing.invoices.adjustments import adjustments
from farebox.billing.invoices.earlier_invoices import (
    adjusted_before,
    carried_lines,
    past_period,
    progressive_lines,
    same_period,
    unused_advances,
)
from farebox.billing.invoices.record_position import RecordPosition
from farebox.billing.invoices.store import StoredInvoice
from farebox.billing.invoices.totals import with_totals
from farebox.billing.periods.local_days import first_day, last_day_after
from farebox.billing.periods.terms import Segment, Terms, decode_terms, encode_terms
from farebox.billing.rating.period_usage import BusyDays, charged_cost, consumption_of
from farebox.billing.rating.rating import add_on_line, rate_period
from farebox.billing.rating.rollover import carries_over, used_units, with_carried_units
from farebox.billing.usage import Appended, AsOf, Usage
from farebox.charges.amounts.thresholds import crossed
from farebox.charges.plan import Commitment, Discount
from farebox.charges.usage.consumption import Consumption, CustomerUsage, consume
from farebox.money import PicoUsd

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
    costs: dict[str, PicoUsd] = {}
    """By period (`period_key`), past ones that were looked at among them: what usage that is charged cost."""


class AskedUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What drafts of some open periods need of the record, all of it as of one position."""

    position: RecordPosition
    taken: dict[tuple[str, int, int], list[Consumption]]
    """What the charges of a customer's period take, segment by segment."""
    rerated: dict[str, list[InvoiceLine]]
    """The lines of past periods as they are now, by the invoice's id: of those whose record has changed."""
    costs: dict[str, PicoUsd] = {}
    """By such an invoice's id: what usage that its charges take cost."""


def asked_usage(
    usage: Usage, wanted: Sequence[tuple[Account, Terms]], position: RecordPosition, appended: Appended
) -> AskedUsage:
    """Ask for the usage of open periods, and of the past ones of their customers that `appended` is of."""
    as_of = AsOf(position.seq, position.outcome)
    accounts = {account.customer.id: account for account, _ in wanted}.values()
    starts: dict[str, list[int]] = {}
    for account, terms in wanted:
        starts.setdefault(account.customer.id, []).append(terms.from_ns)
    past = {
        stored.invoice.id: (account, terms)
        for account in accounts
        for stored, terms in _changed(account, starts[account.customer.id], as_of, appended)
    }
    busy = BusyDays(usage, [terms for _, terms in wanted], as_of)
    asked = [terms for _, terms in wanted if busy.are_in(terms)]
    taken = consumption_of(usage, [*asked, *(terms for _, terms in past.values())], as_of)
    found = {_period(terms): each for terms, each in zip(asked, taken, strict=False)}
    for _, terms in wanted:
        if _period(terms) not in found:
            found[_period(terms)] = [consume(each.plan.charges, CustomerUsage()) for each in terms.segments]
    rerated: dict[str, list[InvoiceLine]] = {}
    costs: dict[str, PicoUsd] = {}
    for (id, (account, terms)), each in zip(past.items(), taken[len(asked) :], strict=True):
        rerated[id] = rate_period(_with_rollover(account, terms, rerated), each)
        costs[id] = charged_cost(terms, each)
    return AskedUsage(position=position, taken=found, rerated=rerated, costs=costs)


def draft_invoice(account: Account, terms: Terms, asked: AskedUsage) -> Draft:
    """Return the draft of a period as the customer's next invoice, with the adjustments of past ones.

    `asked` is of this period and customer, among others.
    """
    taken = asked.taken[_period(terms)]
    terms = with_account_terms(account, terms, asked.rerated)
    lines = rate_period(terms, taken)
    idle = _idle(terms.discounts, lines)
    terms = replace(terms, discounts=tuple(each for each in terms.discounts if each not in idle))
    lines += progressive_lines(account.past, terms)
    lines += add_on_lines(account, terms)
    costs = {period_key(terms): charged_cost(terms, taken)}
    for stored in account.billed:
        if stored.invoice.id in asked.rerated:
            lines += adjustments(past_period(stored, account), asked.rerated[stored.invoice.id])
            costs[period_key(stored.invoice)] = asked.costs[stored.invoice.id]
    lines += adjusted_before(account, terms)
    lines += carried_lines(account.past)
    draft = _document(account, terms, lines, asked.position, "period")
    return replace(
        draft,
        used=used_terms(account, terms, without=idle),
        costs=costs,
        unconsumed=tuple(
            words
            for segment, each in zip(terms.segments, taken, strict=True)
            for words in _left(segment, each)
        ),
    )


def as_final(draft: Draft) -> StoredInvoice:
    """Return a draft as the invoice that it would be, for what is drafted after it."""
    invoice = replace(draft.invoice, status="final", number=f"draft {draft.invoice.id[:8]}")
    return StoredInvoice(
        invoice=invoice, content=b"", sha256="", terms=encode_terms(draft.terms), attempt=draft.attempt
    )


def _changed(
    account: Account, starts: Collection[int], as_of: AsOf, appended: Appended
) -> Iterable[tuple[StoredInvoice, Terms]]:
    """Yield past periods that may come to something else than when they were looked at last.

    What one carried over is on the next one: that is looked at with it. `starts` are those of open periods:
    what is carried into any of these is known from the one before only.
    """
    any_before = False
    unchanged: list[StoredInvoice] = []
    for stored in account.billed:
        since, invoice = account.settled_for(stored), stored.invoice
        is_other_record = since.seq > as_of.seq or since.outcome > as_of.outcome
        has_changed = is_other_record or (
            since != as_of and appended.is_newer(invoice.customer, invoice.from_ns, invoice.until_ns, since)
        )
        if has_changed or any_before:
            terms = decode_terms(stored.terms)
            if has_changed or carries_over(terms):
                any_before = True
                if carries_over(terms):
                    yield from _ending_at(unchanged, (invoice.from_ns,))
                yield stored, terms
                continue
        unchanged.append(stored)
    yield from _ending_at(unchanged, starts)


def _ending_at(
    unchanged: list[StoredInvoice], moments: Collection[int]
) -> Iterable[tuple[StoredInvoice, Terms]]:
    """Take out of a list, and yield, periods that may carry units over into those that begin then."""
    for stored in [each for each in unchanged if each.invoice.until_ns in moments]:
        terms = decode_terms(stored.terms)
        if carries_over(terms):
            unchanged.remove(stored)
            yield stored, terms


def period_key(of: Terms | Invoice) -> str:
    """Return what tells a customer's periods apart, as text."""
    return f"{of.from_ns}-{of.until_ns}"


def _period(terms: Terms) -> tuple[str, int, int]:
    return terms.customer, terms.from_ns, terms.until_ns


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


def with_account_terms(
    account: Account, terms: Terms, rerated: Mapping[str, list[InvoiceLine]] | None = None
) -> Terms:
    """Return the terms with the customer's coupons, and with what the period before means for them.

    `rerated` are the lines of past invoices by what is known now, by the invoices' ids.
    """
    in_advance: dict[str, str] = {}
    days: dict[str, int] = {}
    for before in _periods_before(account, terms):
        for line in before.invoice.lines:
            if line.kind == "base" and line.from_ns == before.invoice.until_ns:
                in_advance[line.subscription] = line.billed or line.exact
        days |= {each.subscription: each.next_days for each in decode_terms(before.terms).segments}
    segments = tuple(
        replace(each, billed_days=days[each.subscription], billed_base=in_advance[each.subscription])
        if each.plan.base_in_advance and each.subscription in in_advance
        else each
        for each in terms.segments
    )
    terms = _with_rollover(account, replace(terms, segments=segments), rerated or {})
    return replace(
        terms,
        discounts=tuple(each.discount for each in _coupons(account, terms)),
        unused_advances=unused_advances(
            [each for each in account.past if not same_period(each.invoice, terms)],
            terms.from_ns,
            account.ends_ns,
        ),
    )


def _periods_before(account: Account, terms: Terms) -> list[StoredInvoice]:
    """Return the invoices of the periods that end where one begins."""
    return [
        each
        for each in account.past
        if each.invoice.kind == "period" and each.invoice.until_ns == terms.from_ns
    ]


def _with_rollover(account: Account, terms: Terms, rerated: Mapping[str, list[InvoiceLine]]) -> Terms:
    """Return terms with the units that charges carry over from the period before, by what is known of it."""
    if not carries_over(terms):
        return terms
    before: list[Segment] = []
    lines: list[InvoiceLine] = []
    for each in _periods_before(account, terms):
        before += decode_terms(each.terms).segments
        known = rerated.get(each.invoice.id)
        if known is None:
            known = [*each.invoice.lines, *past_period(each, account).adjusted_by]
        lines += known
    return with_carried_units(terms, before, used_units(lines))


def _coupons(account: Account, terms: Terms) -> list[Coupon]:
    """Return the coupons of a period: those of charges that no plan in it has are kept for another one."""
    day, charges = first_day(terms), terms.charge_names
    return [
        each
        for each in account.coupons
        if each.is_in_force(day) and (not each.discount.charges or charges & set(each.discount.charges))
    ]


def _idle(discounts: Sequence[Discount], lines: Sequence[InvoiceLine]) -> list[Discount]:
    """Return the coupons for so many invoices that are kept: no line is of a charge they come off."""
    charges = {line.charge for line in lines if line.charge}
    return [
        each
        for each in discounts
        if each.invoices is not None and each.charges and not charges & set(each.charges)
    ]


def _add_ons(account: Account, terms: Terms) -> list[CustomerAddOn]:
    until = last_day_after(terms)
    return [
        each
        for each in account.add_ons
        if each.is_due(until) and (terms.segments or each.add_on.on is not None)
    ]  # what comes every period ends with the last subscription


def add_on_lines(account: Account, terms: Terms) -> list[InvoiceLine]:
    """Return the lines of a customer's own add-ons that are due in a period."""
    due = [each.add_on for each in _add_ons(account, terms)]
    return [add_on_line(each, Fraction(each.amount) * Fraction(each.quantity), terms) for each in due]


def used_terms(account: Account, terms: Terms, *, without: Collection[Discount] = ()) -> tuple[str, ...]:
    """Return the ids of the coupons, all but some, and of the add-ons that an invoice of a period uses.

    Where there is no plan, coupons have nothing to take off, and are kept.
    """
    coupons = _coupons(account, terms) if terms.segments else ()
    return (
        *(each.id for each in coupons if each.discount not in without),
        *(each.id for each in _add_ons(account, terms)),
    )


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
                addons=(),
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
    return replace(terms, segments=segments, unused_advances=())


def _id_of(home_id: str, terms: Terms, kind: str, attempt: int) -> str:
    """Return the same id for the same period whenever it is drafted."""
    said = [home_id, terms.customer, kind, str(terms.from_ns), str(terms.until_ns), str(attempt)]
    return sha256("\0".join(said).encode()).hexdigest()[:32]


def _statements(invoice: Invoice) -> tuple[str, ...]:
    said: list[str] = []
    unpriced, estimated = invoice.unpriced, invoice.estimated
    if unpriced.number:
        words = unpriced.words()
        are = "is" if unpriced.number == 1 else "are"
        said.append(f"{words[0].upper()}{words[1:]} {are} unpriced: amounts are at least what is shown.")
    if estimated.number:
        said.append(f"The usage of {estimated.words()} is estimated.")
    return tuple(said)


def _left(segment: Segment, taken: Consumption) -> Iterable[str]:
    calls = sum(cell.calls for cell in taken.unconsumed)
    if calls:
        yield f"plan {segment.plan.name} does not charge {counted(calls, 'call')}, or not in full"
    outcomes = sum(cell.count for cell in taken.unconsumed_outcomes)
    if outcomes:
        yield f"plan {segment.plan.name} does not charge {counted(outcomes, 'outcome')}"
