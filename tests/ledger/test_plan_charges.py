"""Plans in the ledger: whose a call is, what it adds to its period, and what changes when that does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from calls import DAY, MINUTE, NOON, TestLedger, batch, done
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from physical_calls import witness

from farebox import yamltext
from farebox.charges.customer_terms import CustomerTerms
from farebox.charges.identities import Identity
from farebox.charges.live_charge import Seen
from farebox.charges.models import CostPlus, Graduated, Model, Package, Standard, Volume
from farebox.charges.models.tiers import Tier
from farebox.charges.plan import Charge, Customer, Plan, Subscription
from farebox.config import Config
from farebox.home import Home
from farebox.journal import records
from farebox.ledger import catch_up, verify
from farebox.ledger.calls import LedgerReader
from farebox.ledger.charging.following import PIECE_ROWS, TermsFollower, progress_of
from farebox.ledger.charging.plan_periods import PlanPeriods
from farebox.ledger.charging.waiting import bring_up_to_date
from farebox.ledger.commands import submit
from farebox.pricing import load_book
from farebox.pricing.book import PriceBook
from farebox.pricing.facts import PeriodShare
from farebox.snapshot import Snapshot, encode

USD = 10**12
ACME = {"customer": "acme"}
TIERED = Graduated(tiers=(Tier(up_to=Decimal(2), unit=Decimal(3)), Tier(unit=Decimal(1))))


def book(contracts: str = "", price: str = "10") -> PriceBook:
    pricing, _ = yamltext.parse(f'"*": {{input_per_1m: {price}, output_per_1m: {price}}}', "farebox.yaml")
    agreed, _ = yamltext.parse(contracts, "farebox.yaml")
    return load_book(pricing, contracts=agreed)


def charge(model: Model, meter: Any = "calls", name: str = "c", **more: Any) -> Charge:
    return Charge(name=name, meter=meter, model=model, **more)


def terms(
    *charges: Charge,
    identities: tuple[Identity, ...] = (),
    customer: str = "acme",
    version: int = 1,
    start: date = date(2020, 1, 1),
    until: date | None = None,
    currency: str = "USD",
    **options: Any,
) -> CustomerTerms:
    plan = Plan(name="pro", version=version, charges=charges)
    subscription = Subscription(
        id="s1", customer=customer, plan="pro", version=version, start=start, until=until
    )
    on_it = (subscription,) if charges else ()
    customers = (Customer(id=customer, currency=currency),)
    return CustomerTerms(identities, customers, (plan,), on_it, **options)


def follow(ledger: TestLedger, found: CustomerTerms, now: int = NOON) -> TermsFollower:
    follower = TermsFollower(ledger.connection, ledger.applier, lambda: found, lambda: now)
    follower.run()
    return follower


def charges_of(home: Home) -> list[int | None]:
    return [row.charge_pico for row in LedgerReader(home).export()]


def test_what_a_period_has_seen_is_stored_and_a_failed_transaction_leaves_nothing(ledger: TestLedger) -> None:
    periods = PlanPeriods(ledger.connection)
    periods.add([PeriodShare("s/p@1/c", 5, "10", 1)])
    periods.add([PeriodShare("s/p@1/c", 5, "1/3", 1)])
    periods.write()
    periods.add([PeriodShare("s/p@1/c", 5, "1000", 1)])
    periods.forget()
    assert periods.seen("s/p@1/c", 5) == Seen(Fraction(31, 3), 2)


def test_the_third_call_of_a_period_is_at_the_next_tier_across_batches_and_restarts(
    ledger: TestLedger, home: Home
) -> None:
    calls = [done(NOON + number, attribution=dict(ACME)) for number in range(4)]
    follow(ledger, terms(charge(TIERED)))
    ledger.append(calls[0])
    ledger.append(*calls[1:3])
    restarted = type(ledger.applier)(ledger.connection, book())
    restarted.use_terms(terms(charge(TIERED)))
    restarted.apply("proxy-test", [batch(calls[3], done(NOON + 9, attribution={"customer": "other"}))])
    rows = list(LedgerReader(home).export())
    assert [row.charge_pico for row in rows[:4]] == [3 * USD, 3 * USD, 1 * USD, 1 * USD]
    assert rows[4].charge_pico == rows[4].cost_pico
    assert [row.parts[0].charge_plan for row in rows] == ["pro@1"] * 4 + [None]
    assert verify(home).problems == []


@pytest.mark.parametrize(
    ("model", "meter", "expected"),
    [
        # 10 tokens in and 5 out, at 2.5 millionths a token.
        (Standard(unit=Decimal("0.5")), "input_tokens", [5 * USD] * 3),
        (Standard(unit=Decimal("0.5")), "tokens", [15 * USD // 2] * 3),
        (CostPlus(markup_percent=Decimal(20)), "cost", [45_000_000] * 3),
        (Package(size=Decimal(12), amount=Decimal(1)), "output_tokens", [USD, 0, USD]),
        (
            Volume(tiers=(Tier(up_to=Decimal(2), unit=Decimal(3)), Tier(unit=Decimal(1)))),
            "calls",
            [3 * USD, 3 * USD, -3 * USD],
        ),
    ],
)
def test_a_call_is_charged_what_it_adds_to_its_period(
    ledger: TestLedger, home: Home, model: Model, meter: str, expected: list[int]
) -> None:
    follow(ledger, terms(charge(model, meter)))
    ledger.append(*[done(NOON + number, attribution=dict(ACME)) for number in range(3)])
    assert charges_of(home) == expected


def test_charges_consume_in_order_and_included_units_cost_nothing(ledger: TestLedger, home: Home) -> None:
    output = charge(
        Standard(unit=Decimal(1)), "output_tokens", "out", where={"model": ("gpt-*",)}, included=Decimal(8)
    )
    follow(ledger, terms(output, charge(CostPlus(multiplier=Decimal(2)), "cost", "rest")))
    ledger.append(
        done(NOON, attribution=dict(ACME)),
        done(NOON + 1, attribution=dict(ACME)),
        done(NOON + 2, model="other", attribution=dict(ACME)),
    )
    rest, whole = 2 * 10 * 2_500_000, 2 * 15 * 2_500_000
    assert charges_of(home) == [rest, 2 * USD + rest, whole]


@pytest.mark.parametrize(
    ("attribution", "sources", "is_charged"),
    [
        (ACME, {"customer": "header:x-farebox-customer"}, False),
        (ACME, {"customer": "key:ab12"}, True),
        (ACME, {"customer": "token:t1"}, True),
        ({"user": "ann"}, {}, False),
        ({}, {}, True),  # by its key
    ],
)
def test_where_others_reach_the_proxy_a_plan_charges_only_a_proven_customer(
    ledger: TestLedger, home: Home, attribution: dict[str, str], sources: dict[str, str], is_charged: bool
) -> None:
    identities = (
        Identity(customer="acme", dimension="user", value="ann"),
        Identity(customer="acme", dimension="key", value="k1"),
    )
    key = None if attribution else "k1"
    follow(ledger, terms(charge(TIERED), identities=identities, verified_only=True))
    ledger.append(done(NOON, attribution=dict(attribution), attribution_from=sources, key=key))
    (row,) = LedgerReader(home).export()
    assert row.attribution["customer"] == "acme"
    assert (row.charge_pico == 3 * USD) == is_charged


def test_a_customer_who_pays_in_another_currency_has_no_charge_in_dollars(
    ledger: TestLedger, home: Home
) -> None:
    follow(ledger, terms(charge(TIERED), currency="EUR"))
    ledger.append(done(NOON, attribution=dict(ACME)))
    assert charges_of(home) == [None]


def test_a_call_is_ascribed_by_its_names_when_it_is_appended_and_delivered_again_is_no_conflict(
    ledger: TestLedger, home: Home
) -> None:
    identities = (Identity(customer="acme", dimension="user", value="ann"),)
    call = done(NOON, attribution={"user": "ann"}, attribution_from={"user": "header:x"})
    again = msgspec.structs.replace(call, attribution={"user": "ann"}, attribution_from={"user": "header:x"})
    follow(ledger, terms(charge(TIERED), identities=identities))
    ledger.append(call)
    result = ledger.applier.apply("proxy-test", [batch(again, end=2000)], look_for_duplicates=True)
    (row,) = LedgerReader(home).export()
    assert result.rows == 0
    assert (row.attribution["customer"], row.attribution_from["customer"]) == ("acme", "mapped:user")
    assert row.charge_pico == 3 * USD
    kinds = [kind for (kind,) in ledger.connection.execute("SELECT kind FROM mark")]
    assert "conflict" not in kinds


def test_a_name_that_stands_for_another_customer_in_the_past_corrects_its_calls(
    ledger: TestLedger, home: Home
) -> None:
    first = (Identity(customer="globex", dimension="user", value="ann"),)
    follow(ledger, terms(charge(TIERED), identities=first))
    ledger.append(
        *[done(NOON + number, attribution={"user": "ann"}) for number in range(3)],
        done(NOON + 5, attribution={"user": "ann", "customer": "stated"}),
    )
    costs = [row.cost_pico for row in LedgerReader(home).export()]
    before = charges_of(home)
    moved = (
        Identity(customer="globex", dimension="user", value="ann", until_ns=NOON + 1),
        Identity(customer="acme", dimension="user", value="ann", from_ns=NOON + 1),
    )
    follow(ledger, terms(charge(TIERED), identities=moved))
    rows = list(LedgerReader(home).export())
    assert [row.attribution["customer"] for row in rows] == ["globex", "acme", "acme", "stated"]
    assert [row.charge_pico for row in rows] == [before[0], 3 * USD, 3 * USD, before[3]]
    assert [row.cost_pico for row in rows] == costs
    assert [len(row.corrections) for row in rows] == [0, 1, 1, 0]
    assert rows[1].corrections[0].kind == "customer"
    assert verify(home).problems == []


def test_a_correction_of_the_customer_leaves_what_prices_of_today_would_change(
    ledger: TestLedger, home: Home
) -> None:
    ledger.applier.use(book(price="10"))
    ledger.append(done(NOON, attribution={"user": "ann"}))
    (before,) = LedgerReader(home).export()
    ledger.applier.use(book(price="20"))
    follow(ledger, terms(identities=(Identity(customer="acme", dimension="user", value="ann"),)))
    (row,) = LedgerReader(home).export()
    assert row.attribution["customer"] == "acme"
    assert (row.cost_pico, row.charge_pico, row.parts[0].lines) == (
        before.cost_pico,
        before.charge_pico,
        before.parts[0].lines,
    )


def test_a_plan_that_comes_later_charges_the_calls_of_its_running_period_and_no_earlier_ones(
    ledger: TestLedger, home: Home
) -> None:
    ledger.append(done(NOON - 40 * DAY, attribution=dict(ACME)), done(NOON, attribution=dict(ACME)))
    ledger.append(done(NOON + 1, attribution={"customer": "other"}))
    untouched = charges_of(home)
    follow(ledger, terms(charge(TIERED)))
    ledger.append(*[done(NOON + 2 + number, attribution=dict(ACME)) for number in range(2)])
    assert charges_of(home) == [untouched[0], 3 * USD, untouched[2], 3 * USD, 1 * USD]
    # Another version charges the period again; without a plan it is `pricing:` again.
    follow(ledger, terms(charge(Standard(unit=Decimal(5))), version=2))
    assert charges_of(home) == [untouched[0], 5 * USD, untouched[2], 5 * USD, 5 * USD]
    follow(ledger, terms())
    assert charges_of(home) == [untouched[0]] * 5
    assert verify(home).problems == []


def test_how_far_the_record_is_looked_at_again_is_in_it_and_a_restart_goes_on_there(
    ledger: TestLedger, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    from farebox.ledger.charging import following

    assert PIECE_ROWS > 100
    monkeypatch.setattr(following, "PIECE_ROWS", 2)
    ledger.append(*[done(NOON + number, attribution={"user": "ann"}) for number in range(5)])
    found = terms(identities=(Identity(customer="acme", dimension="user", value="ann"),))
    follower = TermsFollower(ledger.connection, ledger.applier, lambda: found, lambda: NOON)
    assert progress_of(ledger.connection, found) == (0, 5)
    assert follower.step()
    assert progress_of(ledger.connection, found) == (2, 5)
    steps = TermsFollower(ledger.connection, ledger.applier, lambda: found, lambda: NOON)
    while steps.step():
        pass
    assert progress_of(ledger.connection, found) is None
    rows = list(LedgerReader(home).export())
    assert [row.attribution.get("customer") for row in rows] == ["acme"] * 5
    assert [len(row.corrections) for row in rows] == [1] * 5
    assert not TermsFollower(ledger.connection, ledger.applier, lambda: found, lambda: NOON).step()


def test_a_contract_for_a_key_makes_the_contracted_cost_of_its_calls(ledger: TestLedger, home: Home) -> None:
    ledger.applier.use(
        book("deal: {with: provider, for: {key: ab*}, terms: [{models: '*', discount_percent: 20}]}")
    )
    ours = msgspec.structs.replace(done(NOON), key_fingerprint="ab12")
    theirs = msgspec.structs.replace(done(NOON + 1), key_fingerprint="zz99")
    ledger.append(ours, theirs)
    first, second = LedgerReader(home).export()
    assert first.list_cost_pico is not None
    assert first.cost_pico == first.list_cost_pico * 8 // 10 == first.parts[0].contracted_cost_pico
    assert first.parts[0].contract == "deal#1"
    assert {line.price_source for line in first.parts[0].lines} == {"contract"}
    assert (second.cost_pico, second.parts[0].contracted_cost_pico) == (second.list_cost_pico, None)


def test_a_new_book_prices_later_calls_and_leaves_earlier_rows(ledger: TestLedger, home: Home) -> None:
    ledger.applier.use(book("", price="10"))
    ledger.append(done(NOON))
    ledger.applier.use(book("", price="20"))
    ledger.append(done(NOON + 1))
    first, second = LedgerReader(home).export()
    assert first.cost_pico is not None
    assert second.cost_pico == 2 * first.cost_pico


def test_a_call_that_several_saw_is_once_in_its_period_whoever_says_whose_it_is(
    ledger: TestLedger, home: Home
) -> None:
    follow(ledger, terms(charge(TIERED)))
    acme = {"customer": "acme"}
    ledger.append(witness("proxy", NOON, response_id="a"), witness("proxy", NOON + 1, response_id="b"))
    ledger.append(witness("sdk", NOON, response_id="a", attribution=acme))
    ledger.append(witness("sdk", NOON + 1, response_id="b", attribution=acme, input_tokens=9))
    ledger.append(witness("otlp", NOON + MINUTE, pid=1, attribution=acme))
    ledger.append(witness("proxy", NOON + MINUTE, response_id="c"))
    ledger.append(witness("sdk", NOON + MINUTE, response_id="c", pid=2))  # the trace was of another call
    rows = list(LedgerReader(home).export())
    charged = [row.charge_pico for row in rows if row.attribution.get("customer") == "acme"]
    assert charged == [3 * USD, 3 * USD, 1 * USD]
    assert verify(home).problems == []


def test_a_witness_that_says_nothing_of_a_customer_leaves_the_mapped_one_and_one_that_states_it_wins(
    ledger: TestLedger, home: Home
) -> None:
    identities = (Identity(customer="acme", dimension="user", value="ann"),)
    follow(ledger, terms(charge(TIERED), identities=identities))
    ann: Callable[[], Mapping[str, str]] = lambda: {"user": "ann"}  # noqa: E731
    ledger.append(witness("proxy", NOON, response_id="a", attribution=dict(ann())))
    ledger.append(witness("sdk", NOON, response_id="a", attribution=dict(ann())))
    (row,) = LedgerReader(home).export()
    assert (row.attribution["customer"], row.charge_pico, len(row.corrections)) == ("acme", 3 * USD, 0)
    ledger.append(witness("proxy", NOON + MINUTE, response_id="b", attribution=dict(ann())))
    stated = {"user": "ann", "customer": "other"}
    ledger.append(witness("sdk", NOON + MINUTE, response_id="b", attribution=stated))
    rows = list(LedgerReader(home).export())
    assert [row.attribution["customer"] for row in rows] == ["acme", "other"]
    assert rows[1].charge_pico != 3 * USD
    assert verify(home).problems == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=8),
    model=st.sampled_from(
        [
            Graduated(
                tiers=(
                    Tier(up_to=Decimal(10), unit=Decimal("0.123456789"), flat=Decimal(1)),
                    Tier(up_to=Decimal(60), unit=Decimal("0.1")),
                    Tier(unit=Decimal("0.07"), flat=Decimal(3)),
                )
            ),
            Volume(tiers=(Tier(up_to=Decimal(50), unit=Decimal("0.3")), Tier(unit=Decimal("0.1")))),
            Package(size=Decimal(7), amount=Decimal("0.33")),
        ]
    ),
    is_taken_back=st.booleans(),
)
def test_the_charges_of_a_periods_calls_add_up_to_the_periods_charge(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], model: Model, is_taken_back: bool
) -> None:
    home = Home(tmp_path_factory.mktemp("home"))
    ledger = TestLedger(home)
    ruled = charge(model, "output_tokens")
    follow(ledger, terms(ruled))
    for number, size in enumerate(sizes):
        ledger.append(done(NOON + number, output_tokens=size, input_tokens=0, attribution=dict(ACME)))
    if is_taken_back:  # charged again one by one, in the same order: nothing may get lost
        follow(ledger, terms(ruled, version=2))
    charged = sum(amount or 0 for amount in charges_of(home))
    from farebox.charges.amounts.charge_amount import Usage, total

    amount = (total(ruled, Usage(quantity=Fraction(sum(sizes)))) - total(ruled, Usage())) * USD
    assert charged == round(amount)
    assert verify(home).problems == []
    ledger.connection.close()


def test_a_command_takes_in_what_is_published_and_ascribes_and_charges_by_it(home: Home) -> None:
    home.prepare()
    call = done(NOON, attribution={"user": "ann"})
    submit(home, "proxy", [(records.DONE, records.encode(call))])
    plan = Plan(name="pro", version=1, charges=(charge(TIERED),))
    on_it = Subscription(id="s1", customer="acme", plan="pro", version=1, start=date(2020, 1, 1))
    mapped = Identity(customer="acme", dimension="user", value="ann")
    home.snapshot.write_bytes(encode(Snapshot(plans=(plan,), subscriptions=(on_it,), identities=(mapped,))))
    catch_up(home, Config())
    (row,) = LedgerReader(home).export()
    assert (row.attribution["customer"], row.charge_pico) == ("acme", 3 * USD)
    moved = msgspec.structs.replace(mapped, customer="globex")
    home.snapshot.write_bytes(encode(Snapshot(plans=(plan,), subscriptions=(on_it,), identities=(moved,))))
    assert bring_up_to_date(home, Config(), lambda progress: pytest.fail(f"not at once: {progress}"))
    (row,) = LedgerReader(home).export()
    assert (row.attribution["customer"], row.charge_pico) == ("globex", row.cost_pico)
    assert verify(home).problems == []
