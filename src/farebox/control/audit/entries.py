"""The entries of the audit: append, read, search."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, insert, or_, select, update

from farebox.clock import uuid7, uuid_text
from farebox.control.audit.chain import GENESIS, content_digest, link
from farebox.control.schema import audit, seal

BEGUN, ERASED = "audit.begin", "audit.erase"
_SEAL = "audit"
_SALT_BYTES = 16


class RowChange(msgspec.Struct, frozen=True, kw_only=True):
    """One row that a transaction made, changed or removed."""

    kind: str
    name: str
    table: str
    key: list[Any]
    before: dict[str, Any] | None
    """None: there was none."""
    after: dict[str, Any] | None
    """None: it is gone."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry, as it is stored."""

    number: int
    id: str
    at: int
    actor: str
    action: str
    subject: str
    detail: str
    changes: str
    salt: str
    """Empty where what it said was erased."""
    digest: str
    hash: str

    @property
    def is_erased(self) -> bool:
        """Whether what it said was erased."""
        return not self.salt

    @property
    def kind(self) -> str:
        """What it is about: the action's first word."""
        return self.action.partition(".")[0]

    def rows(self) -> list[RowChange]:
        """Return what changed."""
        return msgspec.json.decode(self.changes, type=list[RowChange]) if self.changes else []

    def details(self) -> dict[str, Any]:
        """Return what was noted with it."""
        return msgspec.json.decode(self.detail, type=dict[str, Any]) if self.detail else {}


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries are asked for."""

    actor: str | None = None
    kind: str | None = None
    name: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    before: int | None = None
    """Only those with smaller numbers."""


def append(
    connection: Connection,
    now_ns: int,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, object],
    changes: Sequence[RowChange],
) -> int:
    """Append an entry to the chain and return its number."""
    last, previous = head(connection)
    number = last + 1
    id, salt = uuid_text(uuid7(now_ns)), secrets.token_hex(_SALT_BYTES)
    told, changed = msgspec.json.encode(dict(detail)).decode(), msgspec.json.encode(list(changes)).decode()
    digest = content_digest(salt, subject, told, changed)
    hash = link(previous, number, id, now_ns, actor, action, digest)
    connection.execute(
        insert(audit).values(
            number=number,
            id=id,
            at=now_ns,
            actor=actor,
            action=action,
            subject=subject,
            detail=told,
            changes=changed,
            salt=salt,
            digest=digest,
            hash=hash,
        )
    )
    _seal(connection, number, hash)
    return number


def seal_last(connection: Connection) -> None:
    """Note the newest entry of a log that was copied from elsewhere."""
    number, hash = _last(connection)
    if number:
        _seal(connection, number, hash)


def _seal(connection: Connection, number: int, hash: str) -> None:
    """Note the newest entry once more: entries cut from the end leave a chain that is whole in itself."""
    there = update(seal).where(seal.c.name == _SEAL).values(sha256=f"{number}:{hash}")
    if connection.execute(there).rowcount == 0:
        connection.execute(insert(seal).values(name=_SEAL, sha256=f"{number}:{hash}"))


def sealed_head(connection: Connection) -> str | None:
    """Return `NUMBER:HASH` of the newest entry as it was noted."""
    return connection.execute(select(seal.c.sha256).where(seal.c.name == _SEAL)).scalar()


def head(connection: Connection) -> tuple[int, str]:
    """Return the number and the hash that the next entry follows.

    They are those that were noted, not those of the last row: after entries that somebody cut off, what comes
    next leaves a hole, and not a whole chain.
    """
    number, _, hash = (sealed_head(connection) or "").partition(":")
    return (int(number), hash) if number.isdecimal() and hash else _last(connection)


def _last(connection: Connection) -> tuple[int, str]:
    newest = select(audit.c.number, audit.c.hash).order_by(audit.c.number.desc()).limit(1)
    found = connection.execute(newest).first()
    return (found.number, found.hash) if found is not None else (0, GENESIS)


def entries(connection: Connection, asked: Filter | None = None, limit: int | None = None) -> list[Entry]:
    """Return entries, the newest first."""
    chosen = _filtered(select(audit), asked or Filter()).order_by(audit.c.number.desc()).limit(limit)
    return [_entry(row) for row in connection.execute(chosen)]


def in_order(connection: Connection) -> Iterator[Entry]:
    """Yield every entry, the oldest first."""
    for row in connection.execute(select(audit).order_by(audit.c.number)):
        yield _entry(row)


def known_words(connection: Connection) -> dict[str, list[str]]:
    """Return the actors, kinds and names that entries can be found by."""
    found: dict[str, set[str]] = {"actor": set(), "kind": set(), "name": set()}
    for each in in_order(connection):
        found["actor"].add(each.actor)
        found["kind"].add(each.kind)
        found["name"].add(each.subject)
        for row in each.rows():
            found["kind"].add(row.kind)
            found["name"].add(row.name)
    return {key: sorted(words - {""}) for key, words in found.items()}


def _filtered(chosen: Select[Any], asked: Filter) -> Select[Any]:
    if asked.actor is not None:
        chosen = chosen.where(audit.c.actor == asked.actor)
    if asked.kind is not None:
        changed = audit.c.changes.contains(f'{{"kind":{_quoted(asked.kind)},', autoescape=True)
        chosen = chosen.where(or_(audit.c.action.startswith(f"{asked.kind}.", autoescape=True), changed))
    if asked.name is not None:
        named = audit.c.changes.contains(f',"name":{_quoted(asked.name)},"table":', autoescape=True)
        chosen = chosen.where(or_(audit.c.subject == asked.name, named))
    if asked.since_ns is not None:
        chosen = chosen.where(audit.c.at >= asked.since_ns)
    if asked.until_ns is not None:
        chosen = chosen.where(audit.c.at < asked.until_ns)
    if asked.before is not None:
        chosen = chosen.where(audit.c.number < asked.before)
    return chosen


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _entry(row: Any) -> Entry:
    return Entry(**row._mapping)
