"""Create and revoke tokens: for commands and the API alike. Each is one transaction with its audit entry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, get_args

import msgspec

from farebox.access.roles import Scope
from farebox.access.token_use import last_uses
from farebox.clock import iso
from farebox.control import audit, tokens
from farebox.control.publish import change
from farebox.control.tokens import Token
from farebox.errors import UsageError
from farebox.home import Home

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from farebox.control.database import ControlDatabase

SCOPES: tuple[Scope, ...] = get_args(Scope)
BOUND = ("customer", "user", "project")
"""Whose calls are made, or sent, with a token."""
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,64}")
_BOUND_MAX = 256


def create_token(
    home: Home,
    name: str,
    scope: Scope,
    actor: str,
    now_ns: int,
    *,
    expires_at: int | None = None,
    binding: Mapping[str, str] | None = None,
    database: ControlDatabase | None = None,
) -> tuple[Token, str]:
    """Make a token and return it with its secret, which nobody can read again.

    Raises:
        UsageError: The name is taken or none, or the scope makes no calls that could be bound.
        ControlError: It cannot be written.
    """
    bound = dict(binding or {})
    if scope == "portal":
        if set(bound) != {"customer"} or expires_at is None:
            raise UsageError("a customer's own pages are opened by a link: farebox portal link CUSTOMER")
    elif bound and scope not in ("client", "ingest"):
        raise UsageError("--customer, --user and --project say whose calls are made or sent: client, ingest")
    if not _NAME.fullmatch(name) or any(not 0 < len(value) <= _BOUND_MAX for value in bound.values()):
        raise UsageError("a name has 1 to 64 characters, and what a token is bound to 1 to 256")
    with change(home, database) as connection:
        if any(each.revoked_at is None and each.name == name for each in tokens.listed(connection)):
            raise UsageError(f"there is a token called {name}; revoke it first, or choose another name")
        tokens.note_uses(connection, last_uses(home))
        made, secret = tokens.create(connection, name, scope, now_ns, expires_at=expires_at, binding=bound)
        detail = {"name": name, "scope": scope, "expires_at": expires_at, **bound}
        audit.note(connection, now_ns, actor, "token.create", made.id, detail)
    return made, secret


def revoke_token(
    home: Home, words: str, actor: str, now_ns: int, see: str, database: ControlDatabase | None = None
) -> Token:
    """Take the token that is called so, or whose id begins so, out of force and return it.

    `see` says where all of them are listed.

    Raises:
        UsageError: There is not exactly one, or it was revoked before.
        ControlError: It cannot be written.
    """
    with change(home, database) as connection:
        found = tokens.find(connection, words)
        if len(found) != 1:
            number = f"{len(found)} tokens are" if found else "no token is"
            why = f"{number} called {words!r}{': name its id' if found else ''}"
            raise UsageError(f"{why}; see: {see}")
        if found[0].revoked_at is not None:
            raise UsageError(f"{found[0].name} was revoked on {iso(found[0].revoked_at)}")
        tokens.note_uses(connection, last_uses(home))
        take_out_of_force(connection, found[0], actor, now_ns)
    return found[0]


def take_out_of_force(connection: Connection, token: Token, actor: str, now_ns: int) -> None:
    """Revoke a token within a change, with its entry in the audit."""
    tokens.revoke(connection, token.id, now_ns)
    audit.note(connection, now_ns, actor, "token.revoke", token.id, {"name": token.name})


def known_tokens(home: Home, database: ControlDatabase | None = None) -> list[Token]:
    """Return every token, with when each was last used as far as that is written down."""
    if not home.control.exists():
        return []
    from farebox.control.database import open_control

    uses = last_uses(home)
    with (database or open_control(home)).reading() as connection:
        return [
            msgspec.structs.replace(
                each, last_used_at=max(each.last_used_at or 0, uses.get(each.id, 0)) or None
            )
            for each in tokens.listed(connection)
        ]


def state_of(token: Token, now_ns: int) -> str:
    """Return `active`, `expired` or `revoked`."""
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at is not None and token.expires_at <= now_ns else "active"
