"""A customer's account: what the next invoice looks at beside plans and usage."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection

from farebox.billing.customer_terms import Coupon, CustomerAddOn, add_ons, coupons
from farebox.billing.documents.document import CreditNote
from farebox.billing.invoices import store
from farebox.billing.invoices.store import StoredInvoice
from farebox.billing.periods.schedule import Subscribed
from farebox.billing.usage import AsOf
from farebox.charges.plan import Customer, Subscription, effective_plan
from farebox.charges.plan_reader.written_values import day_start_ns
from farebox.charges.pricing_plan import PRICING
from farebox.snapshot import Snapshot

Used = TypeVar("Used", Coupon, CustomerAddOn)


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A customer with everything earlier that the next invoice looks at."""

    customer: Customer
    past: tuple[StoredInvoice, ...] = ()
    """Final invoices that are not void, in the order they were issued."""
    voided: tuple[StoredInvoice, ...] = ()
    notes: tuple[CreditNote, ...] = ()
    coupons: tuple[Coupon, ...] = ()
    add_ons: tuple[CustomerAddOn, ...] = ()
    ends_ns: dict[str, int | None] = {}
    """When each subscription ends, by its id; None without an end."""

    @property
    def billed(self) -> list[StoredInvoice]:
        """The final invoices of whole periods."""
        return [each for each in self.past if each.invoice.kind == "period"]

    @property
    def settled(self) -> AsOf | None:
        """As of when the newest invoice was made, which has adjusted all earlier ones; None without one."""
        newest = max(self.billed, key=lambda each: each.invoice.as_of_seq, default=None)
        return None if newest is None else position_of(newest)

    def settled_for(self, stored: StoredInvoice) -> AsOf:
        """Return as of when a past period was looked at last.

        What was void may have adjusted it: then as of its own invoice.
        """
        settled = self.settled
        return position_of(stored) if self.voided or settled is None else settled

    def with_term(self, given: Coupon | CustomerAddOn) -> Account:
        """Return the account as it would be with one more coupon or add-on."""
        if isinstance(given, Coupon):
            return replace(self, coupons=(*self.coupons, given))
        return replace(self, add_ons=(*self.add_ons, given))

    def after(self, stored: StoredInvoice, connection: Connection | None = None) -> Account:
        """Return the account once another invoice is final; its coupons and add-ons by `connection`."""
        account = replace(self, past=(*self.past, stored))
        if connection is None:
            return account
        name = self.customer.id
        return replace(
            account, coupons=tuple(coupons(connection, name)), add_ons=tuple(add_ons(connection, name))
        )

    def supposing(self, stored: StoredInvoice, used: Collection[str]) -> Account:
        """Return the account as it would be with another invoice, on which these coupons and add-ons are."""
        return replace(self, past=(*self.past, stored)).with_use(stored.invoice.id, used)

    def with_use(self, invoice: str, used: Collection[str]) -> Account:
        """Return the account with one more invoice that these coupons and add-ons are on."""
        return replace(
            self,
            coupons=_used_on(invoice, used, self.coupons),
            add_ons=_used_on(invoice, used, self.add_ons),
        )

    def when_billed(self, stored: StoredInvoice) -> Account:
        """Return the account with the coupons and add-ons that a final invoice has, and no others."""
        id = stored.invoice.id
        return replace(
            self,
            coupons=tuple(each.when_billed for each in self.coupons if id in each.used_on),
            add_ons=tuple(each.when_billed for each in self.add_ons if id in each.used_on),
        )


def _used_on(invoice: str, used: Collection[str], terms: tuple[Used, ...]) -> tuple[Used, ...]:
    return tuple(
        replace(each, used_on=(*each.used_on, invoice)) if each.id in used else each for each in terms
    )


def position_of(stored: StoredInvoice) -> AsOf:
    """Return how far the record was when an invoice was made."""
    return AsOf(stored.invoice.as_of_seq, stored.invoice.as_of_outcome)


def accounts_of(
    connection: Connection, snapshot: Snapshot, only: Collection[str] | None
) -> list[tuple[Account, list[Subscribed]]]:
    """Return customers in the order of their names, with their subscriptions; `only` some, or all."""
    on = subscribed(snapshot)
    chosen = [
        each
        for each in sorted(snapshot.customers, key=lambda each: each.id)
        if only is None or each.id in only
    ]
    names = [each.id for each in chosen]
    past: dict[str, list[StoredInvoice]] = {name: [] for name in names}
    voided: dict[str, list[StoredInvoice]] = {name: [] for name in names}
    for stored in store.final_invoices(connection, customers=names, voided=True):
        of = past if stored.invoice.status == "final" else voided
        of[stored.invoice.customer].append(stored)
    notes: dict[str, list[CreditNote]] = {name: [] for name in names}
    for note in store.credit_notes(connection, customers=names):
        notes[note.customer].append(note)
    given: dict[str, list[Coupon]] = {}
    for coupon in coupons(connection):
        given.setdefault(coupon.customer, []).append(coupon)
    added: dict[str, list[CustomerAddOn]] = {}
    for add_on in add_ons(connection):
        added.setdefault(add_on.customer, []).append(add_on)
    return [
        (
            Account(
                customer=each,
                past=tuple(past[each.id]),
                voided=tuple(voided[each.id]),
                notes=tuple(notes[each.id]),
                coupons=tuple(given.get(each.id, ())),
                add_ons=tuple(added.get(each.id, ())),
                ends_ns={said.id: _end_ns(each, said) for said, _ in on.get(each.id, [])},
            ),
            on.get(each.id, []),
        )
        for each in chosen
    ]


def subscribed(snapshot: Snapshot) -> dict[str, list[Subscribed]]:
    """Return the subscriptions of every customer, each with its plan as it is for this one."""
    plans = {(plan.name, plan.version): plan for plan in snapshot.plans}
    found: dict[str, list[Subscribed]] = {}
    for said in snapshot.subscriptions:
        plan = plans.get((said.plan, said.version))
        if plan is not None:
            found.setdefault(said.customer, []).append((said, effective_plan(plan, said.overrides)))
    in_dollars = {each.id for each in snapshot.customers if each.currency == "USD"}
    for said in snapshot.by_pricing:
        if said.customer in in_dollars:
            found.setdefault(said.customer, []).append((said, PRICING))
    return found


def _end_ns(customer: Customer, said: Subscription) -> int | None:
    return None if said.until is None else day_start_ns(said.until, customer.timezone)
