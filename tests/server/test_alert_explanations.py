"""What explains an alert, asked of the analytics over a real record, and what is said without an answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from ledgers import HOUR, MINUTE, SECOND, START, Record

from farebox.alerts.alert import Alert
from farebox.alerts.event import AlertEvent
from farebox.alerts.notification import notify
from farebox.analytics.local import LocalAsker
from farebox.analytics.query import Reply, Request
from farebox.analytics.questions import Questions
from farebox.channels.news import AlertNews, alert_news, news_of
from farebox.clock import now_ns
from farebox.control.database import open_control
from farebox.control.outbox import messages, receivers
from farebox.control.outbox.enqueue_sql import writing
from farebox.control.outbox.envelope import ReceiverSettings
from farebox.control.publish import change
from farebox.home import Home, replace_private
from farebox.server.alert_explanations import EXPLAINED_MAX, NO_ANSWER, NOT_LISTED, AlertExplanations
from farebox.snapshot import encode, read_snapshot

NOW = START + 10 * HOUR
KEY = "0123456789abcdef"
USD = 10**12


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    with change(home) as connection:
        said = ReceiverSettings(url="https://ops.example.com/x", secret={"env": "X"}, kinds=())
        receivers.add(connection, "ops", said, now_ns())
    return home


@pytest.fixture
def record(home: Home) -> Iterator[Record]:
    made = Record(home)
    yield made
    made.close()


def event(number: int = 0, **more: Any) -> AlertEvent:
    said: dict[str, Any] = {
        **{"id": f"event-{number}", "alert": f"a{number}", "kind": "spend", "subject": "cost"},
        **{"severity": "warning", "state": "firing", "unit": "pico_usd", "since_ns": NOW, "at_ns": NOW},
        **{"seq": 1, "from_ns": NOW - HOUR, "until_ns": NOW, "to": ("ops",)},
    }
    return AlertEvent(**said | more)


def stored(home: Home, *events: AlertEvent) -> str:
    """Return the payload of the message about events."""
    with writing(home) as connection:
        for each in events:
            connection.execute(
                "INSERT INTO alert_event (id, alert, value, state, at, seq, body, channels_told) "
                "VALUES (?, ?, '', ?, ?, ?, ?, '[]')",
                (each.id, each.alert, each.state, each.at_ns, each.seq, msgspec.json.encode(each).decode()),
            )
        notify(connection, events, now_ns())
    with open_control(home).reading() as connection:
        (found,) = messages.deliveries(connection, limit=None)
        return bytes(messages.stored(connection, found.id).payload).decode()


class OneThread:
    """The analytics of this process, which are for one thread: as the worker, it takes turns."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.asked = 0

    def reply(self, request: Request) -> Reply:
        self.asked += 1
        asker = LocalAsker(self._home)
        try:
            return asker.reply(request)
        finally:
            asker.close()

    def close(self) -> None:
        pass


def completed(
    home: Home, payload: str, asker: Any = None, *, within_s: float = 60, labels: dict[str, str] | None = None
) -> tuple[AlertNews, str]:
    explain = AlertExplanations(
        home,
        Questions(asker or OneThread(home)),
        lambda: labels or {},
        "http://127.0.0.1:3274/",
        within_s=within_s,
    )
    text = asyncio.run(explain(payload))
    assert text is not None
    assert asyncio.run(explain(text)) is None, "it is completed once"
    news = alert_news(text)
    assert news is not None
    return news, text


def calls(at_ns: int, number: int, cost: int, **more: Any) -> list[dict[str, Any]]:
    return [{"occurred_at": at_ns + n, "cost_pico": cost, "model": "gpt-4o", **more} for n in range(number)]


def test_three_groups_explain_an_alert_with_before_and_after(home: Home, record: Record) -> None:
    before, during = NOW - 90 * MINUTE, NOW - 30 * MINUTE
    record.append(calls(before, 10, USD, app="web", customer="acme"))
    record.append(calls(before, 2, USD, app="cron", customer="acme"))
    record.append(calls(during, 10, USD, app="web", customer="acme"))
    record.append(calls(during, 50, USD, app="ingest", customer="acme"))
    record.append(calls(during, 99, USD, app="other", customer="else"))
    record.append(calls(NOW, 99, USD, app="later", customer="acme"))
    news, text = completed(home, stored(home, event(where={"customer": ("acme",)})))
    found = news.alerts[0].explanation
    assert found is not None
    assert (found.dimension, found.before, found.after) == ("app", "$12.00", "$60.00")
    assert [(each.value, each.before, each.after) for each in found.groups] == [
        ("ingest", "$0.00", "$50.00"),
        ("cron", "$2.00", "$0.00"),
    ]
    assert "• ingest: $0.00 → $50.00" in news_of(text).text()


def test_the_link_leads_to_the_calls_and_names_no_key(home: Home, record: Record) -> None:
    where = {"customer": ("a,b", "c"), "key": (KEY,), "model": ("gpt-4o",), "app": ("x*",)}
    news, text = completed(home, stored(home, event(where=where)))
    link = urlsplit(news.link or "")
    assert (link.netloc, link.path) == ("127.0.0.1:3274", "/")
    query = parse_qs(link.query)
    assert query["customer"] == ["a\\,b,c"]
    assert query["plan_model"] == ["gpt-4o"]
    assert query["since"][0].endswith("Z")
    assert set(query) == {"since", "until", "customer", "plan_model"}
    assert KEY not in text
    assert news.alerts[0].link == news.link


