"""A demo that goes on: calls begin, are in flight, and end."""

from __future__ import annotations

from pathlib import Path

import pytest

from farebox.config import load_config
from farebox.demo.live import LiveCalls
from farebox.home import Home
from farebox.ledger import catch_up
from farebox.ledger.calls import LedgerReader

NOW = 1_780_000_000 * 10**9


def test_calls_come_are_in_flight_and_none_is_left_without_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = Home(tmp_path / "home")
    home.prepare()
    moment = [NOW]

    def sleep(seconds: float) -> None:
        moment[0] += int(seconds * 10**9)

    calls = LiveCalls(home, 1, clock=lambda: moment[0], sleep=sleep)
    calls.run(NOW + 120 * 10**9)
    config = load_config(home)
    catch_up(home, config)
    reader = LedgerReader(home)
    running = reader.in_flight(100)
    assert running
    assert any(call.extraction.parts for call in running), "what streams have used so far is known"
    assert all(call.intent.occurred_at_ns <= moment[0] for call in running)
    ended = reader.newest(10_000)
    assert len(ended) == calls.calls > 10
    calls.close()
    catch_up(home, config)
    assert LedgerReader(home).in_flight(100) == []
    after = LedgerReader(home).newest(10_000)
    assert len(after) == len(ended) + len(running)
    assert {call.outcome for call in after} <= {"completed", "client_disconnected"}


def test_the_same_seed_and_moment_make_the_same_calls(tmp_path: Path) -> None:
    def ids(name: str) -> list[str]:
        home = Home(tmp_path / name)
        home.prepare()
        moment = [NOW]
        calls = LiveCalls(home, 7, clock=lambda: moment[0], sleep=lambda _: None)
        for _ in range(30):
            calls.step()
            moment[0] += 10**9
        calls.close()
        catch_up(home, load_config(home))
        return [call.event_id for call in LedgerReader(home).newest(1_000)]

    first = ids("a")
    assert first and first == ids("b")
