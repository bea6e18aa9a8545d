"""Links that open a customer's own pages: tokens of the scope `portal`, bound to one customer, with an end.

The secret is in the link alone. What is stored is its hash, as of every token.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from farebox.access.token_use import last_uses
from farebox.billing.known_customers import customer_named
from farebox.control import tokens
from farebox.control.publish import change
from farebox.control.token_changes import create_token, known_tokens, take_out_of_force
from farebox.control.tokens import Token

if TYPE_CHECKING:
    from farebox.control.database import ControlDatabase
    from farebox.home import Home

SCOPE = "portal"
DAY_S = 86_400
EXPIRES_S, EXPIRES_MAX_S = 30 * DAY_S, 3650 * DAY_S


def create_link(
    home: Home,
    customer: str,
    actor: str,
    now_ns: int,
    *,
    expires_s: int = EXPIRES_S,
    database: ControlDatabase | None = None,
) -> tuple[Token, str]:
    """Make a link for a customer and return it with its secret, which nobody can read again.

    Raises:
        UsageError: There is no such customer.
        ControlError: It cannot be written.
    """
    known = customer_named(home, customer)
    return create_token(
        home,
        f"portal {secrets.token_hex(6)}",
        SCOPE,
        actor,
        now_ns,
        expires_at=now_ns + expires_s * 10**9,
        binding={"customer": known.id},
        database=database,
    )


def known_links(
    home: Home, customer: str | None = None, database: ControlDatabase | None = None
) -> list[Token]:
    """Return the links of a customer or of all, the newest first, those no longer in force, too."""
    return [each for each in reversed(known_tokens(home, database)) if _is_link(each, customer)]


def revoke_links(
    home: Home,
    actor: str,
    now_ns: int,
    *,
    id: str | None = None,
    customer: str | None = None,
    database: ControlDatabase | None = None,
) -> list[Token]:
    """Take the link whose id begins so, or all of a customer, out of force and return them.

    More than one link with such an id, and one that was revoked before, are none.

    Raises:
        ControlError: It cannot be written.
    """
    if database is None and not home.control.exists():
        return []
    with change(home, database) as connection:
        found = [
            each
            for each in tokens.listed(connection)
            if _is_link(each, customer)
            and each.revoked_at is None
            and (id is None or (bool(id) and each.id.startswith(id)))
        ]
        if id is not None and len(found) > 1:
            return []
        tokens.note_uses(connection, last_uses(home))
        for each in found:
            take_out_of_force(connection, each, actor, now_ns)
    return found


def _is_link(token: Token, customer: str | None) -> bool:
    return token.scope == SCOPE and (customer is None or token.binding.get("customer") == customer)
