"""A process that makes calls against one budget, several at once, and writes down what a journal would hold.

python spender.py HOME WRITER CALLS AT_ONCE SEED LIMIT WORST WAIT_S
"""

from __future__ import annotations

import heapq
import json
import os
import random
import sys
import time
from pathlib import Path

from budget_homes import account, budget

from farebox.budgets.counters import POLL_S, Counters, Refused, Reservation, Waiting
from farebox.home import Home


def main() -> None:
    home, writer = Home(Path(sys.argv[1])), sys.argv[2]
    calls, at_once, seed, limit, worst, wait_s = map(int, sys.argv[3:9])
    random_ = random.Random(seed)
    journal = os.open(home.path / f"{writer}.calls", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    participant = Counters(home).join(writer)
    holding = participant.holding(account(budget(limit=limit)), limit)

    def note(*words: object) -> None:
        os.write(journal, (" ".join(map(str, words)) + "\n").encode())

    note("holder", participant.number)
    in_flight: list[tuple[float, int, Reservation]] = []
    waiting: dict[int, tuple[float, Waiting]] = {}
    refusals: dict[str, int] = {}
    longest = 0.0
    started = 0

    def begin(number: int, outcome: Reservation | Refused) -> None:
        if isinstance(outcome, Refused):
            refusals[outcome.reason] = refusals.get(outcome.reason, 0) + 1
            return
        note("intent", number, outcome.amounts[0])
        heapq.heappush(in_flight, (time.monotonic() + random_.uniform(0.002, 0.03), number, outcome))

    while started < calls or in_flight or waiting:
        while started < calls and len(in_flight) + len(waiting) < at_once:
            started += 1
            outcome = participant.reserve([(holding, worst)], wait_s=wait_s)
            if isinstance(outcome, Waiting):
                waiting[started] = time.monotonic(), outcome
            else:
                begin(started, outcome)
        while in_flight and in_flight[0][0] <= time.monotonic():
            _, number, reservation = heapq.heappop(in_flight)
            actual = worst * random_.randint(5, 30) // 100
            note("done", number, actual)
            reservation.settle([actual])
        participant.poll()
        for number, (since, call) in list(waiting.items()):
            if call.outcome is not None:
                longest = max(longest, time.monotonic() - since)
                del waiting[number]
                begin(number, call.outcome)
        time.sleep(min(POLL_S, max(in_flight[0][0] - time.monotonic(), 0)) if in_flight else POLL_S)
    participant.close()
    print(json.dumps({"refusals": refusals, "longest_wait_s": round(longest, 3)}))


main()
