"""Which periods a run bills, what it asks for them, and what it says of usage that no period is of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.billing.invoices.billed_customers import ACME, MARKUP, REST, USD, Billed, at, subscription
from tests.billing.usage_in_memory import UsageInMemory, call, reversed_call

from farebox.billing.customer_terms import give_add_on
from farebox.billing.invoices import store
from farebox.billing.usage import Span
from farebox.charges.plan import AddOn, Interval, Plan
from farebox.charges.usage.cells import Cell
from farebox.charges.usage.consumption import Bucket
from farebox.control.publish import change
from farebox.errors import UsageError
from farebox.home import Home

NOV, DEC, JAN = date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1)
UTC = replace(ACME, timezone="UTC", tax_percent=Decimal(0))
BOB = replace(UTC, id="bob")
DAILY = Plan(name="daily", version=1, interval=Interval(unit="day"), base=Decimal(1), charges=(REST,))
DAYS = 60


class CountedUsage(UsageInMemory):
    """Remembers which spans it was asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Span] = []

    def cells(self, span: Span, dims: Sequence[str], *, bucket: Bucket | None = None) -> list[Cell]:
        self.asked.append(span)
        return super().cells(span, dims, bucket=bucket)


def counted(home: Home, *plans: Plan, customers: tuple[object, ...] = (UTC,)) -> tuple[Billed, CountedUsage]:
    on = Billed(home, *plans, customers=customers)  # pyright: ignore[reportArgumentType]
    usage = CountedUsage()
    on.usage = on.desk.usage = usage
    return on, usage


def spent(moment: str, customer: str = "acme") -> Cell:
    return call(customer, at(moment), output_cost_pico=100 * USD)


