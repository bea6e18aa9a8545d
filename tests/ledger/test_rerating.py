"""Re-rating: new rows beside the old ones, sums and chain in step, and what is left alone."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec
import pytest
from calls import DAY, NOON, TestLedger, batch, done, sums_of

from farebox import yamltext
from farebox.charges.customer_terms import CustomerTerms
from farebox.charges.models import CostPlus, Graduated
from farebox.charges.models.tiers import Tier
from farebox.charges.plan import Charge, Plan, Subscription
from farebox.home import Home
from farebox.journal import records
from farebox.journal.reader import Batch, Position
from farebox.journal.records import Done, Rerate
from farebox.ledger import verify
from farebox.ledger.append.applier import Applier
from farebox.ledger.calls import LedgerReader
from farebox.ledger.corrections.corrector import REFUSED
from farebox.pricing import load_book
from farebox.pricing.book import PriceBook

MICRO = 1_000_000


def book(pricing: str = "", contracts: str | None = None) -> PriceBook:
    priced, found = yamltext.parse(pricing or "{}", "farebox.yaml")
    assert not found
    agreed = yamltext.parse(contracts, "farebox.yaml")[0] if contracts else None
    return load_book(priced, contracts=agreed)


def new_model(at: int = NOON, **more: object) -> Done:
    return done(at, model="brand-new", provider="openai", **more)  # type: ignore[arg-type]


def request(prices: PriceBook, *seqs: int, priced_too: bool = False) -> Batch:
    asked = Rerate(at_ns=NOON, seqs=list(seqs), snapshot=prices.digest, priced_too=priced_too)
    entry = (1, records.RERATE, records.encode(asked))
    return Batch([entry], [], Position(1, 2000, 2), False)


def rerate(ledger: TestLedger, prices: PriceBook, *seqs: int, priced_too: bool = False) -> None:
    ledger.applier.use(prices)
    ledger.applier.apply("rerate-1", [request(prices, *seqs, priced_too=priced_too)])


@pytest.fixture
def unpriced(ledger: TestLedger) -> TestLedger:
    ledger.applier.use(book())
    ledger.append(new_model(), done(NOON + 1, model="gpt-4o"), new_model(NOON + DAY, key="k2"))
    return ledger


PRICE = "brand-new: {input_per_1m: 10, output_per_1m: 20}"


def test_at_c3_adding_a_price_re_rates_only_rows_marked_unpriced_with_audit(
    unpriced: TestLedger, home: Home
) -> None:
    reader = LedgerReader(home)
    priced_before = reader.after(1, 1)
    assert sums_of(home).unpriced_calls == 2
    rerate(unpriced, book(PRICE + "\ngpt-4o: {input_per_1m: 9999, output_per_1m: 9999}"), 1, 2, 3)

    first, other, last = reader.after(0, 10_000)
    assert (first.cost_state, first.cost_pico) == ("priced", 10 * 10 * MICRO + 5 * 20 * MICRO)
    assert other.corrections == []
    assert [other] == priced_before
    assert [(each.was_cost_state, each.was_cost_pico, each.cost_pico) for each in last.corrections] == [
        ("unpriced", None, first.cost_pico)
    ]
    assert last.corrections[0].kind == "rerate"
    assert "priced by" in last.corrections[0].because
    assert last.corrections[0].request == "rerate-1"
    assert last.price_sources == ["user"]


def test_at_c1_a_total_without_every_price_says_at_least_and_how_many_calls_lack_one(
    unpriced: TestLedger, home: Home
) -> None:
    row = LedgerReader(home).newest(1)[0]
    assert (row.cost_state, row.cost_pico, row.cost_usd, row.charge_pico) == ("unpriced", None, None, None)
    stored = unpriced.connection.execute("SELECT cost_pico FROM call WHERE seq = 1").fetchone()
    assert stored == (None,)
    assert sums_of(home).unpriced_calls == 2


def test_a_correction_takes_the_old_row_back_and_puts_a_new_one_in_its_place(
    unpriced: TestLedger, home: Home
) -> None:
    old = sums_of(home)
    rerate(unpriced, book(PRICE), 1, 3)
    added = 2 * (10 * 10 * MICRO + 5 * 20 * MICRO)
    now = sums_of(home)
    assert (now.calls, now.unpriced_calls, now.cost_pico) == (3, 0, old.cost_pico + added)
    assert now.input_tokens == old.input_tokens
    rows = unpriced.connection.execute(
        "SELECT seq, revision, sign, reverses, occurred_at, cost_pico FROM call "
        "WHERE revision > 0 ORDER BY seq"
    ).fetchall()
    assert rows == [
        (4, 1, -1, 1, NOON, None),
        (5, 2, 1, None, NOON, added // 2),
        (6, 1, -1, 3, NOON + DAY, None),
        (7, 2, 1, None, NOON + DAY, added // 2),
    ]
    shown = LedgerReader(home).newest(1)[0]
    assert (shown.seq, shown.revision, shown.cost_pico) == (3, 2, added // 2)
    assert LedgerReader(home).call(shown.event_id) == shown


def test_the_chain_holds_after_every_kind_of_batch(unpriced: TestLedger, home: Home) -> None:
    kept = verify(home).checkpoint
    prices = book(PRICE)
    rerate(unpriced, prices, 1)
    between = verify(home)
    assert between.ok, between.problems
    assert between.corrections == 1
    unpriced.append(new_model(NOON + 5), new_model(NOON + 6))
    unpriced.applier.apply("p", [batch(new_model(NOON + 7)), request(prices, 3)])
    rerate(unpriced, book("brand-new: {input_per_1m: 1, output_per_1m: 1}"), 1, 3, 6, priced_too=True)
    restarted = Applier(unpriced.connection, prices)
    restarted.apply("proxy-test", [batch(new_model(NOON + 8))])
    for checkpoint in (kept, between.checkpoint, None):
        report = verify(home, checkpoint)
        assert report.ok, report.problems
    assert verify(home).corrections == 5
    assert [len(row.corrections) for row in LedgerReader(home).after(0, 10_000)] == [
        2, 0, 2, 1, 0, 0, 0,
    ]  # fmt: skip


def test_an_edited_or_removed_correction_is_found(unpriced: TestLedger, home: Home) -> None:
    rerate(unpriced, book(PRICE), 1, 3)
    kept = verify(home).checkpoint
    for table, verb, change in (
        ("call", "updated", "UPDATE call SET cost_pico = 1 WHERE seq = 7"),
        ("call", "deleted", "DELETE FROM call WHERE seq > 3"),
    ):
        execute = unpriced.connection.execute
        name = f"{table}_never_{verb}"
        trigger = execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,)).fetchone()[0]
        execute(f"DROP TRIGGER {name}")
        execute(change)
        execute(trigger)
        assert verify(home, kept).first_bad_seq == (7 if verb == "updated" else 4)


def test_a_request_that_comes_twice_corrects_once(unpriced: TestLedger, home: Home) -> None:
    rerate(unpriced, book(PRICE), 1, 1, 3)
    rerate(unpriced, book(PRICE), 1, 3)
    rerate(unpriced, book(PRICE), 1, 3, priced_too=True)
    assert [len(row.corrections) for row in LedgerReader(home).after(0, 10_000)] == [1, 0, 1]


def test_other_prices_than_those_shown_change_nothing_and_leave_a_mark(
    unpriced: TestLedger, home: Home
) -> None:
    unpriced.applier.use(book(PRICE))
    unpriced.applier.apply("rerate-1", [request(book("brand-new: {input_per_1m: 7}"), 1, 3)])
    assert sums_of(home).unpriced_calls == 2
    ((kind, detail),) = unpriced.connection.execute("SELECT kind, detail FROM mark").fetchall()
    assert (kind, msgspec.json.decode(detail)["calls"]) == (REFUSED, 2)


def test_what_failed_halfway_left_nothing_and_succeeds_the_next_time(
    unpriced: TestLedger, home: Home
) -> None:
    prices = book(PRICE)
    unpriced.applier.use(prices)
    unpriced.connection.execute(
        "CREATE TEMP TRIGGER fail BEFORE INSERT ON main.call WHEN NEW.reverses = 3 "
        "BEGIN SELECT RAISE(ABORT, 'disk'); END"
    )
    with pytest.raises(Exception, match="disk"):
        unpriced.applier.apply("rerate-1", [request(prices, 1, 3)])
    unpriced.connection.execute("DROP TRIGGER temp.fail")
    assert sums_of(home).unpriced_calls == 2
    unpriced.applier.apply("rerate-1", [request(prices, 1, 3)])
    assert sums_of(home).unpriced_calls == 0
    assert verify(home).ok


def test_periods_of_plans_follow_a_re_rating(ledger: TestLedger, home: Home) -> None:
    acme = {"customer": "acme"}
    tiers = Graduated(tiers=(Tier(up_to=Decimal(20), unit=Decimal(3)), Tier(unit=Decimal(1))))
    plan = Plan(
        name="pro",
        version=1,
        charges=(
            Charge(name="tokens", meter="tokens", model=tiers, overlap=True),
            Charge(name="cost", meter="cost", model=CostPlus(multiplier=Decimal(2))),
        ),
    )
    subscription = Subscription(id="s1", customer="acme", plan="pro", version=1, start=date(2020, 1, 1))
    ledger.applier.use_terms(CustomerTerms((), (), (plan,), (subscription,)))
    ledger.applier.use(book())
    ledger.append(*(new_model(NOON + number, attribution=acme) for number in range(3)))
    for price in (PRICE, "brand-new: {input_per_1m: 1, output_per_1m: 1}"):
        rerate(ledger, book(price), 1, 2, 3, priced_too=True)
        rows = LedgerReader(home).after(0, 10_000)
        # 45 tokens in the period: 20 at 3, the rest at 1 dollar; and twice what they cost.
        by_cost = 2 * sum(row.cost_pico or 0 for row in rows)
        assert by_cost
        assert sum(row.charge_pico or 0 for row in rows) == (20 * 3 + 25 * 1) * MICRO * 10**6 + by_cost
    stored = ledger.connection.execute("SELECT charge, quantity, events FROM plan_period").fetchall()
    assert stored[-1] == ("s1/pro@1/tokens", "45", 3)
    assert verify(home).ok
    ledger.connection.execute("UPDATE plan_period SET quantity = '44' WHERE charge LIKE '%tokens'")
    assert [problem.what for problem in verify(home).problems] == ["period"]
    ledger.connection.execute("DELETE FROM plan_period WHERE charge LIKE '%tokens'")
    assert [problem.what for problem in verify(home).problems] == ["period"]
