"""Measure billing: a month of 1,000 customers with three charges each and a million calls.

Usage is asked and rated while a screen asks its own questions of the same worker, as fast as it gets replies.

    python -m tools.bench.billing --rows 1000000 --customers 1000
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from farebox.analytics.questions import Questions, Selection
from farebox.analytics.worker import Worker
from farebox.billing.usage import Span, consumed
from farebox.billing.usage.record_usage import RecordUsage
from farebox.charges.charge_amount import Usage, total
from farebox.charges.models import CostPlus, Graduated, Standard
from farebox.charges.models.tiers import Tier
from farebox.charges.plan import Charge
from farebox.home import Home
from tools.bench.ledger import DAY_NS, DAYS, START_NS, Traffic, fill

CUSTOMERS = 1_000
CHARGES = (
    Charge(
        name="GPT output",
        meter="output_tokens",
        where={"model": ("gpt-4o*", "gpt-5")},
        model=Graduated(
            tiers=(
                Tier(up_to=Decimal(100_000), unit=Decimal("0.00002")),
                Tier(up_to=None, unit=Decimal("0.000015")),
            )
        ),
        itemize=("model",),
    ),
    Charge(name="Conversations", meter="conversations", model=Standard(unit=Decimal("0.01")), overlap=True),
    Charge(
        name="Everything else",
        meter="cost",
        model=CostPlus(markup_percent=Decimal(20)),
        itemize=("model", "tag.feature"),
    ),
)


class CustomerTraffic(Traffic):
    """Calls of so many customers, evenly over a month, with four features and long sessions."""

    def __init__(self, rows: int, customers: int) -> None:
        super().__init__(rows)
        self._step_ns = DAYS * DAY_NS // rows
        self._count = customers

    def _whose(self, program: int | None) -> tuple[str, dict[str, str]]:
        rng = self._rng
        customer = rng.randrange(self._count)
        return f"{program or 0:016x}", {
            "customer": f"customer-{customer}",
            "session": f"session-{customer}-{self._number * 40 // (self._count * 1_000)}",
            "agent": f"agent-{program}",
            "tag.feature": f"feature-{rng.randrange(4)}",
        }


def measure(rows: int = 1_000_000, customers: int = CUSTOMERS, folder: Path | None = None) -> dict[str, Any]:
    """Return seconds of rating a month's usage, twice, and milliseconds of a screen's question beside it."""
    root = Path(tempfile.mkdtemp(prefix="farebox-bench-", dir=folder))
    try:
        home = Home(root / "home")
        home.prepare()
        fill(home, rows, traffic=CustomerTraffic(rows, customers))
        return measure_home(home, rows, customers)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def measure_home(home: Home, rows: int, customers: int) -> dict[str, Any]:
    """Return the figures over a home that has the calls."""
    worker = Worker(home)
    questions = Questions(worker)
    try:
        began = time.perf_counter()
        _caught_up(questions)
        found: dict[str, Any] = {"rows": rows, "customers": customers}
        found["replica_rows_s"] = round(rows / (time.perf_counter() - began))
        found["screen_alone_ms"] = _screen(questions, lambda: time.sleep(5))[1]
        usage = RecordUsage(home, questions)
        found["usage_and_rating_s"], found["screen_beside_usage_ms"], one = _timed(
            questions, lambda: rated(usage, customers)
        )
        _, _, other = _timed(questions, lambda: rated(usage, customers))
        found["same_again"] = one == other
        return found
    finally:
        questions.close()


def rated(usage: RecordUsage, customers: int) -> list[tuple[str, str, Fraction]]:
    """Return the exact amounts of every group of every charge."""
    span = Span(
        customers=tuple(f"customer-{number}" for number in range(customers)),
        from_ns=START_NS,
        until_ns=START_NS + DAYS * DAY_NS,
        as_of=usage.as_of(),
    )
    return [
        (customer, charge.name, total(charge, Usage(quantity=group.quantity)))
        for customer, taken in consumed(usage, CHARGES, span).items()
        for charge, used in zip(CHARGES, taken.charges, strict=True)
        for group in used.groups
    ]


def _caught_up(questions: Questions) -> None:
    from farebox.errors import ReplicaBuildingError

    while True:
        try:
            questions.last_seq()
        except ReplicaBuildingError:
            continue
        return


def _timed(questions: Questions, work: Callable[[], Any]) -> tuple[float, dict[str, float], Any]:
    began = time.perf_counter()
    result, screen = _screen(questions, work)
    return round(time.perf_counter() - began, 1), screen, result


def _screen(questions: Questions, work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Do some work while a screen asks, and return how long each of its questions took."""
    over = threading.Event()
    took: list[float] = []
    asked = Selection(since_ns=START_NS, until_ns=START_NS + DAYS * DAY_NS)

    def ask() -> None:
        while not over.is_set():
            for by in ((), ("model",), ("customer",)):
                began = time.perf_counter()
                questions.answers(asked.question(by=by, limit=8))
                took.append((time.perf_counter() - began) * 1_000)
            over.wait(0.05)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        return work(), _percentiles(took)
    finally:
        over.set()
        thread.join()


def _percentiles(took: Sequence[float]) -> dict[str, float]:
    ranked = sorted(took) or [0.0]
    picked = {percent: ranked[max((len(ranked) * percent + 99) // 100 - 1, 0)] for percent in (50, 99)}
    return {"asked": len(took), "p50": round(picked[50], 1), "p99": round(picked[99], 1)}


def main() -> None:
    """Print the figures as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    json.dump(measure(arguments.rows, arguments.customers, arguments.folder), sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
