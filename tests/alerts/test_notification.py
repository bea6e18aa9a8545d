"""Who is told of events, in how many messages: the first news at once, a storm as one, nothing twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from farebox.alerts.event import AlertEvent
from farebox.alerts.notification import HELD_S, LISTED_MAX, flush, notify
from farebox.channels.news import alert_news, news_of
from farebox.control.database import open_control
from farebox.control.outbox import messages, receivers
from farebox.control.outbox.enqueue_sql import Connection, writing
from farebox.control.outbox.envelope import PAYLOAD_BYTES_MAX, ReceiverSettings
from farebox.control.publish import change
from farebox.control.schema import alert_event, alert_held, outbox_message
from farebox.home import Home

S = 10**9
NOW = 1_800_000_000 * S
HOOK = {"url": "https://ops.example.com/x", "secret": {"env": "OPS"}}


@pytest.fixture
def home(away_from_home: Path) -> Home:
    home = Home(away_from_home)
    home.prepare()
    with change(home) as connection:
        for name, said in (
            ("ops", ReceiverSettings(**HOOK, kinds=())),
            ("chat", ReceiverSettings(form="slack", secret={"env": "CHAT"}, kinds=())),
            ("oncall", ReceiverSettings(form="pagerduty", url=HOOK["url"], secret={"env": "PD"}, kinds=())),
            ("all", ReceiverSettings(**HOOK, kinds=("alert.*",))),
            ("fired", ReceiverSettings(**HOOK, kinds=("alert.fired",))),
            ("prices", ReceiverSettings(**HOOK, kinds=("prices.*",))),
        ):
            receivers.add(connection, name, said, NOW)
    return home


def event(number: int = 0, **more: Any) -> AlertEvent:
    said: dict[str, Any] = {
        "id": f"event-{number}",
        "alert": "acme-spend",
        "kind": "spend",
        "subject": "cost",
        "severity": "warning",
        "state": "firing",
        "threshold": 10 * 10**12,
        "measured": 10_020_000_000_000,
        "unit": "pico_usd",
        "since_ns": NOW,
        "at_ns": NOW + number,
        "seq": number,
        "from_ns": NOW - 3600 * S,
        "until_ns": NOW,
        "where": {"customer": ("acme",)},
        "to": ("ops",),
    }
    return AlertEvent(**said | more)


def stored(connection: Connection, events: Sequence[AlertEvent]) -> None:
    """Write the events' rows, as whoever evaluates does before it notifies."""
    for each in events:
        connection.execute(
            "INSERT INTO alert_event (id, alert, value, state, at, seq, body, channels_told) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, '[]') ON CONFLICT DO NOTHING",
            (
                *(each.id, each.alert, each.value or "", each.state, each.at_ns, each.seq),
                msgspec.json.encode(each).decode(),
            ),
        )


def happen(home: Home, *events: AlertEvent, at_ns: int = NOW) -> int | None:
    with writing(home) as connection:
        stored(connection, events)
        notify(connection, events, at_ns)
        return flush(connection, at_ns)


def told(home: Home, name: str) -> list[Any]:
    """Return the data of what a receiver is sent, in order."""
    with open_control(home).reading() as connection:
        found = messages.deliveries(connection, of=name, limit=None)
        texts = [bytes(messages.stored(connection, each.id).payload).decode() for each in reversed(found)]
    return [{"type": json.loads(text)["type"], **json.loads(text)["data"]} for text in texts]


def test_the_first_news_goes_at_once_and_says_what_happened_since_when_and_how_much(home: Home) -> None:
    assert happen(home, event(is_at_least=True, basis="the day began")) is None
    (found,) = told(home, "ops")
    assert found["type"] == "alert.fired"
    assert found["title"] == "acme-spend: at least $10.02 spent, threshold $10.00"
    (item,) = found["alerts"]
    assert (item["measured"], item["threshold"], item["unit"]) == ("10.02", "10", "USD")
    assert item["at_least"] is True
    assert item["since"] == "2027-01-15T08:00:00.000000Z"
    assert item["where"] == {"customer": ["acme"]}
    assert "link" not in found, "it is completed when it is sent"


def test_whoever_subscribed_is_told_of_every_alert_and_nobody_else(home: Home) -> None:
    happen(home, event())
    happen(home, event(1, state="recovered"), at_ns=NOW + 3600 * S)
    assert [each["type"] for each in told(home, "all")] == ["alert.fired", "alert.recovered"]
    assert [each["type"] for each in told(home, "fired")] == ["alert.fired"]
    assert told(home, "chat") == told(home, "prices") == []


