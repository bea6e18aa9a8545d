from __future__ import annotations

from pathlib import Path

import apsw
import msgspec
import pytest
from calls import MINUTE, NOON, SECOND, OnePriceBook, TestLedger, batch, done, intent_of, sums_of

from farebox.clock import uuid7, uuid_text
from farebox.home import Home
from farebox.journal.reader import Batch, Position
from farebox.journal.records import Mark, Partial
from farebox.ledger import verify
from farebox.ledger.append.applier import Applier
from farebox.ledger.calls import LedgerReader
from farebox.ledger.database import SCHEMA_VERSION, open_writer, schema
from farebox.pricing.facts import RatedPart
from farebox.wire.facts import Extraction, Part

WRITER = "proxy-test"


def test_an_exchange_becomes_one_row_with_its_money(ledger: TestLedger) -> None:
    exchange = done(attribution={"customer": "acme", "app": "chat"})
    ledger.applier.apply(WRITER, [batch(intent_of(exchange), exchange)])
    (row,) = LedgerReader(ledger.home).newest(10_000)
    assert row.event_id == uuid_text(exchange.event_id)
    assert (row.cost_state, row.cost_pico, row.cost_usd) == ("priced", 37_500_000, "0.0000375")
    assert (row.input_tokens, row.output_tokens, row.quantities) == (
        10,
        5,
        {"input_uncached": 10, "output_text": 5},
    )
    assert row.attribution == {"customer": "acme", "app": "chat"}
    assert [line.amount_pico for line in row.parts[0].lines] == [25_000_000, 12_500_000]


def test_an_event_delivered_twice_in_a_batch_or_later_counts_once(ledger: TestLedger) -> None:
    exchange = done()
    assert ledger.append(exchange, exchange) == 1
    with pytest.raises(apsw.ConstraintError):
        ledger.applier.apply("other-writer", [batch(exchange)])
    again = ledger.applier.apply("other-writer", [batch(exchange, done())], look_for_duplicates=True)
    assert again.rows == 1
    assert sums_of(ledger.home).calls == 2
    assert verify(ledger.home).ok


def test_without_the_duplicate_check_an_event_counts_twice(home: Home) -> None:
    ledger = TestLedger(home, dedupe=False)
    ledger.connection.execute("DROP INDEX call_identity")
    exchange = done()
    assert ledger.append(exchange, exchange) == 2, "the negative control of the test above"
    ledger.connection.close()


def test_the_same_event_id_from_another_source_is_another_event(ledger: TestLedger) -> None:
    event_id = uuid7(NOON)
    assert ledger.append(done(event_id=event_id), done(event_id=event_id, source="sdk:other")) in (1, 2)
    assert ledger.append(done(event_id=event_id, source="sdk:third")) == 1


def test_a_call_begun_and_not_ended_is_no_row_until_its_writer_is_dead(ledger: TestLedger) -> None:
    exchange = done()
    ledger.applier.apply(WRITER, [batch(intent_of(exchange))])
    reader = LedgerReader(ledger.home)
    assert reader.newest(10_000) == [] and reader.health().in_flight == 1
    reopened = Applier(ledger.connection, OnePriceBook())  # the intent's segment may be gone by now
    reopened.apply(WRITER, [Batch([], [], Position(1, 2_000, 2), True)])
    (row,) = reader.newest(10_000)
    assert (row.outcome, row.completeness, row.cost_state, row.cost_pico) == (
        "unknown",
        "none",
        "unknown",
        None,
    )
    assert row.event_id == uuid_text(exchange.event_id)
    assert reader.health().in_flight == 0
    assert sums_of(ledger.home).unpriced_calls == 1


def test_what_a_dead_writer_had_seen_of_a_stream_is_kept_as_partial(ledger: TestLedger) -> None:
    exchange = done()
    so_far = msgspec.structs.replace(exchange.extraction, completeness="partial", reason="in_progress")
    seen = Partial(event_id=exchange.event_id, at_ns=NOON + 9 * SECOND, extraction=so_far)
    ledger.applier.apply(WRITER, [batch(intent_of(exchange), seen)])
    ledger.applier.apply(WRITER, [Batch([], [], Position(1, 2_000, 3), True)])
    (row,) = LedgerReader(ledger.home).newest(10_000)
    assert (row.outcome, row.completeness, row.completeness_reason) == ("unknown", "partial", "writer_died")
    assert row.input_tokens == 10 and row.cost_pico == 37_500_000


