"""Delivery against receivers that are down, slow, wrong or gone: at least once, one id, in order for each."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from webhook_receiver import OK, Request, WebhookReceiver, status

from farebox.channels import webhook
from farebox.clock import now_ns
from farebox.control import database
from farebox.control.database import open_control
from farebox.control.outbox import delivery, messages, receivers
from farebox.control.outbox.delivery import DeliveryWorker
from farebox.control.outbox.envelope import ReceiverSettings, envelope
from farebox.control.outbox.retry_schedule import DELAYS_S
from farebox.control.publish import change
from farebox.errors import ConfigError
from farebox.home import Home, replace_private
from farebox.outbound.http_post import Limits

sys.path.insert(0, str(Path(__file__).parents[2] / "channels"))
from test_webhook import verified

SECRET = webhook.new_secret()


class Outbox:
    """A home with receivers, a worker, and a clock that can be put forward."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.said: list[str] = []
        self.ahead_ns = 0
        self.secret: Callable[[Any], str] = lambda _: SECRET
        self.worker = self.make()

    def make(self) -> DeliveryWorker:
        return DeliveryWorker(
            self.home,
            lambda reference: self.secret(reference),
            limits=Limits(connect=5, silence=1, whole=2),
            clock=self.now,
            say=self.said.append,
        )

    def now(self) -> int:
        return now_ns() + self.ahead_ns

    def receiver(self, name: str, url: str) -> None:
        with change(self.home) as connection:
            receivers.add(connection, name, ReceiverSettings(url=url, secret={"env": name}), self.now())

    def send(self, number: int = 1, kind: str = "test.count") -> list[str]:
        ids: list[str] = []
        with open_control(self.home).writing() as connection:
            for n in range(number):
                sent = envelope(kind, {"n": n}, self.now(), cause="test")
                ids.append(messages.enqueue(connection, sent) or "")
        return ids

    def states(self, name: str | None = None) -> dict[str, str]:
        with open_control(self.home).reading() as connection:
            found = messages.deliveries(connection, of=name, limit=None)
        return {each.id: each.state for each in found}

    def of(self, id: str) -> messages.Delivery:
        with open_control(self.home).reading() as connection:
            return messages.stored(connection, id).deliveries[0]

    def wait_for(self, true: Callable[[], bool], *, forward: bool = False) -> None:
        """Wait until something is true, putting the clock forward meanwhile where attempts are waited for."""
        deadline = time.monotonic() + 60
        while not true():
            assert time.monotonic() < deadline, (self.said, self.states())
            if forward:
                self.ahead_ns += 3_600 * 10**9
            time.sleep(0.05)


@pytest.fixture
def outbox(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outbox]:
    monkeypatch.setattr(delivery, "LOOK_EVERY_S", 0.05)
    outbox = Outbox(home)
    yield outbox
    outbox.worker.close()


def test_messages_arrive_in_order_and_signed(outbox: Outbox) -> None:
    with WebhookReceiver() as receiver:
        outbox.receiver("ops", receiver.url)
        ids = outbox.send(5)
        outbox.worker.start()
        requests = receiver.wait_for(5)
        outbox.wait_for(lambda: set(outbox.states().values()) == {"delivered"})
    assert [each.id for each in requests] == ids
    assert [each.data["n"] for each in requests] == [0, 1, 2, 3, 4]
    for each in requests:
        assert verified(SECRET, each.headers, each.body, int(time.time()))
        assert each.headers["content-type"] == "application/json"
    assert receiver.connections == 5


def silent(_: Request, connection: socket.socket) -> None:
    connection.recv(1)


