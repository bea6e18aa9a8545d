"""Bill every customer whose period has ended: drafts within the grace period, final invoices after it.

Run again it changes nothing that is final, and makes the same drafts of the same record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from farebox.billing.customer_terms import add_ons, coupons
from farebox.billing.invoices import store
from farebox.billing.invoices.account import Account
from farebox.billing.invoices.drafting import Draft, draft_invoices, draft_progressive
from farebox.billing.invoices.earlier_invoices import unbilled
from farebox.billing.invoices.finalizing import finalize
from farebox.billing.invoices.record_position import RecordPosition, record_position
from farebox.billing.invoices.schedule import (
    Subscribed,
    closing_period,
    current_periods,
    ended_periods,
)
from farebox.billing.invoices.terms import Terms
from farebox.billing.plans.changes import unknown
from farebox.charges.plan import Customer, Subscription, effective_plan
from farebox.charges.plan_reader.consistency import rate_wanted
from farebox.charges.plan_reader.written_values import day_start_ns
from farebox.charges.pricing_plan import PRICING
from farebox.control.publish import change
from farebox.errors import InvoiceError, UsageError
from farebox.ledger.losses.coverage import Missing, missing
from farebox.snapshot import Snapshot, read_snapshot

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from farebox.analytics.questions import Questions
    from farebox.billing.invoices.document import Invoice
    from farebox.billing.usage import Usage
    from farebox.control.database import ControlDatabase
    from farebox.home import Home

_HOUR_NS = 3_600 * 10**9
_FINAL_AT_ONCE = 100
"""Invoices in one transaction: other writers wait meanwhile."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is."""

    done: int
    of: int


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice that stays a draft, and why."""

    customer: str
    id: str
    reason: str


class RunReport(msgspec.Struct, kw_only=True):
    """What a run made."""

    final: list[Invoice] = []
    drafts: list[Draft] = []
    refused: list[Refused] = []
    unconsumed: list[tuple[str, str]] = []
    """Customers, and usage of theirs that no charge has consumed, in words."""


class Desk:
    """What billing of one home works with."""

    def __init__(
        self,
        home: Home,
        control: ControlDatabase,
        usage: Usage,
        *,
        questions: Questions | None = None,
        verified: bool,
        told: Callable[[Progress], None] | None = None,
        position: Callable[[Home], RecordPosition] = record_position,
        published: Callable[[Home], Snapshot] = read_snapshot,
    ) -> None:
        """`verified`: only calls whose customer is verified count, as the proxy listens beyond loopback."""
        self._position = position
        self._published = published
        self.home = home
        self.control = control
        self.usage = usage
        self.verified = verified
        self.questions = questions
        self._told = told
        self._gaps: dict[tuple[int, int], str | None] = {}

    def accounts(self) -> list[tuple[Account, list[Subscribed]]]:
        """Return every customer with their subscriptions, those without any, too."""
        snapshot = self._published(self.home)
        return self._accounts(snapshot, {each.id for each in snapshot.customers})

    def preview(self, customer: str, now_ns: int) -> list[Draft]:
        """Return what the customer's running periods, and ended ones without an invoice, come to by now.

        Nothing is saved.

        Raises:
            UsageError: There is no such customer, or no subscription now.
        """
        snapshot = self._published(self.home)
        _check_known([customer], snapshot)
        (account, on) = self._accounts(snapshot, {customer})[0]
        wanted = [*self._open(account, on, now_ns), *current_periods(account.customer, on, now_ns)]
        first = wanted[:1]  # what earlier periods are adjusted by comes once, on the next invoice
        drafts = [each for each in self._draft([(account, terms) for terms in first]) if not is_nothing(each)]
        if not drafts:
            reason = not_in_dollars(snapshot, account.customer)
            raise UsageError(reason or f"{customer} has no subscription now")
        later = replace(account, past=(), notes=())
        return [*drafts, *self._draft([(later, terms) for terms in wanted[1:]])]

    def run(
        self,
        now_ns: int,
        *,
        actor: str,
        customers: Collection[str] | None = None,
        final: bool = True,
        accept_gap: bool = False,
        accept_unpriced: bool = False,
    ) -> RunReport:
        """Draft what ended by `now_ns`, and make final what is past its grace period.

        Raises:
            UsageError: One of `customers` is not known; nothing is drafted.
        """
        report = RunReport()
        snapshot = self._published(self.home)
        _check_known(customers or (), snapshot)
        stopped: set[str] = set()
        passed: Counter[str] = Counter()
        """How many of a customer's open periods have nothing to bill: they stay open for what comes late."""
        while True:
            wanted: list[tuple[Account, Terms]] = []
            for account, on in self._accounts(snapshot, customers):
                name = account.customer.id
                if name not in stopped:
                    waiting = self._open(account, on, now_ns)[passed[name] :]
                    wanted += [(account, terms) for terms in waiting[:1]]
            if not wanted:
                break
            drafts: list[Draft] = []
            for each in self._draft(wanted):
                report.unconsumed += [(each.invoice.customer, words) for words in each.unconsumed]
                if is_over(each, now_ns) and has_nothing_to_bill(each):
                    passed[each.invoice.customer] += 1
                elif not is_nothing(each):
                    drafts.append(each)
                else:
                    stopped.add(each.invoice.customer)
            done = 0
            for some in _pieces(drafts, _FINAL_AT_ONCE):
                with change(self.home, self.control) as connection:
                    for each in some:
                        is_final = (
                            final
                            and is_over(each, now_ns)
                            and self._finalize(
                                connection, each, report, now_ns, actor, accept_gap, accept_unpriced
                            )
                        )
                        if not is_final:
                            store.put_draft(connection, each.invoice)
                            report.drafts.append(each)
                            stopped.add(each.invoice.customer)
                done += len(some)
                if self._told is not None:
                    self._told(Progress(done=done, of=len(drafts)))
        for customer in snapshot.customers:
            if customers is None or customer.id in customers:
                reason = not_in_dollars(snapshot, customer, now_ns)
                if reason is not None:
                    report.refused.append(Refused(customer=customer.id, id="", reason=reason))
        if final:
            self._progressive(snapshot, customers, report, now_ns, actor, accept_gap, accept_unpriced)
        return report

    def finalize(
        self, named: str, *, now_ns: int, actor: str, accept_gap: bool, accept_unpriced: bool
    ) -> Invoice:
        """Make the draft of an id or of a customer final now, grace period or not, recomputed first.

        Raises:
            InvoiceError: There is no such draft, an earlier period is open, or something is not accepted.
        """
        snapshot = self._published(self.home)
        customers = {each.id for each in snapshot.customers}
        draft = None
        if named not in customers:
            with self.control.reading() as connection:
                draft = store.draft(connection, named)
        customer = draft.customer if draft is not None else named
        if customer not in customers:
            raise InvoiceError(f"there is no draft and no customer {named!r}: see `farebox invoices list`")
        (account, on) = self._accounts(snapshot, {customer})[0]
        waiting = self._open(account, on, now_ns)
        if not waiting:
            raise InvoiceError(f"no period of {customer} has ended without an invoice")
        drafts = (self._draft([(account, terms)])[0] for terms in waiting)
        made = next((each for each in drafts if not has_nothing_to_bill(each)), None)
        if made is None:
            raise InvoiceError(f"no period of {customer} has ended with anything to bill")
        if draft is not None and (draft.from_ns, draft.until_ns) != (
            made.invoice.from_ns,
            made.invoice.until_ns,
        ):
            raise InvoiceError(f"an earlier period of {customer} has no invoice yet: finalize that one first")
        with change(self.home, self.control) as connection:
            return finalize(
                connection,
                made,
                now_ns=now_ns,
                actor=actor,
                gap=self._gap(made.terms),
                accept_gap=accept_gap,
                accept_unpriced=accept_unpriced,
            ).invoice

    def _finalize(
        self,
        connection: Connection,
        each: Draft,
        report: RunReport,
        now_ns: int,
        actor: str,
        accept_gap: bool,
        accept_unpriced: bool,
    ) -> bool:
        try:
            with connection.begin_nested():  # one that cannot be issued takes no other with it
                made = finalize(
                    connection,
                    each,
                    now_ns=now_ns,
                    actor=actor,
                    gap=self._gap(each.terms),
                    accept_gap=accept_gap,
                    accept_unpriced=accept_unpriced,
                )
        except (InvoiceError, UsageError) as error:
            refused = Refused(customer=each.invoice.customer, id=each.invoice.id, reason=str(error))
            report.refused.append(refused)
            return False
        report.final.append(made.invoice)
        return True

    def _progressive(
        self,
        snapshot: Snapshot,
        customers: Collection[str] | None,
        report: RunReport,
        now_ns: int,
        actor: str,
        accept_gap: bool,
        accept_unpriced: bool,
    ) -> None:
        """Issue invoices of running periods whose usage has reached a threshold."""
        with_thresholds = {each.name for each in snapshot.plans if each.thresholds}
        if not with_thresholds:
            return
        wanted = [
            (account, _cut(terms, now_ns))
            for account, on in self._accounts(snapshot, customers)
            if any(plan.name in with_thresholds for _, plan in on)
            for terms in current_periods(account.customer, on, now_ns)
        ]
        wanted = [(account, self._verified_terms(terms)) for account, terms in wanted if terms.segments]
        position = self._position(self.home)
        with change(self.home, self.control) as connection:
            for each in draft_progressive(self.usage, wanted, position):
                self._finalize(connection, each, report, now_ns, actor, accept_gap, accept_unpriced)

    def _draft(self, wanted: Sequence[tuple[Account, Terms]]) -> list[Draft]:
        position = self._position(self.home)
        terms = [(account, self._verified_terms(each)) for account, each in wanted]
        return draft_invoices(self.usage, terms, position)

    def _verified_terms(self, terms: Terms) -> Terms:
        return replace(terms, verified=self.verified)

    def _open(self, account: Account, on: Sequence[Subscribed], now_ns: int) -> list[Terms]:
        """Return the ended periods that have no final invoice, the oldest first."""
        final = {
            (each.invoice.from_ns, each.invoice.until_ns)
            for each in account.past
            if each.invoice.kind == "period"
        }
        ended = ended_periods(account.customer, on, now_ns)
        waiting = unbilled(
            [terms for terms in ended if (terms.from_ns, terms.until_ns) not in final], account.past
        )
        if waiting or not final or current_periods(account.customer, on, now_ns):
            return waiting
        billed_until = max(until for _, until in final)
        closing = closing_period(account.customer, billed_until, now_ns)
        return [] if closing is None or (closing.from_ns, closing.until_ns) in final else [closing]

    def _accounts(
        self, snapshot: Snapshot, only: Collection[str] | None
    ) -> list[tuple[Account, list[Subscribed]]]:
        plans = {(plan.name, plan.version): plan for plan in snapshot.plans}
        on: dict[str, list[Subscribed]] = {}
        for said in snapshot.subscriptions:
            plan = plans.get((said.plan, said.version))
            if plan is not None:
                on.setdefault(said.customer, []).append((said, effective_plan(plan, said.overrides)))
        in_dollars = {each.id for each in snapshot.customers if each.currency == "USD"}
        for said in snapshot.by_pricing:
            if said.customer in in_dollars:
                on.setdefault(said.customer, []).append((said, PRICING))
        chosen = [
            each
            for each in sorted(snapshot.customers, key=lambda each: each.id)
            if only is None or each.id in only
        ]
        names = [each.id for each in chosen]
        documents: dict[str, list[store.StoredInvoice]] = {name: [] for name in names}
        with self.control.reading() as connection:
            for stored in store.final_invoices(connection, customers=names, voided=True):
                documents[stored.invoice.customer].append(stored)
            notes = store.credit_notes(connection, customers=names)
            given, added = coupons(connection), add_ons(connection)
        return [
            (
                Account(
                    customer=each,
                    past=tuple(d for d in documents[each.id] if d.invoice.status == "final"),
                    voided=tuple(d for d in documents[each.id] if d.invoice.status == "void"),
                    notes=tuple(note for note in notes if note.customer == each.id),
                    coupons=tuple(coupon for coupon in given if coupon.customer == each.id),
                    add_ons=tuple(add_on for add_on in added if add_on.customer == each.id),
                    ends_ns={said.id: _end_ns(each, said) for said, _ in on.get(each.id, [])},
                ),
                on.get(each.id, []),
            )
            for each in chosen
        ]

    def _gap(self, terms: Terms) -> str | None:
        period = (terms.from_ns, terms.until_ns)
        if period not in self._gaps:
            self._gaps[period] = _words(missing(self.home, *period))
        return self._gaps[period]