def test_a_stream_that_had_said_its_end_is_all_there_though_its_writer_died(ledger: TestLedger) -> None:
    exchange = done()
    seen = Partial(event_id=exchange.event_id, at_ns=NOON + 9 * SECOND, extraction=exchange.extraction)
    ledger.applier.apply(WRITER, [batch(intent_of(exchange), seen)])
    ledger.applier.apply(WRITER, [Batch([], [], Position(1, 2_000, 3), True)])
    (row,) = LedgerReader(ledger.home).newest(10_000)
    assert (row.outcome, row.completeness, row.completeness_reason) == ("unknown", "final", None)
    assert row.input_tokens == 10 and row.cost_pico == 37_500_000


def test_a_stream_that_ends_after_partials_is_counted_by_its_end(ledger: TestLedger) -> None:
    exchange = done(input_tokens=100)
    seen = Partial(event_id=exchange.event_id, at_ns=NOON, extraction=done(input_tokens=1).extraction)
    ledger.applier.apply(WRITER, [batch(intent_of(exchange), seen)])
    ledger.applier.apply(WRITER, [batch(seen, exchange, finished=True)])
    (row,) = LedgerReader(ledger.home).newest(10_000)
    assert (row.outcome, row.input_tokens) == ("completed", 100)


def test_the_position_is_committed_with_the_rows(ledger: TestLedger) -> None:
    ledger.applier.apply(WRITER, [batch(done(), end=480)])
    position, finished = Applier(ledger.connection, OnePriceBook()).position(WRITER)
    assert position == Position(1, 480, 2) and not finished


def test_a_transaction_that_fails_leaves_nothing_behind(ledger: TestLedger) -> None:
    ledger.append(done())

    class Interrupted(Exception):
        pass

    def batches() -> object:
        yield batch(done(), done())
        raise Interrupted

    with pytest.raises(Interrupted):
        ledger.applier.apply(WRITER, batches())  # pyright: ignore
    assert sums_of(ledger.home).calls == 1
    assert ledger.append(done()) == 1
    assert verify(ledger.home).ok


def test_fetching_a_response_again_is_not_billed_again(ledger: TestLedger) -> None:
    made = done(response_id="resp_1")
    fetched = done(NOON + MINUTE, response_id="resp_1", method="GET")
    ledger.append(made)
    ledger.append(fetched, done(NOON + 2 * MINUTE, response_id="resp_1", method="GET"))
    rows = LedgerReader(ledger.home).newest(10_000)
    assert [row.cost_state for row in rows] == ["free", "free", "priced"]
    assert rows[0].not_billable_because == f"duplicate_of:{uuid_text(made.event_id)}"
    assert sums_of(ledger.home).cost_pico == 37_500_000


def test_a_response_first_billed_when_it_was_fetched_is_not_billed_when_it_ends(ledger: TestLedger) -> None:
    ledger.append(done(response_id="resp_1", method="GET"))
    ledger.append(done(NOON + MINUTE, response_id="resp_1"))
    assert [row.billable for row in LedgerReader(ledger.home).newest(10_000)] == [False, True]


def test_a_background_response_is_billed_when_its_usage_first_appears(ledger: TestLedger) -> None:
    ledger.append(done(response_id="resp_1", completeness="none", billable=False))
    ledger.append(done(NOON + MINUTE, response_id="resp_1", method="GET"))
    assert sums_of(ledger.home).cost_pico == 37_500_000


