"""What a budget would have blocked: exact, in the order of calls, by the rule that enforces."""

from __future__ import annotations

import random
from typing import Any

import pytest
from calls import DAY, HOUR, MINUTE, NOON, PICO_PER_TOKEN, TestLedger, done

from farebox import yamltext
from farebox.budgets.budget import Budget, Period
from farebox.budgets.periods import windows
from farebox.journal import records
from farebox.journal.reader import Batch, Position
from farebox.ledger.spending import simulation
from farebox.ledger.spending.simulation import Outcome, Simulation
from farebox.pricing import load_book

TOKEN = PICO_PER_TOKEN


def budget(tokens: int, period: str = "day", **more: Any) -> Budget:
    rolling_s = more.pop("rolling_s", 0)
    return Budget(
        name="b",
        limit_pico=tokens * TOKEN,
        period=Period(kind=period, rolling_s=rolling_s),  # type: ignore[arg-type]
        **more,
    )


def simulated(
    ledger: TestLedger, said: Budget, since: int = NOON - DAY, until: int = NOON + 60 * DAY, **more: Any
) -> Outcome:
    return Simulation(ledger.connection, said, since, until, **more).run()


def call(at: int, tokens: int, **attribution: str) -> Any:
    return done(at, input_tokens=tokens, output_tokens=0, attribution=attribution)


def test_calls_pass_in_their_order_until_the_next_one_does_not_fit(ledger: TestLedger) -> None:
    ledger.append(*(call(NOON + at * MINUTE, tokens) for at, tokens in ((3, 40), (1, 50), (2, 30), (4, 20))))
    found = simulated(ledger, budget(100))
    assert (found.calls, found.blocked) == (4, 1)
    assert (found.spent_pico, found.saved_pico) == (140 * TOKEN, 40 * TOKEN), "50, 30, then 40 not, then 20"
    (blocked,) = found.windows
    assert (blocked.calls, blocked.passed_pico) == (1, 80 * TOKEN)
    assert blocked.first_ns == blocked.last_ns == NOON + 3 * MINUTE


def test_a_call_that_fits_to_the_pico_passes(ledger: TestLedger) -> None:
    ledger.append(call(NOON, 60), call(NOON + 1, 40))
    assert simulated(ledger, budget(100)).blocked == 0
    assert simulated(ledger, budget(100, where={"customer": ("nobody",)})).calls == 0
    one_less = budget(100)
    one_less = Budget(name="b", limit_pico=one_less.limit_pico - 1, period=one_less.period)
    assert simulated(ledger, one_less).blocked == 1


def test_each_window_and_each_value_has_the_limit_for_itself(ledger: TestLedger) -> None:
    ledger.append(
        *(
            call(NOON + day * DAY + minute * MINUTE, 60, session=session)
            for day in range(2)
            for minute in range(2)
            for session in ("a", "b")
        )
    )
    found = simulated(ledger, budget(100, each="session"))
    assert found.blocked == 4
    assert [(each.value, each.calls) for each in found.windows] == [("a", 1), ("b", 1), ("a", 1), ("b", 1)]
    assert simulated(ledger, budget(100, "session", each="session")).blocked == 6


def test_whom_it_would_have_blocked_is_told_most_first(ledger: TestLedger) -> None:
    ledger.append(
        call(NOON, 100, customer="acme"),
        call(NOON + 1, 10, customer="acme", app="bot.py"),
        call(NOON + 2, 30, customer="other"),
        call(NOON + 3, 5, customer="acme", app="bot.py"),
    )
    assert simulated(ledger, budget(100)).whom == [
        ((("customer", "other"),), 1, 30 * TOKEN),
        ((("customer", "acme"), ("app", "bot.py")), 2, 15 * TOKEN),
    ]


def test_what_was_spent_before_the_span_in_the_same_window_counts_and_is_not_blocked(
    ledger: TestLedger,
) -> None:
    ledger.append(call(NOON - 2 * MINUTE, 95), call(NOON - MINUTE, 20), call(NOON + MINUTE, 1))
    found = simulated(ledger, budget(100, "ever"), since=NOON)
    assert (found.calls, found.blocked, found.spent_pico) == (1, 1, TOKEN)
    assert simulated(ledger, budget(100, "hour"), since=NOON).blocked == 0, "an hour begins at NOON"


