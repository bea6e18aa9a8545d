"""Outcomes and scores: appended once, chained, verified, without a cost of their own."""

from __future__ import annotations

from typing import Any

import apsw
import pytest
from calls import NOON, TestLedger, done
from test_witnesses import witness

from farebox.charges.customer_terms import CustomerTerms
from farebox.charges.identities import EVER, Identity
from farebox.clock import uuid7
from farebox.home import Home
from farebox.journal import records
from farebox.journal.reader import Batch, Position
from farebox.journal.records import OUTCOME, SCORE, Result
from farebox.ledger import verify
from farebox.ledger.calls import LedgerReader
from farebox.ledger.charging.following import TermsFollower
from farebox.ledger.outcomes import outcomes_between


def result(name: str = "lead.qualified", **more: Any) -> Result:
    given: dict[str, Any] = {
        "event_id": uuid7(NOON),
        "source": "sdk:test:app.py",
        "occurred_at_ns": NOON,
        "value": "40.00",
        "attribution": {"task": "t-1", "customer": "acme", "step": "plan:1"},
        "attribution_from": {"task": "sdk:event", "customer": "sdk:event", "step": "sdk:meter"},
    }
    return Result(name=name, **{**given, **more})


def apply(ledger: TestLedger, *results: tuple[int, Result], writer: str = "sdk-test") -> None:
    entries = [(seq, kind, records.encode(each)) for seq, (kind, each) in enumerate(results, 1)]
    ledger.applier.apply(writer, [Batch(entries, [], Position(1, 1000, len(entries) + 1), False)])


def rows(ledger: TestLedger, table: str) -> list[tuple[Any, ...]]:
    return ledger.connection.execute(
        f"SELECT o.name, o.value, o.step, a.fields ->> '$.task[1]' FROM {table} o "  # noqa: S608
        "JOIN attribution a ON a.id = o.attribution ORDER BY o.id"
    ).fetchall()


def test_outcomes_and_scores_are_rows_of_their_own_and_change_no_sum(home: Home) -> None:
    ledger = TestLedger(home)
    ledger.append(done())
    apply(ledger, (OUTCOME, result()), (SCORE, result("faithfulness", value="0.92")))
    assert rows(ledger, "outcome") == [("lead.qualified", "40.00", "plan:1", "sdk:event")]
    assert rows(ledger, "score") == [("faithfulness", "0.92", "plan:1", "sdk:event")]
    assert ledger.applier.seq == 1
    assert verify(home).ok


def test_outcomes_and_scores_are_read_by_their_span(home: Home) -> None:
    ledger = TestLedger(home)
    late = result("late", event_id=uuid7(2 * NOON), occurred_at_ns=2 * NOON)
    apply(ledger, (OUTCOME, result()), (OUTCOME, late), (SCORE, result("faithfulness", value="0.92")))
    reader, found = LedgerReader(home), list[tuple[str, str | None]]()
    reader.each_result("outcome", NOON, 2 * NOON, lambda row: found.append((row.name, row.value)))
    reader.each_result("score", NOON, NOON + 1, lambda row: found.append((row.name, row.value)))
    assert found == [("lead.qualified", "40.00"), ("faithfulness", "0.92")]
    reader.close()


def test_the_same_outcome_twice_is_one_and_another_under_its_id_is_a_conflict(home: Home) -> None:
    ledger = TestLedger(home)
    first = result(payload_sha256=b"a" * 32)
    apply(ledger, (OUTCOME, first), (OUTCOME, first))
    apply(ledger, (OUTCOME, first), writer="sdk-other")
    other = result(event_id=first.event_id, value="41.00", payload_sha256=b"b" * 32)
    apply(ledger, (OUTCOME, other), writer="sdk-third")
    assert [row[1] for row in rows(ledger, "outcome")] == ["40.00"]
    kinds = [kind for (kind,) in ledger.connection.execute("SELECT kind FROM mark")]
    assert kinds == ["conflict"]


def test_a_customer_that_only_an_outcome_names_is_covered_by_the_next_block(home: Home) -> None:
    ledger = TestLedger(home)
    apply(ledger, (OUTCOME, result(attribution={"customer": "first seen here"})))
    assert verify(home).ok
    ledger.connection.close()
    again = TestLedger(home)  # another process: what the first one held in memory is gone
    again.append(done(attribution={"customer": "second"}))
    report = verify(home)
    assert report.ok, report.problems


