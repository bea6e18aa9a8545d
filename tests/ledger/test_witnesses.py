"""What several witnesses saw of one physical call is one call; what they saw of two is two."""

from __future__ import annotations

import itertools
from typing import Any

import apsw
import msgspec
import pytest
from calls import (
    DAY,
    HOUR,
    NOON,
    PICO_PER_TOKEN,
    SECOND,
    OnePriceBook,
    TestLedger,
    batch,
    done,
    intent_of,
    sums_of,
)
from physical_calls import witness

from farebox.analytics.checks import compare
from farebox.analytics.local import LocalAsker
from farebox.analytics.questions import Questions
from farebox.clock import uuid7, uuid_text
from farebox.home import Home
from farebox.journal import records
from farebox.journal.reader import Batch, Position
from farebox.journal.records import Done
from farebox.ledger import verify
from farebox.ledger.append.applier import Applier
from farebox.ledger.call_row import CallRow
from farebox.ledger.calls import LedgerReader
from farebox.ledger.database import Connection

UNKNOWN: dict[str, Any] = {"completeness": "none", "outcome": "unknown", "status": 0}


def rows(ledger: TestLedger) -> list[CallRow]:
    return list(LedgerReader(ledger.home).export())


def one_row(ledger: TestLedger) -> CallRow:
    (row,) = rows(ledger)
    assert sums_of(ledger.home).calls == 1
    assert verify(ledger.home).problems == []
    return row


def in_every_order(*seen: Done) -> list[tuple[Done, ...]]:
    return list(itertools.permutations(seen))


EVENT = uuid7(NOON)
LEFT: dict[str, Any] = {"completeness": "none", "outcome": "client_disconnected", "status": 200}
BOTH: dict[str, tuple[Done, Done]] = {
    "an event id that the proxy took over": (
        witness("sdk", NOON, event_id=EVENT, input_tokens=3, passed_on=True),
        witness("proxy", NOON + HOUR, event_id=EVENT, passed_on=True),
    ),
    "a response id, hours apart": (
        witness("log", NOON + 23 * HOUR, response_id="chatcmpl-1"),
        witness("proxy", NOON, response_id="chatcmpl-1"),
    ),
    "a response id, with other figures": (
        witness("sdk", NOON, response_id="chatcmpl-1", input_tokens=3),
        witness("proxy", NOON + SECOND, response_id="chatcmpl-1"),
    ),
    "a request id": (
        witness("sdk", NOON, request_id="req_1", completeness="none"),
        witness("proxy", NOON + SECOND, request_id="req_1", response_id="chatcmpl-1"),
    ),
    "an event id that the proxy did not take over": (
        witness("sdk", NOON, event_id=EVENT, passed_on=True, **LEFT),
        witness("proxy", NOON + SECOND, request_id=uuid_text(EVENT), **LEFT),
    ),
    "such an id, before there was any response": (
        witness("sdk", NOON, event_id=EVENT, passed_on=True, **{**LEFT, "status": 0}),
        witness("proxy", NOON + SECOND, request_id=uuid_text(EVENT), **{**LEFT, "status": 0}),
    ),
    "a fingerprint": (witness("otlp", NOON), witness("proxy", NOON + 2 * SECOND)),
    "a fingerprint and a process": (
        witness("sdk", NOON, pid=7),
        witness("proxy", NOON + SECOND, pid=7),
    ),
    "a fingerprint, of a statement that knows no event id": (
        msgspec.structs.replace(witness("sdk", NOON), path=""),
        witness("proxy", NOON + SECOND, passed_on=True),
    ),
    "an error's status": (
        witness("sdk", NOON, completeness="none", status=429, billable=False, because="error_response"),
        witness("proxy", NOON, completeness="none", status=429, billable=False, because="error_response"),
    ),
}