@pytest.mark.parametrize("together", [True, False])
def test_a_poll_is_billed_once_when_it_shows_what_began_in_the_background(
    ledger: TestLedger, together: bool
) -> None:
    begun = done(response_id="resp_1", completeness="partial", billable=False, because="background_response")
    polls = [
        done(NOON + minute * MINUTE, response_id="resp_1", method="GET", billable=False, because="poll")
        for minute in (1, 2)
    ]
    other = done(NOON + 3 * MINUTE, response_id="resp_2", method="GET", billable=False, because="poll")
    for calls in ([begun, *polls, other],) if together else ([begun], [polls[0]], [polls[1]], [other]):
        ledger.append(*calls)
    rows = LedgerReader(ledger.home).newest(10_000)
    totals = sums_of(ledger.home)
    assert [row.not_billable_because for row in rows] == [
        "poll",
        f"duplicate_of:{uuid_text(polls[0].event_id)}",
        None,
        "background_response",
    ]
    assert (totals.cost_pico, totals.input_tokens, totals.unpriced_calls) == (37_500_000, 10, 0)
    assert [row.cost_state for row in rows] == ["free", "free", "priced", "free"]
    assert verify(ledger.home).ok


def test_what_began_in_the_background_is_unknown_until_it_is_fetched(ledger: TestLedger) -> None:
    ledger.append(
        done(response_id="resp_1", completeness="none", billable=False, because="background_response")
    )
    (row,) = LedgerReader(ledger.home).newest(10_000)
    assert (row.cost_state, row.cost_pico) == ("unknown", None)
    assert sums_of(ledger.home).unpriced_calls == 1


def test_two_answers_of_a_server_that_reuses_ids_are_two_calls(ledger: TestLedger) -> None:
    ledger.append(done(response_id="chatcmpl-123"), done(NOON + MINUTE, response_id="chatcmpl-123"))
    assert sums_of(ledger.home).cost_pico == 2 * 37_500_000


@pytest.mark.parametrize(
    ("outcome", "error_class", "state"),
    [
        ("refused", "policy:two_hosts", "free"),
        ("upstream_failed", "connect_failed", "free"),
        ("upstream_failed", "reset", "unknown"),
        ("timed_out", "first_byte", "unknown"),
        ("timed_out", "connect_timeout", "free"),
    ],
)
def test_a_call_that_may_have_cost_something_is_unknown_and_never_zero(
    ledger: TestLedger, outcome: str, error_class: str, state: str
) -> None:
    ledger.append(done(completeness="none", outcome=outcome, error_class=error_class, status=502))
    (row,) = LedgerReader(ledger.home).newest(10_000)
    assert row.cost_state == state
    assert row.cost_pico == (0 if state == "free" else None)


def test_a_call_without_a_price_is_unpriced_and_never_zero(ledger: TestLedger) -> None:
    ledger.append(done(model="unheard-of"), done())
    totals = sums_of(ledger.home)
    assert (totals.calls, totals.unpriced_calls, totals.cost_pico) == (2, 1, 37_500_000)


def test_an_amount_over_64_bits_is_refused_and_not_wrapped(home: Home) -> None:
    class DearBook(OnePriceBook):
        def rate(self, part: Part, **facts: object) -> RatedPart:
            return RatedPart(cost_state="priced", cost_pico=1 << 63, charge_pico=1, list_cost_pico=1)

    home.prepare()
    connection = open_writer(home)
    Applier(connection, DearBook()).apply(WRITER, [batch(done())])
    (row,) = LedgerReader(home).newest(10_000)
    assert (row.cost_state, row.cost_pico, row.flags) == ("unpriced", None, ["amount_too_large"])
    connection.close()


def test_an_absurd_count_stays_in_the_row_and_out_of_the_sums(ledger: TestLedger) -> None:
    ledger.append(done(model="unheard-of", input_tokens=(1 << 63) - 1), done())
    reader = LedgerReader(ledger.home)
    assert sums_of(ledger.home).input_tokens == 10
    row = reader.newest(10_000)[1]
    assert row.flags == ["quantity_too_large"]
    assert row.quantities["input_uncached"] == (1 << 63) - 1


