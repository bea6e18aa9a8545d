"""Whether the record has learned something of a customer's invoiced days that no invoice adjusts yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farebox.billing.invoices.account import Account
from farebox.billing.invoices.store import final_invoices
from farebox.billing.usage.appended import Appended
from farebox.ledger.charging.appended_days import appended_calls, appended_outcomes
from farebox.ledger.database import open_reader

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from farebox.charges.plan import Customer
    from farebox.home import Home


def is_newer_than_invoices(home: Home, connection: Connection, customer: Customer) -> bool:
    """Tell whether there are rows of invoiced days that came after the customer's newest invoice.

    They may come to nothing: only an invoice, or a preview, says what they are worth.
    """
    past = final_invoices(connection, customers=[customer.id], voided=True)
    account = Account(
        customer=customer,
        past=tuple(each for each in past if each.invoice.status == "final"),
        voided=tuple(each for each in past if each.invoice.status == "void"),
    )
    since = [account.settled_for(each) for each in account.billed]
    record = open_reader(home) if since else None
    if record is None:
        return False
    try:
        with record:
            appended = Appended(
                appended_calls(record, min(each.seq for each in since)),
                appended_outcomes(record, min(each.outcome for each in since)),
            )
    finally:
        record.close()
    return any(
        appended.is_newer(customer.id, each.invoice.from_ns, each.invoice.until_ns, account.settled_for(each))
        for each in account.billed
    )
