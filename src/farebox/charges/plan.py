"""What a customer subscribes to: plans, their charges, and the terms around them.

These structs are what every part of billing passes on. They hold what was written, as exact
decimals; YAML becomes them in `plan_reader/`, and a plan version is stored as their JSON.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Literal

import msgspec

from farebox.charges.models import Model

Meter = Literal[
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "tokens",
    "cost",
    "calls",
    "seconds",
    "tasks",
    "conversations",
    "users",
    "agents",
    "outcome",
    "outcome_value",
]
"""What a charge counts."""

AnyMeter = Literal[Meter, "charge"]
"""And what calls were charged as they were recorded, which only the plan of `pricing:` counts."""


class Conversion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a raw quantity becomes the unit that is charged, before anything else."""

    operation: Literal["multiply", "divide"]
    factor: Decimal
    rounding: Literal["none", "ceiling", "floor", "half_up"] = "none"


class Discount(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An amount or a percentage off a line or an invoice."""

    kind: Literal["percentage", "fixed"]
    value: Decimal
    name: str = ""
    charges: tuple[str, ...] = ()
    """Names of the charges it is limited to; none means the whole invoice, or its own charge."""
    start: date | None = None
    until: date | None = None
    """Local dates in force, the end excluded; a period counts by its first day."""
    invoices: int | None = None
    """How many invoices it is good for; None for any number."""


class Share(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The part of a charge's lines that belongs to a payee."""

    payee: str
    percent: Decimal


class Commitment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An amount agreed on for a period; what exceeds it costs `overage_factor` times as much."""

    amount: Decimal
    overage_factor: Decimal = Decimal(1)
    true_up: bool = False
    """The whole commitment is due where usage stayed below it."""
    window: Literal["hour", "day"] | None = None
    """The commitment is for each of these, not for the period."""


class Charge(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rule of a plan: what is counted, which calls, and what it costs."""

    name: str
    meter: AnyMeter
    model: Model
    where: dict[str, tuple[str, ...]] = {}
    """Dimension or `tag.NAME` to values; `*` in a value matches anything, `""` means none."""
    included: Decimal = Decimal(0)
    """Units of the period that cost nothing, taken off after conversion."""
    usage_discount: Decimal = Decimal(0)
    """More such units, agreed on with a customer: they are never carried into another period."""
    rollover_percent: Decimal | None = None
    """How much of `included` may be carried into the next period."""
    conversion: Conversion | None = None
    round_up_to: Decimal | None = None
    """The quantity is rounded up to a multiple of this before a tier is chosen."""
    block_size: Decimal | None = None
    """Started blocks of this many units are the quantity that is rated; tiers count blocks."""
    negative: Literal["zero", "negate"] = "zero"
    """Negative usage costs as much as none, or the negated price of its absolute value."""
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    commitment: Commitment | None = None
    bucket: Literal["hour", "day"] | None = None
    itemize: tuple[str, ...] = ()
    """Dimensions a line is split by."""
    overlap: bool = False
    """Neither looks at what earlier charges consumed nor consumes."""
    discounts: tuple[Discount, ...] = ()
    tax_percent: Decimal | None = None
    """None: the customer's."""
    shares: tuple[Share, ...] = ()


class AddOn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A charge without usage: once on a date, or every period."""

    name: str
    amount: Decimal
    quantity: Decimal = Decimal(1)
    on: date | None = None
    """The local date of a single charge; None: every period."""
    tax_percent: Decimal | None = None


class Interval(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long a billing period is, and where it starts."""

    kind: Literal["calendar", "anniversary"] = "calendar"
    unit: Literal["day", "week", "month", "quarter", "year"] = "month"
    count: int = 1


class DollarRate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one US dollar of cost is in the plan's currency, from a local date on."""

    start: date
    rate: Decimal


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of a plan; frozen once a subscription has used it."""

    name: str
    version: int = 0
    """Numbered by the store, from 1; 0 is not stored yet."""
    currency: str | None = None
    """None: the currency of whoever subscribes."""
    interval: Interval = Interval()
    base: Decimal = Decimal(0)
    base_in_advance: bool = False
    charges: tuple[Charge, ...] = ()
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    commitment: Commitment | None = None
    thresholds: tuple[Decimal, ...] = ()
    """Amounts of a period at which an invoice is due before its end."""
    discounts: tuple[Discount, ...] = ()
    trial_days: int = 0
    addons: tuple[AddOn, ...] = ()
    grace_hours: int = 48
    usd_rates: tuple[DollarRate, ...] = ()
    """For charges on cost in another currency, oldest first."""

    @property
    def digest(self) -> str:
        """The SHA-256 of what the plan says, in hexadecimal: the same for two equal versions."""
        return sha256(canonical_json(msgspec.structs.replace(self, version=0))).hexdigest()


class Overrides(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one subscription has instead of its plan's terms; None leaves the plan's."""

    base: Decimal | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    trial_days: int | None = None
    charges: tuple[Charge, ...] = ()
    """Each takes the place of the plan's charge with its name."""
    discounts: tuple[Discount, ...] = ()
    """In addition to the plan's."""


class Subscription(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A customer on one version of a plan, from a local date until another, which is excluded."""

    id: str
    customer: str
    plan: str
    version: int
    start: date
    """In the customer's time zone."""
    until: date | None = None
    anchor: date | None = None
    """Where anniversary periods start; None: `start`."""
    overrides: Overrides | None = None


class Customer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who is billed."""

    id: str
    """What calls are attributed to, and the name in YAML."""
    name: str = ""
    currency: str = "USD"
    timezone: str = "UTC"
    tax_percent: Decimal = Decimal(0)
    email: str = ""
    address: tuple[str, ...] = ()
    tax_id: str = ""
    external_ids: dict[str, str] = {}
    """The name of another system to this customer's id there."""
    metadata: dict[str, str] = {}


def canonical_json(value: msgspec.Struct) -> bytes:
    """Return the one JSON text of a struct: keys sorted, decimals as they were written."""
    return msgspec.json.encode(value, order="sorted")


def effective_plan(plan: Plan, overrides: Overrides | None) -> Plan:
    """Return the plan with a subscription's own terms in place of the plan's."""
    if overrides is None:
        return plan
    own = {charge.name: charge for charge in overrides.charges}
    return msgspec.structs.replace(
        plan,
        base=plan.base if overrides.base is None else overrides.base,
        minimum=plan.minimum if overrides.minimum is None else overrides.minimum,
        maximum=plan.maximum if overrides.maximum is None else overrides.maximum,
        trial_days=plan.trial_days if overrides.trial_days is None else overrides.trial_days,
        charges=tuple(own.get(charge.name, charge) for charge in plan.charges),
        discounts=plan.discounts + overrides.discounts,
    )