@pytest.mark.parametrize("by", BOTH)
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("order", [0, 1])
def test_two_witnesses_of_one_call_are_one_call_with_the_wires_figures(
    ledger: TestLedger, by: str, late: bool, order: int
) -> None:
    seen = in_every_order(*BOTH[by])[order]
    if late:
        for each in seen:
            ledger.append(each)
    else:
        ledger.append(*seen)
    row = one_row(ledger)
    assert {each.kind for each in row.witnesses} == {each.witness for each in seen}
    (wire,) = [each for each in seen if each.witness == "proxy"]
    cost = 0 if wire.status == 429 else 15 * PICO_PER_TOKEN
    if wire.outcome == "client_disconnected":
        cost = None  # nobody has seen any usage
    assert (row.cost_pico, row.status) == (cost, wire.status)


BY_BOUND_TOKEN: dict[str, Any] = {"attribution_from": {"customer": "bound:tok2"}}
BY_KEY: dict[str, Any] = {"attribution_from": {"customer": "key:k1"}}
TWO: dict[str, tuple[Done, Done]] = {
    "one kind with a reused id": (
        witness("proxy", NOON, response_id="chatcmpl-1"),
        witness("proxy", NOON + 1, response_id="chatcmpl-1"),
    ),
    "a response id a day later": (
        witness("sdk", NOON, response_id="chatcmpl-1"),
        witness("proxy", NOON + DAY + 1, response_id="chatcmpl-1"),
    ),
    "a reused id in another process": (
        witness("sdk", NOON, response_id="chatcmpl-1", pid=7),
        witness("proxy", NOON, response_id="chatcmpl-1", pid=8),
    ),
    "a reused id later in the same process": (
        witness("sdk", NOON, response_id="chatcmpl-1", pid=7),
        witness("proxy", NOON + 5 * SECOND, response_id="chatcmpl-1", pid=7),
    ),
    "a reused id later with other figures": (
        witness("sdk", NOON, response_id="chatcmpl-1"),
        witness("proxy", NOON + HOUR, response_id="chatcmpl-1", input_tokens=11),
    ),
    "a fetch of a response": (
        witness("sdk", NOON, response_id="resp_1"),
        witness("proxy", NOON, response_id="resp_1", method="GET"),
    ),
    "equal figures three seconds apart": (witness("sdk", NOON), witness("proxy", NOON + 3 * SECOND)),
    "equal figures of two customers": (
        witness("sdk", NOON, attribution={"customer": "acme"}),
        witness("proxy", NOON, attribution={"customer": "other"}),
    ),
    "equal figures with other response ids": (
        witness("sdk", NOON, response_id="a"),
        witness("proxy", NOON, response_id="b"),
    ),
    "equal figures of two processes": (witness("sdk", NOON, pid=7), witness("proxy", NOON, pid=8)),
    "equal figures of two event ids": (
        witness("sdk", NOON, event_id=uuid7(NOON), passed_on=True),
        witness("proxy", NOON, event_id=uuid7(NOON)),
    ),
    "a response id that another customer's token has learnt": (
        witness("event", NOON, response_id="a", attribution={"customer": "other"}, **BY_BOUND_TOKEN),
        witness("proxy", NOON, response_id="a", attribution={"customer": "acme"}),
    ),
    "an event id that another customer's token has learnt": (
        witness("event", NOON, event_id=EVENT, attribution={"customer": "other"}, **BY_BOUND_TOKEN),
        witness("proxy", NOON, event_id=EVENT, passed_on=True, attribution={"customer": "acme"}),
    ),
    "a response id of two customers that are proven": (
        witness("mitm", NOON, response_id="a", attribution={"customer": "acme"}, **BY_KEY),
        witness("proxy", NOON, response_id="a", attribution={"customer": "other"}, **BY_KEY),
    ),
    "nothing known of either": (witness("sdk", NOON, **UNKNOWN), witness("proxy", NOON, **UNKNOWN)),
}


