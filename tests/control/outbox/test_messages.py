"""Messages are committed with their cause, once, numbered for each receiver; both ways to enqueue agree."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from farebox.control.database import open_control
from farebox.control.outbox import enqueue_sql, messages, receivers
from farebox.control.outbox.envelope import PAYLOAD_BYTES_MAX, ReceiverSettings, envelope, wants
from farebox.control.publish import change
from farebox.errors import ControlError, ControlSchemaError, MessageRefusedError, UsageError
from farebox.home import Home

ROUNDS = int(os.environ.get("FAREBOX_FAULT_ROUNDS", "4"))
pytestmark = pytest.mark.timeout(300 + 10 * ROUNDS)
NOW = 1_800_000_000 * 10**9
DAY = 86_400 * 10**9
EVERYTHING = ReceiverSettings(url="https://a.example.com/")
PRICES = ReceiverSettings(url="https://b.example.com/", kinds=("prices.*",))


@pytest.fixture
def with_receivers(home: Home) -> Home:
    with change(home) as connection:
        receivers.add(connection, "all", EVERYTHING, NOW)
        receivers.add(connection, "prices", PRICES, NOW)
    return home


def rows(home: Home) -> dict[str, list[tuple[Any, ...]]]:
    """Return all tables of the outbox, identifiers replaced by the order they came in."""
    connection = sqlite3.connect(home.control)
    numbers = {
        id: number
        for number, (id,) in enumerate(connection.execute("SELECT id FROM outbox_message ORDER BY rowid"))
    }
    found = {
        table: [
            tuple(numbers.get(value, value) for value in row)
            for row in connection.execute(f"SELECT * FROM {table} ORDER BY rowid")  # noqa: S608 - our names
        ]
        for table in ("outbox_receiver", "outbox_message", "outbox_delivery")
    }
    connection.close()
    return found


def test_a_message_is_committed_with_its_cause_or_not_at_all(with_receivers: Home) -> None:
    from farebox.config import KeyConfig
    from farebox.control import keys

    with pytest.raises(RuntimeError), change(with_receivers) as connection:
        keys.label(connection, "0123456789abcdef", KeyConfig(label="x"), NOW)
        messages.enqueue(connection, envelope("keys.labelled", {}, NOW, cause="test"))
        raise RuntimeError
    assert rows(with_receivers)["outbox_message"] == []
    assert rows(with_receivers)["outbox_receiver"][0][5] == 0, "no number was used up"


def test_each_receiver_gets_what_it_subscribed_to_numbered_in_order(with_receivers: Home) -> None:
    with change(with_receivers) as connection:
        for kind in ("prices.updated", "budget.reached", "prices.held"):
            messages.enqueue(connection, envelope(kind, {"k": kind}, NOW, cause="test"))
        found = messages.deliveries(connection)
    assert sorted((each.receiver, each.position, each.kind) for each in found) == [
        ("all", 1, "prices.updated"),
        ("all", 2, "budget.reached"),
        ("all", 3, "prices.held"),
        ("prices", 1, "prices.updated"),
        ("prices", 2, "prices.held"),
    ]


@pytest.mark.parametrize(
    ("kinds", "kind", "wanted"),
    [
        (("*",), "a.b", True),
        (("a.b",), "a.b", True),
        (("a.b",), "a.bc", False),
        (("a.*",), "a.b", True),
        (("a.*",), "a.b.c", True),
        (("a.*",), "ab.c", False),
        (("x.y", "a.*"), "a.b", True),
        ((), "a.b", False),
    ],
)
def test_subscriptions(kinds: tuple[str, ...], kind: str, wanted: bool) -> None:
    assert wants(kinds, kind) is wanted


def test_a_key_used_twice_is_one_message(with_receivers: Home) -> None:
    with change(with_receivers) as connection:
        first = messages.enqueue(
            connection, envelope("prices.updated", {"n": 1}, NOW, cause="t", dedupe_key="a")
        )
        again = messages.enqueue(
            connection, envelope("prices.updated", {"n": 2}, NOW, cause="t", dedupe_key="a")
        )
        other = messages.enqueue(
            connection, envelope("prices.updated", {"n": 3}, NOW, cause="t", dedupe_key="b")
        )
        assert first == again != other
        assert [each.position for each in messages.deliveries(connection, of="all")] == [2, 1]


def test_a_message_that_nobody_wants_is_not_kept(home: Home) -> None:
    with change(home) as connection:
        receivers.add(connection, "prices", PRICES, NOW)
        assert messages.enqueue(connection, envelope("budget.reached", {}, NOW, cause="t")) is None
        assert messages.enqueue(connection, envelope("farebox.test", {}, NOW, cause="t"), only="prices")
    assert len(rows(home)["outbox_message"]) == 1


def test_the_payload_is_that_of_the_specification_and_has_a_limit() -> None:
    made = envelope("prices.updated", {"models": 3}, NOW, cause="t", occurred_ns=NOW - 10**9)
    assert json.loads(made.payload) == {
        "type": "prices.updated",
        "timestamp": "2027-01-15T07:59:59.000000Z",
        "data": {"models": 3},
    }
    assert "." not in made.id, "it is joined with dots where it is signed"
    envelope("a.b", {"x": "y" * (PAYLOAD_BYTES_MAX - 100)}, NOW, cause="t")
    with pytest.raises(MessageRefusedError, match="too large"):
        envelope("a.b", {"x": "y" * PAYLOAD_BYTES_MAX}, NOW, cause="t")
    for kind in ("", "a", "A.b", "a..b", "a.b ", "a.*"):
        with pytest.raises(MessageRefusedError, match="no kind"):
            envelope(kind, {}, NOW, cause="t")


@pytest.mark.parametrize("library", ["apsw", "sqlite3"])
def test_plain_sql_writes_the_same_rows(tmp_path: Path, library: str) -> None:
    """The ledger process enqueues without SQLAlchemy; nobody can tell which way a message came."""
    sent = [
        envelope("prices.updated", {"n": 1}, NOW, cause="a"),
        envelope("budget.reached", {"n": 2}, NOW + 1, cause="b", dedupe_key="k"),
        envelope("budget.reached", {"n": 3}, NOW + 2, cause="c", dedupe_key="k"),
        envelope("prices.held", {"n": "é"}, NOW + 3, cause="d", dedupe_key="l"),
    ]
    homes: list[Home] = []
    for name in ("core", "sql"):
        home = Home(tmp_path / name)
        home.prepare()
        with change(home) as connection:
            receivers.add(connection, "all", EVERYTHING, NOW)
            receivers.configure(connection, {"prices": PRICES}, NOW)
            receivers.add(connection, "gone", EVERYTHING, NOW)
            receivers.remove(connection, "gone")
        homes.append(home)
    with change(homes[0]) as connection:
        ids = [messages.enqueue(connection, each) for each in sent]
        ids.append(messages.enqueue(connection, sent[0], only="nobody"))
    if library == "apsw":
        with enqueue_sql.writing(homes[1]) as plain:
            found = [enqueue_sql.enqueue(plain, each) for each in sent]
            found.append(enqueue_sql.enqueue(plain, sent[0], only="nobody"))
    else:
        with sqlite3.connect(homes[1].control) as other:
            found = [enqueue_sql.enqueue(other, each) for each in sent]
            found.append(enqueue_sql.enqueue(other, sent[0], only="nobody"))
        other.close()
    assert found == ids
    assert rows(homes[1]) == rows(homes[0])


def test_plain_sql_loads_no_sqlalchemy(with_receivers: Home) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from farebox.control.outbox import enqueue_sql\n"
        "from farebox.control.outbox.envelope import envelope\n"
        "from farebox.home import Home\n"
        "with enqueue_sql.writing(Home(Path(sys.argv[1]))) as connection:\n"
        "    assert enqueue_sql.enqueue(connection, envelope('a.b', {}, 1, cause='t'))\n"
        "assert 'sqlalchemy' not in sys.modules and 'alembic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, with_receivers.path], check=True)
    assert len(rows(with_receivers)["outbox_message"]) == 1


def test_plain_sql_refuses_what_it_does_not_know(home: Home, with_receivers: Home) -> None:
    with pytest.raises(RuntimeError), enqueue_sql.writing(home) as connection:
        enqueue_sql.enqueue(connection, envelope("a.b", {}, NOW, cause="t"))
        raise RuntimeError
    assert rows(home)["outbox_message"] == []
    with sqlite3.connect(home.control) as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    other.close()
    with pytest.raises(ControlSchemaError, match="9999"), enqueue_sql.writing(home):
        pass
    home.control.unlink()
    with pytest.raises(ControlError, match="cannot be opened"), enqueue_sql.writing(home):
        pass
    assert not home.control.exists(), "it makes no database"


ENQUEUER = """
import sys
from pathlib import Path
from farebox.control.outbox import enqueue_sql
from farebox.control.outbox.envelope import envelope
from farebox.home import Home
home, turn = Home(Path(sys.argv[1])), sys.argv[2]
for number in range(100_000):
    sent = envelope("ledger.seen", {"turn": turn, "n": number}, 1, cause="t", dedupe_key=f"{turn}-{number}")
    with enqueue_sql.writing(home) as connection:
        enqueue_sql.enqueue(connection, sent)
    print(number, flush=True)
