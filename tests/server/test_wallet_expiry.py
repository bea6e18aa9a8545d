"""Grants expire while the server runs, each once, and a database in trouble is tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from farebox.billing.wallets import moves
from farebox.billing.wallets.balance import balance
from farebox.control.database import open_control
from farebox.control.publish import change
from farebox.home import Home
from farebox.server.wallet_expiry import WalletExpiry


@pytest.fixture
def home(away_from_home: Path) -> Home:
    home = Home(away_from_home)
    home.prepare()
    return home


def test_a_grant_expires_when_its_time_has_come_and_nothing_is_written_before(home: Home) -> None:
    clock = [0]
    expiry = WalletExpiry(home, lambda: clock[0])
    assert expiry.look() == 0 and not home.control.exists()
    with change(home) as connection:
        for at in (50, 100):
            moves.grant(connection, "acme", "USD", 500, at_ns=1, actor="", expires_at=at)
    found = []
    for clock[0] in (10, 50, 60, 99, 100, 200):
        before = home.control.read_bytes()
        found.append(expiry.look())
        assert (home.control.read_bytes() != before) is bool(found[-1])
    assert found == [0, 1, 0, 0, 1, 0]
    with open_control(home).reading() as connection:
        shown = balance(connection, "acme", clock[0])
        assert shown is not None and shown.balance_minor == 0


def test_what_expired_while_no_server_ran_is_posted_at_the_first_look(home: Home) -> None:
    with change(home) as connection:
        moves.grant(connection, "acme", "USD", 500, at_ns=1, actor="", expires_at=50)
    assert WalletExpiry(home, lambda: 1_000).look() == 1


def test_a_damaged_database_is_said_once_and_tried_again(
    home: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    with change(home) as connection:
        moves.grant(connection, "acme", "USD", 500, at_ns=1, actor="", expires_at=50)
    whole = home.control.read_bytes()
    home.control.write_bytes(b"no database at all" * 100)
    expiry = WalletExpiry(home, lambda: 1_000)
    assert [expiry.look(), expiry.look()] == [0, 0]
    assert capfd.readouterr().err.count("wallets:") == 1
    home.control.write_bytes(whole)
    assert expiry.look() == 1
