"""Keys, tokens and the configuration in force in the API's shape."""

from __future__ import annotations

import msgspec

from farebox.clock import iso
from farebox.control.token_changes import state_of
from farebox.control.tokens import Token
from farebox.server.api.spending.spend_views import Text


class KeyState(msgspec.Struct, kw_only=True):
    """An API key, by its fingerprint: it was seen in calls, or somebody named it."""

    fingerprint: str
    label: str | None
    customer: str | None
    """Whose calls are made with it, as for the next three."""
    user: str | None
    agent: str | None
    project: str | None
    origin: str | None
    """`command`, or `file` where farebox.yaml says it and no command can change it; None: nobody named it."""
    calls: int
    """In the last 30 days."""
    cost_pico: Text
    last_at: str | None
    """Its last call in these days."""


class Keys(msgspec.Struct, kw_only=True):
    """`GET /api/v1/keys`: most expensive first."""

    keys: list[KeyState]


class TokenState(msgspec.Struct, kw_only=True):
    """A token. Its secret was shown once."""

    id: str
    name: str
    scope: str
    state: str
    """`active`, `expired` or `revoked`."""
    binding: dict[str, str]
    """Whose calls are made with it: `customer`, `user`, `project`."""
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None


class Tokens(msgspec.Struct, kw_only=True):
    """`GET /api/v1/tokens`: the newest first."""

    tokens: list[TokenState]


class TokenCreated(msgspec.Struct, kw_only=True):
    """`POST /api/v1/tokens`: the secret is in no other response."""

    token: TokenState
    secret: str


class SettingInForce(msgspec.Struct, kw_only=True):
    """One value. A secret is shown by its reference."""

    key: str
    value: str | None
    layer: str
    """`default`, `home`, `named`, `directory`, `environment` or `flag`."""
    origin: str
    """`file:line`, an environment variable, a flag, or `default`."""
    at_once: bool
    """Whether what runs follows a change of the file; otherwise it takes a restart."""


class Configuration(msgspec.Struct, kw_only=True):
    """`GET /api/v1/configuration`: what is in force, and where each value comes from."""

    files: list[str]
    """The files that were read, the one that counts least first."""
    values: list[SettingInForce]
    findings: list[str]
    """Mistakes in these files: what they say is not in force."""


def token_state(token: Token, now_ns: int) -> TokenState:
    return TokenState(
        id=token.id,
        name=token.name,
        scope=token.scope,
        state=state_of(token, now_ns),
        binding=token.binding,
        created_at=iso(token.created_at),
        expires_at=_iso(token.expires_at),
        revoked_at=_iso(token.revoked_at),
        last_used_at=_iso(token.last_used_at),
    )


def _iso(moment: int | None) -> str | None:
    return None if moment is None else iso(moment)