def test_what_follows_within_a_minute_goes_as_one_message_the_most_severe_first(home: Home) -> None:
    happen(home, event(0))
    later = [event(1), event(2, severity="critical", alert="b"), event(3, state="recovered", severity="info")]
    for at, each in enumerate(later, start=1):
        assert happen(home, each, at_ns=NOW + at * S) == NOW + HELD_S * S
    assert len(told(home, "ops")) == 1
    assert happen(home, at_ns=NOW + HELD_S * S) is None
    _, group = told(home, "ops")
    assert (group["count"], group["severity"], group["type"]) == (3, "critical", "alert.fired")
    assert [each["id"] for each in group["alerts"]] == ["event-2", "event-1", "event-3"]
    assert group["title"].startswith("2 alerts, 1 recovered: b: ")


def test_a_storm_is_one_message_that_counts_what_it_does_not_list(home: Home) -> None:
    happen(home, event(0))
    happen(home, *(event(n, value=f"v{n}") for n in range(1, 5_001)), at_ns=NOW + S)
    happen(home, *(event(n, value=f"v{n}") for n in range(5_001, 10_001)), at_ns=NOW + 2 * S)
    happen(home, at_ns=NOW + 61 * S)
    _, group = told(home, "ops")
    assert (group["count"], len(group["alerts"]), group["left_out"]) == (10_000, LISTED_MAX, 9_980)
    assert group["title"].startswith("10,000 alerts: ")


def test_a_message_stays_far_below_what_the_outbox_takes_whatever_it_is_about(home: Home) -> None:
    long = "😀" * 500
    where = {"customer": (long,) * 9}
    events = [event(n, alert=f"a{n}", value=long, basis=long, where=where) for n in range(40)]
    happen(home, *events)
    with open_control(home).reading() as connection:
        sizes = [len(text.encode()) for text in connection.scalars(select(outbox_message.c.payload))]
    assert sizes
    assert max(sizes) < PAYLOAD_BYTES_MAX - 8_000
    (group,) = told(home, "ops")
    assert group["count"] == 40
    assert group["left_out"] == 40 - len(group["alerts"]) > 20


def test_after_a_quiet_minute_the_next_news_goes_at_once(home: Home) -> None:
    happen(home, event(0))
    happen(home, event(1), at_ns=NOW + HELD_S * S)
    assert len(told(home, "ops")) == 2


def test_channels_do_not_hold_each_others_news(home: Home) -> None:
    happen(home, event(0))
    happen(home, event(1, to=("chat",)), at_ns=NOW + S)
    assert len(told(home, "chat")) == 1


def test_an_event_that_is_evaluated_again_is_not_told_again(home: Home) -> None:
    first, second = event(0), event(1)
    happen(home, first)
    happen(home, second, at_ns=NOW + S)
    happen(home, first, second, at_ns=NOW + 2 * S)  # after a crash, from an older row on
    happen(home, at_ns=NOW + 61 * S)
    happen(home, first, second, at_ns=NOW + 600 * S)
    ids = [[item["id"] for item in each["alerts"]] for each in told(home, "ops")]
    assert ids == [["event-0"], ["event-1"]]


def test_the_history_says_which_channels_were_told_once_they_are(home: Home) -> None:
    happen(home, event(0))
    happen(home, event(1), at_ns=NOW + S)
    with open_control(home).reading() as connection:
        rows = connection.execute(select(alert_event.c.id, alert_event.c.channels_told))
        names = {row.id: row.channels_told for row in rows}
    assert json.loads(names["event-0"]) == ["all", "fired", "ops"]
    assert json.loads(names["event-1"]) == []


def test_what_is_rolled_back_is_not_told(home: Home) -> None:
    with pytest.raises(ZeroDivisionError), writing(home) as connection:
        stored(connection, [event()])
        notify(connection, [event()], NOW)
        raise ZeroDivisionError
    assert told(home, "ops") == []


def test_a_clock_that_is_put_back_holds_nothing_for_longer_than_a_minute(home: Home) -> None:
    happen(home, event(0))
    happen(home, event(1), at_ns=NOW + S)
    past = NOW - 86_400 * S
    assert happen(home, at_ns=past) is None, "what is held is due"
    assert len(told(home, "ops")) == 2
    happen(home, event(2), at_ns=past + S)
    assert happen(home, at_ns=past + 62 * S) is None
    assert len(told(home, "ops")) == 3


def test_a_channel_that_was_removed_meanwhile_is_told_nothing(home: Home) -> None:
    happen(home, event(0))
    happen(home, event(1), at_ns=NOW + S)
    with change(home) as connection:
        receivers.remove(connection, "ops")
    assert happen(home, event(2), at_ns=NOW + 61 * S) is None
    with open_control(home).reading() as connection:
        assert not connection.execute(select(alert_held).where(alert_held.c.channel == "ops")).all()


