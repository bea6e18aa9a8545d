"""Tokens: made, listed, revoked. A secret is shown once and stored as its hash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from farebox.access.roles import Scope
from farebox.access.tokens import hash_of, new_secret
from farebox.clock import uuid7, uuid_text
from farebox.control.schema import token


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a token. Moments are nanoseconds since 1970."""

    id: str
    name: str
    scope: str
    binding: dict[str, str]
    """Whose calls are made with it: customer, user, project."""
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None


def create(
    connection: Connection,
    name: str,
    scope: Scope,
    now_ns: int,
    *,
    expires_at: int | None = None,
    binding: Mapping[str, str] | None = None,
) -> tuple[Token, str]:
    """Make a token and return it with its secret, which nobody can read again."""
    secret = new_secret(scope)
    made = Token(
        id=uuid_text(uuid7(now_ns)),
        name=name,
        scope=scope,
        binding=dict(binding or {}),
        created_at=now_ns,
        expires_at=expires_at,
        revoked_at=None,
        last_used_at=None,
    )
    stored = msgspec.structs.asdict(made) | {
        "hash": hash_of(secret.encode()),
        "binding": msgspec.json.encode(made.binding).decode(),
    }
    connection.execute(insert(token).values(**stored))
    return made, secret


def listed(connection: Connection) -> list[Token]:
    """Return every token, the oldest first, revoked ones too."""
    return [_token(row) for row in connection.execute(select(token).order_by(token.c.created_at, token.c.id))]


def find(connection: Connection, words: str) -> list[Token]:
    """Return the tokens that are called so or whose id begins so; revoked ones only where no other is."""
    found = [each for each in listed(connection) if each.name == words or each.id.startswith(words)]
    return [each for each in found if each.revoked_at is None] or found


def revoke(connection: Connection, token_id: str, now_ns: int) -> None:
    """Take a token out of force, for good."""
    there = (token.c.id == token_id) & token.c.revoked_at.is_(None)
    connection.execute(update(token).where(there).values(revoked_at=now_ns))


def note_uses(connection: Connection, uses: Mapping[str, int]) -> None:
    """Keep when tokens were last used."""
    for token_id, moment in uses.items():
        there = (token.c.id == token_id) & (
            (token.c.last_used_at.is_(None)) | (token.c.last_used_at < moment)
        )
        connection.execute(update(token).where(there).values(last_used_at=moment))


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        scope=row.scope,
        binding=msgspec.json.decode(row.binding, type=dict[str, str]),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