def test_patterns_and_labels_of_keys_are_resolved_as_a_budget_means_them(home: Home, record: Record) -> None:
    during = NOW - 30 * MINUTE
    record.append(calls(during, 3, USD, request_model="gpt-4o-mini", key=KEY, app="a"))
    record.append(calls(during, 5, USD, request_model="gpt-4o", key=KEY, app="b"))
    record.append(calls(during, 7, USD, request_model="o3", key=KEY, app="c"))
    record.append(calls(during, 9, USD, request_model="gpt-4o", key="f" * 16, app="d"))
    payload = stored(home, event(where={"model": ("gpt-4o*",), "key": ("back*",)}))
    news, _ = completed(home, payload, labels={KEY: "backend"})
    found = news.alerts[0].explanation
    assert found is not None
    assert (found.before, found.after) == ("$0.00", "$8.00")


def test_a_key_is_shown_by_its_label_or_the_beginning_of_its_fingerprint(home: Home, record: Record) -> None:
    during = NOW - 30 * MINUTE
    record.append(calls(NOW - 90 * MINUTE, 4, USD, key="f" * 16))
    record.append(calls(during, 1, USD, key="f" * 16) + calls(during, 9, USD, key=KEY))
    payload = stored(home, event())
    news, text = completed(home, payload, labels={KEY: "backend"})
    found = news.alerts[0].explanation
    assert found is not None
    assert found.dimension == "key"
    assert [each.value for each in found.groups] == ["backend", "ffffffff"]
    assert "f" * 16 not in text


class Silent:
    """An asker that is busy until it is let go."""

    def __init__(self) -> None:
        self.free = threading.Event()

    def reply(self, request: Request) -> Reply:
        self.free.wait(60)
        return Reply()

    def close(self) -> None:
        pass


def test_without_an_answer_in_time_the_message_goes_out_and_says_so(home: Home) -> None:
    asker = Silent()
    news, text = completed(home, stored(home, event()), asker, within_s=0.1)
    asker.free.set()
    assert news.alerts[0].explanation is None
    assert news.alerts[0].not_explained == NO_ANSWER
    assert f"Not explained: {NO_ANSWER}" in news_of(text).text()
    assert (news.link or "").startswith("http://127.0.0.1:3274/")


def test_a_question_that_cannot_be_answered_is_no_reason_to_wait(home: Home) -> None:
    class Broken:
        def reply(self, request: Request) -> Reply:
            raise RuntimeError("no")

        def close(self) -> None:
            pass

    news, _ = completed(home, stored(home, event()), Broken())
    assert news.alerts[0].not_explained == "RuntimeError"


def test_the_first_alerts_of_a_group_are_explained_and_the_others_say_that_they_are_not(
    home: Home, record: Record
) -> None:
    record.append(calls(NOW - 30 * MINUTE, 3, USD))
    news, _ = completed(home, stored(home, *(event(n) for n in range(6))))
    assert [each.explanation is not None for each in news.alerts] == [n < EXPLAINED_MAX for n in range(6)]
    assert {each.not_explained for each in news.alerts[EXPLAINED_MAX:]} == {NOT_LISTED}
    assert news.link == "http://127.0.0.1:3274/"
    assert all(each.link for each in news.alerts)


def test_channels_that_are_told_of_the_same_event_share_its_explanation(home: Home, record: Record) -> None:
    record.append(calls(NOW - 30 * MINUTE, 3, USD))
    payload = stored(home, event())
    asker = OneThread(home)
    explain = AlertExplanations(home, Questions(asker), dict, "http://x", within_s=60)

    async def both() -> list[str | None]:
        return list(await asyncio.gather(explain(payload), explain(payload)))

    first, second = asyncio.run(both())
    assert first == second
    assert asker.asked == 1


def test_the_analytics_are_kept_at_hand_while_there_are_alerts(home: Home) -> None:
    asked = threading.Semaphore(0)

    class Counted:
        def reply(self, request: Request) -> Reply:
            asked.release()
            return Reply()

        def close(self) -> None:
            pass

    explain = AlertExplanations(home, Questions(Counted()), dict, "http://x", at_hand_every_s=0.02)
    explain.start()
    try:
        assert not asked.acquire(timeout=0.5), "nobody asks where there is no alert"
        snapshot = msgspec.structs.replace(read_snapshot(home), alerts=(Alert(name="a", kind="no_data"),))
        replace_private(home.snapshot, encode(snapshot))
        assert asked.acquire(timeout=60)
        assert asked.acquire(timeout=60), "again and again"
    finally:
        explain.close()


def test_the_analytics_are_at_hand_as_soon_as_the_server_is(home: Home) -> None:
    asked = threading.Event()

    class Counted:
        def reply(self, request: Request) -> Reply:
            asked.set()
            return Reply()

        def close(self) -> None:
            pass

    snapshot = msgspec.structs.replace(read_snapshot(home), alerts=(Alert(name="a", kind="no_data"),))
    replace_private(home.snapshot, encode(snapshot))
    explain = AlertExplanations(home, Questions(Counted()), dict, "http://x", at_hand_every_s=3_600)
    explain.start()
    try:
        assert asked.wait(timeout=60)
    finally:
        explain.close()


def test_what_no_calls_explain_says_so(home: Home) -> None:
    news, _ = completed(home, stored(home, event(kind="prices", subject="stale", unit="calls")))
    assert news.alerts[0].not_explained == "no calls explain it"
    assert SECOND == 10**9
