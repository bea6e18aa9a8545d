"""Messages that are completed before they are sent: woken at once, stored first, every attempt the same."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select
from webhook_receiver import OK, WebhookReceiver, status

from farebox.alerts.event import AlertEvent
from farebox.alerts.notification import flush, notify
from farebox.channels.news import alert_news, with_news
from farebox.channels.webhook import new_secret
from farebox.clock import now_ns
from farebox.control.database import open_control
from farebox.control.outbox import delivery, enqueue_sql, messages, receivers
from farebox.control.outbox.delivery import DeliveryWorker
from farebox.control.outbox.envelope import ReceiverSettings, envelope
from farebox.control.outbox.wake import wake, wake_path
from farebox.control.publish import change
from farebox.control.schema import outbox_message
from farebox.home import Home
from farebox.outbound.connection import Limits

SECRET = new_secret()
ROUNDS = int(os.environ.get("FAREBOX_KILLS", "8"))
LIMITS = Limits(connect=5, silence=2, whole=5)


class Delivery:
    """A worker with a clock that can be put forward."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.said: list[str] = []
        self.ahead_ns = 0
        self.completed: list[str] = []

    def now(self) -> int:
        return now_ns() + self.ahead_ns

    async def complete(self, payload: str) -> str | None:
        news = alert_news(payload)
        if news is None or news.link is not None:
            return None
        self.completed.append(payload)
        return with_news(payload, msgspec.structs.replace(news, link=f"http://x/{len(self.completed)}"))

    def worker(self) -> DeliveryWorker:
        return DeliveryWorker(
            self.home,
            lambda _: SECRET,
            limits=LIMITS,
            clock=self.now,
            complete=self.complete,
            say=self.said.append,
        )

    def tell(self, *events: AlertEvent) -> None:
        """Write events as the ledger process does, but by this process's own SQLite, and wake the worker."""
        connection = sqlite3.connect(self.home.control, isolation_level=None, timeout=30)
        try:
            connection.execute("BEGIN IMMEDIATE")
            write_events(connection, events, self.now())
            connection.execute("COMMIT")
        finally:
            connection.close()
        wake(self.home)

    def states(self) -> set[str]:
        with open_control(self.home).reading() as connection:
            return {each.state for each in messages.deliveries(connection, limit=None)}

    def wait_for_attempts(self, number: int) -> None:
        deadline = time.monotonic() + 60
        with open_control(self.home).reading() as connection:
            while messages.deliveries(connection, limit=None)[0].attempts < number:
                assert time.monotonic() < deadline
                connection.rollback()
                time.sleep(0.05)

    def wait_for_delivery(self, *, forward: bool = False) -> None:
        deadline = time.monotonic() + 120
        while self.states() != {"delivered"}:
            assert time.monotonic() < deadline, (self.said, self.states())
            self.ahead_ns += 3_600 * 10**9 if forward else 0
            time.sleep(0.05)


def write_events(connection: enqueue_sql.Connection, events: Sequence[AlertEvent], at_ns: int) -> None:
    for each in events:
        body = msgspec.json.encode(each).decode()
        connection.execute(
            "INSERT INTO alert_event (id, alert, value, state, at, seq, body, channels_told) "
            "VALUES (?, ?, '', ?, ?, ?, ?, '[]') ON CONFLICT DO NOTHING",
            (each.id, each.alert, each.state, each.at_ns, each.seq, body),
        )
    notify(connection, events, at_ns)
    flush(connection, at_ns)


def event(number: int, state: str = "firing") -> AlertEvent:
    return AlertEvent(
        id=f"event-{number}-{state}",
        alert=f"a{number}",
        kind="spend",
        subject="cost",
        severity="warning",
        state=state,  # type: ignore[arg-type]
        unit="pico_usd",
        measured=number,
        since_ns=0,
        at_ns=number,
        seq=number,
        from_ns=0,
        until_ns=1,
        to=("ops",),
    )


@pytest.fixture
def home(away_from_home: Path) -> Home:
    home = Home(away_from_home)
    home.prepare()
    return home


