"""The server has newer prices looked for when it is time, in a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from price_server import A, B, PriceServer, price_list, price_server

from farebox.config import load_config
from farebox.home import Home
from farebox.price_lists.last_look import last_look
from farebox.pricing import load_book
from farebox.server import price_updates
from farebox.server.price_updates import PriceUpdates


@pytest.fixture
def server() -> Iterator[PriceServer]:
    with price_server() as found:
        found.content = price_list(A, B)
        yield found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(tmp_path)
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def test_nothing_is_fetched_until_it_is_configured_and_then_without_a_restart(
    home: Home, server: PriceServer
) -> None:
    updates = PriceUpdates(home, load_config(home))
    assert not updates.renew()
    assert (server.requests, last_look(home)) == ([], None)
    home.config.write_text(f"prices: {{update: auto, from: {server.url}}}\n")
    assert updates.renew()
    assert load_book(state=home.path).find("maker", "a")
    assert not updates.renew(), "the next look is a day away"
    assert len(server.requests) == 1


def test_a_look_that_hangs_is_ended_and_noted(
    home: Home, server: PriceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(price_updates, "LIMIT_S", 0)
    home.config.write_text(f"prices: {{update: auto, from: {server.url}}}\n")
    assert PriceUpdates(home, load_config(home)).renew()
    last = last_look(home)
    assert last is not None
    assert (last.state, last.failures) == ("failed", 1)
    assert not load_book(state=home.path).find("maker", "a")


def test_it_runs_beside_the_server_and_stops_with_it(home: Home, server: PriceServer) -> None:
    asked = threading.Event()
    home.config.write_text(f"prices: {{update: auto, from: {server.url}}}\n")

    class Watched(PriceUpdates):
        def renew(self) -> bool:
            done = super().renew()
            asked.set()
            return done

    updates = Watched(home, load_config(home))
    updates.start()
    try:
        assert asked.wait(60)
    finally:
        updates.close()
    assert load_book(state=home.path).find("maker", "a")
