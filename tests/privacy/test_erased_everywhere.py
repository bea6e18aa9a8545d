"""A person who is in every place is in no file after erasing, and what was proved stays proved."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from calls import MINUTE, NOON, done, intent_of, sums_of
from handing_over import NAME, HandOver
from sqlalchemy import insert

from farebox.alerts.alert import Snooze
from farebox.backup.creation import create
from farebox.budgets.budget import Stop
from farebox.channels.usage.usage_event import EventAnswer
from farebox.cli.main import main
from farebox.config import KeyConfig
from farebox.control import alerts, schema, usage_events
from farebox.control.audit.verification import verify_audit
from farebox.control.budget_changes import lift_stop, stop_calls
from farebox.control.database import ControlDatabase
from farebox.control.key_changes import forget_key, label_key
from farebox.control.outbox import messages, receivers
from farebox.control.outbox.envelope import ReceiverSettings, envelope
from farebox.control.publish import change
from farebox.control.token_changes import create_token, revoke_token
from farebox.home import Home
from farebox.journal import records
from farebox.journal.writer import JournalWriter
from farebox.ledger import verify

CLI = Callable[..., tuple[int, str, str]]
USER, CUSTOMER = "wilhelmina.canary@example.com", 'canary "und" Söhne'
SESSION, MAIL, THEIRS = "canary-session-71", "canary.mail@example.com", "cus_canary71"
NAMED = ["--user", USER, "--customer", CUSTOMER, "--session", SESSION, "--tag", f"mail={MAIL}"]
WHOSE = {"user": USER, "session": SESSION, "tag.mail": MAIL}
FINGERPRINT = "0123456789abcdef"
FORMS = [
    form.encode()
    for value in (USER, CUSTOMER, SESSION, MAIL, THEIRS)
    for form in (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
]


def containing(folder: Path) -> dict[str, list[bytes]]:
    """Return which files of a folder have which canary."""
    found: dict[str, list[bytes]] = {}
    for path in sorted(folder.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        if there := [form for form in FORMS if form in content]:
            found[str(path.relative_to(folder))] = there
    return found


@pytest.fixture
def over(tmp_path: Path) -> HandOver:
    """Return a home in which the canaries are everywhere."""
    home = Home(tmp_path / "home")
    home.prepare()
    receiver: Any = SimpleNamespace(url="http://127.0.0.1:9", now_s=None)
    made = HandOver(home, "openmeter", receiver, customers={CUSTOMER: THEIRS})
    declare(home, made)
    made.calls(3, CUSTOMER, at=NOON, attribution=WHOSE)
    made.calls(2, "beta", at=NOON)
    made.pass_time(61 * MINUTE)
    made.follower.look()
    with made.database.writing() as connection:
        first, *_ = [
            each for each in usage_events.in_states(connection, NAME, ("waiting",)) if each.event.account
        ]
        usage_events.answered(connection, NAME, [EventAnswer(id=first.event.id, state="taken")], NOON)
    made.calls(2, CUSTOMER, at=NOON + 70 * MINUTE, attribution=WHOSE)
    made.pass_time(61 * MINUTE)
    made.follower.look()
    made.close()
    return made


def declare(home: Home, made: HandOver) -> None:
    """Declare the person in every way, and take it all back: the audit has it from then on."""
    label_key(home, FINGERPRINT, KeyConfig(label="k", user=USER, customer=CUSTOMER), "uid:1", 1)
    forget_key(home, FINGERPRINT, "uid:1", 2)
    token, _ = create_token(
        home, "laptop", "client", "uid:1", 3, binding={"customer": CUSTOMER, "user": USER}
    )
    revoke_token(home, token.id, "uid:1", 4, "")
    stop_calls(home, Stop(dimension="session", value=SESSION, reason="r", since_ns=1, by="uid:1"), 5)
    lift_stop(home, "session", SESSION, "uid:1", 6)
    with change(home) as connection:
        alerts.snooze(connection, Snooze(alert="a", value=USER, since_ns=0, until_ns=9), 0)
        alerts.unsnooze(connection, "a")
        receivers.add(
            connection, "ops", ReceiverSettings(url="https://ops.example.com/", secret={"env": "S"}), 1
        )
        told = envelope(
            "wallet.low", {"customer": CUSTOMER, "balance": "1"}, NOON, cause=f"wallet {CUSTOMER}"
        )
        id = messages.enqueue(connection, told, only="ops")
        messages.cancel(connection, id=id)
        said = {
            "customer": CUSTOMER,
            "from_ns": 1,
            "until_ns": 2,
            "id": "d",
            "document": json.dumps([CUSTOMER]),
        }
        connection.execute(insert(schema.invoice_draft).values(said))


@pytest.fixture
def cli(over: HandOver, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CLI:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["farebox", *arguments, "--home", str(over.home.path)])
        status = main()
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_a_person_is_in_no_file_and_in_no_backup_made_afterwards(
    over: HandOver, cli: CLI, tmp_path: Path
) -> None:
    home = over.home
    cli("customers", "set", CUSTOMER, "--name", "Canary Söhne", "--currency", "USD")
    cli("customers", "remove", CUSTOMER)
    cli("by", "user")  # the replica
    writer = JournalWriter(home.journal)  # goes on in the segment that has it
    late = done(NOON + 80 * MINUTE, source=writer.source, attribution={"customer": CUSTOMER, **WHOSE})
    writer.append(records.INTENT, records.encode(intent_of(late)))
    writer.append(records.DONE, records.encode(late))
    (home.path / "spool").mkdir(mode=0o700, exist_ok=True)
    event = {
        **{"id": "0199f0d2-7f0e-7000-8000-000000000001", "source": "node:test", "provider": "openai"},
        **{"time": "2026-11-01T00:00:00Z", "model": "gpt-4o", "usage": {"prompt_tokens": 9}},
        **{"user": USER, "session": SESSION, "tags": {"mail": MAIL}},
    }
    (home.path / "spool" / "node.ndjson").write_text(json.dumps(event) + "\n")
    assert {"ledger.db", "analytics.duckdb", "control.db"} <= {*containing(home.path)}
    cli("today")
    before, figures = sums_of(home), over.states()

    status, told, _ = cli("privacy", "erase", *NAMED, "--yes", "--json")
    answer = json.loads(told)
    assert (status, answer["erased"], answer["left_in"]) == (0, True, [])
    assert answer["kept"] == [] and len(answer["places"]) > 10
    assert containing(home.path) == {}
    writer.close()
    create(home, tmp_path / "copy", configuration=None, certificates=False, told=lambda *_: None)
    assert containing(tmp_path / "copy") == {} and containing(home.path) == {}

    assert sums_of(home) == before and verify(home).ok
    with ControlDatabase(home).reading() as connection:
        assert verify_audit(connection).problems == []
        events = usage_events.in_states(connection, NAME, ("waiting", "held", "taken"))
        days = usage_events.days(connection, NAME)
    assert sum(vars_of(over.states())) == sum(vars_of(figures))
    names = {each.customer for each in events}
    assert names == {"beta", *(name for name in names if name.startswith("(erased "))} and len(names) == 2
    assert {customer for _, customer, _ in days} < names
    assert "canary" not in cli("audit", "list", "--json")[1]
    assert json.loads(cli("privacy", "report", *NAMED, "--json")[1])["found"] == []


def vars_of(figures: usage_events.UsageFigures) -> list[int]:
    return [getattr(figures, name) for name in figures.__struct_fields__]
