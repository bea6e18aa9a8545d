"""The outbox as API v1 and `farebox outbox --json` show it: no secret, and of a URL only the origin.

A URL's path is often as good as a password where the receiver is somebody else's service.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from farebox.clock import iso
from farebox.errors import FareboxError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from farebox.control.database import ControlDatabase
    from farebox.control.outbox.envelope import ReceiverSettings
    from farebox.control.outbox.messages import Delivery
    from farebox.control.outbox.receivers import Receiver
    from farebox.home import Home


STATES = ("pending", "delivered", "dead", "cancelled")


class OutboxFigures(msgspec.Struct, kw_only=True):
    """How the outbox is doing."""

    pending: int
    """Messages on their way, one for each receiver."""
    dead: int
    """Messages that were given up."""
    stopped: dict[str, str]
    """Receivers that nothing is sent to, each with the reason."""


class OutboxReceiver(msgspec.Struct, kw_only=True):
    """Somebody who is told what happens."""

    name: str
    origin: str
    """Where it is sent to, without path and query; of a form whose URL is a secret, the form."""
    form: str
    """`webhook`, `slack`, `discord`, `teams`, `email`, `pagerduty`, `ntfy`, `desktop`; of an export of usage
    `stripe`, `lago`, `openmeter`, `orb`, `metronome`."""
    kinds: list[str]
    """What it subscribed to: kinds, groups as `prices.*`, or `*`."""
    secret: str
    """Where its secret is, in words."""
    state: str
    """`active`, or `stopped`: nothing is sent until it is resumed."""
    reason: str | None
    """Why it was stopped."""
    said_by: str
    """`file`, `command`, or `both`: then the file is in force."""


class OutboxDelivery(msgspec.Struct, kw_only=True):
    """One message on its way to one receiver."""

    id: str
    """The `webhook-id`, the same at each attempt."""
    kind: str
    receiver: str
    position: int
    """In which order it is sent to this receiver."""
    state: str
    """`pending`, `delivered`, `dead` (given up after the last attempt), or `cancelled`."""
    attempts: int
    created_at: str
    next_attempt_at: str | None
    """The earliest; a message waits for the ones before it, too."""
    delivered_at: str | None
    last_error: str | None


class Outbox(msgspec.Struct, kw_only=True):
    """`/api/v1/outbox`: receivers, how many messages wait or were given up, and the newest."""

    pending: int
    dead: int
    receivers: list[OutboxReceiver]
    messages: list[OutboxDelivery]
    """The newest first."""


def outbox(
    home: Home,
    database: ControlDatabase | None = None,
    *,
    states: Sequence[str] = (),
    receiver: str | None = None,
    limit: int | None = None,
) -> Outbox:
    """Return what the outbox of a home holds; an empty one where nothing was ever named.

    Whoever asks often hands in the `database`: opening reads and checks the whole file.

    Raises:
        ControlError: `control.db` cannot be read.
    """
    if not home.control.exists():
        return Outbox(pending=0, dead=0, receivers=[], messages=[])
    from farebox.control.database import open_control
    from farebox.control.outbox import messages

    with (database or open_control(home)).reading() as connection:
        found = messages.deliveries(connection, states=states, of=receiver, limit=limit)
        return outbox_view(connection, found)


def outbox_view(connection: Connection, found: Iterable[Delivery]) -> Outbox:
    """Return the outbox with these of its messages."""
    from farebox.control.outbox import messages, receivers

    figures = messages.figures(connection)
    return Outbox(
        pending=figures.pending,
        dead=figures.dead,
        receivers=[receiver_view(each) for each in receivers.receivers(connection)],
        messages=[delivery_view(each) for each in found],
    )


def outbox_figures(home: Home) -> OutboxFigures | None:
    """Return how the outbox is doing, None where there is no control database that can be read."""
    if not home.control.exists():
        return None
    from farebox.control.database import open_control
    from farebox.control.outbox.messages import figures

    try:
        with open_control(home).reading() as connection:
            found = figures(connection)
    except FareboxError:
        return None  # what is wrong with the file is said by the one who looks after it
    return OutboxFigures(pending=found.pending, dead=found.dead, stopped=found.stopped)


def receiver_view(found: Receiver) -> OutboxReceiver:
    """Return a receiver as it is shown."""
    from farebox.control.outbox.signing_secrets import words

    said = found.settings
    both = found.configured and found.commanded
    return OutboxReceiver(
        name=found.name,
        origin=_origin(said),
        form=said.usage.form if said.usage is not None else said.form,
        kinds=list(said.kinds),
        secret=words(said.secret),
        state=found.state,
        reason=found.reason,
        said_by="both" if both else "file" if found.configured else "command",
    )


def _origin(said: ReceiverSettings) -> str:
    from farebox.outbound.destination import destination

    if said.usage is not None:
        return destination(said.url or said.usage.rules.url, said.address).origin
    if said.mail is not None:
        return f"{said.mail.server}, to {', '.join(said.mail.to)}"
    return destination(said.url, said.address).origin if said.url else said.form


def delivery_view(found: Delivery) -> OutboxDelivery:
    """Return a delivery as it is shown."""
    return OutboxDelivery(
        id=found.id,
        kind=found.kind,
        receiver=found.receiver,
        position=found.position,
        state=found.state,
        attempts=found.attempts,
        created_at=iso(found.created_at),
        next_attempt_at=None if found.next_attempt_at is None else iso(found.next_attempt_at),
        delivered_at=None if found.delivered_at is None else iso(found.delivered_at),
        last_error=found.last_error,
    )
