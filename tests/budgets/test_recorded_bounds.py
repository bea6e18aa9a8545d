"""Recorded calls: none costs more than its worst case, worked out from its request alone.

Recordings are read where they are. A request that was not recorded, or was shortened, bounds nothing.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from farebox import catalog
from farebox.budgets.worst_case import WorstCase, WorstCases
from farebox.pricing import load_book
from farebox.pricing.book import PriceBook
from farebox.pricing.model_limits import load_limits
from farebox.wire.meter import Meter
from farebox.wire.request_limits import LimitKeys
from replaying import direct
from replaying import recordings as recorded

SHORTENED = "0bde84157c711f6d"
"""Its `content-length` was 67,988; the body that was kept has 288 bytes and used 18,135 tokens."""
LOOPS = {"160c34d377579ad2"}
"""Ten searches by the provider, with all of the conversation read again after each: nothing bounds that, the
worst case says so, and takes one context window."""
AS_OF = int(datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp()) * 10**9


class Bounded(NamedTuple):
    """One recording, what it cost, and what it could have cost at most."""

    id: str
    surface: str
    cost_pico: int
    worst: WorstCase
    has_max_tokens: bool


@pytest.fixture(scope="module")
def bounded(recordings: Path) -> list[Bounded]:
    loaded, book = catalog.load(), load_book()
    assert loaded.request_limits is not None
    keys = LimitKeys(loaded.request_limits)
    worst_cases = WorstCases(book, loaded.request_limits, load_limits())
    with gzip.open(recordings / "exchanges.jsonl.gz", "rt", encoding="utf-8") as lines:
        entries = [json.loads(line) for line in lines]
    whole = {
        entry["id"]
        for entry in entries
        if entry.get("request_body") is not None
        and not entry.get("request_trimmed")
        and entry.get("transport") != "websocket"
    } - {SHORTENED}
    return [
        _bounded(loaded, keys, worst_cases, book, recording)
        for recording in recorded.load(recordings)
        if recording.id in whole
    ]


def _bounded(
    loaded: catalog.Catalog,
    keys: LimitKeys,
    worst_cases: WorstCases,
    book: PriceBook,
    recording: recorded.Recording,
) -> Bounded:
    provider = direct.provider_of(loaded, recording)
    assert provider is not None
    path, _, query = recording.path.partition("?")
    endpoint = provider.endpoint(recording.method, path)
    headers = [(name.encode(), str(value).encode()) for name, value in recording.request_headers.items()]
    meter = Meter(endpoint, path, query, headers)
    meter.read_limits(keys)
    if recording.request_body:
        meter.request_body(recording.request_body)
    facts = meter.request_end()
    answered = [(name.encode(), str(value).encode()) for name, value in recording.response_headers.items()]
    meter.response_head(recording.status, answered)
    meter.response_body(recording.response_body)
    used = meter.finish("completed")
    stated = recording.recorded_at
    at_ns = int(datetime.fromisoformat(stated).timestamp()) * 10**9 if stated else AS_OF
    cost = 0
    for part in used.parts:
        rated = book.rate(part, occurred_at_ns=at_ns, completeness=used.completeness, billable=used.billable)
        cost += rated.cost_pico or 0
    worst = worst_cases.of(
        endpoint, endpoint.path_values(path), facts, at_ns=at_ns, method=recording.method, path=path
    )
    return Bounded(recording.id, recording.surface, cost, worst, facts.max_tokens is not None)


def test_no_recorded_call_costs_more_than_its_worst_case(bounded: list[Bounded]) -> None:
    assert len(bounded) > 600
    assert len({each.surface for each in bounded if each.cost_pico}) > 40
    beyond = {
        each.id: each
        for each in bounded
        if each.worst.cost_pico is not None and each.cost_pico > each.worst.cost_pico
    }
    assert set(beyond) == LOOPS
    assert not any(each.worst.is_bound for each in beyond.values()), "it is said that they can"


def test_no_recorded_call_that_cost_money_is_taken_for_free(bounded: list[Bounded]) -> None:
    assert [each.id for each in bounded if each.cost_pico and each.worst.cost_pico == 0] == []


def test_most_recorded_calls_are_bounded_by_their_requests_alone(bounded: list[Bounded]) -> None:
    """A bound that fits nothing would be of no use: most follow from text, `max_tokens` and a known model."""
    charged = [each for each in bounded if each.cost_pico]
    plain = [each for each in charged if not each.worst.because]
    assert len(plain) > 0.8 * len(charged), Counter(each.worst.because for each in charged).most_common(9)
    stated = sorted((each.worst.cost_pico or 0) / each.cost_pico for each in plain if each.has_max_tokens)
    assert len(stated) > 60
    assert stated[len(stated) // 2] < 20, "half of those that say max_tokens"
    assert stated[0] >= 1