def named(home: Home, url: str, name: str = "ops") -> None:
    with change(home) as connection:
        said = ReceiverSettings(url=url, secret={"env": "X"}, kinds=())
        receivers.add(connection, name, said, now_ns())


@pytest.fixture
def told(home: Home) -> Iterator[Delivery]:
    made = Delivery(home)
    worker = made.worker()
    worker.start()
    yield made
    worker.close()


LEDGER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_completion import event, now_ns, write_events
from farebox.control.outbox.enqueue_sql import writing
from farebox.home import Home

number = int(sys.argv[3])
with writing(Home(Path(sys.argv[1]))) as connection:
    write_events(connection, [event(number)], now_ns() + 61 * number * 10**9)
"""
PATHS = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_what_the_ledger_enqueues_wakes_the_worker(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "LOOK_EVERY_S", 3_600.0)
    with WebhookReceiver() as receiver:
        named(home, receiver.url)
        made = Delivery(home)
        worker = made.worker()
        worker.start()
        try:
            deadline = time.monotonic() + 60
            while not wake_path(home).exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)
            time.sleep(0.2)  # its first look is over: only the datagram can be what wakes it
            for number in range(3):
                ledger = [
                    sys.executable,
                    "-c",
                    LEDGER,
                    str(home.path),
                    str(Path(__file__).parent),
                    str(number),
                ]
                subprocess.run(ledger, check=True, env=PATHS)
                receiver.wait_for(number + 1)
            assert made.said == []
        finally:
            worker.close()


def test_a_home_too_deep_for_a_socket_is_looked_at_more_often(tmp_path: Path) -> None:
    assert delivery.LOOK_EVERY_UNWOKEN_S < delivery.LOOK_EVERY_S / 5
    home = Home(tmp_path / ("d" * 120))
    home.prepare()
    with WebhookReceiver() as receiver:
        named(home, receiver.url)
        made = Delivery(home)
        worker = made.worker()
        worker.start()
        try:
            made.tell(event(1))
            receiver.wait_for(1)
            assert worker._woken is None
        finally:
            worker.close()


def test_a_message_is_completed_once_stored_and_sent_the_same_at_every_attempt(told: Delivery) -> None:
    with WebhookReceiver(lambda *_: status(503)) as receiver:
        named(told.home, receiver.url)
        told.tell(event(1))
        receiver.wait_for(1)
        with open_control(told.home).reading() as connection:
            stored = connection.scalars(select(outbox_message.c.payload)).one()
        assert json.loads(stored)["data"]["link"] == "http://x/1"
        receiver.respond = lambda *_: OK
        told.wait_for_delivery(forward=True)
    assert len(receiver.requests) >= 2
    assert {each.body.decode() for each in receiver.requests} == {stored}
    assert len(told.completed) == 1


def test_a_channel_that_is_down_for_a_day_is_told_once_after_it(told: Delivery) -> None:
    with WebhookReceiver(lambda *_: b"") as receiver:
        named(told.home, receiver.url)
        began = told.now()
        told.tell(event(1))
        receiver.wait_for(1)
        while told.now() - began < 24 * 3_600 * 10**9:
            told.ahead_ns += 3_600 * 10**9
            time.sleep(0.02)
        failed = len(receiver.requests)
        receiver.respond = lambda *_: OK
        told.wait_for_delivery(forward=True)
        told.ahead_ns += 24 * 3_600 * 10**9
        time.sleep(0.3)
        delivered = receiver.requests[failed:]
    assert len({each.id for each in receiver.requests}) == 1
    assert 1 <= len(delivered) <= 2, "one that was on its way as it came back counts as well"
    assert told.states() == {"delivered"}


def test_a_clock_that_was_days_ahead_keeps_no_message_waiting_for_days(told: Delivery) -> None:
    with WebhookReceiver(lambda *_: status(503)) as receiver:
        named(told.home, receiver.url)
        told.ahead_ns = 10 * 24 * 3_600 * 10**9
        told.tell(event(1))
        receiver.wait_for(1)
        told.wait_for_attempts(1)
        receiver.respond = lambda *_: OK
        told.ahead_ns = 0
        told.wait_for_delivery()


def test_what_is_not_about_alerts_is_sent_as_it_is(told: Delivery) -> None:
    with WebhookReceiver() as receiver:
        named(told.home, receiver.url)
        with open_control(told.home).writing() as connection:
            sent = envelope("test.count", {"n": 1}, told.now(), cause="test")
            messages.enqueue(connection, sent, only="ops")
        (request,) = receiver.wait_for(1)
    assert request.body.decode() == sent.payload
    assert told.completed == []


CHILD = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_completion import Delivery
from farebox.home import Home

made = Delivery(Home(Path(sys.argv[1])))
worker = made.worker()
slow = made.complete

async def complete(payload):
    await asyncio.sleep(0.03)  # so that some are killed while it is completed
    found = await slow(payload)
    return found and found.replace("http://x/1", f"http://x/{os.getpid()}")

worker._complete = complete
print("started", flush=True)
asyncio.run(worker.run())
"""