def test_catching_up_on_daily_invoices_reads_each_document_a_few_times_only(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not all of them again for each of them: a year would take as long as the square of its days."""
    on, usage = counted(home, DAILY)
    on.subscribe(subscription(DAILY, NOV))
    usage.add(spent("2026-11-05T12:00"))
    read: list[object] = []
    decode = store.decode_invoice

    def decoded(content: bytes | str) -> object:
        read.append(content)
        return decode(content)

    monkeypatch.setattr(store, "decode_invoice", decoded)
    made = on.run("2027-01-02T12:00").final  # 48 hours after 31 December has begun
    assert len(made) == DAYS
    assert len(read) <= 2 * DAYS
    assert len(usage.asked) <= DAYS + 5


def test_a_past_period_is_rated_again_only_where_its_record_has_changed(home: Home) -> None:
    on, usage = counted(home, DAILY)
    on.subscribe(subscription(DAILY, NOV))
    on.run("2026-12-31T00:00")
    usage.add(spent("2026-12-31T01:00"), spent("2026-11-07T10:00"), spent("2026-11-20T10:00", "bob"))
    usage.asked.clear()
    made = on.run("2027-01-03T00:00").final
    assert [line.amount_minor for line in made[0].lines if line.kind == "adjustment"] == [12_000]
    before = {span.from_ns for span in usage.asked if span.until_ns <= at("2026-12-29T00:00")}
    assert before - {0} == {at("2026-11-07T00:00")}, "zero: since ever, of a customer on no plan"


def test_what_changed_before_the_newest_invoice_is_not_looked_at_again_and_is_after_a_void(
    home: Home,
) -> None:
    on, usage = counted(home, MARKUP)
    on.subscribe(subscription(MARKUP, NOV))
    usage.add(spent("2026-11-02T12:00"))
    on.run("2026-12-04T00:00")
    usage.add(spent("2026-11-03T12:00"), spent("2026-12-03T12:00"))
    second = on.invoice("2027-01-04T00:00")
    assert [line.kind for line in second.lines] == ["usage", "adjustment"]
    usage.add(spent("2027-01-03T12:00"))
    usage.asked.clear()
    assert [line.kind for line in on.invoice("2027-02-04T00:00").lines] == ["usage"]
    assert {span.from_ns for span in usage.asked} == {at("2027-01-01T00:00")}


def test_open_periods_with_nothing_to_bill_are_not_asked_about_one_by_one(home: Home) -> None:
    free = replace(DAILY, base=Decimal(0))
    on, usage = counted(home, free)
    on.subscribe(subscription(free, NOV))
    usage.add(spent("2026-11-20T12:00"))
    assert [made.from_ns for made in on.run("2026-12-31T00:00").final] == [at("2026-11-20T00:00")]
    usage.asked.clear()
    assert on.run("2026-12-31T00:00").final == []
    assert len(usage.asked) <= 4
    usage.add(spent("2026-11-10T12:00"))
    (late,) = on.run("2026-12-31T00:00").final
    assert (late.from_ns, late.total_minor) == (at("2026-11-10T00:00"), 12_000)


def test_invoices_of_many_open_periods_are_numbered_by_period_and_the_same_elsewhere(
    home: Home, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Home(tmp_path_factory.mktemp("other") / "home")
    other.prepare()
    made: list[list[bytes]] = []
    for each in (home, other):
        on = Billed(each, DAILY, customers=(UTC, BOB))
        on.subscribe(subscription(DAILY, NOV), subscription(DAILY, NOV, customer="bob"))
        final = on.run("2026-11-06T00:00").final
        assert [(each.customer, each.number) for each in final[:3]] == [
            ("acme", "INV-000001"),
            ("bob", "INV-000002"),
            ("acme", "INV-000003"),
        ]
        with on.control.reading() as connection:
            made.append([each.content for each in store.final_invoices(connection)])
    assert made[0] == made[1]


def test_usage_moved_to_a_customer_who_had_no_plan_then_is_named(home: Home) -> None:
    on = Billed(home, MARKUP, customers=(UTC, BOB))
    on.subscribe(subscription(MARKUP, NOV), subscription(MARKUP, DEC, customer="bob"))
    seen = spent("2026-11-02T12:00")
    on.usage.add(seen)
    on.run("2026-12-04T00:00")
    on.usage.add(reversed_call(seen), replace(seen, customer="bob"), spent("2026-12-05T00:00", "bob"))
    report = on.run("2027-01-04T00:00")
    said = "1 call is of a time in which it was on no plan: nothing bills them"
    assert ("bob", said) in report.unconsumed
    assert on.run("2027-01-04T00:00").unconsumed == [], "said once"


def test_usage_of_a_customer_on_no_plan_is_named_by_runs_and_by_a_preview(home: Home) -> None:
    on = Billed(home, MARKUP, customers=(UTC, BOB))
    on.subscribe(subscription(MARKUP, DEC))
    on.usage.add(spent("2026-11-02T12:00"), spent("2026-11-03T12:00", "bob"))
    on.usage.add(spent("2026-12-02T12:00"))
    assert [name for name, _ in on.run("2026-12-04T00:00").unconsumed] == ["acme", "bob"]
    with pytest.raises(UsageError, match="bob has no subscription now; 1 call is of a time"):
        on.desk.preview("bob", at("2026-12-04T00:00"))
    (draft,) = on.desk.preview("acme", at("2026-12-04T00:00"))
    assert draft.unconsumed == ("1 call is of a time in which it was on no plan: nothing bills them",)
    on.desk.verified = True
    assert on.run("2026-12-04T00:00").unconsumed == [], "calls whose customer is not proven are nobody's"


def test_an_add_on_of_a_customer_who_was_never_invoiced_is_billed_in_the_month_that_ended(home: Home) -> None:
    on = Billed(home, MARKUP, customers=(UTC, BOB))
    on.subscribe(subscription(MARKUP, date(2026, 9, 1), date(2026, 10, 1)))
    with change(home, on.control) as connection:
        for name in ("acme", "bob"):
            said = AddOn(name="Setup", amount=Decimal(250), on=date(2026, 11, 3))
            give_add_on(connection, name, said, at("2026-11-03T00:00"))
    made = on.run("2026-12-04T00:00").final
    assert sorted((each.customer, each.from_ns, each.total_minor) for each in made) == [
        ("acme", at("2026-11-01T00:00"), 25_000),
        ("bob", at("2026-11-01T00:00"), 25_000),
    ]
    assert on.run("2027-01-04T00:00").final == []


def test_a_call_mapped_to_a_customer_on_a_day_that_its_plan_has_a_part_of_is_named(home: Home) -> None:
    """A plan that begins at midnight in Tokyo begins at 15:00 UTC of the day before."""
    on = Billed(home, MARKUP, customers=(replace(UTC, timezone="Asia/Tokyo"), BOB))
    on.subscribe(subscription(MARKUP, NOV, DEC))
    on.usage.add(spent("2026-10-31T10:00"), spent("2026-11-02T12:00"))
    report = on.run("2026-12-03T00:00")
    said = "1 call is of a time in which it was on no plan: nothing bills them"
    assert (len(report.final), report.unconsumed) == (1, [("acme", said)])
    mapped = spent("2026-10-31T14:59", "bob"), spent("2026-10-31T15:00", "bob")
    for seen in mapped:
        on.usage.add(seen)
    on.usage.add(*map(reversed_call, mapped), *(replace(each, customer="acme") for each in mapped))
    again = on.run("2027-01-04T00:00")
    assert [line.kind for line in again.final[0].lines] == ["adjustment"], "15:00 is the plan's"
    assert again.unconsumed == [("acme", said)], "14:59 is not"
    assert on.run("2027-01-04T00:00").unconsumed == [], "said once"
