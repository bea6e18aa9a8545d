"""`farebox outbox`, `show`, `retry`, `cancel`: what is on its way, what was given up, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from farebox.cli.exits import OK
from farebox.cli.options import AsJson, Place
from farebox.cli.outbox.receivers import nobody_is_told, take_over_file
from farebox.cli.reports.json_shapes import print_json
from farebox.cli.screen import RED, YELLOW, Column, clean, count, paint, table
from farebox.clock import iso, now_ns
from farebox.errors import UsageError
from farebox.program import command
from farebox.server.api.outbox.outbox_views import Outbox, OutboxDelivery, OutboxReceiver, delivery_view
from farebox.server.api.outbox.outbox_views import outbox as read_outbox

if TYPE_CHECKING:
    from farebox.home import Home

State = Literal["pending", "delivered", "dead", "cancelled"]
MessageId = Annotated[str, Parameter(help="The message's id, or the beginning of it.")]
OfReceiver = Annotated[str | None, Parameter(name="--receiver", help="Only for this receiver.")]


class OutboxAnswer(msgspec.Struct, kw_only=True):
    """`farebox outbox --json`."""

    schema: str = "farebox.outbox/1"
    pending: int
    dead: int
    receivers: list[OutboxReceiver]
    messages: list[OutboxDelivery]
    """The newest first."""


class MessageAnswer(msgspec.Struct, kw_only=True):
    """`farebox outbox show --json`."""

    schema: str = "farebox.outbox-message/1"
    id: str
    kind: str
    cause: str
    """What it was committed with."""
    dedupe_key: str | None
    created_at: str
    payload: Any
    """The JSON that is sent."""
    deliveries: list[OutboxDelivery]


def outbox(
    *,
    state: Annotated[list[State] | None, Parameter(help="Only in this state.", negative="")] = None,
    receiver: OfReceiver = None,
    limit: Annotated[int, Parameter(help="How many, the newest first.")] = 50,
    place: Place | None = None,
    as_json: AsJson = False,
) -> int:
    """List messages: what waits, what arrived, what was given up, and why."""
    home = (place or Place()).state_to_read()
    take_over_file(home)
    found = read_outbox(home, states=state or (), receiver=receiver, limit=max(limit, 1))
    if as_json:
        print_json(
            OutboxAnswer(
                pending=found.pending, dead=found.dead, receivers=found.receivers, messages=found.messages
            )
        )
    else:
        print(render(found, home, filtered=bool(state or receiver)))
    return OK


def render(found: Outbox, home: Home, *, filtered: bool = False) -> str:
    """Return the list as the terminal shows it; where there is nothing, what to do."""
    stopped = [each for each in found.receivers if each.state == "stopped"]
    lines: list[str] = []
    if found.messages:
        columns = [
            Column("id"),
            Column("kind", drop=1),
            Column("to"),
            Column("state"),
            Column("tries", right=True, drop=3),
            Column("when", drop=2),
            Column("what happened", width_max=70, width_min=20, drop=4),
        ]
        lines.append(table(columns, [_cells(each) for each in found.messages]))
        lines.append(f"{found.pending} waiting, {found.dead} given up")
    elif filtered:
        lines.append(f"No such message. All of them:  {command('outbox')}")
    elif found.receivers:
        names = ", ".join(clean(each.name) for each in found.receivers)
        lines.append(f"Nothing was sent to {names} yet.")
        lines.append(f"Send a test:  {command(f'outbox receivers test {found.receivers[0].name}')}")
    else:
        lines.append(nobody_is_told(home))
    if found.dead:
        lines.append(
            f"{paint('!', RED)} {count(found.dead, 'message')} given up. "
            f"Send again:  {command('outbox retry --all-dead')}"
        )
    lines += [
        f"{paint('!', YELLOW)} {clean(each.name)} is stopped: {clean(each.reason)}. "
        f"Go on:  {command(f'outbox receivers resume {each.name}')}"
        for each in stopped
    ]
    return "\n".join(lines)


def _cells(each: OutboxDelivery) -> list[str]:
    when = each.created_at[:19] + "Z"
    what = each.last_error or ""
    if each.state == "pending" and each.next_attempt_at is not None:
        what = f"next try {each.next_attempt_at[11:19]}Z: {what}"
    return [each.id, each.kind, each.receiver, each.state, str(each.attempts), when, what]


def show(id: MessageId, /, *, place: Place | None = None, as_json: AsJson = False) -> int:
    """Show one message: what it says, and how each attempt ended."""
    from farebox.control.database import open_control
    from farebox.control.outbox.messages import stored

    with open_control(_home(place, reads=True)).reading() as connection:
        found = stored(connection, id)
    answer = MessageAnswer(
        id=found.id,
        kind=found.kind,
        cause=found.cause,
        dedupe_key=found.dedupe_key,
        created_at=iso(found.created_at),
        payload=msgspec.json.decode(found.payload),
        deliveries=[delivery_view(each) for each in found.deliveries],
    )
    if as_json:
        print_json(answer)
        return OK
    print(f"{answer.id}  {clean(answer.kind)}  {answer.created_at}")
    print(f"because of: {clean(answer.cause)}")
    print(clean(msgspec.json.encode(answer.payload).decode()))
    for each in answer.deliveries:
        tries = count(each.attempts, "attempt")
        line = f"{clean(each.receiver)}: {each.state}, {tries}"
        if each.delivered_at is not None:
            line += f", arrived {each.delivered_at}"
        if each.next_attempt_at is not None:
            line += f", next {each.next_attempt_at}"
        print(f"{line}: {clean(each.last_error)}" if each.last_error else line)
    return OK


def retry(
    id: Annotated[str | None, Parameter(help="The message's id, or the beginning of it.")] = None,
    /,
    *,
    all_dead: Annotated[bool, Parameter(help="Everything that was given up.", negative="")] = False,
    receiver: OfReceiver = None,
    place: Place | None = None,
) -> int:
    """Send again, now and with all attempts: a message, or everything that was given up.

    A message keeps its place: it goes before newer ones, which waited or overtook it.
    """
    if (id is None) == (not all_dead):
        raise UsageError(f"name a message, or say --all-dead: {command('outbox')} lists them")
    from farebox.control import audit
    from farebox.control.database import open_control
    from farebox.control.outbox import messages

    home = _home(place)
    with open_control(home).writing() as connection:
        whole = None if id is None else messages.stored(connection, id).id
        number = messages.retry(connection, whole, receiver)
        if number:
            subject = whole or "all-dead"
            audit.note(connection, now_ns(), audit.command_line(), "outbox.retry", subject)
    if number == 0:
        print("It has arrived already." if id is not None else "Nothing was given up.")
        return OK
    print(f"{count(number, 'message')} will be sent again{_when(home)}.")
    return OK


def cancel(id: MessageId, /, *, receiver: OfReceiver = None, place: Place | None = None) -> int:
    """Give up a message that is waiting or dead; the ones behind it go on."""
    from farebox.control import audit
    from farebox.control.database import open_control
    from farebox.control.outbox import messages

    with open_control(_home(place)).writing() as connection:
        whole = messages.stored(connection, id).id
        number = messages.cancel(connection, id=whole, of=receiver)
        if number:
            audit.note(connection, now_ns(), audit.command_line(), "outbox.cancel", whole)
    print(f"{count(number, 'message')} cancelled." if number else "Nothing of it waits: nothing to cancel.")
    return OK


def _home(place: Place | None, *, reads: bool = False) -> Home:
    chosen = place or Place()
    home = chosen.state_to_read() if reads else chosen.state()
    if not home.control.exists():
        raise UsageError(f"there is no message yet; {command('outbox receivers')} names who is sent any")
    return home


def _when(home: Home) -> str:
    from farebox.cli.daemon.running import running

    return "" if running(home, "server") else f" once Farebox runs: {command('up')}"