def test_sums_of_money_beyond_64_bits_of_pico_dollars_are_exact(home: Home) -> None:
    dear = (1 << 63) - 1

    class DearBook(OnePriceBook):
        def rate(self, part: Part, **facts: object) -> RatedPart:
            return RatedPart(cost_state="priced", cost_pico=dear, charge_pico=dear, list_cost_pico=dear)

    home.prepare()
    connection = open_writer(home)
    applier = Applier(connection, DearBook())
    for number in range(5):
        applier.apply(WRITER, [batch(done(NOON + number), done(NOON + MINUTE * number))])
    assert sums_of(home).cost_pico == 10 * dear
    connection.close()


def test_negative_amounts_sum_exactly(home: Home) -> None:
    amounts = [-7, 5_000_001, -1_000_003, 2]

    class Book(OnePriceBook):
        def rate(self, part: Part, **facts: object) -> RatedPart:
            amount = amounts[int(part.quantities["output_text"])]
            return RatedPart(cost_state="priced", cost_pico=amount, charge_pico=-amount, list_cost_pico=0)

    home.prepare()
    connection = open_writer(home)
    Applier(connection, Book()).apply(WRITER, [batch(*[done(output_tokens=index) for index in range(4)])])
    totals = sums_of(home)
    assert (totals.cost_pico, totals.charge_pico) == (sum(amounts), -sum(amounts))
    assert verify(home).ok
    connection.close()


def test_a_record_nobody_can_read_is_marked_and_the_rest_goes_on(ledger: TestLedger) -> None:
    rubbish = Batch([(1, 3, b"\xc1rubbish"), *batch(done()).entries], [], Position(1, 900, 3), False)
    ledger.applier.apply(WRITER, [rubbish])
    reader = LedgerReader(ledger.home)
    assert reader.last_seq() == 1
    assert reader.health().undecodable == 1 and not reader.health().complete


def test_what_a_writer_lost_is_shown_in_health(ledger: TestLedger) -> None:
    lost = Mark(at_ns=NOON, kind="lost", detail={"records": 7, "exchanges": 3, "bytes": 999})
    ledger.applier.apply(WRITER, [batch(lost, lost)])
    health = LedgerReader(ledger.home).health()
    assert (health.lost_records, health.lost_exchanges, health.complete) == (14, 6, False)


def test_an_exchange_of_several_parts_is_the_sum_of_them(ledger: TestLedger) -> None:
    exchange = done()
    part = Part(provider="openai", request_model="unheard-of", kind="advisor", quantities={"cache_read": 3})
    extraction = Extraction(
        parts=(*exchange.extraction.parts, part), completeness="final", request_model="gpt-4o"
    )
    exchange.extraction = extraction
    ledger.append(exchange)
    (row,) = LedgerReader(ledger.home).newest(10_000)
    assert (row.cost_state, row.cost_pico) == ("unpriced", 37_500_000), "a lower bound that says so"
    assert (row.input_tokens, row.cache_read_input_tokens) == (13, 3)
    assert row.quantities == {"input_uncached": 10, "output_text": 5, "cache_read": 3}


@pytest.mark.parametrize(
    "statement", ["UPDATE call SET cost_pico = 0", "DELETE FROM call", "DELETE FROM checkpoint"]
)
def test_rows_cannot_be_edited(ledger: TestLedger, statement: str) -> None:
    ledger.append(done())
    ledger.connection.execute("INSERT INTO checkpoint VALUES (1, x'00', 0, x'00', 0)")
    with pytest.raises(apsw.ConstraintError, match="never"):
        ledger.connection.execute(statement)


def test_a_ledger_of_a_newer_farebox_is_refused(ledger: TestLedger) -> None:
    from farebox.errors import LedgerSchemaError

    ledger.connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(LedgerSchemaError, match="use the Farebox that wrote it"):
        open_writer(ledger.home)
    with pytest.raises(LedgerSchemaError):
        sums_of(ledger.home)


def test_a_schema_cut_off_halfway_leaves_an_empty_file(tmp_path: Path) -> None:
    home = Home(tmp_path / "h")
    home.prepare()
    statements = schema().split(";\n")
    for upto in range(1, len(statements), 7):
        connection = apsw.Connection(str(home.ledger))
        with pytest.raises(apsw.SQLError), connection:
            connection.execute(";\n".join(statements[:upto]) + ";\nSELECT no_such_function()")
        assert connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
        connection.close()
    home.ledger.chmod(0o600)
    open_writer(home).close()
    assert verify(home).ok