def test_a_worker_that_is_killed_at_any_moment_loses_nothing_and_sends_no_two_bodies_under_one_id(
    home: Home,
) -> None:
    made = Delivery(home)
    chance = random.Random(16)
    with WebhookReceiver() as receiver:
        for number in range(ROUNDS):
            named(home, receiver.url, f"ops{number}")
        for number in range(ROUNDS):
            one = msgspec.structs.replace(event(number), to=(f"ops{number}",))
            made.tell(one)
            arguments = [sys.executable, "-c", CHILD, str(home.path), str(Path(__file__).parent)]
            child = subprocess.Popen(arguments, stdout=subprocess.PIPE, env=PATHS)
            assert child.stdout is not None
            assert child.stdout.readline() == b"started\n"
            time.sleep(chance.uniform(0, 0.4))
            child.send_signal(signal.SIGKILL)
            child.wait()
            child.stdout.close()
        last = made.worker()
        last.start()
        made.wait_for_delivery(forward=True)
        last.close()
    bodies: dict[str, set[bytes]] = {}
    ids: dict[str, set[str]] = {}
    for request in receiver.requests:
        bodies.setdefault(request.id, set()).add(request.body)
        for item in request.data["alerts"]:
            ids.setdefault(item["id"], set()).add(request.id)
    assert set(ids) == {f"event-{number}-firing" for number in range(ROUNDS)}, "nothing is lost"
    assert all(len(each) == 1 for each in ids.values()), "nothing goes under two ids"
    assert all(len(each) == 1 for each in bodies.values()), "every attempt is the same"


def test_a_completion_that_fails_leaves_the_message_for_later(home: Home) -> None:
    async def fails(_: str) -> str | None:
        raise RuntimeError("a defect")

    with WebhookReceiver() as receiver:
        named(home, receiver.url)
        made = Delivery(home)
        made.tell(event(1))
        worker = made.worker()
        worker._complete = fails
        worker.start()
        try:
            deadline = time.monotonic() + 60
            while not made.said:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert receiver.requests == []
            worker._complete = made.complete
            made.wait_for_delivery(forward=True)
        finally:
            worker.close()
    assert "a defect" in made.said[0]


def test_what_is_erased_from_a_message_while_it_is_completed_is_not_sent(home: Home) -> None:
    made = Delivery(home)

    async def complete(payload: str) -> str | None:
        found = await made.complete(payload)
        if len(made.completed) == 1:  # meanwhile somebody erases what it names
            connection = sqlite3.connect(home.control, isolation_level=None, timeout=30)
            connection.execute("UPDATE outbox_message SET payload = replace(payload, 'a1', '(erased 1)')")
            connection.close()
        return found

    with WebhookReceiver() as receiver:
        named(home, receiver.url)
        made.tell(event(1))
        worker = made.worker()
        worker._complete = complete
        worker.start()
        try:
            (request,) = receiver.wait_for(1)
        finally:
            worker.close()
    assert request.data["alerts"][0]["alert"] == "(erased 1)"
    assert request.data["link"] == "http://x/2", "it is completed as it is now"
