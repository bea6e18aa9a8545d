"""What a response cost, rated in this process by the one rating function."""

from __future__ import annotations

import os
import threading
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

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
    """A term of a contract has tiers by the month: it is rated as for the month's first call, and the record,
    which knows how far the month is, may say something else."""


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
    Terms with tiers by the month are rated as for the month's first call, which the result says: only the
    record knows how far the month is.

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
    asking = dict(attribution.current()[0])
    if customer is not None:
        asking["customer"] = str(customer)
    collector = collector_address()
    if collector is None:
        book = _prices(meter.home.path, meter.config.file, meter.home.cache).current()
    else:
        book = _collector_prices(meter.home, collector).current()
    at_ns = now_ns()
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
    worst = next((part for part in rated if part.cost_state not in ("priced", "provider_reported")), rated[0])
    return Price(
        cost_usd=_sum([part.cost_pico for part in rated]),
        charge_usd=_sum([part.charge_pico for part in rated]),
        cost_state=worst.cost_state,
        reason=worst.reason,
        input_tokens=sum(part.input_tokens for part in found.parts),
        output_tokens=sum(part.output_tokens for part in found.parts),
        as_first_of_month=any(part.month is not None for part in rated),
    )


def _sum(amounts: list[int | None]) -> Decimal | None:
    known = [amount for amount in amounts if amount is not None]
    return Decimal(usd_text(sum(known))) if len(known) == len(amounts) else None


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
