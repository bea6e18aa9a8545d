"""Receivers are told once what became of the price lists, whenever the server was killed."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest

from farebox.clock import iso
from farebox.config.configuration import PricesConfig
from farebox.control.database import open_control
from farebox.control.outbox import messages, receivers
from farebox.control.outbox.envelope import ReceiverSettings
from farebox.control.publish import change
from farebox.home import Home
from farebox.price_lists.held_list import HeldList, hold
from farebox.price_lists.last_look import LastLook, note
from farebox.price_lists.updates_folder import updating
from farebox.server.price_messages import tell

NOW = 1_800_000_000 * 10**9
DAY = 86_400 * 10**9
AUTO = PricesConfig(update="auto")
SOURCE = "https://prices.example.com/list.json"


@pytest.fixture
def told_home(home: Home) -> Home:
    with change(home) as connection:
        receivers.add(connection, "ops", ReceiverSettings(url="https://a.example.com/"), NOW)
    return home


def look(home: Home, **values: Any) -> None:
    known = {"at_ns": NOW, "next_at_ns": NOW + DAY, "source": SOURCE, "state": "unchanged", "words": "x"}
    with updating(home):
        note(home, LastLook(**{**known, **values}))


def told(home: Home) -> list[tuple[str, dict[str, Any]]]:
    with open_control(home).reading() as connection:
        found = [messages.stored(connection, each.id) for each in messages.deliveries(connection, limit=None)]
    return [(each.kind, msgspec.json.decode(each.payload)["data"]) for each in reversed(found)]


def test_an_update_is_told_once_however_often_it_is_looked_at(told_home: Home) -> None:
    look(told_home, taken="3 prices changed", taken_at_ns=NOW)
    for later in (1, 2, DAY):
        tell(told_home, AUTO, NOW + later)
    update = {"source": SOURCE, "changes": "3 prices changed", "taken_at": iso(NOW)}
    assert told(told_home) == [("prices.updated", update)]
    look(told_home, taken="1 new model", taken_at_ns=NOW + DAY)
    tell(told_home, AUTO, NOW + DAY)
    assert [kind for kind, _ in told(told_home)] == ["prices.updated", "prices.updated"]


def test_old_news_is_none(told_home: Home) -> None:
    """The outbox forgets what was delivered a week ago; it is not told a second time."""
    look(told_home, taken="3 prices changed", taken_at_ns=NOW)
    tell(told_home, AUTO, NOW + 8 * DAY)
    assert told(told_home) == []


def test_a_list_that_waits_for_review_is_told(told_home: Home) -> None:
    content = b"{}"
    digest = hashlib.sha256(content).hexdigest()
    with updating(told_home):
        hold(
            told_home,
            HeldList(
                source=SOURCE,
                sha256=digest,
                fetched_at=iso(NOW),
                etag=None,
                modified=None,
                reasons=["2 models would be gone"],
                changes=5,
                content=content,
            ),
        )
    for later in (1, DAY):
        tell(told_home, PricesConfig(update="review"), NOW + later)
    ((kind, data),) = told(told_home)
    assert (kind, data["sha256"], data["reasons"]) == ("prices.held", digest, ["2 models would be gone"])


def test_prices_that_are_not_reached_any_more_are_told_once(told_home: Home) -> None:
    look(told_home, state="failed", words="status 503", failures=3, reached_at_ns=NOW)
    tell(told_home, AUTO, NOW + 2 * DAY)
    assert told(told_home) == [], "not after a look or two"
    for later in (3 * DAY + 1, 4 * DAY):
        tell(told_home, AUTO, NOW + later)
    assert told(told_home) == [("prices.stale", {"source": SOURCE, "since": iso(NOW), "why": "status 503"})]


def test_nothing_is_told_where_nobody_asked(home: Home, told_home: Home) -> None:
    look(told_home, taken="3 prices changed", taken_at_ns=NOW)
    tell(told_home, PricesConfig(update="off"), NOW)
    assert told(told_home) == []


def test_without_a_receiver_no_database_is_made(home: Home) -> None:
    look(home, taken="3 prices changed", taken_at_ns=NOW)
    tell(home, AUTO, NOW)
    assert not home.control.exists()
