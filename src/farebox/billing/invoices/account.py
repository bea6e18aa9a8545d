"""A customer's account: what the next invoice looks at beside plans and usage."""

from __future__ import annotations

import msgspec

from farebox.billing.customer_terms import Coupon, CustomerAddOn
from farebox.billing.invoices.document import CreditNote
from farebox.billing.invoices.store import StoredInvoice
from farebox.charges.plan import Customer


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
