"""`price()` and `cost()` with a collector: its prices, its record, and words on what to start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from collectors import CollectorServer
from metered import Metered

import farebox
from farebox.config import load_config
from farebox.errors import QuestionError, ServerNotRunningError
from farebox.home import Home
from farebox.pricing.price_copy import book_of, copy_of, store
from farebox.pricing.price_watch import PriceWatch
from farebox.sdk.questions import collector_prices
from farebox.sdk.settings import Settings, settings

PRICES, SUMMARY = "/api/v1/prices", "/api/v1/summary"
RESPONSE = {
    "object": "chat.completion", "model": "house-model", "id": "c-1",
    "usage": {"prompt_tokens": 1_000_000, "completion_tokens": 0, "total_tokens": 1_000_000},
}  # fmt: skip
SUMS = {
    "cost_usd": "1.25", "charge_usd": "2.50", "calls": 3, "unpriced_calls": 0, "complete": True,
    "input_tokens": 10, "output_tokens": 5,
}  # fmt: skip


@pytest.fixture
def server() -> Iterator[CollectorServer]:
    with CollectorServer() as made:
        yield made


@pytest.fixture
def remote(metered: Metered, server: CollectorServer) -> Iterator[CollectorServer]:
    farebox.configure(collector=server.url, token="fbx_ingest_a", read_token="fbx_read_b")
    yield server
    farebox.configure(collector="")
    for name in ("collector", "token", "read_token"):
        setattr(settings, name, getattr(Settings, name))


def offer(server: CollectorServer, folder: Path, pricing: str) -> None:
    """Have the collector rate by `pricing`."""
    home = Home(folder)
    home.prepare()
    home.config.write_text(pricing, encoding="utf-8")
    copy = copy_of(folder, load_config(home))
    server.documents[PRICES] = (200, {"etag": f'"{copy.digest}"'}, msgspec.json.encode(copy))


def test_a_copy_makes_the_same_book_as_the_files_it_was_made_of(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    home.config.write_text('pricing:\n  house-model: {per_1m: {input: "3"}}\n', encoding="utf-8")
    (home.path / "prices.d").mkdir(mode=0o700)
    more = 'pricing:\n  other-model: {per_1m: {output: "0.50"}}\n'
    (home.path / "prices.d" / "more.yaml").write_text(more, encoding="utf-8")
    copy = copy_of(home.path, load_config(home))
    sent = msgspec.json.decode(msgspec.json.encode(copy), type=type(copy))
    store(sent, tmp_path / "copy")
    assert sent.digest == copy.digest
    watch = PriceWatch(home.path, None, home.cache)
    assert book_of(tmp_path / "copy", home.cache).digest == watch.current().digest


def test_a_price_is_the_collectors(remote: CollectorServer, tmp_path: Path) -> None:
    offer(remote, tmp_path / "theirs", 'pricing:\n  house-model: {per_1m: {input: "3"}}\n')
    found = farebox.price(RESPONSE, provider="openai")
    assert found.cost_usd == Decimal(3) and found.cost_state == "priced"
    path, headers, _ = remote.requests[0]
    assert path == PRICES and headers["authorization"] == "Bearer fbx_read_b"
    farebox.price(RESPONSE, provider="openai")
    assert len(remote.requests) == 1, "once a minute at most"


def test_a_change_is_taken_in_without_anybody_waiting(
    remote: CollectorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(remote, tmp_path / "theirs", 'pricing:\n  house-model: {per_1m: {input: "3"}}\n')
    prices = collector_prices.CollectorPrices(Home(tmp_path / "mine"), remote.url, tmp_path / "copies")
    before = prices.current().digest
    prices._renew()
    assert prices.current().digest == before and remote.requests[-1][1]["if-none-match"]
    offer(remote, tmp_path / "theirs", 'pricing:\n  house-model: {per_1m: {input: "4"}}\n')
    prices._renew()
    assert prices.current().digest != before


def test_a_copy_serves_while_the_collector_cannot_be_reached(tmp_path: Path) -> None:
    with CollectorServer() as server:
        offer(server, tmp_path / "theirs", 'pricing:\n  house-model: {per_1m: {input: "3"}}\n')
        home, url = Home(tmp_path / "mine"), server.url
        first = collector_prices.CollectorPrices(home, url, tmp_path / "copies").current().digest
    assert collector_prices.CollectorPrices(home, url, tmp_path / "copies").current().digest == first
    with pytest.raises(ServerNotRunningError, match="start a collector there with: farebox up"):
        collector_prices.CollectorPrices(home, url, tmp_path / "elsewhere").current()


def test_what_was_spent_is_what_the_collector_says(remote: CollectorServer) -> None:
    remote.documents[SUMMARY] = (200, {}, json.dumps({"sums": SUMS}).encode())
    found = farebox.cost(since="7d", customer="acme")
    assert (found.cost_usd, found.calls) == (Decimal("1.25"), 3)
    path, headers, _ = remote.requests[0]
    assert path == f"{SUMMARY}?since=7d&until=now&customer=acme"
    assert headers["authorization"] == "Bearer fbx_read_b"


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_may_not_read_is_told_which_one_may(remote: CollectorServer, status: int) -> None:
    remote.documents[SUMMARY] = (status, {}, b'{"code": "role_not_allowed", "message": "no"}')
    with pytest.raises(QuestionError, match="farebox tokens create reports --scope read"):
        farebox.cost()


def test_a_question_that_is_refused_says_why(remote: CollectorServer) -> None:
    remote.documents[SUMMARY] = (400, {}, b'{"code": "invalid_parameter", "message": "since is no moment"}')
    with pytest.raises(QuestionError, match="since is no moment"):
        farebox.cost(since="lately")


def test_a_collector_that_does_not_run_is_said_with_what_to_type(metered: Metered) -> None:
    with CollectorServer() as gone:
        url = gone.url
    farebox.configure(collector=url)
    try:
        with pytest.raises(ServerNotRunningError, match="start a collector there with: farebox up"):
            farebox.cost()
    finally:
        farebox.configure(collector="")
        settings.collector = None
