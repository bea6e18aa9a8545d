"""Each kind of alert: what it fires for, and when it has recovered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from alert_home import AlertHome, MakeHome, Said, firing, recovered
from calls import DAY, HOUR, MINUTE, NOON, PICO_PER_TOKEN
from test_rerating import PRICE, book, new_model, rerate

from farebox.alerts.alert import Alert
from farebox.budgets.budget import Budget, Period
from farebox.home import Home
from farebox.journal.records import Done, Held
from farebox.ledger.alerting.facts import Facts, UnmeteredClient, WalletLeft

CALL = 15 * PICO_PER_TOKEN
"""What a call costs that says nothing else; its customer is charged twice as much."""
DAILY = Period("day")
PPM = 1_000_000
HOURLY: dict[str, Any] = {"over_s": 3600}


@pytest.fixture
def make(home: Home) -> Iterator[MakeHome]:
    made: list[AlertHome] = []

    def make_home(*alerts: Alert, **more: Any) -> AlertHome:
        made.append(AlertHome(home, *alerts, **more))
        made[-1].run()
        return made[-1]

    yield make_home
    for each in made:
        each.alerting.close()
        each.ledger.connection.close()


def cached(call: Done, **quantities: int) -> Done:
    """Return a call with other quantities, as `cache_read=900`."""
    part = msgspec.structs.replace(call.extraction.parts[0], quantities=quantities)
    return msgspec.structs.replace(call, extraction=msgspec.structs.replace(call.extraction, parts=(part,)))


def test_spend_fires_once_a_threshold_and_recovers_as_the_day_ends(make: MakeHome) -> None:
    home = make(Alert(name="day", kind="spend", subject="cost", at=(2 * CALL, 4 * CALL), period=DAILY))
    assert home.append(home.call()) == []
    assert home.append(home.call()) == [firing("day", threshold=2 * CALL)]
    assert home.append(home.call()) == []
    assert home.append(home.call(), home.call()) == [firing("day", threshold=4 * CALL)]
    home.at(NOON + DAY)
    assert home.news() == [recovered("day", threshold=2 * CALL), recovered("day", threshold=4 * CALL)]
    home.at(NOON + DAY + HOUR)
    assert home.news() == [], "it recovers once"
    assert home.append(home.call(), home.call()) == [firing("day", threshold=2 * CALL)], "each day anew"


def test_spend_of_each_customer_is_watched_by_itself(make: MakeHome) -> None:
    home = make(
        Alert(name="each", kind="spend", subject="price", each="customer", at=(4 * CALL,), period=DAILY)
    )
    acme, other = {"customer": "acme"}, {"customer": "other"}
    assert home.append(home.call(attribution=acme), home.call(attribution=other), home.call()) == []
    assert home.append(home.call(attribution=acme)) == [firing("each", "acme", 4 * CALL)]
    (event,) = [each for each in home.history() if each.state == "firing"]
    assert event.where == {"customer": ("acme",)} and event.measured == 4 * CALL
    home.at(NOON + DAY)
    assert home.news() == [recovered("each", "acme", 4 * CALL)]


def test_a_repeating_step_goes_on_from_the_last_threshold(make: MakeHome) -> None:
    """The vector `alert-4`: 50 and a step of 100, passed from 33 to 351."""
    home = make(
        Alert(name="calls", kind="usage", subject="calls", at=(50,), every=100, period=Period("ever"))
    )
    assert home.append(*(home.call() for _ in range(33))) == []
    assert home.append(*(home.call() for _ in range(318))) == [
        firing("calls", threshold=each) for each in (50, 150, 250, 350)
    ]
    assert home.append(*(home.call() for _ in range(98))) == []
    assert home.append(home.call()) == [firing("calls", threshold=450)]


def test_usage_counts_tokens_and_recovers_with_the_hour(make: MakeHome) -> None:
    home = make(Alert(name="out", kind="usage", subject="output_tokens", at=(12,), period=Period("hour")))
    assert home.append(home.call(), home.call()) == []
    assert home.append(home.call()) == [firing("out", threshold=12)]
    home.at(NOON + HOUR)
    assert home.news() == [recovered("out", threshold=12)]


def test_a_rolling_period_recovers_as_calls_leave_it(make: MakeHome) -> None:
    home = make(
        Alert(name="roll", kind="spend", subject="cost", at=(2 * CALL,), period=Period("rolling", 3600))
    )
    assert home.append(home.call()) == []
    home.at(NOON + 30 * MINUTE)
    assert home.append(home.call()) == [firing("roll", threshold=2 * CALL)]
    home.at(NOON + 62 * MINUTE)
    assert home.news() == [recovered("roll", threshold=2 * CALL)]


def test_a_budget_fires_at_shares_of_its_limit(make: MakeHome) -> None:
    budget = Budget(
        name="acme-daily", where={"customer": ("acme",)}, limit_pico=4 * CALL, period=DAILY, exempt=("free",)
    )
    alert = Alert(name="acme", kind="budget", subject="acme-daily", at=(PPM // 2, PPM))
    home = make(alert, budgets=(budget,))
    acme = {"customer": "acme"}
    assert home.append(home.call(attribution=acme), home.call(attribution=acme, key="free")) == []
    assert home.append(home.call(attribution=acme)) == [firing("acme", threshold=PPM // 2)]
    assert home.append(home.call(attribution=acme), home.call(attribution=acme)) == [
        firing("acme", threshold=PPM)
    ]
    event = home.history()[-1]
    assert event.basis == "$0.00015 of $0.00015" and event.where == {"customer": ("acme",)}
    home.at(NOON + DAY)
    assert home.news() == [recovered("acme", threshold=PPM // 2), recovered("acme", threshold=PPM)]


@pytest.mark.parametrize("measure", ["cost", "price"])
def test_a_budget_alert_counts_an_unknown_cost_as_the_budget_does(make: MakeHome, measure: Any) -> None:
    """By what may have been spent calls are refused: the alert does not come behind that."""
    budget = Budget(name="day", limit_pico=10 * CALL, period=DAILY, measure=measure)
    home = make(Alert(name="b", kind="budget", subject="day", at=(PPM // 2, PPM)), budgets=(budget,))
    held = Held(9 * CALL, 9 * CALL, 1, ())
    unknown = home.call(model="unheard-of", held=held)
    assert home.append(unknown) == [firing("b", threshold=PPM // 2)]
    assert home.history()[-1].basis.endswith("of it the most that calls without a known cost can be")
    home.restart(killed=True)
    assert home.append(home.call()) == [firing("b", threshold=PPM)]


def test_a_budget_alert_recovers_as_a_cost_becomes_known(make: MakeHome) -> None:
    budget = Budget(name="day", limit_pico=10 * CALL, period=DAILY)
    home = make(Alert(name="b", kind="budget", subject="day", at=(PPM,)), budgets=(budget,))
    held = Held(30 * CALL, 30 * CALL, 1, ())
    home.ledger.applier.use(book())
    assert home.append(new_model(held=held)) == [firing("b", threshold=PPM)]
    rerate(home.ledger, book(PRICE), 1)
    home.run()
    assert home.news() == [recovered("b", threshold=PPM)]


def test_a_wallet_fires_on_the_way_down_and_recovers_with_a_payment(make: MakeHome) -> None:
    dollar = 10**12
    home = make(Alert(name="low", kind="wallet", subject="*", at=(5 * dollar, 20 * dollar)))

    def left(amount: int) -> list[Said]:
        home.facts = Facts(wallets=(WalletLeft("acme", amount * dollar, "USD"),))
        home.run()
        return home.news()

    assert left(30) == []
    assert left(20) == [firing("low", "acme", 20 * dollar)]
    assert left(12) == []
    assert left(3) == [firing("low", "acme", 5 * dollar)]
    assert left(25) == [recovered("low", "acme", 5 * dollar), recovered("low", "acme", 20 * dollar)]


def test_a_wallet_that_is_no_more_recovers(make: MakeHome) -> None:
    home = make(Alert(name="low", kind="wallet", subject="*", at=(10**12,)))
    for wallets, news in (
        ((WalletLeft("acme", 0, "USD"),), [firing("low", "acme", 10**12)]),
        (None, []),  # nobody knows just now
        ((), [recovered("low", "acme", 10**12)]),
    ):
        home.facts = Facts(wallets=wallets)
        home.run()
        assert home.news() == news


def test_a_wallet_in_another_currency_says_so(make: MakeHome) -> None:
    home = make(Alert(name="low", kind="wallet", subject="acme", at=(10**12,)))
    home.facts = Facts(wallets=(WalletLeft("acme", 0, "EUR"), WalletLeft("other", 0, "EUR")))
    home.run()
    (event,) = home.events()
    assert (event.value, event.unit, event.currency) == ("acme", "pico_currency", "EUR")


def test_a_rise_fires_against_the_span_before_and_recovers_once_it_is_usual(make: MakeHome) -> None:
    home = make(Alert(name="rise", kind="rise", subject="cost", at=(PPM,), over_s=3600, least=3))
    assert home.append(*(home.call() for _ in range(4))) == []
    home.at(NOON + HOUR)
    assert home.append(*(home.call() for _ in range(7))) == []
    assert home.append(home.call()) == [firing("rise", threshold=PPM)], "twice as much"
    assert "(+100%)" in home.history()[-1].basis
    home.at(NOON + 2 * HOUR)
    assert home.append(*(home.call() for _ in range(8))) == [recovered("rise", threshold=PPM)]


def test_too_few_calls_are_no_rise(make: MakeHome) -> None:
    home = make(Alert(name="rise", kind="rise", subject="calls", at=(PPM,), over_s=3600, least=10))
    home.append(home.call())
    home.at(NOON + HOUR)
    assert home.append(*(home.call() for _ in range(9))) == []
    assert home.append(home.call()) == [firing("rise", threshold=PPM)]


def test_an_anomaly_fires_within_the_hour_and_recovers_after_an_hour_as_usual(make: MakeHome) -> None:
    home = make(Alert(name="jump", kind="anomaly", subject="cost", where={"app": ("ingest",)}))
    ingest = {"app": "ingest"}
    begin = NOON - 35 * DAY
    for hour in range(35 * 24):
        home.ledger.append(
            *(home.call(at=begin + hour * HOUR + part * 10 * MINUTE, attribution=ingest) for part in range(6))
        )
    home.run()
    assert home.news() == [], "nothing of the past is news"
    for minute in range(0, 60, 10):
        home.at(NOON + minute * MINUTE)
        home.append(*(home.call(attribution=ingest) for _ in range(3)))
    (event,) = home.events() or [e for e in home.history() if e.state == "firing"]
    assert event.at_ns < NOON + HOUR
    assert event.basis.startswith("median $0.000225 an hour over 5 ")
    for hour in (1, 2):
        for minute in range(0, 60, 10):
            home.at(NOON + hour * HOUR + minute * MINUTE)
            home.append(home.call(attribution=ingest))
    home.at(NOON + 3 * HOUR)
    assert [each.state for each in home.history()] == ["firing", "recovered"]


def test_a_new_model_is_news_once_and_known_a_day_later(make: MakeHome) -> None:
    home = make(Alert(name="models", kind="new", subject="model"))
    assert home.append(home.call(model="gpt-4o")) == [firing("models", "gpt-4o")]
    assert home.append(home.call(model="gpt-4o")) == []
    home.at(NOON + DAY)
    assert home.news() == [recovered("models", "gpt-4o")]
    assert home.append(home.call(model="gpt-4o")) == []


def test_what_the_record_knows_is_not_new(make: MakeHome, home: Home) -> None:
    old = make()
    old.append(old.call(model="gpt-4o", key="k1"), old.call(attribution={"imported": "csv"}, model="gpt-3"))
    old.alerts = (
        Alert(name="models", kind="new", subject="model"),
        Alert(name="keys", kind="new", subject="key"),
    )
    old.run()
    assert old.news() == []
    assert old.append(old.call(model="gpt-4o", key="k2")) == [firing("keys", "k2")]


def test_calls_without_a_price_fire_and_recover_once_they_have_one(make: MakeHome) -> None:
    home = make(Alert(name="free", kind="unpriced", **HOURLY))
    assert home.append(home.call()) == []
    assert home.append(home.call(model="unheard-of")) == [firing("free")]
    assert home.append(home.call(model="unheard-of")) == []
    home.at(NOON + 2 * HOUR)
    assert home.news() == [recovered("free")]


def test_prices_that_change_are_news_by_their_digest(make: MakeHome) -> None:
    home = make(Alert(name="prices", kind="prices", subject="changed"))

    def digest(text: str) -> list[Said]:
        home.facts = Facts(prices=text)
        home.run()
        return home.news()

    assert digest("one") == [], "what is in force as the rule is made"
    assert digest("two") == [firing("prices", "two")]
    assert digest("two") == []
    assert digest("one") == [recovered("prices", "two"), firing("prices", "one")], "back again is news"
    home.at(NOON + DAY)
    assert home.news() == [recovered("prices", "one")]


def test_stale_prices_recover_once_they_are_looked_up(make: MakeHome) -> None:
    home = make(Alert(name="stale", kind="prices", subject="stale", over_s=7 * 86_400))
    home.facts = Facts(prices_checked_ns=NOON - 6 * DAY)
    home.run()
    assert home.news() == []
    home.at(NOON + DAY)
    assert home.news() == [firing("stale")]
    home.facts = Facts(prices_checked_ns=NOON + DAY)
    home.run()
    assert home.news() == [recovered("stale")]


def test_cache_hits_below_a_share(make: MakeHome) -> None:
    home = make(Alert(name="hits", kind="cache_hits", subject="below", at=(PPM // 2,), least=2, **HOURLY))
    good = [cached(home.call(), cache_read=900, input_uncached=100, output_text=1) for _ in range(4)]
    assert home.append(*good) == []
    bad = [cached(home.call(), input_uncached=5_000, output_text=1)]
    assert home.append(*bad) == [firing("hits", threshold=PPM // 2)]
    home.at(NOON + 2 * HOUR)
    again = [cached(home.call(), cache_read=900, input_uncached=100, output_text=1) for _ in range(2)]
    assert home.append(*again) == [recovered("hits", threshold=PPM // 2)]


def test_cache_hits_that_collapse_against_the_day_before(make: MakeHome) -> None:
    home = make(Alert(name="hits", kind="cache_hits", subject="fall", at=(PPM // 2,), least=2, **HOURLY))
    good: dict[str, int] = {"cache_read": 900, "input_uncached": 100, "output_text": 1}
    for hour in range(24):
        home.at(NOON + hour * HOUR)
        assert home.append(cached(home.call(), **good), cached(home.call(), **good)) == []
    home.at(NOON + 25 * HOUR)
    bad = [cached(home.call(), cache_read=100, input_uncached=900, output_text=1) for _ in range(2)]
    assert home.append(*bad) == [firing("hits", threshold=PPM // 2)]
    assert home.history()[-1].basis == "10% of input came from the cache in 1 hour, 90% in the day before"
    home.at(NOON + 26 * HOUR + 10 * MINUTE)
    again = [cached(home.call(), **good) for _ in range(4)]
    assert home.append(*again) == [recovered("hits", threshold=PPM // 2)]


def test_a_cache_lifetime_that_shifts_to_five_minutes(make: MakeHome) -> None:
    home = make(Alert(name="life", kind="cache_lifetime", at=(PPM // 2,), least=2, **HOURLY))
    for hour in range(24):
        home.at(NOON + hour * HOUR)
        assert home.append(cached(home.call(), cache_write_1h=100, input_uncached=1, output_text=1)) == []
    home.at(NOON + 25 * HOUR)
    short = [cached(home.call(), cache_write_5m=100, input_uncached=1, output_text=1) for _ in range(2)]
    assert home.append(*short) == [firing("life", threshold=PPM // 2)]
    assert "0% of what was cached in 1 hour is kept for an hour, 100% in" in home.history()[-1].basis
    home.at(NOON + 27 * HOUR)
    assert home.news() == [recovered("life", threshold=PPM // 2)], "nothing is written any more"


def test_a_storm_of_retries(make: MakeHome) -> None:
    home = make(Alert(name="again", kind="retries", at=(PPM // 2,), least=4, **HOURLY))
    assert home.append(home.call(), home.call(attempt=1), home.call(attempt=2)) == [], "three calls are few"
    assert home.append(home.call(attempt=1)) == [firing("again", threshold=PPM // 2)]
    assert home.history()[-1].basis == "3 of 4 calls were retries in 1 hour"
    assert home.append(*(home.call() for _ in range(4))) == [recovered("again", threshold=PPM // 2)]


def test_a_rate_of_errors(make: MakeHome) -> None:
    home = make(Alert(name="errors", kind="errors", at=(PPM // 10,), least=10, **HOURLY))
    assert home.append(*(home.call() for _ in range(9))) == []
    assert home.append(home.call(status=500)) == [firing("errors", threshold=PPM // 10)]
    assert home.append(home.call()) == [], "it swings around the threshold"
    assert home.append(*(home.call() for _ in range(3))) == [recovered("errors", threshold=PPM // 10)]


def test_errors_recover_where_no_call_comes_any_more(make: MakeHome) -> None:
    home = make(Alert(name="errors", kind="errors", at=(PPM // 10,), **HOURLY))
    assert home.append(home.call(status=503)) == [firing("errors", threshold=PPM // 10)]
    home.at(NOON + 2 * HOUR)
    assert home.news() == [recovered("errors", threshold=PPM // 10)]


def test_a_percentile_of_response_times(make: MakeHome) -> None:
    home = make(
        Alert(name="slow", kind="latency", subject="p95", at=(2_345_678,), each="model", least=20, **HOURLY)
    )
    quick = [home.call(total_us=400_000) for _ in range(19)]
    assert home.append(*quick, home.call(total_us=2_345_677)) == []
    assert home.append(home.call(total_us=2_345_678), home.call(total_us=60_000_000)) == [
        firing("slow", "gpt-4o", 2_345_678)
    ]
    assert home.append(*(home.call(total_us=400_000) for _ in range(100))) == [
        recovered("slow", "gpt-4o", 2_345_678)
    ]


def test_a_margin_below(make: MakeHome) -> None:
    # Each call's price is twice its cost: a margin of half.
    home = make(Alert(name="margin", kind="margin", at=(6 * PPM // 10,), period=DAILY, least=2))
    assert home.append(home.call()) == [], "one call says little"
    assert home.append(home.call()) == [firing("margin", threshold=6 * PPM // 10)]
    assert home.history()[-1].measured == PPM // 2
    home.at(NOON + DAY)
    assert home.news() == [recovered("margin", threshold=6 * PPM // 10)]


def test_no_data_fires_for_a_value_that_falls_silent(make: MakeHome) -> None:
    home = make(Alert(name="silent", kind="no_data", each="app", over_s=600))
    assert home.append(home.call(attribution={"app": "a"}), home.call(attribution={"app": "b"})) == []
    home.at(NOON + 9 * MINUTE)
    home.append(home.call(attribution={"app": "b"}))
    home.at(NOON + 11 * MINUTE)
    assert home.news() == [firing("silent", "a")]
    home.at(NOON + 12 * MINUTE)
    assert home.append(home.call(attribution={"app": "a"})) == [recovered("silent", "a")]


def test_while_the_machine_slept_nothing_could_come(make: MakeHome) -> None:
    home = make(Alert(name="silent", kind="no_data", over_s=600))
    home.append(home.call())
    home.jump(NOON + HOUR)  # its clock goes on; what counts the time that it runs does not
    assert home.news() == []
    home.at(NOON + HOUR + 9 * MINUTE)
    assert home.news() == []
    home.at(NOON + HOUR + 11 * MINUTE)
    assert home.news() == [firing("silent")]
    home.jump(NOON + 3 * HOUR)
    assert home.news() == [], "no call has come: it is not over"
    assert home.append(home.call()) == [recovered("silent")]


def test_no_data_fires_for_calls_that_never_came(make: MakeHome) -> None:
    home = make(Alert(name="never", kind="no_data", where={"app": ("typo",)}, over_s=600))
    home.append(home.call(attribution={"app": "right"}))
    home.at(NOON + 9 * MINUTE)
    assert home.news() == []
    home.at(NOON + 11 * MINUTE)
    assert home.news() == [firing("never")]
    assert home.append(home.call(attribution={"app": "typo"})) == [recovered("never")]


def test_missing_records_fire_and_are_over_a_day_later(make: MakeHome) -> None:
    home = make(Alert(name="lost", kind="missing", at=(3,)))
    incidents = home.ledger.applier._marks

    def lose(records: int) -> list[Said]:
        with home.ledger.connection:
            incidents.write("proxy-1", "lost", {"records": records, "exchanges": records})
        home.run()
        return home.news()

    assert lose(2) == []
    assert lose(2) == [firing("lost", threshold=3)]
    assert "4 could not be kept" in home.history()[-1].basis
    home.at(NOON + DAY + HOUR)
    assert home.news() == [recovered("lost", threshold=3)]


def test_a_client_that_is_not_metered_any_more(make: MakeHome) -> None:
    home = make(Alert(name="past", kind="unmetered", over_s=600))

    def seen(since: int, last: int) -> list[Said]:
        client = UnmeteredClient("python app.py", "api.openai.com", "direct", since, last)
        home.facts = Facts(unmetered=(client,))
        home.run()
        return home.news()

    assert seen(NOON - 5 * MINUTE, NOON) == []
    assert seen(NOON - 11 * MINUTE, NOON) == [firing("past", "python app.py")]
    home.at(NOON + 61 * MINUTE)
    assert home.news() == [recovered("past", "python app.py")]
