"""Past and running billing periods of all customers, rated without being invoiced.

Margin and simulation ask the same as an invoice does, by the same rating; neither of them writes anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Protocol

from msgspec.structs import replace

from farebox.billing.documents.document import InvoiceLine
from farebox.billing.invoices.drafting import (
    Account,
    add_on_lines,
    used_terms,
    with_account_terms,
)
from farebox.billing.invoices.run import Desk
from farebox.billing.periods.local_days import first_day
from farebox.billing.periods.schedule import Subscribed, current_periods, ended_periods
from farebox.billing.periods.terms import Terms
from farebox.billing.rating.period_usage import consumption_of
from farebox.billing.rating.rating import rate_period
from farebox.billing.usage.questions import AsOf, Span, Usage
from farebox.charges.currencies import exponent_of
from farebox.charges.plan import Customer, Plan, Subscription, effective_plan
from farebox.charges.usage.cells import Cell, OutcomeCell
from farebox.time_expressions import day_start, zone_named


class RatedPeriods(Protocol):
    """The terms of billing periods, and what they come to."""

    def terms(self, since: date, until: date) -> list[Terms]:
        """Return the billing periods of every customer that begin on a local date in `[since, until)`.

        A customer without any has what of the span is in no billing period of theirs, without segments.
        """
        ...

    def lines(self, terms: Sequence[Terms], usage: Usage, as_of: AsOf) -> list[tuple[InvoiceLine, ...]]:
        """Return the lines of each period, as an invoice of it would have them: before tax and payments,
        without what other periods bring to it."""
        ...


class CustomerPeriods:
    """The billing periods of customers, by what is known of them now."""

    def __init__(
        self,
        accounts: Sequence[tuple[Account, Sequence[Subscribed]]],
        now_ns: int,
        *,
        verified: bool,
    ) -> None:
        """`accounts` are all customers, with their subscriptions."""
        self._accounts = {account.customer.id: account for account, _ in accounts}
        self._on = {account.customer.id: on for account, on in accounts}
        self._now_ns = now_ns
        self._verified = verified

    def with_plans(self, plans: Mapping[str, Plan], moves: Mapping[str, str]) -> CustomerPeriods:
        """Return the same customers on other plans, by the name of the plan whose place each takes.

        `moves` are the customers that would have been on another one of them. What a subscription has of
        its own stays.
        """
        accounts = [
            (account, [_on_other(said, plan, plans, moves.get(name)) for said, plan in self._on[name]])
            for name, account in self._accounts.items()
        ]
        return CustomerPeriods(accounts, self._now_ns, verified=self._verified)

    def terms(self, since: date, until: date) -> list[Terms]:
        """Implement `RatedPeriods.terms`."""
        return [
            replace(each, verified=self._verified)
            for name in sorted(self._accounts)
            for each in self._terms(self._accounts[name], since, until)
        ]

    def lines(self, terms: Sequence[Terms], usage: Usage, as_of: AsOf) -> list[tuple[InvoiceLine, ...]]:
        """Implement `RatedPeriods.lines`."""
        taken = consumption_of(usage, terms, as_of)
        accounts = {
            name: {_period(each): account for each, account in self._periods(name)}
            for name in {each.customer for each in terms}
        }
        found: list[tuple[InvoiceLine, ...]] = []
        for each, of_it in zip(terms, taken, strict=True):
            account = accounts[each.customer].get(_period(each))
            added = add_on_lines(account, each) if account is not None else ()
            found.append((*rate_period(each, of_it), *added))
        return found

    def _periods(self, name: str) -> list[tuple[Terms, Account]]:
        """Return a customer's periods, each with the account that it is, or would be, billed by.

        A coupon or an add-on that is good for one invoice is on that one: of those to come, on the first.
        """
        account, on = self._accounts[name], self._on[name]
        customer = account.customer
        billed = {(each.invoice.from_ns, each.invoice.until_ns): each for each in account.billed}
        found: list[tuple[Terms, Account]] = []
        for each in (
            *ended_periods(customer, on, self._now_ns),
            *current_periods(customer, on, self._now_ns),
        ):
            stored = billed.get(_period(each))
            if stored is not None:
                found.append((each, account.when_billed(stored)))
                continue
            found.append((each, account))
            account = account.with_use(f"{_period(each)}", used_terms(account, each))
        return found

    def _terms(self, account: Account, since: date, until: date) -> list[Terms]:
        customer = account.customer
        periods = self._periods(customer.id)
        found = [
            with_account_terms(of_it, each) for each, of_it in periods if since <= first_day(each) < until
        ]
        return found or self._without_plan(customer, since, until, [each for each, _ in periods])

    def _without_plan(
        self, customer: Customer, since: date, until: date, periods: Sequence[Terms]
    ) -> list[Terms]:
        """Return the parts of a span that are in no billing period: what others cost is in theirs."""
        zone = zone_named(customer.timezone)
        whole = Terms(
            customer=customer.id,
            currency=customer.currency,
            exponent=exponent_of(customer.currency),
            timezone=customer.timezone,
            from_ns=day_start(since, zone),
            until_ns=day_start(until, zone),
        )
        found: list[Terms] = []
        free_ns = whole.from_ns
        for from_ns, until_ns in _merged([(each.from_ns, each.until_ns) for each in periods]):
            if free_ns < min(from_ns, whole.until_ns):
                found.append(replace(whole, from_ns=free_ns, until_ns=min(from_ns, whole.until_ns)))
            free_ns = max(free_ns, until_ns)
        if free_ns < whole.until_ns:
            found.append(replace(whole, from_ns=free_ns))
        return found


def _period(terms: Terms) -> tuple[int, int]:
    return terms.from_ns, terms.until_ns


def periods_of(desk: Desk, now_ns: int) -> CustomerPeriods:
    """Return the billing periods of every customer of a home."""
    return CustomerPeriods(desk.accounts(), now_ns, verified=desk.verified)


def _on_other(said: Subscription, plan: Plan, plans: Mapping[str, Plan], move: str | None) -> Subscribed:
    other = plans.get(move or plan.name)
    if other is None:
        return said, plan
    return said, effective_plan(replace(other, version=plan.version), said.overrides)


def cells_of(terms: Sequence[Terms], usage: Usage, as_of: AsOf, dims: Sequence[str]) -> list[Cell]:
    """Return the usage of these periods, whatever charges it."""
    return [cell for span in _spans(terms, as_of) for cell in usage.cells(span, dims)]


def outcomes_of(terms: Sequence[Terms], usage: Usage, as_of: AsOf, dims: Sequence[str]) -> list[OutcomeCell]:
    """Return the outcomes of these periods."""
    return [cell for span in _spans(terms, as_of) for cell in usage.outcomes(span, dims)]


def _spans(terms: Sequence[Terms], as_of: AsOf) -> list[Span]:
    """Return the periods as questions: one for all customers that share a period, no moment of one twice."""
    periods: dict[tuple[str, str, bool], list[tuple[int, int]]] = {}
    for each in terms:
        some = periods.setdefault((each.customer, each.timezone, each.verified), [])
        some.append((each.from_ns, each.until_ns))
    customers: dict[tuple[int, int, str, bool], list[str]] = {}
    for (customer, timezone, verified), some in periods.items():
        for from_ns, until_ns in _merged(some):
            customers.setdefault((from_ns, until_ns, timezone, verified), []).append(customer)
    return [
        Span(
            customers=tuple(sorted(names)),
            from_ns=from_ns,
            until_ns=until_ns,
            as_of=as_of,
            timezone=timezone,
            verified=verified,
        )
        for (from_ns, until_ns, timezone, verified), names in sorted(customers.items())
    ]


def _merged(periods: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the moments of periods that may overlap, as periods that do not."""
    found: list[tuple[int, int]] = []
    for from_ns, until_ns in sorted(periods):
        if found and from_ns <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], until_ns))
        else:
            found.append((from_ns, until_ns))
    return found