"""


def test_a_ledger_that_is_killed_while_it_enqueues_leaves_whole_messages(with_receivers: Home) -> None:
    """What it reported as committed is there; each message has its delivery; no number is missing."""
    chance = random.Random(11)
    database = open_control(with_receivers)
    committed = 0
    for turn in range(ROUNDS):
        child = subprocess.Popen(
            [sys.executable, "-c", ENQUEUER, with_receivers.path, str(turn)], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(chance.random() * 0.1)
        child.send_signal(signal.SIGKILL)
        reported = child.stdout.read().splitlines()
        child.stdout.close()
        child.wait()
        with database.reading() as connection:
            database.check()
            found = messages.deliveries(connection, of="all", limit=None)
        ours = sorted(each.position for each in found)
        assert ours == list(range(1, len(ours) + 1)), f"turn {turn}"
        assert len(ours) >= committed + 1 + len(reported)
        assert len(rows(with_receivers)["outbox_message"]) == len(ours), "no message without its delivery"
        committed = len(ours)
    assert committed > ROUNDS


def test_retry_and_cancel(with_receivers: Home) -> None:
    with change(with_receivers) as connection:
        ids = [messages.enqueue(connection, envelope("a.b", {}, NOW + n, cause="t")) for n in range(3)]
        assert messages.cancel(connection, id=ids[0]) == 1
        assert messages.cancel(connection, id=ids[0]) == 0
        assert messages.figures(connection).pending == 2
        assert messages.retry(connection, ids[0]) == 1
        assert messages.retry(connection, None) == 0, "nothing is dead"
        assert messages.figures(connection).pending == 3
        assert messages.cancel(connection, of="all") == 3


def test_a_message_is_found_by_the_beginning_of_its_id(with_receivers: Home) -> None:
    with change(with_receivers) as connection:
        one = messages.enqueue(connection, envelope("a.b", {"x": 1}, NOW, cause="why"))
        two = messages.enqueue(connection, envelope("a.b", {"x": 2}, NOW + DAY, cause="why"))
        assert one and two
        found = messages.stored(connection, one[:13].upper())
        assert (found.id, found.cause, len(found.deliveries)) == (one, "why", 1)
        assert json.loads(bytes(found.payload))["data"] == {"x": 1}
        for prefix in ("", "ffff", "%", "_"):
            with pytest.raises(UsageError, match="id with"):
                messages.stored(connection, prefix)


def test_old_messages_are_removed_once_nobody_waits_for_them(with_receivers: Home) -> None:
    from sqlalchemy import update

    from farebox.control.schema import outbox_delivery as delivery

    states = {"delivered": 8, "cancelled": 8, "dead": 8, "pending": 40, "recent": 1}
    with change(with_receivers) as connection:
        ids: dict[str, str] = {}
        for state, age in states.items():
            sent = envelope("a.b", {}, NOW - age * DAY, cause=state)
            ids[state] = messages.enqueue(connection, sent) or ""
            if state not in ("pending", "recent"):
                connection.execute(
                    update(delivery).where(delivery.c.message == ids[state]).values(state=state)
                )
        connection.execute(
            update(delivery).where(delivery.c.message == ids["recent"]).values(state="delivered")
        )
        assert messages.prune(connection, NOW) == 2
        kept = {each.id for each in messages.deliveries(connection)}
        assert kept == {ids["dead"], ids["pending"], ids["recent"]}
        assert messages.prune(connection, NOW + 23 * DAY) == 2, "a dead one is kept for a month"
        receivers.stop(connection, "all", "gone")
        assert messages.prune(connection, NOW) == 1, "a stopped receiver's are given up after a month"
        assert messages.deliveries(connection) == []
