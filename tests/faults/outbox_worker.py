"""Deliver a home's outbox, and be killed at a step: `outbox_worker.py HOME STEP TIMES`.

`TIMES` is at which passage of the step. The steps are those between which the state on disk or at the
receiver changes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from farebox.control.outbox import attempt, delivery_state
from farebox.control.outbox.delivery import DeliveryWorker
from farebox.control.outbox.signing_secrets import secret_text
from farebox.home import Home

STEPS = (
    "before the send",
    "after the send",
    "in the transaction",
    "before the commit",
    "within the commit",
    "after the commit",
)


def main(home: Home, step: str, times: int) -> None:
    passed = 0

    def die() -> None:
        nonlocal passed
        passed += 1
        if passed >= times:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)

    def before(function: Callable[..., Any]) -> Callable[..., Any]:
        def replaced(*given: Any, **named: Any) -> Any:
            die()
            return function(*given, **named)

        return replaced

    recording = threading.local()
    real = delivery_state.record

    def record(*given: Any) -> Any:
        recording.it = True
        if step == "after the send":
            die()
        written = real(*given)
        if step == "in the transaction":
            die()
        return written

    def commit(_: Any) -> None:
        if not getattr(recording, "it", False):
            return
        recording.it = False
        if step == "before the commit":
            die()
        elif step == "within the commit":  # it takes some milliseconds: two files are synced
            threading.Timer(times * 0.0005, os.kill, (os.getpid(), signal.SIGKILL)).start()
        elif step == "after the commit":
            threading.Timer(0.05, die).start()

    def acknowledge_early(head: Any, *given: Any, **named: Any) -> Any:
        """The negative control: "delivered" is committed, and then it is sent."""
        from farebox.control.database import open_control

        with open_control(home).writing() as connection:
            real(connection, head, delivery_state.Outcome(True), 1, 0.5)
        return before(honest)(head, *given, **named)

    honest = attempt.attempt
    delivery_state.record = record  # type: ignore[assignment]
    event.listen(Engine, "commit", commit)
    if step == "before the send":
        attempt.post = before(attempt.post)  # type: ignore[assignment]
    elif step == "acknowledged early":
        attempt.attempt = acknowledge_early  # type: ignore[assignment]
    asyncio.run(DeliveryWorker(home, lambda reference: secret_text(home, reference)).run())


if __name__ == "__main__":
    main(Home(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3]))