def dripping(_: Request, connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 1000:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


FAILURES = {
    "500": (lambda *_: status(500, b"no"), "status 500: no"),
    "404": (lambda *_: status(404), "status 404"),
    "429": (lambda *_: status(429, b"", "retry-after: 60"), "status 429"),
    "redirect": (lambda *_: status(302, b"", "location: http://127.0.0.1:1/"), "redirects are not followed"),
    "silent": (silent, "no response within"),
    "dripping": (dripping, "no response within"),
    "closing at once": (lambda *_: b"", "closed the connection"),
    "closing in the head": (lambda *_: b"HTTP/1.1 200 OK\r\ncont", "closed the connection"),
    "no HTTP": (lambda *_: b"hello\n", "not HTTP"),
    "huge": (lambda *_: status(500, b"x" * 300_000), "status 500: xxx"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_tried_again_with_the_same_id_before_the_next_message(
    outbox: Outbox, failure: str
) -> None:
    respond, words = FAILURES[failure]
    with WebhookReceiver(respond) as receiver:
        outbox.receiver("ops", receiver.url)
        first, second = outbox.send(2)
        outbox.worker.start()
        outbox.wait_for(lambda: outbox.of(first).attempts == 1)
        found = outbox.of(first)
        assert found.state == "pending"
        assert words in (found.last_error or "")
        assert len(found.last_error or "") <= 300
        assert found.next_attempt_at is not None
        assert outbox.of(second).attempts == 0, "later ones wait"
        receiver.respond = lambda *_: OK
        outbox.wait_for(lambda: set(outbox.states().values()) == {"delivered"}, forward=True)
        ids = [each.id for each in receiver.requests]
    assert ids[-1] == second
    assert set(ids[:-1]) == {first}
    assert outbox.of(first).last_error is None


def test_a_receiver_that_is_down_gets_everything_once_it_is_up(outbox: Outbox) -> None:
    with WebhookReceiver() as receiver:
        port = receiver.port
    outbox.receiver("ops", f"http://127.0.0.1:{port}/hook")
    ids = outbox.send(3)
    outbox.worker.start()
    outbox.wait_for(lambda: outbox.of(ids[0]).attempts >= 2, forward=True)
    assert "cannot be reached" in (outbox.of(ids[0]).last_error or "")
    with WebhookReceiver() as receiver:
        outbox.receiver("ops", receiver.url)
        outbox.wait_for(lambda: set(outbox.states().values()) == {"delivered"}, forward=True)
    assert [each.id for each in receiver.requests] == ids


def test_receivers_do_not_wait_for_each_other(outbox: Outbox) -> None:
    with WebhookReceiver(silent) as slow, WebhookReceiver() as quick:
        outbox.receiver("slow", slow.url)
        outbox.receiver("quick", quick.url)
        ids = outbox.send(20)
        outbox.worker.start()
        outbox.wait_for(lambda: set(outbox.states("quick").values()) == {"delivered"})
        assert [each.id for each in quick.requests] == ids
        assert set(outbox.states("slow").values()) == {"pending"}
        assert {each.id for each in slow.requests} == {ids[0]}


def test_a_receiver_that_is_gone_is_stopped_and_it_is_said(outbox: Outbox) -> None:
    with WebhookReceiver(lambda *_: status(410)) as gone, WebhookReceiver() as other:
        outbox.receiver("gone", gone.url)
        outbox.receiver("other", other.url)
        ids = outbox.send(3)
        outbox.worker.start()
        outbox.wait_for(lambda: set(outbox.states("other").values()) == {"delivered"})
        outbox.wait_for(lambda: any("gone replied 410 Gone and is stopped" in each for each in outbox.said))
        with open_control(outbox.home).reading() as connection:
            (reason,) = messages.figures(connection).stopped.values()
        assert reason.startswith("it replied 410 Gone at 20")
        ids += outbox.send(1)
        outbox.wait_for(lambda: len(other.requests) == 4)
        outbox.ahead_ns += 10 * 86_400 * 10**9
        time.sleep(0.3)
        assert [each.id for each in gone.requests] == ids[:1], "nothing more is sent"
        gone.respond = lambda *_: OK
        with change(outbox.home) as connection:
            receivers.resume(connection, "gone")
        outbox.wait_for(lambda: set(outbox.states("gone").values()) == {"delivered"})
    assert [each.id for each in gone.requests] == [ids[0], *ids], "what waited is sent in order"


def test_after_the_last_attempt_the_next_message_goes_on(outbox: Outbox) -> None:
    refused: list[str] = []

    def respond(request: Request, _: socket.socket) -> bytes:
        return status(500) if request.id in refused else OK

    with WebhookReceiver(respond) as receiver:
        outbox.receiver("ops", receiver.url)
        first, second = outbox.send(2)
        refused.append(first)
        outbox.worker.start()
        outbox.wait_for(lambda: outbox.states() == {first: "dead", second: "delivered"}, forward=True)
        assert outbox.of(first).attempts == len(DELAYS_S) + 1
        assert any(f"{first} for ops is given up: status 500" in each for each in outbox.said)
        with open_control(outbox.home).writing() as connection:
            assert messages.figures(connection).dead == 1
            refused.clear()
            assert messages.retry(connection, None) == 1
        outbox.wait_for(lambda: set(outbox.states().values()) == {"delivered"})
    assert [each.id for each in receiver.requests] == [first] * (len(DELAYS_S) + 1) + [second, first]


def test_retry_after_is_honoured(outbox: Outbox) -> None:
    with WebhookReceiver(lambda *_: status(503, b"", "retry-after: 7200")) as receiver:
        outbox.receiver("ops", receiver.url)
        (id,) = outbox.send()
        before = outbox.now()
        outbox.worker.start()
        outbox.wait_for(lambda: outbox.of(id).attempts == 1)
        wait = (outbox.of(id).next_attempt_at or 0) - before
    assert 7200 <= wait / 10**9 < 7300


ENQUEUE = """
import sys
from pathlib import Path
from farebox.control.outbox import enqueue_sql
from farebox.control.outbox.envelope import envelope
from farebox.home import Home, replace_private
with enqueue_sql.writing(Home(Path(sys.argv[1]))) as connection:
    print(enqueue_sql.enqueue(connection, envelope("a.b", {"n": 1}, 10**18, cause="t")))
"""


def test_what_another_process_enqueues_is_sent_at_once(outbox: Outbox) -> None:
    with WebhookReceiver() as receiver:
        outbox.receiver("ops", receiver.url)
        outbox.worker.start()
        outbox.wait_for(lambda: outbox.worker._lock is not None)
        program = [sys.executable, "-c", ENQUEUE, str(outbox.home.path)]
        id = subprocess.run(program, check=True, capture_output=True, text=True).stdout.strip()
        assert receiver.wait_for(1)[0].id == id


def test_an_idle_outbox_reads_nothing(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between changes it looks at the file's time, and neither opens nor reads it."""
    monkeypatch.setattr(delivery, "_SETTLED_NS", 10**7)
    read: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if threading.current_thread().name.startswith("outbox"):
            read.append(statement)

    with WebhookReceiver() as receiver:
        outbox.receiver("ops", receiver.url)
        event.listen(Engine, "before_cursor_execute", count)
        try:
            outbox.worker.start()
            outbox.wait_for(lambda: any("outbox_delivery" in each for each in read))
            time.sleep(0.3)
            read.clear()
            time.sleep(1.0)
            assert read == []
            outbox.send()
            receiver.wait_for(1)
            assert read, "the control: a change is noticed"
        finally:
            event.remove(Engine, "before_cursor_execute", count)


def test_without_a_control_database_nothing_is_made(outbox: Outbox) -> None:
    outbox.worker.start()
    time.sleep(0.3)
    outbox.worker.close()
    assert not outbox.home.control.exists()
    assert not (outbox.home.run / "outbox.lock").exists()
    assert outbox.said == []


def test_of_two_workers_one_works_and_the_other_takes_over(outbox: Outbox) -> None:
    second = outbox.make()
    with WebhookReceiver() as receiver:
        outbox.receiver("ops", receiver.url)
        outbox.worker.start()
        outbox.wait_for(lambda: outbox.worker._lock is not None)
        second.start()
        ids = outbox.send(10)
        receiver.wait_for(10)
        assert second._lock is None
        outbox.wait_for(lambda: set(outbox.states().values()) == {"delivered"})
        outbox.worker.close()
        ids += outbox.send(1)
        receiver.wait_for(11)
        second.close()
    assert [each.id for each in receiver.requests] == ids


def test_a_stop_does_not_wait_for_a_slow_receiver_and_loses_nothing(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "GRACE_S", 0.2)
    with WebhookReceiver(silent) as receiver:
        outbox.receiver("ops", receiver.url)
        (id,) = outbox.send()
        outbox.worker.start()
        receiver.wait_for(1)
        outbox.worker.close()
        assert outbox.worker._thread is not None
        assert not outbox.worker._thread.is_alive()
        assert outbox.of(id).attempts == 0
        receiver.respond = lambda *_: OK
        outbox.worker = outbox.make()
        outbox.worker.start()
        outbox.wait_for(lambda: outbox.of(id).state == "delivered")
    assert [each.id for each in receiver.requests] == [id, id]


def test_a_locked_database_is_waited_for_and_nothing_is_sent_twice(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0.1)
    open_control(outbox.home)
    holder = sqlite3.connect(outbox.home.control, isolation_level=None, check_same_thread=False)

    def hold(_request: Request, _connection: socket.socket) -> bytes:
        holder.execute("BEGIN IMMEDIATE")
        return OK

    with WebhookReceiver(hold) as receiver:
        outbox.receiver("ops", receiver.url)
        (id,) = outbox.send()
        outbox.worker.start()
        outbox.wait_for(lambda: any("written by another process" in each for each in outbox.said))
        time.sleep(0.5)
        holder.execute("ROLLBACK")
        outbox.wait_for(lambda: outbox.of(id).state == "delivered")
        assert len(receiver.requests) == 1
        assert sum("written by another process" in each for each in outbox.said) == 1, "it is said once"
    holder.close()


def test_a_damaged_database_is_named_once_and_the_worker_goes_on(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WebhookReceiver() as receiver:
        outbox.receiver("ops", receiver.url)
        (id,) = outbox.send()
        whole = outbox.home.control.read_bytes()
        outbox.home.control.write_bytes(b"x" * len(whole))
        outbox.worker.start()
        outbox.wait_for(lambda: any("is damaged" in each for each in outbox.said))
        # In one step, as a restore does: a file that is empty for a moment is taken for a new one.
        replace_private(outbox.home.control, whole)
        receiver.wait_for(1)
        outbox.wait_for(lambda: outbox.of(id).state == "delivered")
    assert sum("is damaged" in each for each in outbox.said) == 1


def test_a_missing_secret_is_named_and_its_message_waits(outbox: Outbox) -> None:
    from farebox.errors import Finding

    def missing(_: Any) -> str:
        raise ConfigError([Finding("farebox.yaml", 3, "secret", "nothing", "a secret there")])

    with WebhookReceiver() as receiver:
        outbox.receiver("ops", receiver.url)
        outbox.secret = missing
        (id,) = outbox.send()
        outbox.worker.start()
        outbox.wait_for(lambda: outbox.of(id).attempts == 1)
        assert "farebox.yaml:3: secret: found nothing" in (outbox.of(id).last_error or "")
        assert receiver.connections == 0
        outbox.secret = lambda _: SECRET
        outbox.wait_for(lambda: outbox.of(id).state == "delivered", forward=True)


def test_what_was_cancelled_on_its_way_and_fails_stays_cancelled(outbox: Outbox) -> None:
    ids: list[str] = []

    def cancelling(request: Request, _: socket.socket) -> bytes:
        with open_control(outbox.home).writing() as connection:
            messages.cancel(connection, id=request.id)
        ids.append(request.id)
        return status(500)

    with WebhookReceiver(cancelling) as receiver:
        outbox.receiver("ops", receiver.url)
        sent = outbox.send(2)
        outbox.worker.start()
        outbox.wait_for(lambda: set(outbox.states().values()) == {"cancelled"})
    assert ids == sent
    assert len(receiver.requests) == 2


def test_nothing_is_sent_to_our_own_ports(outbox: Outbox) -> None:
    with WebhookReceiver() as ours:
        outbox.worker._own_ports = lambda: frozenset((ours.port,))
        outbox.receiver("ops", ours.url)
        (id,) = outbox.send()
        outbox.worker.start()
        outbox.wait_for(lambda: outbox.of(id).attempts == 1)
        assert "Farebox's own address" in (outbox.of(id).last_error or "")
    assert ours.connections == 0
