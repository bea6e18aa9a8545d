"""A customer's calls, each as it is charged: by the terms of its period, as that period's invoice has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from farebox.billing.explanation.charged_call import CallCharge, charge_of_call
from farebox.billing.explanation.line_usage import RecordedCell, recorded_cells
from farebox.billing.invoices.account import position_of
from farebox.billing.periods.terms import Terms, decode_terms
from farebox.ledger.class_states import is_error
from farebox.server.portal.portal_views import PortalCall, PortalReceipt

if TYPE_CHECKING:
    from farebox.billing.invoices.run import Desk

_NOW = 2**63 - 1


class ChargedPeriod(NamedTuple):
    """A period of a customer's, and the invoice that bills it."""

    terms: Terms
    invoice: str | None
    as_of_seq: int

    def has(self, at_ns: int) -> bool:
        return self.terms.from_ns <= at_ns < self.terms.until_ns


_NONE = ChargedPeriod(
    Terms(customer="", currency="", exponent=0, timezone="", from_ns=0, until_ns=0), None, 0
)


def receipts(desk: Desk, customer: str, seqs: Sequence[int], now_ns: int) -> list[PortalReceipt]:
    """Return the receipts of a customer's calls in their order; calls that are somebody else's have none."""
    account, unbilled = desk.periods(customer, now_ns)
    periods = [
        *(
            ChargedPeriod(decode_terms(each.terms), each.invoice.number, position_of(each).seq)
            for each in account.billed
        ),
        *(ChargedPeriod(each, None, _NOW) for each in unbilled),
    ]
    own = [each for each in recorded_cells(desk.home, seqs, _NOW) if _is_of(each, customer, desk)]
    of_period: dict[int, ChargedPeriod] = {}
    for each in own:
        period = next((period for period in periods if period.has(each.occurred_at_ns)), None)
        if period is not None:
            of_period[each.call.seq] = period
    billed = _as_billed(desk, customer, own, of_period)
    return [
        _receipt(
            billed.get(each.call.seq, each),
            of_period.get(each.call.seq),
            account.customer.currency,
            is_as_billed=each.call.seq in billed,
        )
        for each in own
    ]


def _as_billed(
    desk: Desk, customer: str, own: Sequence[RecordedCell], of_period: Mapping[int, ChargedPeriod]
) -> dict[int, RecordedCell]:
    """Return calls as they were when the invoices of their periods were made, by number: those that were
    there then, and this customer's."""
    found: dict[int, RecordedCell] = {}
    for as_of_seq in {each.as_of_seq for each in of_period.values() if each.invoice is not None}:
        seqs = [each.call.seq for each in own if of_period.get(each.call.seq, _NONE).as_of_seq == as_of_seq]
        for each in recorded_cells(desk.home, seqs, as_of_seq):
            if _is_of(each, customer, desk):
                found[each.call.seq] = each
    return found


def _receipt(
    found: RecordedCell, period: ChargedPeriod | None, currency: str, *, is_as_billed: bool
) -> PortalReceipt:
    charge = None
    if period is not None and period.terms.segments:
        charge = charge_of_call(period.terms, found.cell, found.occurred_at_ns)
    return PortalReceipt(
        call=_call(found, charge, currency),
        charge=charge,
        invoice=None if period is None else period.invoice,
        billed_as_of_invoice=is_as_billed,
    )


def _is_of(found: RecordedCell, customer: str, desk: Desk) -> bool:
    return found.cell.customer == customer and (found.is_verified or not desk.verified)


def _call(found: RecordedCell, charge: CallCharge | None, currency: str) -> PortalCall:
    call, cell = found.call, found.cell
    return PortalCall(
        event_id=call.event_id,
        occurred_at=call.occurred_at,
        model=cell.dims["model"] or None,
        agent=cell.dims["agent"] or None,
        task=cell.dims["task"] or None,
        session=cell.dims["session"] or None,
        failed=is_error(call.status, call.outcome),
        input_tokens=cell.uncached_input_tokens,
        cache_read_tokens=cell.cache_read_tokens,
        cache_creation_tokens=cell.cache_creation_tokens,
        output_tokens=cell.output_tokens,
        reasoning_tokens=cell.reasoning_tokens,
        currency=currency,
        amount=None if charge is None or not charge.parts else charge.amount,
    )
