"""What a response cost, rated in this process by the one rating function."""

from __future__ import annotations

import os
import threading
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from farebox.charges.customer_terms import BILLED, PublishedTerms
from farebox.charges.live_charge import nothing_seen
from farebox.charges.usage.call_cell import cell_of
from farebox.clock import now_ns
from farebox.errors import FareboxError, UsageError
from farebox.money import usd_text
from farebox.recording.stated_usage import endpoint_of, measure
from farebox.sdk import attribution
from farebox.sdk.process_meter import process_meter
from farebox.sdk.settings import collector_address
from farebox.sdk.statements.measured import document_of, provider_of

if TYPE_CHECKING:
    from farebox.home import Home
    from farebox.pricing.price_watch import PriceWatch
    from farebox.sdk.questions.collector_prices import CollectorPrices


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What one response costs, and what the customer pays for it."""

    cost_usd: Decimal | None
    """None where it is not known, which is not zero."""
    charge_usd: Decimal | None
    """The customer's price."""
    cost_state: str
    """`priced`, `free`, `included`, `unpriced`, `estimated`, `unknown` or `provider_reported`."""
    reason: str | None
    """Why it is not `priced`."""
    input_tokens: int
    output_tokens: int
    as_first_of_month: bool = False
    """The customer is on a plan: the charge is that of the period's first call, and the record, which knows
    how far the period is, may say something else."""


_watch: tuple[Path, PriceWatch] | None = None
_collected: tuple[Path, CollectorPrices] | None = None
_opening = threading.Lock()


def _after_fork() -> None:
    global _opening
    _opening = threading.Lock()  # another thread of the parent may have held it


os.register_at_fork(after_in_child=_after_fork)


def price(
    response: Any, *, customer: object = None, provider: str | None = None, model: str | None = None
) -> Price:
    """Return what a response costs by the prices in force now, and what the customer pays.

    Nothing is recorded. The price book is loaded when this is first called; changes of its files are
    taken in. Where a collector is configured, its prices and terms are fetched when this is first called,
    and looked at again in the background after a minute; a copy of them serves while it cannot be reached.
    A customer on a plan is charged as for the period's first call, which the result says: only the record
    knows how far the period is. What belongs to the period as a whole (base fee, minimum, discounts) is
    not in it.

    Raises:
        UsageError: The response has no usage, or does not say whose it is.
        FareboxError: Metering is turned off, the price files are not valid, or the collector has never been
            reached.
    """
    meter = process_meter()
    if meter is None:
        raise FareboxError("metering is turned off in this process (FAREBOX_DISABLED)")
    named = provider or provider_of(response, meter.catalog)
    if named is None:
        raise UsageError(f"price() needs provider= for {type(response).__name__}")
    found = measure(endpoint_of(meter.catalog, named), document_of(response), model)
    if not found.parts:
        raise UsageError(f"no usage was found in the response ({found.reason})")
    values, sources = attribution.current()
    if customer is not None:
        values, sources = {**values, "customer": str(customer)}, {**sources, "customer": "sdk:price"}
    collector = collector_address()
    if collector is None:
        book = _prices(meter.home.path, meter.config.file, meter.home.cache).current()
        snapshot = meter.published.current
        terms = PublishedTerms(
            snapshot.identities, snapshot.customers, snapshot.plans, snapshot.subscriptions
        )
    else:
        prices = _collector_prices(meter.home, collector)
        book = prices.current()
        terms = prices.terms
    at_ns = now_ns()
    on = terms.made()
    asking = on.whose(dict(values), dict(sources), None, at_ns)[0]
    rated = [
        book.rate(
            part,
            occurred_at_ns=at_ns,
            completeness=found.completeness,
            billable=found.billable,
            attribution=asking,
        )
        for part in found.parts
    ]
    plan = on.plan_of(asking.get(BILLED), at_ns) if found.billable else None
    if plan is not None:
        dims = {
            **asking,
            "provider": found.parts[0].provider,
            "model": found.request_model or found.response_model or "",
        }
        charge = plan.charge(cell_of(found.parts, rated, dims, at_ns=at_ns), nothing_seen).amount_pico
    else:
        charge = _sum_of([part.charge_pico for part in rated])
    worst = next((part for part in rated if part.cost_state not in ("priced", "provider_reported")), rated[0])
    return Price(
        cost_usd=_usd(_sum_of([part.cost_pico for part in rated])),
        charge_usd=_usd(charge),
        cost_state=worst.cost_state,
        reason=worst.reason,
        input_tokens=sum(part.input_tokens for part in found.parts),
        output_tokens=sum(part.output_tokens for part in found.parts),
        as_first_of_month=plan is not None,
    )


def _sum_of(amounts: list[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None


def _usd(pico: int | None) -> Decimal | None:
    return None if pico is None else Decimal(usd_text(pico))


def _prices(state: Path, config: str | None, cache: Path) -> PriceWatch:
    global _watch
    from farebox.pricing.price_watch import PriceWatch

    with _opening:
        if _watch is None or _watch[0] != state:
            _watch = state, PriceWatch(state, None if config is None else Path(config), cache)
        return _watch[1]


def _collector_prices(home: Home, collector: str) -> CollectorPrices:
    global _collected
    from farebox.sdk.questions.collector_prices import CollectorPrices
    from farebox.sdk.shipping.spool import folder_of

    folder = folder_of(home.path, collector)
    with _opening:
        if _collected is None or _collected[0] != folder:
            _collected = folder, CollectorPrices(home, collector, folder / "prices")
        return _collected[1]