@pytest.mark.parametrize("table", ["outcome", "score"])
def test_a_result_that_was_changed_is_found(home: Home, table: str) -> None:
    ledger = TestLedger(home)
    apply(ledger, (OUTCOME, result()), (SCORE, result()))
    ledger.connection.close()
    connection = apsw.Connection(str(home.ledger))
    trigger = connection.execute(
        "SELECT sql FROM sqlite_schema WHERE name = ?", (f"{table}_never_updated",)
    ).fetchone()[0]
    connection.execute(f"DROP TRIGGER {table}_never_updated")
    connection.execute(f"UPDATE {table} SET value = '4000.00'")  # noqa: S608
    connection.execute(trigger)
    connection.close()
    assert [(problem.what, problem.detail) for problem in verify(home).problems] == [
        ("result", f"{table} 1 is not as it was appended")
    ]


def test_a_result_that_cannot_be_decoded_is_marked_and_stops_nothing(home: Home) -> None:
    ledger = TestLedger(home)
    entries = [(1, OUTCOME, b"\x00"), (2, OUTCOME, records.encode(result()))]
    ledger.applier.apply("sdk-test", [Batch(entries, [], Position(1, 1000, 3), False)])
    assert len(rows(ledger, "outcome")) == 1
    kinds = [kind for (kind,) in ledger.connection.execute("SELECT kind FROM mark")]
    assert kinds == ["undecodable"]


@pytest.mark.parametrize("table", ["mark", "witness", "outcome", "score"])
@pytest.mark.parametrize("left", [0, 1])
def test_verify_misses_what_is_cut_from_the_end_of_a_chain(home: Home, table: str, left: int) -> None:
    ledger = TestLedger(home)
    for number in range(3):
        moment = NOON + number * 10_000_000_000
        ledger.append(witness("proxy", moment, response_id=f"r{number}"))
        ledger.append(witness("sdk", moment, response_id=f"r{number}"))
        named = result(payload_sha256=bytes([number]) * 32), result("faithfulness", event_id=uuid7(moment))
        apply(ledger, (OUTCOME, named[0]), (SCORE, named[1]), writer=f"sdk-{number}")
        again = result(event_id=named[0].event_id, value="7", payload_sha256=b"c" * 32)
        apply(ledger, (OUTCOME, again), writer=f"again-{number}")  # a conflict, which is a mark
    assert verify(home).problems == []
    assert ledger.connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (3,)  # noqa: S608
    ledger.connection.execute(f"DROP TRIGGER {table}_never_deleted")
    ledger.connection.execute(f"DELETE FROM {table} WHERE id > {left}")  # noqa: S608
    assert f"{table} {left + 1} to 3 are missing" in [each.detail for each in verify(home).problems]


def mapped(customer: str, *, user: str = "u1", from_ns: int = EVER) -> CustomerTerms:
    return CustomerTerms(
        (Identity(customer=customer, dimension="user", value=user, from_ns=from_ns),), (), (), ()
    )


def customers(ledger: TestLedger) -> list[tuple[str, int]]:
    """Return each outcome's customer and count, as billing sums them."""
    counts: dict[str, int] = {}
    for row in outcomes_between(ledger.connection, 0, 2 * NOON, last_id=1_000):
        customer = row.attribution.fields.get("customer", "")
        counts[customer] = counts.get(customer, 0) + row.sign
    return sorted((name, count) for name, count in counts.items() if count)


def test_an_outcome_of_a_mapped_user_is_its_customers_and_moves_with_the_mapping(home: Home) -> None:
    ledger = TestLedger(home)
    found = mapped("acme")
    follower = TermsFollower(ledger.connection, ledger.applier, lambda: found, lambda: NOON)
    follower.run()
    of_user = result(attribution={"user": "u1", "step": "plan:1"}, attribution_from={"user": "sdk:event"})
    stated = result(
        attribution={"user": "u1", "customer": "else"}, attribution_from={"customer": "sdk:event"}
    )
    apply(ledger, (OUTCOME, of_user), (OUTCOME, stated))
    assert customers(ledger) == [("acme", 1), ("else", 1)]
    found = mapped("globex")
    follower.run()
    assert customers(ledger) == [("else", 1), ("globex", 1)]
    found = mapped("globex", user="u2")
    follower.run()
    assert customers(ledger) == [("", 1), ("else", 1)]
    apply(ledger, (OUTCOME, of_user), writer="sdk-other")
    assert customers(ledger) == [("", 1), ("else", 1)], "it is known, whoever it belongs to now"
    report = verify(home)
    assert report.ok, report.problems


def test_a_mapping_from_a_day_on_leaves_earlier_outcomes_where_they_are(home: Home) -> None:
    ledger = TestLedger(home)
    apply(ledger, (OUTCOME, result(attribution={"user": "u1"}, attribution_from={"user": "sdk:event"})))
    found = mapped("acme", from_ns=NOON + 1)
    TermsFollower(ledger.connection, ledger.applier, lambda: found, lambda: NOON).run()
    assert customers(ledger) == [("", 1)]
