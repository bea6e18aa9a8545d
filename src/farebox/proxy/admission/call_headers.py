"""What a response says of its call beside what the provider said: the call's id, and what a budget has left.

A call that another Farebox meters says nothing here: that one has said it, with the id that its record has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farebox.budgets.refusal import Refusal
    from farebox.recording.attempt import Attempt

CALL_ID = b"x-farebox-call-id"


def call_lines(attempt: Attempt) -> bytes:
    """Return lines to be put behind the others of a response's head, each with its end."""
    if not attempt.routed.metered:
        return b""
    digits = attempt.event_id.hex()
    said = f"x-farebox-call-id: {digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}\r\n"
    if attempt.hold is not None:
        said += attempt.hold.lines()
    return said.encode()


def call_headers(attempt: Attempt) -> list[tuple[bytes, bytes]]:
    """Return the same as names and values."""
    lines = call_lines(attempt).split(b"\r\n")[:-1]
    return [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]


def call_texts(attempt: Attempt) -> tuple[str, ...]:
    """Return the same as lines of text, for a response of our own."""
    return tuple(call_lines(attempt).decode().split("\r\n")[:-1])


def refusal_lines(why: Refusal) -> tuple[str, ...]:
    """Return what a refusal says in its head: whether to try again, so that no client storms."""
    if why.retry_after_s is not None:
        return (f"retry-after: {why.retry_after_s}",)
    return ("x-should-retry: false",)


def refusal_headers(why: Refusal, *, grpc: bool) -> list[tuple[bytes, bytes]]:
    """Return the same as names and values; gRPC has a word of its own for it (gRFC A6)."""
    found = [
        (name, value) for name, _, value in (line.encode().partition(b": ") for line in refusal_lines(why))
    ]
    if grpc and why.retry_after_s is None:
        found.append((b"grpc-retry-pushback-ms", b"-1"))
    return found
