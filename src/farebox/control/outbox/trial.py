"""Send a test to one receiver, and see whether it arrived."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from farebox.channels.settings import Form
    from farebox.control.database import ControlDatabase
    from farebox.control.outbox.envelope import Envelope

TEXT = "This is a test."
TEST_SECONDS = 10.0
"""How long is waited for the outcome where Farebox runs."""

Outcome = Literal["arrived", "waits", "stopped", "failed"]
"""`waits`: it is sent once Farebox runs."""


class TrialOutcome(msgspec.Struct, kw_only=True):
    """How one receiver received a test."""

    receiver: str
    id: str
    """Of the message."""
    outcome: Outcome
    reason: str
    """Why it did not arrive, or why the receiver is stopped."""
    is_stopped: bool
    """Whether nothing is sent to it until it is resumed."""


def send_test(
    database: ControlDatabase,
    name: str,
    *,
    now_ns: int,
    actor: str,
    is_running: bool,
    of_form: Callable[[Form], Envelope] | None = None,
) -> TrialOutcome:
    """Send a receiver a test, whatever it subscribed to, and return how it was received.

    `of_form` makes it for a channel of a form; without it, it is a line of text.

    Raises:
        UsageError: There is no such receiver.
    """
    from farebox.control.outbox import messages, receivers
    from farebox.control.outbox.envelope import TEST_KIND, envelope

    with database.writing() as connection:
        found = receivers.receiver_named(connection, name)
        if of_form is None:
            sent = envelope(TEST_KIND, {"receiver": name, "text": TEXT}, now_ns, cause=actor)
        else:
            sent = of_form(found.settings.form)
        messages.enqueue(connection, sent, only=name)
    if found.state == "stopped":
        return _outcome(name, sent.id, "stopped", found.reason or "", is_stopped=True)
    if not is_running:
        return _outcome(name, sent.id, "waits", "", is_stopped=False)
    deadline = time.monotonic() + TEST_SECONDS
    while True:
        with database.reading() as connection:
            (now,) = messages.stored(connection, sent.id).deliveries
            stopped = receivers.receiver_named(connection, name).state == "stopped"
        if now.state == "delivered":
            return _outcome(name, sent.id, "arrived", "", is_stopped=stopped)
        if now.attempts or time.monotonic() > deadline:
            why = now.last_error or "messages before it wait, or it takes its time"
            return _outcome(name, sent.id, "failed", why, is_stopped=stopped)
        time.sleep(0.1)


def _outcome(name: str, id: str, outcome: Outcome, reason: str, *, is_stopped: bool) -> TrialOutcome:
    return TrialOutcome(receiver=name, id=id, outcome=outcome, reason=reason, is_stopped=is_stopped)