def test_pagerduty_is_told_of_each_alert_in_order_and_none_is_left_out(home: Home) -> None:
    events = [event(n, value=f"v{n}", condition=f"c{n}", to=("oncall",)) for n in range(45)]
    recovery = event(45, value="v3", condition="c3", state="recovered", to=("oncall",))
    happen(home, *events, recovery)
    groups = told(home, "oncall")
    assert [len(each["alerts"]) for each in groups] == [20, 20, 6]
    assert all("left_out" not in each for each in groups)
    items = [item for each in groups for item in each["alerts"]]
    assert [each["id"] for each in items] == [f"event-{n}" for n in range(46)]
    assert [each["condition"] for each in items] == [f"c{n}" for n in (*range(45), 3)]


def test_a_recovery_goes_to_whom_its_firing_was_told_and_to_who_wants_recoveries_alone(home: Home) -> None:
    with change(home) as connection:
        said = ReceiverSettings(**HOOK, kinds=("alert.recovered",))
        receivers.add(connection, "recovered", said, NOW)
    happen(home, event(1, to=("chat",)))
    over = event(2, state="recovered", to=("ops", "chat"), ends="event-1")
    happen(home, over, at_ns=NOW + 2 * HELD_S * S)
    knows = {name: len(told(home, name)) for name in ("chat", "all", "fired", "recovered", "ops", "prices")}
    assert knows == {"chat": 2, "all": 2, "fired": 1, "recovered": 1, "ops": 0, "prices": 0}


def test_nobody_hears_the_end_of_what_nobody_was_told_of(home: Home) -> None:
    with writing(home) as connection:
        stored(connection, [event(1)])  # snoozed: not handed on
    happen(home, event(2, state="recovered", ends="event-1"))
    assert told(home, "ops") == told(home, "all") == []


def test_no_key_is_in_a_message_but_the_beginning_of_its_fingerprint(home: Home) -> None:
    key = "0123456789abcdef"
    happen(home, event(0, value=key, where={"key": (key,)}), event(1, kind="new", subject="key", value=key))
    with open_control(home).reading() as connection:
        for payload in connection.scalars(select(outbox_message.c.payload)):
            assert key not in payload
            assert "01234567" in payload


def test_every_payload_can_be_read_again_and_shown(home: Home) -> None:
    happen(home, event(0, value="acme"))
    with open_control(home).reading() as connection:
        payload = connection.scalars(select(outbox_message.c.payload).limit(1)).one()
    news = alert_news(payload)
    assert news is not None
    assert news.alerts[0].value == "acme"
    shown = news_of(payload).text()
    assert shown.splitlines()[0] == "acme-spend for acme: $10.02 spent, threshold $10.00"
    assert "Since 2027-01-15 08:00:00 UTC, warning" in shown


def test_of_incidents_none_is_left_out_however_long_their_filters_are(home: Home) -> None:
    long = {f"tag.t{number}": tuple(f"{each}-{'x' * 190}" for each in range(5)) for number in range(4)}
    found = [event(number, to=("oncall",), where=long) for number in range(40)]
    happen(home, *found)
    listed = [item["id"] for message in told(home, "oncall") for item in message["alerts"]]
    assert sorted(listed) == sorted(each.id for each in found)
    assert all("left_out" not in message for message in told(home, "oncall"))


def test_what_is_held_of_a_storm_is_counted_and_the_most_severe_of_it_listed(home: Home) -> None:
    happen(home, event(0))
    storm = [event(number, severity="info") for number in range(1, 3_000)]
    happen(home, *storm, event(3_000, severity="critical"), event(3_001, state="recovered"), at_ns=NOW + S)
    happen(home, at_ns=NOW + HELD_S * S)
    message = told(home, "ops")[1]
    assert (message["count"], message["left_out"], message["severity"]) == (3_001, 2_981, "critical")
    assert message["title"].startswith("3,000 alerts, 1 recovered: ")
    assert [item["severity"] for item in message["alerts"]][:3] == ["critical", "warning", "info"]
    with open_control(home).reading() as connection:
        told_of = set(connection.scalars(select(alert_event.c.channels_told)))
        assert connection.scalars(select(alert_held.c.event)).all() == []
    assert all('"ops"' in each for each in told_of)


def test_of_incidents_the_last_word_is_the_last_thing_that_happened(home: Home) -> None:
    happen(home, event(0, to=("oncall",), alert="other"))
    rounds = ("firing", "recovered", "firing")
    found = [event(at, state=state, to=("oncall",)) for at, state in enumerate(rounds, 1)]
    happen(home, *found, at_ns=NOW + S)
    happen(home, at_ns=NOW + HELD_S * S)
    listed = [item["state"] for item in told(home, "oncall")[1]["alerts"]]
    assert listed == list(rounds)
