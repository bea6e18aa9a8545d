"""Replay recorded provider traffic through Farebox and print how exact the result is.

    python tools/replay.py DIR [--json] [--seed N] [--direct | --via sdk [--collector]] [--surface NAME]

`DIR` holds `exchanges.jsonl.gz` and `expected.jsonl.gz`. Every exchange, HTTP, WebSocket or gRPC, goes
through a real proxy to a mock upstream that responds with the recorded bytes; the exported rows are
compared. `--via sdk` sends those of HTTP from a program that the SDK meters, by httpx, requests and aiohttp
in turn, with `--collector` to a Farebox of another home that collects; `--direct` feeds the meter itself,
without processes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from farebox import catalog as catalogs
from farebox.pricing import load_book
from farebox.wire.facts import Part
from replaying import direct, live, sdk
from replaying.judging import Report, Verdict, cost_verdict, usage_difference
from replaying.recordings import Recording, load


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("fixtures", type=Path, help="folder with exchanges.jsonl.gz and expected.jsonl.gz")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--seed", type=int, default=1, help="how bodies are cut into pieces")
    parser.add_argument("--direct", action="store_true", help="feed the meter, start no process")
    parser.add_argument("--surface", help="only surfaces that start with this")
    parser.add_argument("--via", choices=("proxy", "sdk"), default="proxy", help="what meters")
    parser.add_argument("--collector", action="store_true", help="with `--via sdk`: in remote mode")
    options = parser.parse_args()
    if not (options.fixtures / "exchanges.jsonl.gz").is_file():
        print(f"no exchanges.jsonl.gz in {options.fixtures}", file=sys.stderr)
        return 2
    recordings = [
        recording
        for recording in load(options.fixtures)
        if not options.surface or recording.surface.startswith(options.surface)
    ]
    if options.direct:
        report = _direct(recordings, options.seed)
    elif options.via == "sdk":
        report = _through_sdk(recordings, options.seed, options.collector)
    else:
        report = _live(recordings, options.seed)
    if options.json:
        print(json.dumps(report.summary()))
    else:
        _print(report)
    return 0


def _live(recordings: Sequence[Recording], seed: int) -> Report:
    return _report(recordings, live.replay(_catalog, recordings, seed))


def _through_sdk(recordings: Sequence[Recording], seed: int, collector: bool) -> Report:
    carried = [recording for recording in recordings if recording.plain_http]
    return _report(carried, sdk.replay(_catalog, carried, seed, collector=collector), "sdk")


def _report(recordings: Sequence[Recording], rows: dict[int, list[dict[str, Any]]], via: str = "") -> Report:
    report = Report()
    for number, recording in enumerate(recordings):
        found = rows.get(number, [])
        verdict = Verdict(recording, rows=len(found))
        if via:
            verdict.via = via
        if found:
            row = found[0]
            if recording.transport == "websocket":
                row = _session(found)
                verdict.rows = 1
            parts = [_part(entry) for entry in row["parts"]]
            verdict.because = row.get("not_billable_because")
            verdict.response_id = row.get("response_id")
            _judge(verdict, parts, row["completeness"], row["billable"], row)
        elif recording.billable and recording.canonical:
            verdict.usage = {"row": (1, 0)}
        report.verdicts.append(verdict)
    return report


def _session(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the rows of a socket, one a turn and one of the session, as one."""
    charged = [row for row in rows if row["billable"]] or list(rows)
    open_ones = [row for row in charged if row["completeness"] != "final"]
    costs = [row.get("cost_pico") for row in charged]
    return {
        **(open_ones or charged)[0],
        "parts": [part for row in charged for part in row["parts"]],
        "cost_pico": None if None in costs else sum(costs),
    }


def _direct(recordings: Sequence[Recording], seed: int) -> Report:
    report = Report()
    for recording in recordings:
        extraction = direct.extract(_catalog, recording, seed)
        verdict = Verdict(recording, rows=1, via="meter", because=extraction.not_billable_because)
        _judge(verdict, extraction.parts, extraction.completeness, extraction.billable, None)
        verdict.reason = extraction.reason or ""
        report.verdicts.append(verdict)
    return report


