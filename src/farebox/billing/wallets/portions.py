"""Which part of an invoice's total is for which charge: what a grant with a scope may pay of it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

import msgspec

from farebox.billing.documents.document import Invoice, InvoiceLine, Tax
from farebox.charges.amounts.allocation import allocate
from farebox.charges.amounts.discounts import spread
from farebox.charges.plan import Charge

ChargeOf = Callable[[InvoiceLine], Charge | None]
"""The charge of the plan version that a line was rated with; None for lines of no charge."""


class Portion(msgspec.Struct, kw_only=True):
    """What is still to be paid, tax included, of the lines of one charge."""

    charge: str
    meter: str
    amount_minor: int


def portions(invoice: Invoice, charge_of: ChargeOf) -> list[Portion]:
    """Return the parts of an invoice's total, in the order of its lines; they add up to it.

    Tax is spread over the lines of its rate, and what a discount of the whole invoice takes off, or what was
    carried here, over what is above zero; each by largest remainder.
    """
    if invoice.total_minor <= 0:
        return []
    gross = [each.amount_minor for each in invoice.lines]
    for tax in invoice.taxes:
        bearing = [at for at, line in enumerate(invoice.lines) if _bears(line, tax)]
        weights = [abs(invoice.lines[at].amount_minor) for at in bearing]
        for at, part in zip(bearing, allocate(tax.tax_minor, weights), strict=True):
            gross[at] += part
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for line, amount in zip(invoice.lines, gross, strict=True):
        charge = charge_of(line)
        sums[line.charge or line.kind, "" if charge is None else charge.meter] += amount
    parts = spread(invoice.total_minor, list(sums.values()))
    return [
        Portion(charge=charge, meter=meter, amount_minor=part)
        for (charge, meter), part in zip(sums, parts, strict=True)
        if part
    ]


def take(found: Sequence[Portion], amount_minor: int, order: Iterable[int]) -> None:
    """Take an amount off the portions at these places, in this order."""
    for at in order:
        taken = min(amount_minor, found[at].amount_minor)
        found[at].amount_minor -= taken
        amount_minor -= taken


def _bears(line: InvoiceLine, tax: Tax) -> bool:
    return line.tax_percent is not None and Decimal(line.tax_percent) == Decimal(tax.percent)
