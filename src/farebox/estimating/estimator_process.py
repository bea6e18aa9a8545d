"""The estimator: exchanges without usage come through a pipe, estimates go into a journal.

A process of its own, started by the proxy when the first such exchange ends; it ends when none has come
for a while: counting tokens takes milliseconds and vocabularies tens of megabytes, and neither belongs in
the proxy. It reads prompts and responses: they stay in memory, and only numbers are written.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from farebox.clock import now_ns
from farebox.estimating.counting import count
from farebox.journal import records
from farebox.journal.records import Estimate
from farebox.journal.writer import JournalWriter
from farebox.readable import is_readable
from farebox.wire.usage import estimate_sample

IDLE_S = 30.0
FRAME_BYTES_MAX = 4 * estimate_sample.SAMPLE_BYTES
_HEAD = struct.Struct(">I")
_SEGMENT_BYTES = 4 << 20
_NICE = 10


def frame(unmeasured: estimate_sample.Unmeasured) -> bytes:
    """Return what goes through the pipe for one exchange."""
    body = estimate_sample.encode(unmeasured)
    return _HEAD.pack(len(body)) + body


def main(journal: Path, source: BinaryIO) -> int:
    """Estimate until the pipe ends or nothing has come for a while."""
    with contextlib.suppress(OSError):  # a low priority is only a courtesy
        os.nice(_NICE)
    writer: JournalWriter | None = None
    try:
        while (body := _next(source)) is not None:
            estimate = estimated(body)
            if estimate is not None:
                if writer is None:
                    writer = JournalWriter(journal, kind="estimator", segment_bytes=_SEGMENT_BYTES)
                writer.append(records.ESTIMATE, records.encode(estimate))
    finally:
        if writer is not None:
            writer.close()
    return 0


def estimated(body: bytes) -> Estimate | None:
    """Return the estimate for one exchange, None where nothing can be said."""
    try:
        unmeasured = estimate_sample.decode(body)
        counted = count(unmeasured)
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
        print(f"an estimate failed: {type(error).__name__}", file=sys.stderr)
        return None
    if counted.input is None and counted.output is None:
        return None
    return Estimate(
        event_id=unmeasured.event_id,
        source=unmeasured.source,
        at_ns=now_ns(),
        method=counted.method,
        input=counted.input,
        output=counted.output,
    )


def _next(source: BinaryIO) -> bytes | None:
    """Return the next frame; None at the end, or when nothing comes for a while."""
    if not is_readable(source, IDLE_S):
        return None
    head = _exactly(source, _HEAD.size)
    if head is None:
        return None
    (size,) = _HEAD.unpack(head)
    return _exactly(source, size) if size <= FRAME_BYTES_MAX else None


def _exactly(source: BinaryIO, size: int) -> bytes | None:
    pieces: list[bytes] = []
    while size:
        piece = source.read(size)
        if not piece:
            return None
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