def test_the_writer_is_set_up_to_survive_a_power_cut(ledger: TestLedger) -> None:
    pragma = {
        name: ledger.connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "mmap_size", "trusted_schema")
    }
    assert pragma == {"journal_mode": "wal", "synchronous": 2, "mmap_size": 0, "trusted_schema": 0}
    assert ledger.home.ledger.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("together", [True, False])
def test_a_call_that_saw_a_part_is_corrected_by_the_one_that_fetched_the_whole(
    ledger: TestLedger, together: bool
) -> None:
    cut_off = done(response_id="resp_1", completeness="partial", input_tokens=3, output_tokens=0)
    whole = done(NOON + MINUTE, response_id="resp_1", method="GET")
    again = done(NOON + 2 * MINUTE, response_id="resp_1", method="GET")
    for calls in ([cut_off, whole, again],) if together else ([cut_off], [whole], [again]):
        ledger.append(*calls)
    reader = LedgerReader(ledger.home)
    *fetched, first = reader.newest(10_000)
    assert {row.not_billable_because for row in fetched} == {f"duplicate_of:{uuid_text(cut_off.event_id)}"}
    assert (first.completeness, first.input_tokens, first.cost_pico) == ("final", 10, 37_500_000)
    assert [correction.kind for correction in first.corrections] == ["measured"]
    assert first.corrections[0].because == f"seen whole by {uuid_text(whole.event_id)}"
    totals = sums_of(ledger.home)
    assert (totals.cost_pico, totals.input_tokens, totals.calls) == (37_500_000, 10, 3)
    assert verify(ledger.home).ok


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("whose", ["acme", "intruder"])
@pytest.mark.parametrize("kind", ["cut off", "begun", "fetched before"])
def test_a_fetch_by_a_bound_token_has_no_part_in_another_customers_call(
    ledger: TestLedger, kind: str, whose: str, together: bool
) -> None:
    """The negative control is the same fetch by the customer's own token."""
    event = done(NOON + MINUTE, response_id="resp_1", method="GET", attribution={"customer": whose})
    event.attribution_from = {"customer": "bound:tok2"}
    call = {
        "cut off": done(response_id="resp_1", completeness="partial", attribution={"customer": "acme"}),
        "begun": done(
            response_id="resp_1",
            completeness="partial",
            billable=False,
            because="background_response",
            attribution={"customer": "acme"},
        ),
        "fetched before": done(NOON + 2 * MINUTE, response_id="resp_1", attribution={"customer": "acme"}),
    }[kind]
    if kind == "begun":
        poll = event.extraction
        event.extraction = msgspec.structs.replace(poll, billable=False, not_billable_because="poll")
    order = (event, call) if kind == "fetched before" else (call, event)
    for calls in (order,) if together else ([order[0]], [order[1]]):
        ledger.append(*calls)
    (stored,) = [
        row
        for row in LedgerReader(ledger.home).newest(10)
        if row.attribution["customer"] == "acme" and row.event_id == uuid_text(call.event_id)
    ]
    is_touched = bool(stored.corrections) or (stored.not_billable_because or "").startswith("duplicate_of")
    (fetch,) = [
        row for row in LedgerReader(ledger.home).newest(10) if row.event_id == uuid_text(event.event_id)
    ]
    is_billed_for_it = kind == "begun" and fetch.billable
    assert (is_touched or is_billed_for_it) == (whose == "acme")
    assert verify(ledger.home).ok


def test_a_fetch_that_was_cut_off_is_corrected_by_the_next_one(ledger: TestLedger) -> None:
    ledger.append(done(response_id="batch_1", completeness="partial", input_tokens=3, method="GET"))
    ledger.append(done(NOON + MINUTE, response_id="batch_1", method="GET"))
    totals = sums_of(ledger.home)
    assert (totals.cost_pico, totals.input_tokens, totals.calls) == (37_500_000, 10, 2)
    assert verify(ledger.home).ok
