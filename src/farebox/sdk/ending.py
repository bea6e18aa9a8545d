"""Make what is recorded survive, and end recording."""

from __future__ import annotations

from farebox.sdk import faults, instrumentation
from farebox.sdk.process_meter import existing


def flush(timeout: float = 10.0) -> bool:
    """Return once everything recorded so far is safe; False where something is not within `timeout` seconds.

    Safe is, without a collector, what survives a power cut: every record is in a file the moment it is
    made, so a program that ends, or is killed, needs no flush. With a collector it is what the collector has
    acknowledged; what it has not stays on the disk and is sent later.
    """
    try:
        meter = existing()
        return True if meter is None else meter.recorder.flush(timeout)
    except Exception as error:
        faults.report(error, "flush()")
        return False


def shutdown(timeout: float = 10.0) -> None:
    """Stop metering, send what there is, and release this process's journal. What is under way is still
    recorded at its end."""
    try:
        instrumentation.uninstrument()
        meter = existing()
        if meter is not None:
            meter.recorder.flush(timeout)
            meter.recorder.close()
    except Exception as error:
        faults.report(error, "shutdown()")
