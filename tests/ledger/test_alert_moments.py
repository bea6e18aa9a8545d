"""Alerts say each thing once: corrections, late calls, clocks that jump, restarts, histories."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import apsw
import msgspec
import pytest
from alert_home import AlertHome, MakeHome, firing, recovered
from calls import DAY, HOUR, MINUTE, NOON, PICO_PER_TOKEN, SECOND
from test_rerating import book, rerate

from farebox.alerts.alert import Alert, Snooze
from farebox.budgets.budget import Budget, Period
from farebox.control.outbox import receivers
from farebox.control.outbox.enqueue_sql import BUSY_MS, writing
from farebox.control.outbox.envelope import ReceiverSettings
from farebox.control.publish import change
from farebox.home import Home

CALL = 15 * PICO_PER_TOKEN
DAILY = Period("day")
SPEND = Alert(name="day", kind="spend", subject="cost", at=(2 * CALL,), period=DAILY)
CHEAP = "gpt-4o: {input_per_1m: 1, output_per_1m: 1}"
DEAR = "gpt-4o: {input_per_1m: 2.5, output_per_1m: 2.5}"


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


def test_at_k1_one_notification_per_threshold_per_window_with_recovery(make: MakeHome) -> None:
    """AT-K1 of PRODUCT.md, by 10,000 calls over a threshold: one message, and one recovery."""
    home = make(Alert(name="k1", kind="spend", subject="cost", at=(5_000 * CALL,), period=DAILY))
    for _ in range(20):
        home.ledger.append(*(home.call() for _ in range(500)))
        home.run()
    assert home.news() == [firing("k1", threshold=5_000 * CALL)]
    home.at(NOON + DAY)
    assert home.news() == [recovered("k1", threshold=5_000 * CALL)]
    home.at(NOON + 2 * DAY)
    assert home.news() == []


def test_a_correction_that_lowers_the_spend_recovers_once(make: MakeHome) -> None:
    home = make(SPEND)
    assert home.append(home.call(), home.call()) == [firing("day", threshold=2 * CALL)]
    rerate(home.ledger, book(CHEAP), 1, 2, priced_too=True)
    home.run()
    assert home.news() == [recovered("day", threshold=2 * CALL)]
    home.at(NOON + DAY)
    assert home.news() == [], "it has recovered already"


def test_a_threshold_that_is_passed_again_is_news_again_with_an_id_of_its_own(make: MakeHome) -> None:
    home = make(SPEND)
    home.append(home.call(), home.call())
    rerate(home.ledger, book(CHEAP), 1, 2, priced_too=True)
    home.run()
    home.news()
    assert home.append(home.call(), home.call(), home.call(), home.call()) == [
        firing("day", threshold=2 * CALL)
    ]
    ids = [each.id for each in home.history()]
    assert len(ids) == len(set(ids)) == 3


def test_a_correction_that_leaves_the_sum_as_it_was_says_nothing(make: MakeHome) -> None:
    home = make(SPEND)
    home.append(home.call(), home.call())
    rerate(home.ledger, book(DEAR), 1, 2, priced_too=True)
    home.run()
    assert home.news() == []


def test_a_late_call_counts_in_the_day_it_occurred_in(make: MakeHome) -> None:
    home = make(SPEND)
    assert home.append(home.call()) == []
    home.at(NOON + DAY)
    late = [home.call(at=NOON + HOUR), home.call(at=NOON + 2 * HOUR)]
    assert home.append(*late) == [firing("day", threshold=2 * CALL)]
    home.at(NOON + DAY + 2 * MINUTE)
    assert home.news() == [recovered("day", threshold=2 * CALL)]
    assert home.append(home.call(at=NOON + HOUR)) == [], "nor again, for the day has ended"


def test_what_comes_more_than_a_day_late_is_no_news(make: MakeHome) -> None:
    home = make(SPEND)
    home.at(NOON + 3 * DAY)
    assert home.append(*(home.call(at=NOON) for _ in range(5))) == []


def test_what_was_imported_fires_nothing(make: MakeHome) -> None:
    imported = {"imported": "claude-code"}
    home = make(
        SPEND,
        Alert(name="errors", kind="errors", at=(1,), over_s=3600),
        Alert(name="models", kind="new", subject="model"),
        Alert(name="free", kind="unpriced", over_s=3600),
    )
    calls = [
        home.call(
            attribution=imported, surface="claude-code.log", witness="agent_log", model=model, status=500
        )
        for model in ("gpt-4o", "unheard-of", "gpt-4o")
    ]
    assert home.append(*calls) == []
    assert ("models", "gpt-4o") not in {each[:2] for each in home.append(home.call(model="gpt-4o"))}


@pytest.mark.parametrize(
    ("day", "hours"), [(datetime(2026, 3, 29, tzinfo=UTC), 23), (datetime(2026, 10, 25, tzinfo=UTC), 25)]
)
def test_a_day_with_a_clock_change_has_its_own_length(make: MakeHome, day: datetime, hours: int) -> None:
    spend = Alert(
        name="day", kind="spend", subject="cost", at=(2 * CALL,), period=DAILY, timezone="Europe/Berlin"
    )
    midnight = int(day.timestamp()) * 10**9 - (HOUR if hours == 23 else 2 * HOUR)
    home = make(spend, now_ns=midnight + MINUTE)
    assert home.append(home.call()) == []
    home.at(midnight + hours * HOUR - MINUTE)
    assert home.append(home.call()) == [firing("day", threshold=2 * CALL)]
    home.at(midnight + hours * HOUR)
    assert home.news() == [recovered("day", threshold=2 * CALL)]


def test_a_clock_that_jumps_ahead_and_back_says_nothing_twice(make: MakeHome) -> None:
    home = make(SPEND)
    home.append(home.call(), home.call())
    home.news()
    home.jump(NOON + 40 * DAY)
    assert home.news() == [recovered("day", threshold=2 * CALL)], "ahead, its day has ended"
    home.jump(NOON + MINUTE)
    assert home.append(home.call()) == [], "and back, the same day fires no second time"
    home.restart()
    assert home.append(home.call()) == []
    home.at(NOON + DAY)
    assert home.news() == []


def test_a_clock_that_jumps_back_fires_nothing_again(make: MakeHome) -> None:
    home = make(SPEND, Alert(name="models", kind="new", subject="model"))
    home.append(home.call(), home.call())
    home.news()
    home.jump(NOON - 5 * DAY)
    home.restart()
    home.run()
    assert home.news() == []
    home.jump(NOON)
    assert home.append(home.call()) == []


def test_a_clock_that_is_put_back_by_hours_leaves_a_rolling_sum_as_it_is(make: MakeHome) -> None:
    rolling = Period("rolling", rolling_s=86_400)
    home = make(Alert(name="roll", kind="spend", subject="cost", at=(2 * CALL,), period=rolling))
    assert home.append(home.call(), home.call()) == [firing("roll", threshold=2 * CALL)]
    home.jump(NOON - 5 * HOUR)
    home.jump(NOON + MINUTE)
    assert home.append(home.call()) == []
    home.at(NOON + DAY + HOUR)
    assert home.news() == [recovered("roll", threshold=2 * CALL)]


def test_sums_survive_a_clock_that_was_ahead(make: MakeHome) -> None:
    home = make(SPEND)
    home.append(home.call())
    home.jump(NOON + 40 * DAY)
    for _ in range(70):
        home.jump(NOON + 40 * DAY)
    home.jump(NOON + MINUTE)
    assert home.append(home.call()) == [firing("day", threshold=2 * CALL)]


@pytest.mark.parametrize("killed", [False, True])
def test_a_restart_says_nothing_again_and_goes_on(make: MakeHome, killed: bool) -> None:
    home = make(SPEND, Alert(name="models", kind="new", subject="model"))
    home.append(home.call(), home.call())
    home.news()
    home.restart(killed=killed)
    home.run()
    assert home.news() == []
    home.restart(killed=killed)
    home.at(NOON + DAY)
    assert [each.state for each in home.events()] == ["recovered", "recovered"]


def test_a_damaged_or_missing_file_of_sums_is_made_anew(make: MakeHome, home: Home) -> None:
    one = make(Alert(name="ever", kind="spend", subject="cost", at=(4 * CALL,), period=Period("ever")))
    one.append(one.call(), one.call(), one.call())
    one.at(NOON + HOUR)
    one.alerting.close()
    for suffix in ("-wal", "-shm"):
        (home.path / f"alerts.sums{suffix}").unlink(missing_ok=True)
    (home.path / "alerts.sums").write_bytes(b"no database" * 1000)
    one.restart(killed=True)
    assert one.append(one.call()) == [firing("ever", threshold=4 * CALL)]
    one.alerting.close()
    (home.path / "alerts.sums").unlink()
    one.restart(killed=True)
    one.run()
    assert one.news() == []


def test_a_new_alert_on_an_old_home_begins_with_what_is_and_says_since_when(make: MakeHome) -> None:
    home = make()
    for number in range(5):
        home.now_ns = NOON + number * 10 * MINUTE
        home.append(home.call())
    home.alerts = (SPEND, Alert(name="errors", kind="errors", at=(1,), over_s=3600))
    home.run()
    (event,) = home.events()
    assert event.alert == "day" and event.measured == 5 * CALL
    assert event.since_ns == NOON + 10 * MINUTE, "the second of five calls passed it"
    home.restart()
    home.run()
    assert home.events() == []


def test_an_alert_that_means_something_else_begins_anew_and_one_that_is_gone_is_silent(
    make: MakeHome,
) -> None:
    home = make(SPEND)
    home.append(home.call(), home.call())
    home.news()
    home.alerts = (Alert(name="day", kind="spend", subject="price", at=(2 * CALL,), period=DAILY),)
    home.run()
    assert home.news() == [firing("day", threshold=2 * CALL)]
    home.alerts = ()
    home.run()
    home.at(NOON + DAY)
    assert home.news() == []


def test_another_threshold_leaves_what_was_told_of_the_others(make: MakeHome) -> None:
    home = make(SPEND)
    home.append(home.call(), home.call())
    home.news()
    home.alerts = (Alert(name="day", kind="spend", subject="cost", at=(CALL, 2 * CALL), period=DAILY),)
    home.run()
    assert home.append(home.call()) == [firing("day", threshold=CALL)]


def told_of(home: AlertHome) -> list[tuple[str, str]]:
    """Return alert and state of what `ops` was told, or will be within the minute, in order."""
    with writing(home.home) as control:
        rows = control.execute(
            "SELECT alert, state FROM alert_event e WHERE channels_told = '[\"ops\"]' "
            "OR EXISTS (SELECT 1 FROM alert_held WHERE event = e.id) ORDER BY at, state"
        )
        return [(str(alert), str(state)) for alert, state in rows]


def with_ops(made: AlertHome) -> AlertHome:
    """Return a home with a channel `ops`, which a spend of two calls a day is told to."""
    made.alerts = (msgspec.structs.replace(SPEND, to=("ops",)),)
    said = ReceiverSettings(url="https://ops.example.com/x", secret={"env": "OPS"}, kinds=())
    with change(made.home) as connection:
        receivers.add(connection, "ops", said, made.now_ns)
    made.run()
    return made


def test_what_is_snoozed_is_in_the_history_and_what_still_fires_afterwards_is_told_then_once(
    make: MakeHome,
) -> None:
    home = with_ops(make())
    home.snoozes = (Snooze(alert="day", since_ns=NOON, until_ns=NOON + HOUR),)
    assert home.append(home.call(), home.call()) == [firing("day", threshold=2 * CALL)]
    home.at(NOON + HOUR - SECOND)
    assert told_of(home) == []
    home.restart(killed=True)
    home.at(NOON + HOUR)
    home.snoozes = ()
    home.at(NOON + 2 * HOUR)
    assert told_of(home) == [("day", "firing")]
    with writing(home.home) as control:
        messages = "SELECT count(*) FROM outbox_message WHERE kind = 'alert.fired'"
        assert list(control.execute(messages)) == [(1,)]


def test_a_snooze_that_is_taken_back_tells_at_once_what_fires(make: MakeHome) -> None:
    home = with_ops(make())
    home.snoozes = (Snooze(alert="day", since_ns=NOON, until_ns=NOON + HOUR),)
    home.append(home.call(), home.call())
    assert told_of(home) == []
    home.snoozes = ()
    home.run()
    assert told_of(home) == [("day", "firing")]


def test_of_what_began_and_ended_while_it_was_snoozed_nobody_is_told(make: MakeHome) -> None:
    home = with_ops(make())
    home.snoozes = (Snooze(alert="day", since_ns=NOON, until_ns=NOON + HOUR),)
    home.append(home.call(), home.call())
    home.news()
    home.at(NOON + MINUTE)
    rerate(home.ledger, book(CHEAP), 1, 2, priced_too=True)
    home.at(NOON + 2 * HOUR)
    assert home.news() == [recovered("day", threshold=2 * CALL)]
    assert told_of(home) == []


def test_what_was_told_and_recovers_while_it_is_snoozed_is_told_as_well(make: MakeHome) -> None:
    home = with_ops(make())
    home.append(home.call(), home.call())
    home.snoozes = (Snooze(alert="day", since_ns=NOON, until_ns=NOON + HOUR),)
    home.at(NOON + MINUTE)
    rerate(home.ledger, book(CHEAP), 1, 2, priced_too=True)
    home.at(NOON + 2 * MINUTE)
    assert told_of(home) == [("day", "firing"), ("day", "recovered")]
    home.append(*(home.call() for _ in range(6)))
    home.at(NOON + 3 * MINUTE)
    assert told_of(home)[2:] == [], "it fires again, and is snoozed"


def test_where_control_db_cannot_be_written_nothing_is_lost(make: MakeHome, home: Home) -> None:
    one = make(SPEND)
    with writing(home):
        one.ledger.append(one.call(), one.call())
        one.monotonic += 1
        one.alerting._look_at = one.alerting._facts_at = 0.0
        import farebox.control.outbox.enqueue_sql as sql

        patience, sql.BUSY_MS = sql.BUSY_MS, 10
        try:
            one.alerting.step(is_idle=True)
        finally:
            sql.BUSY_MS = patience
        assert one.alerting.trouble is not None
    one.monotonic += 2
    one.run()
    assert one.news() == [firing("day", threshold=2 * CALL)]


def test_an_erased_value_is_not_kept_in_the_sums(make: MakeHome, home: Home) -> None:
    one = make(Alert(name="each", kind="spend", subject="cost", each="user", at=(CALL,), period=DAILY))
    secret = "somebody-with-a-name"
    assert one.append(one.call(attribution={"user": secret})) == [firing("each", secret, CALL)]
    one.at(NOON + HOUR)

    def kept() -> bool:
        files = [home.path / f"alerts.sums{suffix}" for suffix in ("", "-wal")]
        return any(secret.encode() in file.read_bytes() for file in files if file.exists())

    assert kept()
    connection = one.ledger.connection
    (number,) = connection.execute("SELECT id FROM personal WHERE value = ?", (secret,)).fetchone()
    with connection:
        connection.execute("UPDATE personal SET value = NULL, salt = NULL WHERE id = ?", (number,))
        one.ledger.applier._marks.write("erase-1", "erased", {"numbers": [number]})
    one.at(NOON + 2 * HOUR)
    assert not kept()
    assert one.news() == [], "what has no name any more is no news"


def test_a_threshold_that_is_lowered_below_the_figure_is_news_without_another_call(make: MakeHome) -> None:
    home = make(Alert(name="day", kind="spend", subject="cost", at=(9 * CALL,), period=DAILY, each="app"))
    assert home.append(*(home.call(attribution={"app": "a"}) for _ in range(3))) == []
    home.alerts = (msgspec.structs.replace(home.alerts[0], at=(2 * CALL, 9 * CALL)),)
    home.run()
    assert home.news() == [firing("day", "a", 2 * CALL)]
    home.alerts = (msgspec.structs.replace(home.alerts[0], to=("ops",)),)
    home.run()
    assert home.news() == [], "who is told changes nothing of it"


def test_a_limit_that_is_lowered_is_news_without_another_call(make: MakeHome) -> None:
    budget = Budget(name="b", limit_pico=10 * CALL, period=DAILY)
    home = make(Alert(name="x", kind="budget", subject="b", at=(1_000_000,)), budgets=(budget,))
    home.append(home.call(), home.call())
    home.budgets = (msgspec.structs.replace(budget, limit_pico=2 * CALL),)
    home.run()
    assert home.news() == [firing("x", threshold=1_000_000)]
    home.budgets = (budget,)
    home.at(NOON + MINUTE)
    assert home.news() == [recovered("x", threshold=1_000_000)]


def test_calls_hardly_wait_while_others_hold_the_control_database(make: MakeHome) -> None:
    home = make(SPEND)
    other = apsw.Connection(str(home.home.control))
    other.execute("BEGIN IMMEDIATE")
    home.ledger.append(home.call(), home.call())
    before = time.monotonic()
    home.monotonic += 2
    home.alerting.step(is_idle=True)
    waited_s = time.monotonic() - before
    assert home.alerting.trouble is not None and "locked" in home.alerting.trouble
    assert waited_s < BUSY_MS / 2_000, "not as long as others may wait"
    other.execute("ROLLBACK")
    other.close()
    home.monotonic += 2
    home.run()
    assert home.news() == [firing("day", threshold=2 * CALL)]


def test_a_storm_is_told_in_bounded_steps_and_nothing_of_it_is_lost(
    make: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = Alert(name="a", kind="usage", subject="calls", at=(1,), period=DAILY, each="app", to=("ops",))
    home = make(each, msgspec.structs.replace(each, name="b"))
    judge, committed = home.alerting._judge, list[int]()
    judge._changes_at_once = 7
    commit = home.alerting._commit

    def counted(changes: Any, *more: Any) -> None:
        committed.append(len(changes))
        commit(changes, *more)

    monkeypatch.setattr(home.alerting, "_commit", counted)
    found = home.append(*(home.call(attribution={"app": f"app-{number}"}) for number in range(30)))
    assert sorted(found) == sorted(firing(name, f"app-{at}", 1) for name in "ab" for at in range(30))
    assert len([each for each in committed if each]) > 5 and max(committed) <= 8
    home.at(NOON + DAY)
    for _ in range(10):
        home.run()
    assert len(home.news()) == 60, "each has recovered"
    assert max(committed) <= 8


def test_calls_that_come_between_two_judgements_are_added_together_and_none_waits_longer(
    make: MakeHome,
) -> None:
    one = make(Alert(name="calls", kind="usage", subject="calls", at=(3,), period=Period("ever")))
    one.run()
    one.append(one.call())
    before = one.alerting._running
    assert before is not None
    seq, one.monotonic = before.seq, one.monotonic + 1
    one.ledger.append(one.call())
    one.alerting.step(is_idle=True)
    assert before.seq == seq + 1  # the first one after a while is looked at at once
    one.ledger.append(one.call())
    one.monotonic += 0.1
    assert not one.alerting.step(is_idle=True)
    assert (before.seq, one.news()) == (seq + 1, [])
    assert one.alerting.due_in_s() == pytest.approx(0.15)
    one.monotonic += one.alerting.due_in_s()
    one.alerting.step(is_idle=True)
    assert (before.seq, one.news()) == (seq + 2, [firing("calls", None, 3)])


def test_a_record_that_is_behind_is_judged_once_a_second_and_then_as_soon_as_ever(make: MakeHome) -> None:
    one = make(Alert(name="calls", kind="usage", subject="calls", at=(2, 3), period=Period("ever")))
    one.run()
    one.ledger.append(one.call())
    one.monotonic += 1
    one.alerting.step(is_idle=False)
    one.ledger.append(one.call())
    one.monotonic += 0.9
    one.alerting.step(is_idle=False)
    assert one.news() == []
    one.monotonic += 0.15
    one.alerting.step(is_idle=False)
    assert one.news() == [firing("calls", None, 2)]
    one.ledger.append(one.call())
    one.monotonic += 0.3
    one.alerting.step(is_idle=False)
    assert one.news() == []
    one.alerting.step(is_idle=True)
    assert one.news() == [firing("calls", None, 3)]