def _check_known(names: Collection[str], snapshot: Snapshot) -> None:
    known = [each.id for each in snapshot.customers]
    for name in names:
        if name not in known:
            raise UsageError(unknown("customer", name, known))


def is_nothing(draft: Draft) -> bool:
    """Return whether a period without a plan has nothing to bill."""
    return not draft.terms.segments and all(line.kind == "carried" for line in draft.invoice.lines)


def _end_ns(customer: Customer, said: Subscription) -> int | None:
    return None if said.until is None else day_start_ns(said.until, customer.timezone)


def not_in_dollars(snapshot: Snapshot, customer: Customer, ended_by_ns: int | None = None) -> str | None:
    """Return why a customer without a plan cannot be billed by `pricing:`; None where nothing is wrong.

    With `ended_by_ns` only where a month is to be billed by then.
    """
    if customer.currency == "USD":
        return None
    said = next((each for each in snapshot.by_pricing if each.customer == customer.id), None)
    if said is None or said.until is not None:
        return None
    if ended_by_ns is not None and not ended_periods(customer, [(said, PRICING)], ended_by_ns):
        return None
    return (
        f"{customer.id} is on no plan: `pricing:` charges cost, and {customer.id} is in {customer.currency}; "
        f"expected a plan, and {rate_wanted(said.start)}"
    )


