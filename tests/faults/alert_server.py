"""The server of a home with alerts, killed at a step of their delivery: `alert_server.py HOME STEP TIMES`.

`TIMES` is at which passage of the step. The steps are those between which what `control.db` or the receiver
knows of a message changes, from its explanation to its receipt.
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

from sqlalchemy import Engine, event

from farebox.config import Address, Config
from farebox.control.outbox import attempt, delivery_state, messages
from farebox.home import Home
from farebox.server import alert_explanations, main

SERVER_STEPS = (
    "before it is explained",
    "after it is explained",
    "before the explanation is committed",
    "after the explanation is committed",
    "before the send",
    "within the send",
    "after the send",
    "before the receipt is committed",
    "within the commit of the receipt",
    "after the receipt is committed",
)


def run(home: Home, step: str, times: int) -> int:
    passed = 0
    stores = threading.local()

    def die(at: str) -> None:
        nonlocal passed
        if at == step:
            passed += 1
            if passed >= times:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)

    def soon(seconds: float) -> None:
        threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()

    explain = alert_explanations.AlertExplanations.__call__

    async def explained(self: Any, payload: str) -> str | None:
        die("before it is explained")
        found = await explain(self, payload)
        die("after it is explained")
        return found

    send = attempt.post

    async def sent(*given: Any, **named: Any) -> Any:
        die("before the send")
        if step == "within the send":
            soon(times * 0.0007)
        return await send(*given, **named)

    def stored(real: Callable[..., Any], what: str) -> Callable[..., Any]:
        def replaced(*given: Any, **named: Any) -> Any:
            if what == "receipt":
                die("after the send")
            written = real(*given, **named)
            stores.what = what
            die(f"before the {what} is committed")
            return written

        return replaced

    def commit(_: Any) -> None:
        what, stores.what = getattr(stores, "what", None), None
        if what == "receipt" and step == "within the commit of the receipt":
            soon(times * 0.0005)
        elif what is not None and step == f"after the {what} is committed":
            threading.Timer(0.03, die, (step,)).start()

    alert_explanations.AlertExplanations.__call__ = explained  # type: ignore[method-assign]
    attempt.post = sent  # type: ignore[assignment]
    messages.put_payload = stored(messages.put_payload, "explanation")
    delivery_state.record = stored(delivery_state.record, "receipt")
    event.listen(Engine, "commit", commit)
    return main(home, Config(dashboard=Address("127.0.0.1", 0)))


if __name__ == "__main__":
    sys.exit(run(Home(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])))
