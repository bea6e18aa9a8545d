"""Print how fast and how large Farebox is, beside nginx in the same run.

python -m tools.bench            a table
python -m tools.bench --json     one JSON object
python -m tools.bench --quick    shorter runs, fewer rows: for a look, not for a claim
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from tools.bench import proxy

TARGETS = (
    ("requests/s, 32 connections", "rps", "of nginx ≥ 0.5"),
    ("processor time a request", "cpu_us", "≤ 45 µs"),
    ("added latency, one connection", "added_us", "p50 ≤ 80 µs, p99 ≤ 300 µs"),
    ("streams of 300 events a second", "sse", "of nginx ≥ 1, first byte ≤ 1 ms"),
    ("small calls beside 10 MB bodies", "beside_big_ms", "added p99 ≤ 5 ms"),
    ("memory", "pss_mb", "proxy ≤ 40 MB, all ≤ 120 MB"),
    ("idling", "idle_cpu_pct", "≤ 0.3 %"),
    ("importing", "import_ms", "farebox ≤ 40 ms"),
    ("a status line", "status_line", "of a bare interpreter ≤ 1.3"),
    ("ledger rows a second", "ledger_rows_s", "≥ 30,000"),
    ("events through the collector", "collector", "≥ 10,000 a second, acknowledged after the sync"),
    ("a gigabyte of agents' logs", "histories", "≤ 60 s, ≤ 100 MB"),
    ("queries", "query_ms", "each ≤ 200 ms"),
    ("rating a call, loading the prices", "rating", "≤ 5 µs, ≥ 10 × the libraries; ≤ 60 ms, ≤ 12 MiB"),
    ("requests with one budget", "with_budget", "≥ 0.93 of the rate without"),
    ("reserving and settling a call", "budgets", "≤ 5 µs with 1, ≤ 15 µs with 50 budgets that match"),
    ("1,000 alerts beside none", "alerts", "rows a second ≥ 0.9 of those without, ≤ 60 MB"),
    ("an alert's way to the webhook", "alert_delivery", "p99 ≤ 2 s beside 500 calls a second"),
    ("re-rating a million calls", "rerating", "≤ 30 s"),
    ("a month of 1,000 customers", "billing", "invoices and simulations ≤ 60 s each, byte-identical again"),
    ("slow streams open at once", "slow_streams", "none fails, p99 of others within 2 × of idle"),
    ("the SDK, added to an openai call", "sdk_call_us", "farebox ≤ 60 µs, less than lago-agent-sdk's"),
    ("the same, processor time", "sdk_call_processor_us", ""),
    ("the same, async", "sdk_async_call_us", ""),
    ("added to an event of a stream", "sdk_event_us", "farebox ≤ 2 µs"),
    ("the same, processor time", "sdk_event_processor_us", ""),
    ("memory of a program, added", "sdk_memory_kib", "farebox ≤ 5 MB (4,882 KiB)"),
    ("importing it beside openai", "sdk_import_ms", "farebox ≤ 40 ms"),
    ("record(), events a second", "sdk_records_per_second", "goal: 50,000"),
    ("the SDKs of Node and Go, added", "languages", "a call ≤ 300 µs, an event ≤ 10 µs"),
    ("what was measured", "sdk_versions", ""),
    ("what was not", "sdk_others_not_measured", ""),
    ("interception beside mitmproxy", "interception", "≥ 25 × its rate, 0.1 × its latency, ≤ 120 MB"),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--quick", action="store_true", help="shorter runs")
    parser.add_argument(
        "--only",
        choices=(
            "proxy",
            "streams",
            "interception",
            "startup",
            "ledger",
            "collector",
            "pricing",
            "budgets",
            "alerts",
            "billing",
            "histories",
            "languages",
            "sdk",
        ),
        help="one part",
    )
    options = parser.parse_args()

    def tell(what: str) -> None:
        print(f"… {what}", file=sys.stderr, flush=True)

    found: dict[str, Any] = {}
    if options.only in (None, "proxy"):
        found.update(
            proxy.measure(2 if options.quick else 8, 50_000 if options.quick else 200_000, tell=tell)
        )
    if options.only in (None, "streams"):
        from tools.bench import streams

        tell("thousands of slow streams")
        found.update(streams.measure(2 if options.quick else 8))
    if options.only in (None, "interception"):
        from tools.bench import interception

        found.update(interception.measure(1.5 if options.quick else 4, tell=tell))
    if options.only in (None, "startup"):
        from tools.bench import startup

        tell("importing")
        found.update(startup.measure())
    if options.only in (None, "ledger"):
        from tools.bench import ledger

        rows = int(os.environ.get("FAREBOX_BENCH_ROWS", "200000" if options.quick else "5000000"))
        tell(f"ledger with {rows} rows")
        measured = ledger.measure(rows)
        found.update({key: measured[key] for key in ("ledger_rows_s", "query_ms") if key in measured})
    if options.only in (None, "collector"):
        from tools.bench import collector

        tell("events through the collector")
        found["collector"] = collector.measure(2 if options.quick else 6)
    if options.only in (None, "pricing"):
        from tools.bench import pricing, rerating

        tell("rating and re-rating")
        found["rating"] = pricing.measure()
        found["rerating"] = rerating.measure(100_000 if options.quick else 1_000_000)
    if options.only in (None, "budgets"):
        from tools.bench import budgets

        tell("budgets")
        found["budgets"] = budgets.measure(5 if options.quick else 15)
    if options.only in (None, "alerts"):
        from tools.bench import alerts

        tell("alerts")
        found["alerts"] = alerts.measure(30_000 if options.quick else alerts.BASE_ROWS)
        found["alert_delivery"] = alerts.delivered()
    if options.only in (None, "billing"):
        from tools.bench import billing

        tell("a month of 1,000 customers")
        rows, customers = (50_000, 100) if options.quick else (1_000_000, billing.CUSTOMERS)
        found["billing"] = billing.measure(rows, customers)
    if options.only in (None, "histories"):
        from tools.bench import histories

        tell("importing agents' logs")
        found["histories"] = histories.measure(128 if options.quick else 1024)
    if options.only in (None, "languages"):
        from tools.bench import languages

        tell("the SDKs of Node and Go")
        found["languages"] = languages.measure(300 if options.quick else 2_000)
    if options.only in (None, "sdk"):
        from tools.bench import sdk

        tell("the SDK beside lago-agent-sdk, langfuse and OpenLLMetry")
        measured = sdk.measure(200 if options.quick else 1_000)
        found.update({f"sdk_{key.removeprefix('added_')}": value for key, value in measured.items()})
    if options.json:
        print(json.dumps(found))
        return 0
    for title, key, target in TARGETS:
        if key in found:
            print(f"{title:34} {_text(found[key]):60} {target}")
    return 0


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return " · ".join(f"{name} {_text(inner)}" for name, inner in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    sys.exit(main())
