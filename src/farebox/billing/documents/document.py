"""The documents: an invoice with its lines and a credit note, as they are stored, shown and rendered.

Rendering needs nothing else. Money that was rounded is an integer of the currency's minor unit
(`amount_minor`, `exponent` digits after the point); what was not is text: a decimal, or
`numerator/denominator` where no decimal is exact. Moments are nanoseconds since 1970 (UTC); periods are
half-open.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Literal, NamedTuple

import msgspec

from farebox.billing.documents.amounts import counted

CALC_POLICY = 1
"""Line discount, invoice discount, minimum and maximum, tax, credits as payment; one rounding per line, half
away from zero."""

LineKind = Literal[
    "base",
    "usage",
    "minimum",
    "maximum",
    "discount",
    "adjustment",
    "add_on",
    "proration",
    "progressive",
    "carried",
]
"""`progressive` takes off what threshold invoices of the same period have billed. `carried` moves what would
make a total negative to the next invoice: it is tax-inclusive and bears no tax of its own."""


UNIT_OF_COST = "USD of cost"
"""What is in the unit of every line on cost."""


class LineDetail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a line, for information: parts keep full precision and add up to the line's exact amount."""

    dims: dict[str, str]
    quantity: str | None = None  # in the line's unit, before a conversion rounds the whole of it
    exact: str


class InvoiceLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line: the unit of rounding."""

    id: str  # of its document: "1", "2", …; INVOICE/LINE elsewhere
    kind: LineKind
    title: str
    charge: str = ""  # the name of the plan's charge; empty where the line is not of one
    dims: dict[str, str] = {}  # what the line is itemised by
    from_ns: int
    until_ns: int
    quantity: str | None = None  # decimal text, in `unit`
    unit: str | None = None  # "output tokens", "calls", "USD", …
    unit_price: str | None = None  # as the plan writes it; tiers as text
    price_ids: tuple[str, ...] = ()  # of the cost prices in a cost-plus line
    subscription: str = ""
    plan: str = ""
    plan_version: int = 0
    exact: str  # before rounding; after the line's own discounts
    amount_minor: int
    tax_percent: str | None = None  # None: bears no tax
    unpriced_calls: int = 0  # more than 0: the amount is "at least"
    unpriced_before: int = 0  # an adjustment: how many of them an earlier invoice said
    estimated_calls: int = 0
    overlap: bool = False  # of a charge that takes what others take, too
    details: tuple[LineDetail, ...] = ()
    of_invoice: str = ""  # an adjustment: the invoice whose line it adjusts
    of_line: str = ""  # and that line's id there; empty where the invoice had no such line
    of_kind: str = ""  # and that line's kind
    billed: str | None = None  # of a base fee in advance: its exact amount less discounts, where that is less
    credited: str | None = None  # what credit notes had given back of it before; negative: what is due again
    note: str = ""  # one sentence for people: "17 of 31 days", "less 10 % discount LAUNCH"

    @property
    def rated_as(self) -> str:
        """The kind of the line, or of the line that it adjusts."""
        return self.of_kind or self.kind


class BillTo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who is billed, as it was when the document was made."""

    name: str
    address: str = ""  # may have several lines
    tax_id: str = ""
    email: str = ""


class Tax(msgspec.Struct, frozen=True, kw_only=True):
    """The tax of one rate, on the sum of the rounded lines that bear it."""

    percent: str
    base_minor: int
    tax_minor: int


class Credit(msgspec.Struct, frozen=True, kw_only=True):
    """A payment by wallet: takes `amount_minor` (positive) off what is due."""

    what: str
    amount_minor: int


