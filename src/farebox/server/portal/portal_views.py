"""What a customer sees, as the portal's routes show it. Never what the provider charges, nor anybody else.

Amounts are text: decimals in the customer's currency, or `numerator/denominator` where no decimal is exact.
"""

from __future__ import annotations

import msgspec

from farebox.billing.documents.page import Page
from farebox.billing.explanation.charged_call import CallCharge

Text = str


class PortalLook(msgspec.Struct, kw_only=True):
    """`/api/v1/portal/look`: whose page it is. Anybody may read it."""

    name: str
    colour: str | None
    """`#0a7558`."""
    has_logo: bool


class PortalLimit(msgspec.Struct, kw_only=True):
    """A limit on what the customer may use. In dollars only where it is on what the customer is charged."""

    period: str
    """`day`, `month`, `rolling 24h` …"""
    timezone: str
    resets_at: str | None
    limit_usd: Text | None
    spent_usd: Text | None
    left_usd: Text | None
    is_used_up: bool
    """The next call may be refused."""
    is_hard: bool
    """Calls beyond it are refused; else somebody is told."""


class PortalGrant(msgspec.Struct, kw_only=True):
    """A block of prepaid or promotional money."""

    kind: str
    """`paid` or `promotional`."""
    left: Text
    amount: Text
    expires_at: str | None


class PortalMove(msgspec.Struct, kw_only=True):
    """A transaction of the wallet."""

    at: str
    kind: str
    amount: Text
    reference: str
    """The invoice or grant that it is about."""


class PortalWallet(msgspec.Struct, kw_only=True):
    """The customer's prepaid money."""

    currency: str
    balance: Text
    usable: Text
    """What is in force now."""
    grants: list[PortalGrant]
    moves: list[PortalMove]
    """The newest first."""


class PortalAccount(msgspec.Struct, kw_only=True):
    """`/api/v1/portal/account`: whose link it is, and what is left."""

    customer: str
    """As invoices call it."""
    currency: str
    timezone: str
    link_ends_at: str
    now: str
    limits: list[PortalLimit]
    wallet: PortalWallet | None


class PortalLine(msgspec.Struct, kw_only=True):
    """A line's amount, exactly."""

    line: str
    kind: str
    title: str
    exact: Text
    """Before it was rounded, once."""
    amount: Text
    is_least: bool
    """Some of its calls have no price yet."""


class PortalDocument(msgspec.Struct, kw_only=True):
    """An invoice, or what a period comes to by now."""

    id: str
    number: str | None
    status: str
    """`running`, `ended` (no invoice yet), `final` or `void`."""
    currency: str
    period_start: str
    period_end: str
    """Half-open."""
    first_day: str
    last_day: str
    """On the customer's calendar, both included."""
    total: Text
    due: Text
    """What is left to pay by now."""
    lines: list[PortalLine]
    page: Page
    """As it is printed."""


class PortalCharges(msgspec.Struct, kw_only=True):
    """`/api/v1/portal/charges`: what running periods, and ended ones without an invoice, come to by now."""

    documents: list[PortalDocument]
    """The newest period first."""
    nothing: str
    """Why there are none, in words."""


class PortalInvoice(msgspec.Struct, kw_only=True):
    """One invoice or credit note of the list."""

    number: str
    kind: str
    """`period`, `progressive` or `credit_note`."""
    status: str
    """`final` or `void`."""
    currency: str
    first_day: str
    last_day: str
    issued_at: str
    total: Text
    due: Text
    of_invoice: str | None
    """Of a credit note."""


class PortalInvoices(msgspec.Struct, kw_only=True):
    """`/api/v1/portal/invoices`: the newest first."""

    invoices: list[PortalInvoice]


class PortalSums(msgspec.Struct, kw_only=True):
    """Sums over some calls. The tokens of each class are in no other class."""

    calls: int
    input_tokens: int
    """Not from a cache, nor written to one."""
    cache_read_tokens: int
    cache_creation_tokens: int
    output_tokens: int
    """Reasoning included."""
    reasoning_tokens: int


class PortalGroup(msgspec.Struct, kw_only=True):
    """The calls of one model, agent, task or conversation."""

    value: str | None
    """Null: calls that have none."""
    sums: PortalSums


class PortalPoint(msgspec.Struct, kw_only=True):
    """A day, or a week, of one group."""

    start: str
    value: str | None
    sums: PortalSums


class PortalUsage(msgspec.Struct, kw_only=True):
    """`/api/v1/portal/usage`: the customer's own usage, by a dimension and over time."""

    by: str
    since: str
    until: str
    timezone: str
    bucket: str
    """`day` or `week`."""
    invoice: str | None
    """As of when this invoice was made, and of its period: what it bills."""
    total: PortalSums
    groups: list[PortalGroup]
    """Most calls first."""
    more_groups: int
    points: list[PortalPoint]
    """Of the first groups, oldest first."""
    points_of_all: list[PortalPoint]
    """Of everything, those without calls in between, too."""


class PortalCall(msgspec.Struct, kw_only=True):
    """A call, and what it is charged."""

    event_id: str
    occurred_at: str
    model: str | None
    agent: str | None
    task: str | None
    session: str | None
    failed: bool
    input_tokens: int
    """Not from a cache, nor written to one."""
    cache_read_tokens: int
    cache_creation_tokens: int
    output_tokens: int
    reasoning_tokens: int
    currency: str
    amount: Text | None
    """Exactly; null where its price depends on what else is used, is not known yet, or nothing charges it."""


class PortalCalls(msgspec.Struct, kw_only=True):
    """`/api/v1/portal/calls`: the newest first."""

    calls: list[PortalCall]


class PortalReceipt(msgspec.Struct, kw_only=True):
    """`/api/v1/portal/calls/{id}`: a call as it is charged."""

    call: PortalCall
    charge: CallCharge | None
    """Null: no plan was in force."""
    invoice: str | None
    """That bills its period; null: none yet."""
    billed_as_of_invoice: bool
    """It is shown as that invoice has it; what became known later is on a later one."""
