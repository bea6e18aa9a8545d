"""What is known to be missing from a period."""

from __future__ import annotations

from calls import HOUR, NOON, TestLedger, batch, done

from farebox.home import Home
from farebox.journal.reader import Gap
from farebox.journal.records import Mark
from farebox.ledger.losses.coverage import Missing, missing

WRITER = "proxy-test"
LOST = Mark(
    at_ns=NOON + HOUR,
    kind="lost",
    detail={"records": 7, "exchanges": 3, "bytes": 999, "from_ns": NOON, "until_ns": NOON + HOUR},
)


def test_nothing_is_missing_where_there_is_no_ledger(home: Home) -> None:
    assert not missing(home)


def test_losses_count_in_the_periods_they_happened_in(ledger: TestLedger) -> None:
    ledger.applier.apply(WRITER, [batch(done(), LOST)])
    expected = Missing(lost_records=7, lost_exchanges=3)
    assert missing(ledger.home) == expected
    assert missing(ledger.home, NOON + HOUR // 2, NOON + 2 * HOUR) == expected
    assert not missing(ledger.home, NOON + 2 * HOUR, None)
    assert not missing(ledger.home, NOON - 2 * HOUR, NOON)


def test_damage_counts_in_every_period_begun_before_it_was_found(home: Home) -> None:
    found_at = NOON + 5 * HOUR
    ledger = TestLedger(home, clock=lambda: found_at)
    try:
        damaged = batch(done())
        damaged.gaps.append(Gap(kind="gap", segment=1, start=64, end=4096, records=2))
        ledger.applier.apply(WRITER, [damaged])
        assert missing(home, NOON + 4 * HOUR) == Missing(gaps=1, gap_records=2)
        assert missing(home, None, NOON) == Missing(gaps=1, gap_records=2)
        assert not missing(home, NOON + 6 * HOUR)
    finally:
        ledger.connection.close()