class CallsOnLines(NamedTuple):
    """How many calls lines are of."""

    number: int
    is_least: bool
    """It may be more: lines do not say which of their calls are the same ones."""

    def words(self) -> str:
        """Return `1 call`, `at least 2 calls`."""
        return f"{'at least ' if self.is_least else ''}{counted(self.number, 'call')}"


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """A bill for one customer and period.

    `subtotal_minor` is the sum of all lines, `total_minor` adds the taxes, `due_minor` takes off the credits.
    """

    id: str
    series: str
    number: str | None = None  # "INV-000007"; drafts have none
    status: Literal["draft", "final", "void"] = "draft"
    kind: Literal["period", "progressive"] = "period"
    customer: str
    bill_to: BillTo
    currency: str
    exponent: int
    from_ns: int
    until_ns: int
    timezone: str
    issued_at: int | None = None  # nanoseconds; drafts have none
    due_at: int | None = None
    as_of_seq: int
    as_of_outcome: int
    head_hash: str  # of the record's chain at as_of_seq, hexadecimal
    home_id: str
    calc_policy: int = CALC_POLICY
    lines: tuple[InvoiceLine, ...]
    subtotal_minor: int
    discount_minor: int = 0  # what the discount lines among them take off, positive
    taxes: tuple[Tax, ...] = ()
    total_minor: int
    credits: tuple[Credit, ...] = ()
    due_minor: int
    statements: tuple[str, ...] = ()  # sentences for the reader: gaps accepted, calls unpriced or estimated
    terms_sha256: str | None = None  # of the plan versions it was rated by; drafts have none

    @property
    def unpriced_calls(self) -> int:
        """How many calls have no price yet, at least; more than 0 means that every total is "at least"."""
        return self.unpriced.number

    @property
    def unpriced(self) -> CallsOnLines:
        """The calls that have no price yet."""
        return self._calls(lambda line: line.unpriced_calls)

    @property
    def newly_unpriced(self) -> CallsOnLines:
        """Those of them that no earlier invoice has said: those somebody has to accept."""
        return self._calls(lambda line: line.unpriced_calls - line.unpriced_before)

    @property
    def estimated(self) -> CallsOnLines:
        """The calls whose usage is estimated."""
        return self._calls(lambda line: line.estimated_calls)

    def _calls(self, on: Callable[[InvoiceLine], int]) -> CallsOnLines:
        """Return how many calls lines are of.

        Lines of cost have each call once; one may be on those of several token meters, and of one cost, and
        on those of a charge that takes what others take.
        """
        by_charge: dict[str, int] = {}
        for line in self.lines:
            of = "" if UNIT_OF_COST in (line.unit or "") and not line.overlap else line.charge
            by_charge[of] = by_charge.get(of, 0) + on(line)
        some = [number for number in by_charge.values() if number > 0]
        return CallsOnLines(max(some, default=0), len(some) > 1)


class CreditNoteLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is credited of one line of an invoice; `amount_minor` is positive and before tax."""

    of_line: str
    title: str
    amount_minor: int
    tax_percent: str | None = None


class CreditNote(msgspec.Struct, frozen=True, kw_only=True):
    """A document that takes back part of a final invoice; amounts are positive, it is issued by a person."""

    id: str
    series: str
    number: str
    invoice: str  # the invoice's id
    invoice_number: str
    customer: str
    bill_to: BillTo
    currency: str
    exponent: int
    timezone: str
    issued_at: int
    home_id: str
    head_hash: str
    calc_policy: int = CALC_POLICY
    reason: str
    lines: tuple[CreditNoteLine, ...]
    subtotal_minor: int
    taxes: tuple[Tax, ...] = ()
    total_minor: int


def encode(document: Invoice | CreditNote) -> bytes:
    """Return the document's canonical JSON: sorted keys, no floats, the same bytes for the same document."""
    return msgspec.json.encode(document, order="sorted")


def digest(content: bytes) -> str:
    """Return what a stored document is checked against: the SHA-256 of its bytes, hexadecimal."""
    return sha256(content).hexdigest()


def decode_invoice(content: bytes | str) -> Invoice:
    """Return a stored invoice.

    Raises:
        msgspec.MsgspecError: It is not one.
    """
    return msgspec.json.decode(content, type=Invoice)


def decode_credit_note(content: bytes | str) -> CreditNote:
    """Return a stored credit note.

    Raises:
        msgspec.MsgspecError: It is not one.
    """
    return msgspec.json.decode(content, type=CreditNote)