def test_a_corrected_call_counts_as_it_is_known_now(ledger: TestLedger) -> None:
    unpriced = done(NOON, model="unheard-of", input_tokens=100)
    ledger.append(unpriced, call(NOON + 1, 10))
    found = simulated(ledger, budget(50))
    assert (found.unpriced, found.blocked) == (1, 0)
    corrected(ledger)
    found = simulated(ledger, budget(50))
    assert (found.calls, found.unpriced, found.blocked) == (2, 0, 1)
    assert found.saved_pico == 105 * TOKEN, "the reversal and its row are not calls of their own"
    assert found.spent_pico == 115 * TOKEN


def corrected(ledger: TestLedger) -> None:
    """Give the unpriced call a price, as `rerate --apply` does."""
    text = "unheard-of: {input_per_1m: 2.5, output_per_1m: 2.5}"
    prices = load_book(yamltext.parse(text, "farebox.yaml")[0])
    asked = records.Rerate(at_ns=NOON, seqs=[1], snapshot=prices.digest, priced_too=False)
    ledger.applier.use(prices)
    entry = (1, records.RERATE, records.encode(asked))
    ledger.applier.apply("rerate-1", [Batch([entry], [], Position(1, 2000, 2), False)])


def test_a_budget_that_blocks_unpriced_models_would_have_blocked_them(ledger: TestLedger) -> None:
    ledger.append(done(NOON, model="unheard-of"), call(NOON + 1, 10))
    assert simulated(ledger, budget(100, unpriced="block")).blocked == 1
    assert simulated(ledger, budget(100, unpriced="allow")).blocked == 0


def test_a_stated_customer_does_not_count_where_others_reach_the_proxy(ledger: TestLedger) -> None:
    ledger.append(call(NOON, 10, customer="acme"))
    said = budget(5, where={"customer": ("acme",)})
    assert simulated(ledger, said).blocked == 1
    assert simulated(ledger, said, stated_customers=False).calls == 0


def test_a_budget_on_the_customers_price_counts_that(ledger: TestLedger) -> None:
    ledger.append(call(NOON, 40), call(NOON + 1, 40))
    assert simulated(ledger, budget(100)).blocked == 0
    assert simulated(ledger, budget(100, measure="price")).blocked == 1, "the customer pays twice the cost"


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", ["hour", "day", "week", "month", "rolling", "ever"])
def test_random_calls_are_blocked_as_by_hand(
    ledger: TestLedger, kind: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulation, "PIECE_ROWS", 7)
    chance = random.Random(f"{kind}{seed}")
    said = budget(chance.randint(50, 400), kind, rolling_s=3 * 3600, timezone="Europe/Berlin", each="user")
    calls = [
        (NOON + chance.randrange(40 * DAY if kind != "hour" else 9 * HOUR), chance.randint(0, 60), user)
        for _ in range(80)
        for user in [chance.choice("abc")]
    ]
    ledger.append(*(call(at, tokens, user=user) for at, tokens, user in calls))
    since = NOON + chance.randrange(DAY)
    found = simulated(ledger, said, since)
    blocked = by_hand(said, sorted(calls), since)
    assert found.blocked == len(blocked)
    assert found.saved_pico == sum(tokens for _, tokens, _ in blocked) * TOKEN
    assert found.calls == sum(at >= since for at, _, _ in calls)
    assert sum(each.calls for each in found.windows) == found.blocked
    assert sum(calls for _, calls, _ in found.whom) == found.blocked


def by_hand(said: Budget, calls: list[tuple[int, int, str]], since: int) -> list[tuple[int, int, str]]:
    """Return the calls that are blocked, each window added up anew for each call."""
    passed: list[tuple[int, int, str]] = []
    blocked: list[tuple[int, int, str]] = []
    for at, tokens, user in calls:
        start = windows(said, at)[0].start_ns
        if at < since:
            if at >= windows(said, since)[0].start_ns:
                passed.append((at, tokens, user))
            continue
        spent = sum(cost for then, cost, who in passed if who == user and start <= then <= at)
        (blocked if spent + tokens > said.limit_pico // TOKEN else passed).append((at, tokens, user))
    return blocked


def test_it_tells_how_far_it_is_and_reads_only_the_rows_of_the_span(
    ledger: TestLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulation, "PIECE_ROWS", 10)
    ledger.append(*(call(NOON + at, 1) for at in range(35)))
    told: list[int] = []
    Simulation(ledger.connection, budget(100), NOON, NOON + DAY).run(lambda found: told.append(found.seq))
    assert told == [10, 20, 30, 35]


def test_nothing_in_the_record_blocks_nothing(ledger: TestLedger) -> None:
    assert simulated(ledger, budget(1)) == Outcome(0, 0, 0, 0, 0, [], [])
