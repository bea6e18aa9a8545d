"""The ledger process of a home with alerts, killed at a step: `alert_ledger.py HOME STEP TIMES`.

`TIMES` is at which passage of the step. The steps are those between which what the record, `control.db`, the
file of sums or the process's memory says changes.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "ledger"))

STEPS = (
    "rows are committed",
    "sums are added",
    "it is judged",
    "events are written",
    "before the commit",
    "within the commit",
    "after the commit",
    "before sums are written",
    "after sums are written",
)
GROUP_STEPS = ("news is held", "a group is enqueued")
"""Where there are channels, in the transaction of the above."""
FORGETFUL = "sums are written before events"
"""The negative control: what the sums say is written down before it is told."""


def main(home_path: str, step: str, times: int) -> int:
    from calls import OnePriceBook

    from farebox.alerts import notification, state_sql
    from farebox.config import Config
    from farebox.home import Home
    from farebox.ledger import ledger_process
    from farebox.ledger.alerting import alerting
    from farebox.ledger.alerting.judge import Judge
    from farebox.ledger.alerting.running import Running
    from farebox.ledger.alerting.states import States

    passed = 0

    def die() -> None:
        nonlocal passed
        passed += 1
        if passed >= times:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)

    def at(owner: Any, name: str, *, after: bool = False) -> None:
        real: Callable[..., Any] = getattr(owner, name)

        def replaced(*given: Any, **named: Any) -> Any:
            if not after:
                die()
            found = real(*given, **named)
            if after:
                die()
            return found

        setattr(owner, name, replaced)

    alerting._TICK_EVERY_S = 0.05  # type: ignore[misc]
    notification._HELD_NS = 300_000_000  # type: ignore[misc]
    match step:
        case "rows are committed":
            at(Running, "add")
        case "sums are added":
            at(Judge, "judge")
        case "it is judged":
            at(state_sql, "write")
        case "events are written":
            at(alerting, "notify")
        case "news is held":
            at(alerting, "notify", after=True)
        case "a group is enqueued":
            at(notification, "_send_held", after=True)
        case "before the commit":
            at(alerting, "flush", after=True)
        case "within the commit":
            real = alerting.flush

            def flush(*given: Any) -> Any:
                threading.Timer(times * 0.0005, os.kill, (os.getpid(), signal.SIGKILL)).start()
                return real(*given)

            alerting.flush = flush
        case "after the commit":
            at(States, "apply")
        case "before sums are written":
            at(Running, "write")
        case "after sums are written":
            at(Running, "write", after=True)
        case "sums are written before events":
            judged = Judge.judge

            def judge(self: Judge, *given: Any) -> Any:
                found = judged(self, *given)
                self._running.write(time.time_ns())
                if found[0]:
                    die()
                return found

            Judge.judge = judge  # type: ignore[method-assign]
        case _:
            assert step == "never", step
    ledger_process.load_book = lambda *_: OnePriceBook()  # type: ignore[assignment]
    return ledger_process.main(Home(Path(home_path)), Config())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
