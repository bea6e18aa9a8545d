"""Measure re-rating: show what a new price makes of unpriced calls, then correct them.

The calls lie as close together as five million in thirty days, have two hundred keys and five thousand
customers as in the benchmark of the ledger, and are of four models that nobody knew the price of.
Times are CPU time of this process.

    python -m tools.bench.rerating --rows 1000000
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from farebox import yamltext
from farebox.clock import uuid7
from farebox.home import Home
from farebox.journal import records
from farebox.journal.reader import Batch, Position
from farebox.journal.records import Done, Rerate
from farebox.ledger.append.applier import Applier
from farebox.ledger.corrections.corrector import SEQS_PER_RECORD
from farebox.ledger.corrections.rerate_command import preview
from farebox.ledger.database import open_writer
from farebox.ledger.ledger_process import settle_memory
from farebox.pricing import load_book
from farebox.pricing.book import PriceBook
from farebox.wire.facts import Extraction, Part

DAY_NS = 86_400 * 10**9
START_NS = 20_544 * DAY_NS
FULL_ROWS = 5_000_000
DAYS, MODELS, KEYS, CUSTOMERS = 30, 4, 200, 5_000
_RECORDS_A_BATCH = 500


def measure(rows: int) -> dict[str, float | int]:
    """Return seconds of CPU for showing and for correcting `rows` calls."""
    settle_memory()
    priced = _book("'model-*': {input_per_1m: 2, output_per_1m: 8}")
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        home.prepare()
        connection = open_writer(home)
        applier = Applier(connection, _book("{}"))
        for start in range(0, rows, 10_000):
            applier.apply("proxy-bench", [_batch(start, min(10_000, rows - start))])
        began = time.process_time()
        seqs = [
            each.now.seq
            for changed in preview(home, range(1, rows + 1), priced, priced_too=False)
            for each in changed
        ]
        shown = time.process_time() - began
        assert len(seqs) == rows, (len(seqs), rows)
        began = time.process_time()
        applier.use(priced)
        step = SEQS_PER_RECORD * _RECORDS_A_BATCH
        for start in range(0, rows, step):
            applier.apply("rerate-bench", [_request(seqs[start : start + step], priced.digest)])
        corrected = time.process_time() - began
        done = connection.execute("SELECT count(*) FROM call WHERE reverses IS NOT NULL").fetchone()[0]
        connection.close()
    assert done == rows, (done, rows)
    scale = 1_000_000 / rows
    return {
        "rows": rows,
        "shown_cpu_s_per_million": round(shown * scale, 1),
        "corrected_cpu_s_per_million": round(corrected * scale, 1),
    }


def _book(text: str) -> PriceBook:
    pricing, findings = yamltext.parse(text, "farebox.yaml")
    assert not findings, findings
    return load_book(pricing)


def _request(seqs: list[int], digest: str) -> Batch:
    entries = [
        (
            number,
            records.RERATE,
            records.encode(Rerate(at_ns=0, seqs=seqs[at : at + SEQS_PER_RECORD], snapshot=digest)),
        )
        for number, at in enumerate(range(0, len(seqs), SEQS_PER_RECORD), 1)
    ]
    return Batch(entries, [], Position(1, 1_000, len(entries) + 1), False)


def _batch(first: int, count: int) -> Batch:
    draw = random.Random(first)
    entries = []
    for number in range(first, first + count):
        at = START_NS + number * DAYS * DAY_NS // FULL_ROWS
        model = f"model-{int(MODELS * draw.random() ** 3)}"
        quantities = {
            "input_uncached": draw.randrange(50, 4000),
            "cache_read": draw.choice((0, 0, 1024)),
            "output_text": draw.randrange(1, 800),
        }
        done = Done(
            event_id=uuid7(at),
            source="proxy:bench",
            occurred_at_ns=at,
            provider="openai",
            surface="openai.chat",
            path="/v1/chat/completions",
            host="api.openai.com",
            key_fingerprint=f"{int(KEYS * draw.random() ** 2):016x}",
            attribution={"customer": f"customer-{int(CUSTOMERS * draw.random() ** 2)}", "app": "bench"},
            ended_at_ns=at + 10**9,
            outcome="completed",
            status=200,
            extraction=Extraction(
                parts=(
                    Part(provider="openai", request_model=model, response_model=model, quantities=quantities),
                ),
                completeness="final",
                response_id=f"chatcmpl-{number:029d}",
                request_model=model,
                response_model=model,
                raw_usage=json.dumps(quantities),
            ),
        )
        entries.append((number + 1, records.DONE, records.encode(done)))
    return Batch(entries, [], Position(1, 1_000 + first, first + count + 1), False)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=200_000)
    print(json.dumps(measure(parser.parse_args().rows)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