@pytest.mark.parametrize("apart", TWO)
@pytest.mark.parametrize("order", [0, 1])
def test_two_calls_stay_two(ledger: TestLedger, apart: str, order: int) -> None:
    for each in in_every_order(*TWO[apart])[order]:
        ledger.append(each)
    assert len(rows(ledger)) == sums_of(ledger.home).calls == 2
    assert verify(ledger.home).problems == []


@pytest.mark.parametrize("order", range(6))
def test_a_bound_token_takes_no_call_over_whose_customer_somebody_else_states(
    ledger: TestLedger, order: int
) -> None:
    """Whatever comes first: the proxy alone does not know whose the call is."""
    event = witness("event", NOON, response_id="a", attribution={"customer": "other"}, **BY_BOUND_TOKEN)
    sdk = witness("sdk", NOON + SECOND, response_id="a", attribution={"customer": "acme"})
    sdk.attribution_from = {"customer": "token:tok1"}
    proxy = witness("proxy", NOON, response_id="a")
    for each in in_every_order(event, sdk, proxy)[order]:
        ledger.append(each)
    by_customer = {row.attribution["customer"]: {each.kind for each in row.witnesses} for row in rows(ledger)}
    assert by_customer["acme"] == {"sdk", "proxy"}
    assert by_customer["other"] <= {"event"}
    assert len(by_customer) == sums_of(ledger.home).calls == 2
    assert verify(ledger.home).problems == []


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("whose", [{}, {"customer": "acme"}])
def test_a_bound_tokens_event_of_its_own_call_is_its_witness(
    ledger: TestLedger, order: int, whose: dict[str, str]
) -> None:
    event = witness("event", NOON, response_id="a", attribution={"customer": "acme"}, **BY_BOUND_TOKEN)
    proxy = witness("proxy", NOON, response_id="a", attribution=whose)
    for each in in_every_order(event, proxy)[order]:
        ledger.append(each)
    assert one_row(ledger).attribution["customer"] == "acme"


@pytest.mark.parametrize("order", [0, 1])
def test_a_name_that_a_trusted_program_spells_otherwise_is_no_other_call(
    ledger: TestLedger, order: int
) -> None:
    sdk = witness("sdk", NOON, response_id="a", attribution={"customer": "Acme Inc"})
    sdk.attribution_from = {"customer": "token:tok1"}
    proxy = witness("proxy", NOON, response_id="a", attribution={"customer": "acme"}, **BY_KEY)
    for each in in_every_order(sdk, proxy)[order]:
        ledger.append(each)
    assert one_row(ledger).attribution["customer"] == "acme"


def test_what_was_stored_of_a_witness_before_proofs_were_kept_is_read(ledger: TestLedger) -> None:
    ledger.append(witness("proxy", NOON, response_id="a"), witness("log", NOON + DAY))
    stored = ledger.connection.execute("SELECT id, facts FROM sighting").fetchall()
    for number, facts in stored:
        earlier = msgspec.msgpack.encode(msgspec.msgpack.decode(facts)[:-1])
        ledger.connection.execute("UPDATE sighting SET facts = ? WHERE id = ?", (earlier, number))
    ledger.applier = Applier(ledger.connection, OnePriceBook())
    assert ledger.append(witness("sdk", NOON, response_id="a")) == 0
    assert len(stored) == sums_of(ledger.home).calls == 2


def test_a_witness_that_says_the_same_makes_no_correction(ledger: TestLedger) -> None:
    ledger.append(witness("proxy", NOON, response_id="a"))
    assert ledger.append(witness("sdk", NOON, response_id="a")) == 0
    row = one_row(ledger)
    assert (row.revision, row.corrections, len(row.witnesses)) == (0, [], 2)


