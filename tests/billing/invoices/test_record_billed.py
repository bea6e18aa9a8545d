"""Invoices over the real record: three months of calls, late events, corrections, another customer.

Nothing here is a fake: calls are appended to a ledger, questions go to its replica, invoices to `control.db`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from calls import HOUR, TestLedger, done
from msgspec.structs import replace
from test_plan_charges import follow
from test_rerating import book, rerate
from test_results import apply, result
from tests.billing.invoices.billed_customers import at, subscription

from farebox.analytics.local import LocalAsker
from farebox.analytics.questions import Questions, Selection
from farebox.billing.documents import rendered
from farebox.billing.documents.document import Invoice
from farebox.billing.explanation.explanation import Explanation, explained, line_of
from farebox.billing.invoices.run import Desk
from farebox.billing.usage.record_usage import RecordUsage
from farebox.charges.customer_terms import CustomerTerms
from farebox.charges.identities import EVER, Identity
from farebox.charges.models import CostPlus, Graduated, Standard
from farebox.charges.models.tiers import Tier
from farebox.charges.plan import Charge, Conversion, Customer, Plan
from farebox.cli.invoices.line_explanation import rendered as rendered_explanation
from farebox.clock import uuid_text
from farebox.config.configuration import BillingConfig
from farebox.control.database import ControlDatabase, open_control
from farebox.home import Home
from farebox.journal.records import OUTCOME, Done
from farebox.ledger.calls import LedgerReader
from farebox.snapshot import Snapshot

ZONE = "America/New_York"
MONTHS = [at(f"2026-0{month}-01T00:00", ZONE) for month in (3, 4, 5, 6)]
"""Of a spring with the night of 23 hours in it."""
CUSTOMERS = (
    Customer(id="acme", timezone=ZONE, tax_percent=Decimal(19)),
    Customer(id="globex", timezone=ZONE),
)
PRICES = (
    "gpt-4o: {input_per_1m: 2.5, output_per_1m: 10}\ngpt-4o-mini: {input_per_1m: 0.15, output_per_1m: 0.6}"
)
LATER_PRICES = (
    "gpt-4o: {input_per_1m: 3.000001, output_per_1m: 12}\n"
    "gpt-4o-mini: {input_per_1m: 0.1, output_per_1m: 0.6}\nbrand-new: {input_per_1m: 7, output_per_1m: 11}"
)
MULTIPLIER = 1 + Fraction("0.33333")
COST = Charge(
    name="Usage", meter="cost", itemize=("model",), model=CostPlus(markup_percent=Decimal("33.333"))
)
MARKUP = Plan(name="markup", version=1, charges=(COST,))
MANY = Plan(
    name="many",
    version=1,
    charges=(
        Charge(
            name="Output", meter="output_tokens", where={"model": ("gpt-4o",)},
            model=Graduated(
                tiers=(Tier(up_to=Decimal(900), unit=Decimal("0.02")), Tier(unit=Decimal("0.01")))
            ),
        ),
        Charge(name="Leads", meter="outcome", where={"outcome": ("lead",)}, model=Standard(unit=Decimal(4)),
               included=Decimal(1)),
        Charge(name="Sales", meter="outcome_value", where={"outcome": ("sale",)},
               model=Standard(unit=Decimal("0.1"))),
        Charge(name="Users", meter="users", overlap=True, model=Standard(unit=Decimal(2))),
        Charge(name="Days of tasks", meter="tasks", overlap=True, bucket="day",
               model=Standard(unit=Decimal(1))),
        Charge(name="Everything else", meter="cost", model=CostPlus(markup_percent=Decimal(20))),
    ),
)  # fmt: skip


class Record:
    """A ledger, its replica, and the desk that bills its customers."""

    def __init__(self, home: Home, questions: Questions, *plans: Plan) -> None:
        self.home, self.questions = home, questions
        self.ledger = TestLedger(home)
        self.ledger.applier.use(book(PRICES))
        self.control: ControlDatabase = open_control(home)
        names = zip(CUSTOMERS, plans, strict=False)
        on = tuple(subscription(plan, date(2026, 3, 1), customer=each.id) for each, plan in names)
        self.terms = Snapshot(customers=CUSTOMERS, plans=plans, subscriptions=on)
        self.desk = Desk(
            home, self.control, RecordUsage(home, questions), verified=False, published=lambda _: self.terms
        )
        self.random = random.Random(14)

    def call(self, month: int, **more: Any) -> Done:
        """Return a call of a month, its first and last moments among them."""
        start, end = MONTHS[month], MONTHS[month + 1]
        moment = self.random.choice([start, end - 1, start + self.random.randrange(end - start)])
        attribution = {"task": f"t{self.random.randrange(4)}", "user": f"u{self.random.randrange(3)}"}
        whose = self.random.choice(["acme", "acme", "globex", ""])
        attribution |= {"customer": whose} if whose else {"user": "ann"}
        given = {
            "model": self.random.choice(["gpt-4o", "gpt-4o", "gpt-4o-mini", "brand-new"]),
            "input_tokens": self.random.randrange(1_000),
            "output_tokens": self.random.randrange(300),
            "attribution": attribution,
        }
        return done(moment, **{**given, **more})

    def append(self, month: int, count: int) -> None:
        self.ledger.append(*(self.call(month) for _ in range(count)))

    def outcome(self, month: int, name: str, value: str | None = None, **whose: str) -> bytes:
        made = result(
            name, value=value, occurred_at_ns=MONTHS[month] + HOUR, attribution_from={},
            attribution=whose or {"customer": "globex"},
        )  # fmt: skip
        apply(self.ledger, (OUTCOME, made), writer=f"sdk-{made.event_id.hex()}")
        return made.event_id

    def map_ann_to_acme(self) -> None:
        """Make every call of user ann acme's, recorded ones too."""
        ann = Identity(customer="acme", dimension="user", value="ann", from_ns=EVER)
        follow(self.ledger, CustomerTerms((ann,), CUSTOMERS, (), ()), MONTHS[3])

    def bill(self, month: int) -> dict[str, Invoice]:
        """Return the invoices of a month, issued five days after it."""
        now = MONTHS[month + 1] + 5 * 24 * HOUR
        report = self.desk.run(now, actor="uid:1", accept_unpriced=True)
        assert not report.refused
        return {each.customer: each for each in report.final}

    def explained(self, invoice: Invoice, line: str) -> Explanation:
        with self.control.reading() as connection:
            named = line_of(connection, f"{invoice.number}/{line}")
        return explained(self.home, self.questions, named)

    def cost(self, customer: str, month: int, as_of_seq: int | None = None) -> Fraction:
        """Ask the ledger's own question, in dollars."""
        (total,) = self.questions.totals(
            Selection(
                since_ns=MONTHS[month], until_ns=MONTHS[month + 1], where={"customer": [customer]},
                as_of_seq=as_of_seq,
            )
        )  # fmt: skip
        return Fraction(total.cost_pico, 10**12)