def is_over(draft: Draft, now_ns: int) -> bool:
    """Return whether a period and its grace period have ended."""
    return now_ns >= draft.invoice.until_ns + draft.terms.grace_hours * _HOUR_NS


def has_nothing_to_bill(draft: Draft) -> bool:
    """Return whether a period needs no invoice: no line but what is carried in and out again.

    One whose charges carry units over is invoiced even so: the next period starts from it.
    """
    if any(line.kind != "carried" for line in draft.invoice.lines) or draft.invoice.total_minor:
        return False
    return not any(
        charge.rollover_percent is not None
        for segment in draft.terms.segments
        for charge in segment.plan.charges
    )


def _words(lost: Missing) -> str | None:
    if not lost:
        return None
    words = {
        "lost records": lost.lost_records,
        "damaged places": lost.gaps,
        "unreadable records": lost.undecodable,
    }
    return ", ".join(f"{number:,} {what}" for what, number in words.items() if number)


def _cut(terms: Terms, moment_ns: int) -> Terms:
    """Return the terms of the part of a running period that is over."""
    segments = tuple(
        replace(each, until_ns=min(each.until_ns, moment_ns))
        for each in terms.segments
        if each.from_ns < moment_ns
    )
    return replace(terms, until_ns=moment_ns, segments=segments)


def _pieces(drafts: Sequence[Draft], size: int) -> Iterable[Sequence[Draft]]:
    for start in range(0, len(drafts), size):
        yield drafts[start : start + size]
