"""AT-B1, AT-B2, AT-B3: what an aborted or silent exchange may have cost, from the proxy to the ledger."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from calls import TestLedger, done
from proxy_harness import Reply, Request, serving
from tools import upstream as mock

from farebox import yamltext
from farebox.cli.reports.receipt import call_receipt
from farebox.clock import now_ns
from farebox.config import Config
from farebox.estimating.estimator_process import estimated, frame
from farebox.home import Home
from farebox.journal import records
from farebox.journal.reader import Batch, Position
from farebox.journal.records import Done, Estimate
from farebox.ledger import catch_up, verify
from farebox.ledger.calls import LedgerReader
from farebox.pricing import load_book
from farebox.pricing.book import PriceBook
from farebox.proxy.recording.estimates import Estimates
from farebox.wire.facts import Extraction, Part
from farebox.wire.usage import estimate_sample
from farebox.wire.usage.estimate_sample import Side, Unmeasured

CHAT, JSON = "/openai/v1/chat/completions", "Content-Type: application/json"
PROMPT = "Name the largest city of each continent, and say why it grew. " * 20
BODY = (
    '{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true},'
    f'"messages":[{{"role":"user","content":"{PROMPT}"}}]}}'
).encode()
WORDS = 40


class Taken:
    """Stands in the place of the estimator's pipe and keeps what is handed over."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def offer(self, unmeasured: Unmeasured) -> None:
        self.frames.append(estimate_sample.encode(unmeasured))

    def estimates(self) -> list[Estimate]:
        return [found for found in map(estimated, self.frames) if found is not None]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def ledger(home: Home) -> Iterator[TestLedger]:
    made = TestLedger(home)
    made.applier.use(load_book())
    yield made
    made.connection.close()


def apply_estimates(ledger: TestLedger, *estimates: Estimate) -> None:
    entries = [(number, records.ESTIMATE, records.encode(each)) for number, each in enumerate(estimates, 1)]
    ledger.applier.apply("estimator-1", [Batch(entries, [], Position(1, 9_000, len(entries) + 1), False)])


def left_after(events: int, taken: Taken) -> Done:
    """Return the record of a client that left after so many events of a stream."""

    def respond(request: Request) -> Reply:
        return mock.sse_reply(mock.chat_events(WORDS), pace_s=0.01)

    with serving(respond) as (_, proxy):
        proxy.proxy.recorder.estimates = taken  # type: ignore[assignment]
        with proxy.connect() as client:
            client.send(client.head("POST", CHAT, JSON, f"Content-Length: {len(BODY)}") + BODY)
            seen = b""
            while seen.count(b"data:") < events:
                seen += client.socket.recv(65536)
        return proxy.settled(1)[0]


@pytest.mark.parametrize("events", [1, 4, 12, 30])
def test_at_b1_a_client_that_leaves_a_stream_has_a_row_with_an_estimate_and_its_bounds(
    events: int, ledger: TestLedger, home: Home
) -> None:
    taken = Taken()
    ended = left_after(events, taken)
    assert ended.outcome == "client_disconnected"
    assert ended.extraction.lacks == ("input", "output")
    ledger.append(ended)
    row = LedgerReader(home).newest(10_000)[0]
    assert (row.outcome, row.completeness, row.cost_state) == (
        "client_disconnected", "estimated", "estimated",
    )  # fmt: skip
    assert row.estimate is not None
    assert row.estimate.method == "default:bytes"

    apply_estimates(ledger, *taken.estimates())
    row = LedgerReader(home).newest(10_000)[0]
    assert row.estimate is not None
    assert row.estimate.method == "tokenizer:o200k_base"
    # 280 words and their stops; every event of this upstream is one word of its own.
    assert 280 <= row.input_tokens <= 320
    assert events - 3 <= row.output_tokens <= events + 40
    assert row.estimate.input_tokens_low <= row.input_tokens <= row.estimate.input_tokens_high
    assert row.estimate.output_tokens_low <= row.output_tokens <= row.estimate.output_tokens_high
    assert row.cost_pico is not None
    assert row.estimate.cost_low_pico is not None
    assert row.estimate.cost_high_pico is not None
    assert 0 < row.estimate.cost_low_pico <= row.cost_pico <= row.estimate.cost_high_pico
    assert [each.kind for each in row.corrections] == ["estimate", "estimate"]
    assert len([row for row in LedgerReader(home).export() if row.cost_state == "estimated"]) == 1
    assert verify(home).ok


