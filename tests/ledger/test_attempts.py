"""Retries: read from the details of the record, counted by the replica and by live sums alike."""

from __future__ import annotations

from calls import NOON, TestLedger
from test_rerating import PRICE, book, new_model, rerate

from farebox.analytics.live_sums import LiveSums
from farebox.analytics.local import LocalAsker
from farebox.analytics.query import Question
from farebox.analytics.questions import Questions, Selection
from farebox.home import Home
from farebox.journal.records import encode
from farebox.ledger.attempts import attempt_of
from farebox.ledger.calls import LedgerReader


def test_the_attempt_is_read_from_the_beginning_of_a_record_and_of_nothing_else() -> None:
    assert attempt_of(encode(new_model(attempt=3))) == 3
    assert attempt_of(encode(new_model())) == 0
    assert attempt_of(b"") == attempt_of(b"\x90") == attempt_of(encode(["no", "call"])) == 0


def test_retries_are_counted_and_found_and_a_correction_counts_none_twice(
    ledger: TestLedger, home: Home
) -> None:
    ledger.applier.use(book())
    ledger.append(
        new_model(status=429, error_class="rate_limited"),
        new_model(NOON + 1, attempt=1, status=429, error_class="rate_limited"),
        new_model(NOON + 2, attempt=2),
    )
    rerate(ledger, book(PRICE), 3, priced_too=True)
    retried = Selection(where={"retry": ["true"]})
    questions = Questions(LocalAsker(home))
    kinds = Question(by=["error_class"], measures=["calls", "retries", "retry_permille"], order="retries")
    by_kind, by_retry, asked = questions.answers(
        kinds, Question(by=["retry"], measures=["calls"], order="calls"), retried.question(measures=["calls"])
    )
    assert {row.keys[0]: row.values for row in by_kind.rows} == {
        "rate_limited": [2, 1, 500],
        None: [1, 1, 1000],
    }
    assert {row.keys[0]: row.values[0] for row in by_retry.rows} == {"true": 2, "false": 1}
    assert asked.rows[0].values == [2]
    assert questions.calls(retried, 10) == [3, 2]
    live = LiveSums(retried)
    live.add(LedgerReader(home).rows_after(0, 100, with_details=live.with_details))
    assert live.since_minute(0, 2 * NOON) == questions.totals(retried)[0]
    assert live.since_minute(0, 2 * NOON).calls == 2
    questions.close()
