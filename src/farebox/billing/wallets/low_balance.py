"""Say once that a wallet is low, and ask for a top-up: messages in the transaction that made it so."""

from __future__ import annotations

from sqlalchemy import Connection, update

from farebox.billing.wallets.balance import Balance, balance
from farebox.billing.written_amounts import amount_of
from farebox.control.outbox.envelope import envelope
from farebox.control.outbox.messages import enqueue
from farebox.control.schema import wallet

LOW = "wallet.low"
TOP_UP = "wallet.topup_requested"


def note_crossing(connection: Connection, customer: str, at_ns: int) -> None:
    """Call after each move: below the threshold it is told once, until the wallet is above it again."""
    found = balance(connection, customer, at_ns)
    if found is None:
        return
    is_low = found.low_minor is not None and found.usable_minor < found.low_minor
    if is_low == (found.low_since is not None):
        return
    this = update(wallet).where(wallet.c.customer == customer)
    connection.execute(this.values(low_since=at_ns if is_low else None))
    if is_low:
        _tell(connection, found, at_ns)


def _tell(connection: Connection, found: Balance, at_ns: int) -> None:
    said = {
        "customer": found.customer,
        "currency": found.currency,
        "usable": amount_of(found.usable_minor, found.currency),
        "threshold": amount_of(found.low_minor or 0, found.currency),
    }
    cause = f"wallet {found.customer}"
    enqueue(connection, envelope(LOW, said, at_ns, cause=cause))
    if found.top_up_minor is not None:
        asked = {**said, "amount": amount_of(found.top_up_minor, found.currency)}
        enqueue(connection, envelope(TOP_UP, asked, at_ns, cause=cause))