def test_at_b1_the_real_count_takes_the_place_of_the_estimate(ledger: TestLedger, home: Home) -> None:
    unknown = silent(response_id="resp_1", reason="client_disconnected", outcome="client_disconnected")
    ledger.append(unknown)
    assert LedgerReader(home).newest(10_000)[0].cost_state == "estimated"
    fetched = done(
        now_ns(), response_id="resp_1", method="GET", billable=False, because="poll", input_tokens=7
    )
    ledger.append(fetched)
    first, second = LedgerReader(home).after(0, 10_000)
    assert (first.completeness, first.cost_state, first.input_tokens) == ("final", "priced", 7)
    assert [each.kind for each in first.corrections] == ["estimate", "measured"]
    assert first.estimate is None
    assert (second.billable, second.cost_pico) == (False, 0)
    assert len([row for row in LedgerReader(home).export() if row.cost_state == "estimated"]) == 0
    assert verify(home).ok


def test_at_b2_a_stream_without_usage_is_estimated_and_never_free(ledger: TestLedger, home: Home) -> None:
    def respond(request: Request) -> Reply:
        return mock.sse_reply(mock.chat_events(WORDS, include_usage=False))

    taken = Taken()
    with serving(respond) as (_, proxy):
        proxy.proxy.recorder.estimates = taken  # type: ignore[assignment]
        with proxy.connect() as client:
            client.post(CHAT, BODY, JSON)
        (ended,) = proxy.settled(1)
    assert ended.outcome == "completed"
    ledger.append(ended)
    apply_estimates(ledger, *taken.estimates())
    row = LedgerReader(home).newest(10_000)[0]
    assert row.cost_state == "estimated"
    assert row.cost_pico
    assert 280 <= row.input_tokens <= 320
    assert WORDS - 5 <= row.output_tokens <= 2 * WORDS + 5
    assert any(flag.startswith("estimated:tokenizer") for flag in row.flags)


def test_at_b3_an_explicit_zero_stays_zero(ledger: TestLedger, home: Home) -> None:
    def respond(request: Request) -> Reply:
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        return mock.json_reply({"id": "x", "model": "gpt-4o", "choices": [], "usage": usage})

    taken = Taken()
    with serving(respond) as (_, proxy):
        proxy.proxy.recorder.estimates = taken  # type: ignore[assignment]
        with proxy.connect() as client:
            client.post(CHAT, BODY, JSON)
        (ended,) = proxy.settled(1)
    ledger.append(ended)
    apply_estimates(ledger, *taken.estimates())
    row = LedgerReader(home).newest(10_000)[0]
    assert taken.frames == []
    assert (row.completeness, row.input_tokens, row.output_tokens) == ("final", 0, 0)
    assert row.corrections == []


def silent(
    at: int | None = None, *, reason: str = "no_usage_in_response", model: str = "gpt-4o", **more: Any
) -> Done:
    """Return an answered exchange of which nobody stated the usage."""
    response_id = more.pop("response_id", None)
    ended = done(at or now_ns(), model=model, request_bytes=4_500, response_bytes=1_300, **more)
    extraction = Extraction(
        parts=(Part(provider="openai", request_model=model, response_model=model),),
        completeness="none",
        reason=reason,
        response_id=response_id,
        request_model=model,
        response_model=model,
        lacks=("input", "output"),
    )
    values = {name: getattr(ended, name) for name in Done.__struct_fields__}
    return Done(**{**values, "extraction": extraction})


