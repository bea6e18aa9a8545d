"""Measure billing: a month of 1,000 customers with three charges each and a million calls.

Everything runs while a screen asks its own questions of the same worker: beside invoices as fast as it gets
replies, beside simulations once a second, as a page that is being looked at does.

    python -m tools.bench.billing --rows 1000000 --customers 1000
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from farebox.analytics.questions import Questions, Selection
from farebox.analytics.worker import Worker
from farebox.billing.documents.document import encode
from farebox.billing.invoices.run import Desk
from farebox.billing.rated_periods import periods_of
from farebox.billing.simulation.changes import read_changes, read_text
from farebox.billing.simulation.simulation import Simulation, simulated
from farebox.billing.usage import Span, consumed
from farebox.billing.usage.record_usage import RecordUsage
from farebox.charges.models import CostPlus
from farebox.config import load_config
from farebox.control.database import open_control
from farebox.control.publish import publish
from farebox.errors import ReplicaBuildingError
from farebox.home import Home
from farebox.snapshot import read_snapshot
from tools.bench.ledger import DAY_NS, DAYS, START_NS, Traffic, fill

T = TypeVar("T")
CUSTOMERS = 1_000
FIRST_DAY = datetime.fromtimestamp(START_NS // 10**9, UTC).date()
MONTH_END_NS = START_NS + DAYS * DAY_NS
NOW_NS = MONTH_END_NS + 5 * DAY_NS
"""After the grace period."""

PLAN = """  pro:
    base: "20.00"
    charges:
      - name: GPT output
        meter: output_tokens
        where: {model: ["gpt-4o*", gpt-5]}
        graduated: [{up_to: 100000, unit: "0.00002"}, {unit: "0.000015"}]
      - {name: Conversations, meter: conversations, unit: "0.01", overlap: true}
      - {name: Everything else, meter: cost, markup_percent: "20", itemize: [model, tag.feature]}
    minimum: "25.00"
"""


PRICES = """pricing:
  gpt-4o: {input_per_1m: 5, output_per_1m: 20}
"""


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
    """Return seconds of work over a month, also of processor time, and how long a screen waits beside it."""
    root = Path(tempfile.mkdtemp(prefix="farebox-bench-", dir=folder))
    try:
        home = Home(root / "home")
        home.prepare()
        fill(home, rows, traffic=CustomerTraffic(rows, customers))
        return measure_home(home, rows, customers)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def measure_home(home: Home, rows: int, customers: int) -> dict[str, Any]:
    """Return the figures over a home that has the calls. It is billed afterwards."""
    home.config.write_text(_terms(customers), encoding="utf-8")
    began = time.perf_counter()
    snapshot = publish(home, open_control(home))
    found: dict[str, Any] = {"rows": rows, "customers": len(snapshot.customers)}
    found["publishing_s"] = round(time.perf_counter() - began, 1)
    questions = Questions(Worker(home))
    usage = RecordUsage(home, questions)
    try:
        began = time.perf_counter()
        _catch_up(questions)
        found["replica_rows_s"] = round(rows / (time.perf_counter() - began))
        found["screen_alone_ms"] = _timed(questions, lambda: time.sleep(5))[2]
        charges = snapshot.plans[-1].charges
        span = Span(
            customers=tuple(f"customer-{number}" for number in range(customers)),
            from_ns=START_NS,
            until_ns=MONTH_END_NS,
            as_of=usage.as_of(),
        )
        found["usage_s"], found["usage_processor_s"], found["screen_beside_usage_ms"], _ = _timed(
            questions, lambda: consumed(usage, charges, span)
        )
        found |= _invoices(home, questions, usage)
        found |= _simulations(home, questions, usage)
        found["load_average"] = os.getloadavg()
        return found
    finally:
        questions.close()


def _invoices(home: Home, questions: Questions, usage: RecordUsage) -> dict[str, Any]:
    """Run the month's invoices twice from the same state, and once more when all of them are final."""
    unbilled = home.control.read_bytes()

    def run() -> list[bytes]:
        made = Desk(home, open_control(home), usage, verified=False).run(NOW_NS, actor="bench")
        return [encode(each) for each in made.final]

    seconds, processor, screen, first = _timed(questions, run)
    found = {
        "invoices": len(first),
        "invoices_s": seconds,
        "invoices_processor_s": processor,
        "screen_beside_invoices_ms": screen,
    }
    found["more_when_run_again"] = len(run())
    home.control.write_bytes(unbilled)
    publish(home, open_control(home))
    found["byte_identical"] = run() == first
    return found


