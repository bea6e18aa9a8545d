"""Bill every customer whose period has ended: drafts within the grace period, final invoices after it.

Run again it changes nothing that is final, and makes the same drafts of the same record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from farebox.billing.invoices import store
from farebox.billing.invoices.account import Account, accounts_of
from farebox.billing.invoices.drafting import (
    Draft,
    as_final,
    asked_usage,
    draft_invoice,
    draft_progressive,
)
from farebox.billing.invoices.finalizing import finalize, with_expected_payments
from farebox.billing.invoices.issuance import Issuance, Progress, Refused, RunReport, known_gap
from farebox.billing.invoices.open_periods import has_nothing_to_bill, is_nothing, open_periods
from farebox.billing.invoices.record_position import RecordPosition, record_position
from farebox.billing.invoices.time_without_a_plan import usage_without_a_plan
from farebox.billing.known_customers import unknown
from farebox.billing.periods.schedule import Subscribed, current_periods, cut, ended_periods
from farebox.billing.periods.terms import Terms
from farebox.billing.usage import Appended, AsOf
from farebox.charges.plan import Customer
from farebox.charges.plan_reader.consistency import rate_wanted
from farebox.charges.pricing_plan import PRICING
from farebox.control.publish import change
from farebox.errors import InvoiceError, UsageError
from farebox.signing_key import sign
from farebox.snapshot import Snapshot, read_snapshot

if TYPE_CHECKING:
    from farebox.analytics.questions import Questions
    from farebox.billing.customer_terms import Coupon, CustomerAddOn
    from farebox.billing.documents.document import Invoice
    from farebox.billing.usage import RecordedUsage
    from farebox.control.database import ControlDatabase
    from farebox.home import Home

__all__ = ["Desk", "Progress", "Refused", "RunReport", "not_in_dollars"]

_PERIODS_AT_ONCE = 2_000
"""Usage of so many periods is in memory at once, unless more customers than that have one."""


class Desk:
    """What billing of one home works with."""

    def __init__(
        self,
        home: Home,
        control: ControlDatabase,
        usage: RecordedUsage,
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

    def accounts(self) -> list[tuple[Account, list[Subscribed]]]:
        """Return every customer with their subscriptions, those without any, too."""
        return self._accounts(self._published(self.home), None)

    def preview(self, customer: str, now_ns: int, given: Coupon | CustomerAddOn | None = None) -> list[Draft]:
        """Return what the customer's running periods, and ended ones without an invoice, come to by now.

        With `given` as if the customer had this coupon or add-on, too. Nothing is saved.

        Raises:
            UsageError: There is no such customer, or no subscription now.
        """
        snapshot = self._published(self.home)
        _check_known([customer], snapshot)
        found = self._accounts(snapshot, {customer})
        account, on = found[0]
        if given is not None:
            account = account.with_term(given)
        position, appended = self._position(self.home), self._appended([account])
        unplanned = "; ".join(words for _, words in self._without_a_plan(found, now_ns, position, appended))
        wanted = self._unbilled(account, on, now_ns)
        asked = asked_usage(self.usage, [(account, terms) for terms in wanted], position, appended)
        drafts: list[Draft] = []
        for terms in wanted:
            draft = draft_invoice(account, terms, asked)
            if not is_nothing(draft):
                drafts.append(draft)
                account = account.supposing(as_final(draft), draft.used)
        if not drafts:
            reason = not_in_dollars(snapshot, account.customer) or f"{customer} has no subscription now"
            raise UsageError("; ".join(filter(None, (reason, unplanned))))
        if unplanned:
            drafts[0] = replace(drafts[0], unconsumed=(*drafts[0].unconsumed, unplanned))
        with self.control.reading() as connection:
            return with_expected_payments(connection, drafts, now_ns)

    def periods(self, customer: str, now_ns: int) -> tuple[Account, list[Terms]]:
        """Return a customer with their past invoices, and the terms of the periods that have none.

        Raises:
            UsageError: There is no such customer.
        """
        snapshot = self._published(self.home)
        _check_known([customer], snapshot)
        account, on = self._accounts(snapshot, {customer})[0]
        return account, self._unbilled(account, on, now_ns)

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

        All of it is as of one position of the record: what is appended meanwhile is for the next run.

        Raises:
            UsageError: One of `customers` is not known; nothing is drafted.
        """
        report = RunReport()
        snapshot = self._published(self.home)
        _check_known(customers or (), snapshot)
        found = self._accounts(snapshot, customers)
        position, appended = self._position(self.home), self._appended(account for account, _ in found)
        report.unconsumed += self._without_a_plan(found, now_ns, position, appended)
        accounts = {account.customer.id: account for account, _ in found}
        waiting: dict[str, list[Terms]] = {
            account.customer.id: self._open(account, on, now_ns) for account, on in found
        }
        issuance = Issuance(
            self.home,
            self.control,
            report,
            accounts,
            now_ns=now_ns,
            actor=actor,
            final=final,
            accept_gap=accept_gap,
            accept_unpriced=accept_unpriced,
            told=self._told,
        )
        while waiting := {name: each for name, each in waiting.items() if each}:
            some = max(1, _PERIODS_AT_ONCE // len(waiting))
            periods = [
                (name, each[place])
                for place in range(some)
                for name, each in waiting.items()
                if place < len(each)
            ]
            asked = asked_usage(
                self.usage, [(accounts[name], terms) for name, terms in periods], position, appended
            )
            stopped = issuance.issue(periods, asked)
            waiting = {name: each[some:] for name, each in waiting.items() if name not in stopped}
        for customer in snapshot.customers:
            if customers is None or customer.id in customers:
                reason = not_in_dollars(snapshot, customer, now_ns)
                if reason is not None:
                    report.refused.append(Refused(customer=customer.id, id="", reason=reason))
        if final:
            issuance.issue_drafts(self._progressive(snapshot, customers, now_ns))
        return report

    def _progressive(self, snapshot: Snapshot, customers: Collection[str] | None, now_ns: int) -> list[Draft]:
        """Return drafts for running periods whose usage has reached a threshold."""
        with_thresholds = {each.name for each in snapshot.plans if each.thresholds}
        if not with_thresholds:
            return []
        wanted = [
            (account, cut(terms, now_ns))
            for account, on in self._accounts(snapshot, customers)
            if any(plan.name in with_thresholds for _, plan in on)
            for terms in self._current(account, on, now_ns)
        ]
        wanted = [(account, terms) for account, terms in wanted if terms.segments]
        return draft_progressive(self.usage, wanted, self._position(self.home))

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
        position, appended = self._position(self.home), self._appended([account])
        asked = asked_usage(self.usage, [(account, terms) for terms in waiting], position, appended)
        drafts = (draft_invoice(account, terms, asked) for terms in waiting)
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
                gap=known_gap(self.home, made.terms.from_ns, made.terms.until_ns),
                accept_gap=accept_gap,
                accept_unpriced=accept_unpriced,
                sign=lambda text: sign(self.home, text, now_ns),
            ).invoice

    def _appended(self, accounts: Iterable[Account]) -> Appended:
        """Return what the record got since the oldest position that an invoice has to be compared with."""
        since = [account.settled_for(each) for account in accounts for each in account.billed]
        if not since:
            return Appended()
        return self.usage.appended(AsOf(min(each.seq for each in since), min(each.outcome for each in since)))

    def _without_a_plan(
        self,
        accounts: Sequence[tuple[Account, Sequence[Subscribed]]],
        now_ns: int,
        position: RecordPosition,
        appended: Appended,
    ) -> list[tuple[str, str]]:
        as_of = AsOf(position.seq, position.outcome)
        return usage_without_a_plan(self.usage, accounts, now_ns, as_of, appended, verified=self.verified)

    def _unbilled(self, account: Account, on: Sequence[Subscribed], now_ns: int) -> list[Terms]:
        return [*self._open(account, on, now_ns), *self._current(account, on, now_ns)]

    def _open(self, account: Account, on: Sequence[Subscribed], now_ns: int) -> list[Terms]:
        return [replace(each, verified=self.verified) for each in open_periods(account, on, now_ns)]

    def _current(self, account: Account, on: Sequence[Subscribed], now_ns: int) -> list[Terms]:
        periods = current_periods(account.customer, on, now_ns)
        return [replace(each, verified=self.verified) for each in periods]

    def _accounts(
        self, snapshot: Snapshot, only: Collection[str] | None
    ) -> list[tuple[Account, list[Subscribed]]]:
        with self.control.reading() as connection:
            return accounts_of(connection, snapshot, only)


def _check_known(names: Collection[str], snapshot: Snapshot) -> None:
    known = [each.id for each in snapshot.customers]
    for name in names:
        if name not in known:
            raise UsageError(unknown("customer", name, known))


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
