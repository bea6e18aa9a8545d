"""A proxy with a fault on purpose, for negative controls: it acknowledges before it has written.

Records reach the journal 0.3 s after `append` has returned; a kill takes those on the way.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from typing import Any

from farebox.journal.writer import JournalWriter
from farebox.proxy import process
from farebox.proxy.__main__ import run


class LateWriter(JournalWriter):
    """Keeps records in memory for a moment, in order."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._late: deque[tuple[float, int, bytes]] = deque()
        threading.Thread(target=self._write_late, daemon=True).start()

    def append(self, record_type: int, payload: bytes) -> int:
        self._late.append((time.monotonic(), record_type, payload))
        return 0

    def _write_late(self) -> None:
        while True:
            time.sleep(0.02)
            while self._late and time.monotonic() - self._late[0][0] > 0.3:
                _, record_type, payload = self._late.popleft()
                super().append(record_type, payload)


if __name__ == "__main__":
    process.JournalWriter = LateWriter  # type: ignore[misc]
    sys.exit(run())
