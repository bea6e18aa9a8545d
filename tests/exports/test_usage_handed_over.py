"""Usage at the receiver equals the record exactly: through duplicates, outages, forgotten ids, skew and
refusals."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from calls import DAY, HOUR, MINUTE
from handing_over import NAME, HandOver
from tests.control_kills import killed_at
from usage_receivers import (
    KEY,
    Lago,
    LagoOnClickHouse,
    Metronome,
    OpenMeter,
    Orb,
    Stripe,
    UsageReceiver,
    served,
)

from farebox.control.outbox import delivery, receivers
from farebox.exports.corrections import replay, settle
from farebox.home import Home

TOKENS = {
    "uncached_input_tokens": "llm_input",
    "cache_read_tokens": "llm_cached",
    "cache_creation_tokens": "llm_caching",
    "output_tokens": "llm_output",
}
MONEY = {**TOKENS, "calls": "llm_calls", "cost_usd": "llm_cost", "charge_usd": "llm_charge"}
CUSTOMERS = {"acme": "cus_acme", "beta": "cus_beta", "gamma": "cus_gamma"}
VENDORS: list[tuple[Any, type[UsageReceiver], dict[str, str]]] = [
    ("stripe", Stripe, {**TOKENS, "calls": "llm_calls"}),
    ("lago", Lago, MONEY),
    ("lago", LagoOnClickHouse, MONEY),
    ("openmeter", OpenMeter, MONEY),
    ("orb", Orb, MONEY),
    ("metronome", Metronome, MONEY),
]
ids = [vendor.__name__ for _, vendor, _ in VENDORS]
every_vendor = pytest.mark.parametrize(("form", "vendor", "meters"), VENDORS, ids=ids)

Make = Callable[..., HandOver]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with ExitStack() as stack:

        def made(form: Any, vendor: type[UsageReceiver], meters: dict[str, str], **said: Any) -> HandOver:
            home = Home(tmp_path / "home")
            home.prepare()
            receiver = stack.enter_context(served(vendor(lambda: 0.0)))
            over = HandOver(home, form, receiver, meters=meters, **{"customers": CUSTOMERS, **said})
            stack.callback(over.close)
            return over

        yield made


def agree(over: HandOver, meters: dict[str, str]) -> None:
    """The receiver has what the record has, and so say our own days."""
    assert over.theirs() == over.expected(meters, CUSTOMERS)
    states = over.states()
    assert (states.waiting, states.refused, states.in_doubt, states.held) == (0, 0, 0, 0)
    from decimal import Decimal

    from farebox.channels.usage.usage_event import value_text
    from farebox.control.usage_events import days

    kept: dict[tuple[str, str], Decimal] = {}
    with over.database.reading() as connection:
        for (_, customer, quantity), value in days(connection, NAME).items():
            key = CUSTOMERS.get(customer, customer), meters[quantity]
            kept[key] = kept.get(key, Decimal(0)) + Decimal(value_text(quantity, value))
    assert {key: value for key, value in kept.items() if value} == over.theirs()


CASES = [
    pytest.param(*each, granularity, id=f"{each[1].__name__}-{granularity}")
    for granularity in ("hour", "call", "day")
    for each in VENDORS
    if granularity == "hour" or each[1] is OpenMeter or "FAREBOX_LONG" in os.environ
]


@pytest.mark.parametrize(("form", "vendor", "meters", "granularity"), CASES)
def test_totals_agree_through_a_bad_week(
    make: Make, form: Any, vendor: Any, meters: dict[str, str], granularity: Any
) -> None:
    over = make(form, vendor, meters, granularity=granularity)
    receiver = over.receiver
    over.calls(3)
    over.calls(2, "beta", model="claude-x", output_tokens=1_234_567)
    over.calls(1, "")  # nobody's
    over.calls(1, "", attribution={"user": "ann"})
    over.hand_over()
    agree(over, meters)

    # What was nobody's is beta's now; a late call comes; a correction takes acme's calls back.
    over.remap("ann", "beta")
    over.calls(1, at=over.now_ns - 5 * HOUR)
    over.hand_over()
    agree(over, meters)
    over.remap("ann", "gamma")
    over.hand_over()
    agree(over, meters)
    assert over.theirs()["cus_gamma", "llm_output"] == 5

    # The receiver does what it is asked and its response is lost: the same ids come again.
    before = receiver.requests
    for outage in ("silent", "half"):
        over.calls(2)
        receiver.outage = outage
        over.hand_over()
        assert over.states().waiting
        receiver.outage = None
        over.pass_time(10 * MINUTE)
        over.deliver()
        agree(over, meters)
    assert receiver.duplicates > 0 and receiver.requests > before

    # It is down for a day, and calls go on; then it limits us.
    receiver.outage = "limit"
    for _ in range(4):
        over.calls(1)
        over.pass_time(5 * HOUR)
        over.hand_over()
    receiver.outage = None
    over.pass_time(2 * HOUR)
    over.deliver()
    agree(over, meters)

    # It forgets every id; nothing is sent twice, whoever looks again.
    over.pass_time(40 * DAY)
    receiver.known.clear()
    seen = receiver.requests
    over.follower = over.following()
    over.hand_over()
    assert receiver.requests == seen
    agree(over, meters)

    # A call that is older than the receiver accepts, and one that a wrong clock put ahead.
    over.calls(1, at=over.now_ns - 60 * DAY)
    over.calls(1, at=over.now_ns + 3 * DAY)
    over.hand_over()
    agree(over, meters)


@every_vendor
def test_one_refused_event_keeps_no_other_back_and_is_sent_once_it_is_put_right(
    make: Make, form: Any, vendor: Any, meters: dict[str, str]
) -> None:
    over = make(form, vendor, meters)
    over.receiver.unknown_customers = {"cus_beta"}
    for customer in ("acme", "beta", "gamma"):
        over.calls(2, customer)
    over.hand_over()
    assert {account for account, _ in over.theirs()} == {"cus_acme", "cus_gamma"}
    refused = over.states().refused
    assert refused and over.states().waiting == 0
    over.receiver.unknown_customers = set()
    settings = receivers_settings(over)
    with over.database.writing() as connection:
        assert replay(connection, NAME, settings, over.now_ns) == refused
    over.deliver()
    agree(over, meters)


def receivers_settings(over: HandOver) -> Any:
    with over.database.reading() as connection:
        return receivers.receiver_named(connection, NAME).settings.usage


def test_usage_of_a_customer_without_a_name_waits_for_one(make: Make) -> None:
    over = make("stripe", Stripe, TOKENS, customers={"acme": "cus_acme"})
    over.calls(1)
    over.calls(1, "beta")
    over.hand_over()
    assert (over.states().held, over.states().taken) == (2, 2)
    over.set(meters=TOKENS, customers=CUSTOMERS)
    over.hand_over()
    agree(over, TOKENS)


@pytest.mark.parametrize("received", [True, False])
def test_what_may_have_arrived_before_ids_were_forgotten_is_for_a_person_to_settle(
    make: Make, received: bool
) -> None:
    over = make("stripe", Stripe, {"output_tokens": "llm_output"})
    over.calls(1)
    over.receiver.outage = "half" if received else "unavailable"
    over.pass_time(HOUR + MINUTE)
    over.follower.look()
    over.deliver()
    over.calls(1)
    over.receiver.outage = "unavailable"
    for _ in range(5):  # it stays down for longer than Stripe knows an identifier
        over.pass_time(5 * HOUR)
        over.hand_over()
    over.receiver.outage = None
    over.hand_over()
    assert (over.states().in_doubt, over.states().taken) == (1, 1)
    with over.database.writing() as connection:
        said = receivers_settings(over)
        assert settle(connection, NAME, said, received=received, ids=[], now_ns=over.now_ns) == 1
    over.deliver()
    agree(over, {"output_tokens": "llm_output"})


def test_a_paused_export_goes_on_where_it_was(make: Make) -> None:
    over = make("lago", Lago, MONEY)
    over.calls(1)
    over.hand_over()
    with over.database.writing() as connection:
        receivers.stop(connection, NAME, "paused")
    for _ in range(3):
        over.calls(2)
        over.pass_time(15 * DAY)
        over.hand_over()
    with over.database.writing() as connection:
        receivers.resume(connection, NAME)
    over.hand_over()
    agree(over, MONEY)


def test_another_record_stops_the_export(make: Make, tmp_path: Path) -> None:
    over = make("orb", Orb, MONEY)
    over.calls(3)
    over.hand_over()
    over.close()
    for file in over.home.path.glob("ledger.db*"):
        file.unlink()
    from calls import TestLedger

    over.ledger = TestLedger(over.home, clock=over.now)
    over.calls(3)
    over.hand_over()
    with over.database.reading() as connection:
        found = receivers.receiver_named(connection, NAME)
    assert found.state == "stopped" and "another" in (found.reason or "")
    assert len(over.said) == 1


def test_a_control_database_from_before_makes_the_same_events_again(make: Make) -> None:
    """Restored from a backup, it sends what it does not know it sent; the receiver knows every id."""
    over = make("metronome", Metronome, MONEY)
    over.calls(2)
    over.hand_over()
    whole = over.home.control.read_bytes()
    over.calls(2)
    over.hand_over()
    over.calls(1, "beta")
    over.hand_over()
    over.home.control.write_bytes(whole)
    over.follower = over.following()
    over.follower.look()
    over.deliver()
    assert over.receiver.duplicates == 2
    agree(over, MONEY)


def test_a_new_export_without_since_is_told_what_comes_from_now_on(make: Make) -> None:
    over = make("orb", Orb, {"calls": "calls"}, since_ns=None)
    over.calls(5)
    over.follower.look()
    over.calls(2)
    over.hand_over()
    assert over.theirs() == {("cus_acme", "calls"): 2}


def test_a_kill_at_any_step_loses_and_doubles_nothing(make: Make) -> None:
    over = make("lago", Lago, MONEY)
    moment, lived = 0, False
    while not lived:
        if moment < 40:
            over.calls(1)
            over.calls(1, "beta")
        over.pass_time(HOUR + MINUTE)
        lived = killed_at(moment, lambda: (over.following().look(), over.deliver()))
        moment += 1 if "FAREBOX_LONG" in os.environ else 9
    assert moment > 30
    agree(over, MONEY)


def test_the_servers_worker_sends_what_the_follower_enqueues(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = make("openmeter", OpenMeter, MONEY)
    over.calls(3)
    over.pass_time(HOUR + MINUTE)
    over.follower.look()
    monkeypatch.setattr(delivery, "LOOK_EVERY_S", 0.05)
    worker = delivery.DeliveryWorker(over.home, lambda _: KEY, clock=over.now, say=over.said.append)
    worker.start()
    try:
        deadline = time.monotonic() + 120
        while over.states().waiting and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        worker.close()
    agree(over, MONEY)
    assert over.said == []
