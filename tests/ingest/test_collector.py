"""Events that come once, twice, late, with other content, before and after they are applied."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest
from taken_in import SENDER, Door, applied, event, statuses

from farebox.errors import JournalError, LedgerError
from farebox.home import Home
from farebox.ingest.figures import CollectorFigures, read_figures
from farebox.ingest.trust import Sender
from farebox.ledger.calls import LedgerReader


def test_an_accepted_event_is_a_call_of_the_record(door: Door, home: Home) -> None:
    assert statuses(door.send(event(id="a-1", tags={"Feature": "summary"}))) == ["accepted"]
    (call,) = applied(home).newest(10)
    assert call.request_model == "gpt-4o"
    assert call.attribution["customer"] == "acme"
    assert call.attribution["tag.feature"] == "summary"
    assert call.source == "shop"


def test_the_same_event_is_a_duplicate_in_one_body_before_and_after_it_is_applied(
    door: Door, home: Home
) -> None:
    same = event(id="a-1")
    assert statuses(door.send(same, same)) == ["accepted", "duplicate"]
    assert statuses(door.send(same)) == ["duplicate"]
    assert len(applied(home).newest(10)) == 1
    assert statuses(door.send(same)) == ["duplicate"]
    assert len(applied(home).newest(10)) == 1


def test_the_same_id_with_other_content_is_a_conflict_before_and_after_it_is_applied(
    door: Door, home: Home
) -> None:
    first = event(id="a-1")
    other = {**first, "customer": "other"}
    assert statuses(door.send(first, other)) == ["accepted", "conflict"]
    assert statuses(door.send(other)) == ["conflict"]
    applied(home)
    assert statuses(door.send(other, first)) == ["conflict", "duplicate"]
    (call,) = applied(home).newest(10)
    assert call.attribution["customer"] == "acme"


def test_one_id_of_two_sources_is_two_events(door: Door, home: Home) -> None:
    same = event(id="a-1")
    assert statuses(door.send(same, {**same, "source": "depot"})) == ["accepted", "accepted"]
    assert statuses(door.send(same, {**same, "source": "depot"})) == ["duplicate", "duplicate"]
    assert len(applied(home).newest(10)) == 2


def test_one_id_is_one_event_whatever_its_type(door: Door, home: Home) -> None:
    call = event(id="a-1")
    score = {"id": "a-1", "source": "shop", "type": "score", "name": "faithfulness", "value": "0.92"}
    outcome = {"id": "a-2", "source": "shop", "type": "outcome", "name": "lead", "value": 40}
    assert statuses(door.send(call, score, outcome)) == ["accepted", "conflict", "accepted"]
    applied(home)
    assert statuses(door.send(score, outcome, {**outcome, "value": 41})) == [
        "conflict",
        "duplicate",
        "conflict",
    ]


def test_an_event_without_a_time_is_the_same_when_it_is_sent_again(door: Door, home: Home) -> None:
    same = event(id="a-1", time=None)
    assert statuses(door.send(same)) == ["accepted"]
    applied(home)
    assert statuses(door.send(same)) == ["duplicate"]


def test_events_that_a_dead_collector_left_unapplied_are_known(
    doors: Callable[..., Door], home: Home
) -> None:
    same, score = event(id="a-1"), {"id": "s", "source": "shop", "type": "score", "name": "x", "value": 1}
    loss = {"id": "l", "source": "shop", "type": "loss", "records": 3, "exchanges": 1}
    first = doors()
    assert statuses(first.send(same, score, loss)) == ["accepted"] * 3
    first.close()
    second = doors()
    assert statuses(second.send(same, score, loss, {**same, "model": "other"})) == [
        "duplicate",
        "duplicate",
        "duplicate",
        "conflict",
    ]
    assert len(applied(home).newest(10)) == 1


def test_what_is_known_is_forgotten_once_it_is_applied_and_looked_up_in_the_record(
    door: Door, home: Home
) -> None:
    events = [event() for _ in range(50)]
    door.send(*events)
    applied(home)
    assert statuses(door.send(*events)) == ["duplicate"] * 50
    collector = door.intake._collector  # pyright: ignore[reportPrivateUsage]
    assert collector is not None
    assert len(collector._unapplied) == 0  # pyright: ignore[reportPrivateUsage]


def test_events_are_accepted_and_recorded_once_while_the_record_cannot_be_read(
    door: Door, doors: Callable[..., Door], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = event()
    assert statuses(door.send(same)) == ["accepted"]
    door.close()
    applied(home)

    def unreadable(*_: object) -> None:
        raise LedgerError("damaged")

    with monkeypatch.context() as damaged:
        damaged.setattr(LedgerReader, "known_events", unreadable)
        damaged.setattr(LedgerReader, "applied", unreadable)
        assert statuses(doors().send(same, event())) == ["accepted", "accepted"]
    assert len(applied(home).newest(10)) == 2


def test_a_call_that_was_joined_to_anothers_row_is_known(door: Door, home: Home) -> None:
    """Two witnesses of one call: the second makes no row, and is a duplicate all the same."""
    one = event(id="a-1", response_id="chatcmpl-1", witness="sdk", source="sdk:m:p")
    other = event(id="b-1", response_id="chatcmpl-1", witness="otlp", source="otlp:m", time=one["time"])
    assert statuses(door.send(one, other)) == ["accepted", "accepted"]
    assert len(applied(home).newest(10)) == 1
    assert statuses(door.send(other, {**other, "user": "x"})) == ["duplicate", "conflict"]


def test_a_loss_counts_once_and_is_told_apart(door: Door, home: Home) -> None:
    loss = {"id": "l-1", "source": "sdk:m:p", "type": "loss", "records": 7, "exchanges": 3}
    assert statuses(door.send(loss)) == ["accepted"]
    reader = applied(home)
    health = reader.health()
    assert (health.lost_records, health.lost_exchanges) == (7, 3)
    assert (health.refused_records, health.refused_exchanges) == (7, 3)
    assert statuses(door.send(loss, {**loss, "records": 8})) == ["duplicate", "conflict"]
    assert applied(home).health().lost_records == 7


def test_no_report_of_a_loss_makes_the_sums_too_large_to_be_read(door: Door, home: Home) -> None:
    loss = {"source": "shop", "type": "loss"}
    told = door.send(
        {"id": "l-1", **loss, "records": 2**63 - 1},
        {"id": "l-2", **loss, "records": 10**12 + 1},
        {"id": "l-3", **loss, "records": 10**12, "exchanges": 10**12},
        {"id": "l-4", **loss, "records": 10**12},
    )
    assert statuses(told) == ["invalid", "invalid", "accepted", "accepted"]
    assert applied(home).health().refused_records == 2 * 10**12


def test_a_loss_that_was_accepted_twice_counts_once(
    doors: Callable[..., Door], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger tells, where the collector could not."""
    loss = {"id": "l-1", "source": "sdk:m:p", "type": "loss", "records": 7, "exchanges": 3}
    monkeypatch.setattr(LedgerReader, "known_events", lambda *_: {})
    for _ in range(2):
        door = doors()
        assert statuses(door.send(loss, event())) == ["accepted", "accepted"]
        door.close()
        reader = applied(home)
    assert reader.health().lost_records == 7
    assert len(reader.newest(10)) == 2