@pytest.mark.parametrize("order", [0, 1])
def test_a_customer_that_one_witness_states_is_the_calls(ledger: TestLedger, order: int) -> None:
    sdk = witness(
        "sdk", NOON, response_id="a", attribution={"customer": "acme", "step": "s1", "agent": "bot"}
    )
    sdk.attribution_from = {"customer": "sdk:attribute", "agent": "sdk:attribute"}
    proxy = witness("proxy", NOON, response_id="a", attribution={"app": "curl"})
    for each in in_every_order(sdk, proxy)[order]:
        ledger.append(each)
    row = one_row(ledger)
    assert row.attribution == {"customer": "acme", "agent": "bot", "app": "curl", "step": "s1"}
    assert row.attribution_from["customer"] == "sdk:attribute"  # stated, not verified


@pytest.mark.parametrize("order", [0, 1])
def test_what_a_key_proves_stands_above_what_is_stated(ledger: TestLedger, order: int) -> None:
    sdk = witness("sdk", NOON, response_id="a", attribution={"customer": "stated"})
    sdk.attribution_from = {"customer": "sdk:attribute"}
    proxy = witness("proxy", NOON, response_id="a", attribution={"customer": "bound"})
    proxy.attribution_from = {"customer": "key:k1"}
    for each in in_every_order(sdk, proxy)[order]:
        ledger.append(each)
    row = one_row(ledger)
    assert (row.attribution["customer"], row.attribution_from["customer"]) == ("bound", "key:k1")
    (seen,) = [each for each in row.witnesses if each.kind == "sdk"]
    assert seen.disagrees == ["customer stated, not bound"]


def test_a_killed_programs_call_that_the_proxy_saw_is_one_call(ledger: TestLedger) -> None:
    sdk = witness("sdk", NOON, event_id=EVENT, passed_on=True)
    proxy = witness("proxy", NOON, event_id=EVENT, passed_on=True)
    ledger.applier.apply("sdk", [batch(intent_of(sdk))])
    ledger.applier.apply("sdk", [batch(finished=True, end=2_000)])
    assert one_row(ledger).outcome == "unknown"
    ledger.append(proxy)
    row = one_row(ledger)
    assert (row.outcome, row.completeness, row.input_tokens) == ("completed", "final", 10)


def test_the_program_may_die_after_the_proxy_saw_the_end(ledger: TestLedger) -> None:
    sdk = witness("sdk", NOON, event_id=EVENT)
    ledger.append(witness("proxy", NOON, event_id=EVENT))
    ledger.applier.apply("sdk", [batch(intent_of(sdk), finished=True)])
    row = one_row(ledger)
    assert (row.outcome, row.revision, len(row.witnesses)) == ("completed", 0, 2)


def test_retries_are_joined_attempt_by_attempt(ledger: TestLedger) -> None:
    failed: dict[str, Any] = {"completeness": "none", "status": 500, "billable": False, "because": "error"}
    seen = [
        witness(kind, NOON + number * SECOND, attempt=number, **more)
        for kind in ("sdk", "proxy")
        for number, more in enumerate((failed, failed, {}))
    ]
    for each in seen:
        ledger.append(each)
    found = rows(ledger)
    assert [len(row.witnesses) for row in found] == [2, 2, 2]
    assert all(row.witnesses[0].status == row.witnesses[1].status for row in found)


def test_a_fingerprints_join_comes_apart_when_an_id_says_otherwise(ledger: TestLedger) -> None:
    log = witness("otlp", NOON, pid=1, attribution={"customer": "acme"})
    proxy = witness("proxy", NOON, response_id="b")
    ledger.append(log)
    ledger.append(proxy)
    assert one_row(ledger).attribution["customer"] == "acme"
    ledger.append(witness("sdk", NOON, response_id="b", pid=2))
    found = {row.attribution.get("customer"): [each.kind for each in row.witnesses] for row in rows(ledger)}
    assert found == {"acme": [], None: ["proxy", "sdk"]}
    assert sums_of(ledger.home)[:3] == (2, 0, 30 * PICO_PER_TOKEN)
    assert verify(ledger.home).problems == []


