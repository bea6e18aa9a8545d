"""An erased value is in nothing that alerts keep, and what fired goes on as it was."""

from __future__ import annotations

from urllib.parse import quote_plus

import msgspec
import pytest
from alert_home import AlertHome, firing, recovered
from calls import NOON, SECOND
from sqlalchemy import delete
from test_erasure import erasing, files_containing

from farebox.alerts.alert import Alert, Snooze
from farebox.alerts.erasure_sql import Erased, forget
from farebox.alerts.evaluation.transitions import StateKey, event_id, id_key
from farebox.budgets.budget import Period
from farebox.channels.news import ChangedGroup, Explanation, alert_news, with_news
from farebox.control import alerts as kept_alerts
from farebox.control import schema
from farebox.control.audit.erasure import erase_value
from farebox.control.audit.mentions import Personal
from farebox.control.database import open_control
from farebox.control.outbox import receivers
from farebox.control.outbox.enqueue_sql import writing
from farebox.control.outbox.envelope import ReceiverSettings
from farebox.control.publish import change, publish
from farebox.home import Home
from farebox.journal.records import Done

WHO = 'wilhelmina, "mina" featherstonehaugh@example.com' + "x" * 90
ERASED = "(erased 2)"
DAY = 24 * 3600 * SECOND
PER_USER = Alert(
    name="per-user", kind="usage", subject="calls", at=(2, 3), period=Period("day"), each="user", to=("ops",)
)
NEW = Alert(name="new-user", kind="new", subject="user", to=("ops",))


@pytest.fixture
def alerts(home: Home) -> AlertHome:
    found = AlertHome(home, PER_USER, NEW)
    with change(home) as connection:
        receivers.add(
            connection, "ops", ReceiverSettings(url="https://ops.example.com/", secret={"env": "S"}), NOON
        )
    found.append(found.call(attribution={"user": "bob"}))
    return found


def twice(alerts: AlertHome, **said: str) -> list[Done]:
    return [alerts.call(attribution=said) for _ in range(2)]


def erase(alerts: AlertHome, value: str = WHO) -> None:
    alerts.ledger.applier.apply("erase-1", [erasing(alerts.home, ("user", value))])
    alerts.ledger.applier.forget_earlier_pages()
    alerts.run()


def completed(home: Home) -> None:
    """Explain every message, as the server does before it sends one."""
    with writing(home) as connection:
        for id, payload in list(connection.execute("SELECT id, payload FROM outbox_message")):
            news = alert_news(payload)
            assert news is not None
            found = Explanation(
                dimension="user",
                measure="calls",
                before="0",
                after="2",
                groups=(ChangedGroup(value=WHO[:80], before="0", after="2"),),
            )
            link = f"http://127.0.0.1/?user={quote_plus(WHO)}"
            items = [msgspec.structs.replace(each, explanation=found, link=link) for each in news.alerts]
            whole = with_news(payload, msgspec.structs.replace(news, alerts=tuple(items), link=link))
            connection.execute("UPDATE outbox_message SET payload = ? WHERE id = ?", (whole, id))


def test_it_is_in_no_file_and_the_history_keeps_what_stands_for_it(alerts: AlertHome) -> None:
    home = alerts.home
    with change(home) as connection:
        said = Snooze(alert="per-user", value=WHO, since_ns=0, until_ns=NOON)
        kept_alerts.snooze(connection, said, 0)
    assert firing("per-user", WHO, 2) in alerts.append(*twice(alerts, user=WHO))
    alerts.at(alerts.now_ns + 61 * SECOND)
    completed(home)
    assert files_containing(home, WHO[:24]) and files_containing(home, quote_plus(WHO)[:24])

    erase(alerts)
    alerts.restart()
    alerts.run()
    publish(home)
    with change(home) as connection:
        assert erase_value(connection, Personal("user", WHO), "uid:1", NOON)
    for form in (WHO[:24], quote_plus(WHO)[:24], WHO[-30:]):
        assert files_containing(home, form) == []
    assert {each.value for each in alerts.history() if each.alert == "per-user"} == {ERASED}
    assert any(each.where.get("user") == (ERASED,) for each in alerts.history())
    with writing(home) as connection:
        payloads = [payload for (payload,) in connection.execute("SELECT payload FROM outbox_message")]
        assert list(connection.execute("SELECT value FROM alert_snooze")) == []
    assert any(f"per-user for {ERASED}: 2" in payload for payload in payloads)
    assert all(
        f'"value":"{ERASED}"' in payload for payload in payloads if "mina" in payload or "groups" in payload
    )


def test_what_fires_stays_as_it_was_and_recovers_once(alerts: AlertHome) -> None:
    alerts.append(*twice(alerts, user=WHO))
    alerts.news()
    erase(alerts)
    assert alerts.news() == [], "nothing is told a second time"
    assert alerts.append(alerts.call(attribution={"user": "bob"})) == [firing("per-user", "bob", 2)]
    alerts.at(NOON + DAY)
    assert set(alerts.news()) >= {
        recovered("per-user", ERASED, 2),
        recovered("per-user", "bob", 2),
    }
    alerts.at(NOON + 2 * DAY)
    assert [each for each in alerts.news() if each.alert == "per-user"] == []


def test_nothing_that_is_evaluated_of_earlier_sums_brings_it_back(alerts: AlertHome) -> None:
    """Calls are added, and the value erased, before what they make news of is written."""
    alerts.ledger.append(*twice(alerts, user=WHO))
    running = alerts.alerting._running
    assert running is not None
    running.add(3, NOON)
    alerts.ledger.applier.apply("erase-1", [erasing(alerts.home, ("user", WHO))])
    alerts.monotonic += 0.3  # judged again, before rules and erasures are looked at
    alerts.alerting.step(is_idle=True)
    alerts.run()
    assert [each.value for each in alerts.history() if each.value == WHO] == []


def test_the_same_text_of_another_field_stays(alerts: AlertHome) -> None:
    alerts.append(*twice(alerts, user="acme", customer="acme"))
    with writing(alerts.home) as connection:
        forget(connection, [Erased("customer", "acme", "(erased 9)")])
        states = {value for (value,) in connection.execute("SELECT value FROM alert_state")}
    assert "acme" in states and "(erased 9)" not in states
    assert {each.value for each in alerts.history()} >= {"acme"}


def test_free_pages_of_the_control_database_do_not_keep_it(home: Home) -> None:
    home.prepare()
    with change(home):
        pass
    with writing(home) as connection:
        connection.execute("INSERT INTO alert_held VALUES (?, 'e', 1)", ("find-me-" * 300,))
    assert files_containing(home, "find-me-find-me") == ["control.db"]
    with open_control(home).writing() as connection:
        connection.execute(delete(schema.alert_held))
    assert files_containing(home, "find-me-find-me") == []


def test_no_id_that_is_left_says_whose_it_was_to_whoever_guesses_names(alerts: AlertHome) -> None:
    alerts.append(*twice(alerts, user="alice"))
    alerts.at(NOON + DAY)
    fired, over = (each for each in alerts.history() if (each.alert, each.value) == ("per-user", "alice"))
    (watched,) = (each for each in alerts.alerting._watched if each.rule.alert.name == "per-user")
    key = StateKey("per-user", "alice", 2, fired.from_ns)

    def guessed(secret: bytes) -> str:
        return event_id(watched.rule._replace(id_key=id_key(secret)), key, 1, "firing")

    assert fired.id == guessed(alerts.home.secret()), "whoever evaluates again finds the same one"
    assert fired.id not in (guessed(b""), guessed(bytes(32)))
    assert fired.condition == over.condition != fired.id != over.id