def test_what_a_token_says_is_proven_and_its_source_cannot_be_claimed(door: Door, home: Home) -> None:
    door.send(event(attribution_from={"customer": "key:feedfeedfeedfeed"}, attribution={"process.pid": "7"}))
    (call,) = applied(home).newest(10)
    assert call.attribution_from["customer"] == "token:tok1"


def test_no_token_writes_under_the_source_of_another(door: Door, home: Home) -> None:
    """Ids that it used up would be conflicts for the events that they belong to."""
    told = door.send(
        event(source=f"event:{SENDER.name}"), event(source="event:other"), event(source="events: mine")
    )
    assert statuses(told) == ["accepted", "invalid", "accepted"]
    assert told[1].field == "source"


def test_a_bound_token_speaks_of_its_customer_only(door: Door, home: Home) -> None:
    bound = Sender("tok2", {"customer": "acme"})
    verdicts = door.send(event(customer=None), event(customer="acme"), event(customer="other"), sender=bound)
    assert statuses(verdicts) == ["accepted", "accepted", "invalid"]
    assert verdicts[2].field == "customer"
    assert {call.attribution["customer"] for call in applied(home).newest(10)} == {"acme"}


def test_a_bound_token_keeps_no_call_out_of_budgets_by_calling_it_history(door: Door) -> None:
    bound = Sender("tok2", {"customer": "acme"})
    (told,) = door.send(event(customer=None, attribution={"imported": "csv"}), sender=bound)
    assert (told.status, told.field) == ("invalid", "imported")
    assert statuses(door.send(event(attribution={"imported": "csv"}))) == ["accepted"]