def test_two_rows_that_turn_out_to_be_one_call_are_one(ledger: TestLedger) -> None:
    ledger.append(witness("sdk", NOON, event_id=EVENT, passed_on=True, **UNKNOWN))
    ledger.append(witness("otlp", NOON, response_id="a"))
    assert len(rows(ledger)) == 2
    ledger.append(witness("proxy", NOON, event_id=EVENT, passed_on=True, response_id="a"))
    row = one_row(ledger)
    assert {each.kind for each in row.witnesses} == {"sdk", "otlp", "proxy"}
    assert (row.cost_pico, sums_of(ledger.home).cost_pico) == (15 * PICO_PER_TOKEN,) * 2


def test_the_replica_follows_rows_that_are_taken_back_and_made_again(ledger: TestLedger) -> None:
    seen = [
        witness("sdk", NOON, event_id=EVENT, passed_on=True, **UNKNOWN),
        witness("otlp", NOON, response_id="a"),
        witness("otlp", NOON + HOUR, pid=1),
        witness("proxy", NOON + HOUR, response_id="b"),
    ]
    late = [
        witness("proxy", NOON, event_id=EVENT, passed_on=True, response_id="a"),
        witness("sdk", NOON + HOUR, response_id="b", pid=2),
    ]
    questions = Questions(LocalAsker(ledger.home))
    try:
        for calls, some in ((3, seen), (3, late)):
            ledger.append(*some)
            assert compare(ledger.home, questions).different == []
            assert len(rows(ledger)) == sums_of(ledger.home).calls == calls
    finally:
        questions.close()


def test_a_call_is_found_by_the_id_that_any_witness_gave_it(ledger: TestLedger) -> None:
    seen = [witness("proxy", NOON, response_id="a"), witness("sdk", NOON, response_id="a")]
    for each in seen:
        ledger.append(each)
    reader = LedgerReader(ledger.home)
    assert {reader.call(uuid_text(each.event_id)).seq for each in seen} == {1}


@pytest.mark.parametrize("batches", [1, 2])
def test_a_witness_that_is_delivered_again_is_no_other_one(ledger: TestLedger, batches: int) -> None:
    sdk = witness("sdk", NOON, response_id="a")
    ledger.append(witness("proxy", NOON, response_id="a"))
    ledger.append(sdk)
    with pytest.raises(apsw.ConstraintError):
        ledger.append(sdk)
    other = msgspec.structs.replace(sdk, status=201)
    for each in (sdk, other)[:batches]:
        ledger.applier.apply("w", [batch(each)], look_for_duplicates=True)
    assert len(one_row(ledger).witnesses) == 2
    marks = ledger.connection.execute("SELECT kind FROM mark").fetchall()
    assert marks == [("conflict",)] * (batches - 1)


def test_calls_of_before_the_first_other_witness_are_joined_days_later(ledger: TestLedger) -> None:
    ledger.append(*[witness("proxy", NOON + n * HOUR, response_id=f"r{n}") for n in range(100)])
    ledger.append(witness("log", NOON + 50 * HOUR, response_id="r50"))
    ledger.append(witness("log", NOON + HOUR, response_id="r1"))
    assert [row.response_id for row in rows(ledger) if len(row.witnesses) == 2] == ["r1", "r50"]
    assert len(rows(ledger)) == 100