def test_a_model_with_enough_measured_calls_is_estimated_by_them(ledger: TestLedger, home: Home) -> None:
    measured = [
        done(
            now_ns(),
            input_tokens=1_000 + number,
            output_tokens=100,
            request_bytes=4_500,
            response_bytes=1_300,
        )
        for number in range(21)
    ]
    ledger.append(*measured)
    ledger.append(silent(), silent(model="gpt-4.1"))
    other, ours = LedgerReader(home).newest(2)
    assert ours.estimate is not None
    assert ours.estimate.method == "calibrated:21"
    assert (ours.input_tokens, ours.output_tokens) == (1_009, 99)
    assert (ours.estimate.input_tokens_low, ours.estimate.input_tokens_high) == (1_000, 1_019)
    assert other.estimate is not None
    assert other.estimate.method == "default:bytes"


def test_an_estimate_that_comes_before_its_call_waits_for_it(ledger: TestLedger, home: Home) -> None:
    ended = silent()
    found = Estimate(
        event_id=ended.event_id, source=ended.source, at_ns=1, method="tokenizer:x", input=(5, 6, 7),
        output=(1, 2, 3),
    )  # fmt: skip
    apply_estimates(ledger, found)
    ledger.append(ended)
    row = LedgerReader(home).newest(10_000)[0]
    assert (row.input_tokens, row.output_tokens) == (6, 2)
    assert len(row.corrections) == 1
    assert ledger.connection.execute("SELECT count(*) FROM waiting_estimate").fetchone() == (0,)


def test_a_worse_estimate_never_replaces_a_better_one(ledger: TestLedger, home: Home) -> None:
    ended = silent()
    ledger.append(ended)
    for method in ("tokenizer:x", "text:common", "tokenizer:x"):
        found = Estimate(
            event_id=ended.event_id, source=ended.source, at_ns=1, method=method, input=(5, 6, 7),
            output=(1, 2, 3),
        )  # fmt: skip
        apply_estimates(ledger, found)
    assert len(LedgerReader(home).newest(10_000)[0].corrections) == 2


def test_an_estimate_that_is_re_rated_keeps_its_bounds_at_the_new_prices(
    ledger: TestLedger, home: Home
) -> None:
    def book_of(pricing: str) -> PriceBook:
        return load_book(yamltext.parse(pricing, "farebox.yaml")[0])

    ended = silent()
    ledger.append(ended)
    found = Estimate(
        event_id=ended.event_id, source=ended.source, at_ns=1, method="tokenizer:x", input=(5, 6, 7),
        output=(1, 2, None),
    )  # fmt: skip
    apply_estimates(ledger, found)
    before = LedgerReader(home).newest(10_000)[0]
    for price in (10, 20):
        book = book_of(f"{before.request_model}: {{input_per_1m: {price}, output_per_1m: {price}}}")
        ledger.applier.use(book)
        asked = records.Rerate(at_ns=1, seqs=[before.seq], snapshot=book.digest, priced_too=True)
        entry = (1, records.RERATE, records.encode(asked))
        ledger.applier.apply(f"rerate-{price}", [Batch([entry], [], Position(1, 2_000, 2), False)])
        row = LedgerReader(home).newest(10_000)[0]
        assert (row.cost_state, row.cost_pico) == ("estimated", 8 * price * 1_000_000)
        assert row.estimate is not None
        assert before.estimate is not None
        assert (row.estimate.cost_low_pico, row.estimate.cost_high_pico) == (6 * price * 1_000_000, None)
        for name in ("method", "input_tokens_low", "input_tokens_high", "output_tokens_low"):
            assert getattr(row.estimate, name) == getattr(before.estimate, name)
    assert verify(home).ok


def test_where_no_answer_had_begun_nothing_is_assumed(ledger: TestLedger, home: Home) -> None:
    ledger.append(silent(status=0, outcome="timed_out"))
    row = LedgerReader(home).newest(10_000)[0]
    assert (row.cost_state, row.cost_pico, row.corrections) == ("unknown", None, [])