@pytest.fixture
def questions(home: Home) -> Iterator[Questions]:
    with Questions(LocalAsker(home)) as questions:
        yield questions


def exact(invoice: Invoice, kind: str) -> Fraction:
    return sum((Fraction(line.exact) for line in invoice.lines if line.kind == kind), Fraction(0))


def three_months(record: Record) -> list[dict[str, Invoice]]:
    """Bill three months; between them calls come late, prices change, and a user becomes a customer's."""
    record.append(0, 40)
    issued = [record.bill(0)]
    record.append(0, 20)  # late
    record.append(1, 30)
    rerate(record.ledger, book(LATER_PRICES), *range(1, 30), priced_too=True)
    issued.append(record.bill(1))
    record.map_ann_to_acme()
    record.append(1, 5)
    record.append(2, 30)
    rerate(record.ledger, book(PRICES), *range(5, 20), priced_too=True)
    issued.append(record.bill(2))
    return issued


def test_invoices_and_adjustments_of_three_months_are_the_question_as_of_now_times_the_multiplier(
    home: Home, questions: Questions
) -> None:
    record = Record(home, questions, MARKUP, MARKUP)
    issued = three_months(record)
    for customer in ("acme", "globex"):
        for month, of_month in enumerate(issued):
            invoice = of_month[customer]
            asked = record.cost(customer, month, invoice.as_of_seq)
            assert exact(invoice, "usage") == asked * MULTIPLIER  # to the pico: fractions, before rounding
            assert asked > 0
        billed = sum(exact(each[customer], kind) for each in issued for kind in ("usage", "adjustment"))
        assert billed == sum(record.cost(customer, month) for month in range(3)) * MULTIPLIER
        # The control: without adjustments, or with the questions as they were, it is another amount.
        assert billed != sum(exact(each[customer], "usage") for each in issued)


def test_every_line_explains_itself_down_to_calls_whose_receipts_add_up(
    home: Home, questions: Questions
) -> None:
    record = Record(home, questions, MARKUP, MANY)
    record.outcome(0, "lead")
    record.outcome(0, "lead", customer="acme")  # another one's
    record.outcome(0, "sale", "12.50")
    issued = three_months(record)
    kinds: set[tuple[str, str]] = set()
    for of_month in issued:
        for invoice in of_month.values():
            for line in invoice.lines:
                if line.quantity is None:
                    continue
                found = record.explained(invoice, line.id)
                assert found.adds_up, (invoice.number, line, found.quantity)
                kinds.add((line.kind, line.charge))
                parts = [*found.calls, *found.outcomes]
                assert sum(Fraction(each.quantity) for each in parts) == Fraction(line.quantity)
                if (line.kind, line.charge) == ("usage", "Usage"):
                    assert Fraction(line.quantity) * 10**12 == receipts(record, found, invoice.as_of_seq)
    names = {"Output", "Leads", "Sales", "Users", "Days of tasks", "Everything else", "Usage"}
    assert {name for kind, name in kinds if kind == "usage"} == names
    assert {"Usage", "Output", "Days of tasks", "Everything else"} <= {
        name for kind, name in kinds if kind == "adjustment"
    }


