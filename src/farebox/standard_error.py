"""What a long-running process says on standard error: a file on a full disk, or a pipe that nobody reads."""

from __future__ import annotations

import contextlib
import os


def tell(words: str) -> None:
    """Say one line, at once; where that is impossible, go on without: no thread ends over a message."""
    with contextlib.suppress(OSError):
        os.write(2, f"{words}\n".encode(errors="replace"))