_book = load_book()
_catalog = catalogs.load()
_NO_DATE = "2026-11-01T12:00:00Z"


def _judge(
    verdict: Verdict, parts: Sequence[Part], completeness: str, billable: bool, row: dict[str, Any] | None
) -> None:
    recording = verdict.recording
    if recording.billable and recording.canonical:
        verdict.usage = usage_difference(recording, parts)
    # A recording without a date is judged by money only where the provider stated it.
    recorded_at = recording.recorded_at or _NO_DATE
    at_ns = int(datetime.fromisoformat(recorded_at).timestamp()) * 1_000_000_000
    rated = [
        _book.rate(part, occurred_at_ns=at_ns, completeness=completeness, billable=billable) for part in parts
    ]
    if _catalog.by_host(recording.host) is not None:
        # What a host outside the catalog charges, its user says in the configuration.
        cost_verdict(verdict, rated, row)
    verdict.charged = (
        None if any(part.cost_pico is None for part in rated) else sum(part.cost_pico or 0 for part in rated)
    )
    verdict.billed = billable
    if row is not None:
        verdict.charged = row.get("cost_pico")
        verdict.reason = row.get("completeness_reason") or ""


def _part(entry: dict[str, Any]) -> Part:
    """Return an exported part as rating takes it."""
    quantities = {
        leaf: value if isinstance(value, int) else Decimal(value)
        for leaf, value in entry["quantities"].items()
    }
    stated = entry.get("provider_cost_usd")
    return Part(
        provider=entry["provider"],
        request_model=entry.get("request_model"),
        response_model=entry.get("response_model"),
        kind=entry["kind"],
        quantities=quantities,
        facts=entry["facts"],
        provider_cost_usd=None if stated is None else Decimal(stated),
    )


def _print(report: Report) -> None:
    summary = report.summary()
    costs: dict[str, list[int]] = {}
    for verdict in report.verdicts:
        if verdict.cost is not None:
            entry = costs.setdefault(verdict.recording.surface, [0, 0])
            entry[1] += 1
            entry[0] += verdict.cost[0] == verdict.cost[1]
    print(f"{'surface':44} {'usage':>11} {'cost':>11}")
    for name, entry in summary["surfaces"].items():
        usage = f"{entry['usage']}/{entry['of']}"
        cost = "/".join(map(str, costs.get(name, ()))) or "–"
        print(f"{name:44} {usage:>11} {cost:>11}{'' if entry['usage'] == entry['of'] else '  ←'}")
    rows, usage, cost = summary["rows"], summary["usage"], summary["cost"]
    carried = Counter(verdict.via for verdict in report.verdicts)
    print(f"\n{', '.join(f'{count} through the {name}' for name, count in sorted(carried.items()))}")
    print(f"rows: {rows['missing']} missing, {rows['duplicate']} duplicate")
    print(f"usage: {usage['exact']} of {usage['of']} exact")
    print(f"cost: {cost['exact']} of {cost['of']} exact, {cost['unpriced']} unpriced")
    free = summary["not_billable"]
    print(f"not billable: {free['free']} of {free['of']} cost nothing and say why")
    print("  " + ", ".join(f"{count} {because}" for because, count in free["because"].items()))
    for line in free["wrong"]:
        print(f"billed {line}")
    for verdict in report.verdicts:
        if verdict.usage:
            fields = ", ".join(
                f"{name} {ours} (expected {wanted})" for name, (wanted, ours) in verdict.usage.items()
            )
            print(f"usage {verdict.recording.id} {verdict.recording.surface}: {fields} {verdict.reason}")
    for verdict in report.verdicts:
        if verdict.cost is not None and verdict.cost[0] != verdict.cost[1]:
            wanted, ours = verdict.cost
            print(
                f"cost  {verdict.recording.id} {verdict.recording.surface}: {ours} pico-dollars, "
                f"expected {wanted} by {verdict.cost_source}"
            )


if __name__ == "__main__":
    sys.exit(main())