def test_what_is_known_of_a_broken_stream_is_its_lower_bound(ledger: TestLedger, home: Home) -> None:
    ended = silent(outcome="client_disconnected")
    part = Part(
        provider="openai", request_model="gpt-4o", quantities={"input_uncached": 50, "output_text": 30}
    )
    extraction = Extraction(
        parts=(part,), completeness="partial", request_model="gpt-4o", lacks=("more_output",), streamed=True
    )
    values = {name: getattr(ended, name) for name in Done.__struct_fields__}
    ledger.append(Done(**{**values, "extraction": extraction}))
    row = LedgerReader(home).newest(10_000)[0]
    assert row.estimate is not None
    assert (row.estimate.input_tokens_low, row.input_tokens, row.estimate.input_tokens_high) == (50, 50, 50)
    assert row.estimate.output_tokens_low == 30 <= row.output_tokens <= row.estimate.output_tokens_high


def test_the_estimator_is_a_process_that_leaves_numbers_and_no_text(home: Home) -> None:
    home.prepare()
    canary = "canary-in-the-prompt"
    body = f'{{"messages":[{{"role":"user","content":"{canary} what is the weather?"}}]}}'.encode()
    asked = Unmeasured(
        event_id=b"e" * 16, source="proxy:test", model="gpt-4o", lacks=("input", "output"),
        request=Side(body, len(body)), response=Side(b'data: {"delta":{"content":"fine"}}\n\n', 40),
    )  # fmt: skip
    command = [sys.executable, "-m", "farebox.estimating", str(home.journal)]
    finished = subprocess.run(
        command, input=frame(asked) * 2 + b"\x00\x00", capture_output=True, check=True, timeout=60
    )
    assert canary.encode() not in finished.stdout + finished.stderr
    stored = b"".join(path.read_bytes() for path in home.path.rglob("*") if path.is_file())
    assert b"tokenizer:o200k_base" in stored
    assert canary.encode() not in stored
    assert catch_up(home, Config()) == 2


def test_the_proxy_starts_an_estimator_when_there_is_something_for_it(home: Home) -> None:
    home.prepare()
    estimates = Estimates(home.journal)
    assert not list(home.journal.iterdir())
    body = b'{"messages":[{"role":"user","content":"hello"}]}'
    asked = Unmeasured(
        event_id=b"e" * 16, source="proxy:test", model="claude-x", lacks=("input",),
        request=Side(body, len(body)), response=Side(),
    )  # fmt: skip
    estimates.offer(asked)
    estimates.close(30)
    deadline = time.monotonic() + 20
    while not list(home.journal.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [path.name.partition("-")[0] for path in home.journal.iterdir()] == ["estimator"]


def test_more_than_the_queue_holds_is_left_to_the_ledger(home: Home) -> None:
    estimates = Estimates(home.path / "nowhere")
    estimates._thread = _Busy()  # type: ignore[assignment]  # pyright: ignore[reportPrivateUsage]
    asked = Unmeasured(
        event_id=b"e" * 16, source="p", model=None, lacks=("input",), request=Side(), response=Side()
    )
    for _ in range(70):
        estimates.offer(asked)
    assert estimates.left_out == 6


class _Busy:
    def is_alive(self) -> bool:
        return True


def test_bytes_that_are_compressed_bound_no_tokens(ledger: TestLedger, home: Home) -> None:
    done = silent(response_id="resp_9", reason="client_disconnected", outcome="client_disconnected")
    extraction = msgspec.structs.replace(done.extraction, flags=("input_encoded", "output_encoded"))
    ledger.append(msgspec.structs.replace(done, extraction=extraction))
    row = LedgerReader(home).newest(10_000)[0]
    assert row.completeness == "estimated"
    assert row.estimate is not None
    assert (row.estimate.input_tokens_low, row.estimate.input_tokens_high) == (0, None)
    assert (row.estimate.output_tokens_low, row.estimate.output_tokens_high) == (0, None)
    assert (row.estimate.cost_low_pico, row.estimate.cost_high_pico) == (0, None)
    assert "0 or more tokens in, 0 or more out" in call_receipt(row)
