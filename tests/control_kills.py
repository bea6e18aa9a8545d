"""Processes that are killed (-9) in the middle of what they do to `control.db`."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from sqlalchemy import Engine, event


def killed_at(moment: int, act: Callable[[], object], every_instruction: int = 0) -> bool:
    """Run `act` in a process that is killed (-9) at its `moment`th step; return whether it lived to the end.

    A step is before or after a statement or a commit, or, with `every_instruction`, so many steps of
    SQLite's own virtual machine, which is inside a statement.
    """
    child = os.fork()
    if child:
        return os.WIFEXITED(os.waitpid(child, 0)[1])
    left = moment

    def step(*_: object) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    if every_instruction:
        event.listen(Engine, "connect", lambda raw, _: raw.set_progress_handler(step, every_instruction))
    else:
        for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
            event.listen(Engine, name, step)
    try:
        act()
    finally:
        os._exit(0)
