"""What caching has saved: the list price of uncached tokens less that of cached ones, writing included."""

from __future__ import annotations

from calls import TestLedger
from test_cost_classes import PRICES, call, part
from test_rerating import book

from farebox.home import Home
from farebox.ledger.cache_savings import SAVINGS, savings_of
from farebox.ledger.cost_classes import COSTS, CostedLine, CostedPart
from farebox.ledger.database import open_reader
from farebox.ledger.feed import Feed

MICRO = 10**6


def priced(*lines: tuple[str, int, str | None], state: str = "priced") -> CostedPart:
    return CostedPart([CostedLine(unit, quantity, price) for unit, quantity, price in lines], state)


def test_reading_saves_and_writing_costs() -> None:
    read = priced(("input_uncached", 10, "0.000003"), ("cache_read", 1_000, "0.0000003"))
    assert savings_of([read]) == (1_000 * 27 * MICRO // 10, 0)
    written = priced(("input_uncached", 1, "0.000003"), ("cache_write_5m", 1_000, "0.00000375"))
    assert savings_of([written]) == (-750_000_000, 0)
    assert savings_of([read, written]) == (2_700_000_000 - 750_000_000, 0)


def test_a_kind_of_token_is_compared_with_its_own_kind() -> None:
    audio = ("input_audio", 5, "0.00001"), ("cache_read_audio", 100, "0.000001")
    assert savings_of([priced(*audio)]) == (900_000_000, 0)


def test_what_is_not_known_is_counted_and_not_guessed() -> None:
    assert savings_of([priced(("cache_read", 1_000, "0.0000003"))]) == (0, 1)
    assert savings_of([priced(("input_uncached", 1, "0.000003"), ("cache_read", 9, None))]) == (0, 1)
    assert savings_of([priced(("input_uncached", 1, "0.000003"), ("cache_read", 0, None))]) == (0, 0)


def test_what_costs_nothing_saves_nothing() -> None:
    lines = ("input_uncached", 10, "0.000003"), ("cache_read", 1_000, "0.0000003")
    assert savings_of([priced(*lines, state="included"), priced(*lines, state="free")]) == (0, 0)


def test_prices_of_any_length_are_exact() -> None:
    lines = ("input_uncached", 1, "0.000000000000000000000000003"), ("cache_read", 10**15, "0")
    assert savings_of([priced(*lines)]) == (3, 0)


def test_the_record_tells_it_of_each_row(ledger: TestLedger, home: Home) -> None:
    ledger.applier.use(book(PRICES))
    ledger.append(call(part({"input_uncached": 100, "cache_read": 1_000, "output_text": 5})))
    connection = open_reader(home)
    assert connection is not None
    (costs,) = Feed(connection).after(0, 10, with_details=True).costs
    connection.close()
    found = dict(zip(COSTS, costs, strict=True))
    assert [found[name] for name in SAVINGS] == [9_000 * MICRO, 0]  # 1,000 × ($10 - $1) per million
