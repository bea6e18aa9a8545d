"""Contracts in the ledger: who asked decides, tiers go by the month, prices change between batches."""

from __future__ import annotations

import msgspec
from calls import MINUTE, NOON, TestLedger, batch, done
from physical_calls import witness

from farebox import yamltext
from farebox.home import Home
from farebox.ledger import verify
from farebox.ledger.calls import LedgerReader
from farebox.ledger.corrections.contract_months import ContractMonths
from farebox.pricing import load_book
from farebox.pricing.book import PriceBook
from farebox.pricing.contracts.tiers import MonthToDate
from farebox.pricing.facts import MonthShare

USD = 10**12


def book(contracts: str, price: str = "10") -> PriceBook:
    pricing, _ = yamltext.parse(f'"*": {{input_per_1m: {price}, output_per_1m: {price}}}', "farebox.yaml")
    agreed, _ = yamltext.parse(contracts, "farebox.yaml")
    return load_book(pricing, contracts=agreed)


def test_what_a_month_has_seen_is_stored_and_a_failed_transaction_leaves_nothing(ledger: TestLedger) -> None:
    months = ContractMonths(ledger.connection)
    months.add(MonthShare("acme#1", "2026-11", 10, 10**25))
    months.add(MonthShare("acme#1", "2026-11", 5, 1))
    months.write()
    months.add(MonthShare("acme#1", "2026-11", 1000, 1))
    months.forget()
    assert months.so_far("2026-11") == {"acme#1": MonthToDate(15, 10**25 + 1)}


TIERS = """
acme:
  with: customer
  for: {customer: acme}
  terms:
    - tiers: {mode: graduated, measure: calls, steps: [{up_to: 2, per_call: 3}, {per_call: 1}]}
"""


def test_the_third_call_of_a_month_is_at_the_next_tier_across_batches_and_restarts(
    ledger: TestLedger, home: Home
) -> None:
    calls = [done(NOON + number, attribution={"customer": "acme"}) for number in range(4)]
    ledger.applier.use(book(TIERS))
    ledger.append(calls[0])
    ledger.append(*calls[1:3])
    restarted = type(ledger.applier)(ledger.connection, book(TIERS))
    restarted.apply("proxy-test", [batch(calls[3], done(NOON + 9, attribution={"customer": "other"}))])
    rows = list(LedgerReader(home).export())
    assert [row.charge_pico for row in rows[:4]] == [3 * USD, 3 * USD, 1 * USD, 1 * USD]
    assert rows[4].charge_pico == rows[4].cost_pico
    assert [row.parts[0].charge_contract for row in rows] == ["acme#1"] * 4 + [None]


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


def test_a_call_that_several_saw_is_once_in_its_month_whoever_says_whose_it_is(
    ledger: TestLedger, home: Home
) -> None:
    ledger.applier.use(book(TIERS))
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
