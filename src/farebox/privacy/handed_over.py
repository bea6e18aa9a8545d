"""Take erased values out of what `control.db` keeps to be sent: events of usage, their messages, exports'
settings.

What alerts have said is erased with the record (`farebox.alerts.erasure_sql`). Done again it changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, exists, func, select, update

from farebox.alerts.erasure_sql import Erased
from farebox.channels.news import ALERT_KINDS
from farebox.channels.usage.usage_event import UsageEvent
from farebox.control.audit.mentions import Personal
from farebox.control.outbox.envelope import USAGE_KIND, ReceiverSettings
from farebox.control.schema import audit, customer, token
from farebox.control.schema import invoice_draft as draft
from farebox.control.schema import outbox_delivery as delivery
from farebox.control.schema import outbox_message as message
from farebox.control.schema import outbox_receiver as receiver
from farebox.control.schema import usage_day as day
from farebox.control.schema import usage_event as event
from farebox.privacy.no_longer_declared import forget_removed_customer, forget_revoked_tokens

_WAITS = exists().where(delivery.c.message == message.c.id, delivery.c.state == "pending")


def mentioned(connection: Connection, erased: Sequence[Erased]) -> list[Erased]:
    """Return those values that stand anywhere in what is looked through here, or in the audit."""
    columns = (
        *(audit.c.subject, audit.c.detail, audit.c.changes, message.c.payload, receiver.c.commanded),
        *(event.c.customer, day.c.customer, draft.c.customer, customer.c.id, token.c.binding),
    )
    texts = "\n".join(
        text for column in columns for text in connection.execute(select(column)).scalars() if text
    )
    return [each for each in erased if each.value in texts or _quoted(each.value)[1:-1] in texts]


def count(connection: Connection, field: str, value: str) -> dict[str, int]:
    """Return in how many rows of each kind a value stands that `forget` takes out."""
    found = {"message": len(_done(connection, Personal(field, value)))}
    if field == "customer":
        for name, table in (("usage_event", event), ("usage_day", day), ("draft", draft)):
            asked = select(func.count()).select_from(table).where(table.c.customer == value)
            found[name] = connection.execute(asked).scalar_one()
        found["export"] = len(_mapping_exports(connection, value))
    return {name: number for name, number in found.items() if number}


def forget(connection: Connection, erased: Erased) -> None:
    """Put what stands for a value in its place, and remove messages that are done with.

    Usage of a customer that was not sent yet is held, under what stands for them: it goes on once the
    export has a name for that.
    """
    if erased.field == "customer":
        _forget_usage(connection, erased)
        for name, said in _mapping_exports(connection, erased.value):
            usage = said.usage
            assert usage is not None  # noqa: S101 - only these are returned
            left = {ours: theirs for ours, theirs in usage.customers.items() if ours != erased.value}
            changed = msgspec.structs.replace(said, usage=msgspec.structs.replace(usage, customers=left))
            text = msgspec.json.encode(changed).decode()
            connection.execute(update(receiver).where(receiver.c.name == name).values(commanded=text))
        connection.execute(delete(draft).where(draft.c.customer == erased.value))
        forget_removed_customer(connection, erased.value)
    forget_revoked_tokens(connection, Personal(erased.field, erased.value))
    _remove(connection, _done(connection, Personal(erased.field, erased.value)))


def waiting_messages(connection: Connection, field: str, value: str) -> int:
    """Return how many messages name a value and still wait to be sent: they go away a week after that."""
    return len(_messages(connection, Personal(field, value), _WAITS))


# -- usage --


def _forget_usage(connection: Connection, erased: Erased) -> None:
    ids: set[str] = set()
    accounts = {erased.value}
    for row in connection.execute(select(event).where(event.c.customer == erased.value)).all():
        said = msgspec.json.decode(row.body, type=UsageEvent)
        ids.add(row.id)
        accounts.add(said.account)
        without = msgspec.json.encode(msgspec.structs.replace(said, account="")).decode()
        values: dict[str, Any] = {"customer": erased.name, "body": without, "words": None}
        if row.state == "waiting":
            values |= {"state": "held", "message": None}
        this = (event.c.export == row.export, event.c.id == row.id)
        connection.execute(update(event).where(*this).values(values))
    _forget_days(connection, erased)
    for account in sorted(accounts - {""}):
        _forget_in_usage_messages(connection, account, ids)


def _forget_days(connection: Connection, erased: Erased) -> None:
    for row in connection.execute(select(day).where(day.c.customer == erased.value)).all():
        this = (day.c.export == row.export, day.c.day == row.day, day.c.quantity == row.quantity)
        more = {"value": day.c.value + row.value, "events": day.c.events + row.events}
        there = update(day).where(*this, day.c.customer == erased.name).values(more)
        old = (*this, day.c.customer == erased.value)
        if connection.execute(there).rowcount:
            connection.execute(delete(day).where(*old))
        else:
            connection.execute(update(day).where(*old).values(customer=erased.name))


def _forget_in_usage_messages(connection: Connection, account: str, ids: Collection[str]) -> None:
    told = message.c.payload.contains(f'"account":{_quoted(account)}', autoescape=True)
    for row in connection.execute(select(message).where(message.c.kind == USAGE_KIND, told)).all():
        payload = msgspec.json.decode(row.payload)
        there = payload["data"]["events"]
        left = [each for each in there if each["id"] not in ids]
        if not left:
            _remove(connection, [row.id])
        elif len(left) < len(there):
            payload["data"]["events"] = left
            text = msgspec.json.encode(payload).decode()
            connection.execute(update(message).where(message.c.id == row.id).values(payload=text))
            said = delivery.c.last_error.contains(account, autoescape=True)
            connection.execute(
                update(delivery).where(delivery.c.message == row.id, said).values(last_error=None)
            )


def _mapping_exports(connection: Connection, customer: str) -> list[tuple[str, ReceiverSettings]]:
    """Return the exports that a command set and that have a name for a customer."""
    found: list[tuple[str, ReceiverSettings]] = []
    for row in connection.execute(select(receiver).where(receiver.c.commanded.is_not(None))):
        said = msgspec.json.decode(row.commanded, type=ReceiverSettings)
        if said.usage is not None and customer in said.usage.customers:
            found.append((row.name, said))
    return found


# -- messages --


def _done(connection: Connection, personal: Personal) -> list[str]:
    """Return messages that name a value and wait for nothing."""
    return _messages(connection, personal, ~_WAITS)


def _messages(connection: Connection, personal: Personal, which: ColumnElement[bool]) -> list[str]:
    """Return messages that name a value: but for those of alerts and of usage, which lose the value only."""
    asked = select(message.c.id, message.c.payload).where(
        message.c.payload.contains(_quoted(personal.value), autoescape=True),
        ~message.c.kind.startswith(ALERT_KINDS, autoescape=True),
        message.c.kind != USAGE_KIND,
        which,
    )
    rows = connection.execute(asked).all()
    return [row.id for row in rows if personal.is_in(msgspec.json.decode(row.payload))]


def _remove(connection: Connection, ids: Collection[str]) -> None:
    for id in ids:
        connection.execute(delete(delivery).where(delivery.c.message == id))
        connection.execute(delete(message).where(message.c.id == id))


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()