def _simulations(home: Home, questions: Questions, usage: RecordUsage) -> dict[str, Any]:
    """Ask what the month would have been on a more expensive plan, and at twice a model's price."""
    (plan,) = read_snapshot(home).plans
    dearer = [
        replace(charge, model=CostPlus(markup_percent=Decimal(30))) if charge.meter == "cost" else charge
        for charge in plan.charges
    ]
    periods = periods_of(Desk(home, open_control(home), usage, verified=False), NOW_NS)
    other = periods.with_plans({plan.name: replace(plan, charges=tuple(dearer))}, {})
    prices = read_text("prices.yaml", PRICES)
    changes = read_changes(home, load_config(home, prices=False), plans=None, prices=prices, models=())
    until = FIRST_DAY + timedelta(days=DAYS)
    asked: dict[str, Callable[[], Simulation]] = {
        "plan_change": lambda: simulated(periods, usage, FIRST_DAY, until, other=other),
        "price_change": lambda: simulated(
            periods, usage, FIRST_DAY, until, other_usage=changes.usage(home, usage)
        ),
    }
    found: dict[str, Any] = {}
    for name, simulate in asked.items():
        seconds, processor, screen, made = _timed(questions, simulate, pause_s=1.0)
        differ = sum(each.difference_minor != 0 for each in made.customers)
        found |= {
            f"{name}_s": seconds,
            f"{name}_processor_s": processor,
            f"screen_beside_{name}_ms": screen,
            f"customers_who_would_have_paid_otherwise_by_{name}": differ,
        }
    return found


def _terms(customers: int) -> str:
    names = [f"customer-{number}" for number in range(customers)]
    return "\n".join(
        [
            "plans:",
            PLAN + "customers:",
            *(f"  {name}: {{name: {name}}}" for name in names),
            "subscriptions:",
            *(f"  - {{customer: {name}, plan: pro, start: {FIRST_DAY:%Y-%m-%d}}}" for name in names),
            "",
        ]
    )


def _catch_up(questions: Questions) -> None:
    while True:
        try:
            questions.last_seq()
        except ReplicaBuildingError:
            continue
        return


def _timed(
    questions: Questions, work: Callable[[], T], pause_s: float = 0.05
) -> tuple[float, float, dict[str, float], T]:
    """Do some work while a screen asks; return its seconds, those of processor time, and the screen's waits.

    The processor time is this process's, with what the screen's questions take here, without the worker's.
    """
    over = threading.Event()
    took: list[float] = []
    asked = Selection(since_ns=START_NS, until_ns=MONTH_END_NS)

    def ask() -> None:
        while not over.is_set():
            for by in ((), ("model",), ("customer",)):
                began = time.perf_counter()
                questions.answers(asked.question(by=by, limit=8))
                took.append((time.perf_counter() - began) * 1_000)
            over.wait(pause_s)

    thread = threading.Thread(target=ask)
    thread.start()
    began, began_processor = time.perf_counter(), time.process_time()
    try:
        result = work()
        seconds = round(time.perf_counter() - began, 1)
        processor = round(time.process_time() - began_processor, 1)
    finally:
        over.set()
        thread.join()
    return seconds, processor, _percentiles(took), result


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
