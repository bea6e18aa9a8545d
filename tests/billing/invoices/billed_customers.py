"""A desk over usage that a test writes down, with plans and subscriptions of its own."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from tests.billing.usage_in_memory import UsageInMemory

from farebox.billing.documents.document import Invoice
from farebox.billing.invoices.record_position import RecordPosition
from farebox.billing.invoices.run import Desk, RunReport
from farebox.charges.models import CostPlus, Graduated, Standard
from farebox.charges.models.tiers import Tier
from farebox.charges.plan import Charge, Customer, Plan, Subscription
from farebox.control.database import open_control
from farebox.home import Home
from farebox.snapshot import Snapshot

USD = 10**12

ACME = Customer(id="acme", name="Acme Inc.", timezone="America/New_York", tax_percent=Decimal(19))
OUTPUT = Charge(
    name="GPT output",
    meter="output_tokens",
    where={"model": ("gpt-4o",)},
    model=Graduated(
        tiers=(
            Tier(up_to=Decimal(1_000_000), unit=Decimal("0.00002")),
            Tier(unit=Decimal("0.000015")),
        )
    ),
)
REST = Charge(name="Everything else", meter="cost", model=CostPlus(markup_percent=Decimal(20)))
LEADS = Charge(
    name="Qualified leads",
    meter="outcome",
    where={"outcome": ("lead.qualified",)},
    model=Standard(unit=Decimal(4)),
    included=Decimal(10),
)
PRO = Plan(name="pro", version=1, base=Decimal(20), charges=(OUTPUT, REST, LEADS), minimum=Decimal(50))
MARKUP = Plan(name="markup", version=1, charges=(REST,))


def at(text: str, zone: str = "UTC") -> int:
    """Return the nanoseconds of a local time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 10**9


def subscription(
    plan: Plan, start: date, until: date | None = None, *, customer: str = "acme", **more: Any
) -> Subscription:
    return Subscription(
        id=f"{customer}/{plan.name}/{start}",
        customer=customer,
        plan=plan.name,
        version=plan.version,
        start=start,
        until=until,
        **more,
    )


class Billed:
    """One home's customers, their usage, and the desk that bills them."""

    def __init__(self, home: Home, *plans: Plan, customers: tuple[Customer, ...] = (ACME,)) -> None:
        self.usage = UsageInMemory()
        self.control = open_control(home)
        self.terms = Snapshot(customers=customers, plans=plans)
        self.desk = Desk(
            home,
            self.control,
            self.usage,
            verified=False,
            position=lambda _: self._position(),
            published=lambda _: self.terms,
        )

    def subscribe(self, *said: Subscription) -> None:
        self.terms = msgspec.structs.replace(self.terms, subscriptions=(*self.terms.subscriptions, *said))

    def run(self, moment: str, **how: Any) -> RunReport:
        return self.desk.run(at(moment), actor="uid:1", **how)

    def invoice(self, moment: str, **how: Any) -> Invoice:
        """Return the one invoice that a run issues."""
        report = self.run(moment, **how)
        assert len(report.final) == 1, report
        return report.final[0]

    def _position(self) -> RecordPosition:
        seq, outcome = self.usage.as_of()
        return RecordPosition(seq=seq, outcome=outcome, head_hash=f"{seq:064x}", home_id="home")