def test_what_is_compared_by_is_dropped_after_two_days_and_a_later_witness_joins_all_the_same(
    home: Home,
) -> None:
    now = NOON

    def kept() -> int:
        return ledger.connection.execute("SELECT count(*) FROM sighting").fetchone()[0]

    def day(number: int) -> None:
        nonlocal now
        now = NOON + number * 24 * HOUR
        for name in "ab":
            ledger.append(witness("proxy", now, response_id=f"{name}{number}"))
            ledger.append(witness("sdk", now, response_id=f"{name}{number}"))
        now += HOUR
        ledger.applier.checkpoint_if_due()

    ledger = TestLedger(home, clock=lambda: now)
    for number in range(30):
        day(number)
    assert kept() == 2 * 2 * 2, "those of the last two days"
    assert ledger.append(witness("log", NOON + 3 * 24 * HOUR + HOUR, response_id="a3")) == 0
    assert ledger.append(witness("log", NOON + 4 * 24 * HOUR, response_id="of no other")) == 1
    assert kept() > 80
    found = rows(ledger)
    assert len(found) == 61
    three = [row for row in found if len(row.witnesses) == 3]
    assert [row.response_id for row in three] == ["a3"]
    day(30)
    assert kept() < 20, "dropped again, once nobody has handed in older ones for an hour"
    assert verify(home).problems == []


def test_what_a_witness_said_of_a_person_is_erased_everywhere(ledger: TestLedger) -> None:
    ledger.append(witness("proxy", NOON, response_id="a", pid=4_711))
    ledger.append(witness("sdk", NOON, response_id="a", pid=4_711, attribution={"customer": "acme-person"}))
    asked = [
        (number, records.ERASE, records.encode(records.Erase(at_ns=NOON, personal=[number])))
        for (number,) in ledger.connection.execute("SELECT id FROM personal").fetchall()
    ]
    ledger.applier.apply("erase", [Batch(asked, [], Position(1, 2_000, 9), False)])
    assert ledger.applier.forget_earlier_pages()
    assert b"acme-person" not in ledger.home.ledger.read_bytes()
    ledger.append(witness("otlp", NOON, response_id="a", attribution={"customer": "acme-person"}))
    row = one_row(ledger)
    assert {each.kind for each in row.witnesses} == {"proxy", "sdk", "otlp"}
    assert all("acme-person" not in each.attribution.values() for each in row.witnesses if each.kind == "sdk")


def test_nothing_is_kept_to_join_by_while_one_kind_writes(ledger: TestLedger) -> None:
    ledger.append(*[done(NOON + n) for n in range(10)])
    for table in ("sighting", "witness", "joined_since"):
        assert ledger.connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608


@pytest.mark.parametrize(
    "edited", ["event_id = zeroblob(16)", "kind = 'x'", "call_seq = 1", "record = x'00'"]
)
def test_verify_names_the_first_witness_that_was_edited(ledger: TestLedger, edited: str) -> None:
    for n in range(3):
        ledger.append(witness("proxy", NOON + n, response_id=f"r{n}"))
        ledger.append(witness("sdk", NOON + n, response_id=f"r{n}", attribution={"customer": f"c{n}"}))
    assert verify(ledger.home).problems == []
    connection: Connection = ledger.connection
    connection.execute("DROP TRIGGER witness_never_updated")
    connection.execute(f"UPDATE witness SET {edited} WHERE id = 2")  # noqa: S608 - ours
    problems = [each.detail for each in verify(ledger.home).problems if each.what == "witness"]
    assert problems == [f"witness 2, of call {1 if 'call_seq' in edited else 4}, is not as it was written"]


def test_personal_values_that_came_with_a_witness_alone_are_covered(ledger: TestLedger) -> None:
    proxy = witness("proxy", NOON, response_id="a", attribution={"customer": "bound"})
    proxy.attribution_from = {"customer": "key:k1"}
    ledger.append(proxy)
    assert ledger.append(witness("sdk", NOON, response_id="a", attribution={"customer": "stated"})) == 0
    ledger.append(witness("proxy", NOON + HOUR, attribution={"customer": "third"}))
    assert verify(ledger.home).problems == []
    ledger.connection.execute("DROP TRIGGER personal_only_erased")
    ledger.connection.execute("UPDATE personal SET commitment = zeroblob(32) WHERE value = 'stated'")
    assert "witness" in {each.what for each in verify(ledger.home).problems}