def receipts(record: Record, found: Explanation, as_of_seq: int) -> int:
    """Return what the receipts of the listed calls came to at a row, read from the record's own rows."""
    ids = {each.event_id for each in found.calls}
    reader = LedgerReader(record.home)
    rows = [row for row in reader.export() if row.event_id in ids]
    reader.close()
    assert len(rows) == len(ids)
    total = 0
    for row in rows:
        event = bytes.fromhex(row.event_id.replace("-", ""))
        (cost,) = record.ledger.connection.execute(
            "SELECT coalesce(sum(cost_pico), 0) FROM call WHERE event_id = ? AND seq <= ?", (event, as_of_seq)
        ).fetchone()
        total += cost
    return total


def test_an_outcome_line_lists_its_outcomes_and_its_adjustment_those_that_came_late(
    home: Home, questions: Questions
) -> None:
    record = Record(home, questions, MARKUP, MANY)
    early = [record.outcome(0, "lead") for _ in range(3)]
    first = record.bill(0)["globex"]
    (line,) = [each for each in first.lines if each.charge == "Leads"]
    assert (line.quantity, line.exact) == ("3", "8")  # one is included
    found = record.explained(first, line.id)
    assert sorted(each.event_id for each in found.outcomes) == sorted(uuid_text(each) for each in early)
    assert (found.calls, found.quantity, found.adds_up) == ([], "3", True)
    late = record.outcome(0, "lead")
    record.append(1, 8)
    second = record.bill(1)["globex"]
    (line,) = [each for each in second.lines if each.charge == "Leads"]
    found = record.explained(second, line.id)
    assert (line.kind, line.exact) == ("adjustment", "4")
    assert [(each.event_id, each.quantity) for each in found.outcomes] == [(uuid_text(late), "1")]
    assert found.adds_up


def test_a_line_that_its_calls_do_not_add_up_to_is_found(home: Home, questions: Questions) -> None:
    record = Record(home, questions, MARKUP, MANY)
    record.append(0, 20)
    invoice = record.bill(0)["globex"]
    (line,) = [each for each in invoice.lines if each.charge == "Output"]
    with record.control.reading() as connection:
        named = line_of(connection, f"{invoice.number}/{line.id}")
    wrong = replace(line, quantity=str(int(line.quantity or 0) + 1))
    assert explained(home, questions, named).adds_up is True
    assert explained(home, questions, named._replace(line=wrong)).adds_up is False


def test_a_converted_line_says_its_unit_in_every_format_and_its_calls_say_theirs(
    home: Home, questions: Questions
) -> None:
    minutes = Charge(
        name="Talk", meter="output_tokens", model=Standard(unit=Decimal("0.10")), itemize=("model",),
        conversion=Conversion(operation="divide", factor=Decimal(60), rounding="ceiling"),
    )  # fmt: skip
    record = Record(home, questions, MARKUP, Plan(name="talk", version=1, charges=(minutes,)))
    whose: dict[str, Any] = {"attribution": {"customer": "globex"}}
    record.ledger.append(
        record.call(0, model="gpt-4o", output_tokens=30, **whose),
        record.call(0, model="gpt-4o-mini", output_tokens=45, **whose),
    )
    invoice = record.bill(0)["globex"]
    (line,) = invoice.lines
    assert (line.quantity, line.unit, line.amount_minor) == ("2", "units of 60 output tokens", 20)
    assert [part.quantity for part in line.details] == ["0.5", "0.75"]
    found = record.explained(invoice, line.id)
    assert found.arithmetic[0] == (
        "75 output tokens ÷ 60, rounded up to whole units = 2 units of 60 output tokens"
    )
    assert (found.counted, found.counted_unit, found.quantity, found.adds_up) == (
        "75", "output tokens", "2", True,
    )  # fmt: skip
    assert sorted(each.quantity for each in found.calls) == ["30", "45"]
    said = rendered_explanation(found)
    assert "2 calls: 75 output tokens, which are 2 units of 60 output tokens" in said
    for format in ("html", "csv"):
        shown = rendered(invoice, format, BillingConfig()).content.decode()
        assert "units of 60 output tokens" in shown and "rounded up to whole units" in shown
    record.ledger.append(record.call(0, model="gpt-4o", output_tokens=60, **whose))
    second = record.bill(1)["globex"]
    (late,) = second.lines
    assert (late.kind, late.quantity, late.amount_minor) == ("adjustment", "1", 10)
    found = record.explained(second, late.id)
    assert (found.counted, found.quantity, found.adds_up) == ("60", "1", True)
