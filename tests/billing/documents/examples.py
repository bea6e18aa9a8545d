"""An invoice, a long one and a credit note, as a founder in Berlin sends them to a customer in New York."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from farebox.billing.documents.document import (
    BillTo,
    Credit,
    CreditNote,
    CreditNoteLine,
    Invoice,
    InvoiceLine,
    LineDetail,
    Tax,
)
from farebox.config.configuration import BillingConfig, SellerConfig

ZONE = ZoneInfo("America/New_York")
BILLING = BillingConfig(
    seller=SellerConfig(
        name="Example Labs GmbH",
        address="Beispielweg 1\n10115 Berlin\nGermany",
        tax_id="DE123456789",
        email="billing@labs.example",
    ),
    payment_terms="Payable within 14 days without deduction to IBAN DE00 0000 0000 0000 0000 00.",
    footer="Example Labs GmbH · HRB 12345, Amtsgericht Charlottenburg · Managing director: Ada Example",
)
ACME = BillTo(
    name="Acme Inc.",
    address="1 Main Street\nSpringfield, NY 10001\nUSA",
    email="ap@acme.example",
    tax_id="12-3456789",
)
HEAD = "3f7a" * 16


def ns(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=ZONE).timestamp()) * 10**9


NOVEMBER, DECEMBER, OCTOBER = ns(2026, 11, 1), ns(2026, 12, 1), ns(2026, 10, 1)


def line(id: str, title: str, amount_minor: int, **other: object) -> InvoiceLine:
    fields: dict[str, object] = {
        "kind": "usage",
        "from_ns": NOVEMBER,
        "until_ns": DECEMBER,
        "plan": "pro",
        "plan_version": 3,
        "exact": f"{amount_minor // 100}.{amount_minor % 100:02d}",
        "tax_percent": "19",
    }
    return InvoiceLine(id=id, title=title, amount_minor=amount_minor, **{**fields, **other})  # type: ignore[arg-type]


def invoice(lines: tuple[InvoiceLine, ...], **other: object) -> Invoice:
    subtotal = sum(each.amount_minor for each in lines)
    tax = subtotal * 19 // 100
    fields: dict[str, object] = {
        "id": "in_0192a4c1",
        "series": "INV",
        "number": "INV-000007",
        "status": "final",
        "customer": "acme",
        "bill_to": ACME,
        "currency": "USD",
        "exponent": 2,
        "from_ns": NOVEMBER,
        "until_ns": DECEMBER,
        "timezone": "America/New_York",
        "issued_at": ns(2026, 12, 3, 9),
        "due_at": ns(2026, 12, 17, 9),
        "as_of_seq": 1_048_576,
        "as_of_outcome": 12,
        "head_hash": HEAD,
        "home_id": "h_5d2c",
        "lines": lines,
        "subtotal_minor": subtotal,
        "taxes": (Tax(percent="19", base_minor=subtotal, tax_minor=tax),),
        "total_minor": subtotal + tax,
        "due_minor": subtotal + tax,
    }
    return Invoice(**{**fields, **other})  # type: ignore[arg-type]


def example() -> Invoice:
    lines = (
        line("1", "Pro, base fee", 2000, kind="base", quantity="1", unit="month", unit_price="20.00"),
        line(
            "2",
            "GPT output",
            2650,
            charge="GPT output",
            quantity="1433333",
            unit="output tokens",
            unit_price="first 1,000,000 at 0.00002, then 0.000015",
            dims={"model": "gpt-4o"},
            details=(
                LineDetail(
                    dims={"model": "gpt-4o", "agent": "researcher"}, quantity="1000000", exact="18.49"
                ),
                LineDetail(dims={"model": "gpt-4o", "agent": "writer"}, quantity="333333", exact="6.162784"),
                LineDetail(dims={"model": "gpt-4o", "agent": ""}, quantity="100000", exact="5546/3000"),
            ),
        ),
        line(
            "3",
            "claude-sonnet-4-5",
            12_345,
            charge="Everything else",
            quantity="102.8735412",
            unit="USD of cost",
            unit_price="× 1.2",
            dims={"model": "claude-sonnet-4-5"},
            unpriced_calls=0,
            details=tuple(
                LineDetail(dims={"agent": agent, "feature": "search"}, quantity=cost, exact=exact)
                for agent, cost, exact in (
                    ("researcher", "80.1205412", "96.14464944"),
                    ("writer", "22.753", "27.3036"),
                )
            ),
        ),
        line(
            "4",
            "gpt-4o",
            1_210,
            charge="Everything else",
            quantity="10.08341",
            unit="USD of cost",
            unit_price="× 1.2",
            dims={"model": "gpt-4o"},
            estimated_calls=3,
        ),
        line(
            "5",
            "Qualified leads",
            12_800,
            charge="Qualified leads",
            quantity="42",
            unit="outcomes",
            unit_price="4.00",
            note="10 of 42 included",
        ),
        line(
            "6",
            "GPT output",
            -312,
            kind="adjustment",
            charge="GPT output (October)",
            quantity="-156000",
            unit="output tokens",
            from_ns=OCTOBER,
            until_ns=NOVEMBER,
            of_invoice="INV-000003",
            of_line="2",
            note="Corrections recorded after the invoice",
        ),
        line("7", "Discount LAUNCH", -3_069, kind="discount", note="10 % of the lines above"),
    )
    subtotal = sum(each.amount_minor for each in lines)
    tax = (subtotal * 19 + 50) // 100
    return invoice(
        lines,
        discount_minor=3_069,
        taxes=(Tax(percent="19", base_minor=subtotal, tax_minor=tax),),
        total_minor=subtotal + tax,
        credits=(
            Credit(what="Prepaid balance", amount_minor=10_000),
            Credit(what="Welcome credit", amount_minor=2_500),
        ),
        due_minor=subtotal + tax - 12_500,
        statements=(
            "Between 12 November 14:02 and 14:09 nothing was recorded; those calls are not on it.",
            "3 calls are estimated, because the provider stated no usage; differences become adjustments.",
        ),
    )


def long_example(count: int = 200) -> Invoice:
    """Return an invoice of `count` lines with long names in five charges."""
    lines = tuple(
        line(
            str(number + 1),
            f"a-model-with-a-remarkably-long-name-{number:03d}" + ("-and-no-space-at-all" * (number % 7)),
            100 + number,
            charge=f"Charge {number * 5 // count + 1}",
            quantity=str(1_000_003 * (number + 1)),
            unit="input tokens",
            unit_price="0.0000012",
            dims={
                "agent": f"agent-{number}",
                "tag.feature": "summaries of long documents for the finance team",
            },
            details=(LineDetail(dims={"user": f"u{number}"}, quantity="7", exact="1/3"),),
        )
        for number in range(count)
    )
    return invoice(lines)


def credit_note() -> CreditNote:
    return CreditNote(
        id="cn_1",
        series="CN",
        number="CN-000001",
        invoice="in_0192a4c1",
        invoice_number="INV-000007",
        customer="acme",
        bill_to=ACME,
        currency="USD",
        exponent=2,
        timezone="America/New_York",
        issued_at=ns(2026, 12, 9, 9),
        home_id="h_5d2c",
        head_hash=HEAD,
        reason="Two leads were duplicates",
        lines=(CreditNoteLine(of_line="5", title="Qualified leads", amount_minor=800, tax_percent="19"),),
        subtotal_minor=800,
        taxes=(Tax(percent="19", base_minor=800, tax_minor=152),),
        total_minor=952,
    )
