"""Prices change without a restart; a bad file leaves the old ones in force and says so."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from price_books import ns

from farebox.pricing import price_watch
from farebox.pricing.book import PriceBook
from farebox.pricing.price_watch import PriceWatch
from farebox.pricing.sources.price_folder import entries_of, folder_of, write_prices
from farebox.wire.facts import Part


def cost(book: PriceBook, model: str = "my-model") -> int | None:
    part = Part(provider="my-llm", response_model=model, quantities={"input_uncached": 10**6})
    rated = book.rate(part, occurred_at_ns=ns("2026-11-01"), completeness="final", billable=True)
    return rated.cost_pico


def test_a_changed_file_is_in_force_at_the_next_look(tmp_path: Path) -> None:
    config = tmp_path / "farebox.yaml"
    config.write_text("pricing: {my-model: {input_per_1m: 1}}\n")
    watch = PriceWatch(tmp_path, config)
    first = watch.current()
    assert watch.current() is first
    config.write_text("pricing: {my-model: {input_per_1m: 22}}\n")
    assert (cost(first), cost(watch.current())) == (10**12, 22 * 10**12)


def test_a_file_that_is_made_later_is_in_force_at_the_next_look(tmp_path: Path) -> None:
    watch = PriceWatch(tmp_path, None)
    assert cost(watch.current()) is None
    config = tmp_path / "farebox.yaml"
    config.write_text("pricing: {my-model: {input_per_1m: 3}}\n")
    assert cost(watch.current()) == 3 * 10**12
    config.unlink()
    assert cost(watch.current()) is None


def test_a_bad_file_keeps_the_old_prices_and_says_everything_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = tmp_path / "farebox.yaml"
    config.write_text("pricing: {my-model: {input_per_1m: 1}}\n")
    watch = PriceWatch(tmp_path, config)
    config.write_text("pricing:\n  my-model: {input_per_1m: cheap}\n  other: {inptu_per_1m: 3}\n")
    with caplog.at_level(logging.WARNING, "farebox.pricing"):
        assert [cost(watch.current()) for _ in range(3)] == [10**12] * 3
    assert [finding.line for finding in watch.findings] == [2, 3]
    assert len(caplog.records) == 1
    config.write_text("pricing: {my-model: {input_per_1m: 222}}\n")
    assert cost(watch.current()) == 222 * 10**12
    assert watch.findings == []


def test_who_asks_while_another_thread_reads_the_files_gets_the_new_prices_and_they_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "farebox.yaml"
    config.write_text("pricing: {my-model: {input_per_1m: 1}}\n")
    watch = PriceWatch(tmp_path, config)
    has_read, may_go_on = threading.Event(), threading.Event()
    load = price_watch.load_book

    def slow(*given: Any, **also: Any) -> PriceBook:
        found = load(*given, **also)
        if threading.current_thread() is not threading.main_thread():
            has_read.set()
            assert may_go_on.wait(60)
        return found

    monkeypatch.setattr(price_watch, "load_book", slow)
    config.write_text("pricing: {my-model: {input_per_1m: 22}}\n")
    other = threading.Thread(target=watch.current)
    other.start()
    assert has_read.wait(60)
    assert cost(watch.current()) == 22 * 10**12, "another thread has noticed the change, and is not done"
    config.write_text("pricing: {my-model: {input_per_1m: 333}}\n")
    assert cost(watch.current()) == 333 * 10**12
    may_go_on.set()
    other.join(60)
    assert cost(watch.current()) == 333 * 10**12, "what it read is older"


def test_a_contract_changes_without_a_restart(tmp_path: Path) -> None:
    config = tmp_path / "farebox.yaml"
    config.write_text("pricing: {my-model: {input_per_1m: 1}}\n")
    watch = PriceWatch(tmp_path, config)
    with config.open("a") as file:
        file.write("contracts: {deal: {with: provider, terms: [{discount_percent: 50}]}}\n")
    assert cost(watch.current()) == 10**12 // 2


def test_price_files_of_the_state_directory_count_beside_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "farebox.yaml"
    config.write_text("pricing: {my-model: {input_per_1m: 1}}\n")
    watch = PriceWatch(tmp_path, config)
    path = folder_of(tmp_path) / "set.yaml"
    write_prices(path, {"other": [{"input_per_1m": "7"}]}, "A comment.")
    assert (cost(watch.current()), cost(watch.current(), "other")) == (10**12, 7 * 10**12)
    assert entries_of(path) == {"other": [{"input_per_1m": "7"}]}
    assert path.stat().st_mode & 0o777 == 0o600
    write_prices(path, {"my-model": [{"input_per_1m": "8"}]}, "A second price since ever for one model.")
    assert cost(watch.current()) == 10**12
    assert "an effective_from that no other entry has" in str(watch.findings[0])
    path.unlink()
    assert cost(watch.current()) == 10**12
    assert watch.findings == []
