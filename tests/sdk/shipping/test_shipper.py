"""Every event reaches the collector and counts once, whatever fails between the two."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from collectors import FakeCollector
from spooling import PER_CALL, Clock, Spooling

from farebox.sdk import faults
from farebox.sdk.shipping.collector_client import BatchRefusedError, CollectorError, Verdict
from farebox.sdk.shipping.shipper import BACKOFF_MAX_S, Pace

DAY_S = 86_400


def test_calls_and_outcomes_arrive_in_batches_once_each(spooling: Spooling) -> None:
    for number in range(250):
        spooling.call(f"customer {number}")
    spooling.outcome("lead.qualified")
    spooling.send_all()
    assert len(spooling.collector.of("call")) == 250
    assert spooling.collector.tokens == 250 * PER_CALL
    assert [event["value"] for event in spooling.collector.of("outcome")] == ["40.00"]
    assert max(spooling.collector.batches) <= 100
    assert spooling.collector.received == 251, "nothing is sent a second time without a reason"


def test_a_collector_that_is_down_for_a_day_gets_everything_in_the_end(spooling: Spooling) -> None:
    spooling.collector.down = True
    attempts = calls = 0
    for _ in range(24 * 60):
        spooling.call()
        calls += 1
        attempts += spooling.pass_time(60)
    assert not spooling.collector.events
    assert spooling.shipper.trouble == "down"
    assert attempts < 24 * 60 * 4, "it is not asked all the time"
    spooling.collector.down = False
    spooling.pass_time(BACKOFF_MAX_S)
    spooling.send_all()
    assert len(spooling.collector.of("call")) == calls
    assert spooling.collector.tokens == calls * PER_CALL
    assert spooling.collector.received == calls
    assert not spooling.collector.of("loss")
    assert spooling.spool.count() < spooling.spool.segment_bytes * 2, "what was acknowledged is removed"


class Unreliable(FakeCollector):
    """Sends a fifth of all batches twice, loses a fifth of all acknowledgements, mixes every batch."""

    def __init__(self) -> None:
        super().__init__()
        self.lost_acknowledgements = 0.2
        self.held: list[bytes] = []
        self._dice = random.Random(7)

    def send(self, events: Sequence[bytes]) -> list[Verdict]:
        order = list(range(len(events)))
        self._dice.shuffle(order)
        if self._dice.random() < 0.2:  # a copy that arrives later, among others
            self.held += events
        if self.held and self._dice.random() < 0.5:
            self.take(self._dice.sample(self.held, len(self.held)))
            self.held = []
        mixed = super().send([events[place] for place in order])
        verdicts = [Verdict("accepted")] * len(events)
        for place, verdict in zip(order, mixed, strict=True):
            verdicts[place] = verdict
        return verdicts


def test_duplicates_lost_acknowledgements_and_another_order_change_no_total(tmp_path: Path) -> None:
    spooling = Spooling(tmp_path, Unreliable(), pace=Pace(batch_size=20))
    for number in range(3_000):
        spooling.call(f"customer {number % 7}")
        if number % 50 == 49:
            spooling.pass_time(5)
    spooling.send_all()
    collector = spooling.collector
    assert len(collector.of("call")) == 3_000 and collector.tokens == 3_000 * PER_CALL
    assert collector.received > 3_600, "the negative control: many came more than once"
    assert spooling.shipper.duplicates > 300
    assert spooling.shipper.accepted + spooling.shipper.duplicates == 3_000
    assert not spooling.shipper.refused and not collector.of("loss")
    spooling.close()


def test_attempts_come_less_and_less_often_and_by_chance_at_other_moments(spooling: Spooling) -> None:
    spooling.collector.down = True
    spooling.call()
    delays: list[float] = []
    for _ in range(9):
        delays.append(spooling.step())
        spooling.clock.seconds += delays[-1]
    assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    spooling.shipper._jitter = lambda: 0.0
    assert spooling.step() == 30


def test_no_attempt_is_made_before_its_time_unless_somebody_asks(spooling: Spooling) -> None:
    class Counting(FakeCollector):
        asked = 0

        def send(self, events: Sequence[bytes]) -> list[Verdict]:
            self.asked += 1
            raise CollectorError("not yet", retry_after_s=120)

    spooling.shipper._sender = sender = Counting()
    spooling.call()
    assert spooling.step() == 120
    assert spooling.step() == 120 and sender.asked == 1
    spooling.step(now=True)
    assert sender.asked == 2


def test_an_event_that_the_collector_refuses_does_not_stop_its_neighbours(spooling: Spooling) -> None:
    spooling.collector.refuses.add("bad")
    told: list[Exception] = []
    faults.use_hook(told.append)
    try:
        spooling.call("before")
        spooling.outcome("bad")
        spooling.call("after")
        spooling.send_all()
    finally:
        faults.use_hook(None)
        faults.counts.clear()
    assert sorted(event["customer"] for event in spooling.collector.of("call")) == ["after", "before"]
    assert spooling.shipper.refused == 1
    assert [str(error) for error in told] == ["the collector refused an event: invalid (name): not here"]
    assert len(list((spooling.spool.root.parent / "refused").iterdir())) == 1, (
        "it is kept for whoever looks into it"
    )


def test_why_an_event_was_refused_is_said_on_one_line_and_without_a_token(spooling: Spooling) -> None:
    token = "fbx_ingest_" + "a1B2" * 8
    spooling.collector.send = lambda events: [  # type: ignore[method-assign]
        Verdict("invalid", f"{token}\n", f"never\r\n{token}") for _ in events
    ]
    told: list[Exception] = []
    faults.use_hook(told.append)
    try:
        spooling.call("one")
        spooling.send_all()
    finally:
        faults.use_hook(None)
        faults.counts.clear()
    assert [str(error) for error in told] == ["the collector refused an event: invalid ([key]): never [key]"]


def test_a_batch_that_is_too_large_is_sent_in_pieces(spooling: Spooling) -> None:
    class Small(FakeCollector):
        def send(self, events: Sequence[bytes]) -> list[Verdict]:
            if len(events) > 7:
                raise BatchRefusedError("too large")
            return super().send(events)

    small = spooling.shipper._sender = Small()
    for _ in range(100):
        spooling.call()
    spooling.send_all()
    assert len(small.of("call")) == 100 and not spooling.shipper.refused


def test_one_event_that_no_batch_can_hold_is_refused_alone(spooling: Spooling) -> None:
    class Picky(FakeCollector):
        def send(self, events: Sequence[bytes]) -> list[Verdict]:
            if any(b"poison" in each for each in events):
                raise BatchRefusedError("no")
            return super().send(events)

    picky = spooling.shipper._sender = Picky()
    for number in range(20):
        spooling.call("poison" if number == 11 else "fine")
    spooling.send_all()
    faults.counts.clear()
    assert len(picky.of("call")) == 19 and spooling.shipper.refused == 1


def test_a_process_that_died_is_sent_by_the_next_one_with_its_unfinished_calls_as_unknown(
    tmp_path: Path,
) -> None:
    collector, clock = FakeCollector(), Clock()
    dead = Spooling(tmp_path, collector, clock=clock)
    dead.call("sent")
    dead.send_all()
    dead.call("not sent")
    dead.call("cut off", ends=False)
    streaming = dead.call("cut off late", ends=False)
    dead.partial(streaming)
    dead.close()
    clock.seconds += 10
    alive = Spooling(tmp_path, collector, clock=clock)
    alive.pass_time(20)
    outcomes = {event["customer"]: event.get("outcome", "completed") for event in collector.of("call")}
    assert outcomes == {
        "sent": "completed", "not sent": "completed", "cut off": "unknown", "cut off late": "unknown",
    }  # fmt: skip
    assert collector.tokens == 3 * PER_CALL, "what the stream had used so far counts"
    assert not dead.writer.folder.exists() and not dead.spool.sent_path(dead.writer.folder).exists()
    alive.close()


def test_what_was_acknowledged_before_a_crash_is_not_sent_again(tmp_path: Path) -> None:
    collector, clock = FakeCollector(), Clock()
    dead = Spooling(tmp_path, collector, clock=clock)
    for _ in range(100):
        dead.call()
    dead.send_all()
    dead.call("last")
    dead.close()
    collector.received = 0
    alive = Spooling(tmp_path, collector, clock=clock)
    alive.pass_time(20)
    assert collector.received == 1 and len(collector.of("call")) == 101
    alive.close()


def test_a_crash_between_acknowledgement_and_note_makes_duplicates_and_no_second_call(tmp_path: Path) -> None:
    collector, clock = FakeCollector(), Clock()
    dead = Spooling(tmp_path, collector, clock=clock)
    for _ in range(30):
        dead.call()
    dead.call("begun", ends=False)
    dead.send_all()
    dead.spool.sent_path(dead.writer.folder).unlink()  # as if it had not been written
    dead.close()
    alive = Spooling(tmp_path, collector, clock=clock)
    alive.pass_time(20)
    assert alive.shipper.duplicates == 30
    assert len(collector.of("call")) == 31 and collector.tokens == 30 * PER_CALL
    alive.close()


def test_a_call_begun_before_a_note_and_cut_off_after_it_is_unknown(tmp_path: Path) -> None:
    """Its INTENT is in a segment that was removed: the note keeps it."""
    collector, clock = FakeCollector(), Clock()
    dead = Spooling(tmp_path, collector, clock=clock, bytes_max=1 << 20)
    dead.call("cut off", ends=False)
    for _ in range(1_000):
        dead.call()
        if dead.spool.count() > 512 << 10:
            dead.send_all()
    dead.send_all()
    assert not (dead.writer.folder / "00000001.seg").exists(), "the negative control"
    dead.close()
    alive = Spooling(tmp_path, collector, clock=clock)
    alive.pass_time(20)
    assert [event["customer"] for event in collector.of("call") if event.get("outcome")] == ["cut off"]
    alive.close()


def test_of_several_processes_one_takes_over_what_a_dead_one_left(tmp_path: Path) -> None:
    collector, clock = FakeCollector(), Clock()
    dead = Spooling(tmp_path, collector, clock=clock)
    dead.call()
    dead.close()
    alive = [Spooling(tmp_path, collector, clock=clock) for _ in range(3)]
    for each in alive:
        each.step()
    assert collector.received == 1
    for each in alive:
        each.close()


def test_nobody_takes_over_from_a_process_that_is_alive(tmp_path: Path) -> None:
    collector, clock = FakeCollector(), Clock()
    silent = Spooling(tmp_path, collector, clock=clock)
    silent.call("its own", ends=False)
    silent.call("its own")
    other = Spooling(tmp_path, collector, clock=clock)
    other.pass_time(600)
    assert not collector.events
    for each in (silent, other):
        each.close()


def test_what_another_token_wrote_is_taken_over_by_its_own_program_alone(tmp_path: Path) -> None:
    collector, clock = FakeCollector(), Clock()
    dead = Spooling(tmp_path, collector, clock=clock, token="fbi_old")
    dead.call()
    dead.close()
    stranger = Spooling(tmp_path, collector, clock=clock, token="fbi_other", source="sdk:test:other")
    stranger.pass_time(60)
    assert not collector.events, "a token may say other things than another one"
    renewed = Spooling(tmp_path, collector, clock=clock, token="fbi_new")
    renewed.pass_time(60)
    assert len(collector.of("call")) == 1
    for each in (stranger, renewed):
        each.close()


def test_many_short_lives_leave_no_litter(tmp_path: Path) -> None:
    collector, clock = FakeCollector(), Clock()
    for number in range(200):
        short = Spooling(tmp_path, collector, clock=clock)
        short.call(f"customer {number}")
        short.writer.close()
        short.spool.close()
    alive = Spooling(tmp_path, collector, clock=clock)
    alive.pass_time(60)
    assert len(collector.of("call")) == 200
    alive.close()
    left = [path for path in alive.spool.root.rglob("*") if path.is_file()]
    assert [path.name for path in left] == [".takeover.lock"]
