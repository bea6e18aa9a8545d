"""Look customers up by name: those of the home's file and of commands, as they are published."""

from __future__ import annotations

from farebox.billing.invoices.account import subscribed
from farebox.charges.plan import Customer
from farebox.errors import UsageError
from farebox.home import Home
from farebox.nearest import did_you_mean
from farebox.program import command
from farebox.snapshot import read_snapshot


def customer_named(home: Home, name: str) -> Customer:
    """Return a customer.

    Raises:
        UsageError: There is none of this name.
    """
    known = {each.id: each for each in read_snapshot(home).customers}
    if name not in known:
        hint = did_you_mean(name, list(known)) or f"; see: {command('customers list')}"
        raise UsageError(f"there is no customer {name!r}{hint}")
    return known[name]


def charges_of(home: Home, customer: str) -> list[str]:
    """Return the names of the charges of every plan that a customer is on, was on or will be on."""
    plans = [plan for _, plan in subscribed(read_snapshot(home)).get(customer, [])]
    return list(dict.fromkeys(charge.name for plan in plans for charge in plan.charges))


def zones(home: Home) -> dict[str, str]:
    """Return the time zone of every customer."""
    return {each.id: each.timezone for each in read_snapshot(home).customers}


def unknown(kind: str, name: str, known: list[str]) -> str:
    """Return what to say of a name that nothing has."""
    from farebox.nearest import did_you_mean

    there = f"there are: {', '.join(sorted(known)[:20])}" if known else "there is none yet"
    return f"there is no {kind} {name!r}; {there}{did_you_mean(name, known)}"