def test_an_event_of_another_customers_token_is_no_duplicate(door: Door) -> None:
    same = event(id="a-1", customer=None)
    one, other = Sender("t1", {"customer": "acme"}), Sender("t2", {"customer": "other"})
    assert statuses(door.send(same, sender=one)) == ["accepted"]
    assert statuses(door.send(same, sender=other)) == ["accepted"]


def test_a_bound_token_uses_up_no_ids_of_a_source_that_others_share(door: Door, home: Home) -> None:
    bound = Sender("tok2", {"customer": "intruder"})
    assert statuses(door.send(event(id="order-1", customer=None), sender=bound)) == ["accepted"]
    assert statuses(door.send(event(id="order-1"), event(id="order-1"))) == ["accepted", "conflict"]
    assert {call.attribution["customer"] for call in applied(home).newest(10)} == {"acme", "intruder"}


def test_what_is_sent_again_with_a_new_token_for_the_same_customer_is_recorded_once(
    door: Door, home: Home
) -> None:
    same = event(id="a-1", customer=None)
    old, new = Sender("t1", {"customer": "acme"}), Sender("t2", {"customer": "acme"})
    assert statuses(door.send(same, sender=old)) == ["accepted"]
    assert statuses(door.send(same, sender=new)) == ["duplicate"]
    (call,) = applied(home).newest(10)
    assert call.source.startswith("bound:")
    assert call.source.endswith("/shop")
    assert "acme" not in call.source


def test_no_token_writes_under_the_source_of_a_bound_one(door: Door, home: Home) -> None:
    bound = Sender("t1", {"customer": "acme"})
    door.send(event(id="a-1", customer=None), sender=bound)
    (call,) = applied(home).newest(10)
    (told,) = door.send(event(id="a-2", source=call.source))
    assert (told.status, told.field) == ("invalid", "source")


def test_the_response_id_of_another_customers_call_makes_nobody_its_witness(door: Door, home: Home) -> None:
    """A customer that holds a bound token and has learnt an id within two seconds gets no call by it."""
    door.send(event(witness="sdk", response_id="chatcmpl-1"))
    intruder = Sender("tok2", {"customer": "intruder"})
    door.send(event(customer=None, response_id="chatcmpl-1"), sender=intruder)
    calls = applied(home).newest(10)
    assert sorted(call.attribution["customer"] for call in calls) == ["acme", "intruder"]
    assert {call.attribution_from["customer"] for call in calls} == {"token:tok1", "bound:tok2"}


def test_nothing_is_acknowledged_that_the_disk_has_not(
    door: Door, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farebox.ingest.intake.SYNC_S_MAX", 0.3)
    assert statuses(door.send(event())) == ["accepted"], "the control"
    same = event()
    door.disk.fails = True
    with pytest.raises(JournalError):
        door.send(same)
    with pytest.raises(JournalError):  # a duplicate of what is on no disk is not one yet
        door.send(same)
    door.disk.fails = False
    monkeypatch.setattr("farebox.ingest.intake.SYNC_S_MAX", 30)
    assert statuses(door.send(same)) == ["duplicate"]
    assert len(applied(home).newest(10)) == 2


def test_requests_that_wait_together_share_a_sync(door: Door) -> None:
    door.send(event())
    before = door.disk.syncs

    async def many() -> None:
        bodies = [msgspec.json.encode(event()) for _ in range(200)]
        headers = [(b"content-type", b"application/json")]
        found = await asyncio.gather(*(door.intake.take(headers, body, SENDER) for body in bodies))
        assert all(each.receipt.accepted for each in found)

    asyncio.run(many())
    assert 0 < door.disk.syncs - before < 200


def test_the_last_figures_are_written_though_nothing_comes_after_them(door: Door, home: Home) -> None:
    async def one() -> CollectorFigures | None:
        headers = [(b"content-type", b"application/json")]
        await door.intake.take(headers, msgspec.json.encode(event()), SENDER)
        while (found := read_figures(home)) is None:  # noqa: ASYNC110 - another thread writes a file
            await asyncio.sleep(0.05)
        return found

    found = asyncio.run(asyncio.wait_for(one(), 60))
    assert found is not None and found.total().accepted == 1
