"""Make what is recorded survive, and end recording."""

from __future__ import annotations

from farebox.sdk import faults, instrumentation
from farebox.sdk.process_meter import existing


def flush() -> bool:
    """Return once everything recorded so far survives a power cut; False where something does not.

    Every record is in a file the moment it is made, so a program that ends, or is killed, needs no flush.
    """
    try:
        meter = existing()
        return True if meter is None else meter.recorder.flush()
    except Exception as error:
        faults.report(error, "flush()")
        return False


def shutdown() -> None:
    """Stop metering and release this process's journal. What is under way is still recorded at its end."""
    try:
        instrumentation.uninstrument()
        meter = existing()
        if meter is not None:
            meter.recorder.flush()
            meter.recorder.close()
    except Exception as error:
        faults.report(error, "shutdown()")
